//! The rooms that the component serves (XEP-0045): rooms of other networks, at addresses like
//! `#rust%libera@monster.example.org`. Whoever joins one that nobody has joined yet links it, if they
//! may; from then on it is a room of this network like any other.
//!
//! `enter` lets people in and out, `speak` passes words on, in both directions.

mod enter;
mod speak;

use crate::memory::Memory;
use jid::BareJid;
use minidom::Element;
use monster_bridge_api::{PersonaId, RemoteId, RoomUse};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many messages somebody who joins is shown.
const HISTORY: usize = 50;
/// How many may be in one room.
const OCCUPANTS: usize = 10_000;

/// All rooms that are served.
#[derive(Default)]
pub(crate) struct Service(Mutex<HashMap<RemoteId, Arc<Served>>>);

/// One of them.
pub(crate) struct Served {
    id: RemoteId,
    jid: BareJid,
    state: Mutex<State>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct State {
    /// People of XMPP, by their full address.
    here: HashMap<String, Guest>,
    /// People of other networks, by nick.
    there: HashMap<String, PersonaId>,
    history: VecDeque<Element>,
    subject: String,
    subject_by: String,
}

#[derive(Debug, Clone)]
struct Guest {
    nick: String,
    who: BareJid,
}

impl Service {
    /// A room that is served.
    fn get(&self, id: &RemoteId) -> Option<Arc<Served>> {
        self.0.lock().get(id).cloned()
    }

    /// A room from now on, or no longer.
    pub(crate) fn use_room(&self, id: &RemoteId, usage: Option<&RoomUse>) {
        match usage {
            Some(_) => {
                let _ = self.open(id);
            }
            None => {
                self.0.lock().remove(id);
            }
        }
    }

    fn open(&self, id: &RemoteId) -> Option<Arc<Served>> {
        let jid = crate::names::jid_of(id)?;
        let mut rooms = self.0.lock();
        let room = rooms.entry(id.clone()).or_insert_with(|| {
            Arc::new(Served { id: id.clone(), jid, state: Mutex::default(), memory: Mutex::default() })
        });
        Some(Arc::clone(room))
    }

    /// The addresses of all.
    pub(crate) fn rooms(&self) -> Vec<RemoteId> {
        let mut all: Vec<RemoteId> = self.0.lock().keys().cloned().collect();
        all.sort();
        all
    }

    /// Everything ends.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Served {
    /// Everybody's devices.
    fn devices(&self) -> Vec<String> {
        self.state.lock().here.keys().cloned().collect()
    }

    fn guest(&self, full: &str) -> Option<Guest> {
        self.state.lock().here.get(full).cloned()
    }

    /// Writes a message down for those who come later. Without words it is not shown to them.
    fn remember(&self, message: Element) {
        if !message.has_child("body", crate::xml::ns::CLIENT) {
            return;
        }
        let mut state = self.state.lock();
        state.history.push_back(message);
        if state.history.len() > HISTORY {
            state.history.pop_front();
        }
    }
}
