//! Bad days: connections that break, servers and gateways that die.

use crate::support::{Proxy, Running, author, message, relayed, section, section_with, text_of, to};
use monster_bridge_api::{DeliveryError, EventKind, Found, Health};
use monster_testkit::{Ergo, Inspircd, IrcClient, within};
use serde_json::json;
use std::sync::Arc;

fn heard(gateway: &Running) -> Vec<String> {
    gateway.host.events().iter().filter_map(text_of).collect()
}

#[tokio::test]
async fn what_was_said_while_the_gateway_was_dead_is_read_from_the_history_once_and_in_order() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#gap").await;
    let gateway = Running::start(section(ergo.address), &["#gap"]).await;
    let alice = author("alice");
    bob.say("#gap", "before").await;
    gateway.hears("before").await;
    gateway.says(&alice, "#gap", "mine").await;
    let (host, data, section) = gateway.kill().await;
    for n in 0..250 {
        bob.say("#gap", &format!("missed {n:03}")).await;
    }
    bob.drain().await;
    let gateway = Running::start_on(section, host, data);
    gateway.hears("missed 249").await;
    bob.say("#gap", "after").await;
    gateway.hears("after").await;
    let mut wanted = vec!["before".to_owned()];
    wanted.extend((0..250).map(|n| format!("missed {n:03}")));
    wanted.push("after".to_owned());
    assert_eq!(heard(&gateway), wanted);
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_found_again() {
    let mut ergo = Ergo::start().await;
    let gateway = Running::start(section(ergo.address), &["#again"]).await;
    let alice = author("alice");
    gateway.says(&alice, "#again", "before").await;
    ergo.kill().await;
    within("the news of it", gateway.host.health(|health| matches!(health, Health::Down { .. }))).await;
    let refused = within("an answer", gateway.send(&alice, "#again", "into the dark")).await;
    assert!(!matches!(refused, Err(DeliveryError::Permanent { .. }) | Ok(_)), "{refused:?}");
    ergo.restart().await;
    gateway.is_in(1).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#again").await;
    bob.say("#again", "are you back?").await;
    gateway.hears("are you back?").await;
    gateway.says(&alice, "#again", "yes").await;
    bob.hears("alice", "#again", "yes").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_whose_acknowledgement_was_lost_is_found_and_not_sent_twice() {
    let ergo = Ergo::start().await;
    let proxy = Proxy::before(ergo.address).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#find").await;
    let gateway = Running::start(section(proxy.address), &["#find"]).await;
    let alice = author("alice");
    for delivery in [message(&alice, "#find", "sure?"), relayed(message(&alice, "#find", "really sure?"))] {
        gateway.says(&alice, "#find", "warm").await;
        bob.hears("", "#find", "warm").await;
        proxy.mute();
        let (bridge, sent) = (Arc::clone(&gateway.bridge), delivery.clone());
        let sending = tokio::spawn(async move { bridge.deliver(&sent).await });
        let line = bob.hears("", "#find", "sure?").await;
        proxy.cut();
        let outcome = within("the outcome", sending).await.unwrap();
        assert!(matches!(outcome, Err(DeliveryError::Uncertain { .. })), "{outcome:?}");
        proxy.open();
        gateway.is_in(1).await;
        let found = within("the finding", gateway.bridge.find(&delivery)).await.unwrap();
        let Found::Delivered(receipt) = found else { panic!("it was not found: {found:?}") };
        assert_eq!(Some(receipt.ids[0].as_str()), line.tag("msgid"));
        let never = message(&alice, "#find", "sure?");
        assert_eq!(gateway.bridge.find(&never).await, Ok(Found::Absent));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_delivery_is_found_by_the_next_process_too() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#crash").await;
    let gateway = Running::start(section(ergo.address), &["#crash"]).await;
    let delivery = message(&author("alice"), "#crash", "just before the end");
    let receipt = gateway.bridge.deliver(&delivery).await.unwrap();
    let (host, data, section) = gateway.kill().await;
    let gateway = Running::start_on(section, host, data);
    gateway.is_in(1).await;
    assert_eq!(gateway.bridge.find(&delivery).await, Ok(Found::Delivered(receipt)));
    let next = message(&author("alice"), "#crash", "never sent");
    assert_eq!(gateway.bridge.find(&next).await, Ok(Found::Absent));
    gateway.stop().await;
}

#[tokio::test]
async fn a_message_that_was_cut_in_the_middle_is_completed_and_no_line_comes_twice() {
    let ergo = Ergo::start().await;
    let proxy = Proxy::before(ergo.address).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", &["message-tags", "server-time", "batch"]).await;
    bob.join("#part").await;
    let slow = json!({"flood": {"burst": 4, "per_second": 3.0}});
    let gateway = Running::start(section_with(proxy.address, &slow), &["#part"]).await;
    let alice = author("alice");
    gateway.says(&alice, "#part", "warm").await;
    bob.hears("alice", "#part", "warm").await;
    // More than the server takes in one piece.
    let lines: Vec<String> = (0..30).map(|n| format!("line {n:02} {}", "x".repeat(300))).collect();
    let delivery = message(&alice, "#part", &lines.join("\n"));
    let (bridge, sent) = (Arc::clone(&gateway.bridge), delivery.clone());
    let sending = tokio::spawn(async move { bridge.deliver(&sent).await });
    let mut got = vec![bob.hears("alice", "#part", "line ").await.text()[..7].to_owned()];
    proxy.cut();
    let outcome = within("the outcome", sending).await.unwrap();
    assert!(matches!(outcome, Err(DeliveryError::Uncertain { .. } | DeliveryError::Transient { .. })), "{outcome:?}");
    proxy.open();
    gateway.is_in(1).await;
    assert_eq!(gateway.bridge.find(&delivery).await, Ok(Found::Absent));
    let receipt = within("the rest", gateway.bridge.deliver(&delivery)).await.unwrap();
    assert!(receipt.ids.len() > 1, "{receipt:?}");
    gateway.says(&alice, "#part", "the end").await;
    loop {
        let line = bob.hears("", "#part", "").await;
        if line.text() == "the end" {
            break;
        }
        got.push(line.text()[..7].to_owned());
    }
    let wanted: Vec<String> = (0..30).map(|n| format!("line {n:02}")).collect();
    assert_eq!(got, wanted);
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_bot_saw_go_by_is_found_where_the_server_has_no_history() {
    let server = Inspircd::start().await;
    let proxy = Proxy::before(server.address).await;
    let mut bob = IrcClient::connect(server.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#seen").await;
    let gateway = Running::start(section(proxy.address), &["#seen"]).await;
    let delivery = message(&author("alice"), "#seen", "seen");
    let receipt = gateway.bridge.deliver(&delivery).await.unwrap();
    bob.say("#seen", "after it").await;
    gateway.hears("after it").await;
    assert_eq!(gateway.bridge.find(&delivery).await, Ok(Found::Delivered(receipt)));
    assert_eq!(gateway.bridge.find(&message(&author("alice"), "#seen", "seen")).await, Ok(Found::Unknown));
    gateway.stop().await;
}

#[tokio::test]
async fn a_puppet_that_was_lost_comes_back_by_itself_and_hears_again() {
    let ergo = Ergo::start().await;
    let proxy = Proxy::before(ergo.address).await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#lost").await;
    let gateway = Running::start(section(proxy.address), &["#lost"]).await;
    let alice = author("alice");
    gateway.says(&alice, "#lost", "here").await;
    bob.hears("alice", "#lost", "here").await;
    proxy.cut();
    bob.expect("alice quitting", |line| line.command == "QUIT" && line.source == "alice").await;
    proxy.open();
    bob.expect("alice coming back", |line| line.command == "JOIN" && line.source == "alice").await;
    bob.say("alice", "welcome").await;
    assert_eq!(gateway.hears("welcome").await.venue, to(&alice));
    gateway.stop().await;
}

#[tokio::test]
async fn a_restart_brings_back_the_puppets_that_were_in_use() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#stay").await;
    let gateway = Running::start(section(ergo.address), &["#stay"]).await;
    gateway.says(&author("alice"), "#stay", "here").await;
    let (host, data) = gateway.stop().await;
    bob.expect("alice quitting", |line| line.command == "QUIT" && line.source == "alice").await;
    let gateway = Running::start_on(section(ergo.address), host, data);
    bob.expect("alice coming back", |line| line.command == "JOIN" && line.source == "alice").await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_puppet_leaves_after_a_time_without_use() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#idle").await;
    let idle = json!({"puppets": {"idle_close_seconds": 2}});
    let gateway = Running::start(section_with(ergo.address, &idle), &["#idle"]).await;
    gateway.says(&author("alice"), "#idle", "here").await;
    bob.expect("alice leaving", |line| line.command == "QUIT" && line.source == "alice").await;
    gateway.says(&author("alice"), "#idle", "again").await;
    bob.hears("alice", "#idle", "again").await;
    gateway.stop().await;
}

#[tokio::test]
async fn beyond_the_most_connections_the_bot_speaks() {
    let ergo = Ergo::start().await;
    let mut bob = IrcClient::connect(ergo.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#many").await;
    let few = json!({"puppets": {"max_connections": 1}});
    let gateway = Running::start(section_with(ergo.address, &few), &["#many"]).await;
    gateway.says(&author("alice"), "#many", "one").await;
    bob.hears("alice", "#many", "one").await;
    gateway.says(&author("carol"), "#many", "two").await;
    bob.hears("gw", "#many", "<c\u{200b}arol> two").await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_instance_that_nobody_uses_is_not_connected() {
    let ergo = Ergo::start().await;
    let host = Arc::new(crate::support::Recorder::default());
    let gateway = Running::start_on(section(ergo.address), host, Arc::new(tempfile::tempdir().unwrap()));
    within("the idle state", gateway.host.health(|health| *health == Health::Idle)).await;
    let status = gateway.bridge.command(&author("alice"), "status").await;
    assert!(status.contains("not connected"), "{status}");
    gateway.bridge.profile(&monster_bridge_api::RemoteId::new("gw")).await.unwrap();
    gateway.is_up().await;
    assert!(gateway.host.events().iter().all(|event| !matches!(event.kind, EventKind::Notice(_))));
    gateway.stop().await;
}
