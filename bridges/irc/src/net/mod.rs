//! What stands between a session and the wire: names, sockets, TLS, and the manners of connecting.
//!
//! Nothing in here knows what an IRC line says. `conn` dials through [`dial`], waits its turn at the
//! [`Pacer`] of the server and counts its lines in a [`Bucket`]; [`Ident`] answers the server's
//! question whose connection it is.

mod bucket;
mod dial;
mod ident;
mod pacer;

pub(crate) use bucket::Bucket;
pub(crate) use dial::{Caller, DialError, Dialer, Stream};
pub(crate) use ident::{Ident, IdentEntry};
pub(crate) use pacer::{Pacer, Urgency};
