//! A steady stream in both directions between Monster clients and Ergo, while the gateway is
//! killed 20 times and Ergo 5 times: everything acknowledged arrives, in order, once.
//!
//! What counts as acknowledged: towards IRC, a 2001 answered with 200; from IRC, a line that Ergo
//! echoed to its author. What counts as arrived: a line seen in the channel (or in its history); a
//! pushed frame. A frame pushed again under the same `messageId` is the same frame.
//!
//! Ergo keeps its history in memory and shows a line to one member of a channel after the other: one
//! that is killed between two of them takes the line with it. What Ergo did hand over is seen by a
//! tap between it and the gateway. So a line that Ergo confirmed to the gateway has arrived on IRC,
//! whoever else Ergo could still show it to; and the last line that Ergo echoed to its author before
//! it was killed is nobody's claim if Ergo showed it to the gateway in no form. Both are counted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_testkit::{Ergo, Gateway, IrcClient, IrcLine, MonsterClient, Tap, irc_section_at};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

const GATEWAY_KILLS: usize = 20;
const ERGO_KILLS: usize = 5;
const SENDERS: usize = 3;
const PACE: Duration = Duration::from_millis(20);

/// What was acknowledged and what arrived, per stream.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<HashMap<String, Vec<u64>>>,
    arrived: Mutex<HashMap<String, Vec<u64>>>,
    /// What Ergo said to the gateway, live or as history.
    handed_over: Mutex<HashSet<(String, u64)>>,
    /// The last line of a stream that was acknowledged before its connection to Ergo ended.
    last_words: Mutex<HashSet<(String, u64)>>,
    stop: AtomicBool,
    progress: AtomicU64,
}

impl Ledger {
    fn acknowledge(&self, stream: &str, number: u64) {
        self.acknowledged.lock().entry(stream.to_owned()).or_default().push(number);
    }

    /// Notes a line of the form `stream number`.
    fn arrive(&self, words: &str) {
        let Some((stream, number)) = parse(words) else { return };
        self.arrived.lock().entry(stream).or_default().push(number);
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a stream lost its connection to Ergo before this line was acknowledged.
    fn cut_off(&self, stream: &str, number: u64) {
        self.last_words.lock().extend(number.checked_sub(1).map(|last| (stream.to_owned(), last)));
    }

    /// Notes a line that Ergo said to the gateway.
    fn hand_over(&self, line: &str) {
        if let Some((_, words)) = line.split_once(" PRIVMSG #").and_then(|(_, rest)| rest.split_once(" :")) {
            self.handed_over.lock().extend(parse(said(words)));
        }
    }

    /// What died with Ergo, of what is missing.
    fn died_with_ergo(&self, missing: &[(String, u64)]) -> Vec<(String, u64)> {
        let (handed_over, last_words) = (self.handed_over.lock(), self.last_words.lock());
        let died = |line: &&(String, u64)| {
            if line.0.starts_with('m') {
                handed_over.contains(*line)
            } else {
                last_words.contains(*line) && !handed_over.contains(*line)
            }
        };
        missing.iter().filter(died).cloned().collect()
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Acknowledged and not arrived, for the streams whose name starts with `prefix`.
    fn missing(&self, prefix: &str) -> Vec<(String, u64)> {
        let arrived = self.arrived.lock();
        let mut missing = Vec::new();
        for (stream, numbers) in self.acknowledged.lock().iter().filter(|(name, _)| name.starts_with(prefix)) {
            let seen: HashSet<u64> = arrived.get(stream).into_iter().flatten().copied().collect();
            missing.extend(numbers.iter().filter(|n| !seen.contains(n)).map(|n| (stream.clone(), *n)));
        }
        missing
    }

    /// Where a stream goes back: the arrivals around each such place.
    fn steps_back(&self, prefix: &str) -> Vec<(String, Vec<u64>)> {
        let arrived = self.arrived.lock();
        let mut found = Vec::new();
        for (stream, numbers) in arrived.iter().filter(|(name, _)| name.starts_with(prefix)) {
            let back = (1..numbers.len()).filter(|at| numbers[*at] <= numbers[at - 1]);
            found.extend(
                back.map(|at| (stream.clone(), numbers[at.saturating_sub(4)..(at + 4).min(numbers.len())].to_vec())),
            );
        }
        found
    }

    /// Missing, and not because Ergo died with it.
    fn lost(&self, prefix: &str) -> Vec<(String, u64)> {
        let missing = self.missing(prefix);
        let died = self.died_with_ergo(&missing);
        missing.into_iter().filter(|line| !died.contains(line)).collect()
    }

    fn counts(&self, prefix: &str) -> (usize, usize, usize, usize) {
        let acknowledged: usize =
            self.acknowledged.lock().iter().filter(|(k, _)| k.starts_with(prefix)).map(|(_, v)| v.len()).sum();
        let (mut arrived, mut twice, mut out_of_order) = (0, 0, 0);
        for (_, numbers) in self.arrived.lock().iter().filter(|(k, _)| k.starts_with(prefix)) {
            let distinct: HashSet<u64> = numbers.iter().copied().collect();
            arrived += distinct.len();
            twice += numbers.len() - distinct.len();
            out_of_order += numbers.windows(2).filter(|pair| pair[1] < pair[0]).count();
        }
        (acknowledged, arrived, twice, out_of_order)
    }
}

/// A line of the form `stream number`.
fn parse(words: &str) -> Option<(String, u64)> {
    let (stream, number) = words.rsplit_once(' ')?;
    Some((stream.to_owned(), number.parse().ok()?))
}

/// What was said, by a puppet or by the bot in its place (`<name> words`).
fn said(text: &str) -> &str {
    text.rsplit_once("> ").map_or(text, |(_, words)| words)
}

/// A Monster client that sends `m<n> 0`, `m<n> 1`, … into its channel, each until it is answered.
async fn send_to_irc(url: String, stream: String, channel: String, ledger: Arc<Ledger>) {
    let mut number = 0;
    let mut pace = tokio::time::interval(PACE);
    while !ledger.stopped() {
        let Some(mut socket) = connect(&url).await else { continue };
        while !ledger.stopped() {
            pace.tick().await;
            let text = STANDARD.encode(format!("{stream} {number}"));
            let id = format!("{stream}-{number}");
            let frame = json!({"messageId": id, "code": "2001", "to": channel, "text": text});
            if !socket.try_send(&frame).await {
                break;
            }
            let Some(answer) = answer(&mut socket, &id).await else { break };
            if answer == "200" {
                ledger.acknowledge(&stream, number);
                number += 1;
            }
        }
    }
}

/// Waits for the answer to `id`, answering what is pushed meanwhile.
async fn answer(socket: &mut MonsterClient, id: &str) -> Option<String> {
    loop {
        let frame = socket.next().await?;
        if frame.get("code").is_some() {
            let ack = json!({"messageId": frame["messageId"], "statusCode": "200"});
            if !socket.try_send(&ack).await {
                return None;
            }
        } else if frame["messageId"] == id {
            return frame["statusCode"].as_str().map(str::to_owned);
        }
    }
}

async fn connect(url: &str) -> Option<MonsterClient> {
    let socket = MonsterClient::try_connect(url).await;
    if socket.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    socket
}

/// A Monster client that takes what comes from IRC.
async fn receive_from_irc(url: String, ledger: Arc<Ledger>) {
    let mut known = HashSet::new();
    loop {
        let Some(mut socket) = connect(&url).await else { continue };
        while let Some(frame) = socket.next().await {
            let id = frame["messageId"].as_str().unwrap_or_default().to_owned();
            let words = MonsterClient::text(&frame);
            // What the other Monster people say in the channels is counted where it arrives on IRC.
            if frame.get("code").is_some() && words.starts_with('i') && known.insert(id) {
                ledger.arrive(&words);
            }
            if frame.get("code").is_some()
                && !socket.try_send(&json!({"messageId": frame["messageId"], "statusCode": "200"})).await
            {
                break;
            }
        }
    }
}

/// Somebody on IRC who says `i<n> 0`, `i<n> 1`, … in a channel, each until it is echoed.
async fn send_from_irc(server: std::net::SocketAddr, stream: String, channel: String, ledger: Arc<Ledger>) {
    let mut number = 0_u64;
    let mut pace = tokio::time::interval(PACE);
    while !ledger.stopped() {
        let Some(mut client) = irc(server, &stream, std::slice::from_ref(&channel)).await else { continue };
        while !ledger.stopped() {
            pace.tick().await;
            let words = format!("{stream} {number}");
            if client.try_send(&format!("PRIVMSG {channel} :{words}")).await.is_err() {
                ledger.cut_off(&stream, number);
                break;
            }
            let echoed = loop {
                match client.next().await {
                    Some(line) if line.says(&stream, &channel, &words) => break true,
                    Some(_) => {}
                    None => break false,
                }
            };
            if !echoed {
                ledger.cut_off(&stream, number);
                number += 1; // whether Ergo had it before it died is not known: it is nobody's claim
                break;
            }
            ledger.acknowledge(&stream, number);
            number += 1;
        }
    }
}

/// Somebody on IRC who notes what the gateway's people say, from the history too.
async fn observe_irc(server: std::net::SocketAddr, channels: Vec<String>, ledger: Arc<Ledger>) {
    let mut known = HashSet::new();
    loop {
        let Some(mut client) = irc(server, "observer", &channels).await else { continue };
        for line in history_and_meanwhile(&mut client, &channels).await {
            note(&line, &mut known, &ledger);
        }
        while let Some(line) = client.next().await {
            note(&line, &mut known, &ledger);
        }
    }
}

/// What was said in the channels before, and after it what was said while that was being asked: a line
/// that is said live comes before the history that leads up to it.
async fn history_and_meanwhile(client: &mut IrcClient, channels: &[String]) -> Vec<IrcLine> {
    const READ: &str = "history-is-read";
    for channel in channels {
        let _ = client.try_send(&format!("CHATHISTORY LATEST {channel} * 1000")).await;
    }
    let _ = client.try_send(&format!("PING {READ}")).await;
    let (mut history, mut meanwhile) = (Vec::new(), Vec::new());
    while let Some(line) = client.next().await {
        if line.command == "PONG" && line.text() == READ {
            break;
        }
        let lines = if line.tag("batch").is_some() { &mut history } else { &mut meanwhile };
        lines.push(line);
    }
    history.append(&mut meanwhile);
    history
}

fn note(line: &IrcLine, known: &mut HashSet<String>, ledger: &Ledger) {
    let id = line.tag("msgid").unwrap_or_default().to_owned();
    let words = said(line.text());
    if line.command == "PRIVMSG" && words.starts_with('m') && known.insert(id) {
        ledger.arrive(words);
    }
}

async fn irc(server: std::net::SocketAddr, nick: &str, channels: &[String]) -> Option<IrcClient> {
    let client = IrcClient::try_connect(server, nick, IrcClient::ALL_CAPS, channels).await;
    if client.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    client
}

/// Waits until every stream has moved on.
async fn flowing(ledger: &Ledger, what: &str) {
    let lengths = |ledger: &Ledger| -> HashMap<String, usize> {
        ledger.arrived.lock().iter().map(|(name, numbers)| (name.clone(), numbers.len())).collect()
    };
    let before = lengths(ledger);
    monster_testkit::until(&format!("every stream moving on {what}"), || async {
        let now = lengths(ledger);
        let moved = (0..SENDERS)
            .flat_map(|n| [format!("m{n}"), format!("i{n}")])
            .all(|stream| now.get(&stream).copied().unwrap_or(0) > before.get(&stream).copied().unwrap_or(0) + 2);
        moved.then_some(())
    })
    .await;
}

/// Waits until nothing that was said on IRC waits in Ergo's history, which ends with Ergo: the
/// gateway has heard all but what is on its way.
async fn caught_up(ledger: &Ledger) {
    let few = 2 * SENDERS;
    let reading = async {
        while ledger.lost("i").len() > few {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // On a busy disk the streams bring more than a commit each lets through: that takes its time.
    let read = tokio::time::timeout(Duration::from_mins(1), reading).await;
    assert!(read.is_ok(), "the gateway has not read what was said while it was away: {:?}", ledger.lost("i"));
}

/// Lets a random moment pass while everything flows.
async fn a_random_moment(seed: &mut u64, at_most_ms: u64) {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    tokio::time::sleep(Duration::from_millis((*seed >> 33) % at_most_ms)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; `./test crash` runs it"]
async fn nothing_acknowledged_is_lost_when_the_gateway_and_ergo_are_killed() {
    let mut ergo = Ergo::start().await;
    let ledger = Arc::new(Ledger::default());
    let tap = {
        let ledger = Arc::clone(&ledger);
        Tap::start(ergo.address, move |line| ledger.hand_over(line)).await
    };
    let mut gateway = Gateway::start(BINARY, &irc_section_at("ergo", tap.address, "")).await;
    let channels: Vec<String> = (0..SENDERS).map(|n| format!("#room{n}")).collect();

    let token = gateway.account("receiver").await;
    let mut receiver = gateway.home("receiver", &token).await;
    for channel in &channels {
        let answer = receiver.request(json!({"code": "1001", "to": gateway.address(channel, "ergo")})).await;
        assert_eq!(answer["type"], "1", "{answer}");
    }
    receiver.close().await;

    let mut senders = Vec::new();
    let url = format!("ws://{}/receiver?token={token}&ext=1", gateway.listen);
    let receiving = tokio::spawn(receive_from_irc(url, ledger.clone()));
    let observing = tokio::spawn(observe_irc(ergo.address, channels.clone(), ledger.clone()));
    for (n, channel) in channels.iter().enumerate() {
        let token = gateway.account(&format!("sender{n}")).await;
        let url = format!("ws://{}/sender{n}?token={token}&ext=1", gateway.listen);
        let to = gateway.address(channel, "ergo");
        senders.push(tokio::spawn(send_to_irc(url, format!("m{n}"), to, ledger.clone())));
        senders.push(tokio::spawn(send_from_irc(ergo.address, format!("i{n}"), channel.clone(), ledger.clone())));
    }

    let mut seed = u64::from(std::process::id());
    println!("seed {seed}");
    flowing(&ledger, "at the start").await;
    for kill in 0..GATEWAY_KILLS {
        a_random_moment(&mut seed, 700).await;
        gateway.kill().await;
        a_random_moment(&mut seed, 200).await;
        gateway.run().await;
        if kill % (GATEWAY_KILLS / ERGO_KILLS) == 3 {
            flowing(&ledger, "before Ergo is killed").await;
            caught_up(&ledger).await;
            a_random_moment(&mut seed, 300).await;
            ergo.kill_and_restart().await;
            flowing(&ledger, "after Ergo was killed").await;
        }
    }
    flowing(&ledger, "after the last kill").await;
    ledger.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        monster_testkit::within("the senders ending", sender).await.unwrap();
    }
    let settled = tokio::time::timeout(Duration::from_mins(1), async {
        while !ledger.lost("").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;

    for (direction, prefix) in [("Monster to IRC", "m"), ("IRC to Monster", "i")] {
        let (acknowledged, arrived, twice, out_of_order) = ledger.counts(prefix);
        let lost = ledger.lost(prefix).len();
        let died = ledger.missing(prefix).len() - lost;
        println!(
            "{direction}: {acknowledged} acknowledged, {arrived} arrived, {died} died with Ergo, {lost} lost, {twice} \
             twice, {out_of_order} out of order"
        );
        // In each stream, at most what is under way when Ergo is killed.
        assert!(died <= SENDERS * ERGO_KILLS, "{direction}: more died with Ergo than can have");
    }
    assert!(settled.is_ok(), "lost: {:?}", ledger.lost(""));
    for prefix in ["m", "i"] {
        let (_, _, twice, out_of_order) = ledger.counts(prefix);
        assert_eq!((twice, out_of_order), (0, 0), "{prefix}: twice, out of order {:?}", ledger.steps_back(prefix));
    }
    receiving.abort();
    observing.abort();
}
