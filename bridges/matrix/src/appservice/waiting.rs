//! Personas who wait to be let into a room: they have knocked, or nobody has invited them yet.

use super::instance::{Instance, Running};
use monster_bridge_api::PersonaId;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Where somebody who waits is saved, by room and ghost.
const WAITING: &str = "waiting/";

/// Who waits: (room, ghost) → persona.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<(String, String), PersonaId>>);

impl Waiting {
    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        WAITING
    }

    /// Takes over what was saved.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let mut waiting = self.0.lock();
        waiting.clear();
        for (key, persona) in saved {
            if let Some((room, ghost)) = key.strip_prefix(WAITING).and_then(|rest| rest.split_once(' ')) {
                waiting.insert((room.to_owned(), ghost.to_owned()), PersonaId::new(persona));
            }
        }
    }

    /// Everybody who waits, as (room, ghost, persona).
    pub(crate) fn all(&self) -> Vec<(String, String, PersonaId)> {
        let waiting = self.0.lock();
        waiting.iter().map(|((room, ghost), persona)| (room.clone(), ghost.clone(), persona.clone())).collect()
    }

    /// True if this ghost waits to be let into this room.
    pub(crate) fn is_waiting(&self, room: &str, ghost: &str) -> bool {
        self.0.lock().contains_key(&(room.to_owned(), ghost.to_owned()))
    }
}

impl Instance {
    /// Somebody waits from now on.
    pub(crate) async fn set_waiting(&self, running: &Running, room: &str, ghost: &str, persona: &PersonaId) {
        self.waiting.0.lock().insert((room.to_owned(), ghost.to_owned()), persona.clone());
        running.save(&format!("{WAITING}{room} {ghost}"), Some(persona.as_str())).await;
    }

    /// Nobody waits any more; true if somebody did.
    pub(crate) async fn end_waiting(&self, running: &Running, room: &str, ghost: &str) -> bool {
        let was = self.waiting.0.lock().remove(&(room.to_owned(), ghost.to_owned())).is_some();
        if was {
            running.save(&format!("{WAITING}{room} {ghost}"), None).await;
        }
        was
    }
}
