//! The bridge to IRC networks.
//!
//! `proto` is the protocol without I/O, `split` and `format` fit words to it. The rest drives
//! connections and implements the bridge contract: `net` reaches servers, `conn` is one connection,
//! `bot` the one that listens and `puppets` those of single people; `rooms`, `hear` and
//! `conversations` turn what is heard into events, `deliver` and `admission` do what is asked.
//! [`factory`] makes an [`Irc`] from a section of the configuration; the core calls nothing else.

#![forbid(unsafe_code)]

mod admission;
mod bot;
mod chat;
mod command;
pub mod config;
mod conn;
mod conversations;
mod ctcp;
mod deliver;
mod diagnose;
pub mod format;
mod full_text;
mod hear;
mod identity;
mod instance;
mod marks;
mod names;
mod net;
mod network;
mod nick;
mod people;
mod profile;
pub mod proto;
mod puppets;
mod rooms;
mod run;
pub mod split;
mod typing;

use async_trait::async_trait;
use instance::{Instance, Running};
use monster_bridge_api::{
    Admission, Author, BadName, Bridge, Capabilities, ConfigError, Delivery, DeliveryError, Found, HintDelivery,
    HintKind, Host, Media, MediaError, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse, RunError, Scope,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a configuration names this kind of bridge (`kind = "irc"`).
pub const KIND: &str = "irc";

/// One instance of the bridge.
pub struct Irc(Arc<Instance>);

/// Makes an instance from its configuration section; connects nowhere.
pub fn factory(scope: Scope, section: serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError> {
    let config = config::Config::read(section)?;
    Ok(Arc::new(Irc(Arc::new(Instance::new(scope, config)?))))
}

const NOT_RUNNING: &str = "the irc bridge is not running";
/// How long it may take until a room that is used from now on is heard.
const HEARD_WITHIN: Duration = Duration::from_secs(4);

impl Irc {
    fn running(&self) -> Option<Arc<Running>> {
        self.0.running()
    }

    fn running_for_request(&self) -> Result<Arc<Running>, RequestError> {
        self.running().ok_or_else(|| RequestError::Unavailable(NOT_RUNNING.to_owned()))
    }

    fn running_for_delivery(&self) -> Result<Arc<Running>, DeliveryError> {
        self.running().ok_or_else(|| DeliveryError::transient(NOT_RUNNING))
    }
}

#[async_trait]
impl Bridge for Irc {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        self.0.names.id_of(name)
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.as_str().to_owned()
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        self.0.names.kind_of(id)
    }

    fn capabilities(&self, _target: &RemoteId) -> Capabilities {
        deliver::capabilities(&self.0)
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        run::run(&self.0, host, stop).await
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        self.running_for_request()?;
        self.0.profile(target).await
    }

    async fn join(&self, who: &Author, target: &RemoteId, pass: Option<&str>) -> Result<Admission, RequestError> {
        let running = self.running_for_request()?;
        self.0.admit(&running, who, target, pass).await
    }

    async fn may_be_linked(&self, room: &RemoteId) -> Result<(), RequestError> {
        self.running_for_request()?;
        self.0.is_open(room).await
    }

    fn everywhere(&self, room: &RemoteId) -> Option<String> {
        Some(format!("irc:{}/{room}", self.0.dialer.server()))
    }

    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        self.running_for_request()?;
        self.0.dismiss(who, target).await
    }

    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>) {
        // Before `run`, the host is asked for all rooms when it starts.
        if let Some(running) = self.running() {
            let wanted = usage.is_some();
            self.0.use_room(&running, room, usage);
            if wanted
                && let Some(used) = self.0.rooms.get(room)
                && let Err(error) = used.entered(HEARD_WITHIN).await
            {
                tracing::debug!(instance = %self.0.scope.instance, %room, %error, "a room is not heard yet");
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        deliver::deliver(&self.0, &self.running_for_delivery()?, delivery).await
    }

    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError> {
        deliver::find(&self.0, &self.running_for_delivery()?, delivery).await
    }

    fn hint(&self, hint: HintDelivery) {
        if let HintKind::Typing(active) = hint.kind {
            self.0.show_typing(&hint.author.id, &hint.target, active);
        }
    }

    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        let running = self.running().ok_or_else(|| MediaError::Unavailable(NOT_RUNNING.to_owned()))?;
        self.0.open_text(&running, reference).await
    }

    async fn command(&self, who: &Author, line: &str) -> String {
        command::command(&self.0, who, line).await
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        diagnose::diagnose(&self.0).await
    }
}
