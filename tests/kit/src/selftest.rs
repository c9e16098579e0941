//! The kit's own test: each server starts and carries a line between two people.

use crate::{Ergo, Inspircd, IrcClient, Ngircd};
use std::net::SocketAddr;

async fn carries_a_line(server: SocketAddr) {
    let mut ann = IrcClient::connect(server, "ann", IrcClient::ALL_CAPS).await;
    let mut bob = IrcClient::connect(server, "bob", IrcClient::ALL_CAPS).await;
    ann.join("#kit").await;
    bob.join("#kit").await;
    ann.say("#kit", "hello bob").await;
    bob.hears("ann", "#kit", "hello bob").await;
}

#[tokio::test]
async fn ergo_carries_a_line() {
    let mut ergo = Ergo::start().await;
    carries_a_line(ergo.address).await;
    ergo.kill_and_restart().await;
    carries_a_line(ergo.address).await;
}

#[tokio::test]
async fn ngircd_carries_a_line() {
    let server = Ngircd::start().await;
    carries_a_line(server.address).await;
}

#[tokio::test]
async fn inspircd_carries_a_line() {
    let server = Inspircd::start().await;
    carries_a_line(server.address).await;
}
