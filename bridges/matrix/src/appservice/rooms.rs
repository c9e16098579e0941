//! Rooms: finding them, bringing ghosts and the bot in and out, and what is known of them.

use super::instance::{Instance, Running};
use crate::client::{Ask, Failure, LONG};
use crate::id::{self, Form};
use crate::map::{PowerLevels, text_at};
use monster_bridge_api::{RemoteId, RequestError};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// What is known of rooms.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// Which of our users are in a room.
    joined: Mutex<HashMap<String, HashSet<String>>>,
    names: Mutex<HashMap<String, String>>,
    /// Rooms that the gateway uses, by their names.
    used: Mutex<HashSet<RemoteId>>,
}

impl Rooms {
    /// Notes that one of our users came.
    pub(crate) fn came(&self, room: &str, user: &str) {
        self.joined.lock().entry(room.to_owned()).or_default().insert(user.to_owned());
    }

    /// Notes that one of our users is not there (any more).
    pub(crate) fn went(&self, room: &str, user: &str) {
        let mut joined = self.joined.lock();
        if let Some(users) = joined.get_mut(room) {
            users.remove(user);
            if users.is_empty() {
                joined.remove(room);
            }
        }
    }

    /// True if one of our users is known to be in a room.
    pub(crate) fn is_in(&self, room: &str, user: &str) -> bool {
        self.joined.lock().get(room).is_some_and(|users| users.contains(user))
    }

    /// One of our users who is in a room.
    pub(crate) fn somebody_in(&self, room: &str) -> Option<String> {
        self.joined.lock().get(room).and_then(|users| users.iter().next().cloned())
    }

    /// All of our users who are known to be in a room.
    pub(crate) fn ours_in(&self, room: &str) -> Vec<String> {
        self.joined.lock().get(room).map(|users| users.iter().cloned().collect()).unwrap_or_default()
    }

    /// Notes what a room is called.
    pub(crate) fn named(&self, room: &str, name: &str) {
        let mut names = self.names.lock();
        if name.trim().is_empty() {
            names.remove(room);
        } else {
            names.insert(room.to_owned(), name.to_owned());
        }
    }

    /// What a room is called, where that was heard.
    pub(crate) fn name_of(&self, room: &str) -> Option<String> {
        self.names.lock().get(room).cloned()
    }

    /// Notes whether the gateway uses a room.
    pub(crate) fn set_used(&self, room: &RemoteId, used: bool) {
        let mut rooms = self.used.lock();
        if used {
            rooms.insert(room.clone());
        } else {
            rooms.remove(room);
        }
    }

    /// Whether the gateway uses a room.
    pub(crate) fn is_used(&self, room: &RemoteId) -> bool {
        self.used.lock().contains(room)
    }
}

/// Somebody could not be brought into a room.
#[derive(Debug)]
pub(crate) enum Outside {
    /// They are banned.
    Banned(String),
    /// They need an invitation that nobody here can give.
    NotInvited(String),
    /// Something else.
    Failed(Failure),
}

impl Instance {
    /// The id of the room that a name stands for; an alias that is not known yet is asked for, and
    /// noted.
    pub(crate) async fn room_of(&self, running: &Running, name: &RemoteId) -> Result<String, Failure> {
        if let Some(room) = self.book.room_of(name.as_str()) {
            return Ok(room);
        }
        let room = self.ask_alias(name.as_str()).await?.0;
        if let Err(error) = self.book.bind(running.host.as_ref(), name.as_str(), &room).await {
            tracing::warn!(%error, "the name of a room could not be saved");
        }
        Ok(room)
    }

    /// The room that an alias names, and servers that are in it.
    pub(crate) async fn ask_alias(&self, alias: &str) -> Result<(String, Vec<String>), Failure> {
        let client = self.client().map_err(Failure::Unreachable)?;
        let answer = client.ask(Ask::get(&["directory", "room", alias])).await?;
        let servers = answer.get("servers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let servers = servers.filter(|server| id::is_server(server)).take(5).map(str::to_owned).collect();
        match text_at(&answer, &["room_id"]).filter(|room| id::is_room(room)) {
            Some(room) => Ok((room.to_owned(), servers)),
            None => Err(Failure::Lost("the homeserver does not say which room it is".to_owned())),
        }
    }

    /// Brings one of our users into a room; the bot invites them where that is needed.
    pub(crate) async fn enter(&self, name: &RemoteId, room: &str, user: &str) -> Result<(), Outside> {
        if self.rooms.is_in(room, user) {
            return Ok(());
        }
        match self.try_join(name, room, user).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.is_forbidden() => {
                if user != self.naming.bot() && self.invite(room, user).await.is_ok() {
                    return self.try_join(name, room, user).await.map_err(Outside::Failed);
                }
                let why = failure.to_string();
                if self.is_banned(room, user).await { Err(Outside::Banned(why)) } else { Err(Outside::NotInvited(why)) }
            }
            Err(failure) => Err(Outside::Failed(failure)),
        }
    }

    async fn try_join(&self, name: &RemoteId, room: &str, user: &str) -> Result<(), Failure> {
        self.pacer.turn().await;
        let mut ask = Ask::post(&["join", room], json!({})).within(LONG);
        // Servers that may know the room: where its alias is, and where its name was given.
        for server in [id::server_of(name.as_str()), id::server_of(room)].into_iter().flatten() {
            ask = ask.query("via", server).query("server_name", server);
        }
        self.ask_as(user, ask).await?;
        self.rooms.came(room, user);
        Ok(())
    }

    /// The bot invites somebody.
    pub(crate) async fn invite(&self, room: &str, user: &str) -> Result<(), Failure> {
        self.invite_as(self.naming.bot(), room, user).await
    }

    /// One of our users invites somebody. Who is there already needs none.
    pub(crate) async fn invite_as(&self, by: &str, room: &str, user: &str) -> Result<(), Failure> {
        self.pacer.turn().await;
        self.ask_as(by, Ask::post(&["rooms", room, "invite"], json!({ "user_id": user }))).await.map(|_| ())
    }

    async fn is_banned(&self, room: &str, user: &str) -> bool {
        let Some(ours) = self.rooms.somebody_in(room) else { return false };
        let member = self.state(&ours, room, "m.room.member", user).await;
        member.is_ok_and(|member| text_at(&member, &["membership"]) == Some("ban"))
    }

    /// A room's state, as one of our users in it sees it.
    pub(crate) async fn state(&self, user: &str, room: &str, kind: &str, key: &str) -> Result<Value, Failure> {
        self.ask_as(user, Ask::get(&["rooms", room, "state", kind, key])).await
    }

    /// Who may do what in a room.
    pub(crate) async fn power_levels(&self, room: &str) -> Result<PowerLevels, Failure> {
        let user = self.rooms.somebody_in(room).unwrap_or_else(|| self.naming.bot().to_owned());
        let levels = PowerLevels::new(self.state(&user, room, "m.room.power_levels", "").await?);
        if id::server_of(room).is_some() {
            return Ok(levels);
        }
        // Such a room's id is that of the event that created it.
        let created = room.replacen('!', "$", 1);
        let create = self.ask_as(&user, Ask::get(&["rooms", room, "event", &created])).await?;
        Ok(levels.created_by(&create))
    }

    /// Takes one of our users out of a room. Who is not there need not leave.
    pub(crate) async fn exit(&self, room: &str, user: &str) -> Result<(), Failure> {
        let left = self.ask_as(user, Ask::post(&["rooms", room, "leave"], json!({}))).await;
        self.rooms.went(room, user);
        match left {
            Err(failure) if !failure.is_forbidden() && !failure.is_missing() => Err(failure),
            _ => Ok(()),
        }
    }

    /// Asks to be let into a room; true if that is possible there.
    pub(crate) async fn knock(&self, name: &RemoteId, room: &str, user: &str) -> Result<bool, Failure> {
        let mut ask = Ask::post(&["knock", room], json!({})).within(LONG);
        for server in [id::server_of(name.as_str()), id::server_of(room)].into_iter().flatten() {
            ask = ask.query("via", server).query("server_name", server);
        }
        match self.ask_as(user, ask).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_forbidden() || failure.is_missing() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Brings the bot into a room that the gateway uses, so that its events are heard. A room that only
    /// ghosts can be in is heard through them.
    pub(crate) async fn bot_enters(&self, running: &Running, name: &RemoteId) -> Result<(), RequestError> {
        let room = self.room_of(running, name).await?;
        let bot = self.naming.bot().to_owned();
        match self.enter(name, &room, &bot).await {
            Ok(()) => {
                if let Ok(state) = self.state(&bot, &room, "m.room.name", "").await {
                    self.rooms.named(&room, text_at(&state, &["name"]).unwrap_or_default());
                }
                self.set_in_space(running, &room, true).await;
                Ok(())
            }
            Err(Outside::Banned(why) | Outside::NotInvited(why)) => Err(RequestError::Refused(why)),
            Err(Outside::Failed(failure)) => Err(failure.into()),
        }
    }
}

/// True for what can be a room here.
pub(crate) fn is_room(id: &RemoteId) -> bool {
    matches!(id::form_of(id.as_str()), Some(Form::Alias | Form::Room))
}
