//! Monster and Matrix through Synapse: messages in both directions, what ghosts cost in memory, and
//! whether the join of a large room holds others up.

use crate::figures;
use futures_util::{StreamExt as _, stream};
use monster_testkit::{Gateway, MatrixClient, MonsterClient, Synapse, matrix_section};
use serde_json::json;
use std::time::{Duration, Instant};

const WORDS: &str = "of a load test, about as long as what people say";
/// How many users are made at once.
const AT_ONCE: usize = 4;
/// How long everything may take to arrive.
const PATIENCE: Duration = Duration::from_mins(15);

async fn stage(binary: &str) -> (Synapse, Gateway) {
    let mut synapse = Synapse::prepare();
    let limits = "[limits]\nenabled = false\n\n[log]\nfilter = \"warn\"\n\n";
    let mut gateway = Gateway::prepare(binary, &format!("{limits}{}", matrix_section("matrix", &synapse, "")));
    let registration = gateway.cli(&["registration", "matrix"]).await;
    synapse.add_service(&registration);
    synapse.run().await;
    gateway.run_quiet().await;
    (synapse, gateway)
}

/// A Monster account and a Matrix user in a room of their own.
struct Pair {
    monster: MonsterClient,
    matrix: MatrixClient,
    room: String,
    address: String,
}

async fn pair(synapse: &Synapse, gateway: &Gateway, number: usize) -> Pair {
    let matrix = synapse.register(&format!("user{number}")).await;
    let room = matrix.create_public_room(&format!("room{number}")).await;
    let address = gateway.address(&format!("#room{number}@{}", Synapse::NAME), "matrix");
    let name = format!("account{number}");
    let token = gateway.account(&name).await;
    let mut monster = gateway.home(&name, &token).await;
    let joined = monster.request(json!({"code": "1001", "to": address})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    Pair { monster, matrix, room, address }
}

/// Sends `messages` in each direction, one direction after the other, in `pairs` rooms at once.
pub(crate) async fn messages(binary: &str, pairs: usize, messages: usize) {
    let (synapse, gateway) = stage(binary).await;
    let mut made = Vec::new();
    for number in 0..pairs {
        made.push(pair(&synapse, &gateway, number).await);
    }
    let each = messages / pairs;
    let made = measured("monster to matrix", &synapse, &gateway, pairs * each, made, |mut pair| async move {
        for n in 0..each {
            pair.monster.say(&pair.address, &format!("line {n} {WORDS}")).await;
        }
        let last = format!("line {} {WORDS}", each - 1);
        let begun = Instant::now();
        while !pair.matrix.history(&pair.room, 1).await.iter().any(|event| event["content"]["body"] == *last) {
            assert!(begun.elapsed() < PATIENCE, "`{last}` did not arrive");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        pair
    });
    let made = made.await;
    measured("matrix to monster", &synapse, &gateway, pairs * each, made, |pair| async move {
        let Pair { mut monster, matrix, room, address } = pair;
        let hearing = async {
            for _ in 0..each {
                let heard = tokio::time::timeout(PATIENCE, monster.pushed()).await;
                heard.expect("a message that was said did not arrive");
            }
        };
        let saying = async {
            for n in 0..each {
                matrix.say(&room, &format!("line {n} {WORDS}")).await;
            }
        };
        tokio::join!(hearing, saying);
        Pair { monster, matrix, room, address }
    })
    .await;
}

/// Does the same with every pair at once, and prints how fast it went and what it cost.
async fn measured<F>(
    what: &str,
    synapse: &Synapse,
    gateway: &Gateway,
    messages: usize,
    pairs: Vec<Pair>,
    work: impl Fn(Pair) -> F,
) -> Vec<Pair>
where
    F: Future<Output = Pair> + Send + 'static,
{
    let before = (figures::cpu_time(gateway.id()), figures::cpu_time(synapse.id()));
    let begin = Instant::now();
    let tasks: Vec<_> = pairs.into_iter().map(|pair| tokio::spawn(work(pair))).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    let wall = begin.elapsed();
    let (ours, theirs) = (figures::cpu_since(gateway.id(), before.0), figures::cpu_since(synapse.id(), before.1));
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e3 / messages as f64;
    println!(
        "{what}, {} rooms: {messages} messages, {:.0} a second; CPU gateway {} ({:.2} ms a message), synapse {} ({:.2} ms)",
        done.len(),
        messages as f64 / wall.as_secs_f64(),
        figures::share(ours, wall),
        each(ours),
        figures::share(theirs, wall),
        each(theirs)
    );
    done
}

/// Lets `ghosts` people of Monster's speak in one room, and compares resident memory.
pub(crate) async fn ghosts(binary: &str, ghosts: usize) {
    let (synapse, gateway) = stage(binary).await;
    let bob = synapse.register("bob").await;
    let room = bob.create_public_room("crowd").await;
    let address = gateway.address(&format!("#crowd@{}", Synapse::NAME), "matrix");
    let mut tokens = Vec::new();
    for n in 0..ghosts {
        tokens.push(gateway.account(&format!("g{n}")).await);
    }
    speak(&gateway, 0, &tokens[0], &address).await;
    let before = figures::resident_kib(gateway.id());
    for (n, token) in tokens.iter().enumerate().skip(1) {
        speak(&gateway, n, token, &address).await;
    }
    let last = format!("here is {}", ghosts - 1);
    let begun = Instant::now();
    while !bob.history(&room, 20).await.iter().any(|event| event["content"]["body"] == *last) {
        assert!(begun.elapsed() < PATIENCE, "`{last}` did not arrive");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let after = figures::resident_kib(gateway.id());
    println!(
        "{ghosts} ghosts: {} MiB resident with one, {} MiB with all: {:.1} KiB each",
        before / 1024,
        after / 1024,
        after.saturating_sub(before) as f64 / ghosts as f64
    );
}

async fn speak(gateway: &Gateway, n: usize, token: &str, address: &str) {
    let mut socket = gateway.home(&format!("g{n}"), token).await;
    let joined = socket.request(json!({"code": "1001", "to": address})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    socket.say(address, &format!("here is {n}")).await;
    socket.close().await;
}

/// Joins a room with `members` members, while others talk in another one.
pub(crate) async fn large_room(binary: &str, members: usize) {
    let (synapse, gateway) = stage(binary).await;
    let owner = synapse.register("owner").await;
    let large = owner.create_public_room("large").await;
    stream::iter(0..members.saturating_sub(1))
        .for_each_concurrent(AT_ONCE, |n| {
            let (synapse, large) = (&synapse, &large);
            async move {
                synapse.register(&format!("m{n}")).await.join(large).await;
            }
        })
        .await;
    let Pair { mut monster, matrix, room, .. } = pair(&synapse, &gateway, 0).await;
    let mut quiet = Vec::new();
    for n in 0..100 {
        quiet.push(round_trip(&mut monster, &matrix, &room, n).await);
    }
    let token = gateway.account("joiner").await;
    let mut joiner = gateway.home("joiner", &token).await;
    let address = gateway.address(&format!("#large@{}", Synapse::NAME), "matrix");
    let begin = Instant::now();
    let joining = tokio::spawn(async move {
        let joined = joiner.request(json!({"code": "1001", "to": address})).await;
        (joined, begin.elapsed())
    });
    let (mut meanwhile, mut n) = (Vec::new(), 1_000);
    while !joining.is_finished() || meanwhile.len() < 100 {
        meanwhile.push(round_trip(&mut monster, &matrix, &room, n).await);
        n += 1;
    }
    let (joined, took) = joining.await.unwrap();
    assert_eq!(joined["type"], "1", "{joined}");
    println!("join of a room with {members} members: {} ms", took.as_millis());
    for (when, latencies) in [("before it", &mut quiet), ("from its beginning on", &mut meanwhile)] {
        println!(
            "others' messages {when}: matrix to monster p50 {} ms, p99 {} ms, longest {} ms ({})",
            figures::percentile(latencies, 50.0).as_millis(),
            figures::percentile(latencies, 99.0).as_millis(),
            figures::percentile(latencies, 100.0).as_millis(),
            latencies.len()
        );
    }
}

/// From saying something on Matrix to hearing it on Monster.
async fn round_trip(monster: &mut MonsterClient, matrix: &MatrixClient, room: &str, n: usize) -> Duration {
    let words = format!("round {n}");
    let begin = Instant::now();
    matrix.say(room, &words).await;
    monster.hears(&words).await;
    begin.elapsed()
}
