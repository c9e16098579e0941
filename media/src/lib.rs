//! The media relay of calls: every leg negotiates WebRTC with this gateway, and what one leg sends
//! is forwarded to the other.
//!
//! [`Relay`] owns the sockets and their threads, [`Media`] is one call on it. A call has two legs
//! (caller and callee), each a WebRTC session of its own: ICE, DTLS-SRTP, RTCP. Between them only RTP
//! payloads travel, with payload types, identifiers, sequence numbers and times of the leg that
//! they go to. Nothing is transcoded.
//!
//! This crate knows nothing of accounts, addresses or call signalling: session descriptions and
//! candidates come in and go out as text, and what happens is told as [`Event`]s. `src/calls`, the
//! driver of calls, is its only caller (`docs/decisions/0010-calls.md`). The WebRTC engine is
//! `str0m`, which only `engine` names (`docs/decisions/0011-media-engine.md`).

#![forbid(unsafe_code)]

mod address;
mod call;
mod engine;
mod error;
mod event;
mod figures;
mod format;
mod forward;
#[doc(hidden)]
pub mod fuzzing;
mod negotiate;
mod options;
mod port;
mod relay;
mod rewrite;
mod sdp;
mod srtp;
mod stun;
mod tcp;
mod transports;
mod wake;
mod watch;
mod worker;

pub use error::{BindError, Full, Refused};
pub use event::{Candidate, Described, Event, Leg, MediaKind};
pub use figures::{Figures, Flow, LegFigures};
pub use options::{Codec, Options};
pub use relay::{Media, Relay};

/// The largest session description that is taken, in bytes.
pub const MAX_SDP: usize = 64 * 1024;

/// How many candidates a leg may name, in its session descriptions and after them.
pub const MAX_CANDIDATES: usize = 64;
