//! The store alone, with the rows of a relayed message: what the journal costs without anything
//! around it.

use crate::figures;
use monster_gateway::store::sqlite::SqliteStore;
use monster_gateway::store::{CommitHook, Incoming, Journalled, Lane, NewMessage, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A message from sender `n` to receiver `n`, as the core would journal it.
pub(crate) fn message(n: usize, number: u64) -> Incoming {
    let (author, venue) = (format!("@s{n}:localhost:7580"), format!("@r{n}:localhost:7580"));
    let key = format!("mg-{n:06}{number:020}");
    let message = NewMessage {
        key,
        conversation: format!("{venue} {author}"),
        venue: venue.clone(),
        author: author.clone(),
        author_name: format!("s{n}"),
        origin_id: format!("load-{number}"),
        excerpt: "load".to_owned(),
        body: vec![b'x'; 300],
        at: 1_800_000_000_000,
    };
    Incoming { message: Arc::new(message), lanes: vec![Lane { to: venue, via: author }], cursor: None }
}

/// Accepts and completes messages from `callers` callers at once.
pub(crate) async fn run(callers: usize, seconds: u64) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
    let done_of: Arc<deliveries::Deliveries> = Arc::default();
    let seen = Arc::clone(&done_of);
    let hook: CommitHook = Arc::new(move |committed| {
        for one in committed {
            seen.put(one.message_id, one.delivery);
        }
    });
    store.on_commit(hook);
    let count = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds);
    let (begin, cpu) = (Instant::now(), figures::cpu_time(std::process::id()));
    let tasks: Vec<_> = (0..callers)
        .map(|n| {
            let (store, count, done_of) = (Arc::clone(&store), Arc::clone(&count), Arc::clone(&done_of));
            tokio::spawn(async move {
                let mut number = 0;
                while Instant::now() < until {
                    let Journalled::New { id } = store.accept(message(n, number)).await.unwrap() else {
                        panic!("a new message was known");
                    };
                    store.done(done_of.take(id), Vec::new()).await.unwrap();
                    number += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (wall, cpu) = (begin.elapsed(), figures::cpu_since(std::process::id(), cpu));
    let total = count.load(Ordering::Relaxed) as f64;
    println!(
        "bare store, {callers} callers: {:.0} messages/s journalled and done, {:.1} µs CPU a message ({} of a core)",
        total / wall.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / total,
        figures::share(cpu, wall)
    );
    store.close().await;
}

/// Which delivery belongs to which message, between the commit hook and the callers.
mod deliveries {
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// Deliveries by message.
    #[derive(Default)]
    pub(crate) struct Deliveries([Mutex<HashMap<i64, i64>>; 16]);

    impl Deliveries {
        fn shard(&self, message: i64) -> &Mutex<HashMap<i64, i64>> {
            &self.0[usize::try_from(message.rem_euclid(16)).unwrap()]
        }

        pub(crate) fn put(&self, message: i64, delivery: i64) {
            self.shard(message).lock().unwrap().insert(message, delivery);
        }

        pub(crate) fn take(&self, message: i64) -> i64 {
            // The hook runs on the store's thread after the answer may have been sent.
            loop {
                if let Some(delivery) = self.shard(message).lock().unwrap().remove(&message) {
                    return delivery;
                }
                std::thread::yield_now();
            }
        }
    }
}
