//! The rooms in which somebody talks with the bot alone.

use super::instance::Running;
use parking_lot::RwLock;
use std::collections::HashSet;

/// Where a console is saved, by its room.
const CONSOLE: &str = "console/";

/// The consoles of an instance.
#[derive(Debug, Default)]
pub(crate) struct Consoles(RwLock<HashSet<String>>);

impl Consoles {
    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        CONSOLE
    }

    /// Takes over what was saved.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let rooms = saved.into_iter().filter_map(|(key, _)| key.strip_prefix(CONSOLE).map(str::to_owned));
        *self.0.write() = rooms.collect();
    }

    /// True for a console.
    pub(crate) fn contains(&self, room: &str) -> bool {
        self.0.read().contains(room)
    }

    /// One more.
    pub(crate) async fn add(&self, running: &Running, room: &str) {
        if self.0.write().insert(room.to_owned()) {
            running.save(&format!("{CONSOLE}{room}"), Some("1")).await;
        }
    }
}
