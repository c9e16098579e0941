//! What a network implements: [`Bridge`], and how an instance of it is made.

use crate::{
    Admission, Author, BadName, CallDelivery, CallError, Capabilities, Delivery, DeliveryError, Found, HintDelivery,
    Host, InstanceName, Media, MediaError, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse,
};
use async_trait::async_trait;
use bytes::Bytes;
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

    /// Whether somebody who keeps a room elsewhere may link it with this one, of which they are
    /// nobody: `Ok` for a room in which everybody may take part anyway. Rooms that cannot be entered
    /// like that are linked from within ([`Host::link`]) or by an administrator. Within 5 s.
    async fn may_be_linked(&self, room: &RemoteId) -> Result<(), RequestError> {
        Err(RequestError::Refused(format!("`{room}` can be linked from within it only, or by an administrator")))
    }

    /// What a room is called whichever instance reaches it, where several instances may be on one network
    /// (`irc:server/#channel`): a room is never linked with itself. `None` where that cannot be.
    fn everywhere(&self, _room: &RemoteId) -> Option<String> {
        None
    }

    /// Takes `who` out of a room, or closes the conversation with a person.
    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError>;

    /// From now on the gateway uses this room in this way, or (no members, not linked: `None`) no
    /// longer. The bridge asks [`Host::rooms`] for all of them when `run` starts. Returns once what
    /// is said there is heard, or cannot be for now; within 5 s in any case. (Somebody who has been
    /// let in waits for this: what is said after that must reach them.)
    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>);

    /// Does what the delivery says, and returns once the network has acknowledged it.
    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError>;

    /// Finds out by the network's own means whether a delivery of uncertain outcome was done: it
    /// looks back to [`Delivery::not_before`]. Also asked for the first delivery of each target after a
    /// restart.
    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError>;

    /// Passes a step of a call on to a user. Only where [`Capabilities::call`] is
    /// [`crate::Support::Full`]; elsewhere the core sends a link to a page that joins the call.
    async fn call(&self, step: CallDelivery) -> Result<(), CallError> {
        Err(CallError::Unsupported(format!("`{}` cannot be called", step.target)))
    }

    /// Passes something on that may be lost (typing, read marks), where [`Capabilities`] say
    /// [`crate::Support::Full`]. Never waits for the network.
    fn hint(&self, _hint: HintDelivery) {}

    /// Opens a file that this bridge named in a [`crate::MediaFile`]. Answers within 10 s; the stream may
    /// take longer. Whoever asks has a link that the gateway made, and nothing else.
    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        Err(MediaError::Gone(format!("there is no file `{reference}`")))
    }

    /// The beginnings of paths on the gateway's listener that this network's servers call, e.g.
    /// `/_matrix/app/`; the first segment must be one of the gateway's reserved names.
    fn web_paths(&self) -> &'static [&'static str] {
        &[]
    }

    /// Answers a request at one of [`Bridge::web_paths`]; `None` if it is meant for another instance
    /// (one with another token). If it is nobody's, `unclaimed_web` of any of them is the answer. The
    /// body is whole and at most [`Bridge::web_bytes`] long.
    async fn web(&self, _request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        None
    }

    /// The answer to a request that no instance of this kind knows as its own.
    fn unclaimed_web(&self) -> http::Response<Bytes> {
        let mut response = http::Response::new(Bytes::from_static(b"there is nothing here\n"));
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        response
    }

    /// The largest body of a request to [`Bridge::web`], in bytes.
    fn web_bytes(&self) -> usize {
        1 << 20
    }

    /// A text that an administrator hands to the network's server so that it lets this instance in
    /// (a Matrix application-service registration); `None` if the network has none. Needs no `run`.
    fn registration(&self) -> Option<String> {
        None
    }

    /// Signs this instance in, asking the person at the terminal for what that needs, and keeps what it
    /// got in [`Scope::data_dir`]; gives a line for that person. Needs no `run`.
    async fn login(&self, _ask: &dyn Ask) -> Result<String, RequestError> {
        Err(RequestError::Refused("its network needs no signing in by hand".to_owned()))
    }

    /// A line that `who` wrote to the bridge itself (address `@*:instance:…`): its own settings,
    /// e.g. `nick NAME`. The answer is for that person, one or more lines. `help` must be answered.
    async fn command(&self, who: &Author, line: &str) -> String;

    /// Checks that the configuration can work from this machine (name resolves, TLS, login), as
    /// lines for a person; used by `doctor`, without `run`.
    async fn diagnose(&self) -> Vec<Result<String, String>>;
}

/// Asks the person at the terminal, for [`Bridge::login`].
#[async_trait]
pub trait Ask: Send + Sync {
    /// Shows a question and gives the line that is typed, which is not shown if it is `hidden`.
    async fn ask(&self, question: &str, hidden: bool) -> Result<String, RequestError>;
}

/// `run` gave up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

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

/// Makes a bridge of one kind from its configuration section, which comes without the key `kind`.
/// Read it with [`crate::parse_section`].
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
