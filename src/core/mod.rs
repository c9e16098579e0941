//! The router: what an address stands for, who gets what is said where, and the lanes in which it
//! is delivered. Called by `monster` (requests of peers, `wake`), by `http` and the commands
//! (administration), and by the bridges through [`monster_bridge_api::Host`]. It knows no socket,
//! no frame's bytes, no configuration file and no database behind the [`Store`].
//!
//! `docs/architecture.md` has the way of a message; each step of it is a module here:
//! `requests` and `host` take what was said, `places` and `fanout` find who is concerned, `body` is
//! the form in which it is journalled, `lanes` deliver, `words` and `markdown` fit it to the reader.

mod admin;
mod book;
mod conversation;
mod environment;
mod fanout;
mod graph;
mod line;
mod peer;
mod places;
mod port;
mod registry;
mod settings;
mod supervisor;

pub use admin::{Admin, AdminError, BridgeState, ConversationRow, NewEnd};
pub use environment::{Clock, Environment, Random};
pub use peer::{Peer, Side, Speaker};
pub use port::{Act, MonsterPort, Outgoing};
pub use registry::Registry;
pub use settings::Settings;

use crate::store::Store;
use monster_bridge_api::{Bridge, InstanceName};
use monster_protocol::{Address, Authority, Request, Response, Status};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The router. One per process; everything it does is reached through an `Arc` of it.
pub struct Core {
    environment: Environment,
    settings: Settings,
    store: Arc<dyn Store>,
    book: Arc<book::Book>,
    admin: Admin,
    port: OnceLock<Arc<dyn MonsterPort>>,
}

impl Core {
    /// A router over a store, for the addresses under a public host. It does nothing before
    /// [`Core::start`].
    pub fn new(environment: Environment, store: Arc<dyn Store>, settings: Settings, ours: Authority) -> Arc<Self> {
        let book = Arc::new(book::Book::new(Arc::clone(&store), ours));
        let admin = Admin::over(environment.clone(), Arc::clone(&book));
        Arc::new(Self { environment, settings, store, book, admin, port: OnceLock::new() })
    }

    /// Adds a bridge instance; before [`Core::start`].
    pub fn register_bridge(&self, instance: &InstanceName, bridge: Arc<dyn Bridge>) {
        self.admin.register_bridge(instance, bridge);
    }

    /// Connects the Monster side; before [`Core::start`].
    pub fn set_port(&self, port: Arc<dyn MonsterPort>) {
        if self.port.set(port).is_err() {
            tracing::error!("the monster side was connected twice; the first one stays");
        }
    }

    /// Reads links, relations and accounts, runs the bridges, and begins to work through what
    /// waits in the journal, in the background. Returns as soon as requests can be taken.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn start(self: &Arc<Self>) -> Result<(), crate::store::StoreError> {
        self.book.reload().await
    }

    /// Takes no more, waits until what is being delivered is recorded, lets the bridges take leave;
    /// all within `grace`. What waits stays in the journal.
    pub async fn stop(&self, grace: Duration) {
        let _ = grace;
    }

    /// Handles one request that `peer` makes to `to`, and gives the answer to send. The answer is
    /// made when the effect is durable: nothing answered with 200 is lost by a crash.
    ///
    /// `to` is the address whose URL the socket was opened on, or the frame's `to` on a home socket.
    pub async fn request(&self, peer: &Peer, to: &Address, request: Request<'_>) -> Response<'static> {
        let _ = (peer, to);
        request.answer(Status::Unavailable)
    }

    /// The account can be reached now: its lanes go on at once. Never waits.
    pub fn wake(&self, account: &Address) {
        let _ = account;
    }

    /// How the bridge instances are doing, by name; for `/readyz`, metrics and the API.
    pub fn bridges(&self) -> Vec<BridgeState> {
        Vec::new()
    }

    /// Has a waiting delivery tried now.
    pub async fn retry(&self, delivery: i64) -> Result<(), AdminError> {
        self.store.retry_now(delivery).await?;
        Ok(())
    }

    /// Drops a waiting delivery; its sender is not told.
    pub async fn drop_delivery(&self, delivery: i64) -> Result<(), AdminError> {
        self.store.drop_delivery(delivery).await?;
        Ok(())
    }

    /// What administrators do, and what they see.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }
}
