//! One message as the account that reads it is told: the same as a frame on its home socket would
//! have told it.

use crate::core::body::{Body, Quote, Said, Scene};
use crate::core::deliver::{act_for, quote_of};
use crate::core::keys::peers_id;
use crate::core::port::Act;
use crate::store::Message;
use monster_protocol::{Address, CallLine};

/// A message for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The store's number of it, growing.
    pub number: i64,
    /// The id by which the account knows it: its own, or the key.
    pub id: String,
    /// Who said it.
    pub author: String,
    /// What people call them.
    pub author_name: String,
    /// When, in ms since the epoch.
    pub at: i64,
    /// What sort of row it is.
    pub kind: RowKind,
    /// What happened.
    pub act: Act,
    /// Of the line that a call left: what became of it.
    pub call: Option<Box<CallLine>>,
    /// The message that it refers to.
    pub quote: Option<Quoted>,
    /// Its first words.
    pub excerpt: String,
}

/// What sort of row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Somebody says something.
    Text,
    /// An earlier message says something else.
    Edit,
    /// An emoji is put to a message.
    Reaction,
    /// A message or reaction is withdrawn.
    Recall,
    /// Somebody asks to be a contact, or agrees.
    Request,
    /// Somebody ends the relation, or declines.
    Close,
    /// The gateway or a bridge says something.
    Notice,
}

/// A message that is referred to, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// Who said it.
    pub author: String,
    /// What people call them.
    pub author_name: String,
    /// Its first words.
    pub excerpt: String,
}

impl Row {
    /// The message as this account is told; `None` if it is told nothing, or it cannot be read.
    pub(super) fn of(message: &Message, account: &Address) -> Option<Self> {
        let (number, message) = (message.id, &message.message);
        let body = Body::from_bytes(&message.body).ok()?;
        let act = act_for(&body, &message.author_name, account)?;
        let kind = kind_of(&act, &body.act);
        if kind == RowKind::Notice && message.author == account.as_str() {
            // It is told to the other side only, e.g. what became of a call there.
            return None;
        }
        let own = peers_id(&message.origin_id).filter(|_| message.author == account.as_str());
        Some(Self {
            number,
            id: own.unwrap_or(&message.key).to_owned(),
            author: message.author.clone(),
            author_name: message.author_name.clone(),
            at: message.at,
            kind,
            act,
            call: body.call.clone(),
            quote: quote_of(&body.act).map(Quoted::from),
            excerpt: message.excerpt.clone(),
        })
    }

    /// Whether it has words that a list of conversations can show.
    pub(super) fn has_words(&self) -> bool {
        matches!(self.kind, RowKind::Text | RowKind::Edit | RowKind::Notice)
    }

    /// Whether it counts as unread for this account until it has read it.
    pub(super) fn counts(&self, account: &Address) -> bool {
        let is_said = self.kind == RowKind::Text || self.call.as_ref().is_some_and(|call| call.missed);
        is_said && self.author != account.as_str()
    }
}

/// Whether it was said in a room of another Monster server, which the account is told by that room.
pub(super) fn is_of_foreign_room(message: &Message) -> bool {
    Body::from_bytes(&message.message.body).is_ok_and(|body| matches!(body.scene, Scene::Foreign(_)))
}

fn kind_of(act: &Act, said: &Said) -> RowKind {
    match act {
        Act::Say { .. } if matches!(said, Said::Send { .. }) => RowKind::Text,
        Act::Say { .. } => RowKind::Notice,
        Act::Edit { .. } => RowKind::Edit,
        Act::React { .. } => RowKind::Reaction,
        Act::Recall { .. } => RowKind::Recall,
        Act::Ask { .. } => RowKind::Request,
        Act::Close => RowKind::Close,
    }
}

impl From<&Quote> for Quoted {
    fn from(quote: &Quote) -> Self {
        Self { author: quote.author.clone(), author_name: quote.author_name.clone(), excerpt: quote.excerpt.clone() }
    }
}
