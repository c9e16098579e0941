//! What people outside Matrix are called where the account speaks for all of them.

use monster_bridge_api::{Author, PersonaId, is_shown, skeleton};
use parking_lot::Mutex;
use std::collections::HashMap;

/// How many names are remembered. Beyond that all are forgotten, and the next ones are told apart anew.
const AT_MOST: usize = 20_000;
/// The longest name, in characters.
const LONGEST: usize = 80;

/// The names in use. Two people whose names look alike are told apart by a number.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<HashMap<String, PersonaId>>);

impl People {
    /// What the author is called. The same for as long as the process lives.
    pub(crate) fn label(&self, author: &Author) -> String {
        let shown: String = author.name.chars().filter(|c| is_shown(*c)).take(LONGEST).collect();
        let shown = if shown.trim().is_empty() { "somebody".to_owned() } else { shown.trim().to_owned() };
        let mut names = self.0.lock();
        if names.len() >= AT_MOST {
            names.clear();
        }
        for number in 1..=AT_MOST {
            let label = if number == 1 { shown.clone() } else { format!("{shown} ({number})") };
            // The number has to be told from a digit that a name ends with.
            let owner = names.entry(format!("{}/{number}", skeleton(&shown))).or_insert_with(|| author.id.clone());
            if *owner == author.id {
                return label;
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(id: &str, name: &str) -> Author {
        Author { id: PersonaId::new(id), name: name.to_owned(), picture: None }
    }

    #[test]
    fn people_who_look_alike_are_told_apart() {
        let people = People::default();
        assert_eq!(people.label(&author("@a:x", "Alice")), "Alice");
        assert_eq!(people.label(&author("@b:x", "A1ice")), "A1ice (2)");
        assert_eq!(people.label(&author("@a:x", "Alice")), "Alice");
        assert_eq!(people.label(&author("@c:x", "\u{202e}\u{200b}")), "somebody");
    }
}
