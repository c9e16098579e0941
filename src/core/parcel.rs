//! A journalled message on its way to one or more lanes: its body is read once, and the frame for
//! Monster accounts is made once, however many are told. Made by the commit hook and by lanes that
//! read from the journal; used by `deliver`.

use super::body::Body;
use super::port::Outgoing;
use crate::store::NewMessage;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// A message with what was worked out of it so far.
pub(crate) struct Parcel {
    /// The store's number of it.
    pub id: i64,
    /// When it was journalled, in milliseconds since 1970.
    pub journalled: i64,
    /// The message.
    pub message: Arc<NewMessage>,
    body: OnceLock<Option<Body>>,
    /// What Monster accounts are told, by the address that tells them.
    outgoing: Mutex<Vec<(String, Arc<Outgoing>)>>,
}

impl Parcel {
    pub(crate) fn new(id: i64, journalled: i64, message: Arc<NewMessage>) -> Arc<Self> {
        Arc::new(Self { id, journalled, message, body: OnceLock::new(), outgoing: Mutex::default() })
    }

    /// What the message says; `None` if its record cannot be read.
    pub(crate) fn body(&self) -> Option<&Body> {
        let read = || match Body::from_bytes(&self.message.body) {
            Ok(body) => Some(body),
            Err(error) => {
                tracing::error!(message = self.id, %error, "a stored message cannot be read; it is set aside");
                None
            }
        };
        self.body.get_or_init(read).as_ref()
    }

    /// What Monster accounts that are told by `via` get, if it has been made.
    pub(crate) fn made(&self, via: &str) -> Option<Arc<Outgoing>> {
        let outgoing = self.outgoing.lock();
        outgoing.iter().find(|(known, _)| known == via).map(|(_, outgoing)| Arc::clone(outgoing))
    }

    /// Keeps it for the others.
    pub(crate) fn keep(&self, via: &str, made: Outgoing) -> Arc<Outgoing> {
        let made = Arc::new(made);
        self.outgoing.lock().push((via.to_owned(), Arc::clone(&made)));
        made
    }
}
