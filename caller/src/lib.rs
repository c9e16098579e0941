//! A caller without a face: calls a Monster address or answers a call as a WebRTC client, plays a
//! tone, a file or a test picture, records, and tells how the media was.
//!
//! `session` is the course of a call, `signals` its steps as frames on a socket that somebody else
//! opened ([`Wire`]), `peer` the WebRTC side, `play` and `record` what is said and kept, `figures`
//! what is told. It is the other end of the gateway, not a part of it: of ours it knows `protocol`
//! alone, and its WebRTC stack is not the relay's. Used by the `call` command, `doctor --media` and
//! tests.

mod figures;
mod files;
mod peer;
mod play;
mod record;
mod session;
mod signals;

pub use figures::{End, Flow, Path, Report};
pub use session::{answer, call};
pub use signals::Wire;

use monster_protocol::Media;
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A STUN or TURN server (RFC 7064, RFC 7065).
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Its URL, e.g. `turn:turn.example.org:3478`. TURN over TCP or TLS is not spoken here.
    pub url: String,
    /// User name at a TURN server; empty at a STUN server.
    pub user: String,
    /// Password at a TURN server; empty at a STUN server.
    pub password: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// How to call.
#[derive(Debug, Clone)]
pub struct Options {
    /// Voice, or voice and the test picture.
    pub media: Media,
    /// Ogg/Opus or WAV to play instead of the tone; IVF with VP8 instead of the test picture.
    pub play: Vec<PathBuf>,
    /// Where to keep what is heard and seen: Opus as `.ogg` or `.opus`, PCMU as `.wav`, VP8 as `.ivf`.
    pub record: Vec<PathBuf>,
    /// Servers that help to find a way.
    pub ice_servers: Vec<IceServer>,
    /// Only ways through a TURN server count.
    pub relay_only: bool,
    /// Offer the loopback address too, for a gateway on this machine.
    pub loopback: bool,
    /// How long it may ring.
    pub ring: Duration,
    /// How long after an answer the first media may take, and how long it may stop.
    pub patience: Duration,
    /// How long to talk, from the first media on. `None`: until the files have been played once, or,
    /// without a file, until the other side hangs up or `stop` is cancelled.
    pub talk: Option<Duration>,
    /// Hangs up.
    pub stop: CancellationToken,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            media: Media::Voice,
            play: Vec::new(),
            record: Vec::new(),
            ice_servers: Vec::new(),
            relay_only: false,
            loopback: false,
            ring: Duration::from_secs(70),
            patience: Duration::from_secs(10),
            talk: None,
            stop: CancellationToken::new(),
        }
    }
}

/// What happens during a call, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// It waits for somebody to call ([`answer`]).
    Waiting,
    /// Somebody calls; their address.
    Called(String),
    /// A device of the other side rings.
    Ringing,
    /// The other side has no calls and was sent a link, which somebody has to open.
    LinkSent,
    /// The other side answered, or this one did.
    Answered,
    /// ICE and DTLS are done.
    Connected,
    /// The first packet came, so long after the offer.
    FirstMedia(Duration),
    /// The other side muted or unmuted: audio, video.
    Muted(bool, bool),
    /// The other side pressed these keys.
    Keys(String),
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The gateway, or the far server, does not take the call; in its words.
    #[error("{0}")]
    Refused(String),
    /// The socket ended, or does not answer.
    #[error("the connection to the gateway was lost")]
    WireLost,
    /// A file to play or record to cannot be used.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The WebRTC engine does not do it.
    #[error("{doing}: {why}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// What the engine says.
        why: String,
    },
}
