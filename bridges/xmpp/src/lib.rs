//! The bridge to XMPP, as a component of a server (XEP-0114).
//!
//! `wire` and `xml` are streams and stanzas without I/O, `names`, `format` and `message` translate
//! without knowing who is there. `session` is one connection and `link` keeps one; `hear` sends what
//! comes where it belongs: `rooms` (on other services), `service` (the component's own), `people`, and
//! the answers in `info`. `deliver` and `admission` do what the core asks. [`factory`] makes an
//! [`Xmpp`] from a section of the configuration; the core calls nothing else.

#![forbid(unsafe_code)]

mod adhoc;
mod admission;
mod calls;
mod command;
pub mod config;
mod deliver;
mod diagnose;
mod format;
mod hear;
mod info;
mod instance;
mod link;
mod media;
mod memory;
mod message;
mod names;
mod people;
mod rooms;
mod service;
mod services;
mod session;
mod wire;
mod xml;

use async_trait::async_trait;
use instance::{Instance, Running};
use monster_bridge_api::{
    Admission, Author, BadName, Bridge, CallDelivery, CallError, Capabilities, ConfigError, Delivery, DeliveryError,
    Found, HintDelivery, Host, Media, MediaError, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse,
    RunError, Scope,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a configuration names this kind of bridge (`kind = "xmpp"`).
pub const KIND: &str = "xmpp";

/// One instance of the bridge.
pub struct Xmpp(Arc<Instance>);

/// Makes an instance from its configuration section; connects nowhere.
///
/// # Errors
/// Names the key at fault.
pub fn factory(scope: Scope, section: serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError> {
    let config = config::Config::read(section)?;
    Ok(Arc::new(Xmpp(Arc::new(Instance::new(scope, config)))))
}

const NOT_RUNNING: &str = "the xmpp bridge is not running";
/// How long it may take until a room that is used from now on is heard.
const HEARD_WITHIN: Duration = Duration::from_secs(4);

impl Xmpp {
    fn running_for_request(&self) -> Result<Arc<Running>, RequestError> {
        self.0.running().ok_or_else(|| RequestError::Unavailable(NOT_RUNNING.to_owned()))
    }

    fn running_for_delivery(&self) -> Result<Arc<Running>, DeliveryError> {
        self.0.running().ok_or_else(|| DeliveryError::transient(NOT_RUNNING))
    }
}

#[async_trait]
impl Bridge for Xmpp {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        names::id_of(name)
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.as_str().to_owned()
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        self.0.kind_of(id)
    }

    fn capabilities(&self, target: &RemoteId) -> Capabilities {
        self.0.capabilities_at(target)
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        link::run(&self.0, host, stop).await
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        self.0.profile(&*self.running_for_request()?, target).await
    }

    async fn join(&self, who: &Author, target: &RemoteId, pass: Option<&str>) -> Result<Admission, RequestError> {
        self.0.admit(&self.running_for_request()?, who, target, pass).await
    }

    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        self.0.dismiss(&*self.running_for_request()?, who, target).await
    }

    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>) {
        // Before `run`, the host is asked for all rooms when it starts.
        let Some(running) = self.0.running() else { return };
        if let Some(used) = self.0.use_room(&running, room, usage) {
            let entering = Arc::clone(&self.0).enter_all(Arc::clone(&running), used);
            if tokio::time::timeout(HEARD_WITHIN, entering).await.is_err() {
                tracing::debug!(instance = %self.0.scope.instance, %room, "a room is not heard yet");
            }
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        self.0.deliver(&self.running_for_delivery()?, delivery).await
    }

    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError> {
        self.0.find(&self.running_for_delivery()?, delivery).await
    }

    fn hint(&self, hint: HintDelivery) {
        self.0.pass_hint(&hint);
    }

    async fn call(&self, step: CallDelivery) -> Result<(), CallError> {
        let running = self.0.running().ok_or_else(|| CallError::Unavailable(NOT_RUNNING.to_owned()))?;
        self.0.call(&running, step).await
    }

    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        self.0.open_media(reference).await
    }

    async fn command(&self, who: &Author, line: &str) -> String {
        self.0.command(who, line)
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        diagnose::diagnose(&self.0.config).await
    }
}
