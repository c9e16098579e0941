//! Telling authors apart whose names look alike, where a name before the words is all that a reader
//! sees of them. The first who is called so in a room keeps the bare name; the next one is shown
//! with their address. Used by `deliver`.

use super::words;
use monster_bridge_api::skeleton;
use parking_lot::Mutex;
use std::collections::HashMap;

/// The most names that are remembered; beyond it, it begins anew.
const KEPT: usize = 50_000;

/// Who is called what, in the rooms where something was said lately.
#[derive(Default)]
pub(crate) struct Names(Mutex<HashMap<(String, String), String>>);

impl Names {
    /// The name by which an author is shown in a room.
    pub(crate) fn shown(&self, room: &str, author: &str, name: &str) -> String {
        let name = words::name(name);
        let mut owners = self.0.lock();
        if owners.len() >= KEPT {
            owners.clear();
        }
        let owner = owners.entry((room.to_owned(), skeleton(&name))).or_insert_with(|| author.to_owned());
        if owner == author { name } else { format!("{name} ({})", words::line(author, 200)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_like_somebody_else_in_the_room_is_shown_with_their_address() {
        let names = Names::default();
        let (alice, mallory) = ("@alice:gw.example", "@alice:evil.example");
        assert_eq!(names.shown("#a", alice, "Alice"), "Alice");
        assert_eq!(names.shown("#a", mallory, "A1ice\u{200b}"), "A1ice (@alice:evil.example)");
        assert_eq!(names.shown("#a", alice, "Alice"), "Alice");
        assert_eq!(names.shown("#b", mallory, "Alice"), "Alice", "nobody else is called so there");
    }
}
