//! One instance of the bridge: its parts, and what they need while it runs.
//!
//! Everything that answers a call of the core gets the [`Instance`]; everything that happens by
//! itself is a task of [`Running`], which ends with `run`.

use crate::calls::Calls;
use crate::config::Config;
use crate::names::Personas;
use crate::people::People;
use crate::rooms::Rooms;
use crate::service::Service;
use crate::services::Services;
use crate::session::Session;
use monster_bridge_api::{RemoteId, Run, Scope};
use parking_lot::RwLock;
use std::ops::Deref;
use std::sync::Arc;
use tokio::sync::watch;

/// The resource of everybody who appears through the component.
pub(crate) const RESOURCE: &str = "monster";

/// One instance of the bridge.
pub(crate) struct Instance {
    pub(crate) scope: Scope,
    pub(crate) config: Config,
    pub(crate) personas: Personas,
    pub(crate) services: Services,
    pub(crate) rooms: Rooms,
    pub(crate) people: People,
    pub(crate) service: Service,
    pub(crate) calls: Calls,
    running: RwLock<Option<Arc<Running>>>,
}

/// What there is only while the instance runs: what every bridge's run has, and the connection.
pub(crate) struct Running {
    run: Run,
    session: watch::Sender<Option<Arc<Session>>>,
}

impl Deref for Running {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Instance {
    /// An instance that does not run yet.
    pub(crate) fn new(scope: Scope, config: Config) -> Self {
        Self {
            personas: Personas::new(config.address(), &scope.public_host, scope.instance.as_str()),
            services: Services::new(&config),
            rooms: Rooms::default(),
            people: People::default(),
            service: Service::default(),
            calls: Calls::default(),
            running: RwLock::new(None),
            scope,
            config,
        }
    }

    /// What there is while it runs; `None` before and after.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.read().clone()
    }

    /// Begins or ends.
    pub(crate) fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.write() = running;
    }

    /// The connection, if there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.running()?.session()
    }

    /// Whether an id is one of the component's own addresses: a room of another network.
    pub(crate) fn is_served(&self, id: &RemoteId) -> bool {
        crate::names::jid_of(id).is_some_and(|jid| self.personas.is_ours(&jid))
    }
}

impl Running {
    /// The things of a run.
    pub(crate) fn new(run: Run) -> Self {
        Self { run, session: watch::Sender::new(None) }
    }

    /// The connection, if there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.borrow().clone()
    }

    /// There is a connection, or there is none any more.
    pub(crate) fn set_session(&self, session: Option<Arc<Session>>) {
        self.session.send_replace(session);
    }
}
