//! Call contexts: what the `text` of a 2002 or 2003 frame means once it is decoded.
//!
//! The state of a call, and which step may follow which, is not here.

use crate::MAX_MESSAGE_ID_BYTES;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest session description, in bytes.
pub const MAX_SDP_BYTES: usize = 64 * 1024;

/// The most ICE candidates in one frame.
pub const MAX_CANDIDATES: usize = 64;

/// The longest candidate line, in bytes.
const MAX_CANDIDATE_BYTES: usize = 1024;

/// The most keys in one frame.
const MAX_KEYS: usize = 64;

/// The longest `reason`, in bytes.
const MAX_REASON_BYTES: usize = 256;

/// What a call frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallContext {
    /// A step of a WebRTC call.
    Signal(CallSignal),
    /// Anything else (plain words, nothing): ring, the caller has no WebRTC. The words as they came.
    Ring(String),
}

/// A step of a WebRTC call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSignal {
    /// Which call; the same on both ways.
    pub call_id: String,
    /// Which step.
    pub step: CallStep,
    /// ICE candidates that come with it.
    pub candidates: Vec<Candidate>,
    /// Why, for a person or a log: `hangup`, `reject`.
    pub reason: Option<String>,
}

/// The steps of a WebRTC call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallStep {
    /// The caller's session description.
    Offer(String),
    /// The callee's device rings.
    Ringing,
    /// The callee's side has no calls: they were sent a link, and it is waited until somebody opens it.
    LinkSent,
    /// The callee's session description.
    Answer(String),
    /// Nothing but candidates.
    Candidates,
    /// A change within the call: a new offer (answered by an `answer`), what is muted, or both.
    Update {
        /// The new offer.
        sdp: Option<String>,
        /// What this side has muted now.
        muted: Option<Muted>,
    },
    /// Keys pressed during the call: `0`–`9`, `*`, `#`, `A`–`D`.
    Dtmf(String),
    /// The call is over.
    Hangup,
    /// The callee does not want it.
    Reject,
    /// The callee is in another call.
    Busy,
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

/// One ICE candidate, as browsers write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The candidate line; empty at the end of candidates.
    pub candidate: String,
    /// The media section, by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The media section, by its number.
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u16>,
}

/// A call context that is meant as a step of a WebRTC call, and is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A `type` that is not known here, in a context that names a call.
    #[error("the call context's `type` is not one that is known here")]
    UnknownType,
    /// A field that must be there.
    #[error("a call context of this `type` needs `{0}`")]
    Missing(&'static str),
    /// A field over its limit.
    #[error("the call context's `{field}` is over the limit of {limit}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Bytes, or candidates.
        limit: usize,
    },
    /// A field of another type.
    #[error("a field of the call context has a wrong type, at column {0}")]
    WrongType(usize),
}

/// The JSON form.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    sdp: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    candidates: Option<Cow<'a, [Candidate]>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    muted: Option<Muted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<bool>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    keys: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
}

/// What tells whether an object that is no [`Wire`] was meant as one.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

/// The `type`s.
const KINDS: [&str; 9] = ["offer", "ringing", "answer", "candidates", "update", "dtmf", "hangup", "reject", "busy"];

impl CallContext {
    /// Reads a decoded context. A bare session description, or an offer without a `callId`, is the
    /// call whose id is the frame's own `messageId`.
    ///
    /// # Errors
    /// If it is an object with a known `type` (or with a `callId`), and something in it is missing,
    /// of a wrong type, or over its limit.
    pub fn parse(text: &str, message_id: &str) -> Result<Self, CallError> {
        let ring = || Ok(Self::Ring(text.to_owned()));
        let trimmed = text.trim_start();
        if trimmed.starts_with("v=0") {
            let wire = Wire { kind: Some("offer".into()), sdp: Some(trimmed.into()), ..Wire::default() };
            return CallSignal::from_wire(wire, message_id).map(Self::Signal);
        }
        if !trimmed.starts_with('{') {
            return ring();
        }
        match serde_json::from_str::<Wire<'_>>(trimmed) {
            Ok(wire) if wire.kind.as_deref().is_some_and(|kind| KINDS.contains(&kind)) => {
                CallSignal::from_wire(wire, message_id).map(Self::Signal)
            }
            Ok(wire) if wire.kind.is_some() && wire.call_id.is_some() => Err(CallError::UnknownType),
            Err(error) if error.is_data() => match serde_json::from_str::<Probe<'_>>(trimmed) {
                Ok(probe) if KINDS.contains(&&*probe.kind) => Err(CallError::WrongType(error.column())),
                _ => ring(),
            },
            Ok(_) | Err(_) => ring(),
        }
    }

    /// The context as the `text` of a frame has it before base64.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Ring(words) => Cow::Borrowed(words),
            Self::Signal(signal) => Cow::Owned(signal.to_json()),
        }
    }
}

impl CallSignal {
    /// A step without candidates and reason.
    pub fn new(call_id: impl Into<String>, step: CallStep) -> Self {
        Self { call_id: call_id.into(), step, candidates: Vec::new(), reason: None }
    }

    fn from_wire(wire: Wire<'_>, message_id: &str) -> Result<Self, CallError> {
        let sdp = || match &wire.sdp {
            Some(sdp) => limited("sdp", sdp, MAX_SDP_BYTES),
            None => Err(CallError::Missing("sdp")),
        };
        let step = match wire.kind.as_deref().unwrap_or_default() {
            "offer" => CallStep::Offer(sdp()?),
            "ringing" if wire.link == Some(true) => CallStep::LinkSent,
            "ringing" => CallStep::Ringing,
            "answer" => CallStep::Answer(sdp()?),
            "candidates" => CallStep::Candidates,
            "update" if wire.sdp.is_none() && wire.muted.is_none() => return Err(CallError::Missing("sdp")),
            "update" => CallStep::Update { sdp: wire.sdp.is_some().then(sdp).transpose()?, muted: wire.muted },
            "dtmf" => match &wire.keys {
                Some(keys) => CallStep::Dtmf(limited("keys", keys, MAX_KEYS)?),
                None => return Err(CallError::Missing("keys")),
            },
            "hangup" => CallStep::Hangup,
            "reject" => CallStep::Reject,
            "busy" => CallStep::Busy,
            _ => return Err(CallError::UnknownType),
        };
        let call_id = match (&wire.call_id, &step) {
            (Some(id), _) if !id.is_empty() => limited("callId", id, MAX_MESSAGE_ID_BYTES)?,
            (None, CallStep::Offer(_)) => message_id.to_owned(),
            _ => return Err(CallError::Missing("callId")),
        };
        let candidates = match wire.candidates {
            Some(candidates) => limited_candidates(candidates.into_owned())?,
            None if step == CallStep::Candidates => return Err(CallError::Missing("candidates")),
            None => Vec::new(),
        };
        let reason = wire.reason.map(|reason| limited("reason", &reason, MAX_REASON_BYTES)).transpose()?;
        Ok(Self { call_id, step, candidates, reason })
    }

    fn to_json(&self) -> String {
        let (kind, sdp) = match &self.step {
            CallStep::Offer(sdp) => ("offer", Some(sdp)),
            CallStep::Ringing | CallStep::LinkSent => ("ringing", None),
            CallStep::Answer(sdp) => ("answer", Some(sdp)),
            CallStep::Candidates => ("candidates", None),
            CallStep::Update { sdp, .. } => ("update", sdp.as_ref()),
            CallStep::Dtmf(_) => ("dtmf", None),
            CallStep::Hangup => ("hangup", None),
            CallStep::Reject => ("reject", None),
            CallStep::Busy => ("busy", None),
        };
        let has_candidates = !self.candidates.is_empty() || self.step == CallStep::Candidates;
        let wire = Wire {
            kind: Some(kind.into()),
            call_id: Some(self.call_id.as_str().into()),
            sdp: sdp.map(|sdp| sdp.as_str().into()),
            candidates: has_candidates.then(|| self.candidates.as_slice().into()),
            muted: match self.step {
                CallStep::Update { muted, .. } => muted,
                _ => None,
            },
            link: (self.step == CallStep::LinkSent).then_some(true),
            keys: match &self.step {
                CallStep::Dtmf(keys) => Some(keys.as_str().into()),
                _ => None,
            },
            reason: self.reason.as_deref().map(Into::into),
        };
        // Strings, numbers and lists of them: there is nothing that JSON could not hold.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

fn limited(field: &'static str, text: &str, limit: usize) -> Result<String, CallError> {
    if text.len() > limit { Err(CallError::TooLong { field, limit }) } else { Ok(text.to_owned()) }
}

fn limited_candidates(candidates: Vec<Candidate>) -> Result<Vec<Candidate>, CallError> {
    if candidates.len() > MAX_CANDIDATES {
        return Err(CallError::TooLong { field: "candidates", limit: MAX_CANDIDATES });
    }
    let size = |c: &Candidate| c.candidate.len().max(c.sdp_mid.as_ref().map_or(0, String::len));
    if candidates.iter().any(|c| size(c) > MAX_CANDIDATE_BYTES) {
        return Err(CallError::TooLong { field: "candidate", limit: MAX_CANDIDATE_BYTES });
    }
    Ok(candidates)
}
