//! Elements as stanzas need them: made and read in few words. Nothing here knows a stanza's meaning.
//!
//! Stanzas stand in [`ns::CLIENT`] everywhere in this crate; `wire` puts a component's into the
//! namespace that its stream has.

use minidom::Element;
use rxml::{Namespace, NcName};

/// The namespaces that are spoken here.
pub(crate) mod ns {
    pub(crate) const CLIENT: &str = "jabber:client";
    pub(crate) const COMPONENT: &str = "jabber:component:accept";
    pub(crate) const STREAM: &str = "http://etherx.jabber.org/streams";
    pub(crate) const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
    pub(crate) const PING: &str = "urn:xmpp:ping";
    pub(crate) const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
    pub(crate) const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
    pub(crate) const MUC: &str = "http://jabber.org/protocol/muc";
    pub(crate) const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
    pub(crate) const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
    pub(crate) const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
    pub(crate) const DATA: &str = "jabber:x:data";
    pub(crate) const DELAY: &str = "urn:xmpp:delay";
    pub(crate) const STANZA_ID: &str = "urn:xmpp:sid:0";
    pub(crate) const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
    pub(crate) const CORRECT: &str = "urn:xmpp:message-correct:0";
    pub(crate) const REPLY: &str = "urn:xmpp:reply:0";
    pub(crate) const FALLBACK: &str = "urn:xmpp:fallback:0";
    pub(crate) const REACTIONS: &str = "urn:xmpp:reactions:0";
    pub(crate) const RETRACT: &str = "urn:xmpp:message-retract:1";
    pub(crate) const RETRACT_0: &str = "urn:xmpp:message-retract:0";
    pub(crate) const MODERATE: &str = "urn:xmpp:message-moderate:1";
    pub(crate) const MODERATE_0: &str = "urn:xmpp:message-moderate:0";
    pub(crate) const FASTEN: &str = "urn:xmpp:fasten:0";
    pub(crate) const MARKERS: &str = "urn:xmpp:chat-markers:0";
    pub(crate) const RECEIPTS: &str = "urn:xmpp:receipts";
    pub(crate) const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
    pub(crate) const HINTS: &str = "urn:xmpp:hints";
    pub(crate) const OOB: &str = "jabber:x:oob";
    pub(crate) const XHTML_IM: &str = "http://jabber.org/protocol/xhtml-im";
    pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";
    pub(crate) const MAM: &str = "urn:xmpp:mam:2";
    pub(crate) const RSM: &str = "http://jabber.org/protocol/rsm";
    pub(crate) const FORWARD: &str = "urn:xmpp:forward:0";
    pub(crate) const VCARD: &str = "vcard-temp";
    pub(crate) const NICK: &str = "http://jabber.org/protocol/nick";
    pub(crate) const CAPS: &str = "http://jabber.org/protocol/caps";
    pub(crate) const COMMANDS: &str = "http://jabber.org/protocol/commands";
    pub(crate) const VERSION: &str = "jabber:iq:version";
}

/// Making elements in one expression.
pub(crate) trait Make: Sized {
    /// With an attribute. A name that XML does not know is left out.
    fn with(self, name: &str, value: impl Into<String>) -> Self;
    /// With an attribute, if there is a value.
    fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self;
    /// With a child.
    fn child(self, child: Element) -> Self;
    /// With children.
    fn all(self, children: impl IntoIterator<Item = Element>) -> Self;
    /// With text.
    fn words(self, text: impl Into<String>) -> Self;
}

impl Make for Element {
    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        set(&mut self, name, value);
        self
    }

    fn with_some(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn child(mut self, child: Element) -> Self {
        self.append_child(child);
        self
    }

    fn all(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        for child in children {
            self.append_child(child);
        }
        self
    }

    fn words(mut self, text: impl Into<String>) -> Self {
        self.append_text_node(text);
        self
    }
}

/// An element without anything in it.
pub(crate) fn el(name: &str, namespace: &str) -> Element {
    Element::bare(name, namespace)
}

/// Sets an attribute.
pub(crate) fn set(element: &mut Element, name: &str, value: impl Into<String>) {
    if let Ok(name) = NcName::try_from(name) {
        element.set_attr(Namespace::NONE, name, value.into());
    }
}

/// The text of a child.
pub(crate) fn text_of(element: &Element, name: &str, namespace: &str) -> Option<String> {
    element.get_child(name, namespace).map(Element::text)
}

/// An attribute that is not empty.
pub(crate) fn attr<'a>(element: &'a Element, name: &'a str) -> Option<&'a str> {
    element.attr(name).filter(|value| !value.is_empty())
}

/// A stanza: `message`, `presence` or `iq`.
pub(crate) fn stanza(name: &str, from: &str, to: &str) -> Element {
    el(name, ns::CLIENT).with("from", from).with("to", to)
}

/// The answer to an IQ, addressed back.
pub(crate) fn result(iq: &Element) -> Element {
    back(iq).with("type", "result")
}

/// An error about a stanza, for whoever sent it: its type and condition (RFC 6120 §8.3.3), and words.
pub(crate) fn error(about: &Element, kind: &str, condition: &str, text: &str) -> Element {
    let mut error = el("error", ns::CLIENT).with("type", kind).child(el(condition, ns::STANZAS));
    if !text.is_empty() {
        error.append_child(el("text", ns::STANZAS).words(text));
    }
    back(about).with("type", "error").child(error)
}

fn back(about: &Element) -> Element {
    el(about.name(), ns::CLIENT)
        .with_some("from", about.attr("to"))
        .with_some("to", about.attr("from"))
        .with_some("id", about.attr("id"))
}

/// What an error stanza says: its condition and, for people, its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StanzaError {
    /// `cancel`, `wait`, `auth`, `modify`, `continue`.
    pub(crate) kind: String,
    /// The condition, e.g. `item-not-found`.
    pub(crate) condition: String,
    /// The words that came with it, or the condition's.
    pub(crate) text: String,
}

impl StanzaError {
    /// What the error within a stanza says.
    pub(crate) fn of(stanza: &Element) -> Self {
        let Some(error) = stanza.get_child("error", ns::CLIENT) else {
            return Self { kind: String::new(), condition: "undefined-condition".into(), text: "no reason".into() };
        };
        let condition = error.children().find(|child| child.ns() == ns::STANZAS && child.name() != "text");
        let condition = condition.map_or("undefined-condition", |child| child.name()).to_owned();
        let text = text_of(error, "text", ns::STANZAS).filter(|text| !text.trim().is_empty());
        Self {
            kind: error.attr("type").unwrap_or_default().to_owned(),
            text: text.unwrap_or_else(|| condition.replace('-', " ")),
            condition,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_goes_back_to_whoever_sent_the_stanza() {
        let iq = stanza("iq", "a@x/1", "b@y").with("id", "7").with("type", "get");
        let answer = error(&iq, "cancel", "item-not-found", "there is nobody");
        assert_eq!(
            (answer.attr("from"), answer.attr("to"), answer.attr("id")),
            (Some("b@y"), Some("a@x/1"), Some("7"))
        );
        let said = StanzaError::of(&answer);
        assert_eq!((said.condition.as_str(), said.text.as_str()), ("item-not-found", "there is nobody"));
        let bare = error(&iq, "cancel", "service-unavailable", "");
        assert_eq!(StanzaError::of(&bare).text, "service unavailable");
    }
}
