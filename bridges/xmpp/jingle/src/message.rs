//! Ringing by messages (XEP-0353): read as version 0.3 and the current one have it, written as the
//! current one.

use crate::error::Refused;
use crate::model::Kind;
use crate::ns;
use crate::reason::{Condition, Reason};
use crate::xml::{Build, attr, children};
use minidom::Element;

/// The longest id of a session, in bytes.
pub(crate) const MAX_ID: usize = 256;

/// One message about a call that may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The id of the session.
    pub id: String,
    /// What it says.
    pub kind: MessageKind,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// Somebody calls, with this.
    Propose(Vec<Kind>),
    /// A device of the callee rings.
    Ringing,
    /// A device of the callee takes the call.
    Proceed,
    /// Version 0.3: a device of one's own takes the call.
    Accept,
    /// The callee does not.
    Reject(Ending),
    /// The caller gives up.
    Retract(Ending),
    /// The session is over.
    Finish(Ending),
}

/// With what an invitation or a session ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: Option<Reason>,
    /// As the other one's call goes first.
    pub tie_break: bool,
    /// The session that goes on instead.
    pub migrated: Option<String>,
}

impl Ending {
    pub(crate) fn tie_break() -> Self {
        Self { tie_break: true, ..Self::of(Reason::with_words(Condition::Expired, "Tie-Break")) }
    }

    pub(crate) fn of(reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::default() }
    }
}

impl Message {
    /// Whether an element is one of these messages.
    pub fn is(element: &Element) -> bool {
        element.has_ns(ns::MESSAGE)
    }

    /// What the other side is told whose invitation crosses one of ours that goes first (XEP-0353 §4.1).
    pub fn tie_break(id: &str) -> Self {
        Self { id: id.to_owned(), kind: MessageKind::Reject(Ending::tie_break()) }
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it has no id, or nobody knows what it is.
    pub fn of_element(element: &Element) -> Result<Self, Refused> {
        let id = attr(element, "id").filter(|id| id.len() <= MAX_ID && !id.chars().any(char::is_control));
        let id = id.ok_or(Refused::bad("an invitation without an id"))?.to_owned();
        let ending = || Ending {
            reason: Reason::of_child(element),
            tie_break: element.children().any(|child| child.name() == "tie-break"),
            migrated: element
                .children()
                .find(|child| child.name() == "migrated")
                .and_then(|child| attr(child, "to"))
                .map(str::to_owned),
        };
        let kind = match element.name() {
            "propose" => MessageKind::Propose(kinds(element)),
            "ringing" => MessageKind::Ringing,
            "proceed" => MessageKind::Proceed,
            "accept" => MessageKind::Accept,
            "reject" => MessageKind::Reject(ending()),
            "retract" => MessageKind::Retract(ending()),
            "finish" => MessageKind::Finish(ending()),
            _ => return Err(Refused::bad("nobody knows this message about calls")),
        };
        Ok(Self { id, kind })
    }

    /// Writes it.
    pub fn to_element(&self) -> Element {
        let bare = |name: &str| Element::bare(name, ns::MESSAGE).with("id", &self.id);
        match &self.kind {
            MessageKind::Propose(kinds) => kinds.iter().fold(bare("propose"), |propose, kind| {
                propose.child(Element::bare("description", ns::RTP).with("media", kind.as_str()))
            }),
            MessageKind::Ringing => bare("ringing"),
            MessageKind::Proceed => bare("proceed"),
            MessageKind::Accept => bare("accept"),
            MessageKind::Reject(ending) => ending.fill(bare("reject")),
            MessageKind::Retract(ending) => ending.fill(bare("retract")),
            MessageKind::Finish(ending) => ending.fill(bare("finish")),
        }
    }
}

impl Ending {
    fn fill(&self, mut element: Element) -> Element {
        if let Some(reason) = &self.reason {
            element.append_child(reason.to_element());
        }
        if self.tie_break {
            element.append_child(Element::bare("tie-break", ns::MESSAGE));
        }
        if let Some(to) = &self.migrated {
            element.append_child(Element::bare("migrated", ns::MESSAGE).with("to", to));
        }
        element
    }
}

fn kinds(propose: &Element) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for description in children(propose, "description", ns::RTP) {
        let kind = attr(description, "media").and_then(|word| Kind::of(&word.to_ascii_lowercase()));
        if let Some(kind) = kind.filter(|kind| !kinds.contains(kind)) {
            kinds.push(kind);
        }
    }
    kinds
}
