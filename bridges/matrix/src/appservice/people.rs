//! What Matrix users are called in which room, and how they look. Filled by what the homeserver tells,
//! asked for otherwise; forgotten when it grows too large.

use super::instance::{Instance, Running};
use crate::client::Ask;
use crate::id;
use crate::map::{Member, is_mxc, text_at};
use monster_bridge_api::{MediaFile, RemoteId, RemoteUser};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// The most people in rooms that are remembered.
const MOST: usize = 50_000;
/// How long somebody's name may be asked for; then they go by their id.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Default)]
struct Looks {
    name: Option<String>,
    avatar: Option<String>,
}

/// People in rooms.
#[derive(Debug, Default)]
pub(crate) struct People(Mutex<HashMap<(String, String), Looks>>);

impl People {
    /// Notes what a member event says.
    pub(crate) fn note(&self, room: &str, member: &Member) {
        let looks = Looks { name: member.name.clone(), avatar: member.avatar.clone() };
        self.put(room, &member.user, looks);
    }

    fn put(&self, room: &str, user: &str, looks: Looks) {
        let mut people = self.0.lock();
        if people.len() >= MOST {
            people.clear();
        }
        people.insert((room.to_owned(), user.to_owned()), looks);
    }

    fn get(&self, room: &str, user: &str) -> Option<Looks> {
        self.0.lock().get(&(room.to_owned(), user.to_owned())).cloned()
    }
}

impl Instance {
    /// A Matrix user as others see them in a room.
    pub(crate) async fn user_in(&self, running: &Running, room: &str, user: &str) -> RemoteUser {
        let looks = if let Some(looks) = self.people.get(room, user) {
            looks
        } else {
            let looks = self.ask_looks(room, user).await;
            self.people.put(room, user, looks.clone());
            looks
        };
        let name = looks.name.filter(|name| name.chars().any(monster_bridge_api::is_shown));
        RemoteUser {
            id: RemoteId::new(user),
            name: name.unwrap_or_else(|| id::local_of(user).to_owned()),
            picture: looks.avatar.map(|uri| picture(running, uri)),
        }
    }

    async fn ask_looks(&self, room: &str, user: &str) -> Looks {
        let Ok(client) = self.client() else { return Looks::default() };
        let of_member = match self.rooms.somebody_in(room) {
            Some(ours) => {
                let ask = Ask::get(&["rooms", room, "state", "m.room.member", user]).within(PATIENCE);
                self.ask_as(&ours, ask).await.ok()
            }
            None => None,
        };
        let looks = match of_member {
            Some(looks) => looks,
            None => client.ask(Ask::get(&["profile", user]).within(PATIENCE)).await.unwrap_or_default(),
        };
        looks_of(&looks)
    }
}

fn looks_of(value: &Value) -> Looks {
    let some = |key: &str| text_at(value, &[key]).filter(|text| !text.trim().is_empty()).map(str::to_owned);
    Looks { name: some("displayname"), avatar: some("avatar_url").filter(|uri| is_mxc(uri)) }
}

/// A link to a picture on the homeserver.
pub(crate) fn picture(running: &Running, uri: String) -> String {
    let file = MediaFile { reference: uri, name: "avatar".to_owned(), media_type: "image/png".to_owned() };
    running.host.media_link(&file)
}
