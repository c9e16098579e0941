//! Messages that cannot be decrypted yet. Each is told in words where it was said, under its own id, and kept until
//! its key comes; then the words are replaced by what it says. Nothing of it is lost by a restart.
//!
//! Called by `listen`, for each such event, and when keys have come.

use super::hear::{self, Place};
use super::{Account, Live};
use crate::map::{self, What};
use matrix_sdk::Room;
use matrix_sdk::deserialized_responses::{TimelineEvent, TimelineEventKind};
use matrix_sdk::ruma::RoomId;
use matrix_sdk::ruma::serde::Raw;
use monster_bridge_api::{AcceptError, Content, ContentStyle, Event, EventId, EventKind, HostError, Text};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// What the saved values of this module begin with.
const WAITING: &str = "undecrypted/";
/// How many are kept; of more, those that were said first are given up.
const AT_MOST: usize = 2_000;

/// Events whose keys have not come, by id: the room and the event.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<BTreeMap<String, (String, Value)>>);

impl Waiting {
    /// Reads what was saved.
    pub(crate) async fn load(&self, live: &Live) -> Result<(), HostError> {
        let mut events = self.0.lock().await;
        events.clear();
        for (key, text) in live.host.load_all(WAITING).await? {
            let saved: Option<(String, Value)> = serde_json::from_str(&text).ok();
            if let (Some(id), Some(saved)) = (key.strip_prefix(WAITING), saved) {
                events.insert(id.to_owned(), saved);
            } else {
                tracing::warn!("a message that waits for its key cannot be read and is set aside");
            }
        }
        Ok(())
    }

    /// Keeps an event, and gives what is told of it meanwhile.
    pub(crate) async fn note(&self, live: &Live, room: &Room, raw: &Value, told: Event) -> Result<Event, HostError> {
        let id = told.id.as_str().to_owned();
        let saved = (room.room_id().to_string(), raw.clone());
        let text = serde_json::to_string(&saved).map_err(|error| HostError(error.to_string()))?;
        let mut events = self.0.lock().await;
        live.host.save(&format!("{WAITING}{id}"), Some(&text)).await?;
        events.insert(id, saved);
        if events.len() > AT_MOST {
            let oldest = events.iter().min_by_key(|(_, (_, raw))| raw["origin_server_ts"].as_u64());
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                tracing::warn!("too many messages wait for their keys: the oldest is given up");
                events.remove(&oldest);
                live.host.save(&format!("{WAITING}{oldest}"), None).await?;
            }
        }
        Ok(told)
    }

    /// Tries all of them again, and hands over what can be read now.
    pub(crate) async fn retry(&self, account: &Account, live: &Live) {
        let events: Vec<(String, (String, Value))> =
            self.0.lock().await.iter().map(|(id, saved)| (id.clone(), saved.clone())).collect();
        for (id, (room, raw)) in events {
            let Some(read) = decrypt(live, &room, &raw).await else { continue };
            let Ok(room_id) = RoomId::parse(&room) else { continue };
            let (Some(room), Some(place)) = (live.client.get_room(&room_id), account.rooms.place_of(live, &room_id))
            else {
                continue;
            };
            let mut done = true;
            for event in replacing(account, live, &room, &place, &id, &read).await {
                done &= !matches!(live.host.accept(event).await, Err(AcceptError::Unavailable(_)));
            }
            if done && live.host.save(&format!("{WAITING}{id}"), None).await.is_ok() {
                self.0.lock().await.remove(&id);
            }
        }
    }
}

/// The words under which an event is told that cannot be read.
pub(crate) fn words(raw: &Value) -> EventKind {
    let edits = map::text_at(raw, &["content", "m.relates_to", "rel_type"]) == Some("m.replace");
    let words = if edits {
        "(changed an encrypted message; the key has not come yet)"
    } else {
        "(an encrypted message that cannot be read yet: its key has not come)"
    };
    EventKind::Message(Content { text: Text::plain(words), style: ContentStyle::Notice, ..Content::default() })
}

async fn decrypt(live: &Live, room: &str, raw: &Value) -> Option<TimelineEvent> {
    let room = live.client.get_room(&RoomId::parse(room).ok()?)?;
    let event = Raw::new(raw).ok()?.cast_unchecked();
    let event = room.decrypt_event(&event, None).await.ok()?;
    (!matches!(event.kind, TimelineEventKind::UnableToDecrypt { .. })).then_some(event)
}

/// What makes the words be what the event says. Their ids come from the event's, so that after a crash the same
/// once more is nothing new.
async fn replacing(
    account: &Account,
    live: &Live,
    room: &Room,
    place: &Place,
    id: &str,
    read: &TimelineEvent,
) -> Vec<Event> {
    let Some(raw) = map::parse(read.raw().json().get()) else { return Vec::new() };
    let Some(heard) = map::read(&raw, &|user| Some(user.to_owned())) else { return Vec::new() };
    let is_message = matches!(heard.what, What::Message(_));
    let Some(mut event) = hear::event(account, live, room, place, heard).await else { return Vec::new() };
    let target = EventId::new(id);
    if is_message && let EventKind::Message(content) = event.kind {
        event.id = EventId::new(format!("{id}/read"));
        event.kind = EventKind::Edit { target, content };
        return vec![event];
    }
    let mut withdrawn = event.clone();
    withdrawn.id = EventId::new(format!("{id}/withdrawn"));
    withdrawn.kind = EventKind::Recall { target, reason: None };
    event.id = EventId::new(format!("{id}/read"));
    vec![withdrawn, event]
}
