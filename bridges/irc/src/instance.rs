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
use futures_util::FutureExt;
use monster_bridge_api::{AcceptError, Accepted, ConfigError, Event, EventId, Host, Scope};
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    pub(crate) typing: Typing,
    pub(crate) profiles: Profiles,
    pub(crate) ctcp: Answered,
    pub(crate) correspondents: Correspondents,
    pub(crate) asked: Asked,
    pub(crate) kicks: Kicks,
    running: RwLock<Option<Arc<Running>>>,
}

/// What there is only while the instance runs.
pub(crate) struct Running {
    pub(crate) host: Arc<dyn Host>,
    /// Everything ends.
    pub(crate) stop: CancellationToken,
    pub(crate) ident: Option<Arc<Ident>>,
    failed: Mutex<Option<String>>,
    tasks: TaskTracker,
    epoch: u64,
    events: AtomicU64,
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
            typing: Typing::default(),
            correspondents: Correspondents::default(),
            asked: Asked::default(),
            kicks: Kicks::default(),
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

    /// Saves something of our own; what cannot be saved now is only logged: it is news again when
    /// it next changes.
    pub(crate) async fn save(&self, key: &str, value: Option<&str>) {
        let Some(running) = self.running() else { return };
        if let Err(error) = running.host.save(key, value).await {
            tracing::warn!(instance = %self.scope.instance, %error, "a value could not be saved");
        }
    }
}

impl Running {
    /// The things of a run.
    pub(crate) fn new(host: Arc<dyn Host>, stop: CancellationToken, ident: Option<Arc<Ident>>, epoch: u64) -> Self {
        Self {
            host,
            stop,
            ident,
            failed: Mutex::new(None),
            tasks: TaskTracker::new(),
            epoch,
            events: AtomicU64::new(0),
        }
    }

    /// Runs something until it is done or everything ends. A panic in it ends the run.
    pub(crate) fn spawn(self: &Arc<Self>, what: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = Arc::clone(self);
        self.tasks.spawn(async move {
            let stop = running.stop.clone();
            let guarded = AssertUnwindSafe(task).catch_unwind();
            let Some(Err(_)) = stop.run_until_cancelled(guarded).await else { return };
            tracing::error!(task = what, "a task of the irc bridge panicked");
            *running.failed.lock() = Some(format!("the task `{what}` panicked"));
            running.stop.cancel();
        });
    }

    /// Waits until everything has ended, a few seconds at most; why it ended before its time.
    pub(crate) async fn finish(&self) -> Option<String> {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks of the irc bridge did not end in time");
        }
        self.failed.lock().take()
    }

    /// An id for an event that the server gave none: unique within the instance for ever, because
    /// each run has an epoch of its own.
    pub(crate) fn own_id(&self) -> EventId {
        EventId::new(format!("own-{}-{}", self.epoch, self.events.fetch_add(1, Ordering::Relaxed)))
    }

    /// Hands an event over until it is taken: `Ok` once it is durable, `Err` with the words for its
    /// author if it can never be taken. `None` if everything ends before.
    pub(crate) async fn accept(&self, event: Event) -> Option<Result<Accepted, String>> {
        let mut pause = Duration::from_millis(50);
        loop {
            let accepted = self.stop.run_until_cancelled(self.host.accept(event.clone())).await?;
            match accepted {
                Ok(accepted) => return Some(Ok(accepted)),
                Err(AcceptError::Refused(why)) => return Some(Err(why)),
                Err(AcceptError::Unavailable(error)) => {
                    tracing::warn!(%error, "the journal does not take events now");
                    self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Hands several events of one venue over, in their order, until all are taken. `None` if
    /// everything ends before.
    pub(crate) async fn accept_all(&self, mut events: Vec<Event>) -> Option<()> {
        let mut pause = Duration::from_millis(50);
        while !events.is_empty() {
            let mut taken = 0;
            for outcome in self.stop.run_until_cancelled(self.host.accept_all(events.clone())).await? {
                match outcome {
                    Ok(_) => taken += 1,
                    Err(AcceptError::Refused(why)) => {
                        tracing::debug!(why, "the host refused an event");
                        taken += 1;
                    }
                    Err(AcceptError::Unavailable(error)) => {
                        tracing::warn!(%error, "the journal does not take events now");
                        break;
                    }
                }
            }
            events.drain(..taken.min(events.len()));
            if taken == 0 {
                self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
        Some(())
    }
}
