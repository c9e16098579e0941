//! What can be known about users and rooms (Monster's 1000), and what `doctor` looks at.

use super::session::Home;
use super::{Account, Live, hear, rooms, trouble};
use crate::id::{self, Form};
use crate::map::{PowerLevels, open_to_links};
use matrix_sdk::Room;
use matrix_sdk::ruma::UserId;
use matrix_sdk::ruma::api::client::profile::{AvatarUrl, DisplayName};
use matrix_sdk::ruma::events::StateEventType;
use monster_bridge_api::{Author, Info, PersonaId, PlaceKind, Profile, RemoteId, RequestError};
use serde_json::Value;

/// What can be known about a user or room.
pub(crate) async fn profile(account: &Account, live: &Live, target: &RemoteId) -> Result<Profile, RequestError> {
    if id::form_of(target.as_str()) == Some(Form::User) {
        return user(live, target).await;
    }
    let nobody = Author { id: PersonaId::new(""), name: String::new(), picture: None };
    match rooms::existing(account, live, &nobody, target) {
        Some(room) => Ok(of_room(live, &room, target).await),
        None => preview(live, target).await,
    }
}

async fn user(live: &Live, target: &RemoteId) -> Result<Profile, RequestError> {
    let wrong = |_| RequestError::Unknown(format!("`{target}` is no user"));
    let parsed = UserId::parse(target.as_str()).map_err(wrong)?;
    let answer = live.client.account().fetch_user_profile_of(&parsed).await;
    let answer = answer.map_err(|error| trouble::of_request(&format!("asking about {target}"), &error))?;
    let name = answer.get_static::<DisplayName>().ok().flatten().filter(|name| !name.trim().is_empty());
    let picture = answer.get_static::<AvatarUrl>().ok().flatten();
    Ok(Profile {
        name: name.unwrap_or_else(|| id::local_of(target.as_str()).to_owned()),
        picture: picture.map(|uri| hear::picture(live, uri.as_str())),
        kind: PlaceKind::Person,
        info: vec![Info::new("matrix id", target.as_str())],
    })
}

async fn of_room(live: &Live, room: &Room, target: &RemoteId) -> Profile {
    let name = room.display_name().await.map_or_else(|_| target.to_string(), |name| name.to_string());
    let levels = levels_of(room).await;
    let mut info = Vec::new();
    if let Some(topic) = room.topic().filter(|topic| !topic.trim().is_empty()) {
        info.push(Info::new("topic", topic));
    }
    info.push(Info::new("members", room.joined_members_count().to_string()));
    let encrypted = room.latest_encryption_state().await.is_ok_and(|state| state.is_encrypted());
    info.push(Info::new("encryption", if encrypted { "yes" } else { "no" }));
    Profile {
        name,
        picture: room.avatar_url().map(|uri| hear::picture(live, uri.as_str())),
        kind: levels.place_kind(),
        info,
    }
}

async fn levels_of(room: &Room) -> PowerLevels {
    let levels = room.get_state_event(StateEventType::RoomPowerLevels, "").await.ok().flatten();
    let levels = levels.and_then(|event| serde_json::to_value(event).ok());
    PowerLevels::new(levels.and_then(|event| find_content(&event)).unwrap_or(Value::Null))
}

/// Whether a room may be linked by somebody who is nobody in it: only one that the account is in.
pub(crate) async fn may_be_linked(account: &Account, live: &Live, target: &RemoteId) -> Result<(), RequestError> {
    let nobody = Author { id: PersonaId::new(""), name: String::new(), picture: None };
    let Some(room) = rooms::existing(account, live, &nobody, target) else {
        let why = "the gateway's account is not in it; its administrator can link it";
        return Err(RequestError::Refused(why.to_owned()));
    };
    let encrypted = room.latest_encryption_state().await.is_ok_and(|state| state.is_encrypted());
    let open = open_to_links(&levels_of(&room).await, room.is_public() == Some(true), encrypted);
    open.map_err(|why| RequestError::Refused(why.to_owned()))
}

/// The content of an event within whatever the SDK wraps it in.
fn find_content(event: &Value) -> Option<Value> {
    let object = event.as_object()?;
    object.get("content").cloned().or_else(|| object.values().find_map(find_content))
}

async fn preview(live: &Live, target: &RemoteId) -> Result<Profile, RequestError> {
    let wrong = |_| RequestError::Unknown(format!("`{target}` is no room"));
    let parsed = matrix_sdk::ruma::RoomOrAliasId::parse(target.as_str()).map_err(wrong)?;
    let via = id::server_of(target.as_str()).and_then(|server| server.try_into().ok()).into_iter().collect();
    let preview = live.client.get_room_preview(&parsed, via).await;
    let preview = preview.map_err(|error| trouble::of_request(&format!("asking about {target}"), &error))?;
    let mut info = Vec::new();
    if let Some(topic) = preview.topic.filter(|topic| !topic.trim().is_empty()) {
        info.push(Info::new("topic", topic));
    }
    info.push(Info::new("members", preview.num_joined_members.to_string()));
    Ok(Profile {
        name: preview.name.unwrap_or_else(|| target.to_string()),
        picture: preview.avatar_url.map(|uri| hear::picture(live, uri.as_str())),
        kind: PlaceKind::Group,
        info,
    })
}

/// What `doctor` looks at: the homeserver, the device and its keys.
pub(crate) async fn diagnose(account: &Account, home: &Home) -> Vec<Result<String, String>> {
    let mut lines = Vec::new();
    let url = format!("{}/_matrix/client/versions", account.config.homeserver);
    let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).build();
    let answer = match http {
        Ok(http) => http.get(&url).send().await.and_then(reqwest::Response::error_for_status),
        Err(error) => Err(error),
    };
    match answer {
        Ok(_) => lines.push(Ok(format!("the homeserver answers at {}", account.config.homeserver))),
        Err(error) => {
            lines.push(Err(format!(
                "no homeserver answers at {} ({}): `homeserver` is where clients reach it, which is not always the \
                 name in its users' ids; `https://<name>/.well-known/matrix/client` tells",
                account.config.homeserver,
                error.without_url()
            )));
            return lines;
        }
    }
    lines.push(home.look(&account.config).map_err(|error| error.to_string()));
    lines
}
