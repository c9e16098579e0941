//! What is journalled of a message: the core's own form, as versioned JSON. Whatever depends on the
//! reader (capabilities, the ids of a network, the spelling of formatting) is worked out when it is
//! delivered; whatever depends on the moment (which message is answered, what it said then) is in
//! here.

use super::markdown;
use monster_bridge_api::{Admission, Attachment, Content, ContentStyle, Membership, RoomProfile, Text};
use monster_protocol::CallLine;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The version that is written. Versions up to it are read.
const VERSION: u8 = 1;
/// The most characters of a message by which it is named.
pub(crate) const EXCERPT: usize = 60;

/// What is journalled of a message, beside the store's own columns (key, author, venue, time).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Body {
    v: u8,
    /// Where it was said, as its readers see it.
    pub scene: Scene,
    /// URL of a picture of the author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// The account whose socket brought it, where that is not the author: edits and recalls come
    /// from the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of the line that a call left: the same for readers that word it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Box<CallLine>>,
    /// What is said or done.
    pub act: Said,
}

/// Where something was said, as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scene {
    /// In a room here.
    Room,
    /// Between two.
    Private,
    /// In a room on another Monster server, whose address this is.
    Foreign(String),
}

/// What is said or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Something is said.
    Send {
        words: Words,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<Quote>,
    },
    /// An earlier message of the same author says something else now.
    Edit { target: Quote, words: Words },
    /// An earlier message is withdrawn.
    Recall {
        target: Quote,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// An emoji is put to an earlier message.
    React { target: Quote, emoji: String },
    /// An emoji is taken back. `reaction`: the message by which it was put, where that is known.
    Unreact {
        target: Quote,
        emoji: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reaction: Option<Quote>,
    },
    /// Somebody came or went.
    Membership(Membership),
    /// A room is called something else, or is about something else.
    RoomProfile(RoomProfile),
    /// The author asks to be a contact.
    Request {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pass: Option<String>,
    },
    /// The author decided a request.
    Decided(Admission),
    /// The author ended the relation.
    Closed,
    /// The gateway or a bridge says something, in plain words.
    Notice(String),
}

/// What a message says, in the form in which it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    pub text: Wording,
    #[serde(default, skip_serializing_if = "is_said")]
    pub style: ContentStyle,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// The two forms of text. What came in one and goes out in the same is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wording {
    /// As a Monster peer wrote it.
    Markdown(String),
    /// As a bridge gave it.
    Formatted(Text),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_said(style: &ContentStyle) -> bool {
    *style == ContentStyle::Said
}

/// An earlier message, as it was when it was referred to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quote {
    /// The store's number of it.
    pub message: i64,
    /// Its key.
    pub key: String,
    /// Where it was said.
    pub venue: String,
    /// Who said it.
    pub author: String,
    /// By name.
    pub author_name: String,
    /// The id that its author's side gave it.
    pub origin_id: String,
    /// Its first words.
    pub excerpt: String,
}

/// A stored body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("it is of version {0}, which this version of the gateway does not know")]
    Version(u8),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

impl Body {
    pub(crate) fn new(scene: Scene, act: Said) -> Self {
        Self { v: VERSION, scene, picture: None, by: None, call: None, act }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // There is no map with other than string keys in it, and nothing that fails to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, BodyError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        serde_json::from_slice::<Self>(bytes).map_err(|error| match serde_json::from_slice::<Version>(bytes) {
            Ok(Version { v }) if v > VERSION => BodyError::Version(v),
            _ => BodyError::Json(error),
        })
    }

    /// The first words of it, by which others name it.
    pub(crate) fn excerpt(&self) -> String {
        match &self.act {
            Said::Send { words, .. } | Said::Edit { words, .. } => words.excerpt(),
            Said::Recall { target, .. } => target.excerpt.clone(),
            Said::React { emoji, .. } | Said::Unreact { emoji, .. } => emoji.clone(),
            Said::Notice(line) => Text::plain(line.clone()).excerpt(EXCERPT),
            Said::Membership(_) | Said::RoomProfile(_) | Said::Request { .. } | Said::Decided(_) | Said::Closed => {
                String::new()
            }
        }
    }

    /// The message that an edit stands for; itself otherwise.
    pub(crate) fn edited(&self) -> Option<&Quote> {
        match &self.act {
            Said::Edit { target, .. } => Some(target),
            _ => None,
        }
    }
}

impl Words {
    /// What a Monster peer wrote.
    pub(crate) fn markdown(text: impl Into<String>) -> Self {
        Self { text: Wording::Markdown(text.into()), style: ContentStyle::Said, attachments: Vec::new() }
    }

    /// The neutral model of it.
    pub(crate) fn formatted(&self) -> Cow<'_, Text> {
        match &self.text {
            Wording::Markdown(text) => Cow::Owned(markdown::parse(text)),
            Wording::Formatted(text) => Cow::Borrowed(text),
        }
    }

    /// As a bridge wants it.
    pub(crate) fn content(&self) -> Content {
        Content {
            text: self.formatted().into_owned(),
            style: self.style,
            reply_to: None,
            attachments: self.attachments.clone(),
        }
    }

    /// True if nobody would see anything of it, on whatever network.
    pub(crate) fn is_blank(&self) -> bool {
        // What begins with a letter is read as that letter; nearly all messages are not looked at further.
        let is_plain =
            matches!(&self.text, Wording::Markdown(text) if text.starts_with(|c: char| c.is_ascii_alphanumeric()));
        !is_plain && self.attachments.is_empty() && self.formatted().is_blank()
    }

    fn excerpt(&self) -> String {
        let excerpt = match &self.text {
            Wording::Markdown(text) => excerpt_of(text),
            Wording::Formatted(text) => text.excerpt(EXCERPT),
        };
        match self.attachments.first() {
            Some(attachment) if excerpt.is_empty() => attachment.name.clone(),
            _ => excerpt,
        }
    }
}

impl From<Content> for Words {
    fn from(content: Content) -> Self {
        Self { text: Wording::Formatted(content.text), style: content.style, attachments: content.attachments }
    }
}

/// The first words of what a Monster peer wrote, without its formatting marks. Looks only at the
/// beginning of a long text.
fn excerpt_of(text: &str) -> String {
    let mut end = text.len().min(EXCERPT * 16);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    markdown::parse(&text[..end]).excerpt(EXCERPT)
}
