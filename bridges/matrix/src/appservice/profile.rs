//! What can be known of a Matrix user or room (Monster's 1000).

use super::instance::{Instance, Running};
use super::people::picture;
use super::rooms::is_room;
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::{PowerLevels, is_mxc, text_at};
use monster_bridge_api::{Info, PlaceKind, Profile, RemoteId, RequestError};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// The contract asks for an answer within 5 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// 1000.
pub(crate) async fn profile(
    instance: &Instance,
    running: &Running,
    target: &RemoteId,
) -> Result<Profile, RequestError> {
    if is_room(target) { room(instance, running, target).await } else { person(instance, running, target).await }
}

async fn person(instance: &Instance, running: &Running, target: &RemoteId) -> Result<Profile, RequestError> {
    let client = instance.client().map_err(RequestError::Unavailable)?;
    let user = target.as_str();
    let answer = match client.ask(Ask::get(&["profile", user]).within(PATIENCE)).await {
        // Servers need not tell of users of other servers.
        Err(Failure::Refused { status: 403, .. }) => Value::Null,
        answer => answer?,
    };
    let name = text_at(&answer, &["displayname"]).filter(|name| !name.trim().is_empty());
    Ok(Profile {
        name: name.unwrap_or_else(|| id::local_of(user)).to_owned(),
        picture: mxc(&answer, "avatar_url").map(|uri| picture(running, uri)),
        kind: PlaceKind::Person,
        info: vec![Info::new("matrix id", user)],
    })
}

fn mxc(value: &Value, key: &str) -> Option<String> {
    text_at(value, &[key]).filter(|uri| is_mxc(uri)).map(str::to_owned)
}

/// A room by its state where one of ours is in it, by what it tells strangers otherwise.
async fn room(instance: &Instance, running: &Running, target: &RemoteId) -> Result<Profile, RequestError> {
    let asked = tokio::time::timeout(PATIENCE, async {
        let room = instance.room_of(running, target).await?;
        match instance.rooms.somebody_in(&room) {
            Some(user) => from_inside(instance, running, target, &room, &user).await,
            None => from_outside(instance, running, target, &room).await,
        }
    });
    asked.await.map_err(|_| RequestError::Unavailable("the homeserver takes too long".to_owned()))?
}

async fn from_inside(
    instance: &Instance,
    running: &Running,
    target: &RemoteId,
    room: &str,
    user: &str,
) -> Result<Profile, RequestError> {
    let client = instance.client().map_err(RequestError::Unavailable)?;
    let state = client.ask(Ask::get(&["rooms", room, "state"]).by_user(user)).await?;
    let events = state.as_array().map(Vec::as_slice).unwrap_or_default();
    let content = |kind: &str| {
        let own =
            |event: &&Value| text_at(event, &["type"]) == Some(kind) && text_at(event, &["state_key"]) == Some("");
        events.iter().find(own).and_then(|event| event.get("content")).cloned().unwrap_or_default()
    };
    let joined = events.iter().filter(|event| {
        text_at(event, &["type"]) == Some("m.room.member") && text_at(event, &["content", "membership"]) == Some("join")
    });
    let (name, topic) = (content("m.room.name"), content("m.room.topic"));
    let encrypted = !content("m.room.encryption").is_null();
    let facts = Facts {
        name: text_at(&name, &["name"]).map(str::to_owned),
        topic: text_at(&topic, &["topic"]).map(str::to_owned),
        picture: mxc(&content("m.room.avatar"), "url"),
        members: u64::try_from(joined.count()).unwrap_or(u64::MAX),
        kind: PowerLevels::new(content("m.room.power_levels")).place_kind(),
        encrypted,
        join_rule: text_at(&content("m.room.join_rules"), &["join_rule"]).map(str::to_owned),
    };
    Ok(facts.into_profile(instance, running, target, room))
}

async fn from_outside(
    instance: &Instance,
    running: &Running,
    target: &RemoteId,
    room: &str,
) -> Result<Profile, RequestError> {
    let client = instance.client().map_err(RequestError::Unavailable)?;
    let ask = |base: &str, segments: &[&str]| {
        let mut ask = Ask::at(Method::GET, base, segments);
        for server in [id::server_of(target.as_str()), id::server_of(room)].into_iter().flatten() {
            ask = ask.query("via", server);
        }
        ask
    };
    let summary = match client.ask(ask("/_matrix/client/v1/room_summary", &[room])).await {
        Err(failure) if failure.is("M_UNRECOGNIZED") => {
            client.ask(ask("/_matrix/client/unstable/im.nheko.summary/summary", &[room])).await
        }
        summary => summary,
    };
    let summary = match summary {
        // A room that tells strangers nothing is a room all the same.
        Err(failure) if failure.is_forbidden() || failure.is_missing() => Value::Null,
        summary => summary?,
    };
    let facts = Facts {
        name: text_at(&summary, &["name"]).map(str::to_owned),
        topic: text_at(&summary, &["topic"]).map(str::to_owned),
        picture: mxc(&summary, "avatar_url"),
        members: summary.get("num_joined_members").and_then(Value::as_u64).unwrap_or(0),
        kind: PlaceKind::Group,
        encrypted: text_at(&summary, &["encryption"]).is_some(),
        join_rule: text_at(&summary, &["join_rule"]).map(str::to_owned),
    };
    Ok(facts.into_profile(instance, running, target, room))
}

/// What is known of a room.
struct Facts {
    name: Option<String>,
    topic: Option<String>,
    picture: Option<String>,
    members: u64,
    kind: PlaceKind,
    encrypted: bool,
    join_rule: Option<String>,
}

impl Facts {
    fn into_profile(self, instance: &Instance, running: &Running, target: &RemoteId, room: &str) -> Profile {
        if let Some(name) = &self.name {
            instance.rooms.named(room, name);
        }
        let mut info = Vec::new();
        if let Some(topic) = self.topic.filter(|topic| !topic.trim().is_empty()) {
            info.push(Info::new("topic", topic.chars().take(2_000).collect::<String>()));
        }
        if self.members > 0 {
            info.push(Info::new("members", self.members.to_string()));
        }
        if let Some(rule) = self.join_rule {
            let words = match rule.as_str() {
                "public" => "anybody may join",
                "knock" | "knock_restricted" => "one asks to be let in",
                "invite" => "one is invited",
                "restricted" => "members of certain rooms may join",
                _ => "nobody can join",
            };
            info.push(Info::new("joining", words));
        }
        info.push(Info::new("encryption", if self.encrypted { "on" } else { "off" }));
        info.push(Info::new("room id", room));
        let name = self.name.filter(|name| !name.trim().is_empty());
        Profile {
            name: name.unwrap_or_else(|| id::name_of(target.as_str())),
            picture: self.picture.map(|uri| picture(running, uri)),
            kind: self.kind,
            info,
        }
    }
}
