//! Building elements and reading attributes. Values that go out hold only characters that XML can
//! carry; values that come in are trimmed, and are words where a session description wants words.

use minidom::Element;
use minidom::rxml::{Namespace, NcName};
use std::fmt::Display;
use std::str::FromStr;

/// The longest value that is taken from an attribute, in bytes.
const MAX_VALUE: usize = 1024;

/// Elements in the making.
pub(crate) trait Build {
    /// With an attribute.
    fn with(self, name: &'static str, value: impl Display) -> Self;
    /// With an attribute, if there is a value.
    fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self;
    /// With a child.
    fn child(self, child: Element) -> Self;
    /// With a text.
    fn words(self, text: &str) -> Self;
}

impl Build for Element {
    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        if let Ok(name) = NcName::try_from(name) {
            self.set_attr(Namespace::NONE, name, clean(&value.to_string()));
        }
        self
    }

    fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn child(mut self, child: Element) -> Self {
        self.append_child(child);
        self
    }

    fn words(mut self, text: &str) -> Self {
        self.append_text_node(clean(text));
        self
    }
}

/// A text without what XML 1.0 cannot carry, or would carry as something else.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && !matches!(char, '\u{fffe}' | '\u{ffff}')).collect()
}

/// An attribute's value, without white space around it; none if that leaves nothing or it is too long.
pub(crate) fn attr<'a>(element: &'a Element, name: &'static str) -> Option<&'a str> {
    element.attr(name).map(str::trim).filter(|value| !value.is_empty() && value.len() <= MAX_VALUE)
}

/// An attribute's value as a number, or what else can be read from text.
pub(crate) fn parsed<T: FromStr>(element: &Element, name: &'static str) -> Option<T> {
    attr(element, name)?.parse().ok()
}

/// An attribute's value, if it is one word.
pub(crate) fn word(element: &Element, name: &'static str) -> Option<String> {
    attr(element, name).filter(|value| is_word(value)).map(str::to_owned)
}

/// Whether a text can stand as one word in a line of a session description.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| !char.is_whitespace() && !char.is_control())
}

/// Whether a text can stand in a line of a session description.
pub(crate) fn is_line(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// The children with this name and namespace.
pub(crate) fn children<'a>(
    element: &'a Element,
    name: &'static str,
    ns: &'static str,
) -> impl Iterator<Item = &'a Element> {
    element.children().filter(move |child| child.is(name, ns))
}

/// An enumeration of words: each has its spelling, and is found by it.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// How it is spelt.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What is spelt like this.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;
