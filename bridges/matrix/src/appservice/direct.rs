//! Conversations of two: a ghost and a Matrix user in a room of their own.

use super::instance::{Instance, Running};
use crate::client::{Ask, Failure};
use monster_bridge_api::PersonaId;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// Where a conversation is saved, by its room.
const DIRECT: &str = "direct/";

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    /// The Matrix user was invited, because the persona asked to talk (1001).
    Asked,
    /// The Matrix user was invited, because the persona wrote.
    Written,
    /// The persona was invited and has not answered.
    Invited,
    /// Both are there.
    Open,
    /// The Matrix user has left, or declined.
    Closed,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Direct {
    pub(crate) persona: PersonaId,
    pub(crate) ghost: String,
    pub(crate) user: String,
    pub(crate) standing: Standing,
}

#[derive(Debug, Default)]
struct Inner {
    by_room: HashMap<String, Direct>,
    /// (persona, user) → room.
    by_pair: HashMap<(PersonaId, String), String>,
}

/// The conversations of an instance.
#[derive(Debug, Default)]
pub(crate) struct Directs {
    inner: RwLock<Inner>,
    /// One room is made at a time, so that no pair gets two.
    making: tokio::sync::Mutex<()>,
}

impl Directs {
    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        DIRECT
    }

    /// Takes over what was saved; what cannot be read is set aside.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let mut inner = self.inner.write();
        *inner = Inner::default();
        for (key, text) in saved {
            if let (Some(room), Ok(direct)) = (key.strip_prefix(DIRECT), serde_json::from_str::<Direct>(&text)) {
                inner.put(room, direct);
            } else {
                tracing::warn!("a saved conversation cannot be read and is set aside");
            }
        }
    }

    /// The conversation that a room is.
    pub(crate) fn of_room(&self, room: &str) -> Option<Direct> {
        self.inner.read().by_room.get(room).cloned()
    }

    /// The room of a pair, and their conversation.
    pub(crate) fn of_pair(&self, persona: &PersonaId, user: &str) -> Option<(String, Direct)> {
        let inner = self.inner.read();
        let room = inner.by_pair.get(&(persona.clone(), user.to_owned()))?;
        Some((room.clone(), inner.by_room.get(room)?.clone()))
    }
}

impl Inner {
    fn put(&mut self, room: &str, direct: Direct) {
        self.by_pair.insert((direct.persona.clone(), direct.user.clone()), room.to_owned());
        self.by_room.insert(room.to_owned(), direct);
    }

    fn remove(&mut self, room: &str) {
        if let Some(direct) = self.by_room.remove(room) {
            let pair = (direct.persona, direct.user);
            if self.by_pair.get(&pair).is_some_and(|known| known == room) {
                self.by_pair.remove(&pair);
            }
        }
    }
}

impl Instance {
    /// Notes a conversation, or how far it has come.
    pub(crate) async fn set_direct(&self, running: &Running, room: &str, direct: Direct) {
        if self.directs.of_room(room).as_ref() == Some(&direct) {
            return;
        }
        self.directs.inner.write().put(room, direct.clone());
        if let Ok(text) = serde_json::to_string(&direct) {
            running.save(&format!("{DIRECT}{room}"), Some(&text)).await;
        }
    }

    /// The room is no conversation any more.
    pub(crate) async fn end_direct(&self, running: &Running, room: &str) {
        self.directs.inner.write().remove(room);
        running.save(&format!("{DIRECT}{room}"), None).await;
    }

    /// The room in which a ghost and a user talk; one is made, and the user invited, where there is
    /// none or they have left it.
    pub(crate) async fn open_direct(
        &self,
        running: &Running,
        persona: &PersonaId,
        ghost: &str,
        user: &str,
        standing: Standing,
    ) -> Result<(String, Standing), Failure> {
        let _making = self.directs.making.lock().await;
        let fresh = Direct { persona: persona.clone(), ghost: ghost.to_owned(), user: user.to_owned(), standing };
        if let Some((room, known)) = self.directs.of_pair(persona, user) {
            if known.standing != Standing::Closed {
                return Ok((room, known.standing));
            }
            match self.invite_as(ghost, &room, user).await {
                Ok(()) => {
                    self.set_direct(running, &room, fresh).await;
                    return Ok((room, standing));
                }
                // The ghost is not there any more, or the room is gone.
                Err(failure) if failure.is_forbidden() || failure.is_missing() => {
                    self.end_direct(running, &room).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        let client = self.client().map_err(Failure::Unreachable)?;
        self.pacer.turn().await;
        let body =
            json!({ "is_direct": true, "invite": [user], "preset": "trusted_private_chat", "visibility": "private" });
        let answer = client.ask(Ask::post(&["createRoom"], body).by_user(ghost)).await?;
        let room = crate::map::text_at(&answer, &["room_id"]).filter(|room| crate::id::is_room(room));
        let room = room.ok_or_else(|| Failure::Lost("it did not say which room it made".to_owned()))?.to_owned();
        self.rooms.came(&room, ghost);
        self.set_direct(running, &room, fresh).await;
        Ok((room, standing))
    }
}
