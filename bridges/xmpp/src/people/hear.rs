//! What people of XMPP write to one of ours, or to the gateway itself.

use crate::instance::{Instance, Running};
use crate::message;
use crate::session::Session;
use crate::xml::{self, Make, StanzaError, attr, el, ns, stanza, text_of};
use minidom::Element;
use monster_bridge_api::{
    Control, Event, EventId, EventKind, Hint, MessageKey, PersonaId, RemoteId, RemoteUser, Venue,
};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// How many messages of a line may wait.
const WAITING: usize = 256;

/// Something to hand over, and the message it comes from, which is answered after.
pub(super) struct Item {
    events: Vec<Event>,
    message: Element,
}

impl Instance {
    /// A message from somebody that is no room's.
    pub(crate) async fn private_message(self: &Arc<Self>, running: &Arc<Running>, message: Element) {
        let address = |name: &'static str| attr(&message, name).and_then(|jid| jid::Jid::new(jid).ok());
        let (Some(from), Some(to)) = (address("from"), address("to")) else { return };
        let Some(session) = running.session() else { return };
        let persona = self.guest_of(&to).or_else(|| self.personas.persona_of(&to.to_bare()));
        // What begins with `!` is for the gateway, whoever the account wrote for.
        let to_us = text_of(&message, "body", ns::CLIENT).is_some_and(|words| words.starts_with('!'));
        let answered = || self.people.correspondent(&RemoteId::new(from.to_bare().as_str())).filter(|_| !to_us);
        let Some(persona) = persona.or_else(answered) else {
            if to.to_bare().as_str() == self.personas.domain() {
                return self.to_bot(running, &session, &from, &message);
            }
            let error = xml::error(&message, "cancel", "item-not-found", "there is nobody of this name");
            let _ = session.send(&error).await;
            return;
        };
        let author = self.private_author(&from);
        if message.attr("type") == Some("error") {
            return Self::came_back(running, author, persona, &message).await;
        }
        if let Some(hint) = Self::private_hint(&author, &persona, &message) {
            running.host.hint(hint);
        }
        let Some(said) = message::read(&message) else { return };
        let now = SystemTime::now();
        let own = message::own_id(&message).map(str::to_owned);
        let at_ms = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let id = own.as_deref().map_or_else(|| running.own_id(), |own| message::event_id(own, at_ms));
        let at = message.get_child("delay", ns::DELAY).and_then(|delay| attr(delay, "stamp"));
        let at = at.and_then(crate::rooms::pump::time).unwrap_or(now);
        let kinds = self.people.memory.lock().events(&author.id, own.as_deref(), &id, said);
        let key = own.filter(|own| own.starts_with("mg-")).map(MessageKey::new);
        let event = |(id, kind): (EventId, EventKind)| Event {
            id,
            venue: Venue::Private(persona.clone()),
            author: author.clone(),
            persona: None,
            at,
            key: key.clone(),
            kind,
            cursor: None,
        };
        let events = kinds.into_iter().map(event).collect();
        let line = self.line(running, &author.id);
        let _ = line.send(Item { events, message }).await;
    }

    /// Who writes: somebody, or an occupant of a room in private.
    fn private_author(&self, from: &jid::Jid) -> RemoteUser {
        let bare = from.to_bare();
        if let (Some(room), Some(nick)) = (self.rooms.at(&bare), from.resource()) {
            let id = room.occupant_id(nick.as_str());
            return RemoteUser { id, name: nick.to_string(), picture: None };
        }
        self.user(&bare)
    }

    fn private_hint(author: &RemoteUser, persona: &PersonaId, message: &Element) -> Option<Hint> {
        let (user, venue) = (author.clone(), Venue::Private(persona.clone()));
        let received = message.get_child("received", ns::RECEIPTS).is_some();
        if let Some(up_to) = message::displayed(message).filter(|_| !received) {
            return Some(Hint::Read { user, venue, up_to: EventId::new(up_to) });
        }
        let active = message::typing(message)?;
        Some(Hint::Typing { user, venue, active })
    }

    /// The line in which somebody's messages are handed over.
    fn line(self: &Arc<Self>, running: &Arc<Running>, author: &RemoteId) -> mpsc::Sender<Item> {
        let mut hasher = DefaultHasher::new();
        author.hash(&mut hasher);
        let mut lines = self.people.lines.lock();
        if lines.is_empty() {
            for _ in 0..super::LINES {
                let (line, items) = mpsc::channel(WAITING);
                running.spawn("private messages", hand_over(Arc::clone(running), items));
                lines.push(line);
            }
        }
        let index = usize::try_from(hasher.finish() % super::LINES as u64).unwrap_or_default();
        lines[index].clone()
    }

    /// A message of ours came back after it had been taken for delivered.
    async fn came_back(running: &Running, author: RemoteUser, persona: PersonaId, message: &Element) {
        let error = StanzaError::of(message);
        // A chat state or a marker that nobody wanted is nobody's loss.
        if !message.attr("id").is_some_and(|id| id.starts_with("mg-")) {
            return;
        }
        let event = Event {
            id: running.own_id(),
            venue: Venue::Private(persona),
            author,
            persona: None,
            at: SystemTime::now(),
            key: None,
            kind: EventKind::Notice(format!("your message could not be delivered: {}", error.text)),
            cursor: None,
        };
        running.accept(event).await;
    }

    /// A command to the gateway itself.
    fn to_bot(self: &Arc<Self>, running: &Arc<Running>, session: &Arc<Session>, from: &jid::Jid, message: &Element) {
        let Some(line) = text_of(message, "body", ns::CLIENT).filter(|_| message.attr("type") != Some("error")) else {
            return;
        };
        let (by, line) = (from.to_bare(), line.trim_start_matches('!').to_owned());
        let control = Control { by: self.user(&by), room: None, may_link: self.config.trusts(&by), line };
        let answer = stanza("message", self.personas.domain(), from.as_str()).with("type", "chat");
        let (host, session) = (Arc::clone(&running.host), Arc::clone(session));
        running.spawn("a command", async move {
            let words = host.control(control).await;
            let _ = session.send(&answer.child(el("body", ns::CLIENT).words(words))).await;
        });
    }
}

/// Hands over what people wrote, and then tells their clients that it was received (XEP-0184).
async fn hand_over(running: Arc<Running>, mut items: mpsc::Receiver<Item>) {
    while let Some(Item { events, message }) = items.recv().await {
        let Some(outcomes) = running.accept_all(events).await else { return };
        let Some(session) = running.session() else { continue };
        let refused = outcomes.into_iter().find_map(Result::err);
        if let Some(why) = refused {
            let _ = session.send(&xml::error(&message, "cancel", "service-unavailable", &why)).await;
        } else if let (true, Some(id)) = (message.has_child("request", ns::RECEIPTS), message.attr("id")) {
            let (from, to) = (message.attr("to").unwrap_or_default(), message.attr("from").unwrap_or_default());
            let receipt = stanza("message", from, to).with("type", message.attr("type").unwrap_or("chat"));
            let _ = session.send(&receipt.child(el("received", ns::RECEIPTS).with("id", id))).await;
        }
    }
}
