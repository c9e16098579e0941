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
use futures_util::FutureExt;
use monster_bridge_api::{AcceptError, Accepted, Event, EventId, Host, RemoteId, Scope};
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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

/// What there is only while the instance runs.
pub(crate) struct Running {
    pub(crate) host: Arc<dyn Host>,
    /// Everything ends.
    pub(crate) stop: CancellationToken,
    session: watch::Sender<Option<Arc<Session>>>,
    failed: Mutex<Option<String>>,
    tasks: TaskTracker,
    epoch: u64,
    events: AtomicU64,
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
    pub(crate) fn new(host: Arc<dyn Host>, epoch: u64) -> Self {
        Self {
            host,
            stop: CancellationToken::new(),
            session: watch::Sender::new(None),
            failed: Mutex::new(None),
            tasks: TaskTracker::new(),
            epoch,
            events: AtomicU64::new(0),
        }
    }

    /// The connection, if there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.borrow().clone()
    }

    /// There is a connection, or there is none any more.
    pub(crate) fn set_session(&self, session: Option<Arc<Session>>) {
        self.session.send_replace(session);
    }

    /// Runs something until it is done or everything ends. A panic in it ends the run.
    pub(crate) fn spawn(self: &Arc<Self>, what: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = Arc::clone(self);
        self.tasks.spawn(async move {
            let stop = running.stop.clone();
            let guarded = AssertUnwindSafe(task).catch_unwind();
            let Some(Err(_)) = stop.run_until_cancelled(guarded).await else { return };
            tracing::error!(task = what, "a task of the xmpp bridge panicked");
            *running.failed.lock() = Some(format!("the task `{what}` panicked"));
            running.stop.cancel();
        });
    }

    /// Waits until everything has ended, a few seconds at most; why it ended before its time.
    pub(crate) async fn finish(&self) -> Option<String> {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await.is_err() {
            tracing::warn!("some tasks of the xmpp bridge did not end in time");
        }
        self.failed.lock().take()
    }

    /// An id for an event that nobody gave one: unique within the instance for ever, because each
    /// run has an epoch of its own.
    pub(crate) fn own_id(&self) -> EventId {
        EventId::new(format!("own-{}-{}", self.epoch, self.events.fetch_add(1, Ordering::Relaxed)))
    }

    /// Hands events of one venue over, in their order, until all are taken; gives what became of each.
    /// `None` if everything ends before.
    pub(crate) async fn accept(&self, mut events: Vec<Event>) -> Option<Vec<Result<Accepted, String>>> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut pause = Duration::from_millis(50);
        while !events.is_empty() {
            let mut taken = 0;
            for outcome in self.stop.run_until_cancelled(self.host.accept_all(events.clone())).await? {
                match outcome {
                    Ok(accepted) => outcomes.push(Ok(accepted)),
                    Err(AcceptError::Refused(why)) => outcomes.push(Err(why)),
                    Err(AcceptError::Unavailable(error)) => {
                        tracing::warn!(%error, "the journal does not take events now");
                        break;
                    }
                }
                taken += 1;
            }
            events.drain(..taken.min(events.len()));
            if taken == 0 {
                self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
        Some(outcomes)
    }

    /// Saves something of our own; what cannot be saved now is only logged: it is news again when it
    /// next changes.
    pub(crate) async fn save(&self, key: &str, value: Option<&str>) {
        if let Err(error) = self.host.save(key, value).await {
            tracing::warn!(%error, "a value could not be saved");
        }
    }
}
