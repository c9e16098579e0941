//! The home lab of docker-compose.yml as its users meet it: a Monster client and an IRC client who
//! know the published ports and nothing else. `tests/compose.sh` starts the lab and runs this.

use monster_testkit::{IrcClient, MonsterClient};
use serde_json::json;

const LOBBY: &str = "@lobby:localhost:7580";

fn given(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; tests/compose.sh sets it"))
}

#[tokio::test]
#[ignore = "needs the home lab; tests/compose.sh starts it and runs this"]
async fn the_lobby_is_one_room_for_monster_and_irc() {
    let url = format!("ws://{}/alice?token={}&ext=1", given("LAB_GATEWAY"), given("LAB_TOKEN"));
    let mut alice = MonsterClient::connect(&url).await;
    let joined = alice.request(json!({ "code": "1001", "to": LOBBY })).await;
    assert_eq!(joined["type"], "1", "the lobby lets nobody in: {joined}");

    let irc = given("LAB_IRC").parse().expect("LAB_IRC is an address and a port");
    let mut guest = IrcClient::connect(irc, "guest", IrcClient::ALL_CAPS).await;
    guest.join("#lobby").await;

    alice.say(LOBBY, "hello from Monster").await;
    guest.hears("alice", "#lobby", "hello from Monster").await;
    guest.say("#lobby", "hello from IRC").await;
    let heard = alice.hears("hello from IRC").await;
    assert_eq!(heard["nickname"], "guest", "{heard}");
}
