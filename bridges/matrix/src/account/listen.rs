//! Hearing: syncs, hands what was said to the core in its order, and saves how far only then.
//!
//! The SDK keeps a token of its own, which is ahead of the journal; ours is `sync`, and every sync names it. What a
//! room said while nobody listened comes from its history, back to the last event that was heard (`last/<room>`,
//! saved with that event).

use super::hear::{Place, Read};
use super::{Account, Live, hear, hints, rooms, trouble};
use futures_util::StreamExt as _;
use matrix_sdk::config::{SyncSettings, SyncToken};
use matrix_sdk::deserialized_responses::TimelineEvent;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::api::client::filter::FilterDefinition;
use matrix_sdk::ruma::api::client::sync::sync_events::v3::Filter;
use matrix_sdk::ruma::{RoomId, uint};
use matrix_sdk::sync::{JoinedRoomUpdate, SyncResponse, Timeline};
use matrix_sdk::{Error, Room};
use monster_bridge_api::{
    ACCEPT_AT_ONCE, AcceptError, Admission, Event, EventId, EventKind, Health, HostError, RemoteId, RemoteUser, Venue,
};
use std::time::{Duration, SystemTime};

/// Where the homeserver is to go on.
const TOKEN: &str = "sync";
/// How long the homeserver keeps a sync open when there is nothing.
const POLL: Duration = Duration::from_secs(30);
/// How many events of a gap are read at once, and how many in all.
const PAGE: u32 = 100;
const PAGES: usize = 200;
/// The pauses between tries.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Listening ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The device is signed out.
    #[error("the homeserver has signed the device out: sign in again with `monster-gateway login`")]
    SignedOut,
    /// What is saved cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// Listens until the device is signed out.
pub(crate) async fn listen(account: &Account, live: &Live) -> Result<(), Ended> {
    let mut token = live.host.load(TOKEN).await?;
    // A new device knows no room yet: what a first sync says of them is old.
    let mut fill = token.is_none() || live.client.rooms().is_empty();
    let mut pause = PAUSE;
    let mut first = true;
    let mut keys = live.client.encryption().room_keys_received_stream().await.map(Box::pin);
    live.waiting.retry(account, live).await;
    loop {
        let since = token.clone().filter(|_| !fill).map_or(SyncToken::NoToken, SyncToken::Specific);
        let timeout = if first { Duration::ZERO } else { POLL };
        let settings = SyncSettings::new().timeout(timeout).filter(filter()).token(since);
        let mut sync = Box::pin(live.client.sync_once(settings));
        let response = loop {
            tokio::select! {
                response = &mut sync => break response,
                Some(_) = next(&mut keys) => live.waiting.retry(account, live).await,
            }
        };
        match response {
            Ok(response) => {
                // A device that knows no room goes on where the one before it was.
                let old = fill && token.is_some();
                if fill {
                    invitations(account, live, &response).await;
                    begin(account, live, &response).await;
                } else {
                    take(account, live, &response).await;
                }
                if !old {
                    save(live, &response.next_batch).await;
                    token = Some(response.next_batch);
                }
                (fill, first, pause) = (false, false, PAUSE);
                live.host.report(Health::Up);
            }
            Err(error) if trouble::is_signed_out(&error) => return Err(Ended::SignedOut),
            Err(error) => {
                pause = down(live, &error, pause).await;
                first = true;
            }
        }
    }
}

async fn next<S: futures_util::Stream + Unpin>(stream: &mut Option<S>) -> Option<S::Item> {
    match stream {
        Some(stream) => stream.next().await,
        None => std::future::pending().await,
    }
}

fn filter() -> Filter {
    let mut definition = FilterDefinition::with_lazy_loading();
    definition.room.timeline.limit = Some(uint!(50));
    Filter::FilterDefinition(definition)
}

async fn down(live: &Live, error: &Error, pause: Duration) -> Duration {
    let why = trouble::in_words(error);
    tracing::warn!(why, "not connected");
    live.host.report(Health::Down { why });
    let jitter = 0.5 + rand::random::<f64>();
    tokio::time::sleep(pause.mul_f64(jitter)).await;
    (pause * 2).min(LONGEST_PAUSE)
}

/// Saves how far has been heard; again until it works, since going on without would be hearing it twice at best.
async fn save(live: &Live, token: &str) {
    let mut pause = PAUSE;
    while let Err(error) = live.host.save(TOKEN, Some(token)).await {
        tracing::warn!(%error, "how far was heard could not be saved");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Takes in a sync: each room's events in their order.
async fn take(account: &Account, live: &Live, response: &SyncResponse) {
    invitations(account, live, response).await;
    for (id, update) in &response.rooms.joined {
        let (Some(room), Some(place)) = (live.client.get_room(id), account.rooms.place_of(live, id)) else { continue };
        take_room(account, live, &room, &place, &update.timeline).await;
        hear_ephemeral(live, &room, &place, update).await;
    }
    for (id, update) in &response.rooms.left {
        if let (Some(room), Some(place)) = (live.client.get_room(id), account.rooms.place_of(live, id)) {
            take_room(account, live, &room, &place, &update.timeline).await;
            tell_left(live, &room, &place, &update.timeline).await;
        }
        rooms::left(account, live, id).await;
    }
}

/// Notes where each room is, without hearing what was said before.
async fn begin(account: &Account, live: &Live, response: &SyncResponse) {
    for (id, update) in &response.rooms.joined {
        if account.rooms.place_of(live, id).is_some() && last_heard(live, id).await.is_none() {
            note_last(live, id, &update.timeline).await;
        }
    }
}

/// The last event of a room that the core has taken.
async fn last_heard(live: &Live, room: &RoomId) -> Option<String> {
    live.host.load(&format!("last/{room}")).await.ok().flatten()
}

async fn note_last(live: &Live, room: &RoomId, timeline: &Timeline) {
    let Some(id) = timeline.events.last().and_then(TimelineEvent::event_id) else { return };
    if let Err(error) = live.host.save(&format!("last/{room}"), Some(id.as_str())).await {
        tracing::warn!(%error, "how far a room was heard could not be saved");
    }
}

/// Invitations, which are also news to a device that knows no room.
async fn invitations(account: &Account, live: &Live, response: &SyncResponse) {
    for room in response.rooms.invited.keys() {
        rooms::invited(account, live, room).await;
    }
}

async fn hear_ephemeral(live: &Live, room: &Room, place: &Place, update: &JoinedRoomUpdate) {
    for event in &update.ephemeral {
        hints::hear(live, room, place, event.json().get()).await;
    }
}

async fn take_room(account: &Account, live: &Live, room: &Room, place: &Place, timeline: &Timeline) {
    let last = last_heard(live, room.room_id()).await;
    let mut events = Vec::new();
    if timeline.limited
        && let (Some(last), Some(from)) = (&last, &timeline.prev_batch)
    {
        match gap(room, from, last).await {
            Ok((missed, whole)) => {
                if !whole {
                    events.push(Next::Told(too_long(place, room)));
                }
                events.extend(missed.into_iter().map(Next::Heard));
            }
            Err(error) => {
                tracing::warn!(room = %room.room_id(), why = trouble::in_words(&error), "a gap could not be read");
                events.push(Next::Told(too_long(place, room)));
            }
        }
    }
    let begin = if last.is_none() { after_own_join(live, timeline) } else { 0 };
    events.extend(timeline.events.iter().skip(begin).cloned().map(Next::Heard));
    let mut batch = Vec::new();
    let mut over = false;
    for event in events {
        let event = match event {
            Next::Told(event) => event,
            Next::Heard(event) => match hear::timeline(account, live, room, place, &event).await {
                Read::Event(event) => Some(*event),
                Read::Undecrypted(raw, told) => Some(keep(live, room, &raw, *told).await),
                Read::Nothing => None,
            },
        };
        over |= event.as_ref().is_some_and(|event| ends(&event.kind));
        batch.extend(event);
        if batch.len() == ACCEPT_AT_ONCE {
            hand_over(live, &mut batch).await;
        }
    }
    hand_over(live, &mut batch).await;
    if last.is_none() {
        note_last(live, room.room_id(), timeline).await;
    }
    if over {
        rooms::over(account, live, room).await;
    }
}

/// True if nobody is left to talk to.
fn ends(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Closed | EventKind::Decided(Admission::Refused))
}

enum Next {
    Heard(TimelineEvent),
    Told(Option<Event>),
}

async fn keep(live: &Live, room: &Room, raw: &serde_json::Value, told: Event) -> Event {
    loop {
        match live.waiting.note(live, room, raw, told.clone()).await {
            Ok(told) => return told,
            Err(error) => {
                tracing::warn!(%error, "a message that waits for its key could not be saved");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Where the account's own coming to the room is: what was said before it is not for us.
fn after_own_join(live: &Live, timeline: &Timeline) -> usize {
    let joins = |event: &TimelineEvent| {
        crate::map::parse(event.raw().json().get()).is_some_and(|raw| {
            raw["type"] == "m.room.member" && raw["state_key"] == live.user && raw["content"]["membership"] == "join"
        })
    };
    timeline.events.iter().rposition(joins).map_or(0, |at| at + 1)
}

/// What was said before `from`, back to `last`, oldest first, and whether all of it was found.
async fn gap(room: &Room, from: &str, last: &str) -> Result<(Vec<TimelineEvent>, bool), Error> {
    let mut missed = Vec::new();
    let mut from = from.to_owned();
    for _ in 0..PAGES {
        let mut options = MessagesOptions::backward().from(from.as_str());
        options.limit = PAGE.into();
        let page = room.messages(options).await?;
        for event in page.chunk {
            if event.event_id().is_some_and(|id| id.as_str() == last) {
                missed.reverse();
                return Ok((missed, true));
            }
            missed.push(event);
        }
        let Some(end) = page.end else {
            missed.reverse();
            return Ok((missed, true));
        };
        from = end;
    }
    missed.reverse();
    Ok((missed, false))
}

fn too_long(place: &Place, room: &Room) -> Option<Event> {
    let Place::Room(name) = place else { return None };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    Some(notice(
        name,
        format!("gap/{}/{now}", room.room_id()),
        "some of what was said here meanwhile could not be read back",
    ))
}

fn notice(name: &RemoteId, id: String, words: &str) -> Event {
    Event {
        id: EventId::new(id),
        venue: Venue::Room(name.clone()),
        author: RemoteUser { id: name.clone(), name: "Matrix".to_owned(), picture: None },
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Notice(words.to_owned()),
        cursor: None,
    }
}

/// Hands events over, and those that the journal cannot take now again, in the same order.
async fn hand_over(live: &Live, batch: &mut Vec<Event>) {
    let mut pause = PAUSE;
    while !batch.is_empty() {
        let outcomes = live.host.accept_all(batch.clone()).await;
        let taken = outcomes.iter().take_while(|outcome| !matches!(outcome, Err(AcceptError::Unavailable(_)))).count();
        batch.drain(..taken.min(batch.len()));
        if taken == 0 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        } else {
            pause = PAUSE;
        }
    }
}

/// The account was taken out of a room that is used: told there.
async fn tell_left(live: &Live, room: &Room, place: &Place, timeline: &Timeline) {
    let Place::Room(name) = place else { return };
    let own = timeline.events.iter().rev().filter_map(|event| crate::map::parse(event.raw().json().get()));
    let mut own = own.filter(|raw| raw["type"] == "m.room.member" && raw["state_key"] == live.user);
    let Some(raw) = own.next() else { return };
    let (Some(id), Some(sender)) = (raw["event_id"].as_str(), raw["sender"].as_str()) else { return };
    if sender == live.user {
        return;
    }
    let by = hear::user(live, room, sender).await.name;
    let why = raw["content"]["reason"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
    let event = notice(name, format!("{id}/told"), &format!("{by} took the gateway's account out of the room{why}"));
    hand_over(live, &mut vec![event]).await;
}
