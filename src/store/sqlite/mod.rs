//! The store in SQLite: one file, one thread that writes, a few that read.
//!
//! What is here only hands over: writing to `writer` (with what it writes in `journal`, `people`,
//! `places`, `prune`), reading to `readers` (`history` and again `people`, `places`). No call blocks
//! a thread of the async runtime, but opening does.

mod cache;
mod calls;
mod checkpoint;
mod copy;
mod history;
mod index;
mod journal;
mod people;
mod places;
mod prints;
mod prune;
mod readers;
mod schema;
mod sift;
mod statements;
#[cfg(test)]
mod tests;
mod writer;

pub use copy::{CopyError, restore};
pub use schema::OpenError;
pub(crate) use schema::prepare_dir;

use super::{
    Account, CallRow, CommitHook, DeadLetter, Incoming, Journalled, Lane, Link, LinkEnd, Mapping, Message, Pending,
    Relation, Stats, Store, StoreError, Waiting,
};
use async_trait::async_trait;
use cache::{Mapped, MappingCache};
use checkpoint::Checkpoints;
use journal::{Accept, AcceptAll, Entry, Fail};
use parking_lot::RwLock;
use prints::Printer;
use readers::Readers;
use rusqlite::Connection;
use sift::Sift;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use writer::{Fault, Operation, Order, Shared, Task, Writing};

/// So often a reading is tried again after bad rows were set aside.
const SIFTINGS: usize = 64;
/// So many rows are pruned in one transaction.
const PRUNE_STEP: usize = 64;

/// What tells the time, in milliseconds since the epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A store in a SQLite file. Several processes may have it open at a time; one of them should run
/// the deliveries ([`super::InstanceLock`]).
pub struct SqliteStore {
    orders: mpsc::Sender<Order>,
    readers: Readers,
    shared: Arc<Shared>,
}

impl SqliteStore {
    /// Opens the store in `data_dir`; makes directory (0700) and file (0600) if they are not there.
    /// Takes some milliseconds, however much is in it. Blocks.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(data_dir, Arc::new(system_clock))
    }

    /// Opens the store with a clock of the caller's.
    pub fn open_with(data_dir: &Path, clock: Clock) -> Result<Self, OpenError> {
        let path = prepare_dir(data_dir)?;
        let conn = schema::open_writer(&path)?;
        let secret = conn.query_row("SELECT secret FROM state", [], |row| row.get(0)).map_err(OpenError::sql(&path))?;
        let data_version =
            conn.pragma_query_value(None, "data_version", |row| row.get(0)).map_err(OpenError::sql(&path))?;
        let shared = Arc::new(Shared {
            revision: AtomicI64::new(0),
            hook: RwLock::new(None),
            mappings: MappingCache::default(),
            clock,
            printer: Printer::new(secret),
            recent: RwLock::default(),
        });
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4));
        let readers = Readers::start(&path, threads)?;
        let checkpoints = Checkpoints::start(&path)?;
        let (orders, queue) = mpsc::channel(writer::QUEUE);
        let theirs = shared.clone();
        std::thread::Builder::new()
            .name("store-write".into())
            .spawn(move || {
                if let Err(error) = writer::run(conn, data_version, theirs, checkpoints, queue) {
                    tracing::error!(%error, "the store cannot write");
                }
            })
            .map_err(OpenError::io(&path))?;
        Ok(Self { orders, readers, shared })
    }

    /// Has the writer do something, and waits until it is durable.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        run: impl FnMut(&mut Writing<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.order(doing, |answer| Box::new(Task::new(doing, run, answer))).await
    }

    async fn order<T>(
        &self,
        doing: &'static str,
        make: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Box<dyn Operation>,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Write(make(answer))).await.map_err(|_| closed(doing))?;
        answered.await.map_err(|_| closed(doing))?
    }

    /// Reads; sets aside rows that cannot be read, and reads again.
    async fn read<T: Send + 'static>(
        &self,
        doing: &'static str,
        read: impl Fn(&Connection, &mut Sift) -> rusqlite::Result<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let read = Arc::new(read);
        for _ in 0..SIFTINGS {
            let this = read.clone();
            let (found, bad) = self
                .readers
                .read(doing, move |conn| {
                    let mut sift = Sift::default();
                    let found = this(conn, &mut sift)?;
                    Ok((found, sift.bad))
                })
                .await?;
            if bad.is_empty() {
                return Ok(found);
            }
            self.write("set unreadable rows aside", move |writing| Ok(sift::set_aside(writing, &bad)?)).await?;
        }
        Err(StoreError::Failed { doing, why: "too many rows cannot be read".into() })
    }

    /// What an address stands for, from memory or from the table.
    async fn mapped(&self, bridge: &str, address: &str) -> Result<Option<Mapped>, StoreError> {
        if let Some(known) = self.shared.mappings.get(bridge, address) {
            return Ok(Some(known));
        }
        let age = self.shared.mappings.age();
        let names = (bridge.to_owned(), address.to_owned());
        let found =
            self.read("read a mapping", move |conn, sift| places::mapped(conn, &names.0, &names.1, sift)).await?;
        if let Some(found) = &found {
            self.shared.mappings.put(age, bridge, address, found.clone());
        }
        Ok(found)
    }
}

fn closed(doing: &'static str) -> StoreError {
    StoreError::Failed { doing, why: "the store is closed".into() }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A limit as SQL has it.
fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for SqliteStore {
    async fn accept(&self, incoming: Incoming) -> Result<Journalled, StoreError> {
        let entry = Entry::new(incoming, &self.shared.printer);
        self.order("accept a message", |answer| Box::new(Accept::new(entry, answer))).await
    }

    async fn accept_all(&self, incoming: Vec<Incoming>) -> Result<Vec<Journalled>, StoreError> {
        let entries = incoming.into_iter().map(|incoming| Entry::new(incoming, &self.shared.printer)).collect();
        self.order("accept messages", |answer| Box::new(AcceptAll::new(entries, answer))).await
    }

    async fn done(&self, delivery: i64, ids: Vec<String>) -> Result<(), StoreError> {
        self.write("record a delivery", move |writing| journal::done(writing, delivery, &ids)).await
    }

    async fn done_all(&self, deliveries: &[i64]) -> Result<(), StoreError> {
        let deliveries = deliveries.to_vec();
        self.write("record deliveries", move |writing| {
            deliveries.iter().try_for_each(|delivery| journal::done(writing, *delivery, &[]))
        })
        .await
    }

    async fn defer(&self, delivery: i64, not_before: i64, error: String) -> Result<(), StoreError> {
        self.write("put a delivery off", move |writing| journal::defer(writing, delivery, not_before, &error)).await
    }

    async fn fail(&self, delivery: i64, error: String, notice: Option<Incoming>) -> Result<(), StoreError> {
        let notice = notice.map(|notice| Entry::new(notice, &self.shared.printer));
        self.order("set a delivery aside", |answer| Box::new(Fail::new(delivery, error, notice, answer))).await
    }

    async fn lanes(&self, after: i64, limit: usize) -> Result<Vec<(i64, Lane)>, StoreError> {
        self.read("read the lanes", move |conn, sift| history::lanes(conn, after, limit, sift)).await
    }

    async fn pending(&self, lane: i64, after: i64, limit: usize) -> Result<Vec<Pending>, StoreError> {
        let limit = sql_limit(limit);
        self.read("read a lane", move |conn, sift| history::pending(conn, lane, after, limit, sift)).await
    }

    async fn waiting(&self, after: i64, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        let limit = sql_limit(limit);
        self.read("read what waits", move |conn, sift| history::waiting(conn, after, limit, sift)).await
    }

    async fn retry_now(&self, delivery: i64) -> Result<(i64, Lane), StoreError> {
        self.write("make a delivery due", move |writing| journal::retry_now(writing, delivery)).await
    }

    async fn drop_delivery(&self, delivery: i64) -> Result<(i64, Lane), StoreError> {
        self.write("drop a delivery", move |writing| journal::drop_delivery(writing, delivery)).await
    }

    async fn dead_letters(&self, before: Option<i64>, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        let limit = sql_limit(limit);
        self.read("read dead letters", move |conn, sift| history::dead_letters(conn, before, limit, sift)).await
    }

    async fn prune(&self, before: i64, limit: usize) -> Result<usize, StoreError> {
        let (mut removed, mut after) = (0, 0);
        while removed < limit {
            let step = PRUNE_STEP.min(limit - removed);
            let (gone, last) = self
                .write("forget old messages", move |writing| Ok(prune::prune(writing, before, after, step)?))
                .await?;
            removed += gone;
            after = last;
            if gone < step {
                break;
            }
        }
        Ok(removed)
    }

    async fn message_by_origin(&self, venue: &str, author: &str, id: &str) -> Result<Option<Message>, StoreError> {
        let (shared, venue, author, id) = (self.shared.clone(), venue.to_owned(), author.to_owned(), id.to_owned());
        self.read("find a message", move |conn, sift| {
            history::message_by_origin(conn, &shared, (&venue, &author, &id), sift)
        })
        .await
    }

    async fn message_at(&self, place: &str, id: &str) -> Result<Option<Message>, StoreError> {
        let (shared, place, id) = (self.shared.clone(), place.to_owned(), id.to_owned());
        self.read("find a message", move |conn, sift| history::message_at(conn, &shared, (&place, &id), sift)).await
    }

    async fn message_by_key(&self, conversation: &str, key: &str) -> Result<Option<Message>, StoreError> {
        let (shared, conversation, key) = (self.shared.clone(), conversation.to_owned(), key.to_owned());
        self.read("find a message", move |conn, sift| {
            history::message_by_key(conn, &shared, (&conversation, &key), sift)
        })
        .await
    }

    async fn ids_at(&self, message: i64, place: &str) -> Result<Vec<String>, StoreError> {
        let place = place.to_owned();
        self.read("read message ids", move |conn, sift| history::ids_at(conn, message, &place, sift)).await
    }

    async fn history(&self, conversation: &str, before: Option<i64>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let (shared, conversation) = (self.shared.clone(), conversation.to_owned());
        self.read("read a conversation", move |conn, sift| {
            history::history(conn, &shared, (&conversation, before), limit, sift)
        })
        .await
    }

    async fn conversations(&self, before: Option<i64>, limit: usize) -> Result<Vec<Message>, StoreError> {
        let shared = self.shared.clone();
        self.read("read the conversations", move |conn, sift| {
            history::conversations(conn, &shared, before, limit, sift)
        })
        .await
    }

    async fn conversations_with(&self, address: &str) -> Result<Vec<Message>, StoreError> {
        let (shared, address) = (self.shared.clone(), address.to_owned());
        self.read("read somebody's conversations", move |conn, sift| {
            history::conversations_with(conn, &shared, &address, sift)
        })
        .await
    }

    async fn answer(&self, account: &str, address: &str, message_id: &str) -> Result<Option<String>, StoreError> {
        let request = [account, address, message_id].map(str::to_owned);
        self.read("read an answer", move |conn, sift| {
            people::answer(conn, request.each_ref().map(String::as_str), sift)
        })
        .await
    }

    async fn remember_answer(
        &self,
        account: &str,
        address: &str,
        message_id: &str,
        answer: &str,
    ) -> Result<(), StoreError> {
        let request = [account, address, message_id].map(str::to_owned);
        let answer = answer.to_owned();
        self.write("remember an answer", move |writing| {
            people::remember_answer(writing, request.each_ref().map(String::as_str), &answer)
        })
        .await
    }

    async fn add_account(&self, account: Account) -> Result<(), StoreError> {
        self.write("add an account", move |writing| people::add_account(writing, &account)).await
    }

    async fn update_account(&self, account: Account) -> Result<(), StoreError> {
        self.write("change an account", move |writing| people::update_account(writing, &account)).await
    }

    async fn remove_account(&self, name: &str, address: &str) -> Result<(), StoreError> {
        let (name, address) = (name.to_owned(), address.to_owned());
        self.write("remove an account", move |writing| people::remove_account(writing, &name, &address)).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let name = name.to_owned();
        self.read("read an account", move |conn, sift| people::account(conn, &name, sift)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read("read the accounts", people::accounts).await
    }

    async fn add_token(&self, account: &str, hash: [u8; 32]) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.write("add a token", move |writing| people::add_token(writing, &account, &hash)).await
    }

    async fn revoke_tokens(&self, account: &str, keep: Option<[u8; 32]>) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.write("revoke tokens", move |writing| people::revoke_tokens(writing, &account, keep.as_ref())).await
    }

    async fn account_of_token(&self, hash: [u8; 32]) -> Result<Option<String>, StoreError> {
        self.read("look a token up", move |conn, _| people::account_of_token(conn, &hash)).await
    }

    async fn accounts_of_tokens(&self, hashes: Vec<[u8; 32]>) -> Result<Vec<Option<String>>, StoreError> {
        let all = move |conn: &_| hashes.iter().map(|hash| people::account_of_token(conn, hash)).collect();
        self.read("look tokens up", move |conn, _| all(conn)).await
    }

    async fn set_relation(&self, relation: Relation) -> Result<(), StoreError> {
        self.write("set a relation", move |writing| people::set_relation(writing, &relation)).await
    }

    async fn remove_relation(&self, account: &str, place: &str) -> Result<(), StoreError> {
        let (account, place) = (account.to_owned(), place.to_owned());
        self.write("end a relation", move |writing| people::remove_relation(writing, &account, &place)).await
    }

    async fn relations(&self) -> Result<Vec<Relation>, StoreError> {
        self.read("read the relations", people::relations).await
    }

    async fn add_link(&self, ends: Vec<LinkEnd>) -> Result<Link, StoreError> {
        self.write("add a link", move |writing| places::add_link(writing, &ends)).await
    }

    async fn remove_link(&self, id: i64) -> Result<(), StoreError> {
        self.write("remove a link", move |writing| places::remove_link(writing, id)).await
    }

    async fn remove_link_end(&self, address: &str) -> Result<(), StoreError> {
        let address = address.to_owned();
        self.write("take an end out of a link", move |writing| places::remove_link_end(writing, &address)).await
    }

    async fn links(&self) -> Result<Vec<Link>, StoreError> {
        self.read("read the links", places::links).await
    }

    async fn add_mapping(&self, mapping: Mapping) -> Result<(), StoreError> {
        let age = self.shared.mappings.age();
        match self.mapped(&mapping.bridge, &mapping.address).await? {
            Some(known) if known.remote_id != mapping.remote_id => {
                return Err(places::taken(&mapping.address, &known.remote_id));
            }
            Some(known) if known.alias || !mapping.alias => return Ok(()),
            _ => {}
        }
        let (bridge, address) = (mapping.bridge.clone(), mapping.address.clone());
        let mapped = self.write("add a mapping", move |writing| places::add_mapping(writing, &mapping)).await?;
        self.shared.mappings.put(age, &bridge, &address, mapped);
        Ok(())
    }

    async fn remove_mapping(&self, bridge: &str, address: &str) -> Result<(), StoreError> {
        let (bridge, address) = (bridge.to_owned(), address.to_owned());
        let removed =
            self.write("remove an alias", move |writing| places::remove_mapping(writing, &bridge, &address)).await;
        // After the commit: what is read from now on is without it.
        self.shared.mappings.clear();
        removed
    }

    async fn mapped_id(&self, bridge: &str, address: &str) -> Result<Option<String>, StoreError> {
        Ok(self.mapped(bridge, address).await?.map(|mapped| mapped.remote_id))
    }

    async fn aliases(&self) -> Result<Vec<Mapping>, StoreError> {
        self.read("read the aliases", places::aliases).await
    }

    async fn mappings(&self, bridge: Option<&str>, after: &str, limit: usize) -> Result<Vec<Mapping>, StoreError> {
        let (bridge, after, limit) = (bridge.map(str::to_owned), after.to_owned(), sql_limit(limit));
        self.read("read the mappings", move |conn, sift| {
            places::mappings(conn, bridge.as_deref(), (&after, limit), sift)
        })
        .await
    }

    async fn put_call(&self, call: CallRow) -> Result<(), StoreError> {
        self.write("write a call", move |writing| Ok(calls::put(writing, &call)?)).await
    }

    async fn calls_going_on(&self) -> Result<Vec<CallRow>, StoreError> {
        self.read("read the calls that go on", calls::going_on).await
    }

    async fn calls(&self, before: Option<i64>, limit: usize) -> Result<Vec<CallRow>, StoreError> {
        self.read("read calls", move |conn, sift| calls::newest(conn, before, limit, sift)).await
    }

    async fn load(&self, owner: &str, key: &str) -> Result<Option<String>, StoreError> {
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.read("load a value", move |conn, sift| people::load(conn, &owner, &key, sift)).await
    }

    async fn save(&self, owner: &str, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let (owner, key, value) = (owner.to_owned(), key.to_owned(), value.map(str::to_owned));
        self.write("save a value", move |writing| Ok(people::keep(writing.conn, &owner, &key, value.as_deref())?)).await
    }

    async fn load_all(&self, owner: &str, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let (owner, prefix) = (owner.to_owned(), prefix.to_owned());
        self.read("load values", move |conn, sift| people::load_all(conn, &owner, &prefix, sift)).await
    }

    async fn revision(&self) -> Result<i64, StoreError> {
        let doing = "look for changes";
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Look(answer)).await.map_err(|_| closed(doing))?;
        answered.await.map_err(|_| closed(doing))?;
        Ok(self.shared.revision.load(Ordering::Acquire))
    }

    fn on_commit(&self, hook: CommitHook) {
        *self.shared.hook.write() = Some(hook);
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        let oldest_waiting = self.read("read figures", |conn, _| history::oldest_waiting(conn)).await?;
        self.write("prove that writing works", move |writing| {
            writing.counters.proved += 1;
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            Ok(Stats {
                waiting: count(writing.counters.waiting),
                oldest_waiting,
                messages: count(writing.counters.messages),
                dead: count(writing.counters.dead),
            })
        })
        .await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let doing = "write a copy";
        let to = to.to_owned();
        let copied = self.readers.run(doing, move |conn| copy::back_up(conn, &to)).await?;
        copied.map_err(|error| match error {
            CopyError::Exists(_) => StoreError::Conflict(error.to_string()),
            other => StoreError::Failed { doing, why: other.to_string() },
        })
    }

    async fn close(&self) {
        self.readers.close().await;
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Close(answer)).await.is_ok() {
            // An error says that it has ended already.
            let _ended = answered.await;
        }
    }
}
