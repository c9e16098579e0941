//! How a call's media was, as it is kept in the call's row and shown by the API. Made by `record`.

use monster_media::{Figures, Flow, LegFigures};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a call's media was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CallQuality)]
pub struct Quality {
    /// The caller's leg.
    pub caller: LegQuality,
    /// The callee's leg.
    pub callee: LegQuality,
}

/// How a leg's media was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegQuality {
    /// What came from the leg.
    pub received: FlowQuality,
    /// What went to it.
    pub sent: FlowQuality,
    /// The round trip to it, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<u64>,
    /// The estimated mean opinion score of what it heard, 1 to 4.5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
}

/// One direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FlowQuality {
    /// RTP packets.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets lost and not repaired.
    pub lost: u64,
    /// The jitter at the end, in ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<f64>,
}

impl Quality {
    /// The figures of a call; `None` if there was no media.
    pub(super) fn of(figures: &Figures) -> Option<Self> {
        let Figures { caller, callee } = figures;
        let packets = |leg: &LegFigures| leg.received.packets + leg.sent.packets;
        (packets(caller) + packets(callee) > 0)
            .then(|| Self { caller: LegQuality::of(caller), callee: LegQuality::of(callee) })
    }

    /// Reads what `Quality::written` wrote.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As it is kept.
    pub(super) fn written(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl LegQuality {
    fn of(leg: &LegFigures) -> Self {
        Self {
            received: FlowQuality::of(&leg.received),
            sent: FlowQuality::of(&leg.sent),
            round_trip_ms: leg.round_trip.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            mos: leg.mos,
        }
    }
}

impl FlowQuality {
    fn of(flow: &Flow) -> Self {
        Self { packets: flow.packets, bytes: flow.bytes, lost: flow.lost, jitter_ms: flow.jitter_ms }
    }
}
