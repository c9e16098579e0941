//! The relay with clients, over real sockets:
//! `calls` is what works, `refusals` what is refused and what harms nobody.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

mod calls;
mod client;
mod refusals;
