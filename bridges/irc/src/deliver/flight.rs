//! Deliveries that are under way. Whoever waits for one may give up (the core does after a time):
//! the work goes on, and the next who asks for the same delivery waits for the same work, so that
//! nothing is sent a second time while the first is still in the queue of a connection.

use monster_bridge_api::{DeliveryError, MessageKey, Receipt, RemoteId};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::watch;

/// What comes of a delivery.
type Outcome = Result<Receipt, DeliveryError>;

/// One message has the same key wherever it goes; a delivery is a key and a target.
type Which = (MessageKey, RemoteId);

/// Deliveries that are under way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<Which, watch::Receiver<Option<Outcome>>>>,
}

/// Says what came of a delivery; without a word it counts as uncertain.
pub(super) struct Landing<'a> {
    flights: &'a Flights,
    which: Which,
    tell: watch::Sender<Option<Outcome>>,
}

impl Flights {
    /// Joins a delivery that is under way, or begins one.
    pub(super) fn join(
        &self,
        which: &Which,
    ) -> Result<watch::Receiver<Option<Outcome>>, watch::Sender<Option<Outcome>>> {
        let mut under_way = self.under_way.lock();
        if let Some(flight) = under_way.get(which) {
            return Ok(flight.clone());
        }
        let (tell, flight) = watch::channel(None);
        under_way.insert(which.clone(), flight);
        Err(tell)
    }

    /// A delivery that is under way.
    pub(super) fn get(&self, which: &Which) -> Option<watch::Receiver<Option<Outcome>>> {
        self.under_way.lock().get(which).cloned()
    }

    /// The end of a delivery that [`Flights::join`] began.
    pub(super) fn landing(&self, which: &Which, tell: watch::Sender<Option<Outcome>>) -> Landing<'_> {
        Landing { flights: self, which: which.clone(), tell }
    }
}

impl Landing<'_> {
    pub(super) fn land(self, outcome: Outcome) {
        self.tell.send_replace(Some(outcome));
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.which);
    }
}

/// Waits for what comes of a delivery.
pub(super) async fn outcome(mut flight: watch::Receiver<Option<Outcome>>) -> Outcome {
    let landed = flight.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
    landed.unwrap_or_else(|| Err(DeliveryError::uncertain("the delivery was cut short")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_a_delivery_under_way_gets_its_outcome() {
        let flights = Flights::default();
        let which = (MessageKey::new("mg-1"), RemoteId::new("#a"));
        let Err(tell) = flights.join(&which) else { panic!("nothing is under way") };
        let flight = flights.join(&which).expect("under way");
        assert!(flights.get(&(MessageKey::new("mg-1"), RemoteId::new("#b"))).is_none());
        flights.landing(&which, tell).land(Ok(Receipt::default()));
        assert_eq!(outcome(flight).await, Ok(Receipt::default()));
        assert!(flights.get(&which).is_none());
    }

    #[tokio::test]
    async fn a_delivery_that_ends_without_a_word_is_uncertain() {
        let flights = Flights::default();
        let which = (MessageKey::new("mg-1"), RemoteId::new("#a"));
        let Err(tell) = flights.join(&which) else { panic!("nothing is under way") };
        let flight = flights.join(&which).expect("under way");
        drop(flights.landing(&which, tell));
        assert!(matches!(outcome(flight).await, Err(DeliveryError::Uncertain { .. })));
    }
}
