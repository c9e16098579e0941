//! People of XMPP and people of other networks, in private: contacts (`contacts`), what is said
//! between them (`hear`), and who somebody is (`profile`).

mod contacts;
mod hear;
mod profile;

use crate::instance::{Instance, Running};
use crate::memory::Memory;
use crate::names;
use jid::BareJid;
use monster_bridge_api::{PersonaId, Presence, RemoteId, RemoteUser};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::sync::mpsc;

/// How many people's presence and names are remembered.
const KNOWN: usize = 20_000;
/// In how many lines private messages are handed over: those of one person always in the same one.
const LINES: usize = 8;

/// Under which keys it is kept for whom the account wrote to somebody last.
const CORRESPONDENT: &str = "correspondent/";

/// What is known about people.
#[derive(Default)]
pub(crate) struct People {
    contacts: Mutex<HashMap<contacts::Pair, contacts::Contact>>,
    known: Mutex<HashMap<RemoteId, Known>>,
    pub(crate) memory: Mutex<Memory>,
    /// To whom the answers of somebody go whom the account wrote to for one of ours.
    correspondents: Mutex<HashMap<RemoteId, PersonaId>>,
    lines: Mutex<Vec<mpsc::Sender<hear::Item>>>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    nick: Option<String>,
    presence: Option<Presence>,
    status: Option<String>,
}

impl People {
    fn note(&self, id: &RemoteId, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock();
        if known.len() < KNOWN || known.contains_key(id) {
            change(known.entry(id.clone()).or_default());
        }
    }

    /// The account writes to somebody for one of ours: what they answer is for that one.
    pub(crate) async fn correspond(&self, running: &Running, with: &RemoteId, persona: &PersonaId) {
        let before = self.correspondents.lock().insert(with.clone(), persona.clone());
        if before.as_ref() != Some(persona) {
            running.save(&format!("{CORRESPONDENT}{with}"), Some(persona.as_str())).await;
        }
    }

    /// Whom somebody's answer to the account is for.
    fn correspondent(&self, with: &RemoteId) -> Option<PersonaId> {
        self.correspondents.lock().get(with).cloned()
    }

    /// The prefix of the correspondents to load.
    pub(crate) const fn kept_correspondents() -> &'static str {
        CORRESPONDENT
    }

    /// Takes over the correspondents that were kept.
    pub(crate) fn load_correspondents(&self, kept: Vec<(String, String)>) {
        let each = |(key, persona): (String, String)| {
            Some((RemoteId::new(key.strip_prefix(CORRESPONDENT)?), PersonaId::new(persona)))
        };
        self.correspondents.lock().extend(kept.into_iter().filter_map(each));
    }

    /// Everything ends.
    pub(crate) fn clear(&self) {
        self.lines.lock().clear();
    }
}

impl Instance {
    /// Somebody of XMPP, as events show them.
    pub(crate) fn user(&self, jid: &BareJid) -> RemoteUser {
        let id = RemoteId::new(jid.as_str());
        let nick = self.people.known.lock().get(&id).and_then(|known| known.nick.clone());
        let name = nick.unwrap_or_else(|| names::readable(jid));
        RemoteUser { id, name, picture: None }
    }
}
