//! What the line says that a call leaves in a conversation, for readers that word it themselves
//! (docs/protocol.md "The line of a call"). Written only: such a line is a gateway's own word, and what
//! another server says there is its text and no more.

use serde::{Deserialize, Serialize};

/// What became of a call, as one side of it reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallLine {
    /// Whether the reader was called, and did not call.
    pub incoming: bool,
    /// Whether there was video.
    pub video: bool,
    /// What became of it: `answered`, `missed`, `declined`, `busy`, `cancelled` or `failed`.
    pub outcome: String,
    /// Whether the reader may not know that they were called: it counts as unread.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missed: bool,
    /// For how long they talked, in seconds; of a call that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Why it ended, as in a `hangup`; not where somebody just hung up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the guest was called who joined by a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<String>,
    /// The round trip to the reader, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip: Option<u64>,
    /// How many of a thousand packets of the reader were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}
