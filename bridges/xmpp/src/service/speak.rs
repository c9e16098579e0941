//! What is said in rooms that the component serves: from XMPP to the core and to everybody there, and
//! from the core to everybody there.

use super::Served;
use crate::instance::{Instance, Running};
use crate::message;
use crate::session::Session;
use crate::xml::{self, Make, attr, el, ns, set, stanza, text_of};
use minidom::Element;
use monster_bridge_api::{
    Action, Delivery, DeliveryError, Event, EventId, EventKind, Hint, Membership, Receipt, RemoteId, RemoteUser,
    RoomProfile, Venue,
};
use std::sync::Arc;
use std::time::SystemTime;

impl Instance {
    /// A message to one of the component's rooms.
    pub(crate) async fn service_message(self: &Arc<Self>, running: &Arc<Running>, message: Element) {
        let address = |name: &'static str| attr(&message, name).and_then(|jid| jid::Jid::new(jid).ok());
        let (Some(from), Some(to)) = (address("from"), address("to")) else { return };
        let Some(session) = running.session() else { return };
        let id = RemoteId::new(to.to_bare().as_str());
        let place = self.service.get(&id).and_then(|room| room.guest(from.as_str()).map(|guest| (room, guest)));
        let Some((room, guest)) = place else {
            let error = xml::error(&message, "cancel", "not-acceptable", "you are not in this room");
            let _ = session.send(&error).await;
            return;
        };
        let user = RemoteUser { id: RemoteId::new(guest.who.as_str()), name: guest.nick.clone(), picture: None };
        let given = session.id();
        let mut shown = message.clone();
        set(&mut shown, "from", format!("{}/{}", room.jid, guest.nick));
        shown = without_claims(&shown, room.jid.as_str())
            .child(el("stanza-id", ns::STANZA_ID).with("by", room.jid.as_str()).with("id", given.as_str()))
            .child(el("occupant-id", ns::OCCUPANT_ID).with("id", self.occupant_id(&room, guest.who.as_str())));
        let kinds = Self::meant(running, &room, &user, &message, &EventId::new(given));
        let events = kinds.into_iter().map(|(id, kind)| event(&room, &user, id, kind)).collect::<Vec<_>>();
        if !events.is_empty() {
            let Some(outcomes) = running.accept_all(events).await else { return };
            if let Some(why) = outcomes.into_iter().find_map(Result::err) {
                let _ = session.send(&xml::error(&message, "cancel", "not-allowed", &why)).await;
                return;
            }
        }
        broadcast(&session, &room, &shown).await;
        room.remember(shown);
    }

    /// What a message means for the core.
    fn meant(
        running: &Running,
        room: &Served,
        user: &RemoteUser,
        message: &Element,
        id: &EventId,
    ) -> Vec<(EventId, EventKind)> {
        if let (Some(subject), false) = (text_of(message, "subject", ns::CLIENT), message.has_child("body", ns::CLIENT))
        {
            let mut state = room.state.lock();
            subject.clone_into(&mut state.subject);
            state.subject_by.clone_from(&user.name);
            return vec![(id.clone(), EventKind::RoomProfile(RoomProfile { name: None, topic: Some(subject) }))];
        }
        let venue = Venue::Room(room.id.clone());
        if let Some(active) = message::typing(message).filter(|_| !message.has_child("body", ns::CLIENT)) {
            running.host.hint(Hint::Typing { user: user.clone(), venue, active });
        } else if let Some(up_to) = message::displayed(message) {
            running.host.hint(Hint::Read { user: user.clone(), venue, up_to: EventId::new(up_to) });
        }
        match message::read(message) {
            Some(said) => room.memory.lock().events(&user.id, message::own_id(message), id, said),
            None => Vec::new(),
        }
    }

    /// What was said before, and the subject, for somebody who comes.
    pub(super) async fn tell_history(&self, session: &Session, room: &Served, to: &str) {
        let (history, subject, by) = {
            let state = room.state.lock();
            (state.history.clone(), state.subject.clone(), state.subject_by.clone())
        };
        for mut message in history {
            set(&mut message, "to", to);
            let _ = session.send(&message).await;
        }
        let from = if by.is_empty() { room.jid.to_string() } else { format!("{}/{by}", room.jid) };
        let subject = el("subject", ns::CLIENT).words(subject);
        let _ = session.send(&stanza("message", &from, to).with("type", "groupchat").child(subject)).await;
    }

    /// Does what a delivery says in a room that the component serves.
    pub(crate) async fn deliver_served(
        &self,
        running: &Running,
        delivery: &Delivery,
    ) -> Result<Receipt, DeliveryError> {
        let session = running.session().ok_or_else(|| DeliveryError::transient("the XMPP server is not connected"))?;
        let room = self.service.get(&delivery.target);
        let room = room.ok_or_else(|| DeliveryError::permanent(format!("`{}` is not in use", delivery.target)))?;
        let key = delivery.key.as_str();
        if let Some(done) = room.memory.lock().marked(key) {
            return Ok(Receipt { ids: vec![done] });
        }
        if let Action::Membership(change) = &delivery.action {
            match change {
                Membership::Left(_) | Membership::Removed { .. } => {
                    self.hide_persona(&session, &room, &delivery.author.id).await;
                }
                _ => {
                    self.show_persona(&session, &room, &delivery.author).await;
                }
            }
            return Ok(Receipt::default());
        }
        let nick = self.show_persona(&session, &room, &delivery.author).await;
        let begun = message::begin(&format!("{}/{nick}", room.jid), "", "groupchat", key);
        let message = match &delivery.action {
            Action::RoomProfile(RoomProfile { topic: Some(topic), .. }) => {
                let mut state = room.state.lock();
                topic.clone_into(&mut state.subject);
                nick.clone_into(&mut state.subject_by);
                begun.child(el("subject", ns::CLIENT).words(topic.as_str()))
            }
            Action::RoomProfile(_) => return Ok(Receipt::default()),
            action => crate::deliver::worded(begun, action, delivery, &mut room.memory.lock(), None)?,
        };
        let identity = format!("there {nick}");
        let message = message
            .child(el("stanza-id", ns::STANZA_ID).with("by", room.jid.as_str()).with("id", key))
            .child(el("occupant-id", ns::OCCUPANT_ID).with("id", self.occupant_id(&room, &identity)));
        broadcast(&session, &room, &message).await;
        let id = EventId::new(key);
        session.passed().await.map_err(|gone| DeliveryError::uncertain(gone.to_string()))?;
        room.memory.lock().mark(key, &id);
        room.remember(message);
        Ok(Receipt { ids: vec![id] })
    }

    /// Whether a delivery was done, as far as is known.
    pub(crate) fn seen_served(&self, delivery: &Delivery) -> Option<EventId> {
        self.service.get(&delivery.target)?.memory.lock().marked(delivery.key.as_str())
    }

    /// Somebody of another network is typing.
    pub(crate) fn hint_served(&self, session: &Session, id: &RemoteId, name: &str, state: &Element) {
        let Some(room) = self.service.get(id) else { return };
        let from = format!("{}/{}", room.jid, crate::rooms::nick(name));
        for device in room.devices() {
            session.send_if_room(&stanza("message", &from, &device).with("type", "groupchat").child(state.clone()));
        }
    }
}

async fn broadcast(session: &Arc<Session>, room: &Served, message: &Element) {
    for device in room.devices() {
        let mut copy = message.clone();
        set(&mut copy, "to", device);
        let _ = session.send(&copy).await;
    }
}

fn event(room: &Served, user: &RemoteUser, id: EventId, kind: EventKind) -> Event {
    Event {
        id,
        venue: Venue::Room(room.id.clone()),
        author: user.clone(),
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind,
        cursor: None,
    }
}

/// A message without what only the room itself may say of it (XEP-0359 §6, XEP-0421 §5).
fn without_claims(message: &Element, room: &str) -> Element {
    let mut clean = xml::el("message", ns::CLIENT);
    for ((namespace, name), value) in message.attrs() {
        clean.set_attr(namespace.clone(), name.clone(), value.as_str());
    }
    let claims = |child: &Element| {
        child.is("stanza-id", ns::STANZA_ID) && child.attr("by") == Some(room)
            || child.ns() == ns::OCCUPANT_ID
            || child.ns() == ns::MUC_USER
            || child.ns() == ns::DELAY
    };
    clean.all(message.children().filter(|child| !claims(child)).cloned())
}
