//! Calls as people make them: real browsers with fake cameras, the whole program between them, and
//! networks that lose and block packets. `./test calls` runs it; it needs what
//! `tests/support/install-servers` installs, and root where packets are lost.
//!
//! `steps`, `echo`, `network` and `seed` use a telephone of the tests' own ([`phone`]), which knows
//! the protocol and nothing of the web client; `client` and `guest` use the client and the join page,
//! `xmpp` the client and stanza.js at a Prosody.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod client;
mod echo;
mod guest;
mod network;
mod phone;
mod screenshots;
mod seed;
mod steps;
mod xmpp;

use monster_testkit::Gateway;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

/// A gateway with the echo on it, on this machine only.
async fn gateway() -> Gateway {
    gateway_with("").await
}

/// A gateway with the echo and further sections.
async fn gateway_with(sections: &str) -> Gateway {
    Gateway::start(BINARY, &format!("{sections}\n[bridges.echo]\nkind = \"echo\"\n")).await
}
