//! How far a history has been read, as it is kept with the event that was read last.

use crate::proto::session::Attribution;
use monster_bridge_api::{PersonaId, RemoteId};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last event of a venue, by the server's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// When it was, in milliseconds since 1970.
    pub(super) time_ms: u64,
}

impl Cursor {
    /// The point of an event, where the server tells the time.
    pub(super) fn of(by: &Attribution) -> Option<Self> {
        by.time.map(Self::at)
    }

    pub(super) fn now() -> Self {
        Self::at(SystemTime::now())
    }

    pub(super) fn at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { time_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(super) fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.time_ms)
    }

    /// Reads what was kept; anything else is as if nothing were kept.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).inspect_err(|error| tracing::warn!(%error, "a damaged cursor is set aside")).ok()
    }

    pub(super) fn to_text(&self) -> String {
        format!("{{\"time_ms\":{}}}", self.time_ms)
    }
}

/// The key of what a nick has said to a persona.
pub(crate) fn private_key(persona: &PersonaId, peer: &RemoteId) -> String {
    // No address and no nick holds a control character.
    format!("cursor-private/{persona}\u{1f}{peer}")
}
