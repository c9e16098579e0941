//! What an event says.

use super::member::Member;
use super::{KEY, location, text_at};
use crate::html::{self, Naming};
use crate::id;
use monster_bridge_api::{Attachment, AttachmentShape, Content, ContentStyle, EventId, MediaFile, MessageKey, Text};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest plain text that is read, in bytes; an event has 64 KiB at most, so this is a guard
/// against servers without that rule.
const LONGEST: usize = 128 * 1024;
/// The longest emoji, in characters: reactions are also short words.
const LONGEST_EMOJI: usize = 64;

/// An event that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Its id.
    pub id: EventId,
    /// The room, where the event tells.
    pub room: Option<String>,
    /// Who sent it.
    pub sender: String,
    /// When, by the sender's server.
    pub at: SystemTime,
    /// The key of ours that it carries.
    pub key: Option<MessageKey>,
    /// What it says.
    pub what: What,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// A message.
    Message(Said),
    /// An earlier message of the sender says something else now.
    Edit {
        /// The earlier message.
        target: EventId,
        /// What it says now.
        said: Said,
    },
    /// An emoji for an earlier message.
    Reaction {
        /// The earlier message.
        target: EventId,
        /// The emoji.
        emoji: String,
    },
    /// An earlier event (a message, or a reaction) was withdrawn.
    Redaction {
        /// The earlier event.
        target: EventId,
        /// Why.
        reason: Option<String>,
    },
    /// Somebody came, went, was invited …
    Member(Member),
    /// The room is called this; empty for nothing.
    Name(String),
    /// The room is about this; empty for nothing.
    Topic(String),
    /// The room goes on elsewhere.
    Tombstone {
        /// Where.
        to: String,
    },
    /// Encrypted, and not decrypted (yet).
    Encrypted,
    /// The room is encrypted from now on.
    Encryption,
    /// Something of a call (`m.call.*`), with its content.
    Call {
        /// The type, e.g. `m.call.invite`.
        kind: String,
        /// What it holds.
        content: Value,
    },
    /// Something else, by its type.
    Other(String),
}

/// A message, its file not linked yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// What it says, without attachments.
    pub content: Content,
    /// The file.
    pub file: Option<FileHeard>,
}

/// A file that a message holds.
#[derive(Debug, Clone, PartialEq)]
pub struct FileHeard {
    /// Where it is: an `mxc://` URI, its name and media type.
    pub media: MediaFile,
    /// Its size in bytes, as the sender says.
    pub size: Option<u64>,
    /// How it is shown.
    pub shape: AttachmentShape,
    /// What decrypts it (Matrix v1.17 `EncryptedFile`), where it is encrypted.
    pub encrypted: Option<Value>,
}

impl FileHeard {
    /// The attachment, with a link that anybody can follow.
    pub fn attachment(&self, link: &dyn Fn(&MediaFile) -> String) -> Attachment {
        Attachment {
            name: self.media.name.clone(),
            media_type: self.media.media_type.clone(),
            size: self.size,
            url: link(&self.media),
            shape: self.shape,
        }
    }
}

/// An event from its text; `None` if it is not JSON that can be read (nested too deep, for example).
pub fn parse(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

/// What an event says; `None` if it is no event. `naming` gives the Monster address of a user who is
/// mentioned.
pub fn read(raw: &Value, naming: Naming<'_>) -> Option<Heard> {
    let event_id = text_at(raw, &["event_id"]).filter(|id| id::is_event(id))?;
    let sender = text_at(raw, &["sender"]).filter(|sender| id::is_user(sender))?;
    let kind = text_at(raw, &["type"])?;
    let at = raw.get("origin_server_ts").and_then(Value::as_u64).unwrap_or(0);
    let content = raw.get("content").unwrap_or(&Value::Null);
    Some(Heard {
        id: EventId::new(event_id),
        room: text_at(raw, &["room_id"]).filter(|room| id::is_room(room)).map(str::to_owned),
        sender: sender.to_owned(),
        at: UNIX_EPOCH.checked_add(Duration::from_millis(at)).unwrap_or_else(SystemTime::now),
        key: text_at(content, &[KEY]).filter(|key| is_key(key)).map(MessageKey::new),
        what: what(kind, raw, content, naming),
    })
}

fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len()) && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn what(kind: &str, raw: &Value, content: &Value, naming: Naming<'_>) -> What {
    let other = || What::Other(kind.to_owned());
    let is_state = raw.get("state_key").is_some_and(Value::is_string);
    match kind {
        "m.room.message" | "m.sticker" if !is_state => message(kind, content, naming).unwrap_or_else(other),
        "m.reaction" if !is_state => reaction(content).unwrap_or_else(other),
        "m.room.redaction" => redaction(raw, content).unwrap_or_else(other),
        "m.room.encrypted" if !is_state => What::Encrypted,
        "m.room.encryption" if is_state => What::Encryption,
        "m.room.member" => Member::read(raw, content).map_or_else(other, What::Member),
        "m.room.name" if is_state => What::Name(short(content, "name")),
        "m.room.topic" if is_state => What::Topic(short(content, "topic")),
        "m.room.tombstone" if is_state => match text_at(content, &["replacement_room"]).filter(|id| id::is_room(id)) {
            Some(to) => What::Tombstone { to: to.to_owned() },
            None => other(),
        },
        call if call.starts_with("m.call.") && !is_state => {
            What::Call { kind: call.to_owned(), content: content.clone() }
        }
        _ => other(),
    }
}

fn short(content: &Value, key: &str) -> String {
    text_at(content, &[key]).unwrap_or_default().chars().take(2_000).collect()
}

fn message(kind: &str, content: &Value, naming: Naming<'_>) -> Option<What> {
    let relates = content.get("m.relates_to");
    let replaced = relates
        .filter(|relates| text_at(relates, &["rel_type"]) == Some("m.replace"))
        .and_then(|relates| text_at(relates, &["event_id"]))
        .filter(|id| id::is_event(id));
    if let (Some(target), Some(new)) = (replaced, content.get("m.new_content")) {
        return Some(What::Edit { target: EventId::new(target), said: said(kind, new, None, naming)? });
    }
    Some(What::Message(said(kind, content, relates.and_then(replied_to), naming)?))
}

/// The message that is answered. A thread is a row of answers to its first message.
fn replied_to(relates: &Value) -> Option<EventId> {
    let direct = text_at(relates, &["m.in_reply_to", "event_id"]);
    let in_thread = text_at(relates, &["rel_type"]) == Some("m.thread");
    let falls_back = relates.get("is_falling_back").and_then(Value::as_bool).unwrap_or(false);
    let root = text_at(relates, &["event_id"]).filter(|_| in_thread);
    let target = if in_thread && falls_back { root } else { direct.or(root) };
    target.filter(|id| id::is_event(id)).map(EventId::new)
}

fn said(kind: &str, content: &Value, reply_to: Option<EventId>, naming: Naming<'_>) -> Option<Said> {
    let msgtype = if kind == "m.sticker" { "m.sticker" } else { text_at(content, &["msgtype"])? };
    let body = text_at(content, &["body"]).filter(|body| body.len() <= LONGEST)?;
    let style = match msgtype {
        "m.emote" => ContentStyle::Emote,
        "m.notice" => ContentStyle::Notice,
        _ => ContentStyle::Said,
    };
    let file = match msgtype {
        "m.image" | "m.file" | "m.audio" | "m.video" | "m.sticker" => Some(file(msgtype, content, body)?),
        _ => None,
    };
    let text = match (msgtype, &file) {
        ("m.sticker", _) => Text::default(),
        ("m.location", _) => location::to_text(body, text_at(content, &["geo_uri"]).unwrap_or_default()),
        // The body of a file is its caption if it also says what the file is called.
        (_, Some(file)) if text_at(content, &["filename"]).is_none() || body == file.media.name => Text::default(),
        _ => words(content, body, reply_to.is_some(), naming),
    };
    Some(Said { content: Content { text, style, reply_to, attachments: Vec::new() }, file })
}

fn words(content: &Value, body: &str, is_reply: bool, naming: Naming<'_>) -> Text {
    let html = (text_at(content, &["format"]) == Some("org.matrix.custom.html"))
        .then(|| text_at(content, &["formatted_body"]))
        .flatten()
        .filter(|html| !html.is_empty() && html.len() <= LONGEST);
    if let Some(html) = html {
        let text = html::to_text(html, naming);
        if !text.is_blank() {
            return text;
        }
    }
    html::from_plain(if is_reply { without_fallback(body) } else { body })
}

/// The body of an answer without the lines of what it answers, which older clients put before it.
fn without_fallback(body: &str) -> &str {
    if !(body.starts_with("> <@") || body.starts_with("> * <@")) {
        return body;
    }
    let mut rest = body;
    while rest.starts_with('>') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let rest = rest.strip_prefix('\n').unwrap_or(rest);
    if rest.trim().is_empty() { body } else { rest }
}

/// True for the URI of a file on a homeserver.
pub(crate) fn is_mxc(uri: &str) -> bool {
    let Some((server, file)) = uri.strip_prefix("mxc://").and_then(|rest| rest.split_once('/')) else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    id::is_server(server) && !file.is_empty() && file.len() <= 255 && file.chars().all(plain)
}

fn file(msgtype: &str, content: &Value, body: &str) -> Option<FileHeard> {
    let encrypted = content.get("file").filter(|file| file.is_object()).cloned();
    let own = || text_at(content, &["url"]);
    let uri = encrypted.as_ref().map_or_else(own, |file| text_at(file, &["url"])).filter(|uri| is_mxc(uri))?;
    let info = content.get("info").unwrap_or(&Value::Null);
    let usual = match msgtype {
        "m.image" | "m.sticker" => "image/png",
        "m.audio" => "audio/ogg",
        "m.video" => "video/mp4",
        _ => "application/octet-stream",
    };
    let media_type = text_at(info, &["mimetype"]).filter(|kind| is_media_type(kind)).unwrap_or(usual);
    let name = text_at(content, &["filename"]).unwrap_or(body);
    let shape = match msgtype {
        "m.sticker" => AttachmentShape::Sticker,
        "m.audio" if content.get("org.matrix.msc3245.voice").is_some() => AttachmentShape::Voice,
        _ => AttachmentShape::File,
    };
    let media = MediaFile { reference: uri.to_owned(), name: file_name(name), media_type: media_type.to_owned() };
    Some(FileHeard { media, size: info.get("size").and_then(Value::as_u64), shape, encrypted })
}

/// What a file is called, without a path and without what cannot be seen.
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|c| monster_bridge_api::is_shown(*c)).take(120).collect();
    if shown.trim().is_empty() { "file".to_owned() } else { shown.trim().to_owned() }
}

fn is_media_type(text: &str) -> bool {
    let token =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c));
    text.len() <= 127 && text.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

fn reaction(content: &Value) -> Option<What> {
    let relates = content.get("m.relates_to")?;
    if text_at(relates, &["rel_type"]) != Some("m.annotation") {
        return None;
    }
    let target = text_at(relates, &["event_id"]).filter(|id| id::is_event(id))?;
    let emoji: String = text_at(relates, &["key"])?.chars().filter(|c| !c.is_control()).take(LONGEST_EMOJI).collect();
    // An emoji of one's own is an `mxc://` URI with a name beside it.
    let emoji = if is_mxc(&emoji) {
        text_at(content, &["shortcode"]).or(text_at(content, &["com.beeper.reaction.shortcode"]))?.to_owned()
    } else {
        emoji
    };
    (!emoji.trim().is_empty()).then(|| What::Reaction { target: EventId::new(target), emoji })
}

fn redaction(raw: &Value, content: &Value) -> Option<What> {
    let target = text_at(content, &["redacts"]).or(text_at(raw, &["redacts"])).filter(|id| id::is_event(id))?;
    let reason = text_at(content, &["reason"]).filter(|reason| !reason.trim().is_empty());
    Some(What::Redaction { target: EventId::new(target), reason: reason.map(str::to_owned) })
}
