//! The records that a store keeps. Addresses are canonical Monster addresses as text; times are
//! milliseconds since the epoch.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A local account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name in its address.
    pub name: String,
    /// What it is.
    pub kind: AccountKind,
    /// What people call it; the name if `None`.
    pub nickname: Option<String>,
    /// URL of a picture.
    pub picture: Option<String>,
    /// For a group: what its 1001 asks for.
    pub pass: Option<String>,
    /// When it was made.
    pub created: i64,
}

/// What a local account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// Somebody.
    Person,
    /// A room.
    Group,
}

/// A message to be journalled.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// The message.
    pub message: Arc<NewMessage>,
    /// The lanes it goes to, in order, without repetition; none for a message that nobody gets.
    pub lanes: Vec<Lane>,
    /// Bridge state saved with it: (owner, key, value).
    pub cursor: Option<(String, String, String)>,
}

/// What is journalled of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// The gateway's own id of it, unique within its conversation.
    pub key: String,
    /// The conversation: the address of the room, the link (`link:7`), or the two people
    /// (`@a… @b…`, sorted).
    pub conversation: String,
    /// The address at which it was said: a room, or whom it was said to.
    pub venue: String,
    /// The address of who said it.
    pub author: String,
    /// What people call them.
    pub author_name: String,
    /// The id that its author's side gave it.
    pub origin_id: String,
    /// Its first words.
    pub excerpt: String,
    /// All of it, in the core's own form.
    pub body: Vec<u8>,
    /// When it was said.
    pub at: i64,
}

/// A journalled message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The store's number of it, growing.
    pub id: i64,
    /// What it is.
    pub message: Arc<NewMessage>,
}

/// What became of a message handed to the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Journalled {
    /// It is new.
    New {
        /// The store's number of it.
        id: i64,
    },
    /// It was there before.
    Known {
        /// The store's number of it.
        id: i64,
    },
}

/// Where deliveries stand in line: one goes out after the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane {
    /// Who takes them: a bridge instance's name, or the address of a Monster account. (An address
    /// starts with `@`, an instance never does.)
    pub to: String,
    /// For a bridge: the address of the room or person. For a Monster account: the address that
    /// speaks to it.
    pub via: String,
}

impl Lane {
    /// The place at which its deliveries arrive, and under which the ids they are given there are
    /// kept: the Monster account, or the room or person on the bridge's network.
    pub fn place(&self) -> &str {
        if self.to.starts_with('@') { &self.to } else { &self.via }
    }
}

/// A delivery that was just committed.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its number; also its place in the lane.
    pub delivery: i64,
    /// The lane's number.
    pub lane_id: i64,
    /// The lane.
    pub lane: Lane,
    /// The message's number.
    pub message_id: i64,
    /// The message.
    pub message: Arc<NewMessage>,
}

/// A delivery that waits.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its number; also its place in the lane.
    pub delivery: i64,
    /// The message's number.
    pub message_id: i64,
    /// The message.
    pub message: Arc<NewMessage>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not before then.
    pub not_before: i64,
    /// When it was journalled.
    pub created: i64,
}

/// A delivery that waits, for people.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// Where it stands.
    pub lane: Lane,
    /// The key of its message.
    pub message_key: String,
    /// The address of who said it.
    pub author: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Next try.
    pub not_before: i64,
    /// When it was journalled.
    pub created: i64,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// A delivery that will never be done.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DeadLetter {
    /// The number it had.
    pub id: i64,
    /// Where it stood.
    pub lane: Lane,
    /// The key of its message.
    pub message_key: String,
    /// The address of who said it.
    pub author: String,
    /// Why.
    pub error: String,
    /// When it was given up.
    pub at: i64,
}

/// How a Monster account stands to an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relation {
    /// The Monster account.
    pub account: String,
    /// The room or person.
    pub place: String,
    /// How it stands.
    pub state: RelationState,
    /// The pass it gave, where the other network asks for it again (an IRC channel key).
    pub pass: Option<String>,
    /// What people call the account, as it last said.
    pub nickname: Option<String>,
    /// Since when.
    pub since: i64,
}

/// How a relation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelationState {
    /// In.
    Accepted,
    /// The account asked, the place has to decide.
    Asked,
    /// The place asked, the account has to decide.
    Invited,
}

/// Rooms joined into one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its number.
    pub id: i64,
    /// The rooms.
    pub ends: Vec<LinkEnd>,
    /// When it was made.
    pub created: i64,
}

/// One room of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkEnd {
    /// Its address.
    pub address: String,
    /// How others appear in it (`puppets`, `relay`), where not as its instance says.
    pub posting: Option<String>,
}

/// An address that stands for a remote id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The bridge instance.
    pub bridge: String,
    /// The id on its network.
    pub remote_id: String,
    /// The address.
    pub address: String,
    /// Added by an administrator.
    pub alias: bool,
}

/// A call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallRow {
    /// The store's number of it, growing; not read when it is written.
    pub number: i64,
    /// The gateway's id of it.
    pub id: String,
    /// The address of who called.
    pub caller: String,
    /// What people call them.
    pub caller_name: String,
    /// The address of who was called.
    pub callee: String,
    /// What people call them.
    pub callee_name: String,
    /// What the caller's side calls it.
    pub wire: String,
    /// What it began as: `voice` or `video`.
    pub media: String,
    /// Whether there was video at any time.
    pub video: bool,
    /// When it began.
    pub began: i64,
    /// When the first device rang.
    pub ringing: Option<i64>,
    /// When somebody answered.
    pub answered: Option<i64>,
    /// When media had come from every leg.
    pub first_media: Option<i64>,
    /// When it was over; `None` while it goes on.
    pub ended: Option<i64>,
    /// What became of it.
    pub outcome: Option<String>,
    /// Why it ended, as a code.
    pub reason: Option<String>,
    /// Who ended it, `caller` or `callee`.
    pub ended_by: Option<String>,
    /// Figures of its media, in the form of whoever wrote them.
    pub figures: Option<String>,
}

/// Figures of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Deliveries that wait.
    pub waiting: u64,
    /// When the oldest of them was journalled; 0 if none.
    pub oldest_waiting: i64,
    /// Messages kept.
    pub messages: u64,
    /// Deliveries given up.
    pub dead: u64,
}
