//! Message tags (IRCv3 `message-tags`): escaping, the names of the tags we use, and the delivery
//! tag that makes one of our own messages recognisable. Used by `line`, `command` and the session.

use std::collections::BTreeMap;

/// Tag that carries the gateway's own key of a message: `<key>`, or `<key>/<n>/<of>` for the `n`th
/// of several lines.
pub const DELIVERY: &str = "+monster-gateway/id";
/// Tag naming the message that is answered.
pub const REPLY: &str = "+draft/reply";
/// Tag holding an emoji for the message named by [`REPLY`].
pub const REACT: &str = "+draft/react";
/// Tag taking an emoji back.
pub const UNREACT: &str = "+draft/unreact";
/// Tag telling who types.
pub const TYPING: &str = "+typing";
/// Tag naming the channel a private message belongs to.
pub const CHANNEL_CONTEXT: &str = "+draft/channel-context";

/// The tags of one line, unescaped. A tag without a value has the empty one, as the specification
/// says; of a tag given twice the last counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// Reads the part between `@` and the first space.
    pub fn parse(raw: &str) -> Self {
        let mut tags = BTreeMap::new();
        for tag in raw.split(';').filter(|tag| !tag.is_empty()) {
            let (key, value) = tag.split_once('=').unwrap_or((tag, ""));
            if !key.is_empty() {
                tags.insert(key.to_owned(), unescape(value));
            }
        }
        Self(tags)
    }

    /// The value of a tag.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value of a client-only tag that may come under its draft's name or the ratified one
    /// (`+draft/reply`, `+reply`), unless it is missing or empty.
    pub fn client(&self, key: &str) -> Option<&str> {
        self.filled(key).or_else(|| self.filled(&key.replacen("draft/", "", 1)))
    }

    /// The value of a tag, unless it is missing or empty.
    pub fn filled(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    /// All tags by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets a tag.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Takes a tag away.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// True without any tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Escapes a value: `;`, space, `\`, CR and LF have escapes, a NUL is left out.
pub fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            ';' => out.push_str("\\:"),
            ' ' => out.push_str("\\s"),
            '\\' => out.push_str("\\\\"),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            '\0' => {}
            other => out.push(other),
        }
    }
    out
}

/// Takes the escapes of a value back; an unknown escape is the character itself, a lone `\` at the
/// end is nothing.
pub fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(':') => out.push(';'),
            Some('s') => out.push(' '),
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

/// What the delivery tag says: which message of ours a line is, and which of its lines.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeliveryMark {
    /// The gateway's key of the message.
    pub key: String,
    /// Which line it is, from 0.
    pub part: u32,
    /// Of how many, at least 1.
    pub parts: u32,
}

impl DeliveryMark {
    /// Reads the tag's value. A key that could not be one of ours (letters, digits, `-`, `_`; at
    /// most 64 of them) gives `None`: the tag comes from anybody.
    pub fn parse(value: &str) -> Option<Self> {
        let mut pieces = value.split('/');
        let key = pieces.next()?;
        if key.is_empty() || key.len() > 64 || !key.bytes().all(is_key_byte) {
            return None;
        }
        let (part, parts) = match (pieces.next(), pieces.next()) {
            (None, _) => (0, 1),
            (Some(part), None) => (part.parse().ok()?, 1),
            (Some(part), Some(parts)) => (part.parse().ok()?, parts.parse().ok()?),
        };
        Some(Self { key: key.to_owned(), part, parts: parts.max(1) })
    }

    /// The tag's value.
    pub fn to_value(&self) -> String {
        if self.parts == 1 { self.key.clone() } else { format!("{}/{}/{}", self.key, self.part, self.parts) }
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_has_an_inverse_and_leaves_nothing_that_ends_a_tag(value in "[^\\x00]*") {
            let escaped = escape(&value);
            prop_assert!(!escaped.contains([';', ' ', '\r', '\n', '\0']));
            prop_assert_eq!(unescape(&escaped), value);
        }

        #[test]
        fn a_delivery_mark_survives_the_way(key in "[A-Za-z0-9_-]{1,64}", part in 0u32..50, more in 1u32..50) {
            let mark = DeliveryMark { key, part, parts: part + more };
            let mark = if mark.parts == 1 { DeliveryMark { part: 0, ..mark } } else { mark };
            prop_assert_eq!(DeliveryMark::parse(&mark.to_value()), Some(mark));
        }
    }

    #[test]
    fn odd_tags_are_read_as_the_specification_says() {
        let tags = Tags::parse("a=b\\\\and\\nk;rose;url=http://x/?a=b;a=last;;=nothing;end=x\\");
        assert_eq!(tags.get("a"), Some("last"));
        assert_eq!(tags.get("rose"), Some(""));
        assert_eq!(tags.get("url"), Some("http://x/?a=b"));
        assert_eq!(tags.get("end"), Some("x"));
        assert_eq!(tags.iter().count(), 4);
    }

    #[test]
    fn a_foreign_delivery_tag_is_not_taken_for_a_key() {
        for value in ["", "/1/2", "a b", "mg\n", &"a".repeat(65), "a/x", "ключ"] {
            assert_eq!(DeliveryMark::parse(value), None, "{value:?}");
        }
    }
}
