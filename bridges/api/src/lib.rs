//! The plugin contract between the gateway's core and the bridges to other networks.
//!
//! A bridge implements [`Bridge`] for one network and is given a [`Host`]: what it hears it hands
//! to [`Host::accept`], what others say reaches it through [`Bridge::deliver`]. Both speak the
//! network-neutral model of this crate: a bridge never sees a Monster frame, the database or
//! another bridge, and this crate knows none of them either. What bridges need besides is here once:
//! reading their section ([`parse_section`]), pauses between attempts ([`Backoff`]), the tasks of a run
//! ([`Run`]).
//!
//! `docs/write-a-bridge.md` walks through a whole bridge; `bridges/echo` is its example.

mod backoff;
mod bridge;
mod call;
mod capabilities;
mod control;
mod delivery;
mod event;
mod host;
mod ids;
mod looks;
mod media;
mod profile;
mod run;
mod section;
mod text;

pub use backoff::{Backoff, Reconnect};
pub use bridge::{Ask, Bridge, ConfigError, Factory, RunError, Scope};
pub use call::{CallDelivery, CallError, CallHeard, CallMedia, CallStep, Devices, EndReason, IceCandidate, Muted};
pub use capabilities::{Capabilities, Support};
pub use control::Control;
pub use delivery::{Action, Delivery, DeliveryError, Found, HintDelivery, HintKind, Posting, Receipt, Reference};
pub use event::{
    Attachment, AttachmentShape, Content, Event, EventKind, Hint, Membership, Presence, RoomProfile,
    Style as ContentStyle, Venue,
};
pub use host::{ACCEPT_AT_ONCE, AcceptError, Accepted, Health, Host, HostError};
pub use ids::{Author, BadName, CallId, DeviceId, EventId, InstanceName, MessageKey, PersonaId, RemoteId, RemoteUser};
pub use looks::{is_shown, skeleton};
pub use media::{Media, MediaError, MediaFile};
pub use profile::{Admission, Info, PlaceKind, Profile, RequestError, RoomUse};
pub use run::Run;
pub use section::{Secret, host_port, nearest, parse_section};
pub use text::{Block, BlockKind, Colour, Span, SpanStyle, Text};
