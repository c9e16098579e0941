//! Servers with less: ngIRCd knows no tags and no echo, InspIRCd no history.

use crate::support::{Running, author, message, room, section, text_of, to};
use monster_bridge_api::{DeliveryError, Found, RemoteId, Support};
use monster_testkit::{Inspircd, IrcClient, Ngircd};

#[tokio::test]
async fn on_ngircd_everything_that_is_said_arrives_both_ways() {
    let server = Ngircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", &[]).await;
    bob.join("#plain").await;
    let gateway = Running::start(section(server.address), &["#plain"]).await;
    let alice = author("alice");
    let abilities = gateway.bridge.capabilities(&RemoteId::new("#plain"));
    assert_eq!(
        (abilities.reply, abilities.reaction, abilities.recall),
        (Support::Words, Support::Words, Support::Words)
    );

    let first = gateway.says(&alice, "#plain", "same").await;
    let second = gateway.says(&alice, "#plain", "same").await;
    assert_ne!(first.ids, second.ids, "ids of our own are ids, too");
    bob.hears("alice", "#plain", "same").await;
    bob.hears("alice", "#plain", "same").await;
    for text in ["x".repeat(600), "漢".repeat(250)] {
        gateway.says(&alice, "#plain", &text).await;
        let mut heard = String::new();
        while heard.chars().count() < text.chars().count() {
            heard.push_str(bob.hears("alice", "#plain", "").await.text());
        }
        assert_eq!(heard, text);
    }

    bob.say("#plain", "echo").await;
    bob.say("#plain", "echo").await;
    bob.say("#plain", "end").await;
    let end = gateway.hears("end").await;
    assert_eq!(end.venue, room("#plain"));
    let events = gateway.host.events();
    let said: Vec<_> = events.iter().filter_map(text_of).collect();
    assert_eq!(said, ["echo", "echo", "end"], "nothing of ours, and everything of theirs");
    assert_eq!(gateway.bridge.find(&message(&alice, "#plain", "?")).await, Ok(Found::Unknown));
    gateway.stop().await;
}

#[tokio::test]
async fn on_ngircd_a_nick_taken_over_inherits_nothing() {
    let server = Ngircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", &[]).await;
    let gateway = Running::start(section(server.address), &["#x"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "a secret").await;
    bob.hears("alice", "bob", "a secret").await;
    bob.say("alice", "thanks").await;
    assert_eq!(gateway.hears("thanks").await.venue, to(&alice));
    bob.send("QUIT").await;
    while bob.next().await.is_some() {}
    let mut mallory = IrcClient::connect(server.address, "mallory", &[]).await;
    mallory.send("NICK bob").await;
    mallory.expect("the nick", |line| line.command == "NICK").await;
    let refused = gateway.send(&alice, "bob", "another secret").await;
    assert!(matches!(&refused, Err(DeliveryError::Permanent { .. })), "{refused:?}");
    assert!(mallory.drain().await.iter().all(|line| line.command != "PRIVMSG"));
    gateway.stop().await;
}

#[tokio::test]
async fn on_ngircd_a_message_that_is_refused_says_why() {
    let server = Ngircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", &[]).await;
    bob.join("#quiet").await;
    bob.send("MODE #quiet +m").await;
    bob.drain().await;
    let gateway = Running::start(section(server.address), &["#quiet"]).await;
    let refused = gateway.send(&author("alice"), "#quiet", "may I?").await;
    assert!(matches!(&refused, Err(DeliveryError::Permanent { .. })), "{refused:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn on_inspircd_the_echo_acknowledges_and_names_the_message() {
    let server = Inspircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", IrcClient::ALL_CAPS).await;
    bob.join("#echo").await;
    let gateway = Running::start(section(server.address), &["#echo"]).await;
    let alice = author("alice");
    let receipt = gateway.says(&alice, "#echo", "hello").await;
    let line = bob.hears("alice", "#echo", "hello").await;
    assert_eq!(line.tag("msgid"), Some(receipt.ids[0].as_str()));
    bob.say("#echo", "hello back").await;
    let event = gateway.hears("hello back").await;
    assert_eq!(event.author.id.as_str(), "bob");
    let refused = gateway.send(&alice, "nobody", "hello?").await;
    assert!(matches!(refused, Err(DeliveryError::Permanent { .. })), "{refused:?}");
    gateway.stop().await;
}

#[tokio::test]
async fn on_inspircd_a_private_conversation_watches_for_takeovers() {
    let server = Inspircd::start().await;
    let mut bob = IrcClient::connect(server.address, "bob", IrcClient::ALL_CAPS).await;
    let gateway = Running::start(section(server.address), &["#x"]).await;
    let alice = author("alice");
    gateway.says(&alice, "bob", "one").await;
    bob.hears("alice", "bob", "one").await;
    bob.send("QUIT").await;
    while bob.next().await.is_some() {}
    let mut mallory = IrcClient::connect(server.address, "bob", IrcClient::ALL_CAPS).await;
    let refused = gateway.send(&alice, "bob", "two").await;
    assert!(matches!(&refused, Err(DeliveryError::Permanent { .. })), "{refused:?}");
    assert!(mallory.drain().await.iter().all(|line| line.command != "PRIVMSG"));
    gateway.stop().await;
}
