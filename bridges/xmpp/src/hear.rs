//! Where what the server sends goes: rooms in use, rooms that the component serves, people, questions.
//! One stanza after the other; what takes long is a task of its own.

use crate::calls;
use crate::instance::{Instance, Running};
use crate::xml::{self, attr, el, ns};
use minidom::Element;
use std::sync::Arc;

impl Instance {
    /// Takes one stanza.
    pub(crate) async fn hear(self: &Arc<Self>, running: &Arc<Running>, stanza: Element) {
        if stanza.ns() != ns::CLIENT {
            return;
        }
        let address = |name: &'static str| attr(&stanza, name).and_then(|jid| jid::Jid::new(jid).ok());
        let (Some(from), Some(to)) = (address("from"), address("to")) else {
            tracing::debug!(instance = %self.scope.instance, stanza = stanza.name(), "a stanza has no address that can be read");
            return;
        };
        if !self.personas.is_ours(&to.to_bare()) {
            return;
        }
        if calls::is_step(&stanza) && stanza.name() != "presence" {
            return self.call_stanza(running, &from, &to, &stanza);
        }
        if stanza.name() == "iq" {
            return self.question(running, stanza);
        }
        if let Some(room) = self.rooms.at(&from.to_bare()) {
            match (stanza.name(), stanza.attr("type")) {
                ("presence", _) => return self.room_presence(running, &room, &stanza).await,
                ("message", Some("groupchat")) => return self.room_message(running, &room, &stanza).await,
                ("message", _) if from.resource().is_none() => return,
                _ => {}
            }
        }
        // What the component's own people say comes back to it if they write to each other.
        if self.personas.is_ours(&from.to_bare()) {
            return;
        }
        match (stanza.name(), stanza.attr("type")) {
            ("presence", _) if self.is_for_service(&to, &stanza) => self.service_presence(running, stanza).await,
            ("message", Some("groupchat")) => self.service_message(running, stanza).await,
            ("message", Some("error")) if self.is_for_service(&to, &stanza) => {
                self.not_reached(running, &from, &to).await;
            }
            ("message", _) => self.private_message(running, stanza).await,
            ("presence", Some("error")) => {}
            ("presence", _) => self.contact_presence(running, &stanza).await,
            _ => {}
        }
    }

    /// A question is answered by a task: asking others may be needed for it.
    fn question(self: &Arc<Self>, running: &Arc<Running>, stanza: Element) {
        let Some(session) = running.session() else { return };
        if stanza.name() != "iq" {
            return;
        }
        let (instance, asked) = (Arc::clone(self), Arc::clone(running));
        running.spawn("a question", async move {
            let answer = instance.answer(&asked, &stanza).await;
            let _ = session.send(&answer).await;
        });
    }

    /// The answer to a question that nobody here knows.
    pub(crate) fn unknown(iq: &Element) -> Element {
        let mut answer = xml::error(iq, "cancel", "service-unavailable", "");
        if !matches!(iq.attr("type"), Some("get" | "set")) {
            answer = el("iq", ns::CLIENT);
        }
        answer
    }
}
