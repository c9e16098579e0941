//! Matrix events ⇄ the neutral model, without I/O and without knowing a mode: `hear` reads what an
//! event says, `say` writes what is to be sent, `member` is about comings and goings.
//!
//! Events are JSON values from strangers. What has the wrong type is as if it were not there; what is
//! left then decides whether the event means anything. Called by both modes.

mod hear;
mod location;
mod member;
mod say;
#[cfg(test)]
mod tests;

pub(crate) use hear::is_mxc;
pub use hear::{FileHeard, Heard, Said, What, parse, read};
pub use member::{Member, State as MemberState, membership};
pub use say::{Outgoing, Uploaded, edit, mark, parts, reaction, relayed};

use monster_bridge_api::PlaceKind;
use serde_json::Value;

/// The field of an event's content that holds the gateway's key of the message.
pub const KEY: &str = "org.monster.key";
/// The field that says which part of a message that was split an event is, from 0.
pub const PART: &str = "org.monster.part";
/// The state event whose power level says who may link a room.
pub const LINK: &str = "org.monster.link";

/// The text at a path of keys, if there is one.
pub fn text_at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    path.iter().try_fold(value, |value, key| value.get(key))?.as_str()
}

/// The power levels of a room (Matrix v1.17 `m.room.power_levels`), as far as they are asked here.
#[derive(Debug, Clone, Default)]
pub struct PowerLevels {
    content: Value,
    /// Who made the room, where that is above all levels (room version 12).
    creators: Vec<String>,
}

impl PowerLevels {
    /// From the content of the state event; `Null` where there is none.
    pub fn new(content: Value) -> Self {
        Self { content, creators: Vec::new() }
    }

    /// With the room's creation event: from room version 12 on its sender, and whom it names, may do
    /// everything and do not stand among the levels.
    #[must_use]
    pub fn created_by(mut self, create: &Value) -> Self {
        let content = create.get("content").unwrap_or(&Value::Null);
        let version = text_at(content, &["room_version"]).unwrap_or("1");
        if version.parse::<u32>().is_ok_and(|version| version < 12) {
            return self;
        }
        let named = content.get("additional_creators").and_then(Value::as_array).into_iter().flatten();
        let creators = text_at(create, &["sender"]).into_iter().chain(named.filter_map(Value::as_str));
        self.creators = creators.map(str::to_owned).collect();
        self
    }

    /// What a user has.
    pub fn of_user(&self, user: &str) -> i64 {
        if self.creators.iter().any(|creator| creator == user) {
            return i64::MAX;
        }
        let own = self.content.get("users").and_then(|users| users.get(user)).and_then(level);
        own.or_else(|| self.content.get("users_default").and_then(level)).unwrap_or(0)
    }

    /// What sending a state event needs.
    pub fn for_state(&self, kind: &str) -> i64 {
        let own = self.content.get("events").and_then(|events| events.get(kind)).and_then(level);
        own.or_else(|| self.content.get("state_default").and_then(level)).unwrap_or(50)
    }

    /// True if the user may change which rooms the room is linked with.
    pub fn may_link(&self, user: &str) -> bool {
        self.of_user(user) >= self.for_state(LINK)
    }

    /// Whether everybody may change the room's links, where its keepers have set a level for that.
    pub fn all_may_link(&self) -> Option<bool> {
        let needed = self.content.get("events").and_then(|events| events.get(LINK)).and_then(level)?;
        Some(self.of_everybody() >= needed)
    }

    fn of_everybody(&self) -> i64 {
        self.content.get("users_default").and_then(level).unwrap_or(0)
    }

    /// A room in which ordinary members only read is a channel.
    pub fn place_kind(&self) -> PlaceKind {
        let own = self.content.get("events").and_then(|events| events.get("m.room.message")).and_then(level);
        let needed = own.or_else(|| self.content.get("events_default").and_then(level)).unwrap_or(0);
        if self.of_everybody() < needed { PlaceKind::Channel } else { PlaceKind::Group }
    }
}

/// Whether a room may be linked by people who are nobody in it; why not, for them. What its keepers have
/// set for [`LINK`] decides. Otherwise it may, if everybody may come, read and speak anyway.
pub fn open_to_links(levels: &PowerLevels, is_public: bool, is_encrypted: bool) -> Result<(), &'static str> {
    match levels.all_may_link() {
        Some(false) => Err("its keepers let only certain people link it"),
        None if !is_public => Err("it is not open to everybody; whoever keeps it can link it from within"),
        None if is_encrypted => Err("it is encrypted; whoever keeps it can link it from within"),
        None if levels.place_kind() == PlaceKind::Channel => Err("ordinary members may only read there"),
        Some(true) | None => Ok(()),
    }
}

/// Old rooms have levels as text.
fn level(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}
