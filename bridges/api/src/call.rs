//! Calls as a bridge sees them: the steps of voice and video calls, in both directions. Steps are
//! live: they are handed over at once or fail, and are never kept for later.
//!
//! Session descriptions are WebRTC's (RFC 8829): each network's leg negotiates with the gateway's
//! own media relay, never with the other end. Which step may follow which is `calls`' business; a
//! bridge only translates.

use crate::{Author, CallId, DeviceId, PersonaId, RemoteId, RemoteUser};
use serde::{Deserialize, Serialize};

/// What a call began as; it may change during the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallMedia {
    /// Voice (2002).
    Voice,
    /// Voice and video (2003).
    Video,
}

/// One step of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallStep {
    /// Somebody calls.
    Offer {
        /// What with.
        media: CallMedia,
        /// The session description; `None` from a network that rings first and describes the
        /// session once somebody has answered (XEP-0353), or whose user has no WebRTC.
        sdp: Option<String>,
    },
    /// A device of the callee rings.
    Ringing,
    /// The callee has no calls: they were sent a link, and it is waited until somebody opens it. A
    /// network that has no word for it shows it as ringing, or not at all.
    LinkSent,
    /// The session description that answers an offer, the first one or an update's.
    Answer {
        /// It. `None` answers an offer that had none: the callee has picked up, the description
        /// follows as an `Update`.
        sdp: Option<String>,
    },
    /// The callee answers, and wants the caller's own media given back: the echo test.
    LoopBack,
    /// Ways to reach a leg, as they are found (RFC 8838).
    Candidates(Vec<IceCandidate>),
    /// A change within the call.
    Update {
        /// A new offer (hold, voice → video, ICE restart), to be answered with `Answer`.
        sdp: Option<String>,
        /// Which of its media this side has muted, where it says so.
        muted: Option<Muted>,
    },
    /// Keys pressed (RFC 4733 events as text: `0`–`9`, `*`, `#`, `A`–`D`). Whose stack can sends them
    /// in the media too, which the relay passes on; so this is for networks that do not carry them in
    /// the media, and for showing them. Who gets both takes one of them.
    Dtmf(String),
    /// The call is over, or was not wanted.
    End(EndReason),
}

/// One ICE candidate (RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceCandidate {
    /// The candidate line, beginning with `candidate:`; empty at the end of candidates.
    pub line: String,
    /// The media section it is for, by its `a=mid`.
    pub mid: Option<String>,
    /// The media section it is for, by its place.
    pub index: Option<u16>,
}

/// What a side has muted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// The microphone.
    #[serde(default)]
    pub audio: bool,
    /// The camera.
    #[serde(default)]
    pub video: bool,
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Somebody hung up.
    HungUp,
    /// The callee did not want it.
    Declined,
    /// The callee is in another call.
    Busy,
    /// The caller gave up while it rang.
    Cancelled,
    /// Nobody answered in time.
    NoAnswer,
    /// Another device of the callee answered (or declined).
    AnsweredElsewhere,
    /// One side is no longer there.
    Gone,
    /// The call was answered, and no media came, or it stopped.
    NoMedia,
    /// The gateway stops, or had stopped.
    GatewayStopped,
    /// It could not be done; why, for a person.
    Failed(String),
}

/// A step for a user of the bridge's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallDelivery {
    /// Which call.
    pub call: CallId,
    /// Who is at the other end.
    pub author: Author,
    /// Whom it is for.
    pub target: RemoteId,
    /// Which of their devices it is for.
    pub to: Devices,
    /// What happens.
    pub step: CallStep,
}

/// Which devices of a side.
///
/// [`AllBut`](Self::AllBut) comes with an `End` ([`EndReason::AnsweredElsewhere`], or the refusal of the
/// device that it names), once that device has answered or refused: **the call goes on**, or has ended
/// by a step of its own; only those devices stop ringing. A network whose devices see each other's
/// answers by themselves has nothing to do; elsewhere it becomes what tells them (`m.call.select_answer`
/// with this device's party id, a XEP-0353 `<retract/>` or `<finish/>` to the others).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// All of them; also where the line has none that could be told apart.
    All,
    /// This one.
    One(DeviceId),
    /// All but this one. Nothing to do where there is no other.
    AllBut(DeviceId),
}

/// A step by a user of the bridge's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallHeard {
    /// Which call.
    pub call: CallId,
    /// Who does it.
    pub author: RemoteUser,
    /// On which device, where the network tells.
    pub device: Option<DeviceId>,
    /// Who is at the other end.
    pub to: PersonaId,
    /// What happens.
    pub step: CallStep,
}

/// A step could not be passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// This user or network cannot be called; why, for the person who tried. Where a page that joins
    /// the call can help, the core offers one.
    #[error("{0}")]
    Unsupported(String),
    /// Not now: the network is away, or there is no such call (any more).
    #[error("{0}")]
    Unavailable(String),
}
