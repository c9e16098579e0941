//! What is to be sent, as events.

use super::{KEY, PART};
use crate::html::{Naming, Written, from_text};
use monster_bridge_api::{
    Attachment, AttachmentShape, Block, BlockKind, Content, ContentStyle, EventId, MessageKey, Span, SpanStyle,
};
use serde_json::{Map, Value, json};

/// An event to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Its type.
    pub kind: &'static str,
    /// What it holds.
    pub content: Value,
}

/// A file that was uploaded.
#[derive(Debug, Clone)]
pub struct Uploaded {
    /// What it is.
    pub attachment: Attachment,
    /// Where it is now: an `mxc://` URI.
    pub uri: String,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// What decrypts it (`EncryptedFile`), in an encrypted room; its `url` is `uri`.
    pub encrypted: Option<Value>,
}

/// The events that say a message: one, or one for the words and one for each file. Words of a message
/// with one file are the file's caption.
pub fn parts(content: &Content, reply_to: Option<&EventId>, files: &[Uploaded], naming: Naming<'_>) -> Vec<Outgoing> {
    let written = from_text(&content.text, naming);
    let has_words = !content.text.is_blank();
    let mut events = match files {
        [file] if has_words && file.attachment.shape == AttachmentShape::File => vec![file_event(file, Some(&written))],
        files => {
            let words = (has_words || files.is_empty()).then(|| words_event(&written, content.style));
            words.into_iter().chain(files.iter().map(|file| file_event(file, None))).collect()
        }
    };
    if let (Some(first), Some(target)) = (events.first_mut(), reply_to) {
        first.content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": target.as_str() } });
    }
    events
}

fn words_event(written: &Written, style: ContentStyle) -> Outgoing {
    let msgtype = match style {
        ContentStyle::Said => "m.text",
        ContentStyle::Emote => "m.emote",
        ContentStyle::Notice => "m.notice",
    };
    let mut content = Map::new();
    content.insert("msgtype".to_owned(), json!(msgtype));
    put_words(&mut content, written);
    Outgoing { kind: "m.room.message", content: Value::Object(content) }
}

fn put_words(content: &mut Map<String, Value>, written: &Written) {
    content.insert("body".to_owned(), json!(written.plain));
    if let Some(html) = &written.html {
        content.insert("format".to_owned(), json!("org.matrix.custom.html"));
        content.insert("formatted_body".to_owned(), json!(html));
    }
    // Also where nobody is named: without it, clients look for names in the words.
    let mentions = if written.mentions.is_empty() { json!({}) } else { json!({ "user_ids": written.mentions }) };
    content.insert("m.mentions".to_owned(), mentions);
}

fn file_event(file: &Uploaded, caption: Option<&Written>) -> Outgoing {
    let attachment = &file.attachment;
    let mut content = Map::new();
    let sticker = attachment.shape == AttachmentShape::Sticker && file.encrypted.is_none();
    let msgtype = match attachment.media_type.split('/').next() {
        Some("image") => "m.image",
        Some("audio") => "m.audio",
        Some("video") => "m.video",
        _ => "m.file",
    };
    if !sticker {
        content.insert("msgtype".to_owned(), json!(msgtype));
        content.insert("filename".to_owned(), json!(attachment.name));
    }
    match caption {
        Some(written) => put_words(&mut content, written),
        None => {
            content.insert("body".to_owned(), json!(attachment.name));
        }
    }
    match &file.encrypted {
        Some(encrypted) => content.insert("file".to_owned(), encrypted.clone()),
        None => content.insert("url".to_owned(), json!(file.uri)),
    };
    let mut info = json!({ "mimetype": attachment.media_type });
    if let Some(size) = file.size {
        info["size"] = json!(size);
    }
    content.insert("info".to_owned(), info);
    if attachment.shape == AttachmentShape::Voice {
        content.insert("org.matrix.msc3245.voice".to_owned(), json!({}));
    }
    let kind = if sticker { "m.sticker" } else { "m.room.message" };
    Outgoing { kind, content: Value::Object(content) }
}

/// The event by which an earlier one says what `new` says.
pub fn edit(target: &EventId, new: Outgoing) -> Outgoing {
    let mut content = new.content.clone();
    if let Some(old) = content.get("body").and_then(Value::as_str).map(|body| format!("* {body}")) {
        content["body"] = json!(old);
    }
    if let Some(old) = content.get("formatted_body").and_then(Value::as_str).map(|html| format!("* {html}")) {
        content["formatted_body"] = json!(old);
    }
    content["m.new_content"] = new.content;
    content["m.relates_to"] = json!({ "rel_type": "m.replace", "event_id": target.as_str() });
    Outgoing { kind: new.kind, content }
}

/// The event that puts an emoji to an earlier one.
pub fn reaction(target: &EventId, emoji: &str) -> Outgoing {
    let relates = json!({ "rel_type": "m.annotation", "event_id": target.as_str(), "key": emoji });
    Outgoing { kind: "m.reaction", content: json!({ "m.relates_to": relates }) }
}

/// Marks an event as part `part` of the message with this key.
pub fn mark(event: &mut Outgoing, key: &MessageKey, part: usize) {
    event.content[KEY] = json!(key.as_str());
    if part > 0 {
        event.content[PART] = json!(part);
    }
}

/// The message with its author's name before the words, where somebody else sends it.
pub fn relayed(content: &Content, name: &str) -> Content {
    let shown: String = name.chars().filter(|c| monster_bridge_api::is_shown(*c)).take(100).collect();
    let bold = SpanStyle { bold: true, ..SpanStyle::default() };
    let joint = if content.style == ContentStyle::Emote { " " } else { ": " };
    let mut lead = vec![Span { text: shown, style: bold }, Span::plain(joint)];
    let mut content = content.clone();
    match content.text.blocks.first_mut() {
        Some(Block { quote: 0, kind: BlockKind::Paragraph(spans) }) => {
            lead.append(spans);
            *spans = lead;
        }
        _ => content.text.blocks.insert(0, Block { quote: 0, kind: BlockKind::Paragraph(lead) }),
    }
    content
}
