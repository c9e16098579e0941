//! The mode in which a homeserver's administrator lets the bridge in (docs/decisions/0013-matrix.md):
//! personas have ghosts, the homeserver calls with what happened.
//!
//! `web` takes the homeserver's requests: `hear` and `members` make events of them, `follow` does what
//! follows, `demand` answers whether a user or room exists, `pulse` and `missed` see to it that
//! nothing stays behind. `deliver` and `admission` do what the core
//! asks, through `wire` and `rooms`. `direct`, `waiting`, `consoles`, `ghosts` are what is kept.

mod admission;
mod config;
mod consoles;
mod deliver;
mod demand;
mod diagnose;
mod direct;
mod follow;
mod ghosts;
mod hear;
mod hints;
mod instance;
mod media;
mod members;
mod missed;
mod naming;
mod open;
mod people;
mod profile;
mod pulse;
mod puppets;
mod registration;
mod rooms;
mod run;
mod space;
#[cfg(test)]
mod tests;
mod tokens;
mod waiting;
mod web;
mod wire;

use crate::id::{self, Form};
use async_trait::async_trait;
use bytes::Bytes;
pub(crate) use config::check_url;
use instance::{Instance, Running};
use monster_bridge_api::{
    Admission, Author, BadName, Bridge, Capabilities, ConfigError, Delivery, DeliveryError, Found, HintDelivery, Host,
    Media, MediaError, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse, RunError, Scope,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NOT_RUNNING: &str = "the matrix bridge is not running";
/// How long it may take until a room that is used from now on is heard.
const HEARD_WITHIN: Duration = Duration::from_secs(4);

/// An instance in appservice mode.
pub(crate) struct Appservice(Arc<Instance>);

impl Appservice {
    /// Makes it from its section; connects nowhere.
    pub(crate) fn new(scope: Scope, section: Value) -> Result<Self, ConfigError> {
        let config = config::Config::read(section)?;
        Ok(Self(Arc::new(Instance::new(scope, config)?)))
    }

    fn running(&self) -> Result<Arc<Running>, RequestError> {
        self.0.running().ok_or_else(|| RequestError::Unavailable(NOT_RUNNING.to_owned()))
    }

    fn running_for_delivery(&self) -> Result<Arc<Running>, DeliveryError> {
        self.0.running().ok_or_else(|| DeliveryError::transient(NOT_RUNNING))
    }
}

#[async_trait]
impl Bridge for Appservice {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        let id = id::id_of(name)?;
        if self.0.naming.is_ours(id.as_str()) {
            let why = "this is a ghost; write to the person it stands for".to_owned();
            return Err(BadName { name: name.to_owned(), why });
        }
        Ok(self.0.book.canonical(id.as_str()))
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id::name_of(id.as_str())
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        match id::form_of(id.as_str()) {
            Some(Form::Alias | Form::Room) => PlaceKind::Group,
            Some(Form::User) | None => PlaceKind::Person,
        }
    }

    fn capabilities(&self, _target: &RemoteId) -> Capabilities {
        deliver::capabilities(&self.0)
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        run::run(&self.0, host, stop).await
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        profile::profile(&self.0, self.running()?.as_ref(), target).await
    }

    async fn join(&self, who: &Author, target: &RemoteId, _pass: Option<&str>) -> Result<Admission, RequestError> {
        admission::join(&self.0, self.running()?.as_ref(), who, target).await
    }

    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        admission::leave(&self.0, self.running()?.as_ref(), who, target).await
    }

    async fn may_be_linked(&self, room: &RemoteId) -> Result<(), RequestError> {
        open::may_be_linked(&self.0, self.running()?.as_ref(), room).await
    }

    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>) {
        // Before `run`, the host is asked for all rooms when it starts.
        let Some(running) = self.0.running() else { return };
        self.0.rooms.set_used(room, usage.is_some());
        if usage.is_none() {
            if let Some(id) = self.0.book.room_of(room.as_str()) {
                self.0.set_in_space(&running, &id, false).await;
                if let Err(error) = self.0.exit(&id, self.0.naming.bot()).await {
                    tracing::info!(%room, %error, "the bot could not leave a room");
                }
            }
            return;
        }
        let (instance, room, task) = (Arc::clone(&self.0), room.clone(), Arc::clone(&running));
        let entering = running.tasks.spawn(async move {
            let stop = task.stop.clone();
            if let Some(Err(error)) = stop.run_until_cancelled(instance.bot_enters(&task, &room)).await {
                tracing::info!(%room, %error, "a room is not heard by the bot");
            }
        });
        if tokio::time::timeout(HEARD_WITHIN, entering).await.is_err() {
            tracing::info!("the bot takes long to enter a room");
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        deliver::deliver(&self.0, self.running_for_delivery()?.as_ref(), delivery).await
    }

    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError> {
        deliver::find(&self.0, self.running_for_delivery()?.as_ref(), delivery).await
    }

    fn hint(&self, hint: HintDelivery) {
        self.0.hints.take(hint);
    }

    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        media::open(&self.0, reference).await
    }

    fn web_paths(&self) -> &'static [&'static str] {
        &[web::PATH]
    }

    async fn web(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        web::answer(&self.0, request).await
    }

    fn unclaimed_web(&self) -> http::Response<Bytes> {
        web::error(http::StatusCode::FORBIDDEN, "M_FORBIDDEN", "no bridge here has this hs_token")
    }

    fn web_bytes(&self) -> usize {
        web::LONGEST
    }

    fn registration(&self) -> Option<String> {
        match registration::yaml(&self.0) {
            Ok(yaml) => Some(yaml),
            Err(why) => Some(format!("# {why}\n")),
        }
    }

    async fn command(&self, who: &Author, line: &str) -> String {
        if let Ok(running) = self.running()
            && let Some(answer) = self.0.puppet_command(&running, who, line).await
        {
            return answer;
        }
        match line.trim() {
            "help" => format!(
                "Write to user@server or join #room@server on Matrix. The bot there is {}.\n\
                 login TOKEN: in rooms you are the Matrix user whose access token this is\n\
                 logout: you are not any more",
                self.0.naming.bot()
            ),
            _ => "This is no command; `help` lists them.".to_owned(),
        }
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        diagnose::diagnose(&self.0).await
    }
}
