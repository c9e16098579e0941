//! Writing what was said into the journal: the one place that fills the store's record of a
//! message. Used by requests of Monster peers, events of bridges, and notices.

use super::body::Body;
use crate::store::{Incoming, Lane, NewMessage};
use std::sync::Arc;

/// A message on its way into the journal.
pub(crate) struct Entry {
    pub key: String,
    pub conversation: String,
    pub venue: String,
    pub author: String,
    pub author_name: String,
    /// In its stored form (`keys::stored_id`).
    pub origin_id: String,
    pub at: i64,
    pub body: Body,
    pub lanes: Vec<Lane>,
    /// Bridge state that is saved with it: (instance, key, value).
    pub cursor: Option<(String, String, String)>,
}

impl Entry {
    pub(crate) fn into_incoming(self) -> Incoming {
        let message = NewMessage {
            key: self.key,
            conversation: self.conversation,
            venue: self.venue,
            author: self.author,
            author_name: self.author_name,
            origin_id: self.origin_id,
            excerpt: self.body.excerpt(),
            body: self.body.to_bytes(),
            at: self.at,
        };
        Incoming { message: Arc::new(message), lanes: self.lanes, cursor: self.cursor }
    }
}
