//! The router: what an address stands for, who gets what is said where, and the lanes in which it
//! is delivered. Called by `monster` (requests of peers, `wake`), by `http` and the commands
//! (administration), and by the bridges through [`monster_bridge_api::Host`]. It knows no socket,
//! no frame's bytes, no configuration file and no database behind the [`Store`].
//!
//! `docs/architecture.md` has the way of a message; each step of it is a module here:
//! `requests`, `speak`, `relate`, `about`, `call` and `host` take what comes (`elsewhere` answers what
//! bridges ask, `control` obeys their bots' commands, `hints` passes on what may be lost), `places` and `fanout` find who
//! is concerned, `body` is the form in which it is journalled, `lanes` keep the order in which
//! `deliver` hands it over, `files` has links to what is no text, `words` and `markdown` fit it to the reader, `reading` is what it can
//! read again.

mod about;
mod acquaint;
mod admin;
mod ahead;
mod body;
mod book;
mod call;
mod changes;
mod control;
mod conversation;
mod deliver;
mod elsewhere;
mod environment;
mod fanout;
mod files;
mod graph;
mod heard;
mod hints;
mod host;
mod journal;
mod keys;
mod kinds;
mod lane;
mod lanes;
mod line;
pub mod markdown;
mod memory;
mod metrics;
mod names;
mod parcel;
mod peer;
mod places;
mod port;
mod quotes;
mod reading;
mod records;
mod registry;
mod relate;
mod requests;
mod settings;
mod speak;
mod supervisor;
#[cfg(test)]
mod tests;
mod upkeep;
mod uploads;
mod words;

pub use admin::{Admin, AdminError, BridgeState, ConversationRow, NewEnd};
pub use call::{CallDesk, CallFrame, CallRefusal, Line, Party, Reach};
pub use changes::seen;
pub use environment::{Clock, Environment, Random};
pub use files::{FileSettings, OpenFile};
pub use peer::{Peer, Side, Speaker};
pub use port::{Act, MonsterPort, Outgoing, Pushed, Sockets};
pub use reading::{Quoted, Row, RowKind, Talk};
pub use registry::Registry;
pub use settings::Settings;
pub use uploads::Uploaded;

use crate::store::{Store, StoreError};
use book::Book;
use lanes::Lanes;
use monster_bridge_api::{Bridge, Health, InstanceName};
use monster_protocol::{Address, Authority, Request, Response};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The router. One per process; everything it does is reached through an `Arc` of it.
pub struct Core {
    environment: Environment,
    settings: Settings,
    store: Arc<dyn Store>,
    book: Arc<Book>,
    admin: Admin,
    port: Arc<OnceLock<Arc<dyn MonsterPort>>>,
    desk: Arc<OnceLock<Arc<dyn CallDesk>>>,
    lanes: OnceLock<Arc<Lanes>>,
    bridges: Mutex<Vec<(InstanceName, Arc<dyn Bridge>)>>,
    health: supervisor::HealthTable,
    profiles: about::Profiles,
    files: files::Files,
    kinds: kinds::Kinds,
    uploads: uploads::Uploads,
    hints: hints::Hints,
    uses: control::Uses,
    /// [`Core::revocations`] when home sockets and calls were looked through.
    revoked: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Core {
    /// A router over a store, for the addresses under a public host. It does nothing before
    /// [`Core::start`].
    pub fn new(environment: Environment, store: Arc<dyn Store>, settings: Settings, ours: Authority) -> Arc<Self> {
        let book = Arc::new(Book::new(Arc::clone(&store), ours));
        let admin = Admin::over(environment.clone(), Arc::clone(&book));
        Arc::new(Self {
            environment,
            settings,
            store,
            book,
            admin,
            port: Arc::default(),
            desk: Arc::default(),
            lanes: OnceLock::new(),
            bridges: Mutex::default(),
            health: supervisor::HealthTable::default(),
            profiles: about::Profiles::default(),
            files: files::Files::default(),
            kinds: kinds::Kinds::default(),
            uploads: uploads::Uploads::default(),
            hints: hints::Hints::default(),
            uses: control::Uses::default(),
            revoked: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Adds a bridge instance; before [`Core::start`].
    pub fn register_bridge(&self, instance: &InstanceName, bridge: Arc<dyn Bridge>) {
        self.book.places.add_bridge(instance, Arc::clone(&bridge));
        self.health.report(instance, Health::Idle, self.environment.now_ms());
        self.bridges.lock().push((instance.clone(), bridge));
    }

    /// The bridges that are registered.
    pub fn registered_bridges(&self) -> Vec<Arc<dyn Bridge>> {
        self.bridges.lock().iter().map(|(_, bridge)| Arc::clone(bridge)).collect()
    }

    /// Connects the Monster side; before [`Core::start`].
    pub fn set_port(&self, port: Arc<dyn MonsterPort>) {
        if self.port.set(port).is_err() {
            tracing::error!("the monster side was connected twice; the first one stays");
        }
    }

    /// Reads links, relations and accounts, runs the bridges, and begins to work through what
    /// waits in the journal, in the background. Returns as soon as requests can be taken. To be
    /// called once, within a tokio runtime.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn start(self: &Arc<Self>) -> Result<(), StoreError> {
        self.book.reload().await?;
        self.files.load_key(self.store.as_ref(), &self.environment).await?;
        // What is in use now, each bridge asks for when it runs.
        self.book.take_touched();
        let (book, port, desk) = (Arc::clone(&self.book), Arc::clone(&self.port), Arc::clone(&self.desk));
        let courier = deliver::Courier::new(self.environment.clone(), book, port, desk);
        let (environment, settings) = (self.environment.clone(), self.settings.clone());
        let lanes = Lanes::new(environment, settings, Arc::clone(&self.store), Arc::new(courier));
        let lanes = Arc::clone(self.lanes.get_or_init(|| lanes));
        let hook = Arc::clone(&lanes);
        self.store.on_commit(Arc::new(move |committed| hook.offer(committed)));
        let bridges = self.bridges.lock().clone();
        for (instance, bridge) in bridges {
            self.tasks.spawn(supervisor::supervise(Arc::clone(self), instance, bridge, self.stop.clone()));
        }
        lanes.start();
        self.keep_up();
        Ok(())
    }

    /// Starts no further delivery, waits until what is in flight is recorded, and lets the bridges
    /// take leave, within `grace` each. What waits stays in the journal. The store is still open.
    pub async fn stop(&self, grace: Duration) {
        if let Some(lanes) = self.lanes.get() {
            lanes.stop(grace).await;
        }
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::warn!("a bridge did not take leave in time");
        }
    }

    /// Handles one request that `peer` makes to `to`, and gives the answer to send. The answer is
    /// made when the effect is durable: nothing answered with 200 is lost by a crash.
    ///
    /// `to` is the address whose URL the socket was opened on, or the frame's `to` on a home socket.
    pub async fn request(self: &Arc<Self>, peer: &Peer, to: &Address, request: Request<'_>) -> Response<'static> {
        self.handle(peer, to, request).await
    }

    /// Ends what is open of accounts that are no more, or by tokens that have ended: home sockets and
    /// calls.
    ///
    /// # Errors
    /// If the store cannot be read. It is tried again soon.
    pub async fn end_revoked(&self) -> Result<(), StoreError> {
        let now = self.revocations();
        if self.revoked.load(Ordering::Acquire) == now {
            return Ok(());
        }
        // Before it is looked: what comes meanwhile is looked for again.
        self.revoked.store(now, Ordering::Release);
        if let Some(desk) = self.desk.get() {
            desk.end_abandoned(&|account| {
                matches!(graph::home_of(self.book.ours(), account), graph::Home::Local(_))
                    && self.book.resolve(account).is_err()
            });
        }
        let Some(port) = self.port.get() else { return Ok(()) };
        port.end_revoked().await.inspect_err(|_| self.look_for_revoked())
    }

    /// The account can be reached now: its lanes go on at once. Never waits.
    pub fn wake(&self, account: &Address) {
        self.wake_destination(account.as_str());
    }

    fn wake_destination(&self, destination: &str) {
        if let Some(lanes) = self.lanes.get() {
            lanes.wake(destination);
        }
    }

    /// The local account that the token with this SHA-256 speaks for.
    pub async fn owner_of_token(&self, hash: [u8; 32]) -> Result<Option<Address>, crate::store::StoreError> {
        let Some(name) = self.store.account_of_token(hash).await? else { return Ok(None) };
        let Ok(owner) = Address::new::<&str>(&name, &[], self.book.ours()) else { return Ok(None) };
        self.book.look_again(&owner).await?;
        Ok(Some(owner))
    }

    /// Whose tokens those with these SHA-256 are, in their order.
    pub async fn owners_of_tokens(
        &self,
        hashes: Vec<[u8; 32]>,
    ) -> Result<Vec<Option<Address>>, crate::store::StoreError> {
        let ours = self.book.ours();
        let names = self.store.accounts_of_tokens(hashes).await?.into_iter();
        Ok(names.map(|name| Address::new::<&str>(&name?, &[], ours).ok()).collect())
    }

    /// How often tokens may have ended. Whoever looked a token up, and finds another number when that
    /// took effect, calls [`Core::look_for_revoked`].
    pub fn revocations(&self) -> u64 {
        self.book.revocations.load(Ordering::Acquire)
    }

    /// What is open is looked through again, soon.
    pub fn look_for_revoked(&self) {
        self.revoked.store(u64::MAX, Ordering::Release);
    }

    /// How many lanes are at work, and how many wait for their time.
    pub fn lane_counts(&self) -> (usize, usize) {
        self.lanes.get().map(|lanes| lanes.count()).unwrap_or_default()
    }

    /// How the bridge instances are doing, by name; for `/readyz`, metrics and the API.
    pub fn bridges(&self) -> Vec<BridgeState> {
        self.health.all()
    }

    /// Has a waiting delivery tried now.
    ///
    /// # Errors
    /// If it does not wait, or the store fails.
    pub async fn retry(&self, delivery: i64) -> Result<(), AdminError> {
        let (id, lane) = self.store.retry_now(delivery).await?;
        if let Some(lanes) = self.lanes.get() {
            lanes.nudge(id, lane);
        }
        Ok(())
    }

    /// Drops a waiting delivery; its sender is not told.
    ///
    /// # Errors
    /// If it does not wait, or the store fails.
    pub async fn drop_delivery(&self, delivery: i64) -> Result<(), AdminError> {
        let (id, lane) = self.store.drop_delivery(delivery).await?;
        if let Some(lanes) = self.lanes.get() {
            lanes.forget(id, lane, delivery);
        }
        Ok(())
    }

    /// What administrators do, and what they see.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }
}
