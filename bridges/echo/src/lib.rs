//! The echo test, and the smallest complete bridge: the example of `docs/write-a-bridge.md`.
//!
//! Its network has one inhabitant, `@echo:echo:<gateway>`, who says back whatever is said to it:
//! messages, and later the edits, recalls, replies and reactions that concern them. [`Echo`] is the
//! whole bridge (calls are answered, and the caller's own voice and picture given back), `config` its configuration section, `repeat` the translation between what is
//! asked of a network and what is heard from it. The core makes instances through [`factory`];
//! nothing else calls in here.
//!
//! It keeps no state at all. The network "gives" a message the key of its delivery as id, and the
//! copy of a message has an id computed from that of the original. So an edit finds the copy that
//! it changes, and a delivery that is done twice (after a crash) hands the same event over again,
//! which the core knows already and drops.

#![forbid(unsafe_code)]

mod config;
mod repeat;

use async_trait::async_trait;
use monster_bridge_api::{
    AcceptError, Admission, Author, BadName, Bridge, CallDelivery, CallError, Capabilities, ConfigError, Delivery,
    DeliveryError, EventId, Found, Health, Host, Info, PlaceKind, Profile, Receipt, RemoteId, RemoteUser, RequestError,
    RoomUse, RunError, Scope, Support,
};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// What a configuration names this kind of bridge (`kind = "echo"`).
pub const KIND: &str = "echo";

/// The name and the id of the only one who lives on this network.
const ECHO: &str = "echo";

/// One instance of the echo network.
pub struct Echo {
    nickname: String,
    /// Whom events are handed to; there is nobody while `run` is not running.
    host: RwLock<Option<Arc<dyn Host>>>,
}

/// Makes an instance from its configuration section.
pub fn factory(_scope: Scope, section: serde_json::Value) -> Result<Arc<dyn Bridge>, ConfigError> {
    let config = config::Config::parse(section)?;
    Ok(Arc::new(Echo { nickname: config.nickname, host: RwLock::new(None) }))
}

impl Echo {
    fn set_host(&self, host: Option<Arc<dyn Host>>) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = host;
    }

    /// A clone, so that no lock is held while the host works.
    fn host(&self) -> Option<Arc<dyn Host>> {
        self.host.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn user(&self) -> RemoteUser {
        RemoteUser { id: RemoteId::new(ECHO), name: self.nickname.clone(), picture: None }
    }

    /// Names of this network are few: everything but the echo itself is nobody.
    fn known(target: &RemoteId) -> Result<(), RequestError> {
        if target.as_str() == ECHO {
            return Ok(());
        }
        Err(RequestError::Unknown(format!("nobody is called `{target}` here; write to `{ECHO}`")))
    }
}

#[async_trait]
impl Bridge for Echo {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        // Names in Monster addresses compare exactly, and so do ours: `Echo` is somebody else.
        if name == ECHO {
            return Ok(RemoteId::new(ECHO));
        }
        Err(BadName { name: name.to_owned(), why: format!("the only one here is `{ECHO}`") })
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.as_str().to_owned()
    }

    fn kind_of(&self, _id: &RemoteId) -> PlaceKind {
        PlaceKind::Person
    }

    fn capabilities(&self, _target: &RemoteId) -> Capabilities {
        // What is `Full` here arrives in `deliver` as it was meant; everything else is put into
        // words by the core before, or left out.
        Capabilities {
            edit: Support::Full,
            recall: Support::Full,
            reply: Support::Full,
            reaction: Support::Full,
            attachment: Support::Full,
            call: Support::Full,
            ..Capabilities::text_only()
        }
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        // A real network connects here, reports `Connecting` and `Down` as they come, asks
        // `host.rooms()` what to join, and reads until it is told to stop.
        self.set_host(Some(Arc::clone(&host)));
        host.report(Health::Up);
        stop.cancelled().await;
        self.set_host(None);
        Ok(())
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        Self::known(target)?;
        Ok(Profile {
            name: self.nickname.clone(),
            picture: None,
            kind: PlaceKind::Person,
            info: vec![Info::new("about", "says back what is said to it, to try a connection out")],
        })
    }

    async fn join(&self, _who: &Author, target: &RemoteId, _pass: Option<&str>) -> Result<Admission, RequestError> {
        Self::known(target).map(|()| Admission::Accepted)
    }

    async fn leave(&self, _who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        Self::known(target)
    }

    async fn use_room(&self, _room: &RemoteId, _usage: Option<RoomUse>) {
        // There are no rooms here. A network with rooms joins or leaves this one now.
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        Self::known(&delivery.target).map_err(|unknown| DeliveryError::permanent(unknown.to_string()))?;
        let host = self.host().ok_or_else(|| DeliveryError::transient("the echo is not running"))?;

        if let Some(event) = repeat::answer(delivery, self.user()) {
            // `accept` returns once the answer is in the journal. Whether it is new does not
            // matter: it is known if this delivery was begun before and cut short by a crash.
            host.accept(event).await.map_err(|error| match error {
                AcceptError::Refused(why) => DeliveryError::permanent(why),
                AcceptError::Unavailable(why) => DeliveryError::transient(why),
            })?;
        }
        // The id that the network gave to what was delivered: later edits and replies name it.
        Ok(Receipt { ids: vec![EventId::new(delivery.key.as_str())] })
    }

    async fn call(&self, step: CallDelivery) -> Result<(), CallError> {
        Self::known(&step.target).map_err(|unknown| CallError::Unsupported(unknown.to_string()))?;
        let Some(answer) = repeat::call_answer(&step, self.user()) else { return Ok(()) };
        let host = self.host().ok_or_else(|| CallError::Unavailable("the echo is not running".to_owned()))?;
        host.call(answer).await
    }

    async fn find(&self, _delivery: &Delivery) -> Result<Found, DeliveryError> {
        // `Absent` promises that doing it again makes no second one, and so it is: the second
        // answer has the first one's id. Networks that can look a message up do that here.
        Ok(Found::Absent)
    }

    async fn command(&self, _who: &Author, line: &str) -> String {
        match line.trim() {
            "help" => format!("Write to `{ECHO}` and it says the same back. There is nothing to set here."),
            _ => "There are no commands here but `help`.".to_owned(),
        }
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        vec![Ok("the echo needs nothing and nobody".to_owned())]
    }
}

#[cfg(test)]
mod tests;
