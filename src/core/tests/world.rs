//! A router with its neighbours: a Monster side that hands frames to whoever listens, and a bridge
//! that does as it is told, so that failures can be had on command.

use crate::core::{
    Act, Admin, Core, Environment, MonsterPort, NewEnd, Outgoing, Peer, Pushed, Settings, Side, Sockets, Speaker,
};
use crate::store::sqlite::SqliteStore;
use crate::store::{Account, AccountKind, Store, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{
    Accepted, Admission, Author, BadName, Bridge, Capabilities, Content, Delivery, DeliveryError, DeviceId, Event,
    EventId, EventKind, Found, Health, HintDelivery, Host, InstanceName, MessageKey, PersonaId, PlaceKind, Profile,
    Receipt, RemoteId, RemoteUser, RequestError, RoomUse, RunError, Text, Venue,
};
use monster_protocol::{Address, Authority, Request, RequestBody, Response, Status};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(super) const HOST: &str = "gw.example.org";

/// An address as text for tests.
pub(super) fn at(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A local account, or something on the bridge `net`.
pub(super) fn ours(name: &str) -> Address {
    at(&format!("@{name}:{HOST}"))
}

/// What arrived at the Monster side: to whom, told by whom, and what.
pub(super) type Arrived = (String, String, Arc<Outgoing>);

/// The Monster side.
pub(super) struct Monsters {
    arrived: mpsc::UnboundedSender<Arrived>,
    pub offline: Mutex<HashSet<String>>,
    /// What is said in these words does not arrive at the first try.
    pub missed: Mutex<HashSet<String>>,
    pub answers: Mutex<HashMap<String, Response<'static>>>,
    pub asked: Mutex<Vec<Request<'static>>>,
}

#[async_trait]
impl MonsterPort for Monsters {
    async fn deliver(&self, to: &Address, via: &Address, message: &Arc<Outgoing>) -> Result<(), DeliveryError> {
        if self.offline.lock().contains(to.as_str()) {
            let retry_after = Some(Duration::from_hours(1));
            return Err(DeliveryError::Transient { why: "nobody is online".to_owned(), retry_after });
        }
        if let Act::Say { text, .. } = &message.act
            && self.missed.lock().remove(text)
        {
            return Err(DeliveryError::transient("nobody is online at this moment"));
        }
        let _ = self.arrived.send((to.to_string(), via.to_string(), Arc::clone(message)));
        Ok(())
    }

    fn has_room(&self, _: &Address) -> bool {
        true
    }

    async fn ask(
        &self,
        to: &Address,
        _: &Address,
        request: Request<'static>,
    ) -> Result<Response<'static>, RequestError> {
        let answer = self.answers.lock().get(to.as_str()).cloned();
        let unreachable = || RequestError::Unavailable("it cannot be reached".to_owned());
        let answer = answer.map(|answer| Response { message_id: request.message_id.clone(), ..answer });
        self.asked.lock().push(request);
        answer.ok_or_else(unreachable)
    }

    async fn end_revoked(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn push(&self, _: &Address, _: &Sockets, _: &Request<'_>) -> Vec<Pushed> {
        Vec::new()
    }
}

/// What the next try of a delivery at the bridge leads to.
#[derive(Debug, Clone)]
pub(super) enum Next {
    Fail(DeliveryError),
    /// It reaches the network, but the bridge cannot tell.
    DoneButUncertain,
    Panic,
}

/// The bridges `net` and `far`: `#room` is a room, everything else a person; names are lower-case.
/// Rooms called `#closed…` are not open to everybody.
pub(super) struct Net {
    delivered: mpsc::UnboundedSender<Delivery>,
    pub next: Mutex<VecDeque<Next>>,
    pub capabilities: Mutex<Capabilities>,
    pub on_network: Mutex<HashMap<String, Receipt>>,
    pub searched: AtomicU64,
    pub joined: Mutex<Vec<(String, String, Option<String>)>>,
    pub admission: Mutex<Admission>,
    pub rooms: Mutex<HashMap<String, Option<RoomUse>>>,
    pub crashes: AtomicU64,
    host: watch::Sender<Option<Arc<dyn Host>>>,
    ids: AtomicU64,
    pub hints: Mutex<Vec<HintDelivery>>,
}

impl Net {
    fn new(capabilities: Capabilities) -> (Arc<Self>, mpsc::UnboundedReceiver<Delivery>) {
        let (deliveries, delivered) = mpsc::unbounded_channel();
        let net = Self {
            delivered: deliveries,
            next: Mutex::default(),
            capabilities: Mutex::new(capabilities),
            on_network: Mutex::default(),
            searched: AtomicU64::new(0),
            joined: Mutex::default(),
            admission: Mutex::new(Admission::Accepted),
            rooms: Mutex::default(),
            crashes: AtomicU64::new(0),
            host: watch::Sender::new(None),
            ids: AtomicU64::new(0),
            hints: Mutex::default(),
        };
        (Arc::new(net), delivered)
    }

    pub(super) async fn host(&self) -> Arc<dyn Host> {
        let mut host = self.host.subscribe();
        let host = host.wait_for(Option::is_some).await.expect("the bridge lives").clone();
        host.expect("it has a host")
    }

    /// Somebody says something on the network.
    pub(super) async fn says(&self, id: &str, who: &str, venue: Venue, words: &str) -> Accepted {
        let content = Content { text: Text::plain(words), ..Content::default() };
        self.happens(id, who, venue, EventKind::Message(content)).await
    }

    pub(super) async fn happens(&self, id: &str, who: &str, venue: Venue, kind: EventKind) -> Accepted {
        self.host().await.accept(event(id, who, venue, kind)).await.expect("accepted")
    }

    fn reach(&self, delivery: &Delivery) -> Receipt {
        let id = format!("n{}", self.ids.fetch_add(1, Ordering::Relaxed));
        let receipt = Receipt { ids: vec![EventId::new(id)] };
        self.on_network.lock().insert(delivery.key.as_str().to_owned(), receipt.clone());
        let _ = self.delivered.send(delivery.clone());
        receipt
    }
}

pub(super) fn event(id: &str, who: &str, venue: Venue, kind: EventKind) -> Event {
    Event {
        id: EventId::new(id),
        venue,
        author: RemoteUser { id: RemoteId::new(who.to_lowercase()), name: who.to_owned(), picture: None },
        at: SystemTime::now(),
        key: None,
        kind,
        persona: None,
        cursor: None,
    }
}

pub(super) fn room(name: &str) -> Venue {
    Venue::Room(RemoteId::new(name))
}

pub(super) fn private(to: &Address) -> Venue {
    Venue::Private(PersonaId::new(to.as_str()))
}

#[async_trait]
impl Bridge for Net {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        if name.contains(' ') {
            return Err(BadName { name: name.to_owned(), why: "no spaces".to_owned() });
        }
        Ok(RemoteId::new(name.to_lowercase()))
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.as_str().to_owned()
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        if id.as_str().starts_with('#') { PlaceKind::Group } else { PlaceKind::Person }
    }

    fn capabilities(&self, _: &RemoteId) -> Capabilities {
        self.capabilities.lock().clone()
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        let left = self.crashes.load(Ordering::Relaxed);
        if left > 0 {
            self.crashes.store(left - 1, Ordering::Relaxed);
            panic!("told to");
        }
        for usage in host.rooms().await.map_err(|error| RunError(error.to_string()))? {
            self.rooms.lock().insert(usage.room.to_string(), Some(usage));
        }
        host.report(Health::Up);
        self.host.send_replace(Some(host));
        stop.cancelled().await;
        Ok(())
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        let info = Vec::new();
        Ok(Profile { name: target.to_string(), picture: None, kind: self.kind_of(target), info })
    }

    async fn join(&self, who: &Author, target: &RemoteId, pass: Option<&str>) -> Result<Admission, RequestError> {
        self.joined.lock().push((who.id.to_string(), target.to_string(), pass.map(str::to_owned)));
        Ok(*self.admission.lock())
    }

    async fn may_be_linked(&self, room: &RemoteId) -> Result<(), RequestError> {
        let closed = room.as_str().starts_with("#closed");
        if closed { Err(RequestError::Refused(format!("{room} is closed"))) } else { Ok(()) }
    }

    fn hint(&self, hint: HintDelivery) {
        self.hints.lock().push(hint);
    }

    async fn leave(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        self.joined.lock().retain(|(account, place, _)| account != who.id.as_str() || place != target.as_str());
        Ok(())
    }

    async fn use_room(&self, room: &RemoteId, usage: Option<RoomUse>) {
        self.rooms.lock().insert(room.to_string(), usage);
    }

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        let next = self.next.lock().pop_front();
        match next {
            None => Ok(self.reach(delivery)),
            Some(Next::Fail(error)) => Err(error),
            Some(Next::Panic) => panic!("told to"),
            Some(Next::DoneButUncertain) => {
                self.reach(delivery);
                Err(DeliveryError::uncertain("the connection broke"))
            }
        }
    }

    async fn find(&self, delivery: &Delivery) -> Result<Found, DeliveryError> {
        self.searched.fetch_add(1, Ordering::Relaxed);
        let known = self.on_network.lock().get(delivery.key.as_str()).cloned();
        Ok(known.map_or(Found::Absent, Found::Delivered))
    }

    async fn command(&self, _: &Author, line: &str) -> String {
        format!("you said {line}")
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        Vec::new()
    }
}

/// A router with its neighbours.
pub(super) struct World {
    pub core: Arc<Core>,
    pub store: Arc<dyn Store>,
    pub monsters: Arc<Monsters>,
    pub net: Arc<Net>,
    pub far: Arc<Net>,
    arrived: mpsc::UnboundedReceiver<Arrived>,
    delivered: mpsc::UnboundedReceiver<Delivery>,
    delivered_far: mpsc::UnboundedReceiver<Delivery>,
    data: Arc<tempfile::TempDir>,
    ids: AtomicU64,
}

impl World {
    pub(super) async fn new() -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::on(data, impatient(), |_| {}).await
    }

    pub(super) async fn with(settings: Settings, prepare: impl FnOnce(&Monsters)) -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a directory"));
        Self::on(data, settings, prepare).await
    }

    async fn on(data: Arc<tempfile::TempDir>, settings: Settings, prepare: impl FnOnce(&Monsters)) -> Self {
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data.path()).expect("a store"));
        let (arrivals, arrived) = mpsc::unbounded_channel();
        let (net, delivered) = Net::new(Capabilities::text_only());
        let (far, delivered_far) = Net::new(Capabilities::text_only());
        let monsters = Arc::new(Monsters {
            arrived: arrivals,
            offline: Mutex::default(),
            missed: Mutex::default(),
            answers: Mutex::default(),
            asked: Mutex::default(),
        });
        let authority = Authority::new(HOST, None).expect("a host");
        prepare(&monsters);
        let core = Core::new(Environment::system(), Arc::clone(&store), settings, authority);
        let (bridge, port) = (Arc::clone(&net), Arc::clone(&monsters));
        core.register_bridge(&InstanceName::new("net"), bridge);
        core.register_bridge(&InstanceName::new("far"), Arc::<Net>::clone(&far));
        core.set_port(port);
        core.start().await.expect("started");
        Self { core, store, monsters, net, far, arrived, delivered, delivered_far, data, ids: AtomicU64::new(0) }
    }

    /// Stops everything and starts it again on the same data, as after a crash; what the network
    /// has seen stays.
    pub(super) async fn again(self, prepare: impl FnOnce(&Monsters)) -> Self {
        let Self { core, store, net, far, data, .. } = self;
        core.stop(Duration::from_secs(5)).await;
        store.close().await;
        drop((core, store));
        let (on_network, on_far) = (net.on_network.lock().clone(), far.on_network.lock().clone());
        let world = Self::on(data, impatient(), prepare).await;
        world.net.on_network.lock().extend(on_network);
        world.far.on_network.lock().extend(on_far);
        world
    }

    pub(super) fn data_dir(&self) -> &std::path::Path {
        self.data.path()
    }

    pub(super) async fn account(&self, name: &str, kind: AccountKind, pass: Option<&str>) -> Address {
        let pass = pass.map(str::to_owned);
        let account = Account { name: name.to_owned(), kind, nickname: None, picture: None, pass, created: 0 };
        self.admin().add_account(account).await.expect("an account")
    }

    pub(super) async fn person(&self, name: &str) -> Address {
        self.account(name, AccountKind::Person, None).await
    }

    pub(super) fn admin(&self) -> &Admin {
        self.core.admin()
    }

    pub(super) async fn link(&self, ends: &[&Address]) -> i64 {
        let ends = ends.iter().map(|address| NewEnd { address: (*address).clone(), posting: None }).collect();
        self.admin().add_link(ends, None).await.expect("a link").id
    }

    pub(super) async fn ask(&self, who: &Peer, to: &Address, body: RequestBody<'_>) -> Response<'static> {
        let id = format!("t{}", self.ids.fetch_add(1, Ordering::Relaxed));
        self.core.request(who, to, Request::new(id, body)).await
    }

    pub(super) async fn join(&self, who: &Peer, to: &Address) -> Response<'static> {
        self.ask(who, to, RequestBody::Join { pass: None }).await
    }

    /// Says something with an id, and expects that it is accepted.
    pub(super) async fn say(&self, who: &Peer, to: &Address, id: &str, words: &str) {
        let response = self.core.request(who, to, text(id, words)).await;
        assert_eq!(response.status, Status::Accepted, "{:?}", response.error);
    }

    /// The next frame that arrives at the Monster side.
    pub(super) async fn arrives(&mut self) -> Arrived {
        let arrived = tokio::time::timeout(Duration::from_secs(20), self.arrived.recv()).await;
        arrived.expect("a frame arrives within 20 s").expect("the port lives")
    }

    /// The next so many, by whom they are for.
    pub(super) async fn arrive(&mut self, count: usize) -> Vec<Arrived> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push(self.arrives().await);
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// The next delivery that reaches the network.
    pub(super) async fn reaches_network(&mut self) -> Delivery {
        let delivered = tokio::time::timeout(Duration::from_secs(20), self.delivered.recv()).await;
        delivered.expect("a delivery reaches the network within 20 s").expect("the bridge lives")
    }

    /// The next delivery that reaches the network of `far`.
    pub(super) async fn reaches_far(&mut self) -> Delivery {
        let delivered = tokio::time::timeout(Duration::from_secs(20), self.delivered_far.recv()).await;
        delivered.expect("a delivery reaches the far network within 20 s").expect("the bridge lives")
    }

    /// Waits until nothing waits to be delivered, then expects that nothing more arrived.
    pub(super) async fn nothing_more(&mut self) {
        self.settled().await;
        let arrived = self.arrived.try_recv().ok().map(|(to, _, message)| (to, message.act.clone()));
        assert!(arrived.is_none(), "nothing more should arrive, but: {arrived:?}");
        let delivered = self.delivered.try_recv().ok();
        assert!(delivered.is_none(), "nothing more should reach the network, but: {delivered:?}");
        let delivered = self.delivered_far.try_recv().ok();
        assert!(delivered.is_none(), "nothing more should reach the far network, but: {delivered:?}");
    }

    /// Waits until the journal holds no delivery.
    pub(super) async fn settled(&self) {
        eventually("the journal is worked through", async || {
            self.store.stats().await.is_ok_and(|stats| stats.waiting == 0)
        })
        .await;
    }
}

/// Waits until something is so, at most 20 s.
pub(super) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Settings in which nothing takes long.
pub(super) fn impatient() -> Settings {
    Settings {
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(50),
        try_for: Duration::from_secs(10),
        ..Settings::default()
    }
}

/// A local account on its home socket.
pub(super) fn home(account: &Address) -> Peer {
    speaker(account, Side::Home)
}

/// An account of another server.
pub(super) fn remote(account: &str) -> Peer {
    speaker(&at(account), Side::Remote)
}

fn speaker(account: &Address, side: Side) -> Peer {
    Peer::Account(Speaker {
        account: account.clone(),
        side,
        ext: true,
        nickname: None,
        picture: None,
        device: DeviceId::new("test"),
    })
}

pub(super) fn text(id: &str, words: &str) -> Request<'static> {
    Request::new(id.to_owned(), RequestBody::Text { text: words.to_owned().into() })
}

/// A key that another gateway could have made.
pub(super) fn foreign_key(letter: char) -> MessageKey {
    MessageKey::new(format!("mg-{}", letter.to_string().repeat(26)))
}
