//! What the core asks of the Monster side: [`MonsterPort`], implemented by `monster`, called by
//! lanes and by requests that another server has to answer.

use crate::store::StoreError;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use monster_bridge_api::{DeliveryError, DeviceId, RequestError};
use monster_protocol::{Address, CallLine, Request, Response};
use std::sync::{Arc, OnceLock};

/// The Monster side.
#[async_trait]
pub trait MonsterPort: Send + Sync + 'static {
    /// Delivers one message to the account `to`, speaking as `via` (the group's or person's address
    /// of whose account a frame pushed to another server is). In the order of contract.md "Who is
    /// speaking": home sockets, a socket that is open, a dial. Returns once one of them answered
    /// with a success.
    ///
    /// A local account with nobody online is `Transient` with a long `retry_after`: it is tried
    /// again as soon as [`super::Core::wake`] names it. A peer that answers 400 is `Permanent`, 500
    /// or silence `Transient`. (`Uncertain` has no place here: the same [`Outgoing::key`] again has
    /// no second effect.)
    async fn deliver(&self, to: &Address, via: &Address, message: &Arc<Outgoing>) -> Result<(), DeliveryError>;

    /// True if the next message may be delivered to this account before the one before it is answered:
    /// a local account all of whose home sockets have room. There they arrive in the order in which
    /// [`MonsterPort::deliver`] is polled first.
    fn has_room(&self, to: &Address) -> bool;

    /// Asks an account of another server, speaking as `via`, and gives its answer. Answers within
    /// 10 s. `Unavailable` if it cannot be reached now.
    async fn ask(
        &self,
        to: &Address,
        via: &Address,
        request: Request<'static>,
    ) -> Result<Response<'static>, RequestError>;

    /// Closes every home socket whose token no longer opens its account. An error if that could not be
    /// found out: nothing is closed then.
    async fn end_revoked(&self) -> Result<(), StoreError>;

    /// Puts a frame that is worth nothing later (a step of a call) into the home sockets of a local
    /// account, in order and without waiting: to all of them, to one, or to all but one. What was
    /// not answered when a socket ends is not pushed again. One entry for each socket it went to.
    fn push(&self, to: &Address, sockets: &Sockets, request: &Request<'_>) -> Vec<Pushed>;
}

/// Which of an account's home sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sockets {
    /// Each of them.
    All,
    /// Those of this device ([`super::Speaker::device`]).
    One(DeviceId),
    /// Those of all but this device.
    AllBut(DeviceId),
}

/// A frame that was put into a home socket.
pub struct Pushed {
    /// Whose socket it is.
    pub device: DeviceId,
    /// Its answer; `None` once the socket has ended without one.
    pub answer: BoxFuture<'static, Option<Response<'static>>>,
}

/// One message for a Monster account, ready to be written as a frame for a peer that reads the
/// optional fields as well as for one that does not (contract.md "Frames").
#[derive(Debug)]
pub struct Outgoing {
    /// The frame's `messageId`: the same on every try, and the same for everybody who is told.
    pub key: String,
    /// `time`: when it was said, ms since the epoch.
    pub at: i64,
    /// `from`: who says it. The same as the address it is told by, in private.
    pub author: Address,
    /// `nickname`: what people call them.
    pub author_name: String,
    /// The group in which it was said (`to` on a home socket); `None` for what was said in private.
    pub group: Option<Address>,
    /// What the frame says.
    pub act: Act,
    /// The text for a peer that knows only the seed: with the author's name in a group, and with
    /// edits, replies and reactions in words. `None` where [`Act`] is a frame every peer knows.
    pub words: Option<String>,
    /// Of the line that a call left: `call`.
    pub call: Option<Box<CallLine>>,
    frames: [OnceLock<bytes::Bytes>; 2],
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// 2001.
    Say {
        /// `text`, before base64.
        text: String,
        /// `replyTo`, as the account knows that message.
        reply_to: Option<String>,
    },
    /// 2001 with `replaces`.
    Edit {
        /// `replaces`, as the account knows that message.
        replaces: String,
        /// `text`, before base64.
        text: String,
    },
    /// 2001 with `reaction`.
    React {
        /// `replyTo`, as the account knows that message.
        reply_to: String,
        /// `reaction`, and `text` before base64.
        emoji: String,
    },
    /// 2004: a message or a reaction is withdrawn.
    Recall {
        /// `recallMessageId`, as the account knows that message.
        target: String,
    },
    /// 1001: the author asks to be a contact, or agrees to a request.
    Ask {
        /// `pass`.
        pass: Option<String>,
    },
    /// 1004: the author ends the relation, or declines a request.
    Close,
}

impl Outgoing {
    pub(crate) fn new(
        key: String,
        at: i64,
        author: (Address, String),
        group: Option<Address>,
        act: Act,
        words: Option<String>,
    ) -> Self {
        let (author, author_name) = author;
        Self { key, at, author, author_name, group, act, words, call: None, frames: [OnceLock::new(), OnceLock::new()] }
    }

    /// Says of the line of a call what became of that.
    pub(crate) fn about(self, call: Option<Box<CallLine>>) -> Self {
        Self { call, ..self }
    }

    /// The frame for peers of one kind, made once however many of them are told.
    pub fn frame(&self, ext: bool, make: impl FnOnce() -> bytes::Bytes) -> bytes::Bytes {
        self.frames[usize::from(ext)].get_or_init(make).clone()
    }
}
