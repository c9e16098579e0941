//! *Account* mode: one user of any homeserver, signed in on one device of its own with its own keys, through
//! `matrix_sdk::Client`. What the account sees is what is bridged; it speaks for everybody, and names them.
//!
//! `session` is the device, `listen` the sync loop, `hear` and `waiting` what comes, `speak` and `files` what goes,
//! `rooms` where, `hints` what may be lost, `about` what can be known. The mapping of events is `map`'s, as in the
//! other mode. The SDK's send queue is not used: the core's lanes are the queue.

mod about;
mod config;
mod files;
mod hear;
mod hints;
mod listen;
mod people;
mod rooms;
mod session;
mod speak;
mod trouble;
mod waiting;

pub(crate) use config::Config;

use crate::book::Book;
use crate::id;
use crate::map::PowerLevels;
use async_trait::async_trait;
use matrix_sdk::Client;
use monster_bridge_api::{
    Admission, Ask, Author, BadName, Bridge, Capabilities, Delivery, DeliveryError, Found, Health, HintDelivery, Host,
    Media, MediaError, PersonaId, PlaceKind, Profile, Receipt, RemoteId, RequestError, RoomUse, RunError, Scope,
    Secret, Support,
};
use parking_lot::{Mutex, RwLock};
use session::{Credentials, Home};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How many hints are shown at once; more are dropped.
const HINTS_AT_ONCE: usize = 16;
/// How long what the core asks may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The pauses between tries to get a device.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

/// An instance in account mode.
#[derive(Debug)]
pub(crate) struct AccountBridge(Arc<Account>);

/// What its parts share.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) scope: Scope,
    pub(crate) config: Config,
    pub(crate) rooms: rooms::Rooms,
    pub(crate) people: people::People,
    pub(crate) uploads: tokio::sync::Mutex<()>,
    book: Arc<Book>,
    hints: Arc<Semaphore>,
    live: RwLock<Option<Arc<Live>>>,
}

/// A device that is signed in, while `run` runs.
pub(crate) struct Live {
    pub(crate) client: Client,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) book: Arc<Book>,
    pub(crate) waiting: waiting::Waiting,
    /// Who was typing, by room.
    pub(crate) typing: Mutex<HashMap<String, HashSet<String>>>,
    /// The account's user id.
    pub(crate) user: String,
    pub(crate) owner: Option<PersonaId>,
    pub(crate) homeserver: String,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("user", &self.user).finish_non_exhaustive()
    }
}

impl AccountBridge {
    /// An instance as its section says. Opens nothing.
    pub(crate) fn new(scope: Scope, config: Config) -> Self {
        Self(Arc::new(Account {
            scope,
            config,
            rooms: rooms::Rooms::default(),
            people: people::People::default(),
            uploads: tokio::sync::Mutex::default(),
            book: Arc::new(Book::default()),
            hints: Arc::new(Semaphore::new(HINTS_AT_ONCE)),
            live: RwLock::new(None),
        }))
    }
}

impl Account {
    fn home(&self) -> Home {
        Home { instance: self.scope.instance.to_string(), dir: self.scope.data_dir.clone() }
    }

    fn live(&self) -> Option<Arc<Live>> {
        self.live.read().clone()
    }

    fn live_for_request(&self) -> Result<Arc<Live>, RequestError> {
        self.live().ok_or_else(|| RequestError::Unavailable("the account is not connected".to_owned()))
    }

    fn live_for_delivery(&self) -> Result<Arc<Live>, DeliveryError> {
        self.live().ok_or_else(|| DeliveryError::transient("the account is not connected"))
    }

    /// Gets a device and listens with it, again and again.
    async fn keep_going(&self, host: &Arc<dyn Host>) -> Result<(), RunError> {
        let mut pause = PAUSE;
        loop {
            host.report(Health::Connecting);
            let why = match self.home().open(&self.config).await {
                Ok(client) => {
                    pause = PAUSE;
                    self.go_live(client, host).await
                }
                Err(error) => error.to_string(),
            };
            *self.live.write() = None;
            tracing::warn!(instance = %self.scope.instance, why, "the account is not connected");
            host.report(Health::Down { why });
            tokio::time::sleep(pause.mul_f64(0.5 + rand::random::<f64>())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Listens until the device is signed out; why it ended.
    async fn go_live(&self, client: Client, host: &Arc<dyn Host>) -> String {
        let user = client.user_id().map(ToString::to_string).unwrap_or_default();
        let live = Arc::new(Live {
            client,
            host: Arc::clone(host),
            book: Arc::clone(&self.book),
            waiting: waiting::Waiting::default(),
            typing: Mutex::default(),
            user,
            owner: self.config.owner.clone(),
            homeserver: self.config.homeserver.clone(),
        });
        if let Err(error) = self.load(&live).await {
            return error.to_string();
        }
        *self.live.write() = Some(Arc::clone(&live));
        match listen::listen(self, &live).await {
            Ok(()) => "listening ended".to_owned(),
            Err(ended) => ended.to_string(),
        }
    }

    async fn load(&self, live: &Live) -> Result<(), monster_bridge_api::HostError> {
        self.book.load(live.host.as_ref()).await?;
        self.rooms.load(live).await?;
        live.waiting.load(live).await?;
        for usage in live.host.rooms().await? {
            if let Err(error) = rooms::enter(self, live, &usage.room).await {
                tracing::warn!(room = %usage.room, %error, "a room cannot be used");
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Bridge for AccountBridge {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        id::id_of(name).map(|id| self.0.book.canonical(id.as_str()))
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id::name_of(id.as_str())
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        if id::is_user(id.as_str()) { PlaceKind::Person } else { PowerLevels::default().place_kind() }
    }

    fn capabilities(&self, _target: &RemoteId) -> Capabilities {
        Capabilities {
            edit: Support::Full,
            recall: Support::Full,
            reply: Support::Full,
            reaction: Support::Full,
            attachment: Support::Full,
            membership: Support::Dropped,
            room_profile: Support::Dropped,
            typing: Support::Full,
            read: Support::Full,
            presence: Support::Dropped,
            call: Support::Words,
            // An event holds 64 KiB, the words twice (plain and as HTML), and encryption adds a third.
            text_bytes: Some(12_000),
        }
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        let ended = stop.run_until_cancelled(Box::pin(self.0.keep_going(&host))).await;
        *self.0.live.write() = None;
        ended.unwrap_or(Ok(()))
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        let live = self.0.live_for_request()?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, about::profile(&self.0, &live, target)).await;
        answer.unwrap_or_else(|_| Err(RequestError::Unavailable("the homeserver did not answer in time".to_owned())))
    }

    async fn join(&self, who: &Author, target: &RemoteId, _pass: Option<&str>) -> Result<Admission, RequestError> {
        let live = self.0.live_for_request()?;
        if id::is_user(target.as_str()) {
            return rooms::open(&self.0, &live, who, target).await;
        }
        rooms::enter(&self.0, &live, target).await.map(|_| Admission::Accepted)
    }

    async fn may_be_linked(&self, room: &RemoteId) -> Result<(), RequestError> {
        about::may_be_linked(&self.0, &*self.0.live_for_request()?, room).await
    }

    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        if !id::is_user(target.as_str()) {
            // The account stays for the others; `use_room` says when nobody needs the room any more.
            return Ok(());
        }
        rooms::close(&self.0, &*self.0.live_for_request()?, who, target).await
    }

    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>) {
        let Some(live) = self.0.live() else { return };
        let change = async {
            if usage.is_some() {
                if let Err(error) = rooms::enter(&self.0, &live, room).await {
                    tracing::warn!(%room, %error, "a room cannot be used");
                }
            } else {
                rooms::give_up(&self.0, &live, room).await;
            }
        };
        if tokio::time::timeout(ANSWER_WITHIN, change).await.is_err() {
            tracing::warn!(%room, "the homeserver takes long to let the account in or out");
        }
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        speak::deliver(&self.0, &*self.0.live_for_delivery()?, delivery).await
    }

    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError> {
        speak::find(&self.0, &*self.0.live_for_delivery()?, delivery).await
    }

    fn hint(&self, hint: HintDelivery) {
        let (Some(live), Ok(permit)) = (self.0.live(), Arc::clone(&self.0.hints).try_acquire_owned()) else { return };
        let account = Arc::clone(&self.0);
        tokio::spawn(async move {
            hints::show(&account, &live, hint).await;
            drop(permit);
        });
    }

    async fn media(&self, reference: &str) -> Result<Media, MediaError> {
        let live = self.0.live().ok_or_else(|| MediaError::Unavailable("the account is not connected".to_owned()))?;
        files::open(&live, reference).await
    }

    async fn login(&self, ask: &dyn Ask) -> Result<String, RequestError> {
        let configured = self.0.config.user.clone();
        let user = match configured {
            Some(user) => user,
            None => ask.ask("Matrix id (@somebody:example.org): ", false).await?,
        };
        if !id::is_user(&user) {
            return Err(RequestError::Refused(format!(
                "`{user}` is no Matrix id; one looks like @somebody:example.org"
            )));
        }
        let password = Secret::new(ask.ask(&format!("Password of {user}: "), true).await?);
        let key = ask.ask("Recovery key, to read older messages (empty for none): ", true).await?;
        let key = Some(key.trim().to_owned()).filter(|key| !key.is_empty()).map(Secret::new);
        let credentials = Credentials::Password { user, password };
        let client = self.0.home().sign_in(&self.0.config, credentials, key.as_ref()).await;
        let client = client.map_err(|error| RequestError::Refused(error.to_string()))?;
        let (user, device) = (client.user_id(), client.device_id());
        let shown = |id: Option<String>| id.unwrap_or_default();
        Ok(format!(
            "signed in as {}, device {}. A gateway that runs with an earlier device has to be started again.",
            shown(user.map(ToString::to_string)),
            shown(device.map(ToString::to_string))
        ))
    }

    async fn command(&self, _who: &Author, line: &str) -> String {
        match line.split_whitespace().next() {
            Some("status") => match self.0.live() {
                Some(live) => format!("signed in as {}", live.user),
                None => "not connected".to_owned(),
            },
            _ => "status: whose account this is\nhelp: this".to_owned(),
        }
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        about::diagnose(&self.0, &self.0.home()).await
    }
}
