//! What the core does for one bridge instance: takes what the bridge heard into the journal, keeps
//! its state, and notes how it is doing. Called by the bridge.

use super::body::{Body, Said, Scene, Words};
use super::conversation;
use super::fanout::{self, conversation_of, fan_out};
use super::journal::Entry;
use super::keys::{is_key, new_key};
use super::places::Place;
use super::quotes::{self, Earlier};
use super::{Core, environment, metrics};
use crate::store::{Incoming, Journalled, Lane, RelationState, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{
    AcceptError, Accepted, Admission, Author, BlockKind, Bridge, CallError, CallHeard, Capabilities, Content, Control,
    Event, EventId, EventKind, Health, Hint, Host, HostError, InstanceName, Media, MediaError, MediaFile, PersonaId,
    Profile, RemoteId, RequestError, RoomUse, Support, Venue,
};
use monster_protocol::Address;
use std::sync::Arc;
use std::time::Duration;

/// How long the record of a delivery is waited for that may be what an event refers to.
const UNDER_WAY: Duration = Duration::from_millis(500);

/// The core as one bridge instance sees it.
pub(crate) struct BridgeHost {
    pub(crate) core: Arc<Core>,
    pub(crate) instance: InstanceName,
    pub(crate) bridge: Arc<dyn Bridge>,
}

/// Where an event happened, and who gets it.
struct Scenery {
    conversation: String,
    conversations: Vec<String>,
    venue: Address,
    /// At which addresses the bridge's ids in this conversation are kept.
    places: Vec<Address>,
    scene: Scene,
    lanes: Vec<Lane>,
    /// The person it was said to, in private.
    persona: Option<Place>,
}

/// Bridge state that is saved with an event: (instance, key, value).
pub(super) type Cursor = (String, String, String);

/// What is to be written of an event.
pub(super) enum Prepared {
    /// A message, and how its persona stands to its author afterwards: (persona, author, state).
    Entry { incoming: Incoming, relation: Option<(Address, Address, Option<RelationState>)> },
    /// Nobody is concerned.
    Unconcerned { cursor: Option<Cursor> },
}

#[async_trait]
impl Host for BridgeHost {
    async fn accept(&self, event: Event) -> Result<Accepted, AcceptError> {
        let accepted = self.take(event).await;
        self.count(&accepted);
        accepted
    }

    async fn accept_all(&self, events: Vec<Event>) -> Vec<Result<Accepted, AcceptError>> {
        let outcomes = self.take_all(events).await;
        for outcome in &outcomes {
            self.count(outcome);
        }
        outcomes
    }

    async fn call(&self, heard: CallHeard) -> Result<(), CallError> {
        let user = heard.author.clone();
        let author = self.address_of(&user.id).map_err(|error| CallError::Unsupported(error.to_string()))?;
        self.core.heard_call(&self.bridge, (&self.instance, &author, user), heard).await
    }

    fn hint(&self, hint: Hint) {
        self.core.hints.offer(&self.instance, hint);
    }

    async fn about(&self, persona: &PersonaId) -> Result<Profile, RequestError> {
        self.profile_of(persona).await
    }

    async fn link(&self, room: &RemoteId, other: &PersonaId) -> Result<(), RequestError> {
        self.join_rooms(room, other).await
    }

    async fn unlink(&self, room: &RemoteId) -> Result<(), RequestError> {
        self.part_room(room).await
    }

    async fn linked(&self, room: &RemoteId) -> Result<Vec<PersonaId>, HostError> {
        self.linked_with(room).map_err(|error| HostError(error.to_string()))
    }

    async fn control(&self, command: Control) -> String {
        self.obey(command).await
    }

    fn media_link(&self, file: &MediaFile) -> String {
        self.core.media_link(&self.instance, file)
    }

    async fn fetch(&self, url: &str, max_bytes: u64) -> Result<Media, MediaError> {
        self.core.fetch_file(url, max_bytes).await
    }

    async fn rooms(&self) -> Result<Vec<RoomUse>, HostError> {
        let rooms = self.core.book.rooms_of_instance(self.instance.as_str());
        Ok(rooms.iter().filter_map(|room| self.core.book.room_use(room)).collect())
    }

    async fn load(&self, key: &str) -> Result<Option<String>, HostError> {
        self.core.store.load(self.instance.as_str(), key).await.map_err(|error| host_error(&error))
    }

    async fn save(&self, key: &str, value: Option<&str>) -> Result<(), HostError> {
        self.core.store.save(self.instance.as_str(), key, value).await.map_err(|error| host_error(&error))
    }

    async fn load_all(&self, prefix: &str) -> Result<Vec<(String, String)>, HostError> {
        self.core.store.load_all(self.instance.as_str(), prefix).await.map_err(|error| host_error(&error))
    }

    fn report(&self, health: Health) {
        let up = health == Health::Up;
        self.core.health.report(&self.instance, health, self.core.environment.now_ms());
        if up {
            self.core.wake_destination(self.instance.as_str());
        }
    }
}

impl BridgeHost {
    fn count(&self, accepted: &Result<Accepted, AcceptError>) {
        let outcome = match accepted {
            Ok(Accepted::New) => "new",
            Ok(Accepted::Known) => "known",
            Ok(Accepted::Unconcerned) => "unconcerned",
            Err(AcceptError::Refused(_)) => "refused",
            Err(AcceptError::Unavailable(_)) => "unavailable",
        };
        metrics::accepted(self.instance.as_str(), outcome);
    }

    /// Takes one event into the journal.
    pub(super) async fn take(&self, event: Event) -> Result<Accepted, AcceptError> {
        match self.prepare(event).await? {
            Prepared::Unconcerned { cursor } => {
                if let Some(cursor) = cursor {
                    self.keep(&cursor).await?;
                }
                Ok(Accepted::Unconcerned)
            }
            Prepared::Entry { incoming, relation } => {
                let journalled = self.core.store.accept(incoming).await.map_err(|error| unavailable(&error))?;
                if let Some((persona, author, change)) = relation {
                    self.change_relation(&persona, &author, change).await?;
                }
                Ok(accepted(&journalled))
            }
        }
    }

    /// Works out what is to be written of an event.
    pub(super) async fn prepare(&self, event: Event) -> Result<Prepared, AcceptError> {
        let (author, owner) = match event.persona.as_ref().and_then(|persona| self.owner(persona)) {
            Some((address, owner)) => (address, Some(owner)),
            None => (self.address_of(&event.author.id)?, None),
        };
        let mut scenery = self.scenery(&event.venue, &author)?;
        match event.kind {
            EventKind::Membership(_) => scenery.lanes.retain(|lane| self.shows(lane, |can| can.membership, false)),
            EventKind::RoomProfile(_) => scenery.lanes.retain(|lane| self.shows(lane, |can| can.room_profile, true)),
            _ => {}
        }
        let said = if scenery.lanes.is_empty() { None } else { self.said(&event, &author, &scenery).await? };
        let cursor = event.cursor.map(|(key, value)| (self.instance.as_str().to_owned(), key, value));
        let Some(said) = said else { return Ok(Prepared::Unconcerned { cursor }) };
        let between_networks = matches!(scenery.persona, Some(Place::Bridge(_)));
        // What becomes of a request to another network is noted once that has answered (`acquaint`).
        let change = relation_after(&said).filter(|_| !(between_networks && matches!(said, Said::Request { .. })));
        let key = event.key.map(monster_bridge_api::MessageKey::into_string).filter(|key| is_key(key));
        let mut body = Body::new(scenery.scene, said);
        let (name, picture) = match owner {
            Some(owner) => (owner.name, owner.picture.or(event.author.picture)),
            None => (event.author.name, event.author.picture),
        };
        body.picture = picture;
        let entry = Entry {
            key: key.unwrap_or_else(|| new_key(&self.core.environment)),
            conversation: scenery.conversation,
            venue: scenery.venue.as_str().to_owned(),
            author: author.as_str().to_owned(),
            author_name: name,
            origin_id: event.id.into_string(),
            at: environment::millis(event.at),
            body,
            lanes: scenery.lanes,
            cursor,
        };
        let relation = change.zip(scenery.persona).map(|(change, persona)| (persona.address().clone(), author, change));
        Ok(Prepared::Entry { incoming: entry.into_incoming(), relation })
    }

    /// Saves how far the bridge has read.
    pub(super) async fn keep(&self, (owner, key, value): &Cursor) -> Result<(), AcceptError> {
        self.core.store.save(owner, key, Some(value)).await.map_err(|error| unavailable(&error))
    }

    pub(super) fn address_of(&self, id: &monster_bridge_api::RemoteId) -> Result<Address, AcceptError> {
        let address = self.core.book.places.address_of(&self.instance, self.bridge.as_ref(), id);
        address.map_err(|error| AcceptError::Refused(error.to_string()))
    }

    fn scenery(&self, venue: &Venue, author: &Address) -> Result<Scenery, AcceptError> {
        match venue {
            Venue::Room(id) => {
                let room = self.address_of(id)?;
                let graph = self.core.book.graph().read();
                let said = fanout::Said { room: &room, author: author.as_str(), brought_by: None, heard: true };
                Ok(Scenery {
                    conversation: conversation_of(&graph, &room),
                    conversations: quotes::conversations_of_room(&graph, &room),
                    places: vec![room.clone()],
                    scene: Scene::Room,
                    lanes: fan_out(&graph, self.core.book.ours(), &said),
                    persona: None,
                    venue: room,
                })
            }
            Venue::Private(persona) => self.private(persona, author),
        }
    }

    fn private(&self, persona: &PersonaId, author: &Address) -> Result<Scenery, AcceptError> {
        let refused = |why: String| AcceptError::Refused(why);
        let address: Address = persona.as_str().parse().map_err(|_| refused(format!("{persona} is not an address")))?;
        let place = self.core.book.resolve(&address).map_err(|error| refused(error.to_string()))?;
        let lane = match &place {
            Place::Person(to) | Place::Remote(to) => {
                Lane { to: to.as_str().to_owned(), via: author.as_str().to_owned() }
            }
            Place::Bridge(to) if !to.is_room() => {
                Lane { to: to.instance.as_str().to_owned(), via: to.address.as_str().to_owned() }
            }
            Place::Bridge(_) | Place::Group(_) => {
                return Err(refused(format!("{address} is a room, and takes no private messages")));
            }
            Place::Console(..) => return Err(refused(format!("{address} cannot be written to from here"))),
        };
        let venue = place.address().clone();
        let conversation = conversation::between(author, &venue);
        Ok(Scenery {
            conversations: vec![conversation.clone()],
            conversation,
            places: vec![author.clone(), venue.clone()],
            venue,
            scene: Scene::Private,
            lanes: vec![lane],
            persona: Some(place),
        })
    }

    /// The account whose own account on this network a user is. Nobody but an account of this gateway
    /// has one, whatever the bridge says.
    fn owner(&self, persona: &PersonaId) -> Option<(Address, Author)> {
        let place = persona.as_str().parse().ok().and_then(|address| self.core.book.resolve(&address).ok());
        if let Some(Place::Person(address)) = place {
            let author = self.core.book.author(&address, None, None);
            return Some((address, author));
        }
        tracing::warn!(instance = %self.instance, %persona, "no account of this gateway; the user itself is the author");
        None
    }

    /// True if something is shown where this lane leads: on a bridge by what it can, to accounts if
    /// `accounts`.
    fn shows(&self, lane: &Lane, what: impl Fn(&Capabilities) -> Support, accounts: bool) -> bool {
        let Some((_, bridge)) = self.core.book.places.bridge(&lane.to) else { return accounts };
        let Ok(address) = lane.via.parse::<Address>() else { return false };
        let Ok(Place::Bridge(place)) = self.core.book.resolve(&address) else { return false };
        what(&bridge.capabilities(&place.id)) != Support::Dropped
    }

    /// What an event means for others; `None` if nothing.
    async fn said(&self, event: &Event, author: &Address, scenery: &Scenery) -> Result<Option<Said>, AcceptError> {
        let in_private = scenery.persona.is_some();
        Ok(match &event.kind {
            EventKind::Message(content) => {
                let reply = match &content.reply_to {
                    Some(id) => self.earlier(scenery, id).await?.map(|earlier| earlier.quote()),
                    None => None,
                };
                Some(Said::Send { words: self.words(content), reply })
            }
            EventKind::Edit { target, content } => {
                let words = self.words(content);
                match self.earlier(scenery, target).await? {
                    Some(earlier) if !earlier.is_by(author.as_str(), None) => {
                        return Err(AcceptError::Refused("only its author can edit a message".to_owned()));
                    }
                    Some(earlier) => Some(Said::Edit { target: earlier.quote(), words }),
                    None => Some(Said::Send { words, reply: None }),
                }
            }
            EventKind::Recall { target, reason } => {
                let Some(earlier) = self.earlier(scenery, target).await? else { return Ok(None) };
                if in_private && !earlier.is_by(author.as_str(), None) {
                    return Err(AcceptError::Refused("only its author can withdraw a message".to_owned()));
                }
                Some(match earlier.reaction() {
                    Some((target, emoji)) => Said::Unreact {
                        target: target.clone(),
                        emoji: emoji.to_owned(),
                        reaction: Some(earlier.quote()),
                    },
                    None => Said::Recall { target: earlier.quote(), reason: reason.clone() },
                })
            }
            EventKind::Reaction { target, emoji, removed } => {
                let Some(earlier) = self.earlier(scenery, target).await? else { return Ok(None) };
                let (target, emoji) = (earlier.quote(), emoji.clone());
                if !removed {
                    return Ok(Some(Said::React { target, emoji }));
                }
                let store = self.core.store.as_ref();
                let put = quotes::reaction_by(store, &scenery.conversations, author.as_str(), &target, &emoji).await;
                Some(Said::Unreact { reaction: put.map_err(|error| unavailable(&error))?, target, emoji })
            }
            EventKind::Membership(change) => Some(Said::Membership(change.clone())),
            EventKind::RoomProfile(change) if !in_private => Some(Said::RoomProfile(change.clone())),
            EventKind::Notice(line) => Some(Said::Notice(line.clone())),
            EventKind::Request { pass } if in_private => {
                if self.agrees_already(scenery, author).await {
                    None
                } else {
                    Some(Said::Request { pass: pass.clone() })
                }
            }
            EventKind::Decided(admission) if in_private => Some(Said::Decided(*admission)),
            EventKind::Closed if in_private => Some(Said::Closed),
            _ => {
                tracing::warn!(instance = %self.instance, "an event was not understood and is left out");
                None
            }
        })
    }

    async fn earlier(&self, scenery: &Scenery, id: &EventId) -> Result<Option<Earlier>, AcceptError> {
        let places: Vec<&str> = scenery.places.iter().map(Address::as_str).collect();
        let (store, conversations) = (self.core.store.as_ref(), &scenery.conversations);
        let find = async || {
            let found = quotes::by_network_id(store, conversations, &places, id.as_str()).await;
            found.map_err(|error| unavailable(&error))
        };
        if let Some(found) = find().await? {
            return Ok(Some(found));
        }
        // An answer can be faster than the record of what it answers.
        if let Some(lanes) = self.core.lanes.get() {
            lanes.recorded(self.instance.as_str(), places[0], UNDER_WAY).await;
        }
        find().await
    }

    /// The words with people named by their addresses.
    fn words(&self, content: &Content) -> Words {
        let mut content = content.clone();
        content.reply_to = None;
        for block in &mut content.text.blocks {
            let BlockKind::Paragraph(spans) = &mut block.kind else { continue };
            for span in spans {
                let Some(mention) = span.style.mention.take() else { continue };
                span.style.mention = self.persona_of_mention(mention);
            }
        }
        content.into()
    }

    fn persona_of_mention(&self, mention: String) -> Option<String> {
        let is_address = mention.starts_with('@') && mention.parse::<Address>().is_ok();
        let foreign = is_address && self.bridge.id_of(&mention).is_err();
        if foreign {
            return Some(mention);
        }
        let id = monster_bridge_api::RemoteId::new(mention);
        self.address_of(&id).ok().map(|address| address.as_str().to_owned())
    }

    /// Where the persona has asked for this relation, or has it, the bridge is told so instead.
    async fn agrees_already(&self, scenery: &Scenery, author: &Address) -> bool {
        let Some(persona) = &scenery.persona else { return false };
        if matches!(persona, Place::Bridge(_)) {
            return false;
        }
        let persona = persona.address();
        let known = self.core.book.graph().read().relation(persona.as_str(), author.as_str()).cloned();
        let Some(relation) = known.filter(|relation| relation.state != RelationState::Invited) else { return false };
        let who: Author = self.core.book.author(persona, relation.nickname.as_deref(), None);
        let Ok(id) = self.bridge.id_of(&author.name()) else { return false };
        matches!(self.bridge.join(&who, &id, None).await, Ok(Admission::Accepted))
            && self.change_relation(persona, author, Some(RelationState::Accepted)).await.is_ok()
    }

    async fn change_relation(
        &self,
        persona: &Address,
        author: &Address,
        state: Option<RelationState>,
    ) -> Result<(), AcceptError> {
        let changed = match state {
            Some(state) => {
                let known = self.core.book.graph().read().relation(persona.as_str(), author.as_str()).cloned();
                let (pass, nickname) = known.map(|k| (k.pass.clone(), k.nickname.clone())).unwrap_or_default();
                let related = self.core.relate(persona, author, state, pass.as_deref(), nickname.as_deref());
                return related.await.map_err(|_| AcceptError::Unavailable("it could not be stored".to_owned()));
            }
            None => self.core.book.remove_relation(persona.as_str(), author.as_str()).await,
        };
        changed.map_err(|error| unavailable(&error))
    }
}

/// How the persona of a private conversation stands to the author after this.
#[expect(clippy::option_option, reason = "no change, an end, or a state")]
fn relation_after(said: &Said) -> Option<Option<RelationState>> {
    match said {
        Said::Request { .. } => Some(Some(RelationState::Invited)),
        Said::Decided(Admission::Accepted) => Some(Some(RelationState::Accepted)),
        Said::Decided(Admission::Refused | Admission::WrongPass) | Said::Closed => Some(None),
        _ => None,
    }
}

/// What the bridge is told of a message in the journal.
pub(super) fn accepted(journalled: &Journalled) -> Accepted {
    match journalled {
        Journalled::New { .. } => Accepted::New,
        Journalled::Known { .. } => Accepted::Known,
    }
}

pub(super) fn unavailable(error: &StoreError) -> AcceptError {
    AcceptError::Unavailable(error.to_string())
}

fn host_error(error: &StoreError) -> HostError {
    HostError(error.to_string())
}
