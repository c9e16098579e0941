//! What is worth passing on at once or not at all: typing, read marks, presence, changed profiles.
//! Bridges offer it and never wait; one task finds who is concerned and tells their bridges. Nothing
//! is kept, and what finds no room in the queue is gone. Part of [`Core`].
//!
//! Monster frames have no form for any of it, so accounts are not told.

use super::Core;
use super::book::Book;
use super::conversation;
use super::fanout::rooms_of;
use super::graph::{Home, home_of};
use super::places::{Place, RemotePlace};
use super::quotes::{self, conversations_of_room};
use crate::store::Store;
use monster_bridge_api::{
    Author, Capabilities, EventId, Hint, HintDelivery, HintKind, InstanceName, PersonaId, Presence, RemoteUser,
    Support, Venue,
};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The most hints that wait.
const WAITING: usize = 1_024;

/// A hint, and the instance that offers it.
type Offered = (InstanceName, Hint);

/// The queue.
pub(crate) struct Hints {
    give: mpsc::Sender<Offered>,
    take: Mutex<Option<mpsc::Receiver<Offered>>>,
}

impl Default for Hints {
    fn default() -> Self {
        let (give, take) = mpsc::channel(WAITING);
        Self { give, take: Mutex::new(Some(take)) }
    }
}

impl Hints {
    /// Takes a hint if there is room. Never waits.
    pub(crate) fn offer(&self, instance: &InstanceName, hint: Hint) {
        if self.give.try_send((instance.clone(), hint)).is_err() {
            tracing::debug!(%instance, "a hint found no room and is gone");
        }
    }
}

/// Where something is, and in which conversations.
struct Scene {
    /// Everybody elsewhere to whom it is shown.
    targets: Vec<RemotePlace>,
    conversations: Vec<String>,
    /// Where the bridge's ids of messages are kept.
    places: Vec<Address>,
}

impl Core {
    /// Passes on what bridges offer, one after the other.
    pub(crate) async fn pass_hints_on(self: Arc<Self>) {
        let Some(mut queue) = self.hints.take.lock().take() else { return };
        while let Some((instance, hint)) = queue.recv().await {
            let core = Arc::clone(&self);
            // A task of its own, so that a bridge that panics at one hint loses no other.
            let passed = tokio::spawn(async move { core.pass_on(&instance, hint).await }).await;
            if passed.is_err() {
                tracing::error!("a hint could not be passed on; this is an error of the program");
            }
        }
    }

    async fn pass_on(&self, instance: &InstanceName, hint: Hint) {
        match hint {
            Hint::Typing { user, venue, active } => {
                let Some((author, scene)) = self.scene_of(instance, user, &venue) else { return };
                tell(&author, scene.targets, |can| can.typing, &HintKind::Typing(active));
            }
            Hint::Read { user, venue, up_to } => {
                let Some((author, scene)) = self.scene_of(instance, user, &venue) else { return };
                self.pass_on_read(&author, scene, &up_to).await;
            }
            Hint::Presence { user, presence } => self.pass_on_presence(instance, user, presence),
            Hint::Profile(user) => {
                let Some((address, author)) = self.author_on(instance, user) else { return };
                self.profiles.forget(&address);
                let targets = self.somewhere_else(instance);
                tell(&author, targets, |_| Support::Full, &HintKind::Profile);
            }
            _ => {}
        }
    }

    fn pass_on_presence(&self, instance: &InstanceName, user: RemoteUser, presence: Presence) {
        let Some((_, author)) = self.author_on(instance, user) else { return };
        let targets = self.somewhere_else(instance);
        tell(&author, targets, |can| can.presence, &HintKind::Presence(presence));
    }

    /// A read mark goes where its message is known.
    async fn pass_on_read(&self, author: &Author, scene: Scene, up_to: &EventId) {
        let places: Vec<&str> = scene.places.iter().map(Address::as_str).collect();
        let store: &dyn Store = self.store.as_ref();
        let found = quotes::by_network_id(store, &scene.conversations, &places, up_to.as_str()).await;
        let Ok(Some(earlier)) = found else { return };
        let quote = earlier.quote();
        for target in scene.targets {
            if let Ok(Some(reference)) = quotes::at(&self.book, &target, &quote).await {
                tell(author, vec![target], |can| can.read, &HintKind::Read(reference));
            }
        }
    }

    fn author_on(&self, instance: &InstanceName, user: RemoteUser) -> Option<(Address, Author)> {
        let (_, bridge) = self.book.places.bridge(instance.as_str())?;
        let address = self.book.places.address_of(instance, bridge.as_ref(), &user.id).ok()?;
        let author = Author { id: PersonaId::new(address.as_str()), name: user.name, picture: user.picture };
        Some((address, author))
    }

    /// Who does something, and everybody on bridges who is concerned.
    fn scene_of(&self, instance: &InstanceName, user: RemoteUser, venue: &Venue) -> Option<(Author, Scene)> {
        let (address, author) = self.author_on(instance, user)?;
        let book = &self.book;
        let scene = match venue {
            Venue::Room(id) => {
                let (_, bridge) = book.places.bridge(instance.as_str())?;
                let room = book.places.address_of(instance, bridge.as_ref(), id).ok()?;
                let graph = book.graph().read();
                let (rooms, conversations) = (rooms_of(&graph, &room), conversations_of_room(&graph, &room));
                drop(graph);
                let others = rooms.iter().filter(|other| **other != room);
                Scene {
                    targets: others.filter_map(|other| on_bridge(book, other)).collect(),
                    conversations,
                    places: vec![room],
                }
            }
            Venue::Private(persona) => {
                let persona: Address = persona.as_str().parse().ok()?;
                let target = on_bridge(book, &persona).filter(|target| !target.is_room())?;
                let conversations = vec![conversation::between(&address, &target.address)];
                let places = vec![address, target.address.clone()];
                Scene { targets: vec![target], conversations, places }
            }
        };
        Some((author, scene))
    }

    /// One room of each other instance with which a room of this one is linked: where something about
    /// a user is told that belongs to no room.
    fn somewhere_else(&self, instance: &InstanceName) -> Vec<RemotePlace> {
        let home = |room: &Address| match home_of(self.book.ours(), room) {
            Home::Bridge(instance) => Some(instance),
            _ => None,
        };
        let links = self.book.graph().read().links();
        let mut seen: HashSet<String> = HashSet::from([instance.to_string()]);
        let mut targets = Vec::new();
        for link in links {
            let here = link.rooms.iter().any(|room| home(&room.address).is_some_and(|at| at == instance.as_str()));
            for room in link.rooms.iter().filter(|_| here) {
                if let Some(other) = home(&room.address)
                    && seen.insert(other)
                {
                    targets.extend(on_bridge(&self.book, &room.address));
                }
            }
        }
        targets
    }
}

fn on_bridge(book: &Book, address: &Address) -> Option<RemotePlace> {
    match book.resolve(address) {
        Ok(Place::Bridge(place)) => Some(place),
        _ => None,
    }
}

/// Tells the bridges of those targets that have a form for it.
fn tell(author: &Author, targets: Vec<RemotePlace>, what: impl Fn(&Capabilities) -> Support, kind: &HintKind) {
    for target in targets {
        if what(&target.bridge.capabilities(&target.id)) == Support::Full {
            let (author, kind) = (author.clone(), kind.clone());
            target.bridge.hint(HintDelivery { target: target.id, author, kind });
        }
    }
}
