//! Handing over ahead of the answers, where the same delivery again does no harm (Monster accounts): a
//! lane that has fallen behind takes one round trip for many deliveries, not one for each. Part of
//! [`Lanes`]; `lane` calls it.
//!
//! They arrive in order, because they are begun in order, and none is begun behind one of which it is
//! known that it failed. If one fails for now that others are under way behind, they are handed over
//! again after it.

use super::lane::Failure;
use super::lanes::{Item, Lanes, Step};
use crate::store::Lane;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use monster_bridge_api::DeliveryError;
use std::sync::Arc;
use std::task::Poll;
use tokio::task::coop::unconstrained;

/// The most deliveries of a lane that are not answered.
const AHEAD: usize = 16;

/// A delivery, and what became of it.
type Tried = (Item, Result<Vec<String>, Failure>);

impl Lanes {
    /// Works until nothing waits, or the lane is parked, or all is stopped.
    pub(super) async fn work_ahead(self: &Arc<Self>, id: i64, lane: &Lane) {
        let mut under_way = FuturesOrdered::new();
        // As many as have proved to be taken: nothing is begun for nothing where nobody is there.
        let mut at_most = 1;
        // The last one that was begun has not failed yet.
        let mut open = true;
        loop {
            if under_way.is_empty() {
                match self.step(id) {
                    Step::Try { item, find } => open = self.begin(&mut under_way, lane, item, find).await,
                    Step::Read { after } => {
                        self.read(id, after).await;
                        continue;
                    }
                    Step::Wait { until, head } => {
                        if self.park(id, until, head) {
                            return;
                        }
                        continue;
                    }
                    Step::End => return,
                }
            }
            while open
                && under_way.len() < at_most
                && self.deliverer.goes_ahead(lane)
                && let Some(item) = self.in_memory(id)
            {
                open = self.begin(&mut under_way, lane, item, false).await;
            }
            let Some((item, tried)) = under_way.next().await else { continue };
            let Err(failure) = tried else {
                at_most = AHEAD.min(at_most * 2);
                self.delivered(id, lane, &item);
                self.record_soon(id, item.delivery).await;
                continue;
            };
            at_most = 1;
            if !matches!(failure.error, DeliveryError::Permanent { .. }) {
                under_way = FuturesOrdered::new();
                self.take_back(id, item.delivery + 1);
            }
            if self.failed(id, lane, &item, failure).await {
                return;
            }
        }
    }

    /// Begins a try. It has come as far as it gets without waiting when this returns: what is begun
    /// first is written first. False if it has failed already.
    async fn begin<'a>(
        &'a self,
        under_way: &mut FuturesOrdered<BoxFuture<'a, Tried>>,
        lane: &'a Lane,
        item: Item,
        find: bool,
    ) -> bool {
        let mut trying = async move {
            let tried = self.attempt(lane, &item, find).await;
            (item, tried)
        }
        .boxed();
        let begun = futures_util::future::poll_fn(|context| Poll::Ready(trying.as_mut().poll(context)));
        let (trying, open) = match unconstrained(begun).await {
            Poll::Ready((item, tried)) => {
                let open = tried.is_ok();
                (ready((item, tried)).boxed(), open)
            }
            Poll::Pending => (trying, true),
        };
        under_way.push_back(trying);
        open
    }

    /// The lane's next delivery, if it is in memory and all goes on.
    fn in_memory(&self, id: i64) -> Option<Item> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        state.lanes.get_mut(&id)?.line.take_from_memory()
    }

    /// Deliveries from this one on have to be begun again.
    fn take_back(&self, id: i64, first: i64) {
        if let Some(entry) = self.state.lock().lanes.get_mut(&id) {
            entry.line.put_back(first);
        }
    }
}
