//! Real servers on free ports with temporary data, and plain clients to talk to them: what the
//! end-to-end tests of every crate are made of.
//!
//! Nothing here waits for a fixed time: each wait names what it waits for and has a deadline, and
//! panics with that name and what was seen instead. Every process started here ends with its
//! value.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]
#![expect(clippy::missing_panics_doc, reason = "everything here panics when the test fails")]

mod browser;
mod coturn;
mod encrypted_client;
mod figures;
mod gateway;
mod irc_client;
mod irc_servers;
mod matrix_client;
mod monster_client;
mod netns;
mod ports;
mod process;
#[cfg(test)]
mod selftest;
mod stage;
mod steady_client;
mod synapse;
mod tap;
pub mod tools;
mod xmpp_client;
mod xmpp_servers;
mod xmpp_stage;

pub use browser::{Browser, BrowserOptions, Tab};
pub use coturn::Coturn;
pub use encrypted_client::EncryptedClient;
pub use figures::{Figures, MediaPath, Medium};
pub use gateway::Gateway;
pub use irc_client::{IrcClient, IrcLine};
pub use irc_servers::{Ergo, Inspircd, Ngircd};
pub use matrix_client::MatrixClient;
pub use monster_client::MonsterClient;
pub use netns::Namespace;
pub use ports::{free_port, free_port_at, free_udp_port_at};
pub use process::Process;
pub use stage::{MatrixStage, Stage, irc_section, irc_section_at, matrix_section};
pub use steady_client::SteadyClient;
pub use synapse::Synapse;
pub use tap::Tap;
pub use xmpp_client::XmppClient;
pub use xmpp_servers::{Ejabberd, Prosody};
pub use xmpp_stage::XmppStage;

use std::future::Future;
use std::time::Duration;

/// How long a test waits for one event, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `event`, at most [`PATIENCE`], or panics saying that `what` did not come.
pub async fn within<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(late) => panic!("did not come within {PATIENCE:?}: {what} ({late})"),
    }
}

/// Asks `probe` again and again until it answers, at most [`PATIENCE`]: for what has no event.
pub async fn until<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    within(what, async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Lets a random part of `at_most` pass: for killing something at no moment in particular.
pub async fn a_random_moment(at_most: Duration) {
    tokio::time::sleep(at_most.mul_f64(rand::random::<f64>())).await;
}
