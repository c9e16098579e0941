//! The room of calls: everything about voice and video that is neither the rules of a call (crate
//! `monster-calls`) nor its packets (crate `monster-media`). docs/decisions/0010-calls.md.
//!
//! - in: `desk` is what the core calls: it begins calls, and finds the one a step belongs to in the
//!   `registry`
//! - each call: `driver` feeds the state machine and does what it says; `line` leads to a leg, by
//!   frames (`wire`), a bridge, or to a guest; `media` translates for the relay
//! - without WebRTC: `link` announces, `guests` has the tokens and those who came by them
//! - after: `record` writes the lines and rows (`quality` is how the media was), `figures` counts,
//!   `leftover` ends what a crash left
//!
//! Knows `core`, `protocol` and the two crates. Called by `core` through [`CallDesk`], by `http` for
//! [`Guests`], and by `app`, which makes it.

mod desk;
mod driver;
mod figures;
mod guests;
mod leftover;
mod line;
mod link;
mod media;
mod quality;
mod record;
mod registry;
mod settings;
#[cfg(test)]
mod tests;
mod wire;

pub use guests::{Guest, GuestError, Guests, Invitation, Invited, NoLink, Role};
pub use quality::{FlowQuality, LegQuality, Quality};
pub use settings::Settings;

use crate::core::{CallDesk, Core, Environment};
use crate::store::Store;
use monster_calls::Input;
use monster_media::Relay;
use parking_lot::Mutex;
use registry::{Registry, Told};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::task::TaskTracker;

/// The room of calls. One per process.
pub struct Calls {
    core: Arc<Core>,
    store: Arc<dyn Store>,
    settings: Settings,
    relay: Mutex<Option<Relay>>,
    registry: Registry,
    guests: Arc<Guests>,
    pauses: link::Pauses,
    tasks: TaskTracker,
    leftovers: leftover::Leftovers,
    stopping: AtomicBool,
}

impl Calls {
    /// The room of calls of a router, with its relay. Whoever makes it gives the router its
    /// [desk](Self::desk).
    pub fn new(
        core: Arc<Core>,
        store: Arc<dyn Store>,
        environment: Environment,
        relay: Relay,
        settings: Settings,
    ) -> Arc<Self> {
        figures::describe();
        let guests = Arc::new(Guests::new(environment, &settings.public_url));
        Arc::new(Self {
            core,
            store,
            settings,
            relay: Mutex::new(Some(relay)),
            registry: Registry::default(),
            guests,
            pauses: link::Pauses::default(),
            tasks: TaskTracker::new(),
            leftovers: leftover::Leftovers::default(),
            stopping: AtomicBool::new(false),
        })
    }

    /// What the core calls.
    pub fn desk(self: &Arc<Self>) -> Arc<dyn CallDesk> {
        Arc::new(Arc::clone(self))
    }

    /// Those who come by a link.
    pub fn guests(&self) -> &Arc<Guests> {
        &self.guests
    }

    /// How many calls go on.
    pub fn count(&self) -> usize {
        self.registry.count()
    }

    /// Begins no more calls, ends those that go on with the reason that the gateway stops, tells
    /// everybody who can be told within `grace`, and closes the relay. The router still runs then,
    /// as every call leaves its line.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.store(true, Ordering::SeqCst);
        for call in self.registry.all() {
            call.tell(Told::Input(Input::Stop));
        }
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!(calls = self.count(), "some calls did not end in time");
        }
        let relay = self.relay.lock().take();
        if let Some(relay) = relay {
            relay.close().await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}
