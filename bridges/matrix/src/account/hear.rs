//! What an event in a room means to the core. `listen` hands each event here, in the order of the room.

use super::{Account, Live, files};
use crate::map::{self, FileHeard, Heard, MemberState, Said, What};
use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::{TimelineEvent, TimelineEventKind};
use matrix_sdk::ruma::UserId;
use monster_bridge_api::{
    Admission, Content, Event, EventKind, MediaFile, PersonaId, RemoteId, RemoteUser, RoomProfile, Venue,
};
use serde_json::Value;

/// Where what is said in a room belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A room that the gateway uses, by the name it has here.
    Room(RemoteId),
    /// A conversation of a persona with a user.
    Direct(PersonaId),
}

/// An event of a timeline, as the core takes it, or why there is none.
pub(crate) enum Read {
    /// This.
    Event(Box<Event>),
    /// It is encrypted and its key has not come: the event as it is, and what is told of it.
    Undecrypted(Value, Box<Event>),
    /// It is nothing to anybody, or our own.
    Nothing,
}

/// Reads one event of a timeline.
pub(crate) async fn timeline(
    account: &Account,
    live: &Live,
    room: &Room,
    place: &Place,
    event: &TimelineEvent,
) -> Read {
    let Some(raw) = map::parse(event.raw().json().get()) else { return Read::Nothing };
    let sent_here = map::text_at(&raw, &["unsigned", "transaction_id"]).is_some();
    let Some(heard) = map::read(&raw, &|user| Some(user.to_owned())) else { return Read::Nothing };
    let own = heard.sender == live.user;
    if own && (sent_here || heard.key.is_some()) {
        return Read::Nothing;
    }
    if matches!(event.kind, TimelineEventKind::UnableToDecrypt { .. }) {
        let told = base(account, live, room, place, &heard, super::waiting::words(&raw)).await;
        return told.map_or(Read::Nothing, |told| Read::Undecrypted(raw, Box::new(told)));
    }
    event_of(account, live, room, place, heard).await.map_or(Read::Nothing, |event| Read::Event(Box::new(event)))
}

/// What an event that could be read says; `None` if it is nothing to anybody.
pub(crate) async fn event(account: &Account, live: &Live, room: &Room, place: &Place, heard: Heard) -> Option<Event> {
    event_of(account, live, room, place, heard).await
}

async fn event_of(account: &Account, live: &Live, room: &Room, place: &Place, mut heard: Heard) -> Option<Event> {
    let what = std::mem::replace(&mut heard.what, What::Encrypted);
    let kind = match what {
        What::Message(said) => EventKind::Message(content(live, said).await),
        What::Edit { target, said } => EventKind::Edit { target, content: content(live, said).await },
        What::Reaction { target, emoji } => EventKind::Reaction { target, emoji, removed: false },
        What::Redaction { target, reason } => EventKind::Recall { target, reason },
        What::Name(name) if is_room(place) => {
            EventKind::RoomProfile(RoomProfile { name: Some(name), ..RoomProfile::default() })
        }
        What::Topic(topic) if is_room(place) => {
            EventKind::RoomProfile(RoomProfile { topic: Some(topic), ..RoomProfile::default() })
        }
        What::Member(member) => return membership(account, live, room, place, &heard, &member).await,
        _ => return None,
    };
    base(account, live, room, place, &heard, kind).await
}

fn is_room(place: &Place) -> bool {
    matches!(place, Place::Room(_))
}

/// An event of this kind, by whom and where it was said.
async fn base(
    account: &Account,
    live: &Live,
    room: &Room,
    place: &Place,
    heard: &Heard,
    kind: EventKind,
) -> Option<Event> {
    let own = heard.sender == live.user;
    let persona = account.config.owner.clone().filter(|_| own);
    let venue = match place {
        Place::Room(name) => Venue::Room(name.clone()),
        // What the account's owner writes from another device is not said to them.
        Place::Direct(_) if own => return None,
        Place::Direct(persona) => Venue::Private(persona.clone()),
    };
    Some(Event {
        id: heard.id.clone(),
        venue,
        author: user(live, room, &heard.sender).await,
        persona,
        at: heard.at,
        key: heard.key.clone(),
        kind,
        cursor: Some((format!("last/{}", room.room_id()), heard.id.as_str().to_owned())),
    })
}

async fn membership(
    account: &Account,
    live: &Live,
    room: &Room,
    place: &Place,
    heard: &Heard,
    member: &map::Member,
) -> Option<Event> {
    if member.user == live.user {
        return None;
    }
    let by = user(live, room, &heard.sender).await;
    let kind = match place {
        Place::Room(_) => EventKind::Membership(map::membership(member, (&heard.sender, &by.name))?),
        Place::Direct(_) => match (member.before, member.now) {
            (MemberState::Invite, MemberState::Join) => EventKind::Decided(Admission::Accepted),
            (MemberState::Invite, MemberState::Leave) => EventKind::Decided(Admission::Refused),
            (MemberState::Join, MemberState::Leave | MemberState::Ban) => EventKind::Closed,
            _ => return None,
        },
    };
    let mut event = base(account, live, room, place, heard, kind).await?;
    event.author = user(live, room, &member.user).await;
    if event.author.id.as_str() == member.user && member.name.is_some() {
        event.author.name = member.shown();
    }
    event.persona = None;
    Some(event)
}

async fn content(live: &Live, said: Said) -> Content {
    let Said { mut content, file } = said;
    if let Some(file) = file {
        keep_key(live, &file).await;
        content.attachments.push(file.attachment(&|media| live.host.media_link(media)));
    }
    content
}

/// What decrypts a file stays with the bridge.
async fn keep_key(live: &Live, file: &FileHeard) {
    let Some(encrypted) = &file.encrypted else { return };
    if let Err(error) = live.host.save(&files::key_of(&file.media.reference), Some(&encrypted.to_string())).await {
        tracing::warn!(%error, "what decrypts a file could not be saved");
    }
}

/// A user as a room shows them.
pub(crate) async fn user(live: &Live, room: &Room, id: &str) -> RemoteUser {
    let member = match UserId::parse(id) {
        Ok(id) => room.get_member_no_sync(&id).await.ok().flatten(),
        Err(_) => None,
    };
    let name = member.as_ref().and_then(|member| member.display_name()).filter(|name| !name.trim().is_empty());
    let name = name.map_or_else(|| crate::id::local_of(id).to_owned(), str::to_owned);
    let picture = member.as_ref().and_then(|member| member.avatar_url()).map(|uri| picture(live, uri.as_str()));
    RemoteUser { id: RemoteId::new(id), name, picture }
}

/// A link to a picture of a profile.
pub(crate) fn picture(live: &Live, uri: &str) -> String {
    let file = MediaFile { reference: uri.to_owned(), name: "avatar".to_owned(), media_type: "image/png".to_owned() };
    live.host.media_link(&file)
}
