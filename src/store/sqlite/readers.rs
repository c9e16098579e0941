//! The threads that read, a connection each. Called by `SqliteStore::read`.

use super::schema;
use super::writer::failed;
use crate::store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// So many readings wait or run; more callers wait before they queue.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A few threads that read. They end when the pool is closed or dropped.
pub(super) struct Readers {
    jobs: Mutex<Option<mpsc::Sender<(Job, OwnedSemaphorePermit)>>>,
    room: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Readers {
    /// Opens `count` connections and starts their threads.
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, schema::OpenError> {
        let (jobs, queue) = mpsc::channel::<(Job, OwnedSemaphorePermit)>();
        let queue = Arc::new(Mutex::new(queue));
        let start = |n| {
            let conn = schema::open_reader(path).map_err(schema::OpenError::sql(path))?;
            let queue = queue.clone();
            std::thread::Builder::new()
                .name(format!("store-read-{n}"))
                .spawn(move || {
                    // The lock is held while waiting, and let go before reading.
                    while let Ok((job, _permit)) = { queue.lock().recv() } {
                        job(&conn);
                    }
                })
                .map_err(schema::OpenError::io(path))
        };
        let threads = (0..count).map(start).collect::<Result<_, _>>()?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), room: Arc::new(Semaphore::new(QUEUE)), threads: Mutex::new(threads) })
    }

    /// Reads on one of the threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(doing, move |conn| job(conn).map_err(|error| failed(doing, &error))).await?
    }

    /// Runs a job that has errors of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.room.clone().acquire_owned().await.map_err(|_| super::closed(doing))?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Whoever asked may have gone.
            let _gone = answer.send(job(conn));
        });
        let sent = self.jobs.lock().as_ref().is_some_and(|jobs| jobs.send((job, permit)).is_ok());
        if !sent {
            return Err(super::closed(doing));
        }
        answered.await.map_err(|_| StoreError::Failed { doing, why: "the reading thread ended".into() })
    }

    /// Finishes what has queued, and closes the connections.
    pub(super) async fn close(&self) {
        drop(self.jobs.lock().take());
        let threads = std::mem::take(&mut *self.threads.lock());
        let ended = tokio::task::spawn_blocking(move || threads.into_iter().all(|thread| thread.join().is_ok()));
        if !matches!(ended.await, Ok(true)) {
            tracing::error!("a reading thread panicked");
        }
    }
}
