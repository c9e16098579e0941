//! What the core does for a bridge: [`Host`], and its answers.

use crate::{
    CallError, CallHeard, Control, Event, Hint, Media, MediaError, MediaFile, PersonaId, Profile, RemoteId,
    RequestError, RoomUse,
};
use async_trait::async_trait;
use serde::Serialize;

/// The most events that [`Host::accept_all`] takes at a time.
pub const ACCEPT_AT_ONCE: usize = 64;

/// What the core does for a bridge.
#[async_trait]
pub trait Host: Send + Sync + 'static {
    /// Takes an event. When this returns `Ok`, the event is in the journal and outlives any crash;
    /// acknowledge it to the network then and not before. Hand events of one venue over one after
    /// the other, in their order.
    async fn accept(&self, event: Event) -> Result<Accepted, AcceptError>;

    /// Takes several events of one venue, in their order, for one wait for the disk instead of as
    /// many: for a room in which much is said, or a history that is read. Gives what became of each.
    /// Ends with the first one that is [`AcceptError::Unavailable`]: that one and those behind it
    /// are not taken, and are to be handed over again in the same order. At most
    /// [`ACCEPT_AT_ONCE`] are taken at a time; hand the rest over again as well.
    async fn accept_all(&self, events: Vec<Event>) -> Vec<Result<Accepted, AcceptError>> {
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events.into_iter().take(ACCEPT_AT_ONCE) {
            let outcome = self.accept(event).await;
            let ends = matches!(outcome, Err(AcceptError::Unavailable(_)));
            outcomes.push(outcome);
            if ends {
                break;
            }
        }
        outcomes
    }

    /// Takes a step of a call by somebody on the network. An error is for them: the call is not
    /// there, or cannot be begun. Hand steps of one call over one after the other.
    async fn call(&self, heard: CallHeard) -> Result<(), CallError>;

    /// Passes something on that may be lost. Never waits.
    fn hint(&self, hint: Hint);

    /// What can be known about somebody or a room outside the network (its name, picture, topic):
    /// what a ghost of theirs looks like. Within 5 s.
    async fn about(&self, persona: &PersonaId) -> Result<Profile, RequestError> {
        Err(RequestError::Unavailable(format!("nothing is known about {persona}")))
    }

    /// Joins `room` and a room elsewhere (its address) into one conversation, for good; a room that is
    /// linked already takes the other one into its link. The bridge has checked that whoever asks may
    /// decide about `room`; whether the other one is open to that, the core finds out
    /// ([`crate::Bridge::may_be_linked`], a group's pass).
    async fn link(&self, room: &RemoteId, other: &PersonaId) -> Result<(), RequestError> {
        Err(RequestError::Refused(format!("{room} cannot be linked with {other}")))
    }

    /// Takes `room` out of its link. Not an error if it is in none.
    async fn unlink(&self, room: &RemoteId) -> Result<(), RequestError> {
        Err(RequestError::Refused(format!("{room} cannot be taken out of its link")))
    }

    /// The rooms elsewhere that `room` is linked with.
    async fn linked(&self, _room: &RemoteId) -> Result<Vec<PersonaId>, HostError> {
        Ok(Vec::new())
    }

    /// Carries out a command that a user wrote to the bridge's bot (`link`, `unlink`, `invite`, `call`,
    /// `status`, `help`): the same on every network. The answer is for that user, in lines.
    async fn control(&self, command: Control) -> String {
        format!("`{}` is not known here", command.line)
    }

    /// A link by which anybody who has it can fetch a file of the bridge's network for some days,
    /// through [`crate::Bridge::media`]. For attachments and pictures.
    fn media_link(&self, file: &MediaFile) -> String {
        file.reference.clone()
    }

    /// Opens what is at an `http(s)` URL that came from outside (an attachment's or a picture's), at
    /// most `max_bytes` of it: never on a private network, never after a redirect to one. The
    /// gateway's own media links are opened without a way around.
    async fn fetch(&self, url: &str, _max_bytes: u64) -> Result<Media, MediaError> {
        Err(MediaError::Refused(format!("{url} is not fetched")))
    }

    /// All rooms that the gateway uses on this instance.
    async fn rooms(&self) -> Result<Vec<RoomUse>, HostError>;

    /// A value that this instance saved, e.g. a cursor. Keys are the bridge's own.
    async fn load(&self, key: &str) -> Result<Option<String>, HostError>;

    /// Saves a value durably; `None` removes it.
    async fn save(&self, key: &str, value: Option<&str>) -> Result<(), HostError>;

    /// All saved values whose key starts with `prefix`, by key.
    async fn load_all(&self, prefix: &str) -> Result<Vec<(String, String)>, HostError>;

    /// Says how the instance is doing, whenever that changes.
    fn report(&self, health: Health);
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is journalled.
    New,
    /// It was journalled before, or is the gateway's own; nothing to do.
    Known,
    /// Nobody here is concerned; nothing was written but the cursor.
    Unconcerned,
}

/// An event could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// It can never be taken, e.g. it is addressed to somebody who does not exist; the author may
    /// be told `0`.
    #[error("{0}")]
    Refused(String),
    /// The journal is not available now: do not acknowledge, and hand it over again.
    #[error("{0}")]
    Unavailable(String),
}

/// The host could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HostError(pub String);

/// How an instance is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Health {
    /// Not connected because nobody has needed it yet.
    Idle,
    /// On its way.
    Connecting,
    /// Connected and hearing.
    Up,
    /// Not connected; a further try follows.
    Down {
        /// Why, for a person.
        why: String,
    },
}
