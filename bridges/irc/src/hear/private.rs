//! What is said in private: to the puppets, and to the bot. A handful of lanes, each nick always in
//! the same one, so that what somebody says stays in order and nobody holds up everybody.

use super::{Listener, Reading, attribution, is_service};
use crate::chat;
use crate::conn::Conn;
use crate::ctcp;
use crate::instance::{Instance, Running};
use crate::proto::Event;
use crate::proto::session::{Attribution, Place, Speech};
use monster_bridge_api::{EventKind, PersonaId, RemoteId, Venue};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::mpsc;

const LANES: usize = 8;
/// Items that may wait in a lane; beyond that, reading from the connection waits.
const LANE: usize = 64;
/// Listeners that a lane keeps at hand.
const MOST_LISTENERS: usize = 256;

/// Takes everything that is said in private.
#[derive(Clone)]
pub(crate) struct Ears {
    lanes: Arc<Vec<mpsc::Sender<PrivateItem>>>,
}

/// Something for the private ears.
pub(crate) struct PrivateItem {
    /// To whom it was said: whose puppet it is, or (`None`) the bot.
    persona: Option<PersonaId>,
    conn: Arc<Conn>,
    what: What,
}

enum What {
    Heard(Event),
    /// Read what this nick said meanwhile.
    CatchUp(RemoteId),
}

impl PrivateItem {
    /// Something that a connection heard.
    pub(crate) fn heard(persona: Option<PersonaId>, conn: &Arc<Conn>, event: Event) -> Self {
        Self { persona, conn: Arc::clone(conn), what: What::Heard(event) }
    }

    /// What a nick said to a puppet while it was away has to be read.
    pub(crate) fn catch_up(persona: PersonaId, conn: &Arc<Conn>, peer: RemoteId) -> Self {
        Self { persona: Some(persona), conn: Arc::clone(conn), what: What::CatchUp(peer) }
    }

    fn peer(&self, instance: &Instance) -> Option<RemoteId> {
        match &self.what {
            What::CatchUp(peer) => Some(peer.clone()),
            What::Heard(event) => match &attribution(event)?.place {
                Place::Private { peer } => Some(instance.names.fold(peer)),
                Place::Channel { .. } => None,
            },
        }
    }
}

impl Ears {
    /// Opens the lanes.
    pub(crate) fn open(instance: &Arc<Instance>, running: &Arc<Running>) -> Self {
        let lane = |_| {
            let (lane, heard) = mpsc::channel(LANE);
            let lane_task =
                Lane { instance: Arc::clone(instance), running: Arc::clone(running), listeners: HashMap::new() };
            running.spawn("private", lane_task.run(heard));
            lane
        };
        Self { lanes: Arc::new((0..LANES).map(lane).collect()) }
    }

    /// Takes an item; waits while its lane is full.
    pub(crate) async fn hear(&self, item: PrivateItem) {
        let mut hasher = DefaultHasher::new();
        match &item.what {
            What::CatchUp(peer) => peer.as_str().to_lowercase().hash(&mut hasher),
            What::Heard(event) => {
                let peer = attribution(event).map(|by| by.source.nick.to_lowercase());
                peer.unwrap_or_default().hash(&mut hasher);
            }
        }
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1);
        let lane = usize::try_from(hasher.finish() % lanes).unwrap_or_default();
        if let Some(lane) = self.lanes.get(lane) {
            // Only at the end of everything is nobody there to take it.
            drop(lane.send(item).await);
        }
    }
}

struct Lane {
    instance: Arc<Instance>,
    running: Arc<Running>,
    listeners: HashMap<(PersonaId, RemoteId), Listener>,
}

impl Lane {
    async fn run(mut self, mut heard: mpsc::Receiver<PrivateItem>) {
        while let Some(item) = heard.recv().await {
            let Some(peer) = item.peer(&self.instance) else { continue };
            match (item.persona, item.what) {
                (Some(persona), What::CatchUp(peer)) => {
                    self.listener(&persona, &peer).await.catch_up(&item.conn).await;
                }
                (Some(persona), What::Heard(event)) => self.puppet_hears(&item.conn, &persona, &peer, event).await,
                (None, What::Heard(Event::Said(heard))) => {
                    chat::to_bot(&self.instance, &self.running, &item.conn, &peer, *heard).await;
                }
                (None, _) => {}
            }
        }
    }

    async fn puppet_hears(&mut self, conn: &Arc<Conn>, persona: &PersonaId, peer: &RemoteId, event: Event) {
        let Some(by) = attribution(&event).cloned() else { return };
        if by.own || self.instance.network.is_own(peer.as_str()) {
            return;
        }
        if let Event::Said(heard) = &event
            && let Speech::Ctcp { verb, reply } = &heard.speech
        {
            if !reply {
                ctcp::answer(&self.instance, conn, &by.source.nick, verb, &heard.text);
            }
            return;
        }
        if is_service(&by.source) && !self.instance.conversations.has(persona, peer) {
            return;
        }
        let newcomer = self.instance.heard_from(conn, persona, &by.source, by.account.as_deref()).await;
        if let Some(words) = newcomer {
            self.notice(persona, &by, words).await;
        }
        let listener = self.listener(persona, peer).await;
        listener.hear(conn, event, Reading::Live).await;
        listener.hand_over().await;
    }

    async fn notice(&self, persona: &PersonaId, by: &Attribution, words: String) {
        let Some(author) = super::author_of(&self.instance, &by.source) else { return };
        let event = monster_bridge_api::Event {
            id: self.running.own_id(),
            venue: Venue::Private(persona.clone()),
            author,
            at: SystemTime::now(),
            key: None,
            kind: EventKind::Notice(words),
            persona: None,
            cursor: None,
        };
        drop(self.running.accept(event).await);
    }

    async fn listener(&mut self, persona: &PersonaId, peer: &RemoteId) -> &mut Listener {
        let key = (persona.clone(), peer.clone());
        if self.listeners.len() >= MOST_LISTENERS && !self.listeners.contains_key(&key) {
            self.listeners.clear();
        }
        match self.listeners.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Listener::private(&self.instance, &self.running, persona, peer).await),
        }
    }
}
