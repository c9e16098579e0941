//! A steady stream in both directions between a Monster account and a room on Synapse, while the
//! gateway is killed 20 times and Synapse 3 times (once with the gateway): everything acknowledged
//! arrives, in order, once.
//!
//! What counts as acknowledged: towards Matrix, a 2001 answered with 200; from Matrix, an event of
//! which Synapse told the id. What counts as arrived: what the room's history holds at the end; a
//! pushed frame. A frame pushed again under the same `messageId` is the same frame, and so is an event
//! that is sent again under the same transaction id.

use monster_testkit::{MatrixClient, MatrixStage, SteadyClient, a_random_moment};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

const GATEWAY_KILLS: usize = 20;
/// After which kills of the gateway Synapse is killed.
const SYNAPSE_KILLS: [usize; 2] = [4, 10];
/// With which kill of the gateway Synapse is killed, as if the machine went.
const KILL_OF_BOTH: usize = 16;
const PACE: Duration = Duration::from_millis(40);
/// How far the gateway may be ahead of Synapse before alice waits.
const AHEAD: usize = 20;
/// How long it may take until the streams move on: Synapse takes its time to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long all of it may take.
const AT_MOST: Duration = Duration::from_mins(15);

/// How far the streams are.
#[derive(Default)]
struct Progress {
    /// How much of what alice said was seen in the room.
    to_matrix: AtomicUsize,
    /// How much of what bob said was pushed to alice.
    from_matrix: AtomicUsize,
    stop: AtomicBool,
}

impl Progress {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits until both streams have moved on.
    async fn flowing(&self, when: &str) {
        let now = || (self.to_matrix.load(Ordering::Relaxed), self.from_matrix.load(Ordering::Relaxed));
        let before = now();
        let moving = async {
            while now().0 < before.0 + 3 || now().1 < before.1 + 3 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let moved = tokio::time::timeout(PATIENCE, moving).await;
        assert!(moved.is_ok(), "{when}: the streams do not move on: {before:?} then, {:?} now", now());
    }
}

/// Alice's messages `alice 0`, `alice 1`, …, each until it is acknowledged.
async fn alice_says(alice: &mut SteadyClient, room: &str, progress: &Progress) -> Vec<String> {
    let (mut said, mut pace) = (Vec::new(), tokio::time::interval(PACE));
    while !progress.stopped() {
        pace.tick().await;
        if said.len() > progress.to_matrix.load(Ordering::Relaxed) + AHEAD {
            alice.take_in(PACE).await;
            progress.from_matrix.store(alice.heard().len(), Ordering::Relaxed);
            continue;
        }
        let words = format!("alice {}", said.len());
        alice.say(room, &format!("id-{}", said.len()), &words).await;
        progress.from_matrix.store(alice.heard().len(), Ordering::Relaxed);
        said.push(words);
    }
    said
}

/// Bob's messages `bob 0`, `bob 1`, …, each until Synapse tells its id.
async fn bob_says(bob: &MatrixClient, room: &str, progress: &Progress) -> Vec<String> {
    let (mut said, mut pace) = (Vec::new(), tokio::time::interval(PACE));
    while !progress.stopped() {
        pace.tick().await;
        let words = format!("bob {}", said.len());
        bob.say_steadily(room, &format!("bob-{}", said.len()), &words).await;
        said.push(words);
    }
    said
}

/// Counts what of alice's is seen in the room.
async fn observe(observer: &mut MatrixClient, progress: &Progress) {
    loop {
        let event = observer.next().await;
        if event["where"] == "timeline" && is_alices(&event) {
            progress.to_matrix.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn is_alices(event: &Value) -> bool {
    event["content"]["body"].as_str().is_some_and(|body| body.contains("alice ")) && event["type"] == "m.room.message"
}

async fn kill_again_and_again(stage: &mut MatrixStage, progress: &Progress) {
    let moment = Duration::from_millis(700);
    progress.flowing("at the start").await;
    for kill in 0..GATEWAY_KILLS {
        a_random_moment(moment).await;
        stage.gateway.kill().await;
        if kill == KILL_OF_BOTH {
            stage.synapse.kill().await;
            stage.synapse.run().await;
        }
        a_random_moment(moment / 4).await;
        stage.gateway.run().await;
        if SYNAPSE_KILLS.contains(&kill) {
            progress.flowing(&format!("after kill {kill}, before Synapse is killed")).await;
            a_random_moment(moment).await;
            stage.synapse.kill().await;
            stage.synapse.run().await;
            progress.flowing("after Synapse was killed").await;
        }
        if kill == KILL_OF_BOTH {
            progress.flowing("after both were killed").await;
        }
    }
    progress.flowing("after the last kill").await;
    progress.stop.store(true, Ordering::Relaxed);
}

/// Says what is wrong with what arrived of what was said: what is not there, or not once, or not in its order.
fn faults(said: &[String], arrived: &[String]) -> Vec<String> {
    let places: HashMap<&String, usize> = said.iter().enumerate().map(|(at, words)| (words, at)).collect();
    let mut counts: HashMap<&String, usize> = HashMap::new();
    for words in arrived {
        *counts.entry(words).or_default() += 1;
    }
    let lost = said.iter().filter(|words| !counts.contains_key(words)).map(|words| format!("lost: {words}"));
    let twice = counts.iter().filter(|(_, count)| **count > 1).map(|(words, count)| format!("{count} times: {words}"));
    let strange = arrived.iter().filter(|words| !places.contains_key(words)).map(|words| format!("unknown: {words}"));
    let back = arrived
        .windows(2)
        .filter(|pair| places.get(&pair[1]) < places.get(&pair[0]))
        .map(|pair| format!("out of order: {} after {}", pair[1], pair[0]));
    lost.chain(twice).chain(strange).chain(back).collect()
}

/// What of alice's the room's history holds.
async fn in_history(bob: &MatrixClient, room: &str) -> Vec<String> {
    let history = bob.whole_history(room).await;
    let words = |event: &Value| event["content"]["body"].as_str().unwrap_or_default().to_owned();
    history.iter().filter(|event| is_alices(event)).map(words).collect()
}

#[tokio::test]
#[ignore = "minutes; part of `./test crash`"]
async fn nothing_acknowledged_is_lost_when_the_gateway_and_synapse_are_killed() {
    let mut stage = MatrixStage::new(BINARY, "", "").await;
    let bob = stage.synapse.register("bob").await;
    let mut observer = stage.synapse.login("bob").await;
    let id = bob.create_public_room("crash").await;
    let room = stage.room("#crash:hs.test");
    let token = stage.gateway.cli(&["account", "token", "alice"]).await;
    let mut alice = SteadyClient::new(format!("ws://{}/alice?token={token}&ext=1", stage.gateway.listen));
    let joined = alice.request(json!({"code": "1001", "to": room, "messageId": "join"})).await;
    assert_eq!(joined["type"], "1", "{joined}");

    let progress = Progress::default();
    let streams = async {
        tokio::join!(
            alice_says(&mut alice, &room, &progress),
            bob_says(&bob, &id, &progress),
            kill_again_and_again(&mut stage, &progress)
        )
    };
    let (from_alice, from_bob, ()) = tokio::select! {
        done = tokio::time::timeout(AT_MOST, streams) => done.expect("the streams end in time"),
        () = observe(&mut observer, &progress) => unreachable!("the observer never ends"),
    };

    let all_heard = tokio::time::timeout(PATIENCE, alice.hears_all(&from_bob)).await;
    let mut in_room = in_history(&bob, &id).await;
    let settled = tokio::time::timeout(PATIENCE, async {
        // A history tells nobody when it grows.
        while !from_alice.iter().all(|words| in_room.contains(words)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
            in_room = in_history(&bob, &id).await;
        }
    });
    let settled = settled.await;
    println!(
        "to Matrix {} acknowledged, {} arrived; from Matrix {} acknowledged, {} arrived",
        from_alice.len(),
        in_room.len(),
        from_bob.len(),
        alice.heard().len()
    );
    let (to_matrix, from_matrix) = (faults(&from_alice, &in_room), faults(&from_bob, alice.heard()));
    assert!(to_matrix.is_empty() && from_matrix.is_empty(), "to Matrix: {to_matrix:?}\nfrom Matrix: {from_matrix:?}");
    assert!(all_heard.is_ok() && settled.is_ok(), "it took too long");
}
