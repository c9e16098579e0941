//! Recording what was handed over where the same again does no harm (Monster accounts): many
//! deliveries of many lanes in one go, as often as the store commits, so that a lane neither waits
//! for the disk before its next delivery nor is woken by it. Part of [`Lanes`]; `lane` calls it.
//!
//! A lane that has nothing left to do but to be recorded has no task; it leaves memory here.

use super::lanes::{Lanes, State, Status};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The most deliveries, of all lanes, that are done and wait to be recorded.
const UNRECORDED: usize = 4_096;
/// How many are recorded in one transaction.
const AT_ONCE: usize = 256;
/// The pause when the store itself fails.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Deliveries that were handed over and are to be recorded.
#[derive(Default)]
pub(super) struct Records {
    waiting: Mutex<Waiting>,
    /// Told when some have been taken from those that wait.
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    /// (lane, delivery)
    done: Vec<(i64, i64)>,
    /// A task is recording.
    recording: bool,
}

impl Lanes {
    /// Has a delivery recorded soon. Waits where too many wait already.
    pub(super) async fn record_soon(self: &Arc<Self>, lane: i64, delivery: i64) {
        if let Some(entry) = self.state.lock().lanes.get_mut(&lane) {
            entry.unrecorded += 1;
        }
        loop {
            let room = self.records.room.notified();
            {
                let mut waiting = self.records.waiting.lock();
                if waiting.done.len() < UNRECORDED {
                    waiting.done.push((lane, delivery));
                    let begin = !std::mem::replace(&mut waiting.recording, true);
                    drop(waiting);
                    if begin {
                        let lanes = Arc::clone(self);
                        self.spawn(async move { lanes.record_all().await });
                    }
                    return;
                }
            }
            room.await;
        }
    }

    /// Records what waits, until nothing does.
    async fn record_all(self: &Arc<Self>) {
        loop {
            let done: Vec<(i64, i64)> = {
                let mut waiting = self.records.waiting.lock();
                if waiting.done.is_empty() {
                    waiting.recording = false;
                    return;
                }
                let some = waiting.done.len().min(AT_ONCE);
                waiting.done.drain(..some).collect()
            };
            self.records.room.notify_waiters();
            let deliveries: Vec<i64> = done.iter().map(|(_, delivery)| *delivery).collect();
            while let Err(error) = self.store.done_all(&deliveries).await {
                tracing::error!(%error, "deliveries that were done cannot be recorded; trying again");
                if !self.pause(STORE_PAUSE).await {
                    break;
                }
            }
            let mut state = self.state.lock();
            for (lane, _) in done {
                state.recorded(lane);
            }
        }
    }
}

impl State {
    /// One more delivery of the lane is recorded, or never will be.
    fn recorded(&mut self, lane: i64) {
        let Some(entry) = self.lanes.get_mut(&lane) else { return };
        entry.unrecorded = entry.unrecorded.saturating_sub(1);
        entry.recorded += 1;
        if entry.unrecorded == 0 && entry.status == Status::Resting {
            self.remove(lane);
        }
    }
}
