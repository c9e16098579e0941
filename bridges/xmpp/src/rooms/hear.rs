//! What is said in rooms, as events: live, and from the archive.

use super::Room;
use super::enter::occupant;
use super::presence::identity;
use crate::instance::{Instance, Running};
use crate::message::{self, Saying};
use crate::xml::{attr, ns, text_of};
use minidom::Element;
use monster_bridge_api::{Event, EventId, EventKind, Hint, MessageKey, RemoteUser, RoomProfile, Venue};
use std::sync::Arc;
use std::time::SystemTime;

/// A message of a room, live or not.
pub(super) struct Heard<'a> {
    pub(super) message: &'a Element,
    /// The id that the room's archive gives it, where that is where it comes from.
    pub(super) archived: Option<&'a str>,
    pub(super) at: SystemTime,
}

impl Instance {
    /// A groupchat message from a room that is in use.
    pub(crate) async fn room_message(self: &Arc<Self>, running: &Arc<Running>, room: &Arc<Room>, message: &Element) {
        let Some(to) = attr(message, "to").and_then(|to| jid::Jid::new(to).ok()) else { return };
        let given = message::stanza_id(message, room.jid.as_str());
        if let (Some((_, nick)), Some(own)) = (attr(message, "from").and_then(occupant), message::own_id(message))
            && room.is_ours(&nick)
        {
            let id = EventId::new(given.unwrap_or(own));
            room.memory.lock().mark(own, &id);
            room.echoes.notify_waiters();
            return;
        }
        // The subject is the last thing that a room says to who comes in, so it may come before it is decided
        // that they hear for all.
        let listener = room.state.lock().listener.clone();
        if listener.map_or(!is_subject(message), |listener| listener != to.to_bare().as_str()) {
            return;
        }
        if let Some(hint) = Self::room_hint(room, message) {
            return running.host.hint(hint);
        }
        // A room without an archive says itself how old a message is.
        let at = message.get_child("delay", ns::DELAY).and_then(|delay| attr(delay, "stamp"));
        let heard =
            Heard { message, archived: None, at: at.and_then(super::pump::time).unwrap_or_else(SystemTime::now) };
        for event in events(running, room, &heard) {
            room.tell(event).await;
        }
    }

    /// Typing and read marks, which are messages without words.
    fn room_hint(room: &Room, message: &Element) -> Option<Hint> {
        if message.has_child("body", ns::CLIENT) || message.has_child("subject", ns::CLIENT) {
            return None;
        }
        let (_, nick) = attr(message, "from").and_then(occupant)?;
        let user = RemoteUser { id: room.occupant(&nick)?, name: nick, picture: None };
        let venue = Venue::Room(room.id.clone());
        if let Some(up_to) = message::displayed(message) {
            return Some(Hint::Read { user, venue, up_to: EventId::new(up_to) });
        }
        let active = message::typing(message)?;
        Some(Hint::Typing { user, venue, active })
    }
}

/// What a message of a room means: no event, one, or (several emoji at once) several.
pub(super) fn events(running: &Running, room: &Room, heard: &Heard<'_>) -> Vec<Event> {
    let message = heard.message;
    let given = heard.archived.or_else(|| message::stanza_id(message, room.jid.as_str()));
    let own = message::own_id(message);
    let from = attr(message, "from").and_then(occupant);
    let author = match &from {
        Some((_, nick)) => {
            let id = match identity(&room.jid, nick, message) {
                // A room that tells occupants apart in presences only.
                id if id.as_str().contains("/=") => room.occupant(nick).unwrap_or(id),
                id => id,
            };
            RemoteUser { id, name: nick.clone(), picture: None }
        }
        // The room itself.
        None => RemoteUser { id: room.id.clone(), name: room.jid.to_string(), picture: None },
    };
    let id = given.or(own).map_or_else(|| running.own_id(), EventId::new);
    let event = |id: EventId, kind: EventKind| Event {
        id,
        venue: Venue::Room(room.id.clone()),
        author: author.clone(),
        persona: None,
        at: heard.at,
        key: own.filter(|own| own.starts_with("mg-")).map(MessageKey::new),
        kind,
        cursor: given.map(|given| (super::pump::cursor_key(room), format!("id:{given}"))),
    };
    if is_subject(message) {
        let subject = text_of(message, "subject", ns::CLIENT).unwrap_or_default();
        return subject_changed(room, subject).map(|kind| event(id, kind)).into_iter().collect();
    }
    let mut memory = room.memory.lock();
    match (&from, message::read(message)) {
        (None, Some(Saying::Moderation { id: target, reason, .. })) => {
            vec![event(id, EventKind::Recall { target: EventId::new(target), reason })]
        }
        (Some(_), Some(said)) => {
            let kinds = memory.events(&author.id, own, &id, said);
            kinds.into_iter().map(|(id, kind)| event(id, kind)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a message sets a room's subject (XEP-0045 section 8.1).
fn is_subject(message: &Element) -> bool {
    message.has_child("subject", ns::CLIENT) && !message.has_child("body", ns::CLIENT)
}

/// The subject, if it is another one than before.
fn subject_changed(room: &Room, subject: String) -> Option<EventKind> {
    let mut state = room.state.lock();
    let before = state.subject.replace(subject.clone());
    // The first one is what it was when we came.
    let news = before.is_some_and(|before| before != subject);
    news.then_some(EventKind::RoomProfile(RoomProfile { name: None, topic: Some(subject) }))
}
