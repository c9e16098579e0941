//! Coming into rooms that the component serves, and going.

use super::{Guest, OCCUPANTS, Served};
use crate::instance::{Instance, Running};
use crate::names;
use crate::session::Session;
use crate::xml::{self, Make, attr, el, ns, set, stanza, text_of};
use aws_lc_rs::digest;
use jid::BareJid;
use minidom::Element;
use monster_bridge_api::{
    Admission, Author, Event, EventKind, Membership, PersonaId, PlaceKind, RemoteId, RemoteUser, RequestError, Venue,
};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

impl Instance {
    /// Whether a presence is for one of the component's rooms.
    pub(crate) fn is_for_service(&self, to: &jid::Jid, presence: &Element) -> bool {
        let id = RemoteId::new(to.to_bare().as_str());
        to.resource().is_some() && (presence.has_child("x", ns::MUC) || self.service.get(&id).is_some())
    }

    /// A presence to one of the component's rooms.
    pub(crate) async fn service_presence(self: &Arc<Self>, running: &Arc<Running>, presence: Element) {
        let address = |name: &'static str| attr(&presence, name).and_then(|jid| jid::Jid::new(jid).ok());
        let (Some(from), Some(to)) = (address("from"), address("to")) else { return };
        let (Some(nick), Some(session)) = (to.resource().map(ToString::to_string), running.session()) else { return };
        let id = RemoteId::new(to.to_bare().as_str());
        match (self.service.get(&id), presence.attr("type")) {
            (Some(room), Some("unavailable")) => self.go(running, &session, &room, &from, &presence).await,
            (Some(room), None) if room.guest(from.as_str()).is_some() => {
                self.rename_or_resync(running, &session, &room, &from, nick, &presence).await;
            }
            (_, None) => {
                // The other network may have to be asked first.
                let (instance, task) = (Arc::clone(self), Arc::clone(running));
                running.spawn("letting somebody in", async move {
                    instance.come(&task, &session, id, from, nick, &presence).await;
                });
            }
            _ => {}
        }
    }

    /// A device did not take what was said in a room: it is not there any more.
    pub(crate) async fn not_reached(self: &Arc<Self>, running: &Arc<Running>, device: &jid::Jid, room: &jid::Jid) {
        let room = self.service.get(&RemoteId::new(room.to_bare().as_str()));
        if let (Some(room), Some(session)) = (room, running.session()) {
            let silent = stanza("presence", device.as_str(), room.jid.as_str()).with("type", "unavailable");
            self.go(running, &session, &room, device, &silent).await;
        }
    }

    /// Who of another network is called so in one of the component's rooms.
    pub(crate) fn guest_of(&self, address: &jid::Jid) -> Option<PersonaId> {
        let room = self.service.get(&RemoteId::new(address.to_bare().as_str()))?;
        let state = room.state.lock();
        state.there.get(address.resource()?.as_str()).cloned()
    }

    /// Everybody in the component's rooms is told that they end for now (XEP-0045 §10.9, status 332).
    pub(crate) async fn close_service(&self, session: &Session) {
        for id in self.service.rooms() {
            let Some(room) = self.service.get(&id) else { continue };
            for device in room.devices() {
                let Some(guest) = room.guest(&device) else { continue };
                let mut gone =
                    self.shown(&room, &guest.nick, Some(&guest.who), &device, true).with("type", "unavailable");
                if let Some(x) = gone.get_child_mut("x", ns::MUC_USER) {
                    x.append_child(el("status", ns::MUC_USER).with("code", "332"));
                }
                let _ = session.send(&gone).await;
            }
        }
    }

    async fn come(
        self: &Arc<Self>,
        running: &Arc<Running>,
        session: &Arc<Session>,
        id: RemoteId,
        from: jid::Jid,
        nick: String,
        presence: &Element,
    ) {
        let who = from.to_bare();
        let room = match self.room_for(running, &id, &who).await {
            Ok(room) => room,
            Err(error) => {
                let (kind, condition) = match &error {
                    RequestError::Unknown(_) => ("cancel", "item-not-found"),
                    RequestError::Refused(_) => ("auth", "forbidden"),
                    RequestError::Unavailable(_) => ("wait", "service-unavailable"),
                };
                let _ = session.send(&xml::error(presence, kind, condition, &error.to_string())).await;
                return;
            }
        };
        let taken = {
            let state = room.state.lock();
            let by_other = state.here.values().any(|guest| guest.nick == nick && guest.who != who);
            by_other || state.there.contains_key(&nick) || state.here.len() >= OCCUPANTS
        };
        if taken {
            let words = "somebody in the room is called so already";
            let _ = session.send(&xml::error(presence, "cancel", "conflict", words)).await;
            return;
        }
        let (first, others) = {
            let mut state = room.state.lock();
            let first = !state.here.values().any(|guest| guest.who == who);
            let mut others: Vec<(String, Option<BareJid>)> =
                state.here.values().map(|guest| (guest.nick.clone(), Some(guest.who.clone()))).collect();
            others.extend(state.there.keys().map(|nick| (nick.clone(), None)));
            state.here.insert(from.to_string(), Guest { nick: nick.clone(), who: who.clone() });
            (first, others)
        };
        for (other, jid) in others {
            let _ = session.send(&self.shown(&room, &other, jid.as_ref(), from.as_str(), false)).await;
        }
        for device in room.devices() {
            let own = device == from.as_str();
            let _ = session.send(&self.shown(&room, &nick, Some(&who), &device, own)).await;
        }
        self.tell_history(session, &room, from.as_str()).await;
        if first {
            self.moved(running, &room, &who, nick, Membership::Joined).await;
        }
    }

    /// The room, linked with the one it stands for.
    async fn room_for(&self, running: &Running, id: &RemoteId, who: &BareJid) -> Result<Arc<Served>, RequestError> {
        if let Some(room) = self.service.get(id) {
            return Ok(room);
        }
        let nobody = || RequestError::Unknown(format!("there is no room `{id}`"));
        let persona = names::jid_of(id).and_then(|jid| self.personas.persona_of(&jid)).ok_or_else(nobody)?;
        if !self.config.trusts(who) {
            let why = "nobody has brought this room here yet, and you may not";
            return Err(RequestError::Refused(why.to_owned()));
        }
        if running.host.about(&persona).await?.kind == PlaceKind::Person {
            return Err(RequestError::Unknown(format!("`{persona}` is a person, not a room")));
        }
        running.host.link(id, &persona).await?;
        self.service.open(id).ok_or_else(nobody)
    }

    async fn go(
        self: &Arc<Self>,
        running: &Arc<Running>,
        session: &Arc<Session>,
        room: &Arc<Served>,
        from: &jid::Jid,
        presence: &Element,
    ) {
        let Some(guest) = room.state.lock().here.remove(from.as_str()) else { return };
        let last = !room.state.lock().here.values().any(|other| other.who == guest.who);
        let gone =
            |to: &str, own: bool| self.shown(room, &guest.nick, Some(&guest.who), to, own).with("type", "unavailable");
        let _ = session.send(&gone(from.as_str(), true)).await;
        if !last {
            return;
        }
        for device in room.devices() {
            let _ = session.send(&gone(&device, false)).await;
        }
        let words = text_of(presence, "status", ns::CLIENT).filter(|words| !words.is_empty());
        self.moved(running, room, &guest.who, guest.nick, Membership::Left(words)).await;
    }

    /// Somebody who is in says so again, or has another nick.
    async fn rename_or_resync(
        self: &Arc<Self>,
        running: &Arc<Running>,
        session: &Arc<Session>,
        room: &Arc<Served>,
        from: &jid::Jid,
        nick: String,
        presence: &Element,
    ) {
        let Some(guest) = room.guest(from.as_str()) else { return };
        if guest.nick == nick {
            if presence.has_child("x", ns::MUC) {
                room.state.lock().here.remove(from.as_str());
                let id = room.id.clone();
                return Box::pin(self.come(running, session, id, from.clone(), nick, presence)).await;
            }
            return;
        }
        let taken = {
            let state = room.state.lock();
            state.there.contains_key(&nick)
                || state.here.values().any(|other| other.nick == nick && other.who != guest.who)
        };
        if taken {
            let _ = session.send(&xml::error(presence, "cancel", "conflict", "somebody is called so already")).await;
            return;
        }
        for other in room.state.lock().here.values_mut().filter(|other| other.who == guest.who) {
            nick.clone_into(&mut other.nick);
        }
        for device in room.devices() {
            let own = device == from.as_str();
            let mut gone = self.shown(room, &guest.nick, Some(&guest.who), &device, own).with("type", "unavailable");
            if let Some(x) = gone.get_child_mut("x", ns::MUC_USER) {
                x.append_child(el("status", ns::MUC_USER).with("code", "303"));
                if let Some(item) = x.get_child_mut("item", ns::MUC_USER) {
                    set(item, "nick", nick.as_str());
                }
            }
            let _ = session.send(&gone).await;
            let _ = session.send(&self.shown(room, &nick, Some(&guest.who), &device, own)).await;
        }
        self.moved(running, room, &guest.who, nick, Membership::Renamed { from: guest.nick }).await;
    }

    /// The presence by which somebody is shown to a device: their own, or another's.
    pub(super) fn shown(&self, room: &Served, nick: &str, who: Option<&BareJid>, to: &str, own: bool) -> Element {
        let mut x = el("x", ns::MUC_USER)
            .child(el("item", ns::MUC_USER).with("affiliation", "member").with("role", "participant"));
        if own {
            x.append_child(el("status", ns::MUC_USER).with("code", "110"));
        }
        let identity = who.map_or_else(|| format!("there {nick}"), ToString::to_string);
        stanza("presence", &format!("{}/{nick}", room.jid), to)
            .child(x)
            .child(el("occupant-id", ns::OCCUPANT_ID).with("id", self.occupant_id(room, &identity)))
    }

    /// Whose nick it is, without saying who (XEP-0421): the same in one room for as long as the
    /// component keeps its secret.
    pub(super) fn occupant_id(&self, room: &Served, identity: &str) -> String {
        let text = format!("{}\0{}\0{identity}", self.config.secret.reveal(), room.jid);
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        hash.as_ref().iter().take(16).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    async fn moved(&self, running: &Running, room: &Served, who: &BareJid, nick: String, change: Membership) {
        let event = Event {
            id: running.own_id(),
            venue: Venue::Room(room.id.clone()),
            author: RemoteUser { id: RemoteId::new(who.as_str()), name: nick, picture: None },
            persona: None,
            at: SystemTime::now(),
            key: None,
            kind: EventKind::Membership(change),
            cursor: None,
        };
        running.accept(event).await;
    }

    /// Somebody of another network is in the room: everybody there sees them. Gives their nick.
    pub(super) async fn show_persona(&self, session: &Session, room: &Served, author: &Author) -> String {
        let (nick, new) = room.nick_for(&author.id, &author.name);
        if new {
            for device in room.devices() {
                let _ = session.send(&self.shown(room, &nick, None, &device, false)).await;
            }
        }
        nick
    }

    /// Somebody of another network is gone.
    pub(super) async fn hide_persona(&self, session: &Session, room: &Served, persona: &PersonaId) {
        let nick = {
            let mut state = room.state.lock();
            let nick = state.there.iter().find(|(_, who)| *who == persona).map(|(nick, _)| nick.clone());
            if let Some(nick) = &nick {
                state.there.remove(nick);
            }
            nick
        };
        let Some(nick) = nick else { return };
        for device in room.devices() {
            let gone = self.shown(room, &nick, None, &device, false).with("type", "unavailable");
            let _ = session.send(&gone).await;
        }
    }

    /// Whether somebody who asks is still in a room (XEP-0410), or whether the component is there.
    pub(crate) fn ping(&self, iq: &Element, to: &jid::Jid) -> Element {
        let id = RemoteId::new(to.to_bare().as_str());
        let from = iq.attr("from").unwrap_or_default();
        match (to.resource(), self.service.get(&id)) {
            (Some(nick), Some(room)) if room.guest(from).is_none_or(|guest| guest.nick != nick.as_str()) => {
                xml::error(iq, "cancel", "not-acceptable", "you are not in this room")
            }
            _ => xml::result(iq),
        }
    }

    /// Roles and affiliations are the other network's: nobody changes them here.
    pub(crate) fn administer(&self, iq: &Element, to: &jid::Jid, query: &Element) -> Element {
        let id = RemoteId::new(to.to_bare().as_str());
        if self.service.get(&id).is_none() {
            return Self::unknown(iq);
        }
        if iq.attr("type") == Some("get") && query.ns() == ns::MUC_ADMIN {
            return xml::result(iq).child(el("query", ns::MUC_ADMIN));
        }
        xml::error(iq, "auth", "forbidden", "who may do what in this room is decided on its own network")
    }

    /// Lets `who` of another network into a room that is served: they are there by its link.
    pub(crate) fn admit_served(&self, id: &RemoteId) -> Result<Admission, RequestError> {
        match self.service.get(id) {
            Some(_) => Ok(Admission::Accepted),
            None => Err(RequestError::Unknown(format!("nobody of XMPP has joined `{id}`"))),
        }
    }
}

impl Served {
    /// The nick of somebody of another network, and whether it is new.
    fn nick_for(&self, persona: &PersonaId, name: &str) -> (String, bool) {
        let mut state = self.state.lock();
        let wanted = crate::rooms::nick(name);
        let mut candidate = wanted.clone();
        let mut next = 2;
        loop {
            match state.there.get(&candidate) {
                Some(who) if who == persona => return (candidate, false),
                None if !state.here.values().any(|guest| guest.nick == candidate) => break,
                _ => {}
            }
            candidate = format!("{wanted} [{next}]");
            next += 1;
        }
        // Another name than before: the old one goes.
        state.there.retain(|_, who| who != persona);
        if state.there.len() < OCCUPANTS {
            state.there.insert(candidate.clone(), persona.clone());
        }
        (candidate, true)
    }
}
