//! Monster to Monster on one gateway: every sender has a receiver of its own, both on home sockets.

use crate::figures;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use monster_testkit::Gateway;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What one part of the experiment counted.
#[derive(Default)]
struct Counters {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
}

/// The rate that is asked for at the least; half of it is to be carried without delay.
const ASKED: f64 = 10_000.0;

/// As fast as it goes, at half that rate, and at half of what is asked for.
pub(crate) async fn run(gateway: &str, senders: usize, window: usize, seconds: u64) {
    let limits = "[limits]\nenabled = false\n\n[log]\nfilter = \"warn\"\n";
    let gateway = Gateway::start_quiet(gateway, limits).await;
    let people = accounts(&gateway, senders).await;
    let full = part(&gateway, &people, window, None, seconds, "as fast as it goes").await;
    part(&gateway, &people, window, Some(full / 2.0), seconds, "at half that rate").await;
    part(&gateway, &people, window, Some(ASKED / 2.0), seconds, "at half of 10,000 a second").await;
}

/// Makes the accounts; (sender token, receiver token) each.
async fn accounts(gateway: &Gateway, senders: usize) -> Vec<(String, String)> {
    let mut people = Vec::new();
    for n in 0..senders {
        people.push((gateway.account(&format!("s{n}")).await, gateway.account(&format!("r{n}")).await));
    }
    people
}

async fn part(
    gateway: &Gateway,
    people: &[(String, String)],
    window: usize,
    rate: Option<f64>,
    seconds: u64,
    name: &str,
) -> f64 {
    let counters = Arc::new(Counters::default());
    let epoch = Instant::now();
    let mut sending = Vec::new();
    let mut receiving = Vec::new();
    for (n, (sender, receiver)) in people.iter().enumerate() {
        let inbox = connect(gateway, &format!("r{n}"), receiver).await;
        receiving.push(tokio::spawn(receive(inbox, epoch, Arc::clone(&counters))));
        let socket = connect(gateway, &format!("s{n}"), sender).await;
        sending.push((socket, gateway.address(&format!("r{n}"), "")));
    }
    let cpu = (figures::cpu_time(gateway.id()), figures::cpu_time(std::process::id()));
    let begin = Instant::now();
    let until = begin + Duration::from_secs(seconds);
    let pause = rate.map(|rate| Duration::from_secs_f64(people.len() as f64 / rate));
    let tasks: Vec<_> = sending
        .into_iter()
        .map(|(socket, to)| tokio::spawn(send(socket, to, window, pause, epoch, until, Arc::clone(&counters))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let sending = begin.elapsed();
    let acknowledged = counters.acknowledged.load(Ordering::Relaxed);
    monster_testkit::until("everything acknowledged being received", || async {
        (counters.received.load(Ordering::Relaxed) >= acknowledged).then_some(())
    })
    .await;
    // A message counts once it is there, however early its sender was told that it is safe.
    let wall = begin.elapsed();
    let spent = (figures::cpu_since(gateway.id(), cpu.0), figures::cpu_since(std::process::id(), cpu.1));
    println!("relay {name}: {:.0} messages/s acknowledged", acknowledged as f64 / sending.as_secs_f64());
    receiving.iter().for_each(tokio::task::JoinHandle::abort);
    report(name, acknowledged, counters.refused.load(Ordering::Relaxed), wall, spent, &mut LATENCIES.lock().unwrap());
    acknowledged as f64 / wall.as_secs_f64()
}

/// Latencies of the part under way, from sending to receiving.
static LATENCIES: std::sync::Mutex<Vec<Latency>> = std::sync::Mutex::new(Vec::new());

/// How long a message took, and when it was sent, counted from the part's begin.
#[derive(Clone, Copy)]
struct Latency {
    sent: Duration,
    took: Duration,
}

fn report(
    name: &str,
    acknowledged: u64,
    refused: u64,
    wall: Duration,
    spent: (Duration, Duration),
    latencies: &mut Vec<Latency>,
) {
    let mut seconds: BTreeMap<u64, Vec<Duration>> = BTreeMap::new();
    for one in latencies.iter() {
        seconds.entry(one.sent.as_secs()).or_default().push(one.took);
    }
    let p99 = |took: &mut Vec<Duration>| format!("{:.1}", figures::percentile(took, 99.0).as_secs_f64() * 1e3);
    let each_second: Vec<String> = seconds.values_mut().map(p99).collect();
    let mut took: Vec<Duration> = latencies.drain(..).map(|one| one.took).collect();
    println!(
        "relay {name}: {:.0} messages/s acknowledged and received, {refused} refused; latency p50 {:.1} ms, p99 {:.1} ms (second by second {}); \
         CPU gateway {} ({:.1} µs a message), driver {}",
        acknowledged as f64 / wall.as_secs_f64(),
        figures::percentile(&mut took, 50.0).as_secs_f64() * 1e3,
        figures::percentile(&mut took, 99.0).as_secs_f64() * 1e3,
        each_second.join(", "),
        figures::share(spent.0, wall),
        spent.0.as_secs_f64() * 1e6 / acknowledged as f64,
        figures::share(spent.1, wall)
    );
}

async fn connect(gateway: &Gateway, name: &str, token: &str) -> Socket {
    let url = format!("ws://{}/{name}?token={token}&ext=1", gateway.listen);
    tokio_tungstenite::connect_async(url).await.unwrap().0
}

/// Sends until the time is over, with at most `window` messages unanswered.
async fn send(
    socket: Socket,
    to: String,
    window: usize,
    pause: Option<Duration>,
    epoch: Instant,
    until: Instant,
    counters: Arc<Counters>,
) {
    let (mut sink, stream) = socket.split();
    let free = Arc::new(Semaphore::new(window));
    let answers = tokio::spawn(answers(stream, Arc::clone(&free), Arc::clone(&counters)));
    let run: u32 = rand_run();
    // Each keeps a beat of its own, not all the same one.
    let offset = |pause: Duration| pause.mul_f64(f64::from(run) / f64::from(u32::MAX));
    let mut pace = pause.map(|pause| tokio::time::interval_at(tokio::time::Instant::now() + offset(pause), pause));
    let mut number = 0_u64;
    while Instant::now() < until {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        free.acquire().await.unwrap().forget();
        let text = STANDARD.encode(format!("{:<64}", epoch.elapsed().as_nanos()));
        let frame =
            format!("{{\"messageId\":\"{run:x}-{number}\",\"code\":\"2001\",\"to\":\"{to}\",\"text\":\"{text}\"}}");
        sink.send(Message::text(frame)).await.unwrap();
        number += 1;
    }
    let all = u32::try_from(window).unwrap();
    let _all_answered = monster_testkit::within("the last answers", free.acquire_many(all)).await.unwrap();
    answers.abort();
}

fn rand_run() -> u32 {
    use std::hash::{BuildHasher as _, Hasher as _};
    let hash = std::collections::hash_map::RandomState::new().build_hasher().finish();
    (hash & u64::from(u32::MAX)).try_into().unwrap()
}

async fn answers(mut stream: SplitStream<Socket>, free: Arc<Semaphore>, counters: Arc<Counters>) {
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message {
            let counter = if text.contains("\"200\"") { &counters.acknowledged } else { &counters.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            free.add_permits(1);
        }
    }
}

async fn receive(socket: Socket, epoch: Instant, counters: Arc<Counters>) {
    let (mut sink, mut stream) = socket.split();
    while let Some(Ok(message)) = stream.next().await {
        if let Message::Text(text) = message
            && answer(&mut sink, &text).await
        {
            let encoded = field(&text, "text");
            let words = STANDARD.decode(encoded).unwrap_or_default();
            let sent: u64 = String::from_utf8_lossy(&words).trim().parse().unwrap_or(0);
            let now = u64::try_from(epoch.elapsed().as_nanos()).unwrap();
            let (sent, took) = (Duration::from_nanos(sent), Duration::from_nanos(now.saturating_sub(sent)));
            LATENCIES.lock().unwrap().push(Latency { sent, took });
            counters.received.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Answers a pushed frame with 200; false for what is none.
async fn answer(sink: &mut SplitSink<Socket, Message>, text: &str) -> bool {
    if !text.contains("\"code\"") {
        return false;
    }
    let answer = format!("{{\"messageId\":\"{}\",\"statusCode\":\"200\"}}", field(text, "messageId"));
    sink.send(Message::text(answer)).await.is_ok()
}

/// The value of a string field that needs no unescaping.
fn field<'a>(frame: &'a str, name: &str) -> &'a str {
    let after = frame.split_once(&format!("\"{name}\":\"")).map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default()
}
