//! The relay with clients, over real sockets:
//! `calls` is what works, `apart` the same with ends that do not bundle, `refusals` what is refused and what harms nobody.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics")]

mod apart;
mod calls;
mod client;
mod refusals;
