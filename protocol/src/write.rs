//! Writing frames: [`Frame`] → strict JSON, with the seed's fields as strings.

use crate::{Ext, Frame, Request, RequestBody, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

impl Frame<'_> {
    /// The frame as it is sent.
    pub fn to_json(&self) -> String {
        match self {
            Frame::Request(request) => request.to_json(),
            Frame::Response(response) => response.to_json(),
        }
    }
}

impl Request<'_> {
    /// The request as it is sent.
    pub fn to_json(&self) -> String {
        let mut object = Object::new(self.size_hint());
        object.text("messageId", &self.message_id);
        object.plain("code", self.body.code());
        match &self.body {
            RequestBody::Info | RequestBody::Leave => {}
            RequestBody::Join { pass } => object.optional_text("pass", pass.as_deref()),
            RequestBody::Text { text } => object.base64("text", text),
            RequestBody::Call { context, .. } => object.base64("text", &context.to_text()),
            RequestBody::Recall { target } => object.text("recallMessageId", target),
        }
        self.ext.write(&mut object);
        object.finish()
    }

    /// About how long it becomes; for the most frequent bodies, so that nothing is moved.
    fn size_hint(&self) -> usize {
        let body = match &self.body {
            RequestBody::Text { text } => text.len() * 4 / 3 + 16,
            _ => 64,
        };
        self.message_id.len() + body + 256
    }
}

impl Ext<'_> {
    fn write(&self, object: &mut Object) {
        object.optional_text("from", self.from.as_ref().map(AsRef::as_ref));
        object.optional_text("to", self.to.as_ref().map(AsRef::as_ref));
        object.optional_text("nickname", self.nickname.as_deref());
        if let Some(time) = self.time {
            object.number("time", time);
        }
        object.optional_text("replyTo", self.reply_to.as_deref());
        object.optional_text("replaces", self.replaces.as_deref());
        object.optional_text("reaction", self.reaction.as_deref());
        if let Some(call) = &self.call {
            // Truth values, numbers and strings: there is nothing that JSON could not hold.
            object.json("call", &serde_json::to_string(call).unwrap_or_default());
        }
    }
}

impl Response<'_> {
    /// The answer as it is sent.
    pub fn to_json(&self) -> String {
        let mut object = Object::new(self.message_id.len() + 128);
        if !self.message_id.is_empty() {
            object.text("messageId", &self.message_id);
        }
        object.optional_text("nickname", self.nickname.as_deref());
        object.optional_text("picurl", self.picurl.as_deref());
        if let Some(account_type) = self.account_type {
            object.plain("accountType", account_type.as_str());
        }
        object.plain("statusCode", self.status.as_str());
        if let Some(decision) = self.decision {
            object.plain("type", decision.as_str());
        }
        if !self.info.is_empty() {
            object.list("info", &self.info, |row, item| {
                row.text("title", &item.title);
                row.text("value", &item.value);
            });
        }
        object.optional_text("error", self.error.as_deref());
        object.optional_text("location", self.location.as_ref().map(AsRef::as_ref));
        object.finish()
    }
}

/// A JSON object that is being written.
struct Object {
    out: String,
    first: bool,
}

impl Object {
    fn new(capacity: usize) -> Self {
        let mut out = String::with_capacity(capacity);
        out.push('{');
        Self { out, first: true }
    }

    fn finish(mut self) -> String {
        self.out.push('}');
        self.out
    }

    /// Keys are ours and need no escapes.
    fn key(&mut self, key: &str) {
        self.out.push_str(if self.first { "\"" } else { ",\"" });
        self.first = false;
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        push_string(&mut self.out, text);
    }

    fn optional_text(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Text that is ours and needs no escapes.
    fn plain(&mut self, key: &str, text: &str) {
        self.key(key);
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    /// A value that is JSON already.
    fn json(&mut self, key: &str, value: &str) {
        self.key(key);
        self.out.push_str(if value.is_empty() { "null" } else { value });
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        let _ = write!(self.out, "{number}");
    }

    fn base64(&mut self, key: &str, text: &str) {
        self.key(key);
        self.out.push('"');
        STANDARD.encode_string(text, &mut self.out);
        self.out.push('"');
    }

    fn list<T>(&mut self, key: &str, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.key(key);
        for (i, item) in items.iter().enumerate() {
            self.out.push_str(if i == 0 { "[{" } else { ",{" });
            self.first = true;
            write(self, item);
            self.out.push('}');
        }
        self.out.push_str(if items.is_empty() { "[]" } else { "]" });
        self.first = false;
    }
}

/// A JSON string with the escapes that it must have (RFC 8259 §7).
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, tail) = rest.split_at(at);
        let (special, tail) = tail.split_at(1);
        out.push_str(plain);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            "\n" => out.push_str("\\n"),
            "\r" => out.push_str("\\r"),
            "\t" => out.push_str("\\t"),
            _ => {
                let _ = write!(out, "\\u{:04x}", special.as_bytes()[0]);
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out.push('"');
}
