//! Rooms on other services (XEP-0045) that the gateway's people use. The gateway's own occupant, or
//! one of its people's, listens; everybody who speaks is an occupant of their own.
//!
//! `enter` gets occupants in and out, `presence` knows who is there, `hear` turns what is said into
//! events, `pump` hands them over in order and reads what was missed from the archive.

mod enter;
mod hear;
mod presence;
pub(crate) mod pump;

pub(crate) use enter::{EnterError, Speaker, is_about_pass, nick};

use crate::instance::{Instance, Running};
use crate::memory::Memory;
use crate::names;
use jid::BareJid;
use monster_bridge_api::{Event, EventId, RemoteId, RoomUse};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;
use tokio::sync::mpsc;

/// How many events of a room may wait to be handed over.
const WAITING: usize = 512;

/// All rooms in use.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<HashMap<RemoteId, Arc<Room>>>);

/// One room.
pub(crate) struct Room {
    /// Its id: the bare address.
    pub(crate) id: RemoteId,
    /// Its address.
    pub(crate) jid: BareJid,
    state: Mutex<State>,
    pub(crate) memory: Mutex<Memory>,
    pump: mpsc::Sender<pump::Item>,
    /// Something of ours has come back.
    pub(crate) echoes: tokio::sync::Notify,
    /// Something was said that nobody of ours heard, or that found no room in the pump; the archive has it.
    missed: AtomicBool,
}

#[derive(Default)]
struct State {
    usage: Option<RoomUse>,
    /// Our occupants, by their bare address.
    ours: HashMap<String, enter::Ours>,
    /// Everybody else, by nick.
    others: HashMap<String, presence::Occupant>,
    /// Which of ours hears for all.
    listener: Option<String>,
    /// When one of ours first heard for all.
    since: Option<SystemTime>,
    /// Whether it has an archive; unknown until asked.
    archive: Option<bool>,
    /// The first round of presences is over: from now on comings and goings are news.
    live: bool,
    subject: Option<String>,
}

impl Rooms {
    /// A room in use.
    pub(crate) fn get(&self, id: &RemoteId) -> Option<Arc<Room>> {
        self.0.lock().get(id).cloned()
    }

    /// The room of this bare address.
    pub(crate) fn at(&self, jid: &BareJid) -> Option<Arc<Room>> {
        self.get(&RemoteId::new(jid.as_str()))
    }

    /// All rooms in use.
    pub(crate) fn all(&self) -> Vec<Arc<Room>> {
        self.0.lock().values().cloned().collect()
    }

    /// The connection is gone: nobody of ours is anywhere.
    pub(crate) fn lost(&self) {
        for room in self.all() {
            room.lost();
        }
    }

    /// Everything ends.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl Room {
    fn lost(&self) {
        let mut state = self.state.lock();
        for ours in state.ours.values_mut() {
            ours.lost();
        }
        state.others.clear();
        state.listener = None;
        state.live = false;
    }

    /// The id that the room gave a message of this key, if it has come back.
    pub(crate) fn seen(&self, key: &str) -> Option<EventId> {
        self.memory.lock().marked(key)
    }

    /// Hands an event over behind those before it; leaves it out if the room's archive has it and too
    /// many wait.
    async fn tell(&self, event: Event) {
        let archived = self.state.lock().archive == Some(true);
        let item = pump::Item::Event(Box::new(event));
        if !archived {
            let _ = self.pump.send(item).await;
        } else if self.pump.try_send(item).is_err() {
            self.missed.store(true, std::sync::atomic::Ordering::Release);
        }
    }
}

impl Instance {
    /// The room from now on, or no longer.
    pub(crate) fn use_room(
        self: &Arc<Self>,
        running: &Arc<Running>,
        id: &RemoteId,
        usage: Option<RoomUse>,
    ) -> Option<Arc<Room>> {
        if self.is_served(id) {
            self.service.use_room(id, usage.as_ref());
            return None;
        }
        let Some(usage) = usage else {
            let room = self.rooms.0.lock().remove(id)?;
            let instance = Arc::clone(self);
            running.spawn("leaving a room", async move { instance.leave_all(&room).await });
            return None;
        };
        let room = self.room(running, id)?;
        room.state.lock().usage = Some(usage);
        Some(room)
    }

    /// A room, which is in use from now on.
    pub(crate) fn room(self: &Arc<Self>, running: &Arc<Running>, id: &RemoteId) -> Option<Arc<Room>> {
        let jid = names::jid_of(id)?;
        let mut rooms = self.rooms.0.lock();
        if let Some(room) = rooms.get(id) {
            return Some(Arc::clone(room));
        }
        let (pump, events) = mpsc::channel(WAITING);
        let room = Arc::new(Room {
            id: id.clone(),
            jid,
            state: Mutex::default(),
            memory: Mutex::default(),
            pump,
            echoes: tokio::sync::Notify::new(),
            missed: AtomicBool::new(false),
        });
        rooms.insert(id.clone(), Arc::clone(&room));
        running
            .spawn("a room's events", pump::run(Arc::clone(self), Arc::clone(running), Arc::downgrade(&room), events));
        Some(room)
    }
}
