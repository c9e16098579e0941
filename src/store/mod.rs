//! What the gateway remembers: the mapping of addresses, links, relations, message ids, and the
//! journal of messages with their deliveries.
//!
//! [`Store`] is the seam: `core` and the commands know only it, `sqlite` implements it, and
//! `conformance` is the suite that every implementation passes. Nothing in here knows what a
//! message says: bodies are bytes. Nothing above assumes to be the only process: a change made by
//! another one is seen through [`Store::revision`].

#[cfg(test)]
mod conformance;
mod lock;
mod records;
pub mod sqlite;

pub use lock::{InstanceLock, LockError};
pub use records::{
    Account, AccountKind, CallRow, Committed, DeadLetter, Incoming, Journalled, Lane, Link, LinkEnd, Mapping, Message,
    NewMessage, Pending, Relation, RelationState, Stats, Waiting,
};

use async_trait::async_trait;
use std::path::Path;
use std::sync::Arc;

/// Called after each commit that made deliveries, in the order of their ids, on the store's own
/// thread: it must not block. It may come after whoever made the delivery was answered, but before
/// anything that is asked of the store after that answer is written. A hint only: what is lost here
/// is found by [`Store::pending`].
pub type CommitHook = Arc<dyn Fn(&[Committed]) + Send + Sync>;

/// The store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// What was asked contradicts what is stored; nothing was changed. For the person who asked.
    #[error("{0}")]
    Conflict(String),
    /// There is no such thing. For the person who asked.
    #[error("{0}")]
    Missing(String),
    /// The store itself failed (disk, damage); nothing was changed. Try again.
    #[error("the store failed to {doing}: {why}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        why: String,
    },
    /// More is queued than the store takes now. Try again.
    #[error("the store is busy")]
    Busy,
}

/// What a store does. Every method that changes something returns after the change is durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // -- journal ---------------------------------------------------------------------------

    /// Writes a message, its deliveries and its cursor in one transaction. The same origin again
    /// writes nothing but answers which message it was; so does the same key in one conversation.
    async fn accept(&self, incoming: Incoming) -> Result<Journalled, StoreError>;

    /// The same for several messages, in this order and in one transaction: all of them are written,
    /// or none is. What becomes of each stands in its place.
    async fn accept_all(&self, incoming: Vec<Incoming>) -> Result<Vec<Journalled>, StoreError>;

    /// A delivery was done, and the ids the other side gave it: removes the delivery and remembers
    /// the ids at the lane's [place](Lane::place) in one transaction. Give none where the other side
    /// knows the message by its key (a Monster account). Unknown deliveries are no error.
    async fn done(&self, delivery: i64, ids: Vec<String>) -> Result<(), StoreError>;

    /// The same for many deliveries at once that were given no ids.
    async fn done_all(&self, deliveries: &[i64]) -> Result<(), StoreError>;

    /// A try failed and another is due at `not_before` (ms since the epoch).
    async fn defer(&self, delivery: i64, not_before: i64, error: String) -> Result<(), StoreError>;

    /// A delivery will never be done: sets it aside as a dead letter and, in the same transaction,
    /// journals what its sender is told. Unknown deliveries are no error, and nobody is told.
    async fn fail(&self, delivery: i64, error: String, notice: Option<Incoming>) -> Result<(), StoreError>;

    /// Lanes that have deliveries waiting, with a lane id above `after`, in order, at most `limit`.
    async fn lanes(&self, after: i64, limit: usize) -> Result<Vec<(i64, Lane)>, StoreError>;

    /// The waiting deliveries of a lane with an id above `after`, in order, at most `limit`.
    async fn pending(&self, lane: i64, after: i64, limit: usize) -> Result<Vec<Pending>, StoreError>;

    /// What waits, for people: oldest first, with a delivery id above `after`, at most `limit`.
    async fn waiting(&self, after: i64, limit: usize) -> Result<Vec<Waiting>, StoreError>;

    /// Makes a waiting delivery due now and gives its lane; `Missing` if it does not wait.
    async fn retry_now(&self, delivery: i64) -> Result<(i64, Lane), StoreError>;

    /// Drops a waiting delivery and gives its lane; `Missing` if it does not wait.
    async fn drop_delivery(&self, delivery: i64) -> Result<(i64, Lane), StoreError>;

    /// What could not be delivered, the highest number first, below number `before` if given, at
    /// most `limit`.
    async fn dead_letters(&self, before: Option<i64>, limit: usize) -> Result<Vec<DeadLetter>, StoreError>;

    /// Removes messages, ids, answers, dead letters and calls older than `before` (ms since the epoch)
    /// that nothing waits for; at most `limit` in a call. Returns how many: when it is less than
    /// `limit`, there is no more.
    async fn prune(&self, before: i64, limit: usize) -> Result<usize, StoreError>;

    // -- message ids -----------------------------------------------------------------------

    /// The message that `author` gave the id `id` at `venue`.
    async fn message_by_origin(&self, venue: &str, author: &str, id: &str) -> Result<Option<Message>, StoreError>;

    /// The message that is known at `place` by the id `id`: said there with it, or delivered there
    /// and given it.
    async fn message_at(&self, place: &str, id: &str) -> Result<Option<Message>, StoreError>;

    /// The message with this key in this conversation. (A key is unique within a conversation only:
    /// the same words told to two people by one foreign room have one key.)
    async fn message_by_key(&self, conversation: &str, key: &str) -> Result<Option<Message>, StoreError>;

    /// The ids that a message was given when it was delivered at `place`, in order. (The one its
    /// author's side gave it is in the message itself.)
    async fn ids_at(&self, message: i64, place: &str) -> Result<Vec<String>, StoreError>;

    /// The newest messages of a conversation, newest first, older than message `before` if given.
    async fn history(&self, conversation: &str, before: Option<i64>, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// Conversations with their newest message, newest first; only those whose newest message is
    /// older than message `before` if given; at most `limit`.
    async fn conversations(&self, before: Option<i64>, limit: usize) -> Result<Vec<Message>, StoreError>;

    /// The newest message of each conversation of two people of whom this address is one, in any
    /// order.
    async fn conversations_with(&self, address: &str) -> Result<Vec<Message>, StoreError>;

    // -- answers -----------------------------------------------------------------------------

    /// The answer that was given to a request that is not journalled (1001, 1004), if it was.
    async fn answer(&self, account: &str, address: &str, message_id: &str) -> Result<Option<String>, StoreError>;

    /// Remembers the answer. The first one stays.
    async fn remember_answer(
        &self,
        account: &str,
        address: &str,
        message_id: &str,
        answer: &str,
    ) -> Result<(), StoreError>;

    // -- accounts ----------------------------------------------------------------------------

    /// Makes a local account; `Conflict` if the name is taken.
    async fn add_account(&self, account: Account) -> Result<(), StoreError>;

    /// Changes nickname, picture and pass of an account; `Missing` if there is none of that name.
    async fn update_account(&self, account: Account) -> Result<(), StoreError>;

    /// Removes the account `name`, and all that its `address` stands for: tokens, relations to and
    /// from it, its end of a link (a link with one end left ends), the answers it was given, and
    /// what waits to be delivered to it. `Missing` if there is no such account.
    async fn remove_account(&self, name: &str, address: &str) -> Result<(), StoreError>;

    /// An account by name.
    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError>;

    /// All accounts, by name.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// Lets whoever has the token with this SHA-256 speak for the account; `Missing` if there is
    /// no such account.
    async fn add_token(&self, account: &str, hash: [u8; 32]) -> Result<(), StoreError>;

    /// Ends all tokens of an account but the one given.
    async fn revoke_tokens(&self, account: &str, keep: Option<[u8; 32]>) -> Result<(), StoreError>;

    /// Whose token this is.
    async fn account_of_token(&self, hash: [u8; 32]) -> Result<Option<String>, StoreError>;

    /// Whose tokens these are, in their order.
    async fn accounts_of_tokens(&self, hashes: Vec<[u8; 32]>) -> Result<Vec<Option<String>>, StoreError>;

    // -- relations -----------------------------------------------------------------------------

    /// Sets how a Monster account stands to an address (member of a room, contact of a person).
    async fn set_relation(&self, relation: Relation) -> Result<(), StoreError>;

    /// Ends it.
    async fn remove_relation(&self, account: &str, place: &str) -> Result<(), StoreError>;

    /// All relations. (The core keeps them in memory; the table is the truth.)
    async fn relations(&self) -> Result<Vec<Relation>, StoreError>;

    // -- links -----------------------------------------------------------------------------------

    /// Joins the ends into one conversation. Ends that one existing link has extend that link, and
    /// a `posting` given for an end it has replaces the one there; `Conflict` if they stand in two
    /// different links, or if the link would have fewer than two ends. Returns the link as it is
    /// now. The number of a link is never used again.
    async fn add_link(&self, ends: Vec<LinkEnd>) -> Result<Link, StoreError>;

    /// Removes a link; `Missing` if there is none.
    async fn remove_link(&self, id: i64) -> Result<(), StoreError>;

    /// Takes an address out of the link that it is an end of; a link that is left with one end goes
    /// too. `Missing` if it is in none.
    async fn remove_link_end(&self, address: &str) -> Result<(), StoreError>;

    /// All links, by id.
    async fn links(&self) -> Result<Vec<Link>, StoreError>;

    // -- mapping -----------------------------------------------------------------------------------

    /// Remembers that an address stands for a remote id; `Conflict` if it stands for another id
    /// already, so that two remote identities never share an address. `alias`: added by an
    /// administrator. Known mappings cost no write.
    async fn add_mapping(&self, mapping: Mapping) -> Result<(), StoreError>;

    /// Removes an alias; `Missing` if the address is none.
    async fn remove_mapping(&self, bridge: &str, address: &str) -> Result<(), StoreError>;

    /// The remote id that an address stands for.
    async fn mapped_id(&self, bridge: &str, address: &str) -> Result<Option<String>, StoreError>;

    /// The aliases that administrators added.
    async fn aliases(&self) -> Result<Vec<Mapping>, StoreError>;

    /// Mappings of a bridge (of all if `None`) whose address is above `after`, by address, at most
    /// `limit`.
    async fn mappings(&self, bridge: Option<&str>, after: &str, limit: usize) -> Result<Vec<Mapping>, StoreError>;

    // -- calls -----------------------------------------------------------------------------------

    /// Writes a call, or what has changed of it since. One that is over does not change any more.
    async fn put_call(&self, call: CallRow) -> Result<(), StoreError>;

    /// The calls without an end, oldest first.
    async fn calls_going_on(&self) -> Result<Vec<CallRow>, StoreError>;

    /// Calls, newest first, with a number below `before` if given, at most `limit`.
    async fn calls(&self, before: Option<i64>, limit: usize) -> Result<Vec<CallRow>, StoreError>;

    // -- what bridges and the gateway keep -----------------------------------------------------

    /// A value that `owner` (a bridge instance, or `gateway`) saved.
    async fn load(&self, owner: &str, key: &str) -> Result<Option<String>, StoreError>;

    /// Saves a value, or removes it.
    async fn save(&self, owner: &str, key: &str, value: Option<&str>) -> Result<(), StoreError>;

    /// All values of `owner` whose key starts with `prefix`, by key.
    async fn load_all(&self, owner: &str, prefix: &str) -> Result<Vec<(String, String)>, StoreError>;

    // -- the store itself ------------------------------------------------------------------------

    /// Changes whenever another process changed the store, and only then.
    async fn revision(&self) -> Result<i64, StoreError>;

    /// Sets who is told of new deliveries.
    fn on_commit(&self, hook: CommitHook);

    /// Figures for metrics and health; proves that reading and writing work.
    async fn stats(&self) -> Result<Stats, StoreError>;

    /// Writes a consistent copy to a file that must not exist, while everything goes on.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    /// Finishes what is queued and closes.
    async fn close(&self);
}
