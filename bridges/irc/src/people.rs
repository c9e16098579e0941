//! The people outside the network who have spoken here: their names on IRC, and when they last
//! needed one. Kept under `person/…`, so that a name stays with its owner across restarts.
//!
//! Of two people whose names look alike, the one who came first has the name as it is and the other
//! one a number behind it.

use crate::instance::Instance;
use crate::nick;
use monster_bridge_api::{Author, PersonaId, RemoteId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

/// Everybody who has spoken here.
#[derive(Debug, Default)]
pub(crate) struct People {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<PersonaId, Person>,
    /// Whose name looks like this.
    skeletons: HashMap<String, PersonaId>,
    /// The nicks under which the bot has spoken for somebody (`RELAYMSG`), folded.
    relayed: BTreeSet<String>,
}

/// What is kept of somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// Who it is.
    pub(crate) author: Author,
    /// Since when they are known, in seconds since 1970.
    since: u64,
    /// The number behind their name, where somebody else has the name.
    #[serde(default)]
    number: Option<u32>,
    /// The nick they chose.
    #[serde(default)]
    pub(crate) nick: Option<String>,
    /// When they last needed a connection, in seconds since 1970; kept roughly.
    #[serde(default)]
    pub(crate) used: u64,
    /// The channels that their puppet is in.
    #[serde(default)]
    pub(crate) rooms: BTreeSet<RemoteId>,
    /// The nick under which the bot speaks for them.
    #[serde(default)]
    relayed_as: Option<String>,
}

/// How old `used` may be in what is kept, in seconds.
const ROUGHLY: u64 = 600;

impl People {
    /// Takes over what was kept; what cannot be read is reported and left where it is.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let mut people: Vec<Person> = Vec::new();
        for (key, value) in saved {
            match serde_json::from_str(&value) {
                Ok(person) => people.push(person),
                Err(error) => tracing::warn!(key, %error, "a damaged record is set aside"),
            }
        }
        people.sort_by(|a, b| (a.since, a.author.id.as_str()).cmp(&(b.since, b.author.id.as_str())));
        let mut state = self.state.lock();
        *state = State::default();
        for person in people {
            state.skeletons.entry(nick::skeleton(&person.label())).or_insert_with(|| person.author.id.clone());
            state.relayed.extend(person.relayed_as.clone());
            state.known.insert(person.author.id.clone(), person);
        }
    }

    /// Everybody who needed a connection since then (seconds since 1970).
    pub(crate) fn used_since(&self, then: u64) -> Vec<Person> {
        self.state.lock().known.values().filter(|person| person.used >= then).cloned().collect()
    }

    /// Whose puppets belong in a room.
    pub(crate) fn in_room(&self, room: &RemoteId) -> Vec<PersonaId> {
        let state = self.state.lock();
        state
            .known
            .values()
            .filter(|person| person.rooms.contains(room))
            .map(|person| person.author.id.clone())
            .collect()
    }

    /// What is known of somebody.
    pub(crate) fn get(&self, persona: &PersonaId) -> Option<Person> {
        self.state.lock().known.get(persona).cloned()
    }

    /// Whether a nick (folded) is one under which the bot speaks for somebody.
    pub(crate) fn is_relayed(&self, nick: &str) -> bool {
        self.state.lock().relayed.contains(nick)
    }

    /// The nick (folded) under which the bot speaks for somebody, if it ever did.
    pub(crate) fn relayed_as(&self, persona: &PersonaId) -> Option<String> {
        self.state.lock().known.get(persona).and_then(|person| person.relayed_as.clone())
    }

    /// Whether a name with this skeleton is that of somebody who speaks through us.
    pub(crate) fn looks_like_ours(&self, skeleton: &str) -> bool {
        self.state.lock().skeletons.contains_key(skeleton)
    }

    /// Notes that somebody is here now under this name; the person, and whether there is news to be
    /// kept.
    fn meet(&self, author: &Author) -> (Person, bool) {
        let mut state = self.state.lock();
        let known = state.known.get(&author.id);
        if let Some(person) = known.filter(|person| person.author == *author) {
            return (person.clone(), false);
        }
        let mut person = known.cloned().unwrap_or_else(|| Person::new(author));
        person.author = author.clone();
        person.number = state.free_number(&person);
        state.skeletons.insert(nick::skeleton(&person.label()), author.id.clone());
        state.known.insert(author.id.clone(), person.clone());
        (person, true)
    }

    fn change(&self, persona: &PersonaId, change: impl FnOnce(&mut Person) -> bool) -> Option<Person> {
        let mut state = self.state.lock();
        let person = state.known.get_mut(persona)?;
        change(person).then(|| person.clone())
    }
}

impl State {
    /// The number that tells the person's name apart from everybody else's; `None` if none has to.
    fn free_number(&self, person: &Person) -> Option<u32> {
        let mut candidate = Person { number: None, ..person.clone() };
        let taken = |candidate: &Person| {
            let owner = self.skeletons.get(&nick::skeleton(&candidate.label()));
            owner.is_some_and(|owner| *owner != person.author.id)
        };
        while taken(&candidate) {
            candidate.number = Some(candidate.number.map_or(2, |number| number.saturating_add(1)));
        }
        candidate.number
    }
}

impl Person {
    fn new(author: &Author) -> Self {
        Self {
            author: author.clone(),
            since: now(),
            number: None,
            nick: None,
            used: 0,
            rooms: BTreeSet::new(),
            relayed_as: None,
        }
    }

    /// What stands before a line that the bot says for them.
    pub(crate) fn label(&self) -> String {
        let label = nick::label_of(&self.author.name, self.author.id.as_str());
        match self.number {
            Some(number) => format!("{label}-{number}"),
            None => label,
        }
    }

    /// The nick they want, of at most `longest` bytes.
    pub(crate) fn wanted_nick(&self, template: &str, longest: usize) -> String {
        if let Some(nick) = &self.nick {
            return nick.clone();
        }
        let around = template.len().saturating_sub("{name}".len());
        let name = nick::nick_of(&self.author.name, local_part(&self.author.id), longest.saturating_sub(around).max(3));
        let nick = template.replace("{name}", &name);
        match self.number {
            Some(number) => nick::numbered(&nick, number, longest),
            None => nick,
        }
    }
}

/// The name in an address `@name:…`.
fn local_part(persona: &PersonaId) -> &str {
    let text = persona.as_str().trim_start_matches('@');
    text.split(':').next().unwrap_or(text)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Instance {
    /// Somebody needs a name on IRC: the person as they are known, kept if that is news.
    pub(crate) async fn person(&self, author: &Author) -> Person {
        let (person, news) = self.people.meet(author);
        if news {
            self.keep_person(&person).await;
        }
        person
    }

    /// Changes what is known of somebody, and keeps it if `change` says that it is news.
    pub(crate) async fn update_person(&self, persona: &PersonaId, change: impl FnOnce(&mut Person) -> bool) {
        if let Some(person) = self.people.change(persona, change) {
            self.keep_person(&person).await;
        }
    }

    /// Somebody's connection is in use.
    pub(crate) async fn note_use(&self, persona: &PersonaId) {
        let now = now();
        self.update_person(persona, |person| {
            let news = now.saturating_sub(person.used) > ROUGHLY;
            if news {
                person.used = now;
            }
            news
        })
        .await;
    }

    /// The bot speaks for somebody under this nick.
    pub(crate) async fn note_relayed(&self, persona: &PersonaId, nick: &str) {
        let folded = self.names.fold(nick).into_string();
        self.people.state.lock().relayed.insert(folded.clone());
        self.update_person(persona, |person| {
            let news = person.relayed_as.as_ref() != Some(&folded);
            person.relayed_as = Some(folded);
            news
        })
        .await;
    }

    /// Somebody chose a nick for their puppet; `Err` with the words for them if they cannot have it.
    pub(crate) async fn choose_nick(&self, author: &Author, chosen: &str) -> Result<(), String> {
        let owner = self.people.state.lock().skeletons.get(&nick::skeleton(chosen)).cloned();
        if owner.is_some_and(|owner| owner != author.id) {
            return Err(format!("`{chosen}` looks like the name of somebody else here; please choose another one"));
        }
        self.person(author).await;
        self.people.state.lock().skeletons.insert(nick::skeleton(chosen), author.id.clone());
        self.update_person(&author.id, |person| {
            person.nick = Some(chosen.to_owned());
            true
        })
        .await;
        Ok(())
    }

    async fn keep_person(&self, person: &Person) {
        match serde_json::to_string(person) {
            Ok(record) => self.save(&format!("person/{}", person.author.id), Some(&record)).await,
            Err(error) => tracing::warn!(%error, "a person could not be written down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(id: &str, name: &str) -> Author {
        Author { id: PersonaId::new(id), name: name.to_owned(), picture: None }
    }

    #[test]
    fn of_two_who_look_alike_the_first_has_the_name_and_the_other_a_number() {
        let people = People::default();
        let first = people.meet(&author("@alice:gw.example", "alice")).0;
        let second = people.meet(&author("@mallory:evil.example", "aIice")).0;
        let third = people.meet(&author("@eve:evil.example", "аlice\u{200b}")).0;
        assert_eq!(first.wanted_nick("{name}", 16), "alice");
        assert_eq!((second.wanted_nick("{name}", 16), second.label()), ("aIice-2".to_owned(), "aIice-2".to_owned()));
        assert_eq!(third.wanted_nick("{name}", 16), "alice-3");
    }

    #[test]
    fn a_name_stays_with_its_owner_across_restarts() {
        let people = People::default();
        let mut saved = Vec::new();
        for (since, id) in [(2, "@b:gw"), (1, "@a:gw")] {
            let person = Person { since, number: (since == 2).then_some(2), ..Person::new(&author(id, "sam")) };
            saved.push((format!("person/{id}"), serde_json::to_string(&person).expect("JSON")));
        }
        saved.push(("person/@c:gw".to_owned(), "{".to_owned()));
        people.load(saved);
        assert_eq!(people.meet(&author("@a:gw", "sam")).0.label(), "sam");
        assert_eq!(people.meet(&author("@b:gw", "sam")).0.label(), "sam-2");
        assert_eq!(people.meet(&author("@d:gw", "sam")).0.label(), "sam-3");
    }

    #[test]
    fn a_name_of_which_nothing_is_left_is_taken_from_the_address() {
        let people = People::default();
        assert_eq!(people.meet(&author("@alice:gw.example", "…")).0.wanted_nick("{name}|m", 16), "alice|m");
        assert_eq!(people.meet(&author("@bob:gw.example", "Bob")).0.wanted_nick("{name}|m", 16), "Bob|m");
    }
}
