//! Sessions as session descriptions (RFC 8866, RFC 8829): `read` and `print`. Only sections of sound
//! and pictures over DTLS-SRTP are read; others are no part of a call.

mod print;
mod read;

/// The longest session description, in bytes.
pub(crate) const MAX: usize = 256 * 1024;
