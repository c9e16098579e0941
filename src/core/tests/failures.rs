//! Bad days: what fails for now, for ever, or who knows; and what a restart leaves behind.

use super::world::*;
use crate::core::{Act, Settings};
use crate::store::{Incoming, Lane, NewMessage};
use monster_bridge_api::{Action, DeliveryError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn words(action: &Action) -> String {
    match action {
        Action::Send { content, .. } => content.text.to_plain(),
        other => panic!("words were expected, not {other:?}"),
    }
}

#[tokio::test]
async fn what_fails_for_now_is_tried_again_in_order_while_others_go_on() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let fail = || Next::Fail(DeliveryError::transient("a netsplit"));
    world.net.next.lock().extend([fail(), fail(), Next::Panic, fail()]);
    world.net.searched.store(0, Ordering::Relaxed);
    for number in 0..50 {
        world.say(&home(&alice), &ours("bob:net"), &format!("m{number}"), &format!("{number}")).await;
    }
    world.say(&home(&alice), &alice, "note", "to self").await;
    assert_eq!(world.arrives().await.0, alice.as_str());
    for number in 0..50 {
        assert_eq!(words(&world.reaches_network().await.action), format!("{number}"));
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn who_cannot_be_reached_gets_everything_when_they_can() {
    let mut world = World::new().await;
    let (alice, bob) = (world.person("alice").await, world.person("bob").await);
    world.monsters.offline.lock().insert(bob.to_string());
    for number in 0..100 {
        world.say(&home(&alice), &bob, &format!("{number}"), &format!("{number}")).await;
    }
    let waits = async || world.store.waiting(0, 1).await.unwrap().first().is_some_and(|first| first.attempts > 0);
    eventually("the first was tried", waits).await;
    world.monsters.offline.lock().clear();
    world.core.wake(&bob);
    for number in 0..100 {
        let (_, _, message) = world.arrives().await;
        assert_eq!(message.act, Act::Say { text: number.to_string(), reply_to: None });
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn what_may_have_been_done_is_looked_for_before_it_is_done_again() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let uncertain = Next::Fail(DeliveryError::uncertain("the connection broke"));
    world.net.next.lock().extend([Next::DoneButUncertain, uncertain]);
    world.say(&home(&alice), &ours("bob:net"), "1", "one").await;
    world.say(&home(&alice), &ours("bob:net"), "2", "two").await;
    assert_eq!(words(&world.reaches_network().await.action), "one");
    assert_eq!(words(&world.reaches_network().await.action), "two");
    world.nothing_more().await;
    assert_eq!(world.net.searched.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_was_under_way_when_the_process_died_is_looked_for_first() {
    let world = World::new().await;
    let alice = world.person("alice").await;
    let bob = ours("bob:net");
    let long = DeliveryError::Transient { why: "down".to_owned(), retry_after: Some(Duration::from_hours(1)) };
    world.net.next.lock().push_back(Next::Fail(long));
    world.say(&home(&alice), &bob, "1", "one").await;
    world.say(&home(&alice), &bob, "2", "two").await;
    let tried = async || world.store.waiting(0, 1).await.unwrap().first().is_some_and(|first| first.attempts > 0);
    eventually("the first was tried", tried).await;
    // It reached the network, but nobody wrote that down.
    let key = world.store.waiting(0, 1).await.unwrap()[0].message_key.clone();
    world.net.on_network.lock().insert(key, monster_bridge_api::Receipt::default());
    let mut world = world.again(|_| {}).await;
    assert_eq!(words(&world.reaches_network().await.action), "two");
    world.nothing_more().await;
    assert_eq!(world.net.searched.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_fails_for_ever_is_told_to_its_sender_once_in_words() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let banned = || Next::Fail(DeliveryError::permanent("bob does not take messages"));
    world.net.next.lock().push_back(banned());
    world.say(&home(&alice), &ours("bob:net"), "1", "hello **there**").await;
    let (to, via, message) = world.arrives().await;
    assert_eq!((&*to, &*via), (alice.as_str(), "@bob:net:gw.example.org"));
    let told = "Your message “hello there” could not be delivered to bob: bob does not take messages";
    assert_eq!(message.act, Act::Say { text: told.to_owned(), reply_to: None });
    assert_eq!(world.store.dead_letters(None, 10).await.unwrap().len(), 1);

    // In a room it is told once, not for every line.
    world.net.next.lock().extend([banned(), banned(), banned()]);
    for id in ["2", "3", "4"] {
        world.say(&home(&alice), &ours("#room:net"), id, "hello").await;
    }
    assert_eq!(world.arrives().await.1, "@#room:net:gw.example.org");
    world.nothing_more().await;
    assert_eq!(world.store.dead_letters(None, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn what_cannot_be_delivered_for_too_long_is_given_up() {
    let settings = Settings { keep: Duration::from_millis(40), ..impatient() };
    let mut world = World::with(settings, |_| {}).await;
    let alice = world.person("alice").await;
    let fail = Next::Fail(DeliveryError::transient("the server is gone"));
    world.net.next.lock().extend(std::iter::repeat_n(fail, 200));
    world.say(&home(&alice), &ours("bob:net"), "1", "hello").await;
    let (_, _, message) = world.arrives().await;
    let Act::Say { text, .. } = &message.act else { panic!("words") };
    assert!(text.contains("for too long") && text.contains("the server is gone"), "{text}");
    world.nothing_more().await;
}

#[tokio::test]
async fn a_stored_message_that_cannot_be_read_is_set_aside_and_the_rest_goes_on() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let broken = NewMessage {
        key: "k".to_owned(),
        conversation: "c".to_owned(),
        venue: alice.to_string(),
        author: "@x:other.example".to_owned(),
        author_name: "x".to_owned(),
        origin_id: "o".to_owned(),
        excerpt: String::new(),
        body: b"not json".to_vec(),
        at: 0,
    };
    let lanes = vec![Lane { to: alice.to_string(), via: "@x:other.example".to_owned() }];
    world.store.accept(Incoming { message: Arc::new(broken), lanes, cursor: None }).await.unwrap();
    world.say(&remote("@x:other.example"), &alice, "1", "readable").await;
    assert_eq!(world.arrives().await.2.act, Act::Say { text: "readable".to_owned(), reply_to: None });
    world.nothing_more().await;
    assert_eq!(world.store.dead_letters(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_waiting_delivery_can_be_dropped_or_tried_now() {
    let mut world = World::new().await;
    let alice = world.person("alice").await;
    let long = DeliveryError::Transient { why: "down".to_owned(), retry_after: Some(Duration::from_hours(1)) };
    world.net.next.lock().push_back(Next::Fail(long));
    for id in ["1", "2", "3"] {
        world.say(&home(&alice), &ours("bob:net"), id, id).await;
    }
    let tried = async || world.store.waiting(0, 1).await.unwrap().first().is_some_and(|first| first.attempts > 0);
    eventually("the first was tried", tried).await;
    let waiting = world.store.waiting(0, 10).await.unwrap();
    world.store.drop_delivery(waiting[1].id).await.unwrap();
    world.core.retry(waiting[0].id).await.unwrap();
    assert_eq!(words(&world.reaches_network().await.action), "1");
    assert_eq!(words(&world.reaches_network().await.action), "3");
    world.nothing_more().await;
    assert!(world.core.retry(waiting[0].id).await.is_err());
}

#[tokio::test]
async fn a_bridge_that_panics_is_started_again() {
    let world = World::new().await;
    world.net.host().await;
    let core = crate::core::Core::new(
        crate::core::Environment::system(),
        Arc::clone(&world.store),
        impatient(),
        monster_protocol::Authority::new(HOST, None).unwrap(),
    );
    let other = world.net.clone();
    other.crashes.store(1, Ordering::Relaxed);
    core.register_bridge(&monster_bridge_api::InstanceName::new("net"), other);
    core.start().await.unwrap();
    let up =
        async || core.bridges().iter().any(|row| row.restarts == 1 && row.health == monster_bridge_api::Health::Up);
    eventually("it is up after one restart", up).await;
    core.stop(Duration::from_secs(1)).await;
}
