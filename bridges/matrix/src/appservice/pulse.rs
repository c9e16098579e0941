//! That nothing stays behind at the homeserver. What it has not handed over it may keep until something
//! else happens, so the bot lets something happen: it types in a room of its own, which leaves nothing
//! behind and makes the homeserver send a transaction.

use super::instance::{Instance, Running};
use super::missed;
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::text_at;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Where the bot's own room is saved.
const ROOM: &str = "pulse";
/// When to let something happen, after the homeserver has been reached: it may take until then to
/// notice that we are back.
const BEATS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(15)];

/// Lets something happen a few times, and looks at last what was forgotten.
pub(crate) async fn beat(instance: &Arc<Instance>, running: &Arc<Running>) {
    for pause in BEATS {
        tokio::time::sleep(pause).await;
        for typing in [true, false] {
            if let Err(error) = happen(instance, running, typing).await {
                tracing::debug!(%error, "nothing could be made to happen");
                return;
            }
        }
    }
    let _turn = instance.taken.turn().await;
    if missed::catch_up(instance, running).await.is_err() {
        tracing::debug!("what was forgotten cannot be read back now");
    }
}

async fn happen(instance: &Instance, running: &Running, typing: bool) -> Result<(), Failure> {
    let bot = instance.naming.bot();
    let room = own_room(instance, running).await?;
    let body = if typing { json!({ "typing": true, "timeout": 1_000 }) } else { json!({ "typing": false }) };
    let done = instance.ask_as(bot, Ask::put(&["rooms", &room, "typing", bot], body)).await;
    if done.as_ref().is_err_and(Failure::is_forbidden) {
        // The bot is not in it any more: another one is made the next time.
        running.save(ROOM, None).await;
    }
    done.map(|_| ())
}

async fn own_room(instance: &Instance, running: &Running) -> Result<String, Failure> {
    if let Ok(Some(room)) = running.host.load(ROOM).await {
        return Ok(room);
    }
    let body = json!({ "preset": "private_chat", "visibility": "private", "name": "Pulse",
        "topic": "The gateway's own room, in which it sees whether the homeserver tells it everything." });
    let made = instance.ask_as(instance.naming.bot(), Ask::post(&["createRoom"], body)).await?;
    let room = text_at(&made, &["room_id"]).filter(|room| id::is_room(room));
    let room = room.ok_or_else(|| Failure::Lost("it did not say which room it made".to_owned()))?.to_owned();
    running.save(ROOM, Some(&room)).await;
    Ok(room)
}
