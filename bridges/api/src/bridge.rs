//! The two halves of the contract: [`Bridge`], which a network implements, and [`Host`], which the
//! core gives it.

use crate::{
    Admission, Author, BadName, CallDelivery, CallError, CallHeard, Capabilities, Delivery, DeliveryError, Event,
    Found, Hint, InstanceName, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse,
};
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One network, as one instance of the configuration has it.
///
/// Every method but [`Bridge::run`] may be called at any time, also before and after `run`, and
/// from many tasks at once. Dropping a returned future abandons the wait, not the work.
#[async_trait]
pub trait Bridge: Send + Sync + 'static {
    /// The id that a name in a Monster address stands for, in the form the network compares by:
    /// two spellings of one user or room give the same id, and different users or rooms never do.
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName>;

    /// The name that stands for an id; `id_of(name_of(id)) == id` for every valid id.
    fn name_of(&self, id: &RemoteId) -> String;

    /// What an id is, as far as its form tells.
    fn kind_of(&self, id: &RemoteId) -> PlaceKind;

    /// What can be done at the target now.
    fn capabilities(&self, target: &RemoteId) -> Capabilities;

    /// Connects, and hands everything heard to the host, until `stop` is cancelled; then takes
    /// leave of the network and returns. Loss of a connection is the bridge's own business: it
    /// reconnects, and reports through [`Host::report`]. An error (or a panic) makes the
    /// supervisor start `run` again after a pause.
    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError>;

    /// What can be known about a user or room. Answers within 5 s.
    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError>;

    /// Lets `who` into a room, or opens the conversation with a person.
    async fn join(&self, who: &Author, target: &RemoteId, pass: Option<&str>) -> Result<Admission, RequestError>;

    /// Takes `who` out of a room, or closes the conversation with a person.
    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError>;

    /// From now on the gateway uses this room in this way, or (no members, not linked: `None`) no
    /// longer. The bridge asks [`Host::rooms`] for all of them when `run` starts. Returns once what
    /// is said there is heard, or cannot be for now; within 5 s in any case. (Somebody who has been
    /// let in waits for this: what is said after that must reach them.)
    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>);

    /// Does what the delivery says, and returns once the network has acknowledged it.
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError>;

    /// Finds out by the network's own means whether a delivery of uncertain outcome was done. Also
    /// asked for the first delivery of each target after a restart.
    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError>;

    /// Passes a step of a call on to a user. Only where [`Capabilities::call`] is
    /// [`crate::Support::Full`]; elsewhere the core sends a link to a page that joins the call.
    async fn call(&self, step: CallDelivery) -> Result<(), CallError> {
        Err(CallError::Unsupported(format!("`{}` cannot be called", step.target)))
    }

    /// A line that `who` wrote to the bridge itself (address `@*:instance:…`): its own settings,
    /// e.g. `nick NAME`. The answer is for that person, one or more lines. `help` must be answered.
    async fn command(&self, who: &Author, line: &str) -> String;

    /// Checks that the configuration can work from this machine (name resolves, TLS, login), as
    /// lines for a person; used by `doctor`, without `run`.
    async fn diagnose(&self) -> Vec<Result<String, String>>;
}

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

/// `run` gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

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

/// What an instance is told about where it runs.
#[derive(Debug, Clone)]
pub struct Scope {
    /// Its name in the configuration.
    pub instance: InstanceName,
    /// The public host of the gateway, e.g. `gw.example.org`, for things like a real name.
    pub public_host: String,
    /// The public URL of the gateway, e.g. `https://gw.example.org`, for links.
    pub public_url: String,
    /// A directory of the instance's own for files (crypto stores, certificates).
    pub data_dir: std::path::PathBuf,
}

/// Makes a bridge of one kind from its configuration section, which comes without the key `kind`
/// and with secrets in place (`key_file` has become `key`). Read it with [`parse_section`].
pub type Factory = fn(Scope, serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError>;

/// A configuration section that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {why}")]
pub struct ConfigError {
    /// The key within the instance's section, dotted (`flood.burst`); empty for the section.
    pub key: String,
    /// What was expected, for a person.
    pub why: String,
}

/// Reads a configuration section into a bridge's own type; the error names the key at fault. The
/// type should be `deny_unknown_fields`, so that a misspelt key is not taken for a default.
pub fn parse_section<T: DeserializeOwned>(section: serde_json::Value) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(section).map_err(|error| {
        let path = error.path().to_string();
        // The library's word for "the whole".
        let key = if path == "." { String::new() } else { path };
        ConfigError { key, why: error.into_inner().to_string() }
    })
}
