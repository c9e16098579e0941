//! How the crate behaves, seen from outside: session descriptions there and back (`round_trip`), what
//! real clients send (`clients`), whole calls (`calls`, `changes`, with `stage`), and the fuzzers' seeds.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod calls;
mod changes;
mod clients;
mod round_trip;
mod seeds;
mod stage;
