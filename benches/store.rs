//! How fast the bare store is: `cargo bench --bench store [-- CALLERS…]`.
//!
//! So many callers at once accept messages with a body of 500 bytes, each for a lane of its own;
//! the lane records each delivery done when the commit hook has told of it. Every commit is
//! durable (`synchronous=FULL`). Printed is what was accepted *and* done, the processor time of the
//! whole process, and that of the thread which writes. Not a criterion benchmark: what matters is the rate of many callers together.
//! The files go where `TMPDIR` says; take a real disk.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a driver for a person at a terminal")]

use monster_gateway::store::sqlite::SqliteStore;
use monster_gateway::store::{CommitHook, Committed, Incoming, Lane, NewMessage, Store};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const CALLERS: [usize; 4] = [1, 64, 256, 512];
const BODY: usize = 500;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

fn main() {
    println!("store: accept + done, {BODY} bytes, synchronous=FULL, {MEASURED:?} each");
    println!("{:>8} {:>12} {:>8} {:>8} {:>8} {:>8}", "callers", "messages/s", "cpu µs", "write µs", "p50 ms", "p99 ms");
    let mut asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    if asked.is_empty() {
        asked.extend(CALLERS);
    }
    for callers in asked {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let Figures { rate, cpu, writing, p50, p99 } = runtime.block_on(measure(callers));
        let (cpu, writing, p50, p99) = (cpu * 1e6, writing * 1e6, p50 * 1e3, p99 * 1e3);
        println!("{callers:>8} {rate:>12.0} {cpu:>8.1} {writing:>8.1} {p50:>8.2} {p99:>8.2}");
    }
}

struct Figures {
    /// Messages a second.
    rate: f64,
    /// Processor seconds a message.
    cpu: f64,
    /// Of which the thread that writes took so many.
    writing: f64,
    /// Seconds from the call of `accept` to its answer.
    p50: f64,
    p99: f64,
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn measure(callers: usize) -> Figures {
    let dir = tempfile::tempdir().expect("a directory");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path()).expect("a store"));
    let done = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));

    let mut lanes = HashMap::new();
    let mut tasks = Vec::new();
    for n in 0..callers {
        let (work, mut queue) = mpsc::unbounded_channel::<i64>();
        lanes.insert(lane(n), work);
        let (store, done) = (store.clone(), done.clone());
        tasks.push(tokio::spawn(async move {
            while let Some(delivery) = queue.recv().await {
                store.done(delivery, vec![]).await.expect("done");
                done.fetch_add(1, Ordering::Relaxed);
            }
            Vec::new()
        }));
    }
    let hook: CommitHook = Arc::new(move |fresh: &[Committed]| {
        for Committed { lane, delivery, .. } in fresh {
            // A lane that has ended needs nothing any more.
            let _ended = lanes[lane].send(*delivery);
        }
    });
    store.on_commit(hook);
    for n in 0..callers {
        let (store, stop) = (store.clone(), stop.clone());
        tasks.push(tokio::spawn(call(store, n, stop)));
    }

    tokio::time::sleep(WARM_UP).await;
    let (started, cpu_before, before) = (Instant::now(), cpu_seconds(), done.load(Ordering::Relaxed));
    tokio::time::sleep(MEASURED).await;
    let messages = (done.load(Ordering::Relaxed) - before) as f64;
    let rate = messages / started.elapsed().as_secs_f64();
    let [cpu, writing] = [0, 1].map(|n| (cpu_seconds()[n] - cpu_before[n]) / messages);
    stop.store(true, Ordering::Relaxed);
    store.on_commit(Arc::new(|_| {}));
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a task"));
    }
    store.close().await;
    times.sort_by(f64::total_cmp);
    Figures { rate, cpu, writing, p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
}

/// Accepts one message after the other; gives how long each took, in seconds.
async fn call(store: Arc<dyn Store>, n: usize, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let incoming = Incoming { message: Arc::new(message(n, times.len())), lanes: vec![lane(n)], cursor: None };
        store.accept(incoming).await.expect("accepted");
        times.push(asked.elapsed().as_secs_f64());
    }
    times
}

fn lane(n: usize) -> Lane {
    Lane { to: format!("@reader{n}:gw.example.org"), via: format!("@writer{n}:gw.example.org") }
}

fn message(caller: usize, n: usize) -> NewMessage {
    let (author, venue) = (format!("@writer{caller}:gw.example.org"), format!("@reader{caller}:gw.example.org"));
    NewMessage {
        key: format!("mg-{caller:08x}{n:018x}"),
        conversation: format!("{venue} {author}"),
        venue,
        author,
        author_name: "Writer".into(),
        origin_id: format!("{caller}-{n}"),
        excerpt: "The first words of a message of usual length".into(),
        body: vec![b'x'; BODY],
        at: 1_700_000_000_000,
    }
}

/// Processor time of all threads of this process that live, and of those that write.
fn cpu_seconds() -> [f64; 2] {
    let mut seconds = [0.0; 2];
    for task in std::fs::read_dir("/proc/self/task").expect("proc(5)").flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        // Nanoseconds on a processor, then what does not matter here.
        let ran = read("schedstat").split(' ').next().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0) / 1e9;
        seconds[0] += ran;
        if read("comm").trim() == "store-write" {
            seconds[1] += ran;
        }
    }
    seconds
}
