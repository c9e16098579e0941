//! What a bridge has heard: durable [`Event`]s, which are journalled before they are acknowledged,
//! and [`Hint`]s, which may be lost.

use crate::{Admission, EventId, PersonaId, RemoteId, RemoteUser, Text};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// One thing that happened on the bridge's network and must not be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The network's id of it; the same id again is the same event and has no second effect.
    pub id: EventId,
    /// Where it happened.
    pub venue: Venue,
    /// Who did it.
    pub author: RemoteUser,
    /// The persona whose own account on this network did it (a double puppet): others see the
    /// persona as the author.
    pub persona: Option<PersonaId>,
    /// When, by the network's clock where it tells.
    pub at: SystemTime,
    /// The key of ours that the event carries, if it was marked by a gateway (an IRC client-only
    /// tag, a Matrix transaction id, an XMPP origin-id): how a message that came back by another
    /// way is recognised.
    pub key: Option<crate::MessageKey>,
    /// What happened.
    pub kind: EventKind,
    /// Bridge state to save in the same transaction as the event, as (key, value): how far the
    /// network's history has been read.
    pub cursor: Option<(String, String)>,
}

/// Where something was said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Venue {
    /// In a room of the network.
    Room(RemoteId),
    /// In private, from the author to this persona.
    Private(PersonaId),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A message.
    Message(Content),
    /// An earlier message says something else now.
    Edit {
        /// The message that is replaced.
        target: EventId,
        /// What it says now.
        content: Content,
    },
    /// An earlier message was withdrawn by its author, or removed by somebody who may.
    Recall {
        /// The message that is gone.
        target: EventId,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// An emoji for an earlier message.
    Reaction {
        /// The message it is for.
        target: EventId,
        /// The emoji, or the short text used as one.
        emoji: String,
        /// True if an earlier one is taken back.
        removed: bool,
    },
    /// Somebody came or went.
    Membership(Membership),
    /// The room is called something else, or is about something else, from now on.
    RoomProfile(RoomProfile),
    /// The author wants to open a conversation with the persona of [`Venue::Private`] (an
    /// invitation, a subscription request).
    Request {
        /// What they said with it.
        pass: Option<String>,
    },
    /// The author (a person, or a room's keeper) decided a request that [`crate::Bridge::join`]
    /// left [`Admission::Waiting`] for the persona of [`Venue::Private`].
    Decided(Admission),
    /// The author closed the conversation with the persona of [`Venue::Private`].
    Closed,
    /// The bridge tells the persona of [`Venue::Private`] something about their conversation with
    /// the author, or a room something about itself; shown as a notice in words.
    Notice(String),
}

/// Somebody came to a room, left it, or is called something else now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// Joined.
    Joined,
    /// Left, with the words they left behind.
    Left(Option<String>),
    /// Was removed by somebody, with a reason.
    Removed {
        /// Who did it, by name.
        by: String,
        /// Why, where it was said.
        reason: Option<String>,
    },
    /// Has another name now; the event's author carries the new one.
    Renamed {
        /// The name before.
        from: String,
    },
}

/// What changed about a room; `None` for what did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomProfile {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is about, in plain words; empty for nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// What a message says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The words.
    pub text: Text,
    /// How they are meant.
    #[serde(default)]
    pub style: Style,
    /// The message this one answers, by the id its network gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<EventId>,
    /// Files that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// How a message is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Said.
    #[default]
    Said,
    /// Done: "*alice waves*" (`/me`, `m.emote`).
    Emote,
    /// Said by a program (`NOTICE`, `m.notice`); never answered by one.
    Notice,
}

/// A file that belongs to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is called.
    pub name: String,
    /// Its media type, e.g. `image/png`.
    pub media_type: String,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// Where it can be fetched by anybody who reads the message ([`crate::Host::media_link`]).
    pub url: String,
    /// How it is shown.
    #[serde(default)]
    pub shape: AttachmentShape,
}

/// How a file is shown, beyond what its media type tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentShape {
    /// As its media type suggests.
    #[default]
    File,
    /// A message that was spoken.
    Voice,
    /// A picture that stands for words.
    Sticker,
}

/// Something that is worth passing on at once or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The user is typing, or stopped.
    Typing {
        /// Who.
        user: RemoteUser,
        /// Where.
        venue: Venue,
        /// True while they are.
        active: bool,
    },
    /// The user has read everything up to the message.
    Read {
        /// Who.
        user: RemoteUser,
        /// Where.
        venue: Venue,
        /// The last message they have seen.
        up_to: EventId,
    },
    /// The user is called something else, or has another picture.
    Profile(RemoteUser),
    /// The user is here, or is not.
    Presence {
        /// Who.
        user: RemoteUser,
        /// How they are.
        presence: Presence,
    },
}

/// Whether somebody is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Here.
    Online,
    /// Here, but not at it.
    Away,
    /// Not here.
    Offline,
}
