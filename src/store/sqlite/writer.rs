//! The thread that writes. It takes whatever has queued into one transaction, answers everybody
//! after the commit, and then tells the commit hook. Operations come from `sqlite::mod`; what they
//! do is in `journal`, `people` and `places`.
//!
//! An operation looks before it writes: what it refuses (`Conflict`, `Missing`) has changed nothing
//! and leaves the transaction as it is. Where the database itself fails, the transaction is rolled
//! back and each of its operations tried again alone, so that one cannot take others along.

use super::cache::{Interned, MappingCache};
use super::checkpoint::Checkpoints;
use super::index::Recent;
use super::prints::Printer;
use super::statements::Statements;
use crate::store::{CommitHook, Committed, Lane, StoreError};
use parking_lot::RwLock;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// A transaction holds at most so many operations,
const BATCH: usize = 512;
/// and takes in no more after so long.
const BATCH_TIME: Duration = Duration::from_millis(4);
/// So many operations wait before callers have to.
pub(super) const QUEUE: usize = 4096;

/// Why an operation did not happen.
pub(super) enum Fault {
    /// It contradicts what is stored; nothing was changed.
    Refused(StoreError),
    /// The database failed.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Something to be written. It may be applied again after a rollback.
pub(super) trait Operation: Send {
    /// What it does, for errors.
    fn doing(&self) -> &'static str;
    /// Does it. A refusal is its own outcome; an error rolls the transaction back.
    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()>;
    /// Answers whoever waits, and adds the deliveries it made; `failed` if it was not committed.
    fn finish(self: Box<Self>, failed: Option<StoreError>, fresh: &mut Vec<Committed>);
}

/// What the thread is sent.
pub(super) enum Order {
    /// Write this.
    Write(Box<dyn Operation>),
    /// Look whether another process has written, then answer.
    Look(oneshot::Sender<()>),
    /// Write what has queued, then end.
    Close(oneshot::Sender<()>),
}

/// What the thread shares with the rest of the store.
pub(super) struct Shared {
    /// Changes when another process has written.
    pub revision: AtomicI64,
    /// Who is told of new deliveries.
    pub hook: RwLock<Option<CommitHook>>,
    /// The mappings that are known without a look into the table.
    pub mappings: MappingCache,
    /// Milliseconds since the epoch.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// Makes prints.
    pub printer: Printer,
    /// The messages that are not in the index yet.
    pub recent: RwLock<Recent>,
}

/// The row of `state`, as of the running transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub next_message: i64,
    pub next_delivery: i64,
    pub messages: i64,
    pub waiting: i64,
    pub dead: i64,
    pub proved: i64,
}

/// A transaction that is being written, and what the writer keeps from one to the next.
pub(super) struct Writing<'c> {
    pub conn: &'c Connection,
    pub statements: Statements<'c>,
    pub counters: Counters,
    pub lanes: Interned<Lane>,
    pub conversations: Interned<String>,
    pub shared: Arc<Shared>,
    checkpoints: Checkpoints,
    /// When the transaction began.
    pub now: i64,
    /// Up to which lane the search for idle ones has come.
    pub lanes_seen: i64,
    /// Whether `recent` covers all that is not in the index.
    pub caught_up: bool,
    /// How many messages this transaction has added.
    pub listed: usize,
    /// Whether this transaction has moved the last of a generation into the index.
    pub moved: bool,
    /// The counters as the table has them, if that is known.
    stored: Option<Counters>,
    /// What `PRAGMA data_version` said last.
    data_version: i64,
}

/// Runs until it is told to close, or nobody can send any more. What changed since `data_version`
/// (`PRAGMA data_version` of this connection) was changed by others.
pub(super) fn run(
    conn: Connection,
    data_version: i64,
    shared: Arc<Shared>,
    checkpoints: Checkpoints,
    orders: mpsc::Receiver<Order>,
) -> rusqlite::Result<()> {
    let closing = serve(&conn, data_version, shared, checkpoints, orders)?;
    // The last connection to close takes the write-ahead log along.
    drop(conn);
    for answer in closing {
        // Whoever asked may have gone.
        let _gone = answer.send(());
    }
    Ok(())
}

/// Gives whom to tell when everything is closed.
fn serve(
    conn: &Connection,
    data_version: i64,
    shared: Arc<Shared>,
    checkpoints: Checkpoints,
    mut orders: mpsc::Receiver<Order>,
) -> rusqlite::Result<Vec<oneshot::Sender<()>>> {
    Checkpoints::count(conn);
    let mut writing = Writing {
        conn,
        statements: Statements::prepare(conn)?,
        counters: Counters::default(),
        lanes: Interned::default(),
        conversations: Interned::default(),
        shared,
        checkpoints,
        now: 0,
        lanes_seen: 0,
        caught_up: false,
        listed: 0,
        moved: false,
        stored: None,
        data_version,
    };
    let mut batch = Vec::with_capacity(BATCH);
    let mut closing = Vec::new();
    while let Some(order) = orders.blocking_recv() {
        match order {
            Order::Write(first) => writing.batch(first, &mut batch, &mut orders, &mut closing),
            Order::Look(answer) => {
                writing.look();
                // Whoever asked may have gone.
                let _gone = answer.send(());
            }
            Order::Close(answer) => closing.push(answer),
        }
        if !closing.is_empty() {
            // What was sent before is still written; what is sent from now on fails at once.
            orders.close();
        }
    }
    writing.checkpoints.stop();
    Ok(closing)
}

impl Writing<'_> {
    /// Writes `first` and what has queued behind it.
    fn batch(
        &mut self,
        first: Box<dyn Operation>,
        batch: &mut Vec<Box<dyn Operation>>,
        orders: &mut mpsc::Receiver<Order>,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) {
        let started = Instant::now();
        let mut looking = Vec::new();
        batch.push(first);
        let mut outcome = self.begin();
        let mut applied = 0;
        while outcome.is_ok() {
            outcome = batch[applied].apply(self);
            applied += 1;
            if applied == BATCH || started.elapsed() > BATCH_TIME {
                break;
            }
            match orders.try_recv() {
                Ok(Order::Write(next)) => batch.push(next),
                Ok(Order::Look(answer)) => {
                    looking.push(answer);
                    break;
                }
                Ok(Order::Close(answer)) => {
                    closing.push(answer);
                    break;
                }
                Err(_) => break,
            }
        }
        let outcome = outcome.and_then(|()| self.commit());
        let mut fresh = Vec::new();
        match outcome {
            Ok(()) => batch.drain(..).for_each(|operation| operation.finish(None, &mut fresh)),
            Err(error) => {
                self.roll_back();
                self.one_by_one(batch, error, &mut fresh);
            }
        }
        for answer in looking {
            let _gone = answer.send(());
        }
        self.tell(&fresh);
        self.checkpoints.committed(self.conn);
    }

    /// Tries the operations of a failed transaction again, each in one of its own.
    fn one_by_one(&mut self, batch: &mut Vec<Box<dyn Operation>>, error: rusqlite::Error, fresh: &mut Vec<Committed>) {
        // One alone has had its try. And where not even a transaction begins, nobody is helped by
        // waiting for that again.
        let mut hopeless = (batch.len() == 1).then_some(error);
        for mut operation in batch.drain(..) {
            if hopeless.is_none() {
                hopeless = self.begin().err();
            }
            let tried = match &hopeless {
                Some(error) => Err(failed(operation.doing(), error)),
                None => self.alone(&mut *operation).map_err(|error| failed(operation.doing(), &error)),
            };
            operation.finish(tried.err(), fresh);
        }
    }

    /// Ends a transaction that has begun with the one operation it is for.
    fn alone(&mut self, operation: &mut dyn Operation) -> rusqlite::Result<()> {
        let tried = operation.apply(self).and_then(|()| self.commit());
        if tried.is_err() {
            self.roll_back();
        }
        tried
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.statements.begin.execute([])?;
        self.now = (self.shared.clock)();
        // Only now is nobody else able to write any more.
        self.look();
        if self.stored.is_none() {
            self.counters = self.statements.read_counters()?;
            self.stored = Some(self.counters);
        }
        Ok(())
    }

    fn commit(&mut self) -> rusqlite::Result<()> {
        self.move_some()?;
        if self.stored != Some(self.counters) {
            self.statements.write_counters(&self.counters)?;
        }
        self.statements.commit.execute([])?;
        self.stored = Some(self.counters);
        if std::mem::take(&mut self.moved) {
            self.shared.recent.write().drop_moved();
        }
        Ok(())
    }

    fn roll_back(&mut self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "the store could not roll back");
        }
        self.shared.recent.write().clear();
        (self.listed, self.moved) = (0, false);
        self.forget();
    }

    /// Drops what is kept in memory of tables that another process may have changed.
    fn forget(&mut self) {
        self.stored = None;
        self.caught_up = false;
        self.lanes.clear();
        self.conversations.clear();
        self.shared.mappings.clear();
    }

    /// Notices that another process has written.
    fn look(&mut self) {
        let seen = match self.statements.data_version.query_row([], |row| row.get::<_, i64>(0)) {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(%error, "cannot tell whether another process has changed the store");
                return;
            }
        };
        if seen != self.data_version {
            self.shared.revision.fetch_add(1, Ordering::AcqRel);
            self.data_version = seen;
            self.forget();
        }
    }

    fn tell(&self, fresh: &[Committed]) {
        if fresh.is_empty() {
            return;
        }
        let hook = self.shared.hook.read().clone();
        if let Some(hook) = hook
            && catch_unwind(AssertUnwindSafe(|| hook(fresh))).is_err()
        {
            tracing::error!("the commit hook panicked; its deliveries wait in the journal");
        }
    }
}

/// The error that a caller gets when the database failed; for the operator, it is logged.
pub(super) fn failed(doing: &'static str, error: &rusqlite::Error) -> StoreError {
    tracing::error!(doing, %error, "the store failed");
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy) => StoreError::Busy,
        _ => StoreError::Failed { doing, why: error.to_string() },
    }
}

/// An operation made of a function, for everything that makes no deliveries.
pub(super) struct Task<T, F> {
    doing: &'static str,
    run: F,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(doing: &'static str, run: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { doing, run, outcome: None, answer }
    }
}

impl<T, F> Operation for Task<T, F>
where
    T: Send,
    F: FnMut(&mut Writing<'_>) -> Result<T, Fault> + Send,
{
    fn doing(&self) -> &'static str {
        self.doing
    }

    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.outcome = Some(match (self.run)(writing) {
            Ok(value) => Ok(value),
            Err(Fault::Refused(error)) => Err(error),
            Err(Fault::Sql(error)) => return Err(error),
        });
        Ok(())
    }

    fn finish(self: Box<Self>, failed: Option<StoreError>, _fresh: &mut Vec<Committed>) {
        let outcome = match (failed, self.outcome) {
            (Some(error), _) => Err(error),
            (None, Some(outcome)) => outcome,
            (None, None) => Err(StoreError::Failed { doing: self.doing, why: "it was never tried".into() }),
        };
        // Whoever asked may have gone.
        let _gone = self.answer.send(outcome);
    }
}
