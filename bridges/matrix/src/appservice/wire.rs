//! Where content becomes an event of a room: the one place that sends, redacts and reads back. (What
//! encrypts goes here, between [`crate::map::Outgoing`] and the request.)

use super::instance::Instance;
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::{KEY, Outgoing, PART, text_at};
use monster_bridge_api::{Delivery, EventId, MessageKey};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::UNIX_EPOCH;

/// How many events of a room are read back at a time, and how often.
const PAGE: &str = "100";
const PAGES: usize = 200;
/// The most messages of which some parts are known to be there.
const MOST_FLIGHTS: usize = 1_000;

/// Messages of which some parts have reached the homeserver: what is sent again are the others.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<MessageKey, BTreeMap<usize, EventId>>>);

impl Flights {
    /// Part of a message is there.
    pub(crate) fn landed(&self, key: &MessageKey, part: usize, id: EventId) {
        let mut flights = self.0.lock();
        if flights.len() >= MOST_FLIGHTS {
            flights.clear();
        }
        flights.entry(key.clone()).or_default().insert(part, id);
    }

    /// The event that a part became.
    pub(crate) fn part(&self, key: &MessageKey, part: usize) -> Option<EventId> {
        self.0.lock().get(key).and_then(|parts| parts.get(&part)).cloned()
    }

    /// The message is done.
    pub(crate) fn done(&self, key: &MessageKey) {
        self.0.lock().remove(key);
    }
}

impl Instance {
    /// Sends an event; the same transaction id is the same event.
    pub(crate) async fn send(
        &self,
        user: &str,
        room: &str,
        event: &Outgoing,
        transaction: &str,
    ) -> Result<EventId, Failure> {
        let ask = Ask::put(&["rooms", room, "send", event.kind, transaction], event.content.clone());
        event_id(&self.ask_as(user, ask).await?)
    }

    /// Withdraws an event.
    pub(crate) async fn redact(
        &self,
        user: &str,
        room: &str,
        event: &EventId,
        reason: Option<&str>,
        mark: (&MessageKey, usize),
    ) -> Result<(), Failure> {
        let (key, part) = mark;
        let mut body = json!({ KEY: key.as_str() });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        let transaction = format!("{key}-{part}");
        let ask = Ask::put(&["rooms", room, "redact", event.as_str(), &transaction], body);
        self.ask_as(user, ask).await.map(|_| ())
    }

    /// Sets a room's state.
    pub(crate) async fn set_state(&self, user: &str, room: &str, kind: &str, content: Value) -> Result<(), Failure> {
        self.ask_as(user, Ask::put(&["rooms", room, "state", kind, ""], content)).await.map(|_| ())
    }

    /// The events in a room that a delivery of so many parts has left, by part: looked for back to when it was
    /// taken on.
    pub(crate) async fn marked(
        &self,
        user: &str,
        room: &str,
        delivery: &Delivery,
        parts: usize,
    ) -> Result<BTreeMap<usize, EventId>, Failure> {
        let not_before = delivery.not_before().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let mut found = BTreeMap::new();
        let mut from: Option<String> = None;
        for _ in 0..PAGES {
            let mut ask = Ask::get(&["rooms", room, "messages"]).query("dir", "b").query("limit", PAGE);
            if let Some(from) = &from {
                ask = ask.query("from", from);
            }
            let page = self.ask_as(user, ask).await?;
            let mut too_old = true;
            for event in page.get("chunk").and_then(Value::as_array).into_iter().flatten() {
                let at = event.get("origin_server_ts").and_then(Value::as_u64).unwrap_or_default();
                too_old &= u128::from(at) < not_before;
                let content = event.get("content").unwrap_or(&Value::Null);
                let sender = text_at(event, &["sender"]).unwrap_or_default();
                if text_at(content, &[KEY]) == Some(delivery.key.as_str()) && self.speaks_here(sender) {
                    let part = content.get(PART).and_then(Value::as_u64).and_then(|part| usize::try_from(part).ok());
                    found.entry(part.unwrap_or(0)).or_insert(event_id(event)?);
                }
            }
            from = text_at(&page, &["end"]).map(str::to_owned);
            if found.len() >= parts || too_old || from.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// The reaction with which `user` put this emoji to an event.
    pub(crate) async fn reaction_of(
        &self,
        user: &str,
        room: &str,
        event: &EventId,
        emoji: &str,
    ) -> Result<Option<EventId>, Failure> {
        let segments = ["rooms", room, "relations", event.as_str(), "m.annotation", "m.reaction"];
        let ask = Ask::at(reqwest::Method::GET, "/_matrix/client/v1", &segments).query("limit", PAGE);
        let page = self.ask_as(user, ask).await?;
        let mut reactions = page.get("chunk").and_then(Value::as_array).into_iter().flatten();
        let put = reactions.find(|reaction| {
            text_at(reaction, &["sender"]) == Some(user)
                && text_at(reaction, &["content", "m.relates_to", "key"]) == Some(emoji)
        });
        put.map(event_id).transpose()
    }
}

fn event_id(answer: &Value) -> Result<EventId, Failure> {
    match text_at(answer, &["event_id"]).filter(|event| id::is_event(event)) {
        Some(event) => Ok(EventId::new(event)),
        None => Err(Failure::Lost("the homeserver does not say which event it is".to_owned())),
    }
}
