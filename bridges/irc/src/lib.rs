//! The bridge to IRC networks.
//!
//! `proto` is the protocol without I/O, `split` and `format` fit words to it; the rest drives
//! connections and implements the bridge contract.

pub mod format;
pub mod proto;
pub mod split;
