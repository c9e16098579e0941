//! What can be known about a user or room (Monster's 1000), and how one gets into it (1001).

use crate::{Author, Posting, RemoteId};
use serde::{Deserialize, Serialize};

/// Whether a remote id is somebody or somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// A person.
    Person,
    /// A room in which everybody may speak.
    Group,
    /// A room in which ordinary members only read.
    Channel,
}

/// What can be known about a user or room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What people call it.
    pub name: String,
    /// An `http(s)` URL of a picture.
    pub picture: Option<String>,
    /// What it is.
    pub kind: PlaceKind,
    /// Further rows for people to read, in order.
    pub info: Vec<Info>,
}

/// One row about a user or room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// What the row is about, e.g. `topic`.
    pub title: String,
    /// What it says.
    pub value: String,
}

impl Info {
    /// A row.
    pub fn new(title: impl Into<String>, value: impl Into<String>) -> Self {
        Self { title: title.into(), value: value.into() }
    }
}

/// How a request to get into a room or conversation was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// In.
    Accepted,
    /// Somebody has to decide; [`crate::EventKind::Decided`] follows.
    Waiting,
    /// The pass was wrong or missing.
    WrongPass,
    /// No.
    Refused,
}

/// A request could not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// There is no such user or room.
    #[error("{0}")]
    Unknown(String),
    /// The request cannot be done, and will not be later.
    #[error("{0}")]
    Refused(String),
    /// Not now: the network is not connected, or did not answer in time.
    #[error("{0}")]
    Unavailable(String),
}

/// A room that the gateway's people use, so that the bridge has to hear what is said there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomUse {
    /// The room.
    pub room: RemoteId,
    /// How people outside the network appear in it, where its link says otherwise.
    pub posting: Option<Posting>,
    /// Who of them has joined it by themselves, each with the pass they gave. Empty for a room
    /// that is only linked.
    pub members: Vec<(Author, Option<String>)>,
}
