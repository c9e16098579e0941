//! What is left of a call: its outcome and its times. Which words and rows are made of it is
//! `src/calls`' business.

use crate::Leg;
use monster_bridge_api::{CallId, CallMedia, EndReason};
use std::time::Duration;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// They talked.
    Answered,
    /// Nobody answered before the time was up (or the gateway stopped).
    Missed,
    /// The callee did not want it.
    Declined,
    /// The callee was in another call.
    Busy,
    /// The caller gave up, or vanished, before anybody answered.
    Cancelled,
    /// It gave way to the call that came the other way at the same moment. No line is due for it.
    Crossed,
    /// It could not be done: nobody could be reached, a session description was refused, or it was
    /// answered and no media came.
    Failed,
}

impl Outcome {
    /// The word for it in metrics, rows and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Missed => "missed",
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Cancelled => "cancelled",
            Self::Crossed => "crossed",
            Self::Failed => "failed",
        }
    }
}

/// A call, told from its beginning. Durations count from the caller's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Which call.
    pub id: CallId,
    /// What it began as.
    pub media: CallMedia,
    /// Whether there was video at any time.
    pub had_video: bool,
    /// What became of it; of a call that goes on, what would if it ended now.
    pub outcome: Outcome,
    /// Why it ended; `None` while it goes on.
    pub reason: Option<EndReason>,
    /// Who ended it; `None` if neither side did.
    pub ended_by: Option<Leg>,
    /// When the first device rang.
    pub ringing_after: Option<Duration>,
    /// When somebody answered.
    pub answered_after: Option<Duration>,
    /// When both legs were connected.
    pub connected_after: Option<Duration>,
    /// When media had come from every leg that had any to send.
    pub media_after: Option<Duration>,
    /// When it was over.
    pub ended_after: Option<Duration>,
}

impl Record {
    /// How long they talked: from the answer to the end.
    pub fn talked(&self) -> Option<Duration> {
        Some(self.ended_after?.saturating_sub(self.answered_after?))
    }
}
