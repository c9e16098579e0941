//! Rooms joined into one conversation, and that nothing goes round in it.

use monster_testkit::{Ergo, Gateway, IrcClient, MonsterClient, Stage, irc_section};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

#[tokio::test]
async fn two_channels_and_a_local_group_become_one_conversation() {
    let mut stage = Stage::new(BINARY, "").await;
    let (one, two) = (stage.on_irc("#one"), stage.on_irc("#two"));
    let group = stage.gateway.address("lounge", "");
    stage.gateway.cli(&["link", "add", &one, &two, &group]).await;
    let mut bob = stage.irc("bob", &["#one"]).await;
    let mut carol = stage.irc("carol", &["#two"]).await;
    let joined = stage.alice.request(json!({"code": "1001", "to": group})).await;
    assert_eq!(joined["type"], "1", "a group made by a link lets local accounts in: {joined}");

    bob.sees_in("#one", "ergo-bot").await;
    carol.sees_in("#two", "ergo-bot").await;
    bob.say("#one", "from one").await;
    let heard = stage.alice.hears("from one").await;
    assert_eq!((&heard["to"], &heard["from"]), (&json!(group), &json!(stage.on_irc("bob"))));
    let line = carol.hears("", "#two", "from one").await;
    assert!(line.source.contains("bob") || line.text().contains("bob"), "the author is named: {line:?}");

    stage.alice.say(&group, "from the group").await;
    bob.hears("alice", "#one", "from the group").await;
    carol.hears("alice", "#two", "from the group").await;

    let again: Vec<_> = bob.drain().await.into_iter().filter(|line| line.text().contains("from")).collect();
    assert!(again.is_empty(), "nothing comes back: {again:?}");
}

#[tokio::test]
async fn a_recall_in_one_room_reaches_every_room_of_the_link() {
    let mut stage = Stage::new(BINARY, "").await;
    let (one, two) = (stage.on_irc("#one"), stage.on_irc("#two"));
    let group = stage.gateway.address("lounge", "");
    stage.gateway.cli(&["link", "add", &one, &two, &group]).await;
    let mut bob = stage.irc("bob", &["#one"]).await;
    let mut carol = stage.irc("carol", &["#two"]).await;
    stage.alice.request(json!({"code": "1001", "to": group})).await;
    let mine = stage.alice.say(&group, "oops").await;
    bob.hears("alice", "#one", "oops").await;
    carol.hears("alice", "#two", "oops").await;
    stage.alice.request(json!({"code": "2004", "to": group, "recallMessageId": mine})).await;
    // Whoever came first is the operator, and only an operator may redact on Ergo without an account.
    let withdrawn = |channel: &'static str| {
        move |line: &monster_testkit::IrcLine| {
            line.command == "REDACT" && line.params[0] == channel || line.says("alice", channel, "withdrawn: “oops”")
        }
    };
    bob.expect("the withdrawal", withdrawn("#one")).await;
    carol.expect("the withdrawal", withdrawn("#two")).await;
}

#[tokio::test]
async fn two_gateways_that_link_the_same_rooms_make_no_loop() {
    let ergo = Ergo::start().await;
    let first = Gateway::start(BINARY, &irc_section("ergo", &ergo, "mode = \"relay\"")).await;
    let second = Gateway::start(BINARY, &irc_section("libera", &ergo, "mode = \"relay\"")).await;
    first.cli(&["link", "add", &first.address("#one", "ergo"), &first.address("#two", "ergo")]).await;
    second.cli(&["link", "add", &second.address("#one", "libera"), &second.address("#two", "libera")]).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#one").await;
    bob.join("#two").await;
    for bot in ["ergo-bot", "libera-bot"] {
        bob.sees_in("#one", bot).await;
        bob.sees_in("#two", bot).await;
    }
    bob.say("#one", "ping pong").await;
    bob.hears("", "#two", "ping pong").await;
    bob.say("#one", "the end").await;
    bob.hears("", "#two", "the end").await;
    bob.say("#two", "really").await;
    bob.hears("", "#one", "really").await;
    let copies = bob.drain().await.into_iter().filter(|line| line.text().contains("ping pong")).count();
    assert!(copies <= 1, "each gateway copies a message once at the most, {copies} more came");
}

#[tokio::test]
async fn a_group_is_left_and_protected_by_its_pass() {
    let mut stage = Stage::new(BINARY, "").await;
    let one = stage.on_irc("#one");
    let group = stage.gateway.address("secret", "");
    stage.gateway.cli(&["link", "add", "--pass", "sesame", &one, &group]).await;
    let wrong = stage.alice.request(json!({"code": "1001", "to": group, "pass": "nope"})).await;
    assert_eq!(wrong["type"], "3", "{wrong}");
    let refused = stage.alice.request(json!({"code": "2001", "to": group, "text": "aGk="})).await;
    assert_eq!(refused["statusCode"], "400", "only members speak in a group with a pass: {refused}");
    let right = stage.alice.request(json!({"code": "1001", "to": group, "pass": "sesame"})).await;
    assert_eq!(right["type"], "1", "{right}");

    let mut bob = stage.irc("bob", &["#one"]).await;
    bob.sees_in("#one", "ergo-bot").await;
    bob.say("#one", "open").await;
    stage.alice.hears("open").await;
    stage.alice.request(json!({"code": "1004", "to": group})).await;
    bob.say("#one", "closed").await;
    bob.drain().await;
    let echo = stage.gateway.address("echo", "echo");
    let _: MonsterClient = {
        stage.alice.say(&echo, "marker").await;
        let next = stage.alice.pushed().await;
        assert_eq!(MonsterClient::text(&next), "marker", "a former member hears nothing more: {next}");
        stage.alice
    };
}
