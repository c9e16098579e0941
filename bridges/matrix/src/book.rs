//! Which room has which name here. A room has an id, perhaps several aliases, and another id after an
//! upgrade; the first name by which it was used is its [`RemoteId`] for good (docs/decisions/0013).
//!
//! Kept in memory for `id_of`, which cannot wait; what is to be saved is told to the caller, who has
//! the host. Used by both modes.

use crate::id;
use monster_bridge_api::{Host, HostError, RemoteId};
use parking_lot::RwLock;
use std::collections::HashMap;

/// Saved as: name → room id.
const ROOM: &str = "room/";
/// Saved as: another alias or an earlier id → name.
const ALSO: &str = "also/";

/// The names of rooms.
#[derive(Debug, Default)]
pub struct Book(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Name → room id.
    rooms: HashMap<String, String>,
    /// Room ids (also earlier ones) and other aliases → name.
    names: HashMap<String, String>,
}

/// Values to save, as (key, value).
type Saves = Vec<(String, String)>;

impl Book {
    /// Takes over what was saved.
    pub async fn load(&self, host: &dyn Host) -> Result<(), HostError> {
        let (rooms, also) = (host.load_all(ROOM).await?, host.load_all(ALSO).await?);
        let mut inner = self.0.write();
        *inner = Inner::default();
        for (key, room) in rooms {
            if let Some(name) = key.strip_prefix(ROOM).filter(|name| id::form_of(name).is_some())
                && id::is_room(&room)
            {
                inner.names.insert(room.clone(), name.to_owned());
                inner.rooms.insert(name.to_owned(), room);
            } else {
                tracing::warn!("a saved room cannot be read and is set aside");
            }
        }
        for (key, name) in also {
            if let Some(other) = key.strip_prefix(ALSO) {
                inner.names.entry(other.to_owned()).or_insert(name);
            }
        }
        Ok(())
    }

    /// The name under which a room is known here, by its id or any alias that was met; itself for one
    /// that is not known.
    pub fn canonical(&self, id: &str) -> RemoteId {
        let inner = self.0.read();
        if inner.rooms.contains_key(id) {
            return RemoteId::new(id);
        }
        RemoteId::new(inner.names.get(id).map_or(id, String::as_str))
    }

    /// The room that a name stands for now; a room id stands for itself.
    pub fn room_of(&self, name: &str) -> Option<String> {
        let known = self.0.read().rooms.get(name).cloned();
        known.or_else(|| id::is_room(name).then(|| name.to_owned()))
    }

    /// Notes that `asked` (an alias or an id) turned out to be the room `room`, and gives the name that
    /// the room has from now on: `asked` itself if it is the first one.
    pub async fn bind(&self, host: &dyn Host, asked: &str, room: &str) -> Result<RemoteId, HostError> {
        let (name, saves) = self.note(asked, room);
        save(host, saves).await?;
        Ok(name)
    }

    fn note(&self, asked: &str, room: &str) -> (RemoteId, Saves) {
        let mut inner = self.0.write();
        // A name stays with its room, also when the alias is given to another one later.
        if inner.rooms.contains_key(asked) {
            return (RemoteId::new(asked), Vec::new());
        }
        if let Some(name) = inner.names.get(room).cloned() {
            if asked == room || inner.names.get(asked) == Some(&name) {
                return (RemoteId::new(name), Vec::new());
            }
            inner.names.insert(asked.to_owned(), name.clone());
            return (RemoteId::new(&name), vec![(format!("{ALSO}{asked}"), name)]);
        }
        inner.rooms.insert(asked.to_owned(), room.to_owned());
        inner.names.insert(room.to_owned(), asked.to_owned());
        (RemoteId::new(asked), vec![(format!("{ROOM}{asked}"), room.to_owned())])
    }

    /// The room goes on as another one: its name moves. The caller has seen that the new room names the
    /// old one as its predecessor.
    pub async fn moved(&self, host: &dyn Host, old: &str, new: &str) -> Result<RemoteId, HostError> {
        let (name, saves) = {
            let mut inner = self.0.write();
            let name = inner.names.get(old).cloned().unwrap_or_else(|| old.to_owned());
            inner.rooms.insert(name.clone(), new.to_owned());
            inner.names.insert(new.to_owned(), name.clone());
            inner.names.insert(old.to_owned(), name.clone());
            let saves = vec![(format!("{ROOM}{name}"), new.to_owned()), (format!("{ALSO}{old}"), name.clone())];
            (name, saves)
        };
        save(host, saves).await?;
        Ok(RemoteId::new(name))
    }
}

async fn save(host: &dyn Host, saves: Saves) -> Result<(), HostError> {
    for (key, value) in saves {
        host.save(&key, Some(&value)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_aliases_of_a_room_are_one_room() {
        let book = Book::default();
        assert_eq!(book.note("#a:x.org", "!r:x.org").0.as_str(), "#a:x.org");
        assert_eq!(book.note("#b:x.org", "!r:x.org").0.as_str(), "#a:x.org");
        assert_eq!(book.note("!r:x.org", "!r:x.org").0.as_str(), "#a:x.org");
        for id in ["#a:x.org", "#b:x.org", "!r:x.org"] {
            assert_eq!(book.canonical(id).as_str(), "#a:x.org", "{id}");
        }
        assert_eq!(book.room_of("#a:x.org").as_deref(), Some("!r:x.org"));
    }

    #[test]
    fn a_name_stays_with_its_room() {
        let book = Book::default();
        book.note("#a:x.org", "!r:x.org");
        book.note("#a:x.org", "!other:x.org");
        assert_eq!(book.room_of("#a:x.org").as_deref(), Some("!r:x.org"));
        assert_eq!(book.canonical("!other:x.org").as_str(), "!other:x.org");
    }
}
