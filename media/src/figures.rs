//! The quality of a call in figures, and the estimate of how it sounds.

use crate::MediaKind;
use crate::engine::{MediaEgressStats, MediaIngressStats, Mid};
use std::time::Duration;

/// A call's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// The caller's leg.
    pub caller: LegFigures,
    /// The callee's leg.
    pub callee: LegFigures,
}

/// A leg's figures since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LegFigures {
    /// From the leg to the relay, as the relay counted it.
    pub received: Flow,
    /// From the relay to the leg; loss and jitter as the leg reported them (RFC 3550 §6.4).
    pub sent: Flow,
    /// The time to the leg and back.
    pub round_trip: Option<Duration>,
    /// The mean opinion score of what the leg hears, from 1 (bad) to 4.5 (excellent), estimated
    /// from loss, jitter and round trip; `None` while these are not known.
    pub mos: Option<f64>,
}

/// One direction of a leg's media.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flow {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets lost on the way, those repaired later not counted.
    pub lost: u64,
    /// The share of packets lost lately, 0 to 1.
    pub loss: Option<f64>,
    /// The jitter of sound (of pictures where there is no sound), in milliseconds (RFC 3550 §6.4.1).
    pub jitter_ms: Option<f64>,
}

/// What the engine and the flows tell of one leg.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    received: Vec<(Mid, Measured)>,
    sent: Vec<(Mid, Measured)>,
    round_trip: Option<Duration>,
}

/// One section in one direction.
#[derive(Debug, Clone, Copy)]
struct Measured {
    kind: MediaKind,
    flow: Flow,
}

impl Meter {
    /// Figures of a section from the leg, with kind and clock rate of its media where known.
    pub(crate) fn received(&mut self, stats: &MediaIngressStats, clock: Option<(MediaKind, u32)>) {
        let Some((kind, rate)) = clock else { return };
        let flow = Flow {
            packets: stats.packets,
            bytes: stats.bytes,
            lost: 0,
            loss: stats.loss.map(f64::from),
            jitter_ms: Some(milliseconds(stats.jitter, rate)),
        };
        put(&mut self.received, stats.mid, Measured { kind, flow });
    }

    /// Figures of a section to the leg.
    pub(crate) fn sent(&mut self, stats: &MediaEgressStats, clock: Option<(MediaKind, u32)>) {
        let Some((kind, rate)) = clock else { return };
        self.round_trip = stats.rtt.or(self.round_trip);
        let flow = Flow {
            packets: stats.packets,
            bytes: stats.bytes,
            // (The engine reads the reports' signed 24 bits as unsigned.)
            lost: stats.remote.as_ref().map(|remote| remote.packets_lost).filter(|lost| *lost < 1 << 23).unwrap_or(0),
            loss: stats.loss.map(f64::from),
            jitter_ms: stats.remote.as_ref().map(|remote| milliseconds(remote.jitter, rate)),
        };
        put(&mut self.sent, stats.mid, Measured { kind, flow });
    }

    /// The round trip as ICE sees it.
    pub(crate) fn round_trip(&mut self, time: Duration) {
        self.round_trip = Some(time);
    }

    fn leg(&self, lost: u64) -> LegFigures {
        let mut received = sum(&self.received);
        received.lost = lost;
        LegFigures { received, sent: sum(&self.sent), round_trip: self.round_trip, mos: None }
    }
}

impl Figures {
    /// The figures of two legs that hear each other, with the packets that were lost from each.
    pub(crate) fn of(meters: [&Meter; 2], lost: [u64; 2]) -> Figures {
        let mut figures = Figures { caller: meters[0].leg(lost[0]), callee: meters[1].leg(lost[1]) };
        figures.caller.mos = opinion(&figures.callee, &figures.caller);
        figures.callee.mos = opinion(&figures.caller, &figures.callee);
        figures
    }
}

fn put(measured: &mut Vec<(Mid, Measured)>, mid: Mid, new: Measured) {
    match measured.iter_mut().find(|(known, _)| *known == mid) {
        Some((_, old)) => {
            // A share of loss stands until there is another: not every second brings a report.
            let loss = new.flow.loss.or(old.flow.loss);
            *old = Measured { flow: Flow { loss, ..new.flow }, ..new };
        }
        None => measured.push((mid, new)),
    }
}

fn sum(measured: &[(Mid, Measured)]) -> Flow {
    let mut total = Flow::default();
    for (_, Measured { flow, .. }) in measured {
        total.packets += flow.packets;
        total.bytes += flow.bytes;
        total.lost += flow.lost;
    }
    let sound = measured.iter().find(|(_, one)| one.kind == MediaKind::Audio).or(measured.first());
    if let Some((_, Measured { flow, .. })) = sound {
        total.loss = flow.loss;
        total.jitter_ms = flow.jitter_ms;
    }
    total
}

/// The estimate of what `to` hears of `from`: the E-model (ITU-T G.107), reduced to what a relay
/// knows as R = 93.2 − Id − Ie,eff.
///
/// Id is delay by Cole and Rosenbluth's fit (2001), with half of both round trips, and two
/// jitters each way for the receiver's buffer, as the delay from mouth to ear, plus 30 ms for
/// coding. Ie,eff = 95 × loss / (loss + Bpl) with Bpl = 10, as for a codec that conceals losses.
fn opinion(from: &LegFigures, to: &LegFigures) -> Option<f64> {
    let round_trips = from.round_trip?.as_secs_f64() + to.round_trip?.as_secs_f64();
    let jitters = from.received.jitter_ms? + to.sent.jitter_ms.unwrap_or(0.0);
    let delay = 30.0 + round_trips * 500.0 + 2.0 * jitters;
    let arrives = (1.0 - from.received.loss.unwrap_or(0.0)) * (1.0 - to.sent.loss.unwrap_or(0.0));
    let loss = 100.0 * (1.0 - arrives.clamp(0.0, 1.0));
    let by_delay = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let by_loss = 95.0 * loss / (loss + 10.0);
    let rating = (93.2 - by_delay - by_loss).clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * rating + 7e-6 * rating * (rating - 60.0) * (100.0 - rating);
    Some(score.clamp(1.0, 4.5))
}

fn milliseconds(ticks: u32, rate: u32) -> f64 {
    f64::from(ticks) * 1000.0 / f64::from(rate.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(loss: f64, jitter_ms: f64, round_trip_ms: u64) -> LegFigures {
        let flow = Flow { loss: Some(loss), jitter_ms: Some(jitter_ms), ..Flow::default() };
        LegFigures { received: flow, sent: flow, round_trip: Some(Duration::from_millis(round_trip_ms)), mos: None }
    }

    #[test]
    fn the_estimate_falls_with_loss_and_delay() {
        let good = opinion(&leg(0.0, 1.0, 20), &leg(0.0, 1.0, 20)).expect("known");
        let far = opinion(&leg(0.0, 1.0, 400), &leg(0.0, 1.0, 400)).expect("known");
        let lossy = opinion(&leg(0.05, 1.0, 20), &leg(0.0, 1.0, 20)).expect("known");
        assert!(good > 4.3, "{good}");
        assert!(far < 3.6, "{far}");
        assert!(lossy < 3.5, "{lossy}");
        assert!(opinion(&leg(1.0, 500.0, 60_000), &leg(1.0, 0.0, 0)).is_some_and(|score| (1.0..1.01).contains(&score)));
    }

    #[test]
    fn nothing_is_estimated_of_what_is_not_known() {
        assert_eq!(opinion(&LegFigures::default(), &leg(0.0, 0.0, 0)), None);
    }
}
