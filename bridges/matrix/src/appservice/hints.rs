//! Typing, read marks and presence, in both directions: passed on at once or not at all.

use super::direct::Direct;
use super::instance::{Instance, Running};
use super::rooms::is_room;
use crate::client::Ask;
use crate::id;
use crate::map::text_at;
use monster_bridge_api::{EventId, Hint, HintDelivery, HintKind, Presence, Venue};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// How many hints wait for the homeserver; what is more is dropped.
const WAITING: usize = 256;
/// How long somebody is shown as typing without being told again, in ms.
const TYPING_MS: u64 = 20_000;

/// Hints on their way.
#[derive(Debug)]
pub(crate) struct Hints {
    sender: mpsc::Sender<HintDelivery>,
    receiver: Mutex<Option<mpsc::Receiver<HintDelivery>>>,
    /// Who was typing in a room: the homeserver tells all of them each time.
    typing: Mutex<HashMap<String, HashSet<String>>>,
}

impl Default for Hints {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(Some(receiver)), typing: Mutex::default() }
    }
}

impl Hints {
    /// Takes a hint. Never waits.
    pub(crate) fn take(&self, hint: HintDelivery) {
        if self.sender.try_send(hint).is_err() {
            tracing::debug!("a hint was dropped");
        }
    }
}

/// Shows hints until everything ends.
pub(crate) async fn show_all(instance: Arc<Instance>, running: Arc<Running>) {
    let Some(mut receiver) = instance.hints.receiver.lock().take() else { return };
    let stop = running.stop.clone();
    while let Some(Some(hint)) = stop.run_until_cancelled(receiver.recv()).await {
        let shown = stop.run_until_cancelled(show(&instance, &running, &hint)).await;
        if let Some(Err(error)) = shown {
            tracing::debug!(error, "a hint was not shown");
        }
    }
    *instance.hints.receiver.lock() = Some(receiver);
}

async fn show(instance: &Instance, running: &Running, hint: &HintDelivery) -> Result<(), String> {
    let ghost = instance.naming.ghost_of(&hint.author.id);
    if matches!(hint.kind, HintKind::Profile) {
        return instance.ghost(running, &hint.author).await.map(|_| ()).map_err(|error| error.to_string());
    }
    if let HintKind::Presence(presence) = &hint.kind {
        let presence = match presence {
            Presence::Online => "online",
            Presence::Away => "unavailable",
            Presence::Offline => "offline",
        };
        let ask = Ask::put(&["presence", &ghost, "status"], json!({ "presence": presence }));
        return instance.ask_as(&ghost, ask).await.map(|_| ()).map_err(|error| error.to_string());
    }
    let room = if is_room(&hint.target) {
        instance.book.room_of(hint.target.as_str())
    } else {
        instance.directs.of_pair(&hint.author.id, hint.target.as_str()).map(|(room, _)| room)
    };
    // Who has not said anything there is not seen there.
    let Some(room) = room.filter(|room| instance.rooms.is_in(room, &ghost)) else { return Ok(()) };
    let ask = match &hint.kind {
        HintKind::Typing(active) => {
            let body =
                if *active { json!({ "typing": true, "timeout": TYPING_MS }) } else { json!({ "typing": false }) };
            Ask::put(&["rooms", &room, "typing", &ghost], body)
        }
        HintKind::Read(reference) => {
            let Some(last) = reference.ids.last().filter(|id| id::is_event(id.as_str())) else { return Ok(()) };
            Ask::post(&["rooms", &room, "receipt", "m.read", last.as_str()], json!({}))
        }
        _ => return Ok(()),
    };
    instance.ask_as(&ghost, ask).await.map(|_| ()).map_err(|error| error.to_string())
}

/// What the homeserver tells in passing.
pub(crate) async fn heard(instance: &Instance, running: &Running, raw: &Value) {
    let content = raw.get("content").unwrap_or(&Value::Null);
    let room = text_at(raw, &["room_id"]).filter(|room| id::is_room(room));
    match (text_at(raw, &["type"]), room) {
        (Some("m.typing"), Some(room)) => typing(instance, running, room, content).await,
        (Some("m.receipt"), Some(room)) => receipts(instance, running, room, content).await,
        (Some("m.presence"), _) => presence(instance, running, raw, content).await,
        _ => {}
    }
}

/// Where a hint in a room is heard: to the ghost's persona in a conversation of two.
fn venue(instance: &Instance, room: &str, direct: Option<Direct>) -> Venue {
    direct.map_or_else(|| Venue::Room(instance.room_name(room)), |direct| Venue::Private(direct.persona))
}

async fn typing(instance: &Instance, running: &Running, room: &str, content: &Value) {
    let users = content.get("user_ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let now: HashSet<String> =
        users.filter(|user| id::is_user(user) && !instance.naming.is_ours(user)).take(100).map(str::to_owned).collect();
    let before = {
        let mut typing = instance.hints.typing.lock();
        if now.is_empty() { typing.remove(room) } else { typing.insert(room.to_owned(), now.clone()) }
    };
    let before = before.unwrap_or_default();
    let direct = instance.directs.of_room(room);
    let changes =
        now.difference(&before).map(|user| (user, true)).chain(before.difference(&now).map(|user| (user, false)));
    for (user, active) in changes {
        let user = instance.user_in(running, room, user).await;
        running.host.hint(Hint::Typing { user, venue: venue(instance, room, direct.clone()), active });
    }
}

async fn receipts(instance: &Instance, running: &Running, room: &str, content: &Value) {
    let direct = instance.directs.of_room(room);
    for (event, kinds) in content.as_object().into_iter().flatten().filter(|(event, _)| id::is_event(event)) {
        let readers = kinds.get("m.read").and_then(Value::as_object).into_iter().flatten();
        for (user, _) in readers.filter(|(user, _)| id::is_user(user) && !instance.naming.is_ours(user)) {
            let user = instance.user_in(running, room, user).await;
            let (venue, up_to) = (venue(instance, room, direct.clone()), EventId::new(event));
            running.host.hint(Hint::Read { user, venue, up_to });
        }
    }
}

async fn presence(instance: &Instance, running: &Running, raw: &Value, content: &Value) {
    let Some(user) = text_at(raw, &["sender"]).filter(|user| id::is_user(user) && !instance.naming.is_ours(user))
    else {
        return;
    };
    let presence = match text_at(content, &["presence"]) {
        Some("online") => Presence::Online,
        Some("unavailable") => Presence::Away,
        Some("offline") => Presence::Offline,
        _ => return,
    };
    let user = instance.user_in(running, "", user).await;
    running.host.hint(Hint::Presence { user, presence });
}
