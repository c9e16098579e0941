//! One instance of the bridge: its parts, and what they need while it runs.
//!
//! Everything that answers a call of the core gets the [`Instance`]; everything that happens by
//! itself is a task of [`Running`], which ends with `run`.

use crate::admission::{Asked, Kicks};
use crate::bot::Bot;
use crate::chat::Correspondents;
use crate::config::Config;
use crate::conversations::Conversations;
use crate::ctcp::Answered;
use crate::deliver::Flights;
use crate::marks::Marks;
use crate::names::Names;
use crate::net::{Dialer, Ident};
use crate::network::Network;
use crate::people::People;
use crate::profile::Profiles;
use crate::puppets::Puppets;
use crate::rooms::Rooms;
use crate::typing::Typing;
use monster_bridge_api::{ConfigError, Run, Scope};
use parking_lot::RwLock;
use std::ops::Deref;
use std::sync::Arc;

/// One instance of the bridge.
pub(crate) struct Instance {
    pub(crate) scope: Scope,
    pub(crate) config: Config,
    pub(crate) names: Names,
    pub(crate) dialer: Dialer,
    pub(crate) network: Arc<Network>,
    pub(crate) bot: Bot,
    pub(crate) rooms: Rooms,
    pub(crate) people: People,
    pub(crate) puppets: Puppets,
    pub(crate) conversations: Conversations,
    pub(crate) marks: Marks,
    pub(crate) flights: Flights,
    pub(crate) profiles: Profiles,
    pub(crate) ctcp: Answered,
    pub(crate) correspondents: Correspondents,
    pub(crate) asked: Asked,
    pub(crate) kicks: Kicks,
    pub(crate) typing: Typing,
    running: RwLock<Option<Arc<Running>>>,
}

/// What there is only while the instance runs: what every bridge's run has, and the ident listener.
pub(crate) struct Running {
    run: Run,
    pub(crate) ident: Option<Arc<Ident>>,
}

impl Deref for Running {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Instance {
    /// An instance that does not run yet.
    pub(crate) fn new(scope: Scope, config: Config) -> Result<Self, ConfigError> {
        let dialer = Dialer::new(&config)?;
        Ok(Self {
            names: Names::new(&scope.data_dir),
            network: Network::behind(&dialer.server(), config.connects_per_minute),
            dialer,
            bot: Bot::default(),
            rooms: Rooms::default(),
            people: People::default(),
            puppets: Puppets::default(),
            conversations: Conversations::default(),
            marks: Marks::default(),
            flights: Flights::default(),
            profiles: Profiles::default(),
            ctcp: Answered::default(),
            correspondents: Correspondents::default(),
            asked: Asked::default(),
            kicks: Kicks::default(),
            typing: Typing::default(),
            running: RwLock::new(None),
            scope,
            config,
        })
    }

    /// What there is while it runs; `None` before and after.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.read().clone()
    }

    /// Begins or ends.
    pub(crate) fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.write() = running;
    }

    /// Saves something of our own, if it runs.
    pub(crate) async fn save(&self, key: &str, value: Option<&str>) {
        if let Some(running) = self.running() {
            running.save(key, value).await;
        }
    }
}

impl Running {
    /// The things of a run.
    pub(crate) fn new(run: Run, ident: Option<Arc<Ident>>) -> Self {
        Self { run, ident }
    }
}
