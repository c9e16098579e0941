//! The XML of a stream, without I/O: bytes in, stanzas out, and back. `session` moves the bytes.
//!
//! Both directions are bounded: what a stranger's stanza holds is limited in size and depth, and a
//! stanza beyond that is given up alone while its stream goes on.

mod read;
mod write;

pub(crate) use read::{Incoming, Reader};
pub(crate) use write::{close, open, write};
