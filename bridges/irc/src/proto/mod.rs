//! The IRC protocol without I/O: bytes and points in time go in, bytes and typed events come out.
//! Nothing here opens a socket, reads a clock or knows what a Monster address is; the other half
//! of the crate drives it. `line`, `command`, `tags`, `param` are the words of the protocol;
//! `isupport`, `modes`, `caps`, `sasl`, `batch` its sub-languages; [`Session`] is one connection.

mod batch;
pub mod caps;
pub mod casemap;
pub mod command;
pub mod framing;
pub mod isupport;
pub mod line;
pub mod modes;
pub mod param;
pub mod sasl;
mod scram;
pub mod session;
pub mod tags;
pub mod time;

pub use casemap::CaseMap;
pub use framing::Lines;
pub use isupport::Isupport;
pub use line::{Message, Source};
pub use param::{BadParam, Middle, Target, Trailing};
pub use session::{Event, Session, SessionConfig};
pub use tags::DeliveryMark;
