//! What may stand in a line we send. Every word of every outgoing line passes one of these
//! constructors, so a CR, LF or NUL cannot begin a second line, and a space or comma cannot begin
//! a second parameter or target. Used by `command` and by everybody who asks the session for
//! something; nothing here knows what a command means.

use std::fmt;

/// A parameter without spaces: not empty, no space, CR, LF or NUL, and no `:` in front
/// (`middle` of RFC 2812 §2.3.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Middle(String);

/// A last parameter: any text but CR, LF and NUL (`trailing` of RFC 2812 §2.3.1). May be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Trailing(String);

/// One channel or one nick that a line can be addressed to: a [`Middle`] that names neither a list
/// (`,`), a server mask (`$`), the operators of a channel (`@#c`) nor `user@host`.
/// [`crate::proto::Isupport::target`] makes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    name: Middle,
    channel: bool,
}

/// A text that must not get into a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadParam {
    /// It holds CR, LF or NUL.
    #[error("a line break or NUL cannot be sent")]
    LineBreak,
    /// It is empty where something must stand.
    #[error("it is empty")]
    Empty,
    /// It holds a space, or begins with `:`.
    #[error("a space, or a colon in front, cannot be part of it")]
    Space,
    /// It is not a channel name or a nick here.
    #[error("it is neither a channel nor a nick on this server")]
    NotATarget,
    /// It is longer than the server takes.
    #[error("it is longer than the server takes")]
    TooLong,
}

impl Middle {
    /// Takes the text if it can be a parameter.
    pub fn new(text: impl Into<String>) -> Result<Self, BadParam> {
        let text = text.into();
        if text.is_empty() {
            return Err(BadParam::Empty);
        }
        if has_break(&text) {
            return Err(BadParam::LineBreak);
        }
        if text.contains(' ') || text.starts_with(':') {
            return Err(BadParam::Space);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Trailing {
    /// Takes the text if it is one line.
    pub fn new(text: impl Into<String>) -> Result<Self, BadParam> {
        let text = text.into();
        if has_break(&text) { Err(BadParam::LineBreak) } else { Ok(Self(text)) }
    }

    /// Makes one line of any text: what would end the line becomes a space. For reasons and real
    /// names, where a refusal would help nobody.
    pub fn one_line(text: &str) -> Self {
        Self(text.replace(['\r', '\n', '\0'], " "))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Middle> for Trailing {
    fn from(middle: Middle) -> Self {
        Self(middle.0)
    }
}

impl Target {
    /// A channel name: begins with one of `types`, and holds no space, comma, BEL or line break.
    pub fn channel(text: &str, types: &str) -> Result<Self, BadParam> {
        let name = Middle::new(text)?;
        if !text.starts_with(|first| types.contains(first)) || text.contains([',', '\x07']) {
            return Err(BadParam::NotATarget);
        }
        Ok(Self { name, channel: true })
    }

    /// A nick: nothing that a server would read as a list, a mask, a channel or an address.
    pub fn nick(text: &str) -> Result<Self, BadParam> {
        let name = Middle::new(text)?;
        let first_is_bad = text.starts_with(['#', '&', '+', '$', '~', '@', '%', '=']);
        if first_is_bad || text.contains([',', '!', '@', '*', '?', '%', '\x07']) {
            return Err(BadParam::NotATarget);
        }
        Ok(Self { name, channel: false })
    }

    /// True for a channel.
    pub fn is_channel(&self) -> bool {
        self.channel
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        self.name.as_str()
    }

    /// The name as a parameter.
    pub fn to_middle(&self) -> Middle {
        self.name.clone()
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn has_break(text: &str) -> bool {
    text.contains(['\r', '\n', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_would_end_the_line_gets_into_a_parameter() {
        for text in ["#a\r\nQUIT", "#a\nQUIT", "a\rb", "a\0b"] {
            assert_eq!(Middle::new(text), Err(BadParam::LineBreak));
            assert_eq!(Trailing::new(text), Err(BadParam::LineBreak));
            assert_eq!(Target::channel(text, "#"), Err(BadParam::LineBreak));
            assert_eq!(Target::nick(text), Err(BadParam::LineBreak));
            assert!(!Trailing::one_line(text).as_str().contains(['\r', '\n', '\0']));
        }
    }

    #[test]
    fn a_middle_parameter_stays_one_parameter() {
        assert_eq!(Middle::new(""), Err(BadParam::Empty));
        assert_eq!(Middle::new("a b"), Err(BadParam::Space));
        assert_eq!(Middle::new(":a"), Err(BadParam::Space));
        assert!(Middle::new("a:b").is_ok());
    }

    #[test]
    fn a_target_is_one_channel_or_one_nick_and_never_a_mask() {
        assert!(Target::channel("#rust", "#&").is_ok());
        for text in ["#a,#b", "0", "rust", "@#rust", "#a\x07"] {
            assert_eq!(Target::channel(text, "#&"), Err(BadParam::NotATarget), "{text}");
        }
        assert!(Target::nick("bob[m]").is_ok());
        for text in ["$*", "a,b", "bob!b@h", "bob@srv", "*", "#rust", "bob%host", "@#c"] {
            assert_eq!(Target::nick(text), Err(BadParam::NotATarget), "{text}");
        }
    }
}
