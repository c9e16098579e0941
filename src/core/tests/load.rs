//! Many at once: nothing lost, nothing twice, nothing out of order, and nothing that waits costs
//! much.

use super::world::*;
use crate::core::Act;
use crate::store::{Incoming, Lane, NewMessage};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_and_with_people_coming_and_going_each_lane_is_complete_and_in_order() {
    const SENDERS: usize = 24;
    const MESSAGES: usize = 150;
    let mut world = World::new().await;
    let mut people = Vec::new();
    for number in 0..SENDERS {
        people.push(world.person(&format!("p{number}")).await);
    }
    let mut tasks = Vec::new();
    for (number, from) in people.iter().enumerate() {
        let (core, from, to) = (world.core.clone(), from.clone(), people[(number + 1) % SENDERS].clone());
        tasks.push(tokio::spawn(async move {
            for message in 0..MESSAGES {
                let answer = core.request(&home(&from), &to, text(&format!("{message}"), &format!("{message}"))).await;
                assert!(answer.status.is_success(), "{answer:?}");
            }
        }));
    }
    let (core, monsters, all) = (world.core.clone(), world.monsters.clone(), people.clone());
    let unrest = tokio::spawn(async move {
        for round in 0.. {
            let person: &monster_protocol::Address = &all[round % SENDERS];
            monsters.offline.lock().insert(person.to_string());
            tokio::time::sleep(Duration::from_millis(1)).await;
            monsters.offline.lock().remove(person.as_str());
            core.wake(person);
        }
    });
    let mut next: HashMap<String, usize> = HashMap::new();
    for _ in 0..SENDERS * MESSAGES {
        let (to, _, message) = world.arrives().await;
        let expected = next.entry(to).or_default();
        assert_eq!(message.act, Act::Say { text: expected.to_string(), reply_to: None });
        *expected += 1;
    }
    for task in tasks {
        task.await.unwrap();
    }
    unrest.abort();
    world.nothing_more().await;
}

/// Puts messages into the journal as a process did that has died since.
async fn left_behind(world: &World, lanes: usize, each: usize) {
    for lane in 0..lanes {
        for number in 0..each {
            let (to, via) = (format!("@p{lane}:other.example"), "@a:gw.example.org".to_owned());
            let body = crate::core::body::Body::new(
                crate::core::body::Scene::Private,
                crate::core::body::Said::Notice(format!("{number}")),
            );
            let message = NewMessage {
                key: format!("k{lane}-{number}"),
                conversation: format!("{via} {to}"),
                venue: to.clone(),
                author: via.clone(),
                author_name: "a".to_owned(),
                origin_id: format!("o{lane}-{number}"),
                excerpt: String::new(),
                body: body.to_bytes(),
                at: 0,
            };
            let lanes = vec![Lane { to, via }];
            world.store.accept(Incoming { message: Arc::new(message), lanes, cursor: None }).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_process_left_behind_is_delivered_before_what_comes_after() {
    let world = World::with(impatient(), |monsters| {
        monsters.offline.lock().extend((0..40).map(|lane| format!("@p{lane}:other.example")));
    })
    .await;
    world.person("a").await;
    left_behind(&world, 40, 45).await;
    let mut world = world.again(|_| {}).await;
    let mut next: HashMap<String, usize> = HashMap::new();
    for lane in 0..40 {
        let to = at(&format!("@p{lane}:other.example"));
        // Its time has not come, but it can be reached now; the journal may still be being read.
        world.core.wake(&to);
        for number in 45..50 {
            world.say(&home(&ours("a")), &to, &format!("{number}"), &number.to_string()).await;
        }
    }
    for _ in 0..40 * 50 {
        let (to, _, message) = world.arrives().await;
        let expected = next.entry(to).or_default();
        assert_eq!(message.act, Act::Say { text: expected.to_string(), reply_to: None });
        *expected += 1;
    }
    world.nothing_more().await;
}

#[tokio::test]
async fn nothing_overtakes_what_fails_while_many_are_handed_over_ahead() {
    const MESSAGES: usize = 60;
    let mut world = World::with(impatient(), |monsters| {
        monsters.offline.lock().insert("@p0:other.example".to_owned());
        monsters.missed.lock().extend((10..MESSAGES).step_by(7).map(|number| number.to_string()));
    })
    .await;
    world.person("a").await;
    let to = at("@p0:other.example");
    for number in 0..MESSAGES {
        world.say(&home(&ours("a")), &to, &format!("{number}"), &number.to_string()).await;
    }
    world.monsters.offline.lock().clear();
    world.core.wake(&to);
    for expected in 0..MESSAGES {
        let (_, _, message) = world.arrives().await;
        assert_eq!(message.act, Act::Say { text: expected.to_string(), reply_to: None });
    }
    world.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn thousands_of_lanes_that_wait_cost_no_task_and_are_woken_one_by_one() {
    const LANES: usize = 2_000;
    let mut world = World::with(impatient(), |monsters| {
        monsters.offline.lock().extend((0..LANES).map(|lane| format!("@p{lane}:other.example")));
    })
    .await;
    let began = Instant::now();
    let accepts = (0..LANES).map(|lane| {
        let (core, to) = (world.core.clone(), at(&format!("@p{lane}:other.example")));
        tokio::spawn(async move { core.request(&home(&ours("a")), &to, text("1", "hi")).await })
    });
    for accept in accepts.collect::<Vec<_>>() {
        assert!(accept.await.unwrap().status.is_success());
    }
    eventually("all lanes are parked", async || world.core.lane_counts() == (0, LANES)).await;
    tracing::info!(took = ?began.elapsed(), "parked");
    let some = at("@p77:other.example");
    world.monsters.offline.lock().remove(some.as_str());
    world.core.wake(&some);
    assert_eq!(world.arrives().await.0, some.as_str());
    eventually("one less waits", async || world.core.lane_counts() == (0, LANES - 1)).await;
}
