//! The lines a session wants to send, in order, in classes, bounded. Pacing is the I/O half's
//! business: it takes urgent lines whenever it can write, and the others when its bucket allows.

use super::request::{RequestId, SendToken};
use std::{collections::VecDeque, fmt};

/// Lines to write to the server in one piece.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The bytes, CR LF included.
    pub bytes: Vec<u8>,
    /// How many lines they are, for pacing. More than one must not be torn apart.
    pub lines: usize,
    pub(super) note: Note,
}

/// What has to be noted once lines are handed out to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    /// A part of a message, or its fence.
    Send(SendToken),
    Request(RequestId),
}

/// How urgent a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Not paced: registration, `PONG`, `PING`, `QUIT`.
    Urgent,
    /// `JOIN`, `WHOIS`, `NICK`; in turn with messages.
    Control,
    /// Messages, in their order.
    Message,
}

/// The queue of one session.
#[derive(Debug, Default)]
pub(super) struct Queue {
    urgent: VecDeque<Outgoing>,
    control: VecDeque<Outgoing>,
    messages: VecDeque<Outgoing>,
    /// Whose turn is next, of the two classes that are paced.
    messages_next: bool,
}

/// So many pieces may wait in the classes that others fill.
const MAX_WAITING: usize = 512;
/// A server cannot make us queue more answers than this.
const MAX_URGENT: usize = 256;

impl Queue {
    /// True if there is room for so many more pieces.
    pub(super) fn has_room(&self, class: Class, pieces: usize) -> bool {
        let (waiting, most) = match class {
            Class::Urgent => (self.urgent.len(), MAX_URGENT),
            Class::Control => (self.control.len(), MAX_WAITING),
            Class::Message => (self.messages.len(), MAX_WAITING),
        };
        waiting + pieces <= most
    }

    /// Puts a piece at the end of its class; false if there is no room.
    pub(super) fn push(&mut self, class: Class, piece: Outgoing) -> bool {
        if !self.has_room(class, 1) {
            return false;
        }
        match class {
            Class::Urgent => self.urgent.push_back(piece),
            Class::Control => self.control.push_back(piece),
            Class::Message => self.messages.push_back(piece),
        }
        true
    }

    pub(super) fn take_urgent(&mut self) -> Option<Outgoing> {
        self.urgent.pop_front()
    }

    pub(super) fn take(&mut self) -> Option<Outgoing> {
        if let Some(piece) = self.urgent.pop_front() {
            return Some(piece);
        }
        // A thousand channels to join do not hold a message up, nor messages a join.
        let one_is_empty = self.control.is_empty() || self.messages.is_empty();
        let is_message = if one_is_empty { self.control.is_empty() } else { self.messages_next };
        let piece = if is_message { self.messages.pop_front() } else { self.control.pop_front() }?;
        self.messages_next = !is_message;
        Some(piece)
    }

    /// How many pieces wait for the pacing.
    pub(super) fn paced(&self) -> usize {
        self.control.len() + self.messages.len()
    }

    /// Forgets the paced pieces that `gone` names.
    pub(super) fn forget(&mut self, gone: impl Fn(Note) -> bool) {
        self.control.retain(|piece| !gone(piece.note));
        self.messages.retain(|piece| !gone(piece.note));
    }

    pub(super) fn clear_paced(&mut self) {
        self.control.clear();
        self.messages.clear();
    }
}

/// What is said and the passwords stay out of it.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outgoing({} lines, {} bytes)", self.lines, self.bytes.len())
    }
}
