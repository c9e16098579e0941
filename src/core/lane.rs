//! The work of one lane: take the first delivery, hand it over, record it, take the next. Part of
//! [`Lanes`], which starts it and knows which lanes there are. Where the same delivery again does no
//! harm, `ahead` does not wait for one before it begins the next.

use super::lanes::{Entry, Item, Lanes, Status, Step};
use super::line::Next;
use super::metrics;
use super::parcel::Parcel;
use crate::store::{Incoming, Lane, Pending};
use futures_util::FutureExt;
use monster_bridge_api::{DeliveryError, Found};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Above this many lanes at work, each reads only a few deliveries ahead.
const MANY_LANES: usize = 1_024;
/// How many those are.
const FEW: usize = 4;
/// The pause when the store itself fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A try that failed; `finding` if only the question whether it was done before failed.
pub(super) struct Failure {
    pub(super) error: DeliveryError,
    finding: bool,
}

impl Lanes {
    /// Works until nothing waits, or the lane is parked, or all is stopped.
    pub(super) async fn work(self: &Arc<Self>, id: i64, lane: &Lane) {
        if self.deliverer.is_idempotent(lane) {
            return self.work_ahead(id, lane).await;
        }
        loop {
            match self.step(id) {
                Step::Try { item, find } => match self.attempt(lane, &item, find).await {
                    Ok(ids) => {
                        self.delivered(id, lane, &item);
                        self.record(id, item.delivery, ids).await;
                    }
                    Err(failure) => {
                        if self.failed(id, lane, &item, failure).await {
                            break;
                        }
                    }
                },
                Step::Read { after } => self.read(id, after).await,
                Step::Wait { until, head } => {
                    if self.park(id, until, head) {
                        break;
                    }
                }
                Step::End => break,
            }
        }
    }

    /// What the lane does next.
    pub(super) fn step(&self, id: i64) -> Step {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(entry) = state.lanes.get_mut(&id) else { return Step::End };
        if state.stopped {
            return state.retire(id);
        }
        if let Some(wait) = self.honoured(entry) {
            return wait;
        }
        match entry.line.next() {
            Next::Take(item) => {
                entry.woken = false;
                Step::Try { find: entry.uncertain || entry.restarted && item.created <= self.started, item }
            }
            Next::Read { after } => Step::Read { after },
            Next::Empty => state.retire(id),
        }
    }

    /// After a start of the process: a time for the next try that the process before it noted.
    fn honoured(&self, entry: &mut Entry) -> Option<Step> {
        let first = entry.line.front()?;
        let early = first.not_before.saturating_sub(self.environment.now_ms());
        if !std::mem::take(&mut entry.honour) || early <= 0 || entry.woken {
            return None;
        }
        let until = Instant::now() + Duration::from_millis(early.unsigned_abs());
        Some(Step::Wait { until, head: first.delivery })
    }

    /// Fills the line from the journal.
    pub(super) async fn read(&self, id: i64, after: i64) {
        let limit = if self.count().0 > MANY_LANES { FEW } else { self.line_at_most() };
        let page = self.store.pending(id, after, limit).await;
        if let Err(error) = &page {
            tracing::error!(lane = id, %error, "a lane cannot be read; trying again");
            self.pause(STORE_PAUSE).await;
        }
        let mut state = self.state.lock();
        let Some(entry) = state.lanes.get_mut(&id) else { return };
        match page {
            Ok(page) => {
                let complete = page.len() < limit;
                entry.line.filled(page.into_iter().map(|pending| self.item(pending)).collect(), complete);
            }
            Err(_) => entry.line.not_filled(),
        }
    }

    /// One try, within the time that a try may take.
    pub(super) async fn attempt(&self, lane: &Lane, item: &Item, find: bool) -> Result<Vec<String>, Failure> {
        if find {
            let found = AssertUnwindSafe(self.deliverer.find(lane, &item.parcel)).catch_unwind();
            match tokio::time::timeout(self.settings.try_for, found).await {
                Ok(Ok(Ok(Found::Delivered(receipt)))) => {
                    return Ok(receipt.ids.into_iter().map(monster_bridge_api::EventId::into_string).collect());
                }
                Ok(Ok(Ok(Found::Absent | Found::Unknown))) => {}
                Ok(Ok(Err(error))) => return Err(Failure { error, finding: true }),
                Ok(Err(_)) => return Err(Failure { error: panicked(), finding: true }),
                Err(_) => return Err(Failure { error: DeliveryError::transient("no answer in time"), finding: true }),
            }
        }
        let done = AssertUnwindSafe(self.deliverer.deliver(lane, &item.parcel)).catch_unwind();
        let done = match tokio::time::timeout(self.settings.try_for, done).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(panicked()),
            Err(_) => Err(DeliveryError::uncertain("no answer in time")),
        };
        done.map_err(|error| Failure { error, finding: false })
    }

    /// Records a delivery as done, however long the store takes.
    async fn record(&self, id: i64, delivery: i64, ids: Vec<String>) {
        while let Err(error) = self.store.done(delivery, ids.clone()).await {
            tracing::error!(delivery, %error, "a delivery that was done cannot be recorded; trying again");
            if !self.pause(STORE_PAUSE).await {
                return;
            }
        }
        if let Some(entry) = self.state.lock().lanes.get_mut(&id) {
            entry.recorded += 1;
        }
    }

    fn item(&self, pending: Pending) -> Item {
        let Pending { delivery, message_id, message, attempts, not_before, created } = pending;
        let held = self.memory.hold(&message);
        Item { delivery, attempts, not_before, created, parcel: Parcel::new(message_id, created, message), _held: held }
    }

    pub(super) fn delivered(&self, id: i64, lane: &Lane, item: &Item) {
        metrics::delivered(lane, self.environment.now_ms().saturating_sub(item.created));
        self.settled(id, false);
    }

    /// The lane's first delivery needs no finding out, or does.
    fn settled(&self, id: i64, uncertain: bool) {
        if let Some(entry) = self.state.lock().lanes.get_mut(&id) {
            entry.uncertain = uncertain;
            entry.restarted = false;
        }
    }

    /// A try failed: the lane is parked (true), or goes on, as the delivery is given up or may be tried
    /// again at once.
    pub(super) async fn failed(self: &Arc<Self>, id: i64, lane: &Lane, item: &Item, failure: Failure) -> bool {
        let Failure { error, finding } = failure;
        let (why, retry_after) = match error {
            DeliveryError::Permanent { why } => {
                self.give_up(lane, item, why).await;
                self.settled(id, false);
                return false;
            }
            DeliveryError::Uncertain { why } => {
                self.settled(id, true);
                (why, None)
            }
            DeliveryError::Transient { why, retry_after } => {
                if !finding {
                    self.settled(id, false);
                }
                (why, retry_after)
            }
        };
        let now = self.environment.now_ms();
        let keep = i64::try_from(self.settings.keep.as_millis()).unwrap_or(i64::MAX);
        if now.saturating_sub(item.created) > keep {
            self.give_up(lane, item, format!("it could not be delivered for too long; the last time: {why}")).await;
            self.settled(id, false);
            return false;
        }
        metrics::deferred(lane);
        let pause = self.pause_after(item.attempts, retry_after);
        tracing::debug!(to = lane.to, via = lane.via, why, ?pause, "a delivery has to wait");
        let not_before = now.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        if let Err(error) = self.store.defer(item.delivery, not_before, why).await {
            tracing::warn!(%error, "a failed try was not noted");
        }
        self.park(id, Instant::now() + pause, item.delivery)
    }

    /// The pause after a failed try: growing, jittered, and not shorter than was asked for.
    fn pause_after(&self, attempts: u32, retry_after: Option<Duration>) -> Duration {
        let growing = self.settings.first_pause.saturating_mul(2_u32.saturating_pow(attempts.min(20)));
        let jittered = growing.min(self.settings.longest_pause).mul_f64(0.5 + self.environment.fraction() / 2.0);
        jittered.max(retry_after.unwrap_or_default())
    }

    /// Sets a delivery aside for good and tells its sender.
    async fn give_up(&self, lane: &Lane, item: &Item, why: String) {
        metrics::failed(lane);
        tracing::warn!(to = lane.to, via = lane.via, delivery = item.delivery, why, "a delivery was given up");
        let notice: Option<Incoming> = self.deliverer.notice(lane, &item.parcel, &why);
        while let Err(error) = self.store.fail(item.delivery, why.clone(), notice.clone()).await {
            tracing::error!(delivery = item.delivery, %error, "a delivery cannot be set aside; trying again");
            if !self.pause(STORE_PAUSE).await {
                return;
            }
        }
    }

    /// The lane waits until then, and keeps nothing in memory; `head` is its first delivery. Not (false)
    /// if the destination became reachable since the try began. A task whose lane is parked must end
    /// without looking at it again: whoever unparks it starts another.
    pub(super) fn park(&self, id: i64, until: Instant, head: i64) -> bool {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(entry) = state.lanes.get_mut(&id) else { return false };
        entry.line.put_back(head);
        if std::mem::take(&mut entry.woken) {
            return false;
        }
        entry.status = Status::Parked(until);
        state.working -= 1;
        state.parked.insert((until, id));
        if state.parked.first() == Some(&(until, id)) {
            self.alarm.notify_one();
        }
        true
    }
}

fn panicked() -> DeliveryError {
    DeliveryError::uncertain("something went wrong inside the gateway")
}
