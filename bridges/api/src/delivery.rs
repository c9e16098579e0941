//! What the core asks a bridge to do on its network, and what the bridge answers.

use crate::{Author, Content, EventId, Membership, MessageKey, Presence, RemoteId, RoomProfile};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// One thing to do on the bridge's network. Deliveries to one target come in order, the next one
/// only after the one before has been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The key of what is done: the same again on every try, and the same wherever it is delivered.
    /// An edit, a recall and a reaction each have a key of their own.
    pub key: MessageKey,
    /// The room or person it goes to.
    pub target: RemoteId,
    /// Who says it.
    pub author: Author,
    /// How the author appears, where the link says otherwise than the instance.
    pub posting: Option<Posting>,
    /// What to do.
    pub action: Action,
    /// When the gateway took it on. Nothing that the network holds from before is this delivery.
    pub accepted: SystemTime,
}

/// How far the clock of another machine may be off.
const CLOCKS_DIFFER: Duration = Duration::from_hours(1);

impl Delivery {
    /// How far back to look for it in what the network keeps, by the network's clock.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.accepted.checked_sub(CLOCKS_DIFFER).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// How people outside the network appear on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Posting {
    /// Each has a connection or ghost of their own.
    Puppets,
    /// One connection speaks for all and names the author.
    Relay,
}

/// What to do. An action that the bridge's [`crate::Capabilities`] do not grade
/// [`crate::Support::Full`] never arrives: the core has put it into words before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Say something.
    Send {
        /// What.
        content: Content,
        /// The message it answers. (`content.reply_to` is of another network and not set here.)
        reply_to: Option<Reference>,
    },
    /// Make an earlier message of the same author say something else.
    Edit {
        /// The earlier message.
        target: Reference,
        /// What it says now.
        content: Content,
    },
    /// Withdraw an earlier message.
    Recall {
        /// The earlier message.
        target: Reference,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// Put an emoji to an earlier message, or take it back.
    React {
        /// The earlier message.
        target: Reference,
        /// The emoji.
        emoji: String,
        /// True to take it back.
        remove: bool,
    },
    /// The author came to a room that the target is linked with, left it, or has another name.
    Membership(Membership),
    /// The author changed what such a room is called, or what it is about.
    RoomProfile(RoomProfile),
}

/// Something worth passing on at once or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintDelivery {
    /// The room or person it goes to.
    pub target: RemoteId,
    /// Whom it is about.
    pub author: Author,
    /// What it is.
    pub kind: HintKind,
}

/// What is passed on at once or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HintKind {
    /// The author is typing, or stopped.
    Typing(bool),
    /// The author has read everything up to the message.
    Read(Reference),
    /// The author is here, or is not.
    Presence(Presence),
    /// The author is called something else, or has another picture, as [`HintDelivery::author`] says.
    Profile,
}

/// An earlier message, as the bridge's network knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The ids it has there: several where it was split, at least one.
    pub ids: Vec<EventId>,
    /// The gateway's own key of it.
    pub key: MessageKey,
    /// Who wrote it: a user of this network by id, or nobody of it.
    pub author: Option<RemoteId>,
    /// Who wrote it, by name.
    pub author_name: String,
    /// Its first words.
    pub excerpt: String,
}

/// A delivery was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The ids that the network gave to what was sent, in order; none where it gives none. Later
    /// edits, recalls and reactions name them.
    pub ids: Vec<EventId>,
}

/// A delivery was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It may work later; nothing has reached the network.
    #[error("{why}")]
    Transient {
        /// What stood in the way.
        why: String,
        /// Not before this long from now, where the network said so.
        retry_after: Option<Duration>,
    },
    /// It will never work; the sender is told `why`.
    #[error("{why}")]
    Permanent {
        /// For the person who sent it.
        why: String,
    },
    /// It may have reached the network, e.g. the connection broke before the acknowledgement. The
    /// core asks [`crate::Bridge::find`] before it sends again.
    #[error("{why}")]
    Uncertain {
        /// What happened.
        why: String,
    },
}

impl DeliveryError {
    /// It may work later.
    pub fn transient(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), retry_after: None }
    }

    /// It will never work.
    pub fn permanent(why: impl Into<String>) -> Self {
        Self::Permanent { why: why.into() }
    }

    /// It may have worked.
    pub fn uncertain(why: impl Into<String>) -> Self {
        Self::Uncertain { why: why.into() }
    }
}

/// What became of a delivery whose outcome was uncertain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It reached the network.
    Delivered(Receipt),
    /// It did not: sending it again makes no second one.
    Absent,
    /// The network has no means to tell. The core sends again: a message twice is better than a
    /// message lost.
    Unknown,
}
