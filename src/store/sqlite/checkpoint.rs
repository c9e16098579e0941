//! Moving what was committed from the write-ahead log into the database file.
//!
//! SQLite would do it within the commit that finds the log long, and the callers of that commit
//! would wait for all of it. Here a thread with a connection of its own does it beside the writer.
//! Only the last bit, after which the log starts over, is the writer's own: while it writes on, the
//! other thread can never have moved everything.

use super::schema;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The thread gets to work when the log has grown by so many pages of 4 KiB.
const STEP: i32 = 1024;
/// The log should start over when it has so many. (A start after a crash reads all of it.)
const LONG: i32 = 8192;

thread_local! {
    /// How many pages the log has after the last commit of this thread.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// The writer's hold on the thread.
pub(super) struct Checkpoints {
    thread: JoinHandle<()>,
    wake: SyncSender<()>,
    idle: Arc<AtomicBool>,
    /// The length of the log when something was last done about it.
    at: i32,
}

impl Checkpoints {
    /// Starts the thread.
    pub(super) fn start(path: &Path) -> Result<Self, schema::OpenError> {
        let conn = schema::open_checkpointer(path).map_err(schema::OpenError::sql(path))?;
        let (wake, woken) = sync_channel(1);
        let idle = Arc::new(AtomicBool::new(true));
        let theirs = idle.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || work(&conn, &woken, &theirs))
            .map_err(schema::OpenError::io(path))?;
        Ok(Self { thread, wake, idle, at: 0 })
    }

    /// Has the connection of the calling thread, which writes, count the pages of the log.
    pub(super) fn count(conn: &Connection) {
        conn.wal_hook(Some(|_: &Wal, pages| {
            PAGES.set(pages);
            Ok(())
        }));
    }

    /// To be called after each commit, by the thread that made it.
    pub(super) fn committed(&mut self, conn: &Connection) {
        let pages = PAGES.get();
        if pages < self.at {
            // The log has started over.
            self.at = 0;
        }
        if pages - self.at < STEP {
            return;
        }
        self.at = pages;
        if pages < LONG {
            // Full: it has been told.
            let _told = self.wake.try_send(());
        } else if self.idle.load(Ordering::Acquire) {
            checkpoint(conn);
            // What is left comes in a moment, when the log is short again or the next step is due.
            let _told = self.wake.try_send(());
        }
    }

    /// Ends the thread.
    pub(super) fn stop(self) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the checkpoint thread panicked");
        }
    }
}

fn work(conn: &Connection, woken: &Receiver<()>, idle: &AtomicBool) {
    while woken.recv().is_ok() {
        idle.store(false, Ordering::Release);
        checkpoint(conn);
        idle.store(true, Ordering::Release);
    }
}

/// Moves what can be moved without waiting for anybody.
fn checkpoint(conn: &Connection) {
    if let Err(error) = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        // Nothing is lost: it stays in the log, and the next one tries again.
        tracing::warn!(%error, "the write-ahead log could not be moved into the database");
    }
}
