//! A running bridge, and the host it talks to.

mod proxy;
mod recorder;

pub(crate) use proxy::Proxy;
pub(crate) use recorder::Recorder;

use monster_bridge_api::{
    Action, Author, Bridge, Content, ContentStyle, Delivery, DeliveryError, Event, EventKind, Health, InstanceName,
    MessageKey, PersonaId, Posting, Receipt, Reference, RemoteId, RoomUse, Scope, Text, Venue,
};
use monster_testkit::{until, within};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

static KEYS: AtomicU64 = AtomicU64::new(1);

/// A bridge that runs, as the core would run it.
pub(crate) struct Running {
    pub(crate) bridge: Arc<dyn Bridge>,
    pub(crate) host: Arc<Recorder>,
    stop: CancellationToken,
    run: JoinHandle<()>,
    pub(crate) data: Arc<tempfile::TempDir>,
    section: Value,
}

/// The section that every test begins with.
pub(crate) fn section(server: SocketAddr) -> Value {
    json!({
        "server": server.to_string(),
        "tls": false,
        "nick": "gw",
        "flood": { "burst": 1000, "per_second": 1000.0 },
        "reconnect": { "min_ms": 20, "max_ms": 200 },
        "connects_per_minute": 6000,
    })
}

/// A section with some keys set.
pub(crate) fn section_with(server: SocketAddr, keys: &Value) -> Value {
    let mut section = section(server);
    for (key, value) in keys.as_object().expect("keys") {
        section[key] = value.clone();
    }
    section
}

impl Running {
    /// A bridge on this server, in these rooms, once it is in all of them.
    pub(crate) async fn start(section: Value, rooms: &[&str]) -> Self {
        let host = Arc::new(Recorder::default());
        for room in rooms {
            host.use_room(RoomUse { room: RemoteId::new(*room), posting: None, members: Vec::new() });
        }
        let running = Self::start_on(section, host, Arc::new(tempfile::tempdir().unwrap()));
        running.is_in(rooms.len()).await;
        running
    }

    /// Waits until the bot is connected, and in so many channels.
    pub(crate) async fn is_in(&self, rooms: usize) {
        self.is_up().await;
        let somebody = author("Somebody");
        let wanted = format!("in {rooms} channels");
        until("the bot being in its channels", || async {
            self.bridge.command(&somebody, "status").await.contains(&wanted).then_some(())
        })
        .await;
    }

    /// A bridge on a host that may have a past.
    pub(crate) fn start_on(section: Value, host: Arc<Recorder>, data: Arc<tempfile::TempDir>) -> Self {
        let scope = Scope {
            instance: InstanceName::new("net"),
            public_host: "gw.example".to_owned(),
            public_url: "https://gw.example".to_owned(),
            data_dir: data.path().to_owned(),
        };
        let bridge = monster_bridge_irc::factory(scope, section.clone()).expect("a valid section");
        let stop = CancellationToken::new();
        let run = tokio::spawn({
            let (bridge, host, stop) = (Arc::clone(&bridge), Arc::clone(&host), stop.clone());
            async move { bridge.run(host, stop).await.expect("the bridge runs until it is stopped") }
        });
        Self { bridge, host, stop, run, data, section }
    }

    /// Waits until the bot is connected.
    pub(crate) async fn is_up(&self) {
        within("the bot being connected", self.host.health(|health| *health == Health::Up)).await;
    }

    /// Ends it in good order.
    pub(crate) async fn stop(self) -> (Arc<Recorder>, Arc<tempfile::TempDir>) {
        self.stop.cancel();
        within("the end of the run", self.run).await.unwrap();
        (self.host, self.data)
    }

    /// Ends it as SIGKILL would: nothing is finished, nothing is said.
    pub(crate) async fn kill(self) -> (Arc<Recorder>, Arc<tempfile::TempDir>, Value) {
        self.run.abort();
        drop(self.run.await);
        (self.host, self.data, self.section)
    }

    /// Says something as somebody.
    pub(crate) async fn send(&self, who: &Author, target: &str, words: &str) -> Result<Receipt, DeliveryError> {
        self.bridge.deliver(&message(who, target, words)).await
    }

    /// Says something, and expects it to be acknowledged.
    pub(crate) async fn says(&self, who: &Author, target: &str, words: &str) -> Receipt {
        let sent = within("the acknowledgement", self.send(who, target, words)).await;
        sent.unwrap_or_else(|error| panic!("`{words}` to {target} was not acknowledged: {error:?}"))
    }

    /// The next message event with these words in it.
    pub(crate) async fn hears(&self, words: &str) -> Event {
        self.host
            .event(&format!("a message with `{words}`"), |event| text_of(event).is_some_and(|t| t.contains(words)))
            .await
    }
}

/// Somebody on the Monster side.
pub(crate) fn author(name: &str) -> Author {
    Author { id: PersonaId::new(format!("@{}:gw.example", name.to_lowercase())), name: name.to_owned(), picture: None }
}

/// A key that no other delivery has.
pub(crate) fn key() -> MessageKey {
    MessageKey::new(format!("mg-test{:022}", KEYS.fetch_add(1, Ordering::Relaxed)))
}

/// A delivery of words.
pub(crate) fn message(who: &Author, target: &str, words: &str) -> Delivery {
    deliver(who, target, Action::Send { content: content(words), reply_to: None })
}

/// A delivery.
pub(crate) fn deliver(who: &Author, target: &str, action: Action) -> Delivery {
    Delivery {
        key: key(),
        target: RemoteId::new(target),
        author: who.clone(),
        posting: None,
        action,
        accepted: SystemTime::now(),
    }
}

/// The same, by the bot.
pub(crate) fn relayed(delivery: Delivery) -> Delivery {
    Delivery { posting: Some(Posting::Relay), ..delivery }
}

/// Plain words.
pub(crate) fn content(words: &str) -> Content {
    Content { text: Text::plain(words), style: ContentStyle::Said, reply_to: None, attachments: Vec::new() }
}

/// A reference to what was delivered.
pub(crate) fn reference(who: &Author, receipt: &Receipt, words: &str) -> Reference {
    Reference {
        ids: receipt.ids.clone(),
        key: key(),
        author: None,
        author_name: who.name.clone(),
        excerpt: words.to_owned(),
    }
}

/// The words of a message event.
pub(crate) fn text_of(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::Message(content) => Some(content.text.to_plain()),
        _ => None,
    }
}

/// The room venue.
pub(crate) fn room(name: &str) -> Venue {
    Venue::Room(RemoteId::new(name))
}

/// The private venue of somebody.
pub(crate) fn to(who: &Author) -> Venue {
    Venue::Private(who.id.clone())
}
