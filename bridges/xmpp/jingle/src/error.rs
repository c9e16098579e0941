//! What is answered to a stanza that cannot be done, and what is said of a session description that
//! cannot be read.

use crate::ns;
use crate::xml::Build;
use minidom::Element;

/// A session description that cannot become Jingle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session description cannot be read: {0}")]
pub struct Unreadable(pub(crate) &'static str);

/// A stanza that is refused (RFC 6120 §8.3, XEP-0166 §10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// The type of the error: `cancel`, `modify` or `wait`.
    pub kind: &'static str,
    /// The condition.
    pub condition: &'static str,
    /// Jingle's own condition.
    pub jingle: Option<&'static str>,
    /// What is said to a person.
    pub text: &'static str,
}

impl Refused {
    const fn new(
        kind: &'static str,
        condition: &'static str,
        jingle: Option<&'static str>,
        text: &'static str,
    ) -> Self {
        Self { kind, condition, jingle, text }
    }

    /// It cannot be understood.
    pub const fn bad(text: &'static str) -> Self {
        Self::new("modify", "bad-request", None, text)
    }

    /// There is no such session, for whoever asks.
    pub const fn unknown_session() -> Self {
        Self::new("cancel", "item-not-found", Some("unknown-session"), "there is no such session")
    }

    /// It has no place at this point of the session.
    pub const fn out_of_order(text: &'static str) -> Self {
        Self::new("wait", "unexpected-request", Some("out-of-order"), text)
    }

    /// The other side's action of the same kind goes first (XEP-0166 §7.2.16).
    pub const fn tie_break() -> Self {
        Self::new("cancel", "conflict", Some("tie-break"), "an action of the same kind goes first")
    }

    /// What is told within the session is not known here.
    pub const fn unsupported_info() -> Self {
        Self::new("modify", "feature-not-implemented", Some("unsupported-info"), "this information is not understood")
    }

    /// Too much at once.
    pub const fn too_much(text: &'static str) -> Self {
        Self::new("wait", "resource-constraint", None, text)
    }

    /// The error element, for a stanza in the namespace of its stream.
    pub fn to_element(&self, stream: &str) -> Element {
        let mut error = Element::bare("error", stream)
            .with("type", self.kind)
            .child(Element::bare(self.condition, ns::STANZAS))
            .child(Element::bare("text", ns::STANZAS).words(self.text));
        if let Some(condition) = self.jingle {
            error.append_child(Element::bare(condition, ns::ERRORS));
        }
        error
    }
}
