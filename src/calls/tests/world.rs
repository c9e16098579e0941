//! What the tests of calls stand on.

use crate::calls::{Calls, Settings};
use crate::core::{
    Core, Environment, MonsterPort, Outgoing, Peer, Pushed, Settings as CoreSettings, Side, Sockets, Speaker,
};
use crate::store::sqlite::SqliteStore;
use crate::store::{Account, AccountKind, Store, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{
    Action, Admission, Author, BadName, Bridge, CallDelivery, CallError, CallHeard, CallId, CallStep, Capabilities,
    Delivery, DeliveryError, DeviceId, Found, Health, Host, InstanceName, PersonaId, PlaceKind, Profile, Receipt,
    RemoteId, RemoteUser, RequestError, RoomUse, RunError, Support,
};
use monster_media::Relay;
use monster_protocol::{
    Address, Authority, CallContext, CallSignal, CallStep as Wire, Media, Request, RequestBody, Response, Status,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long one event may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A voice's session description, as a browser writes it; `setup` is `actpass` in an offer.
pub(super) fn description(setup: &str) -> String {
    let fingerprint = (0..32).map(|n| format!("{n:02X}")).collect::<Vec<_>>().join(":");
    let head = "v=0\r\no=- 46117314 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n";
    let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:hGYx\r\n\
                 a=ice-pwd:bVoC0kVpWsc1XU9C7mvbwkTi\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n\
                 a=rtpmap:111 opus/48000/2\r\na=ssrc:1001 cname:c\r\n";
    format!("{head}{media}a=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}\r\n")
}

/// The Monster side: every account has one device, `phone`, and what it is sent is noted.
struct Port {
    pushed: mpsc::UnboundedSender<(Address, Request<'static>)>,
    said: mpsc::UnboundedSender<(Address, Arc<Outgoing>)>,
}

#[async_trait]
impl MonsterPort for Port {
    async fn deliver(&self, to: &Address, _: &Address, message: &Arc<Outgoing>) -> Result<(), DeliveryError> {
        let _ = self.said.send((to.clone(), Arc::clone(message)));
        Ok(())
    }

    fn has_room(&self, _: &Address) -> bool {
        true
    }

    async fn ask(&self, to: &Address, _: &Address, _: Request<'static>) -> Result<Response<'static>, RequestError> {
        Err(RequestError::Unavailable(format!("{to} cannot be reached")))
    }

    async fn end_revoked(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn push(&self, to: &Address, sockets: &Sockets, request: &Request<'_>) -> Vec<Pushed> {
        let device = DeviceId::new("phone");
        if *sockets == Sockets::AllBut(device.clone()) {
            return Vec::new();
        }
        let answer = request.answer(Status::Accepted);
        let _ = self.pushed.send((to.clone(), request.clone().into_owned()));
        vec![Pushed { device, answer: Box::pin(async move { Some(answer) }) }]
    }
}

/// A network that carries calls, except to `old`, who has none, and to what begins with `plain`,
/// where it knows beforehand. Nothing can be said to `plain-gone` ever, nor to `plain-far` now.
pub(super) struct Net {
    host: watch::Sender<Option<Arc<dyn Host>>>,
    called: mpsc::UnboundedSender<CallDelivery>,
    said: mpsc::UnboundedSender<Delivery>,
    /// Something was to be said to `plain-far`.
    pub(super) far: tokio::sync::Notify,
}

impl Net {
    /// Somebody on the network takes a step of a call with `to`.
    pub(super) async fn does(&self, who: &str, to: &Address, call: &str, step: CallStep) -> Result<(), CallError> {
        self.does_on(None, who, to, call, step).await
    }

    /// The same on one of their devices.
    pub(super) async fn does_on(
        &self,
        device: Option<&str>,
        who: &str,
        to: &Address,
        call: &str,
        step: CallStep,
    ) -> Result<(), CallError> {
        let device = device.map(DeviceId::new);
        let mut host = self.host.subscribe();
        let host = host.wait_for(Option::is_some).await.expect("the bridge lives").clone().expect("it has a host");
        let author = RemoteUser { id: RemoteId::new(who), name: who.to_owned(), picture: None };
        let to = PersonaId::new(to.as_str());
        host.call(CallHeard { call: CallId::new(call), author, device, to, step }).await
    }
}

#[async_trait]
impl Bridge for Net {
    fn id_of(&self, name: &str) -> Result<RemoteId, BadName> {
        Ok(RemoteId::new(name))
    }

    fn name_of(&self, id: &RemoteId) -> String {
        id.as_str().to_owned()
    }

    fn kind_of(&self, id: &RemoteId) -> PlaceKind {
        if id.as_str().starts_with('#') { PlaceKind::Group } else { PlaceKind::Person }
    }

    fn capabilities(&self, target: &RemoteId) -> Capabilities {
        let plain = target.as_str().starts_with("plain") || self.kind_of(target) == PlaceKind::Group;
        Capabilities { call: if plain { Support::Words } else { Support::Full }, ..Capabilities::text_only() }
    }

    async fn run(&self, host: Arc<dyn Host>, stop: CancellationToken) -> Result<(), RunError> {
        host.report(Health::Up);
        self.host.send_replace(Some(host));
        stop.cancelled().await;
        Ok(())
    }

    async fn profile(&self, target: &RemoteId) -> Result<Profile, RequestError> {
        Err(RequestError::Unknown(target.to_string()))
    }

    async fn join(&self, _: &Author, _: &RemoteId, _: Option<&str>) -> Result<Admission, RequestError> {
        Ok(Admission::Accepted)
    }

    async fn leave(&self, _: &Author, _: &RemoteId) -> Result<(), RequestError> {
        Ok(())
    }

    async fn use_room(&self, _: &RemoteId, _: Option<RoomUse>) {}

    async fn deliver(&self, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
        match delivery.target.as_str() {
            "plain-gone" => return Err(DeliveryError::permanent("no such nick")),
            "plain-far" => {
                self.far.notify_one();
                return Err(DeliveryError::transient("the network is away"));
            }
            _ => {}
        }
        let _ = self.said.send(delivery.clone());
        Ok(Receipt::default())
    }

    async fn find(&self, _: &Delivery) -> Result<Found, DeliveryError> {
        Ok(Found::Absent)
    }

    async fn call(&self, step: CallDelivery) -> Result<(), CallError> {
        if step.target.as_str() == "old" {
            return Err(CallError::Unsupported("their client has no calls".to_owned()));
        }
        let _ = self.called.send(step);
        Ok(())
    }

    async fn command(&self, _: &Author, _: &str) -> String {
        String::new()
    }

    async fn diagnose(&self) -> Vec<Result<String, String>> {
        Vec::new()
    }
}

/// A router with calls, `alice` and `bob` at home on it, and the networks `net` and `far`, of which it
/// is told together what they are to do.
pub(super) struct World {
    pub calls: Arc<Calls>,
    pub net: Arc<Net>,
    pub far: Arc<Net>,
    pub alice: Address,
    pub bob: Address,
    pub store: Arc<dyn Store>,
    core: Arc<Core>,
    pushed: Mutex<mpsc::UnboundedReceiver<(Address, Request<'static>)>>,
    said: Mutex<mpsc::UnboundedReceiver<(Address, Arc<Outgoing>)>>,
    called: Mutex<mpsc::UnboundedReceiver<CallDelivery>>,
    delivered: Mutex<mpsc::UnboundedReceiver<Delivery>>,
    ids: AtomicU64,
    _data: tempfile::TempDir,
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data.path()).expect("a store"));
        let (to_pushed, pushed) = mpsc::unbounded_channel();
        let (to_said, said) = mpsc::unbounded_channel();
        let (to_called, called) = mpsc::unbounded_channel();
        let (to_delivered, delivered) = mpsc::unbounded_channel();
        let network = || {
            let (called, said, far) = (to_called.clone(), to_delivered.clone(), tokio::sync::Notify::new());
            Arc::new(Net { host: watch::Sender::new(None), called, said, far })
        };
        let (net, far) = (network(), network());
        let authority = Authority::new("gw.example", None).expect("a host");
        let environment = Environment::system();
        let core = Core::new(environment.clone(), Arc::clone(&store), CoreSettings::default(), authority);
        let bridge: Arc<dyn Bridge> = Arc::clone(&net) as Arc<dyn Bridge>;
        core.register_bridge(&InstanceName::new("net"), bridge);
        core.register_bridge(&InstanceName::new("far"), Arc::clone(&far) as Arc<dyn Bridge>);
        #[cfg(feature = "echo")]
        core.register_bridge(&InstanceName::new("echo"), echo());
        core.set_port(Arc::new(Port { pushed: to_pushed, said: to_said }));
        let mut settings = Settings::new("https://gw.example");
        change(&mut settings);
        let udp_listen = "127.0.0.1:0".parse().expect("an address");
        let options = monster_media::Options { udp_listen, workers: 1, ..monster_media::Options::default() };
        let relay = Relay::bind(options).await.expect("a relay");
        let calls = Calls::new(Arc::clone(&core), Arc::clone(&store), environment, relay, settings);
        core.set_desk(calls.desk());
        core.start().await.expect("started");
        let alice = person(&core, "alice").await;
        let bob = person(&core, "bob").await;
        Self {
            calls,
            net,
            far,
            alice,
            bob,
            store,
            core,
            pushed: Mutex::new(pushed),
            said: Mutex::new(said),
            called: Mutex::new(called),
            delivered: Mutex::new(delivered),
            ids: AtomicU64::new(0),
            _data: data,
        }
    }

    /// Somebody or somewhere on the network.
    pub(super) fn on_net(name: &str) -> Address {
        format!("@{name}:net:gw.example").parse().expect("an address")
    }

    /// Somebody or somewhere on the other network.
    pub(super) fn on_far(name: &str) -> Address {
        format!("@{name}:far:gw.example").parse().expect("an address")
    }

    /// A local account makes a request about a call.
    pub(super) async fn asks(&self, who: &Address, to: &Address, context: CallContext) -> Response<'static> {
        let id = format!("t{}", self.ids.fetch_add(1, Ordering::Relaxed));
        let device = DeviceId::new("phone");
        let account = who.clone();
        let speaker = Speaker { account, side: Side::Home, ext: true, nickname: None, picture: None, device };
        let body = RequestBody::Call { media: Media::Voice, context };
        self.core.request(&Peer::Account(speaker), to, Request::new(id, body)).await
    }

    /// The same for a step, which is expected to be taken.
    pub(super) async fn does(&self, who: &Address, to: &Address, call: &str, step: Wire) {
        let answer = self.asks(who, to, CallContext::Signal(CallSignal::new(call, step))).await;
        assert_eq!(answer.status, Status::Accepted, "{:?}", answer.error);
    }

    /// Calls.
    pub(super) async fn calls(&self, who: &Address, to: &Address, call: &str) {
        self.does(who, to, call, Wire::Offer(description("actpass"))).await;
    }

    /// The next step that an account is pushed; candidates are passed over.
    pub(super) async fn hears(&self, who: &Address) -> CallSignal {
        self.hears_of(who).await.1
    }

    /// The same, and what the one is called whose step it is.
    pub(super) async fn hears_of(&self, who: &Address) -> (String, CallSignal) {
        loop {
            let (to, request) = next(&self.pushed, "a pushed step").await;
            assert_eq!(to, *who);
            let nickname = request.ext.nickname.clone().unwrap_or_default().into_owned();
            let RequestBody::Call { context: CallContext::Signal(signal), .. } = request.body else {
                panic!("no step: {:?}", request.body)
            };
            if signal.step != Wire::Candidates {
                return (nickname, signal);
            }
        }
    }

    /// The next step that the network is told; candidates are passed over.
    pub(super) async fn net_hears(&self) -> CallDelivery {
        loop {
            let delivery = next(&self.called, "a step for the network").await;
            if !matches!(delivery.step, CallStep::Candidates(_)) {
                return delivery;
            }
        }
    }

    /// The next message that the network is to say.
    pub(super) async fn net_says(&self) -> (Delivery, String) {
        let delivery = next(&self.delivered, "a message for the network").await;
        let Action::Send { content, .. } = &delivery.action else { panic!("no message: {delivery:?}") };
        let text = content.text.to_plain();
        (delivery, text)
    }

    /// The next message that an account is sent.
    pub(super) async fn reads(&self, who: &Address) -> String {
        let (to, message) = next(&self.said, "a message").await;
        assert_eq!(to, *who);
        match (&message.words, &message.act) {
            (Some(words), _) => words.clone(),
            (None, crate::core::Act::Say { text, .. }) => text.clone(),
            (None, act) => panic!("no words: {act:?}"),
        }
    }
}

#[cfg(feature = "echo")]
fn echo() -> Arc<dyn Bridge> {
    let scope = monster_bridge_api::Scope {
        instance: InstanceName::new("echo"),
        public_host: "gw.example".to_owned(),
        public_url: "https://gw.example".to_owned(),
        data_dir: std::path::PathBuf::new(),
    };
    monster_bridge_echo::factory(scope, serde_json::json!({})).expect("an echo")
}

async fn next<T>(from: &Mutex<mpsc::UnboundedReceiver<T>>, what: &str) -> T {
    let next = tokio::time::timeout(PATIENCE, async { from.lock().await.recv().await }).await;
    next.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}")).expect("the other side lives")
}

async fn person(core: &Core, name: &str) -> Address {
    let (name, kind) = (name.to_owned(), AccountKind::Person);
    let account = Account { name, kind, nickname: None, picture: None, pass: None, created: 0 };
    core.admin().add_account(account).await.expect("an account")
}
