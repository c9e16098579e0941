//! The whole program between Monster accounts: at home, offline, and on two gateways.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_testkit::{Gateway, MonsterClient};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

async fn gateway() -> Gateway {
    Gateway::start(BINARY, "[bridges.echo]\nkind = \"echo\"\n").await
}

#[tokio::test]
async fn the_echo_repeats_edits_and_withdraws() {
    let gateway = gateway().await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let echo = gateway.address("echo", "echo");
    let mine = alice.say(&echo, "hello").await;
    let back = alice.hears("hello").await;
    assert_eq!(back["from"], json!(echo));
    alice.say_with(&echo, "hallo", json!({"replaces": mine})).await;
    let edit = alice.hears("hallo").await;
    assert_eq!(edit["replaces"], back["messageId"], "{edit}");
    alice.request(json!({"code": "2004", "to": echo, "recallMessageId": mine})).await;
    let recall = alice.expect("the recall", |frame| frame["code"] == "2004").await;
    assert_eq!(recall["recallMessageId"], back["messageId"]);
}

#[tokio::test]
async fn a_message_waits_for_somebody_who_is_away_and_comes_again_until_answered() {
    let mut gateway = gateway().await;
    let (a, b) = (gateway.account("alice").await, gateway.account("bob").await);
    let mut alice = gateway.home("alice", &a).await;
    let bob_address = gateway.address("bob", "");
    for n in 0..20 {
        alice.say(&bob_address, &format!("number {n}")).await;
    }
    let mut bob = gateway.home("bob", &b).await;
    let first = bob.pushed_unanswered().await;
    assert_eq!(MonsterClient::text(&first), "number 0");
    drop(bob);
    gateway.kill().await;
    gateway.run().await;
    let mut bob = gateway.home("bob", &b).await;
    for n in 0..20 {
        let frame = bob.pushed().await;
        assert_eq!(MonsterClient::text(&frame), format!("number {n}"));
        assert_eq!(frame["from"], json!(gateway.address("alice", "")));
    }
}

#[tokio::test]
async fn what_waited_comes_without_a_round_trip_for_each_and_in_order_even_if_one_has_to_come_again() {
    let gateway = gateway().await;
    let (a, b) = (gateway.account("alice").await, gateway.account("bob").await);
    let mut alice = gateway.home("alice", &a).await;
    for n in 0..60 {
        alice.say(&gateway.address("bob", ""), &format!("number {n}")).await;
    }
    let mut bob = gateway.home("bob", &b).await;
    for n in 0..3 {
        assert_eq!(MonsterClient::text(&bob.pushed().await), format!("number {n}"));
    }
    let mut unanswered = Vec::new();
    for n in 3..7 {
        unanswered.push(bob.pushed_unanswered().await);
        assert_eq!(MonsterClient::text(&unanswered[n - 3]), format!("number {n}"));
    }
    let later = json!({"messageId": unanswered[0]["messageId"], "statusCode": "500", "error": "later"});
    bob.send_raw(&later.to_string()).await;
    for frame in &unanswered[1..] {
        bob.acknowledge(frame).await;
    }
    // What else was under way comes first.
    bob.expect("the refused one again", |frame| frame["messageId"] == unanswered[0]["messageId"]).await;
    for n in 4..60 {
        assert_eq!(MonsterClient::text(&bob.pushed().await), format!("number {n}"));
    }
}

#[tokio::test]
async fn every_device_gets_everything() {
    let gateway = gateway().await;
    let (a, b) = (gateway.account("alice").await, gateway.account("bob").await);
    let mut alice = gateway.home("alice", &a).await;
    let mut phone = gateway.home("bob", &b).await;
    let mut desk = gateway.home("bob", &b).await;
    alice.say(&gateway.address("bob", ""), "both of you").await;
    phone.hears("both of you").await;
    desk.hears("both of you").await;
}

#[tokio::test]
async fn two_gateways_know_each_other_by_their_check_urls() {
    let allow = "[identity]\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]\n";
    let (east, west) = tokio::join!(Gateway::start(BINARY, allow), Gateway::start(BINARY, allow));
    let (a, b) = (east.account("alice").await, west.account("bob").await);
    let mut alice = east.home("alice", &a).await;
    let mut bob = west.home("bob", &b).await;
    let (alice_address, bob_address) = (east.address("alice", ""), west.address("bob", ""));

    alice.say(&bob_address, "over the wire").await;
    let heard = bob.hears("over the wire").await;
    assert_eq!(heard["from"], json!(alice_address));
    bob.say_with(&alice_address, "and back", json!({"replyTo": heard["messageId"]})).await;
    let heard = alice.hears("and back").await;
    assert_eq!(heard["from"], json!(bob_address));

    let info = alice.request(json!({"code": "1000", "to": bob_address})).await;
    assert_eq!((&info["statusCode"], &info["nickname"]), (&json!("100"), &json!("bob")), "{info}");
    let asked = alice.request(json!({"code": "1001", "to": bob_address})).await;
    assert_eq!(asked["type"], "2", "{asked}");
    bob.expect("the request", |frame| frame["code"] == "1001").await;
    let answered = bob.request(json!({"code": "1001", "to": alice_address})).await;
    assert_eq!(answered["type"], "1", "mutual is accepted: {answered}");
    alice.expect("the acceptance", |frame| frame["code"] == "1001").await;
}

#[tokio::test]
async fn a_local_group_carries_a_conversation_of_two_gateways() {
    let allow = "[identity]\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]\n";
    let (east, west) = tokio::join!(Gateway::start(BINARY, allow), Gateway::start(BINARY, allow));
    let (a, b) = (east.account("alice").await, west.account("bob").await);
    let token = east.cli(&["account", "add", "--group", "club"]).await;
    drop(token);
    let club = east.address("club", "");
    let mut alice = east.home("alice", &a).await;
    let mut bob = west.home("bob", &b).await;
    assert_eq!(alice.request(json!({"code": "1001", "to": club})).await["type"], "1");
    assert_eq!(bob.request(json!({"code": "1001", "to": club})).await["type"], "1");
    bob.say(&club, "hello club").await;
    let heard = alice.hears("hello club").await;
    assert_eq!((&heard["from"], &heard["to"]), (&json!(west.address("bob", "")), &json!(club)));
    alice.say(&club, "hello bob").await;
    let heard = bob.hears("hello bob").await;
    assert!(heard["from"] == json!(east.address("alice", "")) || heard["from"] == json!(club), "{heard}");
}

#[tokio::test]
async fn an_anonymous_socket_may_ask_who_it_is_and_nothing_else() {
    let gateway = gateway().await;
    gateway.account("alice").await;
    let mut stranger = MonsterClient::connect(&format!("ws://{}/alice", gateway.listen)).await;
    let info = stranger.request(json!({"code": "1000"})).await;
    assert_eq!((&info["statusCode"], &info["accountType"]), (&json!("100"), &json!("1")), "{info}");
    for code in ["1001", "1004", "2001", "2002", "2004"] {
        let frame = json!({"code": code, "text": "aGk=", "recallMessageId": "x"});
        let answer = stranger.request(frame).await;
        assert_eq!(answer["statusCode"], "400", "{code}: {answer}");
        assert!(answer["error"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn bad_frames_are_answered_and_the_socket_stays_open() {
    let gateway = gateway().await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let echo = gateway.address("echo", "echo");
    let long = "x".repeat(10_000);
    let cases = [
        "not json".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        format!("{{\"messageId\":\"a\",\"code\":\"9999\",\"to\":\"{echo}\"}}"),
        format!("{{\"messageId\":\"b\",\"code\":\"2001\",\"to\":\"{echo}\"}}"),
        format!("{{\"messageId\":\"c\",\"code\":\"2001\",\"to\":\"{echo}\",\"text\":\"***\"}}"),
        format!("{{\"messageId\":\"d\",\"code\":\"2001\",\"to\":\"{echo}\",\"text\":\"//79\"}}"),
        "{\"messageId\":\"e\",\"code\":\"2001\",\"to\":\"@\\u0000\",\"text\":\"aGk=\"}".to_owned(),
        format!("{{\"messageId\":\"{long}\",\"code\":\"2001\",\"to\":\"{echo}\",\"text\":\"aGk=\"}}"),
    ];
    for case in &cases {
        alice.send_raw(case).await;
        let answer = alice.any_answer().await;
        assert_eq!(answer["statusCode"], "400", "{case}: {answer}");
        assert!(answer["error"].as_str().is_some_and(|error| !error.is_empty() && error.len() < 1000), "{answer}");
    }
    alice.send_raw(&format!("{{messageId:\"bare\",code:1000,to:\"{echo}\"}}")).await;
    let answer = alice.any_answer().await;
    assert_eq!((&answer["messageId"], &answer["statusCode"]), (&json!("bare"), &json!("100")), "{answer}");
    alice.say(&echo, "still here").await;
    alice.hears("still here").await;
    alice.send_raw(&"x".repeat(300 * 1024)).await;
    assert_eq!(alice.close_code().await, Some(1009));
}

#[tokio::test]
async fn a_call_that_cannot_be_read_is_refused_with_a_reason() {
    let gateway = gateway().await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    let echo = gateway.address("echo", "echo");
    for code in ["2002", "2003"] {
        let text = STANDARD.encode(r#"{"type":"offer","callId":"c"}"#);
        let answer = alice.request(json!({"code": code, "to": echo, "text": text})).await;
        assert_eq!(answer["statusCode"], "400", "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains("`sdp`")), "{answer}");
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_closes_what_it_opened_and_leaves_the_rest() {
    let gateway = gateway().await;
    let (first, bobs) = (gateway.account("alice").await, gateway.account("bob").await);
    let mut old = gateway.home("alice", &first).await;
    let mut bob = gateway.home("bob", &bobs).await;
    let second = gateway.cli(&["account", "token", "alice", "--revoke-others"]).await;
    let mut new = gateway.home("alice", &second).await;
    assert_eq!(old.close_code().await, Some(1008), "a command revoked its token");
    bob.say(&gateway.address("alice", ""), "for the new one").await;
    new.hears("for the new one").await;

    let (status, body) = gateway.api("POST", "/accounts/alice/tokens", r#"{"revoke_others": true}"#).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(new.close_code().await, Some(1008), "the API revoked its token");
    let third = gateway.cli(&["account", "token", "alice"]).await;
    let mut new = gateway.home("alice", &third).await;
    assert_eq!(gateway.api("DELETE", "/accounts/alice/tokens", "").await.0, 204);
    assert_eq!(new.close_code().await, Some(1008), "the API revoked all tokens");
    bob.say(&gateway.address("bob", ""), "nobody else was disturbed").await;
}

#[tokio::test]
async fn a_new_account_has_nothing_of_the_removed_one_of_that_name() {
    let gateway = gateway().await;
    let bobs = gateway.account("bob").await;
    let mut bob = gateway.home("bob", &bobs).await;
    for (name, by_api) in [("alice", false), ("anna", true)] {
        let (token, address) = (gateway.account(name).await, gateway.address(name, ""));
        let mut old = gateway.home(name, &token).await;
        bob.say(&address, "for the first one").await;
        old.hears("for the first one").await;
        if by_api {
            assert_eq!(gateway.api("DELETE", &format!("/accounts/{name}"), "").await.0, 204);
        } else {
            gateway.cli(&["account", "remove", name]).await;
        }
        let second = gateway.account(name).await;
        let mut new = gateway.home(name, &second).await;
        bob.say(&address, "for the second one").await;
        assert_eq!(MonsterClient::text(&new.pushed().await), "for the second one");
        let mut heard = Vec::new();
        while let Some(frame) = old.next().await {
            heard.push(MonsterClient::text(&frame));
        }
        assert_eq!(heard, [""; 0], "the first one's socket is still told");
        let url = format!("ws://{}/{name}?token={token}", gateway.listen);
        assert!(MonsterClient::try_connect(&url).await.is_none(), "the first one's token opens the second's account");
    }
}

#[tokio::test]
async fn nothing_secret_or_said_is_in_the_log() {
    let gateway = gateway().await;
    let token = gateway.account("alice").await;
    let mut alice = gateway.home("alice", &token).await;
    alice.say(&gateway.address("echo", "echo"), "xyzzy-words").await;
    alice.hears("xyzzy-words").await;
    let log = gateway.output();
    assert!(!log.contains("xyzzy-words") && !log.contains(&token), "{log}");
}
