//! The bridge against real servers: Ergo, ngIRCd and InspIRCd, each started for the test.
//!
//! `support` has the host that records what it is given, and a running bridge; the other modules
//! are the tests, by what they are about.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod admission;
mod channel;
mod hostile;
mod long_and_typing;
mod outage;
mod plain_servers;
mod private;
mod secure;
mod support;
