//! Whether a room may be linked by somebody who keeps another one and is nobody here
//! (docs/decisions/0012): its levels say so, or everybody may take part in it anyway.

use super::instance::{Instance, Running};
use super::rooms::Outside;
use crate::client::Failure;
use crate::map::{PowerLevels, open_to_links, text_at};
use monster_bridge_api::{RemoteId, RequestError};
use serde_json::Value;

/// Answers for one room. A public room is entered in order to look.
pub(crate) async fn may_be_linked(instance: &Instance, running: &Running, name: &RemoteId) -> Result<(), RequestError> {
    let room = instance.room_of(running, name).await?;
    if let Some(ours) = instance.rooms.somebody_in(&room) {
        return decide(instance, &room, &ours).await;
    }
    let bot = instance.naming.bot();
    match instance.enter(name, &room, bot).await {
        Ok(()) => {}
        Err(Outside::Failed(failure)) => return Err(failure.into()),
        Err(Outside::Banned(_) | Outside::NotInvited(_)) => {
            return Err(RequestError::Refused(format!("{name} does not let everybody in")));
        }
    }
    let decided = decide(instance, &room, bot).await;
    if decided.is_err()
        && !instance.rooms.is_used(name)
        && let Err(error) = instance.exit(&room, bot).await
    {
        tracing::info!(%name, %error, "a room that is of no use could not be left");
    }
    decided
}

async fn decide(instance: &Instance, room: &str, ours: &str) -> Result<(), RequestError> {
    let rule = state(instance, room, ours, "m.room.join_rules").await?;
    let encryption = state(instance, room, ours, "m.room.encryption").await?;
    let levels = PowerLevels::new(state(instance, room, ours, "m.room.power_levels").await?);
    let is_public = text_at(&rule, &["join_rule"]) == Some("public");
    open_to_links(&levels, is_public, !encryption.is_null()).map_err(|why| RequestError::Refused(why.to_owned()))
}

/// A piece of the room's state; `Null` if it is not set.
async fn state(instance: &Instance, room: &str, ours: &str, kind: &str) -> Result<Value, Failure> {
    match instance.state(ours, room, kind, "").await {
        Err(failure) if failure.is_missing() => Ok(Value::Null),
        answer => answer,
    }
}
