//! The threads that read, a connection each. Called by `SqliteStore::read`.

use super::schema;
use super::writer::failed;
use crate::store::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, mpsc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// So many readings wait or run; more callers wait before they queue.
const QUEUE: usize = 256;

type Job = Box<dyn FnOnce(&Connection) + Send>;

/// A few threads that read. They end when the pool is dropped.
pub(super) struct Readers {
    jobs: mpsc::Sender<(Job, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl Readers {
    /// Opens `count` connections and starts their threads.
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, schema::OpenError> {
        let (jobs, queue) = mpsc::channel::<(Job, OwnedSemaphorePermit)>();
        let queue = Arc::new(Mutex::new(queue));
        for n in 0..count {
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
                .map_err(schema::OpenError::io(path))?;
        }
        Ok(Self { jobs, room: Arc::new(Semaphore::new(QUEUE)) })
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
        let closed = || StoreError::Failed { doing, why: "the store is closed".into() };
        let permit = self.room.clone().acquire_owned().await.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Whoever asked may have gone.
            let _gone = answer.send(job(conn));
        });
        self.jobs.send((job, permit)).map_err(|_| closed())?;
        answered.await.map_err(|_| StoreError::Failed { doing, why: "the reading thread ended".into() })
    }
}
