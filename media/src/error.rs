//! What can go wrong, in words for the person concerned. Nothing here repeats what the other side
//! wrote, and nothing names the insides of the engine.

use std::net::SocketAddr;

/// The relay's port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The UDP port could not be opened.
    #[error("the UDP port {0} for call media cannot be opened: {1}")]
    Udp(SocketAddr, #[source] std::io::Error),
    /// The TCP port could not be opened.
    #[error("the TCP port {0} for call media cannot be opened: {1}")]
    Tcp(SocketAddr, #[source] std::io::Error),
    /// There is no address to tell others.
    #[error("there is no address to tell callers for {0}: name one in external_ips")]
    NoAddress(SocketAddr),
    /// The machine's addresses could not be listed.
    #[error("the machine's network addresses cannot be listed: {0}")]
    Interfaces(#[source] std::io::Error),
    /// A worker could not be started.
    #[error("a thread for call media cannot be started: {0}")]
    Thread(#[source] std::io::Error),
}

/// As many calls as are allowed are going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many calls as are allowed are going on")]
pub struct Full;

/// What was asked was refused; nothing has changed by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The session description is longer than [`MAX_SDP`](crate::MAX_SDP).
    #[error("the session description is longer than 64 KiB")]
    TooLong,
    /// The session description cannot be understood.
    #[error("the session description is not right: {0}")]
    Malformed(&'static str),
    /// The session description is understood, and asks for what the relay does not do.
    #[error("the session description asks for what is not supported: {0}")]
    Unsupported(&'static str),
    /// No codec is understood by everybody concerned.
    #[error("the two sides have no codec in common")]
    NoCodec,
    /// More than [`MAX_CANDIDATES`](crate::MAX_CANDIDATES) candidates.
    #[error("more than 64 candidates")]
    TooManyCandidates,
    /// A candidate cannot be understood.
    #[error("a candidate is not right")]
    BadCandidate,
    /// It does not fit what went before: an answer without an offer, say.
    #[error("it does not fit the state of the call: {0}")]
    OutOfOrder(&'static str),
    /// The call is over, or the relay is closed.
    #[error("the call is over")]
    Closed,
}
