//! What calls count, for Prometheus. Called when the room of calls is made, and once for each call
//! that is over.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use monster_calls::{Leg, Outcome, Record};
use monster_media::{Figures, Flow, LegFigures};

/// Says what the figures are.
pub(super) fn describe() {
    describe_gauge!("monster_gateway_calls", "calls that go on");
    describe_counter!(
        "monster_gateway_calls_total",
        "calls that are over, by what they began as and what became of them"
    );
    describe_histogram!(
        "monster_gateway_call_setup_seconds",
        "from the caller's offer to the first media of every leg"
    );
    describe_histogram!("monster_gateway_call_connect_seconds", "from the answer until both legs were connected");
    describe_histogram!("monster_gateway_call_talk_seconds", "how long answered calls were");
    describe_counter!("monster_gateway_call_packets_total", "RTP packets of calls that are over, by leg and direction");
    describe_counter!("monster_gateway_call_packets_lost_total", "RTP packets lost, by leg and direction");
    describe_histogram!("monster_gateway_call_jitter_seconds", "jitter at the end of a call, by leg and direction");
    describe_histogram!("monster_gateway_call_round_trip_seconds", "round trip to a leg");
    describe_histogram!("monster_gateway_call_mos", "estimated mean opinion score of what a leg heard, 1 to 4.5");
}

/// How many calls go on.
pub(super) fn going_on(calls: usize) {
    gauge!("monster_gateway_calls").set(number(calls as u64));
}

/// A call is over.
pub(super) fn ended(record: &Record, figures: &Figures) {
    let media = super::link::media_word(record.media);
    let outcome = record.outcome.as_str();
    counter!("monster_gateway_calls_total", "media" => media, "outcome" => outcome).increment(1);
    if record.outcome != Outcome::Answered {
        return;
    }
    if let Some(after) = record.media_after {
        histogram!("monster_gateway_call_setup_seconds").record(after);
    }
    if let (Some(connected), Some(answered)) = (record.connected_after, record.answered_after) {
        histogram!("monster_gateway_call_connect_seconds").record(connected.saturating_sub(answered));
    }
    if let Some(talked) = record.talked() {
        histogram!("monster_gateway_call_talk_seconds").record(talked);
    }
    leg(Leg::Caller, &figures.caller);
    leg(Leg::Callee, &figures.callee);
}

fn leg(leg: Leg, figures: &LegFigures) {
    let name = leg.as_str();
    flow(name, "received", &figures.received);
    flow(name, "sent", &figures.sent);
    if let Some(round_trip) = figures.round_trip {
        histogram!("monster_gateway_call_round_trip_seconds", "leg" => name).record(round_trip);
    }
    if let Some(mos) = figures.mos {
        histogram!("monster_gateway_call_mos", "leg" => name).record(mos);
    }
}

fn flow(leg: &'static str, direction: &'static str, flow: &Flow) {
    let labels = [("leg", leg), ("direction", direction)];
    counter!("monster_gateway_call_packets_total", &labels).increment(flow.packets);
    counter!("monster_gateway_call_packets_lost_total", &labels).increment(flow.lost);
    if let Some(jitter) = flow.jitter_ms {
        histogram!("monster_gateway_call_jitter_seconds", &labels).record(jitter / 1000.0);
    }
}

#[expect(clippy::cast_precision_loss, reason = "no figure here comes near 2^52")]
fn number(number: u64) -> f64 {
    number as f64
}
