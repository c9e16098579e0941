//! Who is in a room, by the presences that its listener gets (XEP-0045 §7), and what comings and
//! goings mean for others.

use super::Room;
use super::enter::{Standing, occupant};
use crate::instance::{Instance, Running};
use crate::xml::{attr, ns, text_of};
use jid::BareJid;
use minidom::Element;
use monster_bridge_api::{Event, EventKind, Membership, PersonaId, RemoteId, RemoteUser, Venue};
use std::sync::Arc;
use std::time::SystemTime;

/// Somebody in a room who is not of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Occupant {
    /// Who it is.
    pub(super) id: RemoteId,
    /// Their address, where the room shows it.
    pub(super) address: Option<RemoteId>,
    pub(super) affiliation: String,
}

/// The most occupants of a room that are known by name.
const OCCUPANTS: usize = 20_000;

/// Who an occupant is: by the id that the room gives them (XEP-0421), which is the same in presences,
/// messages and archives, whatever the room shows us of addresses; without one by the address, if it is
/// shown. A nick is nobody: the next who takes it is somebody else.
pub(super) fn identity(room: &BareJid, nick: &str, stanza: &Element) -> RemoteId {
    let given = stanza.get_child("occupant-id", ns::OCCUPANT_ID).and_then(|id| attr(id, "id"));
    match (given, address(stanza)) {
        (Some(id), _) => RemoteId::new(format!("{room}/~{id}")),
        (None, Some(address)) => address,
        (None, None) => RemoteId::new(format!("{room}/={nick}")),
    }
}

/// The real address of an occupant, where the room shows it.
fn address(stanza: &Element) -> Option<RemoteId> {
    let item = stanza.get_child("x", ns::MUC_USER)?.get_child("item", ns::MUC_USER)?;
    let real = jid::Jid::new(attr(item, "jid")?).ok()?;
    Some(RemoteId::new(real.to_bare().as_str()))
}

fn statuses(presence: &Element) -> Vec<u16> {
    let Some(x) = presence.get_child("x", ns::MUC_USER) else { return Vec::new() };
    let status = x.children().filter(|child| child.name() == "status");
    status.filter_map(|status| status.attr("code").and_then(|code| code.parse().ok())).collect()
}

impl Room {
    /// Who is called so now.
    pub(super) fn occupant(&self, nick: &str) -> Option<RemoteId> {
        self.state.lock().others.get(nick).map(|occupant| occupant.id.clone())
    }

    /// Who writes in private under a nick.
    pub(crate) fn occupant_id(&self, nick: &str) -> RemoteId {
        self.occupant(nick).unwrap_or_else(|| RemoteId::new(format!("{}/={nick}", self.jid)))
    }

    /// What somebody is called now.
    pub(crate) fn nick_of_occupant(&self, id: &RemoteId) -> Option<String> {
        self.state.lock().others.iter().find(|(_, occupant)| occupant.id == *id).map(|(nick, _)| nick.clone())
    }

    /// Whether somebody may change what the room is.
    pub(crate) fn may_change(&self, id: &RemoteId) -> bool {
        let state = self.state.lock();
        state.others.values().any(|occupant| {
            occupant.address.as_ref() == Some(id) && matches!(occupant.affiliation.as_str(), "owner" | "admin")
        })
    }

    /// The subject, as far as it is known.
    pub(crate) fn subject(&self) -> Option<String> {
        self.state.lock().subject.clone()
    }

    /// How many are there.
    pub(crate) fn count(&self) -> usize {
        self.state.lock().others.len()
    }
}

impl Instance {
    /// A presence from a room that is in use.
    pub(crate) async fn room_presence(self: &Arc<Self>, running: &Arc<Running>, room: &Arc<Room>, presence: &Element) {
        if presence.attr("type") == Some("error") {
            return room.not_let_in(presence);
        }
        let Some((_, nick)) = attr(presence, "from").and_then(occupant) else { return };
        let Some(to) = attr(presence, "to").and_then(|to| jid::Jid::new(to).ok()) else { return };
        let to = to.into_bare();
        let leaves = presence.attr("type") == Some("unavailable");
        let statuses = statuses(presence);
        if statuses.contains(&110) {
            return self.own_presence(running, room, &to, &nick, leaves, &statuses, presence).await;
        }
        let hears = room.state.lock().listener.as_deref().is_none_or(|listener| listener == to.as_str());
        if !hears || room.is_ours(&nick) {
            return;
        }
        if let Some((who, name, change)) = note(room, &nick, leaves, &statuses, presence) {
            let author = RemoteUser { id: who, name, picture: None };
            room.tell(membership(running, room, author, change)).await;
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a presence about one of ours says")]
    async fn own_presence(
        self: &Arc<Self>,
        running: &Arc<Running>,
        room: &Arc<Room>,
        who: &BareJid,
        nick: &str,
        leaves: bool,
        statuses: &[u16],
        presence: &Element,
    ) {
        if !leaves {
            return room.stands(who.as_str(), Some(nick), &Standing::In);
        }
        if statuses.contains(&303) {
            return;
        }
        room.stands(who.as_str(), None, &Standing::Out);
        if statuses.contains(&333) {
            // Not anybody's will: the room took us for gone, as we were for a moment.
            let again = Arc::clone(self).enter_all(Arc::clone(running), Arc::clone(room));
            return running.spawn("coming into a room again", again);
        }
        let item = presence.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("item", ns::MUC_USER));
        let reason = item.and_then(|item| text_of(item, "reason", ns::MUC_USER));
        let what = match statuses {
            codes if codes.contains(&301) => "banned",
            codes if codes.contains(&307) || codes.contains(&321) || codes.contains(&322) => "removed",
            _ => return,
        };
        room.state.lock().ours.remove(who.as_str());
        let Some(persona) = self.personas.persona_of(who) else { return };
        let why = reason.filter(|why| !why.is_empty()).map_or(String::new(), |why| format!(": {why}"));
        running.accept(told(running, room, persona, format!("you were {what} from {}{why}", room.jid))).await;
    }
}

/// Writes down who is there; what of it is news: who, under which name, what.
fn note(
    room: &Room,
    nick: &str,
    leaves: bool,
    statuses: &[u16],
    presence: &Element,
) -> Option<(RemoteId, String, Membership)> {
    let item = presence.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("item", ns::MUC_USER));
    let text = |name: &'static str| item.and_then(|item| attr(item, name)).unwrap_or_default().to_owned();
    let mut state = room.state.lock();
    let live = state.live;
    if !leaves {
        let occupant = Occupant {
            id: identity(&room.jid, nick, presence),
            address: address(presence),
            affiliation: text("affiliation"),
        };
        if state.others.len() >= OCCUPANTS && !state.others.contains_key(nick) {
            return None;
        }
        let id = occupant.id.clone();
        let before = state.others.insert(nick.to_owned(), occupant);
        let came = live && before.is_none_or(|before| before.id != id);
        return came.then(|| (id, nick.to_owned(), Membership::Joined));
    }
    let gone = state.others.remove(nick)?;
    if statuses.contains(&303) {
        let new = text("nick");
        state.others.insert(new.clone(), gone.clone());
        return live.then(|| (gone.id, new, Membership::Renamed { from: nick.to_owned() }));
    }
    let reason = item.and_then(|item| text_of(item, "reason", ns::MUC_USER)).filter(|why| !why.is_empty());
    let change = if statuses.iter().any(|code| matches!(code, 301 | 307 | 321 | 322)) {
        let actor = item.and_then(|item| item.get_child("actor", ns::MUC_USER));
        let by = actor.and_then(|actor| attr(actor, "nick")).unwrap_or("a moderator").to_owned();
        Membership::Removed { by, reason }
    } else {
        Membership::Left(text_of(presence, "status", ns::CLIENT).filter(|words| !words.is_empty()))
    };
    live.then(|| (gone.id, nick.to_owned(), change))
}

fn membership(running: &Running, room: &Room, author: RemoteUser, change: Membership) -> Event {
    Event {
        id: running.own_id(),
        venue: Venue::Room(room.id.clone()),
        author,
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Membership(change),
        cursor: None,
    }
}

/// The room tells one of ours something.
pub(super) fn told(running: &Running, room: &Room, persona: PersonaId, words: String) -> Event {
    Event {
        id: running.own_id(),
        venue: Venue::Private(persona),
        author: RemoteUser { id: room.id.clone(), name: room.jid.to_string(), picture: None },
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Notice(words),
        cursor: None,
    }
}
