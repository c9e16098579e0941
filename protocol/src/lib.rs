//! The Monster protocol: addresses, frames and call contexts, without I/O.
//!
//! [`Address`] names somebody and is valid by construction. [`Frame::parse`] reads what came in one
//! WebSocket text message, [`Frame::to_json`] writes one. [`CallContext`] is what the `text` of a
//! call frame means. `docs/protocol.md` describes all of it for people who write clients or servers.
//!
//! Everything here is pure and synchronous: what a frame leads to is the core's business, sockets
//! and identification are the Monster side's.

mod address;
mod authority;
mod call;
mod call_line;
mod frame;
mod from_text;
mod percent;
mod read;
mod wire;
mod write;

pub use address::{Address, AddressError, MAX_ADDRESS_BYTES};
pub use authority::Authority;
pub use call::{CallContext, CallError, CallSignal, CallStep, Candidate, MAX_CANDIDATES, MAX_SDP_BYTES, Muted};
pub use call_line::CallLine;
pub use frame::{
    AccountType, DEFAULT_MAX_FRAME_BYTES, Decision, EXTENSIONS_TITLE, Ext, Frame, FrameError, InfoItem,
    MAX_MESSAGE_ID_BYTES, MAX_NICKNAME_BYTES, MAX_PASS_BYTES, MAX_REACTION_BYTES, Media, Request, RequestBody,
    Response, Status,
};
