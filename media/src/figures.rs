//! The quality of a call in figures, and the estimate of how it sounds.

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
