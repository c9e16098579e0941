//! What goes on in the background while the router runs: seeing what other processes changed, ending
//! what revoked tokens opened,
//! telling bridges which rooms are in use, writing the map, removing what is old, and the figures
//! of the backlog. Part of [`Core`]; started by [`Core::start`].

use super::places::Place;
use super::{Core, changes, metrics};
use futures_util::StreamExt;
use monster_protocol::Address;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether another process (a command) changed the store.
const REVISION: Duration = Duration::from_millis(100);
/// How many rooms bridges are told of at a time.
const ROOMS_AT_ONCE: usize = 32;
/// How often the figures of the backlog are taken.
const FIGURES: Duration = Duration::from_secs(5);
/// How often what is old is removed.
const PRUNE: Duration = Duration::from_hours(1);
/// How many messages are removed at a time, so that others are not held up.
const PRUNE_AT_ONCE: usize = 500;
/// The pause between two such times.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

impl Core {
    pub(crate) fn keep_up(self: &Arc<Self>) {
        self.spawn(|core| async move { core.watch_revision().await });
        self.spawn(|core| async move { core.tell_rooms().await });
        self.spawn(|core| async move { core.count().await });
        self.spawn(|core| async move { core.prune().await });
        self.spawn(|core| async move { core.pass_hints_on().await });
        self.spawn(|core| async move { core.book.places.write_mappings(Arc::clone(&core.store)).await });
    }

    /// Runs a task until the router stops.
    pub(super) fn spawn<F>(self: &Arc<Self>, task: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, task) = (self.stop.clone(), task(Arc::clone(self)));
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Reads what other processes changed, and lets the command know that asked for it.
    async fn watch_revision(&self) {
        loop {
            tokio::time::sleep(REVISION).await;
            let question = changes::question(self.store.as_ref()).await;
            let seen = async {
                self.book.refresh().await?;
                self.end_revoked().await
            };
            match seen.await {
                Ok(()) => {
                    if let Some(question) = question {
                        changes::answer(self.store.as_ref(), &question).await;
                    }
                }
                Err(error) => tracing::error!(%error, "changed links and accounts cannot be read; trying again"),
            }
        }
    }

    /// Tells bridges of rooms whose use has changed.
    async fn tell_rooms(&self) {
        loop {
            // Each room is in there once. A network that takes its time holds up only this round.
            futures_util::stream::iter(self.book.take_touched())
                .for_each_concurrent(ROOMS_AT_ONCE, |room| async move { self.tell_room(&room).await })
                .await;
            self.book.touch.notified().await;
        }
    }

    async fn tell_room(&self, room: &Address) {
        if let Ok(Place::Bridge(place)) = self.book.resolve(room)
            && place.is_room()
        {
            place.bridge.use_room(&place.id, self.book.room_use(room)).await;
        }
    }

    async fn count(&self) {
        loop {
            let (working, parked) = self.lane_counts();
            metrics::lanes(working, parked);
            tokio::time::sleep(FIGURES).await;
        }
    }

    /// Removes what is older than anybody will refer to.
    async fn prune(&self) {
        let retention = i64::try_from(self.settings.retention.as_millis()).unwrap_or(i64::MAX);
        loop {
            let before = self.environment.now_ms().saturating_sub(retention);
            loop {
                match self.store.prune(before, PRUNE_AT_ONCE).await {
                    Ok(removed) if removed < PRUNE_AT_ONCE => break,
                    Ok(_) => tokio::time::sleep(PRUNE_PAUSE).await,
                    Err(error) => {
                        tracing::warn!(%error, "old messages were not removed");
                        break;
                    }
                }
            }
            self.prune_uploads().await;
            tokio::time::sleep(PRUNE).await;
        }
    }
}
