//! What was acknowledged outlives a `kill -9` at any moment.

use super::{Files, incoming};
use crate::store::sqlite::SqliteStore;
use crate::store::{CommitHook, Committed, Store};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Names the data directory to the child.
const DIR: &str = "STORE_CRASH_TEST_DIR";
/// And the first number it gives to a message.
const FROM: &str = "STORE_CRASH_TEST_FROM";
const KILLS: usize = 12;
const CALLERS: usize = 16;

/// Not a test by itself: the child of the test below, which runs until it is killed. Prints
/// `accepted N` and `done N` after each answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_child_of_the_crash_test() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let from: usize = std::env::var(FROM).unwrap().parse().unwrap();
    let store = Arc::new(SqliteStore::open(Path::new(&dir)).unwrap());
    let (work, mut queue) = mpsc::unbounded_channel();
    let hook: CommitHook = Arc::new(move |fresh: &[Committed]| {
        for Committed { delivery, message, .. } in fresh {
            work.send((*delivery, message.origin_id.clone())).unwrap();
        }
    });
    store.on_commit(hook);
    for caller in 0..CALLERS {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (from + caller..).step_by(CALLERS) {
                store.accept(incoming(n)).await.unwrap();
                say(&format!("accepted {n}"));
            }
        });
    }
    while let Some((delivery, n)) = queue.recv().await {
        // Every other one stays waiting.
        if n.parse::<usize>().unwrap().is_multiple_of(2) {
            store.done(delivery, vec![format!("irc-{n}")]).await.unwrap();
            say(&format!("done {n}"));
        }
    }
}

/// One line, at once, past the test harness's capture.
fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9_at_random_moments() {
    let files = Files::new();
    let (mut accepted, mut done) = (HashSet::new(), HashSet::new());
    for round in 0..KILLS {
        let from = round * 1_000_000;
        let dir = files.dir.path().to_owned();
        let lines = tokio::task::spawn_blocking(move || run_and_kill(&dir, from)).await.unwrap();
        for line in &lines {
            match line.split_once(' ') {
                Some(("accepted", n)) => drop(accepted.insert(n.parse::<usize>().unwrap())),
                Some(("done", n)) => drop(done.insert(n.parse::<usize>().unwrap())),
                _ => {}
            }
        }
    }
    assert!(accepted.len() > KILLS * CALLERS, "the children hardly got to work: {}", accepted.len());
    assert!(!done.is_empty());

    let store = files.open_store();
    let lane = store.lanes(0, 1).await.unwrap()[0].0;
    let waiting: HashSet<usize> = store
        .pending(lane, 0, usize::MAX)
        .await
        .unwrap()
        .iter()
        .map(|pending| pending.message.origin_id.parse().unwrap())
        .collect();
    for n in &accepted {
        let message = incoming(*n).message;
        let found = store.message_by_key(&message.conversation, &message.key).await.unwrap();
        assert_eq!(found.map(|found| found.message), Some(message), "{n} was acknowledged and is gone");
        assert!(n % 2 == 0 || waiting.contains(n), "{n} waits no longer");
    }
    for n in &done {
        assert!(!waiting.contains(n), "{n} was done and waits again");
        assert!(store.message_at("@#rust:libera:gw", &format!("irc-{n}")).await.unwrap().is_some());
    }
    let whole: String = files.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
    // The counters went with the rows.
    let stats = store.stats().await.unwrap();
    let count = |table: &str| -> u64 {
        files.raw().query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((stats.messages, stats.waiting), (count("messages"), count("deliveries")));
}

/// Starts a child, lets it print a random number of lines, kills it, and gives all whole lines.
fn run_and_kill(dir: &Path, from: usize) -> Vec<String> {
    let name = "store::sqlite::tests::crashes::the_child_of_the_crash_test";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let enough = rand::random_range(1..2000);
    let mut lines = Vec::new();
    let mut line = String::new();
    while lines.len() < enough && output.read_line(&mut line).unwrap() > 0 {
        lines.push(std::mem::take(&mut line).trim().to_owned());
    }
    // Not at the moment of an answer, but somewhere on the way to the next.
    std::thread::sleep(Duration::from_micros(rand::random_range(0..3000)));
    child.kill().unwrap();
    child.wait().unwrap();
    // A line without its end may be half a number.
    while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
        lines.push(std::mem::take(&mut line).trim().to_owned());
    }
    lines
}
