//! Comings and goings (`m.room.member`).

use super::text_at;
use monster_bridge_api::Membership;
use serde_json::Value;

/// How somebody stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In it.
    Join,
    /// Invited.
    Invite,
    /// Not in it, or not any more.
    Leave,
    /// Banned.
    Ban,
    /// Asks to be let in.
    Knock,
}

impl State {
    fn read(content: &Value) -> Option<Self> {
        match text_at(content, &["membership"])? {
            "join" => Some(Self::Join),
            "invite" => Some(Self::Invite),
            "leave" => Some(Self::Leave),
            "ban" => Some(Self::Ban),
            "knock" => Some(Self::Knock),
            _ => None,
        }
    }
}

/// A change of how somebody stands to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: String,
    /// From now on.
    pub now: State,
    /// Before; [`State::Leave`] where nothing is known.
    pub before: State,
    /// The display name from now on.
    pub name: Option<String>,
    /// The one before.
    pub name_before: Option<String>,
    /// The picture, as an `mxc://` URI.
    pub avatar: Option<String>,
    /// Why, where it was said.
    pub reason: Option<String>,
    /// True for an invitation to a conversation of two.
    pub is_direct: bool,
}

impl Member {
    /// Reads a member event; `None` if it says nothing.
    pub(super) fn read(raw: &Value, content: &Value) -> Option<Self> {
        let user = text_at(raw, &["state_key"]).filter(|user| crate::id::is_user(user))?;
        let before = raw.get("unsigned").and_then(|unsigned| unsigned.get("prev_content")).or(raw.get("prev_content"));
        let some = |value: Option<&str>| value.map(str::to_owned).filter(|text| !text.trim().is_empty());
        Some(Self {
            user: user.to_owned(),
            now: State::read(content)?,
            before: before.and_then(State::read).unwrap_or(State::Leave),
            name: some(text_at(content, &["displayname"])),
            name_before: some(before.and_then(|before| text_at(before, &["displayname"]))),
            avatar: some(text_at(content, &["avatar_url"])).filter(|uri| super::hear::is_mxc(uri)),
            reason: some(text_at(content, &["reason"])),
            is_direct: content.get("is_direct").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// What people call the user in this room.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| crate::id::local_of(&self.user).to_owned())
    }
}

/// What a change is to others in the room; `None` for nothing. `by`: who did it, and their name.
pub fn membership(member: &Member, by: (&str, &str)) -> Option<Membership> {
    let own = by.0 == member.user;
    match (member.before, member.now) {
        (State::Join, State::Join) => {
            let local = || crate::id::local_of(&member.user).to_owned();
            let from = member.name_before.clone().unwrap_or_else(local);
            (from != member.shown()).then_some(Membership::Renamed { from })
        }
        (_, State::Join) => Some(Membership::Joined),
        (State::Join, State::Leave) if own => Some(Membership::Left(member.reason.clone())),
        (State::Join, State::Leave | State::Ban) => {
            Some(Membership::Removed { by: by.1.to_owned(), reason: member.reason.clone() })
        }
        _ => None,
    }
}
