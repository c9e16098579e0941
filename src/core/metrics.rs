//! The figures that the router keeps, by the `metrics` facade; `http` exports them. Labels never
//! hold addresses: there is no end of those.

use crate::store::Lane;
use metrics::{counter, gauge, histogram};

/// What a lane leads to, as a label.
fn network(lane: &Lane) -> String {
    if lane.to.starts_with('@') { "monster".to_owned() } else { lane.to.clone() }
}

/// A message was journalled (`new`), was known, or concerned nobody.
pub(crate) fn accepted(network: &str, outcome: &'static str) {
    counter!("monster_gateway_messages_total", "network" => network.to_owned(), "outcome" => outcome).increment(1);
}

/// A delivery was done, `after` ms after it was journalled.
pub(crate) fn delivered(lane: &Lane, after: i64) {
    let after = f64::from(i32::try_from(after.max(0)).unwrap_or(i32::MAX)) / 1000.0;
    if lane.to.starts_with('@') {
        // The labels are constants here, so that a look-up costs no allocation.
        counter!("monster_gateway_deliveries_total", "network" => "monster", "outcome" => "delivered").increment(1);
        histogram!("monster_gateway_delivery_seconds", "network" => "monster").record(after);
        return;
    }
    let network = network(lane);
    counter!("monster_gateway_deliveries_total", "network" => network.clone(), "outcome" => "delivered").increment(1);
    histogram!("monster_gateway_delivery_seconds", "network" => network).record(after);
}

/// A try failed and another follows.
pub(crate) fn deferred(lane: &Lane) {
    counter!("monster_gateway_deliveries_total", "network" => network(lane), "outcome" => "deferred").increment(1);
}

/// A delivery was given up.
pub(crate) fn failed(lane: &Lane) {
    counter!("monster_gateway_deliveries_total", "network" => network(lane), "outcome" => "failed").increment(1);
}

/// How many lanes are at work and parked.
pub(crate) fn lanes(working: usize, parked: usize) {
    gauge!("monster_gateway_lanes", "state" => "working").set(figure(working as u64));
    gauge!("monster_gateway_lanes", "state" => "parked").set(figure(parked as u64));
}

/// How a bridge is doing: 1 for the state it is in, 0 for the others.
pub(crate) fn bridge(instance: &str, now: &'static str) {
    for state in ["idle", "connecting", "up", "down"] {
        let value = if state == now { 1.0 } else { 0.0 };
        gauge!("monster_gateway_bridge_state", "bridge" => instance.to_owned(), "state" => state).set(value);
    }
}

/// A bridge was started again after an error, or came up again after it was down.
pub(crate) fn restarted(instance: &str) {
    counter!("monster_gateway_bridge_restarts_total", "bridge" => instance.to_owned()).increment(1);
}

/// A bridge came up.
pub(crate) fn connected(instance: &str) {
    counter!("monster_gateway_bridge_connects_total", "bridge" => instance.to_owned()).increment(1);
}

#[expect(clippy::cast_precision_loss, reason = "no figure here comes near 2^52")]
fn figure(number: u64) -> f64 {
    number as f64
}
