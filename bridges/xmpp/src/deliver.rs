//! Doing what the core asks: in rooms by an occupant of the author's, acknowledged by the message that
//! comes back; in private from the author's address, acknowledged once the server has taken it and
//! refused nothing; in the component's own rooms by `service`.

use crate::config::Mode;
use crate::instance::{Instance, RESOURCE, Running};
use crate::memory::Memory;
use crate::message::{self, Reply};
use crate::names;
use crate::rooms::{EnterError, Room, Speaker};
use crate::session::{AskError, Session};
use crate::xml::{Make, StanzaError, el, ns, stanza};
use minidom::Element;
use monster_bridge_api::{
    Action, Capabilities, Delivery, DeliveryError, EventId, Found, HintDelivery, HintKind, Membership, PlaceKind,
    Receipt, Reference, RemoteId, RoomProfile, Support,
};
use std::sync::Arc;

const AWAY: &str = "the XMPP server is not connected";

impl Instance {
    /// What can be done at a target.
    pub(crate) fn capabilities_at(&self, target: &RemoteId) -> Capabilities {
        let room = self.kind_of(target) != PlaceKind::Person;
        let full_if = |able: bool| if able { Support::Full } else { Support::Dropped };
        Capabilities {
            edit: Support::Full,
            recall: Support::Full,
            reply: Support::Full,
            reaction: Support::Full,
            attachment: Support::Full,
            membership: full_if(room),
            room_profile: full_if(room),
            typing: Support::Full,
            read: full_if(!room),
            presence: full_if(!room),
            call: if room { Support::Words } else { Support::Full },
            text_bytes: None,
        }
    }

    /// Does what the delivery says.
    pub(crate) async fn deliver(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
    ) -> Result<Receipt, DeliveryError> {
        let done = if self.is_served(&delivery.target) {
            self.deliver_served(running, delivery).await
        } else if self.kind_of(&delivery.target) == PlaceKind::Person {
            self.deliver_private(running, delivery).await
        } else {
            self.deliver_to_room(running, delivery).await
        };
        if let Err(error) = &done {
            tracing::debug!(instance = %self.scope.instance, key = %delivery.key, target = %delivery.target, %error, "a delivery was not done");
        }
        done
    }

    async fn deliver_to_room(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
    ) -> Result<Receipt, DeliveryError> {
        let session = running.session().ok_or_else(|| DeliveryError::transient(AWAY))?;
        let room = self.room(running, &delivery.target);
        let room = room.ok_or_else(|| DeliveryError::permanent(format!("`{}` is no room", delivery.target)))?;
        if let Some(id) = room.seen(delivery.key.as_str()) {
            return Ok(Receipt { ids: vec![id] });
        }
        let (speaker, name) = self.speaker(&delivery.author, delivery.posting);
        if let Action::Membership(change) = &delivery.action {
            // Who comes gets an occupant with their first words.
            if name.is_none() && matches!(change, Membership::Left(_) | Membership::Removed { .. }) {
                self.leave(&room, &speaker).await;
            }
            return Ok(Receipt::default());
        }
        self.enter(running, &room, &speaker, room.pass_of(&delivery.author).as_deref()).await.map_err(not_let_in)?;
        if let Action::Recall { target, reason } = &delivery.action
            && target.author.is_some()
        {
            return self.moderate(&session, &room, target, reason.as_deref()).await;
        }
        let begun = message::begin(&speaker.full(), room.jid.as_str(), "groupchat", delivery.key.as_str());
        let message = match &delivery.action {
            Action::RoomProfile(RoomProfile { topic: Some(topic), .. }) => {
                begun.child(el("subject", ns::CLIENT).words(topic.as_str()))
            }
            Action::RoomProfile(_) => return Ok(Receipt::default()),
            action => worded(begun, action, delivery, &mut room.memory.lock(), name.as_deref())?,
        };
        tracing::debug!(instance = %self.scope.instance, key = %delivery.key, room = %room.id, "a message goes to a room");
        self.say(&session, &room, &speaker, delivery, message).await
    }

    /// Sends a message to a room and waits until it comes back.
    async fn say(
        &self,
        session: &Arc<Session>,
        room: &Arc<Room>,
        speaker: &Speaker,
        delivery: &Delivery,
        message: Element,
    ) -> Result<Receipt, DeliveryError> {
        let key = delivery.key.as_str();
        let refusal = session.refusal_of(room.jid.as_str(), key);
        session.send(&message).await.map_err(|gone| DeliveryError::transient(gone.to_string()))?;
        let come_back = async {
            loop {
                let echo = room.echoes.notified();
                tokio::pin!(echo);
                echo.as_mut().enable();
                if let Some(id) = room.seen(key) {
                    return id;
                }
                echo.await;
            }
        };
        tokio::select! {
            id = come_back => Ok(Receipt { ids: vec![id] }),
            refused = refusal.outcome() => match refused {
                Err(AskError::Error(error)) => Err(Self::refused(room, speaker, &error)),
                _ => Err(DeliveryError::uncertain("the message did not come back")),
            },
            () = session.ended() => Err(DeliveryError::uncertain(session.why())),
            () = tokio::time::sleep(self.config.ack_timeout()) => {
                // A room that has forgotten us says nothing at all: come in again for the next try.
                room.forget(speaker);
                Err(DeliveryError::uncertain("the message did not come back in time"))
            }
        }
    }

    fn refused(room: &Room, speaker: &Speaker, error: &StanzaError) -> DeliveryError {
        match error.condition.as_str() {
            "not-acceptable" => {
                room.forget(speaker);
                DeliveryError::transient(format!("{} is not in {} any more", speaker.name, room.jid))
            }
            "forbidden" => DeliveryError::permanent(format!("{} does not let {} speak", room.jid, speaker.name)),
            _ if error.kind == "wait" => DeliveryError::transient(error.text.clone()),
            _ => DeliveryError::permanent(format!("{}: {}", room.jid, error.text)),
        }
    }

    /// Removes somebody else's message, where the room lets the gateway (XEP-0425).
    async fn moderate(
        &self,
        session: &Session,
        room: &Room,
        target: &Reference,
        reason: Option<&str>,
    ) -> Result<Receipt, DeliveryError> {
        let id = target.ids.first().map(message::bare_id).unwrap_or_default();
        let moderate = el("moderate", ns::MODERATE).with("id", id).child(el("retract", ns::RETRACT));
        let moderate = match reason {
            Some(reason) => moderate.child(el("reason", ns::MODERATE).words(reason)),
            None => moderate,
        };
        let iq = stanza("iq", &self.bot().full(), room.jid.as_str()).with("type", "set").child(moderate);
        match session.ask(iq).await {
            Ok(_) => Ok(Receipt::default()),
            Err(AskError::Error(error)) => {
                let why = format!("{} does not let the gateway remove what others said: {}", room.jid, error.text);
                Err(DeliveryError::permanent(why))
            }
            // Removing twice is removing once.
            Err(error) => Err(DeliveryError::transient(error.to_string())),
        }
    }

    async fn deliver_private(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
    ) -> Result<Receipt, DeliveryError> {
        let session = running.session().ok_or_else(|| DeliveryError::transient(AWAY))?;
        let own = self.personas.jid_of(&delivery.author.id).map(|jid| jid.to_string());
        let (from, name) = match (own, self.config.mode) {
            (Some(jid), _) => (jid, None),
            (None, Mode::Account) => (self.personas.domain().to_owned(), Some(delivery.author.name.as_str())),
            (None, Mode::Component) => {
                return Err(DeliveryError::permanent("the author's address is too long for XMPP"));
            }
        };
        if name.is_some() {
            self.people.correspond(running, &delivery.target, &delivery.author.id).await;
        }
        let key = delivery.key.as_str();
        let (to, occupant) = self.private_target(&delivery.target)?;
        if let Some((room, _)) = names::split_occupant(delivery.target.as_str())
            && let Some(room) = self.rooms.get(&RemoteId::new(room))
        {
            // Only who is in a room may write to somebody there.
            let (speaker, _) = self.speaker(&delivery.author, None);
            self.enter(running, &room, &speaker, room.pass_of(&delivery.author).as_deref())
                .await
                .map_err(not_let_in)?;
        }
        let begun = message::begin(&format!("{from}/{RESOURCE}"), &to, "chat", key);
        let message = worded(begun, &delivery.action, delivery, &mut self.people.memory.lock(), name)?
            .child(el("request", ns::RECEIPTS))
            .child(el("markable", ns::MARKERS));
        let message = if occupant { message.child(el("x", ns::MUC_USER)) } else { message };
        let mut refusal = session.refusal_of(&to, key);
        session.send(&message).await.map_err(|gone| DeliveryError::transient(gone.to_string()))?;
        let passed = session.passed().await;
        if let Some(Err(AskError::Error(error))) = refusal.so_far() {
            return Err(if error.kind == "wait" && error.condition != "remote-server-timeout" {
                DeliveryError::transient(error.text)
            } else {
                DeliveryError::permanent(format!("{} cannot be reached: {}", delivery.target, error.text))
            });
        }
        passed.map_err(|gone| DeliveryError::uncertain(gone.to_string()))?;
        Ok(Receipt { ids: vec![EventId::new(key)] })
    }

    /// Where something private goes: to somebody, or to an occupant of a room.
    fn private_target(&self, target: &RemoteId) -> Result<(String, bool), DeliveryError> {
        let Some((room, _)) = names::split_occupant(target.as_str()) else {
            return Ok((target.as_str().to_owned(), false));
        };
        let nick = self.rooms.get(&RemoteId::new(room)).and_then(|room| room.nick_of_occupant(target));
        let nick = nick.ok_or_else(|| DeliveryError::permanent(format!("they are not in {room} any more")))?;
        Ok((format!("{room}/{nick}"), true))
    }

    /// Whether a delivery of uncertain outcome was done.
    pub(crate) async fn find(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
    ) -> Result<Found, DeliveryError> {
        let found = |id: EventId| Found::Delivered(Receipt { ids: vec![id] });
        if self.is_served(&delivery.target) {
            return Ok(self.seen_served(delivery).map_or(Found::Unknown, found));
        }
        if self.kind_of(&delivery.target) == PlaceKind::Person {
            // Nobody but the one who got it knows. Again, it has the same id.
            return Ok(Found::Unknown);
        }
        let Some(room) = self.room(running, &delivery.target) else { return Ok(Found::Absent) };
        if let Some(id) = room.seen(delivery.key.as_str()) {
            return Ok(found(id));
        }
        let (speaker, _) = self.speaker(&delivery.author, delivery.posting);
        self.enter(running, &room, &speaker, room.pass_of(&delivery.author).as_deref()).await.map_err(not_let_in)?;
        let looked_up = self.look_up(&room, delivery).await;
        tracing::debug!(instance = %self.scope.instance, key = %delivery.key, room = %room.id, found = ?looked_up, "looked for a message in a room's archive");
        match looked_up {
            Ok(Some(id)) => Ok(found(id)),
            Ok(None) => Ok(Found::Absent),
            Err(AskError::Error(error)) if error.kind == "wait" => Err(DeliveryError::transient(error.text)),
            // No archive.
            Err(AskError::Error(_)) => Ok(Found::Unknown),
            Err(error) => Err(DeliveryError::transient(error.to_string())),
        }
    }

    /// Passes something on that may be lost.
    pub(crate) fn pass_hint(&self, hint: &HintDelivery) {
        let Some(session) = self.session() else { return };
        let state = |name: &str| el(name, ns::CHAT_STATES);
        match &hint.kind {
            HintKind::Typing(active) => {
                let state = state(if *active { "composing" } else { "paused" });
                if self.is_served(&hint.target) {
                    self.hint_served(&session, &hint.target, &hint.author.name, &state);
                } else {
                    self.send_hint(&session, hint, state);
                }
            }
            HintKind::Read(up_to) => {
                let id = up_to.ids.last().map(message::bare_id).unwrap_or_default();
                self.send_hint(&session, hint, el("displayed", ns::MARKERS).with("id", id));
            }
            HintKind::Presence(now) => self.tell_presence(&hint.author, &hint.target, *now),
            _ => {}
        }
    }

    fn send_hint(&self, session: &Session, hint: &HintDelivery, payload: Element) {
        let Some(jid) = self.personas.jid_of(&hint.author.id) else { return };
        let kind = match self.rooms.get(&hint.target) {
            // Nobody comes into a room only to type.
            Some(room) if room.nick_of(jid.as_str()).is_none() => return,
            Some(_) => "groupchat",
            None => "chat",
        };
        let message = stanza("message", &format!("{jid}/{RESOURCE}"), hint.target.as_str()).with("type", kind);
        session.send_if_room(&message.child(payload).child(el("no-store", ns::HINTS)));
    }
}

/// What was let in, and what was not, as the core knows it.
fn not_let_in(error: EnterError) -> DeliveryError {
    match error {
        EnterError::Refused(error) if error.kind != "wait" => {
            DeliveryError::permanent(format!("the room does not let them in: {}", error.text))
        }
        other => DeliveryError::transient(other.to_string()),
    }
}

/// Puts what is to be done into a message that was begun. `name` stands before the words where one
/// occupant speaks for several.
pub(crate) fn worded(
    begun: Element,
    action: &Action,
    delivery: &Delivery,
    memory: &mut Memory,
    name: Option<&str>,
) -> Result<Element, DeliveryError> {
    let first = |target: &Reference| target.ids.first().map(|id| message::bare_id(id).to_owned()).unwrap_or_default();
    Ok(match action {
        Action::Send { content, reply_to } => {
            let reply = reply_to.as_ref().and_then(Reply::to);
            message::write(begun, content, reply.as_ref(), name)
        }
        Action::Edit { target, content } => {
            // By the id that its author gave it: ours is the key.
            let replace = el("replace", ns::CORRECT).with("id", target.key.as_str());
            message::write(begun.child(replace), content, None, name)
        }
        Action::Recall { target, reason } => message::retraction(begun, &first(target), reason.as_deref()),
        Action::React { target, emoji, remove } => {
            let author = RemoteId::new(delivery.author.id.as_str());
            let target = first(target);
            let all = memory.put(&author, &target, emoji, *remove);
            message::reactions(begun, &target, all.iter())
        }
        _ => return Err(DeliveryError::permanent("XMPP has nothing like that")),
    })
}
