//! Which rooms the account is in on whose behalf: rooms that the gateway uses, and conversations of a persona with a
//! user, each in a room of its own, so that it is known whom an answer is for.

use super::hear::Place;
use super::{Account, Live, trouble};
use crate::id::{self, Form};
use matrix_sdk::ruma::api::client::room::create_room::v3::{Request, RoomPreset};
use matrix_sdk::ruma::events::InitialStateEvent;
use matrix_sdk::ruma::events::room::encryption::RoomEncryptionEventContent;
use matrix_sdk::ruma::{OwnedRoomId, OwnedServerName, RoomId, RoomOrAliasId, UserId};
use matrix_sdk::{Room, RoomState};
use monster_bridge_api::{
    Admission, Author, DeliveryError, Event, EventId, EventKind, HostError, PersonaId, RemoteId, RequestError, Venue,
};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// What the saved conversations begin with; the room's id follows.
const DIRECT: &str = "direct/";
/// What the rooms begin with that were joined because the gateway uses them.
const JOINED: &str = "joined/";

/// A conversation of a persona with a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Pair {
    persona: PersonaId,
    user: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rooms(RwLock<Inner>);

#[derive(Debug, Default)]
struct Inner {
    used: HashSet<String>,
    pairs: HashMap<String, Pair>,
    rooms: HashMap<Pair, String>,
}

impl Rooms {
    /// Reads what was saved.
    pub(crate) async fn load(&self, live: &Live) -> Result<(), HostError> {
        let saved = live.host.load_all(DIRECT).await?;
        let mut inner = self.0.write();
        *inner = Inner::default();
        for (key, text) in saved {
            let room = key.strip_prefix(DIRECT).filter(|room| id::is_room(room));
            if let (Some(room), Ok(pair)) = (room, serde_json::from_str::<Pair>(&text)) {
                inner.put(room, pair);
            } else {
                tracing::warn!("a saved conversation cannot be read and is set aside");
            }
        }
        Ok(())
    }

    /// Where what is said in a room belongs; `None` if to nobody here.
    pub(crate) fn place_of(&self, live: &Live, room: &RoomId) -> Option<Place> {
        let inner = self.0.read();
        if let Some(pair) = inner.pairs.get(room.as_str()) {
            return Some(Place::Direct(pair.persona.clone()));
        }
        if inner.used.contains(room.as_str()) {
            return Some(Place::Room(live.book.canonical(room.as_str())));
        }
        // Whoever writes to the account in a conversation that the account had before writes to its owner.
        let owner = live.owner.clone()?;
        let is_direct = live.client.get_room(room).is_some_and(|room| room.direct_targets_length() == 1);
        is_direct.then_some(Place::Direct(owner))
    }

    /// The room of a conversation.
    fn room_of(&self, persona: &PersonaId, user: &str) -> Option<String> {
        let pair = Pair { persona: persona.clone(), user: user.to_owned() };
        self.0.read().rooms.get(&pair).cloned()
    }

    async fn bind(&self, live: &Live, room: &RoomId, persona: &PersonaId, user: &str) -> Result<(), HostError> {
        let pair = Pair { persona: persona.clone(), user: user.to_owned() };
        let text = serde_json::to_string(&pair).map_err(|error| HostError(error.to_string()))?;
        live.host.save(&format!("{DIRECT}{room}"), Some(&text)).await?;
        self.0.write().put(room.as_str(), pair);
        Ok(())
    }

    async fn unbind(&self, live: &Live, room: &str) -> Result<(), HostError> {
        live.host.save(&format!("{DIRECT}{room}"), None).await?;
        let mut inner = self.0.write();
        if let Some(pair) = inner.pairs.remove(room) {
            inner.rooms.remove(&pair);
        }
        Ok(())
    }
}

impl Inner {
    fn put(&mut self, room: &str, pair: Pair) {
        self.rooms.insert(pair.clone(), room.to_owned());
        self.pairs.insert(room.to_owned(), pair);
    }
}

/// Joins a room that the gateway uses from now on, and hears it.
pub(crate) async fn enter(account: &Account, live: &Live, name: &RemoteId) -> Result<Room, RequestError> {
    let known = live.book.room_of(name.as_str()).and_then(|room| RoomId::parse(&room).ok());
    let joined = known.as_ref().and_then(|room| live.client.get_room(room));
    let room = if let Some(room) = joined.filter(|room| room.state() == RoomState::Joined) {
        room
    } else {
        let room = join(live, name.as_str(), known).await?;
        let saved = live.host.save(&format!("{JOINED}{}", room.room_id()), Some("")).await;
        saved.map_err(|error| RequestError::Unavailable(error.to_string()))?;
        room
    };
    let bound = live.book.bind(live.host.as_ref(), name.as_str(), room.room_id().as_str()).await;
    bound.map_err(|error| RequestError::Unavailable(error.to_string()))?;
    account.rooms.0.write().used.insert(room.room_id().to_string());
    Ok(room)
}

async fn join(live: &Live, name: &str, known: Option<OwnedRoomId>) -> Result<Room, RequestError> {
    let target = known.map_or_else(|| name.to_owned(), |room| room.to_string());
    let wrong = |_| RequestError::Unknown(format!("`{name}` is no room"));
    let parsed = RoomOrAliasId::parse(&target).map_err(wrong)?;
    // A room is found through the server that its id or alias names.
    let via: Vec<OwnedServerName> = id::server_of(name).and_then(|server| server.try_into().ok()).into_iter().collect();
    let joined = live.client.join_room_by_id_or_alias(&parsed, &via).await;
    joined.map_err(|error| trouble::of_request(&format!("joining {name}"), &error))
}

/// The gateway no longer uses the room. The account leaves it if it came for the gateway's sake.
pub(crate) async fn give_up(account: &Account, live: &Live, name: &RemoteId) {
    let Some(room) = live.book.room_of(name.as_str()) else { return };
    account.rooms.0.write().used.remove(&room);
    let key = format!("{JOINED}{room}");
    if !matches!(live.host.load(&key).await, Ok(Some(_))) {
        return;
    }
    let Some(known) = RoomId::parse(&room).ok().and_then(|room| live.client.get_room(&room)) else { return };
    match known.leave().await {
        Ok(()) => drop(live.host.save(&key, None).await),
        Err(error) => tracing::warn!(room, error = %trouble::in_words(&error), "the room could not be left"),
    }
}

/// Opens the conversation of a persona with a user: accepts the user's invitation, or invites them.
pub(crate) async fn open(
    account: &Account,
    live: &Live,
    who: &Author,
    user: &RemoteId,
) -> Result<Admission, RequestError> {
    let (room, waiting) = open_room(account, live, who, user).await?;
    tracing::debug!(room = %room.room_id(), "a conversation is open");
    Ok(if waiting { Admission::Waiting } else { Admission::Accepted })
}

/// The room of the conversation, and whether the user has still to come.
async fn open_room(
    account: &Account,
    live: &Live,
    who: &Author,
    user: &RemoteId,
) -> Result<(Room, bool), RequestError> {
    let unavailable = |error: HostError| RequestError::Unavailable(error.to_string());
    let parsed = UserId::parse(user.as_str()).map_err(|_| RequestError::Unknown(format!("`{user}` is no user")))?;
    if let Some(room) = known(account, live, &who.id, user.as_str()) {
        let there = room.get_member_no_sync(&parsed).await.ok().flatten();
        let joined = there.is_some_and(|member| member.membership().as_str() == "join");
        return Ok((room, !joined));
    }
    if account.config.is_owner(&who.id)
        && let Some(room) = invitation_of(live, user.as_str()).await
    {
        room.join().await.map_err(|error| trouble::of_request("accepting the invitation", &error))?;
        account.rooms.bind(live, room.room_id(), &who.id, user.as_str()).await.map_err(unavailable)?;
        return Ok((room, false));
    }
    let mut request = Request::new();
    request.invite = vec![parsed];
    request.is_direct = true;
    request.preset = Some(RoomPreset::TrustedPrivateChat);
    if !account.config.is_owner(&who.id) {
        request.name = Some(account.people.label(who));
    }
    if account.config.encrypt_direct {
        let content = RoomEncryptionEventContent::with_recommended_defaults();
        request.initial_state = vec![InitialStateEvent::with_empty_state_key(content).to_raw_any()];
    }
    let made = live.client.create_room(request).await;
    let room = made.map_err(|error| trouble::of_request(&format!("inviting {user}"), &error))?;
    account.rooms.bind(live, room.room_id(), &who.id, user.as_str()).await.map_err(unavailable)?;
    Ok((room, true))
}

fn known(account: &Account, live: &Live, persona: &PersonaId, user: &str) -> Option<Room> {
    let room = RoomId::parse(account.rooms.room_of(persona, user)?).ok()?;
    live.client.get_room(&room).filter(|room| room.state() == RoomState::Joined)
}

/// The room into which a user has invited the account.
async fn invitation_of(live: &Live, user: &str) -> Option<Room> {
    for room in live.client.invited_rooms() {
        let inviter = room.invite_details().await.ok().and_then(|invite| invite.inviter);
        if inviter.is_some_and(|inviter| inviter.user_id().as_str() == user) {
            return Some(room);
        }
    }
    None
}

/// Closes the conversation.
pub(crate) async fn close(account: &Account, live: &Live, who: &Author, user: &RemoteId) -> Result<(), RequestError> {
    let refuse = |error: matrix_sdk::Error| trouble::of_request("leaving the conversation", &error);
    if let Some(room) = known(account, live, &who.id, user.as_str()) {
        room.leave().await.map_err(refuse)?;
        let gone = account.rooms.unbind(live, room.room_id().as_str()).await;
        return gone.map_err(|error| RequestError::Unavailable(error.to_string()));
    }
    if account.config.is_owner(&who.id)
        && let Some(room) = invitation_of(live, user.as_str()).await
    {
        room.leave().await.map_err(refuse)?;
    }
    Ok(())
}

/// The user has gone: the next word to them begins a conversation anew.
pub(crate) async fn over(account: &Account, live: &Live, room: &Room) {
    left(account, live, room.room_id()).await;
    if let Err(error) = room.leave().await {
        tracing::debug!(why = trouble::in_words(&error), "an ended conversation could not be left");
    }
}

/// Where a delivery goes; opens the conversation with a person if there is none.
pub(crate) async fn target(account: &Account, live: &Live, who: &Author, to: &RemoteId) -> Result<Room, DeliveryError> {
    let failed = |error: RequestError| match error {
        RequestError::Unavailable(why) => DeliveryError::transient(why),
        RequestError::Unknown(why) | RequestError::Refused(why) => DeliveryError::permanent(why),
    };
    if id::form_of(to.as_str()) == Some(Form::User) {
        return open_room(account, live, who, to).await.map(|(room, _)| room).map_err(failed);
    }
    match existing(account, live, who, to) {
        Some(room) => Ok(room),
        None => enter(account, live, to).await.map_err(failed),
    }
}

/// Where something goes that is worth no joining and no inviting.
pub(crate) fn existing(account: &Account, live: &Live, who: &Author, to: &RemoteId) -> Option<Room> {
    if id::is_user(to.as_str()) {
        return known(account, live, &who.id, to.as_str());
    }
    let room = live.book.room_of(to.as_str()).and_then(|room| RoomId::parse(&room).ok());
    room.and_then(|room| live.client.get_room(&room)).filter(|room| room.state() == RoomState::Joined)
}

/// Somebody invites the account: told to its owner, if it has one.
pub(crate) async fn invited(account: &Account, live: &Live, room: &RoomId) {
    let Some(room) = live.client.get_room(room) else { return };
    let Ok(invite) = room.invite_details().await else { return };
    let Some(inviter) = invite.inviter else { return };
    let Some(owner) = account.config.owner.clone() else {
        tracing::info!(room = %room.room_id(), "invited by somebody, and the account has no owner to ask");
        return;
    };
    let event = Event {
        // One invitation is one request, however often it is heard.
        id: EventId::new(format!("invite/{}/{}", room.room_id(), inviter.user_id())),
        venue: Venue::Private(owner),
        author: super::hear::user(live, &room, inviter.user_id().as_str()).await,
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Request { pass: None },
        cursor: None,
    };
    if let Err(error) = live.host.accept(event).await {
        tracing::warn!(%error, "an invitation could not be passed on");
    }
}

/// The account is no longer in a room.
pub(crate) async fn left(account: &Account, live: &Live, room: &RoomId) {
    let pair = account.rooms.0.read().pairs.contains_key(room.as_str());
    if pair && let Err(error) = account.rooms.unbind(live, room.as_str()).await {
        tracing::warn!(%error, "a closed conversation could not be forgotten");
    }
}
