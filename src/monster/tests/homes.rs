//! Home sockets: what is pushed to the devices of an account, and what becomes of it.

use super::Gateway;
use monster_testkit::MonsterClient;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_message_goes_to_every_device_with_from_and_to() {
    let gateway = Gateway::start().await;
    let (mut alice, mut phone, mut laptop) =
        (gateway.home("alice").await, gateway.home("bob").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "hello").await;
    for device in [&mut phone, &mut laptop] {
        let frame = device.pushed().await;
        assert_eq!(MonsterClient::text(&frame), "hello");
        assert_eq!(frame["from"], gateway.address("alice"));
        assert_eq!(frame["to"], gateway.address("bob"));
        assert_eq!(frame["code"], "2001");
        assert!(frame["time"].is_u64(), "{frame}");
    }
}

#[tokio::test]
async fn a_device_that_knows_only_the_seed_is_told_whom_it_is_from_and_edits_in_words() {
    let gateway = Gateway::start().await;
    let mut alice = gateway.home("alice").await;
    let mut bob = MonsterClient::connect(&gateway.url("bob", "?token=bob")).await;
    let id = alice.say(&gateway.address("bob"), "helo").await;
    assert_eq!(bob.pushed().await["from"], gateway.address("alice"));
    alice.say_with(&gateway.address("bob"), "hello", json!({"replaces": id})).await;
    let edit = bob.pushed().await;
    assert!(edit.get("replaces").is_none() && edit["from"] == gateway.address("alice"), "{edit}");
    assert!(MonsterClient::text(&edit).contains("hello") && MonsterClient::text(&edit) != "hello", "{edit}");
}

#[tokio::test]
async fn what_is_said_in_a_group_names_the_group_and_the_author() {
    let gateway = Gateway::start().await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    for client in [&mut alice, &mut bob] {
        let answer = client.request(json!({"code": "1001", "to": gateway.address("room")})).await;
        assert_eq!(answer["type"], "1", "{answer}");
    }
    alice.say(&gateway.address("room"), "hello all").await;
    let frame = bob.hears("hello all").await;
    assert_eq!(
        (frame["from"].clone(), frame["to"].clone()),
        (json!(gateway.address("alice")), json!(gateway.address("room")))
    );
}

#[tokio::test]
async fn what_was_not_answered_is_pushed_again_and_once_answered_never_again() {
    let gateway = Gateway::start().await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "one").await;
    let first = bob.pushed_unanswered().await;
    bob.close().await;
    let mut bob = gateway.home("bob").await;
    assert_eq!(bob.pushed().await, first);
    bob.close().await;
    alice.say(&gateway.address("bob"), "two").await;
    let mut bob = gateway.home("bob").await;
    assert_eq!(MonsterClient::text(&bob.pushed().await), "two");
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_pushed_again_on_the_same_socket() {
    let gateway = Gateway::with(|options| options.patience.answer = Duration::from_millis(100)).await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "one").await;
    let first = bob.pushed_unanswered().await;
    assert_eq!(bob.pushed().await, first);
}

#[tokio::test]
async fn a_message_waits_for_a_device_to_come() {
    let gateway = Gateway::start().await;
    let mut alice = gateway.home("alice").await;
    alice.say(&gateway.address("bob"), "for later").await;
    let mut bob = gateway.home("bob").await;
    assert_eq!(MonsterClient::text(&bob.pushed().await), "for later");
}

#[tokio::test]
async fn a_refusal_is_told_to_the_sender_and_an_excuse_is_not() {
    let gateway = Gateway::start().await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "again please").await;
    let frame = bob.pushed_unanswered().await;
    bob.send_raw(&json!({"messageId": frame["messageId"], "statusCode": "500", "error": "later"}).to_string()).await;
    assert_eq!(bob.pushed().await, frame);
    alice.say(&gateway.address("bob"), "never").await;
    let frame = bob.pushed_unanswered().await;
    bob.send_raw(&json!({"messageId": frame["messageId"], "statusCode": "400", "error": "no thanks"}).to_string())
        .await;
    let notice = alice.pushed().await;
    assert!(MonsterClient::text(&notice).contains("no thanks"), "{notice}");
}

#[tokio::test]
async fn one_device_that_takes_a_message_is_enough() {
    let gateway = Gateway::start().await;
    let (mut alice, mut good, mut bad) =
        (gateway.home("alice").await, gateway.home("bob").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "one").await;
    let frame = bad.pushed_unanswered().await;
    bad.send_raw(&json!({"messageId": frame["messageId"], "statusCode": "400"}).to_string()).await;
    good.pushed().await;
    alice.say(&gateway.address("bob"), "two").await;
    assert_eq!(MonsterClient::text(&good.pushed().await), "two");
}

#[tokio::test]
async fn a_device_that_comes_while_another_does_not_answer_gets_what_waits_at_once() {
    let gateway = Gateway::start().await;
    let (mut alice, mut frozen) = (gateway.home("alice").await, gateway.home("bob").await);
    alice.say(&gateway.address("bob"), "one").await;
    let frame = frozen.pushed_unanswered().await;
    assert_eq!(gateway.home("bob").await.pushed().await, frame);
}

#[tokio::test]
async fn the_echo_answers_over_a_home_socket() {
    let gateway = Gateway::start().await;
    let mut alice = gateway.home("alice").await;
    let echo = format!("@echo:echo:{}", gateway.host);
    let id = alice.say(&echo, "hello?").await;
    let frame = alice.hears("hello?").await;
    assert_eq!(frame["from"], echo);
    let answer = alice.request(json!({"code": "2004", "to": echo, "recallMessageId": id})).await;
    assert_eq!(answer["statusCode"], "200");
    let recall = alice.expect("the recall", |frame| frame["code"] == "2004").await;
    assert_eq!(recall["recallMessageId"], frame["messageId"]);
}
