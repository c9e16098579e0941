//! Lines we send: a command of parameters that are safe by type, turned into bytes. The session
//! makes all of them; the I/O half only writes what it is given.

use super::{
    param::{Middle, Target, Trailing},
    tags,
};
use std::fmt;

/// The most bytes of tags a client may send (IRCv3 `message-tags`, without `@` and the space).
pub const MAX_CLIENT_TAG_BYTES: usize = 4094;

/// A command before it becomes bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    tags: Vec<(&'static str, String)>,
    verb: &'static str,
    middles: Vec<Middle>,
    trailing: Option<Trailing>,
}

/// A line that is longer than the server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the line is {0} bytes too long for the server")]
pub struct TooLong(pub usize);

impl Command {
    /// Begins a command.
    pub fn new(verb: &'static str) -> Self {
        Self { tags: Vec::new(), verb, middles: Vec::new(), trailing: None }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn arg(mut self, middle: Middle) -> Self {
        self.middles.push(middle);
        self
    }

    /// Adds the target.
    #[must_use]
    pub fn to(self, target: &Target) -> Self {
        self.arg(target.to_middle())
    }

    /// Adds a parameter that the program itself writes. What cannot stand there is left out, which
    /// a test would show at once.
    #[must_use]
    pub fn word(self, word: &str) -> Self {
        match Middle::new(word) {
            Ok(middle) => self.arg(middle),
            Err(_) => self,
        }
    }

    /// Sets the last parameter.
    #[must_use]
    pub fn text(mut self, trailing: Trailing) -> Self {
        self.trailing = Some(trailing);
        self
    }

    /// Adds a tag; the value is escaped.
    #[must_use]
    pub fn tag(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.tags.push((key, value.into()));
        self
    }

    /// The command's word.
    pub fn verb(&self) -> &'static str {
        self.verb
    }

    /// The line with its CR LF. `limit` is the longest line without tags, in bytes with CR LF.
    pub fn encode(&self, limit: usize) -> Result<Vec<u8>, TooLong> {
        let tags = self.encode_tags();
        if tags.len() > MAX_CLIENT_TAG_BYTES {
            return Err(TooLong(tags.len() - MAX_CLIENT_TAG_BYTES));
        }
        let mut line = String::with_capacity(limit);
        line.push_str(self.verb);
        for middle in &self.middles {
            line.push(' ');
            line.push_str(middle.as_str());
        }
        if let Some(trailing) = &self.trailing {
            line.push_str(" :");
            line.push_str(trailing.as_str());
        }
        line.push_str("\r\n");
        if line.len() > limit {
            return Err(TooLong(line.len() - limit));
        }
        let all = if tags.is_empty() { line } else { format!("@{tags} {line}") };
        Ok(all.into_bytes())
    }

    fn encode_tags(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.tags {
            if !out.is_empty() {
                out.push(';');
            }
            out.push_str(key);
            if !value.is_empty() {
                out.push('=');
                out.push_str(&tags::escape(value));
            }
        }
        out
    }
}

/// What is said and the passwords stay out of it.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({} …)", self.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::line::Message;
    use proptest::prelude::*;

    #[test]
    fn a_command_becomes_one_line() {
        let target = Target::channel("#rust", "#").unwrap();
        let line = Command::new("PRIVMSG")
            .tag("label", "a;b")
            .tag("+x", "")
            .to(&target)
            .text(Trailing::new("hi: all").unwrap());
        assert_eq!(line.encode(512).unwrap(), b"@label=a\\:b;+x PRIVMSG #rust :hi: all\r\n");
        assert_eq!(line.encode(20), Err(TooLong(4)));
        assert!(!format!("{line:?}").contains("hi"));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read_back_as_the_same_single_line(
            word in "\\PC{1,20}", text in "\\PC{0,60}", value in "(?s).{0,30}",
        ) {
            prop_assume!(Middle::new(word.as_str()).is_ok());
            let command = Command::new("PRIVMSG")
                .tag("+monster-gateway/id", value.replace('\0', ""))
                .arg(Middle::new(word.as_str()).unwrap())
                .text(Trailing::new(text.as_str()).unwrap());
            let bytes = command.encode(512).unwrap();
            prop_assert_eq!(bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count(), 2);
            let message = Message::parse(&bytes, encoding_rs::UTF_8).unwrap();
            prop_assert_eq!(&message.params, &[word, text]);
            let expected = value.replace('\0', "");
            prop_assert_eq!(message.tags.get("+monster-gateway/id"), Some(expected.as_str()));
        }
    }
}
