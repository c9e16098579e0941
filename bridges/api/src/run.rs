//! What a bridge has only while it runs: its host, its tasks, and ids of its own. A help for bridges
//! whose [`crate::Bridge::run`] is more than one task; none has to use it.

use crate::{AcceptError, Accepted, Event, EventId, Health, Host, HostError, InstanceName, RunError};
use futures_util::FutureExt as _;
use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where the number of the last run is kept.
const EPOCH: &str = "epoch";
/// How long tasks may take to end.
const END_WITHIN: Duration = Duration::from_secs(5);
/// The pauses between attempts to hand events over.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// One run of a bridge, from its start until it is told to stop or one of its tasks panics.
pub struct Run {
    /// What the core does for the bridge.
    pub host: Arc<dyn Host>,
    /// Everything ends.
    pub stop: CancellationToken,
    instance: InstanceName,
    failed: Arc<Mutex<Option<String>>>,
    tasks: TaskTracker,
    epoch: u64,
    ids: AtomicU64,
}

impl Run {
    /// Begins one more run.
    pub async fn begin(instance: &InstanceName, host: Arc<dyn Host>) -> Result<Self, HostError> {
        let epoch = host.load(EPOCH).await?.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
        host.save(EPOCH, Some(&epoch.to_string())).await?;
        Ok(Self {
            host,
            stop: CancellationToken::new(),
            instance: instance.clone(),
            failed: Arc::default(),
            tasks: TaskTracker::new(),
            epoch,
            ids: AtomicU64::new(0),
        })
    }

    /// Runs something until it is done or everything ends. A panic in it ends the run.
    pub fn spawn(&self, what: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, failed, instance) = (self.stop.clone(), Arc::clone(&self.failed), self.instance.clone());
        self.tasks.spawn(async move {
            let guarded = AssertUnwindSafe(task).catch_unwind();
            let Some(Err(_)) = stop.run_until_cancelled(guarded).await else { return };
            tracing::error!(%instance, task = what, "a task of a bridge panicked");
            *failed.lock() = Some(format!("the task `{what}` panicked"));
            stop.cancel();
        });
    }

    /// Waits until the run is told to stop, or ends by itself.
    pub async fn ends(&self, told: &CancellationToken) {
        self.stop.run_until_cancelled(told.cancelled()).await;
    }

    /// Waits until every task has ended, a few seconds at most; the error tells why the run ended
    /// before its time, and the host knows it.
    pub async fn finish(&self) -> Result<(), RunError> {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(END_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!(instance = %self.instance, "some tasks of a bridge did not end in time");
        }
        let Some(why) = self.failed.lock().take() else { return Ok(()) };
        self.host.report(Health::Down { why: why.clone() });
        Err(RunError(why))
    }

    /// An id for an event that the network gave none: unique within the instance for ever, because
    /// each run has an epoch of its own.
    pub fn own_id(&self) -> EventId {
        EventId::new(format!("own-{}-{}", self.epoch, self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    /// Hands an event over until it is taken: `Ok` once it is durable, `Err` with the words for its
    /// author if it can never be taken. `None` if everything ends before.
    pub async fn accept(&self, event: Event) -> Option<Result<Accepted, String>> {
        self.accept_all(vec![event]).await?.pop()
    }

    /// Hands events of one venue over, in their order, until all are taken; gives what became of each,
    /// as [`Self::accept`] does. `None` if everything ends before.
    pub async fn accept_all(&self, mut events: Vec<Event>) -> Option<Vec<Result<Accepted, String>>> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut pause = PAUSES.0;
        while !events.is_empty() {
            let before = outcomes.len();
            for outcome in self.stop.run_until_cancelled(self.host.accept_all(events.clone())).await? {
                match outcome {
                    Ok(accepted) => outcomes.push(Ok(accepted)),
                    Err(AcceptError::Refused(why)) => {
                        tracing::debug!(instance = %self.instance, why, "the host refused an event");
                        outcomes.push(Err(why));
                    }
                    Err(AcceptError::Unavailable(error)) => {
                        tracing::warn!(instance = %self.instance, error, "the journal does not take events now");
                        break;
                    }
                }
            }
            let taken = outcomes.len() - before;
            events.drain(..taken.min(events.len()));
            if taken == 0 {
                self.stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
                pause = (pause * 2).min(PAUSES.1);
            }
        }
        Some(outcomes)
    }

    /// Saves something of the bridge's own; what cannot be saved now is only logged: it is news again
    /// when it next changes.
    pub async fn save(&self, key: &str, value: Option<&str>) {
        if let Err(error) = self.host.save(key, value).await {
            tracing::warn!(instance = %self.instance, %error, "a value could not be saved");
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("instance", &self.instance).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
