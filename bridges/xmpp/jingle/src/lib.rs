//! Calls as XMPP has them, without I/O: session descriptions of WebRTC and Jingle elements in both
//! directions, the actions of a Jingle session (XEP-0166, XEP-0167), ringing by messages (XEP-0353), and
//! [`Dialogue`], which turns one call's steps into stanzas and back.
//!
//! What does not live here: streams, addresses of people, who may call whom (the XMPP bridge), and which
//! step may follow which (`calls`). Stanza payloads come in and go out as [`minidom::Element`]; who
//! sends them adds `to`, `from` and `id`.

mod candidate;
mod content;
mod dialogue;
mod error;
mod group;
mod jingle;
mod message;
mod model;
pub mod ns;
mod reason;
mod rtp;
mod sdp;
mod transport;
mod xml;

pub use candidate::Candidate;
pub use content::{Part, contents_of};
pub use dialogue::{Dialogue, Output, Reach, Replied, lower_wins};
pub use error::{Refused, Unreadable};
pub use group::Group;
pub use jingle::{Action, Info, Jingle};
pub use message::{Message, MessageKind};
pub use model::{
    Content, Credentials, Extension, Feedback, Fingerprint, Kind, Msid, Parameter, Payload, Rtp, Senders, Session,
    Setup, Side, Source, SourceGroup, Transport,
};
pub use reason::{Condition, Reason};
