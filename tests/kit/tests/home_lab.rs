//! The home lab of docker-compose.yml as its users meet it: clients of each network who know the published
//! ports, their accounts, and nothing else. `tests/compose.sh` starts the lab and runs this.

use monster_testkit::{IrcClient, MatrixClient, MonsterClient, XmppClient};
use serde_json::json;
use std::net::SocketAddr;

const LOBBY: &str = "@lobby:localhost:7580";

fn given(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; tests/compose.sh sets it"))
}

fn place(variable: &str) -> SocketAddr {
    given(variable).parse().unwrap_or_else(|_| panic!("{variable} is not an address and a port"))
}

async fn alice() -> MonsterClient {
    MonsterClient::connect(&format!("ws://{}/alice?token={}&ext=1", place("LAB_GATEWAY"), given("LAB_TOKEN"))).await
}

/// Whom `account add` of Synapse made.
async fn on_matrix() -> MatrixClient {
    let base = format!("http://{}", place("LAB_MATRIX"));
    MatrixClient::login(&base, &given("LAB_MATRIX_USER"), &given("LAB_MATRIX_PASSWORD")).await
}

/// Whom `account add` of Prosody made.
async fn on_xmpp() -> XmppClient {
    let certificate = given("LAB_XMPP_CERTIFICATE");
    let (user, password) = (given("LAB_XMPP_USER"), given("LAB_XMPP_PASSWORD"));
    XmppClient::connect_tls(place("LAB_XMPP"), &user, &password, certificate.as_bytes()).await
}

#[tokio::test]
#[ignore = "needs the home lab; tests/compose.sh starts it and runs this"]
async fn the_lobby_is_one_room_for_monster_and_irc() {
    let mut alice = alice().await;
    let joined = alice.request(json!({ "code": "1001", "to": LOBBY })).await;
    assert_eq!(joined["type"], "1", "the lobby lets nobody in: {joined}");
    let mut guest = IrcClient::connect(place("LAB_IRC"), "guest", IrcClient::ALL_CAPS).await;
    guest.join("#lobby").await;

    alice.say(LOBBY, "hello from Monster").await;
    guest.hears("alice", "#lobby", "hello from Monster").await;
    guest.say("#lobby", "hello from IRC").await;
    let heard = alice.hears("hello from IRC").await;
    assert_eq!(heard["nickname"], "guest", "{heard}");
}

#[tokio::test]
#[ignore = "needs the home lab; tests/compose.sh starts it and runs this"]
async fn a_matrix_user_and_a_monster_account_talk() {
    let (mut alice, mut bob) = (alice().await, on_matrix().await);
    let at_bob = format!("@{}@localhost:matrix:localhost:7580", given("LAB_MATRIX_USER"));
    let room = bob.create_direct("@_monster_alice:localhost").await;
    alice.expect("the request", |frame| frame["code"] == "1001" && frame["from"] == json!(at_bob)).await;
    let agreed = alice.request(json!({ "code": "1001", "to": at_bob })).await;
    assert_eq!(agreed["type"], "1", "{agreed}");
    bob.say(&room, "hello from Matrix").await;
    let heard = alice.hears("hello from Matrix").await;
    assert_eq!(heard["from"], json!(at_bob), "{heard}");
    alice.say(&at_bob, "hello from Monster").await;
    bob.hears(&room, "hello from Monster").await;
}

#[tokio::test]
#[ignore = "needs the home lab; tests/compose.sh starts it and runs this"]
async fn an_xmpp_user_and_a_monster_account_talk() {
    let (mut alice, mut carol) = (alice().await, on_xmpp().await);
    let at_carol = format!("@{}:xmpp:localhost:7580", carol.jid);
    carol.write("alice@monster.localhost", "hello from XMPP", "").await;
    let heard = alice.hears("hello from XMPP").await;
    assert_eq!(heard["from"], json!(at_carol), "{heard}");
    alice.say(&at_carol, "hello from Monster").await;
    carol.hears("alice@monster.localhost", "hello from Monster").await;
}

#[tokio::test]
#[ignore = "needs the home lab; tests/compose.sh starts it and runs this"]
async fn matrix_and_xmpp_come_into_the_lobby_by_its_name_on_irc() {
    let mut alice = alice().await;
    let joined = alice.request(json!({ "code": "1001", "to": LOBBY })).await;
    assert_eq!(joined["type"], "1", "the lobby lets nobody in: {joined}");
    let mut guest = IrcClient::connect(place("LAB_IRC"), "lodger", IrcClient::ALL_CAPS).await;
    guest.join("#lobby").await;
    let mut bob = on_matrix().await;
    let room = bob.join("#_monster_=23lobby_ergo:localhost").await;
    let mut carol = on_xmpp().await;
    let muc = "#lobby%ergo@monster.localhost";
    carol.join(muc, "carol").await;

    bob.say(&room, "one of Matrix").await;
    guest.hears("", "#lobby", "one of Matrix").await;
    carol.hears(muc, "one of Matrix").await;
    alice.hears("one of Matrix").await;
    carol.say(muc, "one of XMPP").await;
    guest.hears("", "#lobby", "one of XMPP").await;
    bob.hears(&room, "one of XMPP").await;
    alice.hears("one of XMPP").await;
    alice.say(LOBBY, "one of Monster").await;
    bob.hears(&room, "one of Monster").await;
    carol.hears(muc, "one of Monster").await;
    guest.hears("alice", "#lobby", "one of Monster").await;
}
