//! Users and rooms that come into being because somebody on Matrix asks for them.

use super::instance::{Instance, Running};
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::text_at;
use monster_bridge_api::{Author, PersonaId, Profile, RemoteId, RequestError};
use serde_json::json;

/// Makes the ghost of somebody who is there; false if nobody is.
pub(crate) async fn user(instance: &Instance, running: &Running, user: &str) -> bool {
    let Some(persona) = instance.naming.persona_of(user) else { return false };
    let profile = match running.host.about(&persona).await {
        Ok(profile) => Some(profile),
        // Whoever cannot be asked now may well be there.
        Err(RequestError::Unavailable(_)) => None,
        Err(RequestError::Unknown(_) | RequestError::Refused(_)) => return false,
    };
    let author = author_of(&persona, profile);
    match instance.ghost(running, &author).await {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(user, %error, "a ghost could not be made");
            false
        }
    }
}

/// Somebody as far as they are known.
pub(crate) fn author_of(persona: &PersonaId, profile: Option<Profile>) -> Author {
    let (name, picture) = profile.map(|profile| (profile.name, profile.picture)).unwrap_or_default();
    let local = persona.as_str().trim_start_matches('@').split(':').next().unwrap_or_default().to_owned();
    let name = if name.trim().is_empty() { local } else { name };
    Author { id: persona.clone(), name, picture }
}

/// Makes a room for what an alias of ours names, and links it; false if there is no such thing.
pub(crate) async fn room(instance: &Instance, running: &Running, alias: &str) -> bool {
    if !instance.config.rooms_on_demand {
        return false;
    }
    let Some(other) = instance.naming.address_of_alias(alias) else { return false };
    match make_room(instance, running, alias, &other).await {
        Ok(()) => true,
        Err(error) => {
            tracing::info!(alias, error, "a room was not made");
            false
        }
    }
}

async fn make_room(instance: &Instance, running: &Running, alias: &str, other: &PersonaId) -> Result<(), String> {
    let profile = match running.host.about(other).await {
        Ok(profile) => Some(profile),
        Err(RequestError::Unavailable(_)) => None,
        Err(error) => return Err(error.to_string()),
    };
    let name = author_of(other, profile).name;
    let client = instance.client()?;
    let local = id::local_of(alias);
    let body = json!({ "preset": "public_chat", "visibility": "private", "room_alias_name": local, "name": name });
    let made = client.ask(Ask::post(&["createRoom"], body)).await.map_err(|error| error.to_string())?;
    let room = text_at(&made, &["room_id"]).filter(|room| id::is_room(room)).ok_or("no room was made")?.to_owned();
    instance.rooms.came(&room, instance.naming.bot());
    instance.rooms.named(&room, &name);
    // The alias becomes the room's name once it is linked, and not before: this may be refused.
    if let Err(error) = running.host.link(&RemoteId::new(alias), other).await {
        undo(instance, alias, &room).await;
        return Err(error.to_string());
    }
    let bound = instance.book.bind(running.host.as_ref(), alias, &room).await;
    bound.map(|_| ()).map_err(|error| error.to_string())
}

async fn undo(instance: &Instance, alias: &str, room: &str) {
    let Ok(client) = instance.client() else { return };
    let removed: Result<_, Failure> =
        client.ask(Ask::new(reqwest::Method::DELETE, &["directory", "room", alias])).await;
    if let Err(error) = removed.map(|_| ()).and(instance.exit(room, instance.naming.bot()).await) {
        tracing::info!(room, %error, "a room that is of no use could not be left");
    }
}
