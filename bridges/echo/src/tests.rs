//! The echo with a host that records what it is handed.

use super::*;
use monster_bridge_api::{
    Accepted, Action, Block, BlockKind, CallError, CallHeard, CallId, CallMedia, CallStep, Content, ContentStyle,
    Devices, EndReason, Event, EventKind, Hint, HostError, MessageKey, PersonaId, Reference, Span, Text, Venue,
};
use serde_json::json;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Keeps events by id, as the core's journal does, and answers what it is told to.
struct Recorder {
    events: Mutex<Vec<Event>>,
    refuse: Mutex<Option<AcceptError>>,
    calls: Mutex<Vec<CallHeard>>,
    health: watch::Sender<Option<Health>>,
}

impl Recorder {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            events: Mutex::default(),
            refuse: Mutex::default(),
            calls: Mutex::default(),
            health: watch::Sender::new(None),
        })
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().iter().map(|event| event.kind.clone()).collect()
    }
}

#[async_trait]
impl Host for Recorder {
    async fn accept(&self, event: Event) -> Result<Accepted, AcceptError> {
        if let Some(error) = self.refuse.lock().unwrap().take() {
            return Err(error);
        }
        let mut events = self.events.lock().unwrap();
        if events.iter().any(|known| known.id == event.id) {
            return Ok(Accepted::Known);
        }
        events.push(event);
        Ok(Accepted::New)
    }

    async fn call(&self, heard: CallHeard) -> Result<(), CallError> {
        self.calls.lock().unwrap().push(heard);
        Ok(())
    }

    fn hint(&self, _hint: Hint) {}

    async fn rooms(&self) -> Result<Vec<RoomUse>, HostError> {
        Ok(Vec::new())
    }

    async fn load(&self, _key: &str) -> Result<Option<String>, HostError> {
        panic!("the echo keeps no state");
    }

    async fn save(&self, _key: &str, _value: Option<&str>) -> Result<(), HostError> {
        panic!("the echo keeps no state");
    }

    async fn load_all(&self, _prefix: &str) -> Result<Vec<(String, String)>, HostError> {
        panic!("the echo keeps no state");
    }

    fn report(&self, health: Health) {
        self.health.send_replace(Some(health));
    }
}

fn scope() -> Scope {
    Scope {
        instance: monster_bridge_api::InstanceName::new("echo"),
        public_host: "gw.example.org".to_owned(),
        public_url: "https://gw.example.org".to_owned(),
        data_dir: std::path::PathBuf::new(),
    }
}

/// A running echo and the host it hands its events to.
async fn running() -> (Arc<dyn Bridge>, Arc<Recorder>, CancellationToken) {
    let bridge = factory(scope(), json!({})).unwrap();
    let (host, stop) = (Recorder::new(), CancellationToken::new());
    let mut health = host.health.subscribe();
    let (task_bridge, task_host, task_stop) = (Arc::clone(&bridge), Arc::clone(&host), stop.clone());
    tokio::spawn(async move { task_bridge.run(task_host, task_stop).await });
    tokio::time::timeout(Duration::from_secs(5), health.wait_for(|now| *now == Some(Health::Up)))
        .await
        .expect("the echo did not report that it is up within 5 s")
        .unwrap();
    (bridge, host, stop)
}

fn delivery(key: &str, action: Action) -> Delivery {
    let author = Author { id: PersonaId::new("@alice:gw.example.org"), name: "alice".to_owned(), picture: None };
    Delivery {
        key: MessageKey::new(key),
        target: RemoteId::new(ECHO),
        author,
        posting: None,
        action,
        accepted: SystemTime::now(),
    }
}

fn say(key: &str, words: &str) -> Delivery {
    let content = Content { text: Text::plain(words), ..Content::default() };
    delivery(key, Action::Send { content, reply_to: None })
}

/// A message as the core names it later, once its delivery gave `id`.
fn earlier(id: &str) -> Reference {
    Reference {
        ids: vec![EventId::new(id)],
        key: MessageKey::new("mg-whatever"),
        author: None,
        author_name: "alice".to_owned(),
        excerpt: "hello".to_owned(),
    }
}

#[tokio::test]
async fn what_is_said_comes_back_to_who_said_it() {
    let (bridge, host, _stop) = running().await;
    let receipt = bridge.deliver(&say("k1", "hello")).await.unwrap();
    assert_eq!(receipt.ids, [EventId::new("k1")]);

    let events = host.events.lock().unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].venue, Venue::Private(PersonaId::new("@alice:gw.example.org")));
    assert_eq!(events[0].author.id, RemoteId::new("echo"));
    let EventKind::Message(content) = &events[0].kind else { panic!("not a message: {:?}", events[0].kind) };
    assert_eq!(content.text, Text::plain("hello"));
}

#[tokio::test]
async fn a_delivery_that_is_done_again_after_a_crash_is_answered_once() {
    let (bridge, host, _stop) = running().await;
    let first = bridge.deliver(&say("k1", "hello")).await.unwrap();
    assert_eq!(bridge.find(&say("k1", "hello")).await.unwrap(), Found::Absent);
    assert_eq!(bridge.deliver(&say("k1", "hello")).await.unwrap(), first);
    assert_eq!(host.kinds().len(), 1);
}

#[tokio::test]
async fn the_copy_is_edited_and_recalled_when_the_original_is() {
    let (bridge, host, _stop) = running().await;
    let original = bridge.deliver(&say("k1", "helo")).await.unwrap().ids.remove(0);
    let copy = host.events.lock().unwrap()[0].id.clone();

    let content = Content { text: Text::plain("hello"), ..Content::default() };
    let edit = Action::Edit { target: earlier(original.as_str()), content: content.clone() };
    bridge.deliver(&delivery("k2", edit)).await.unwrap();
    let recall = Action::Recall { target: earlier(original.as_str()), reason: None };
    bridge.deliver(&delivery("k3", recall)).await.unwrap();

    let kinds = host.kinds();
    assert_eq!(kinds[1], EventKind::Edit { target: copy.clone(), content });
    assert_eq!(kinds[2], EventKind::Recall { target: copy, reason: None });
}

#[tokio::test]
async fn replies_and_emoji_go_to_the_message_that_the_original_named() {
    let (bridge, host, _stop) = running().await;
    let content = Content { text: Text::plain("indeed"), ..Content::default() };
    let reply = Action::Send { content, reply_to: Some(earlier("copy:k0")) };
    bridge.deliver(&delivery("k1", reply)).await.unwrap();
    let react = Action::React { target: earlier("copy:k0"), emoji: "👍".to_owned(), remove: true };
    bridge.deliver(&delivery("k2", react)).await.unwrap();

    let kinds = host.kinds();
    let EventKind::Message(content) = &kinds[0] else { panic!("not a message: {:?}", kinds[0]) };
    assert_eq!(content.reply_to, Some(EventId::new("copy:k0")));
    let target = EventId::new("copy:k0");
    assert_eq!(kinds[1], EventKind::Reaction { target, emoji: "👍".to_owned(), removed: true });
}

#[tokio::test]
async fn a_notice_is_not_answered() {
    let (bridge, host, _stop) = running().await;
    let content = Content { text: Text::plain("beep"), style: ContentStyle::Notice, ..Content::default() };
    bridge.deliver(&delivery("k1", Action::Send { content, reply_to: None })).await.unwrap();
    assert!(host.kinds().is_empty());
}

#[tokio::test]
async fn a_mention_keeps_its_name_but_names_nobody_of_this_network() {
    let (bridge, host, _stop) = running().await;
    let mut span = Span::plain("bob");
    span.style.bold = true;
    span.style.mention = Some("@bob:gw.example.org".to_owned());
    let text = Text { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(vec![span.clone()]) }] };
    let content = Content { text, ..Content::default() };
    bridge.deliver(&delivery("k1", Action::Send { content, reply_to: None })).await.unwrap();

    let kinds = host.kinds();
    let EventKind::Message(content) = &kinds[0] else { panic!("not a message: {:?}", kinds[0]) };
    span.style.mention = None;
    assert_eq!(content.text.blocks[0].kind, BlockKind::Paragraph(vec![span]));
}

#[tokio::test]
async fn a_refusal_is_final_and_an_unavailable_journal_is_tried_again() {
    let (bridge, host, _stop) = running().await;
    *host.refuse.lock().unwrap() = Some(AcceptError::Refused("alice is gone".to_owned()));
    assert_eq!(bridge.deliver(&say("k1", "hello")).await, Err(DeliveryError::permanent("alice is gone")));
    *host.refuse.lock().unwrap() = Some(AcceptError::Unavailable("busy".to_owned()));
    assert_eq!(bridge.deliver(&say("k1", "hello")).await, Err(DeliveryError::transient("busy")));
    assert!(bridge.deliver(&say("k1", "hello")).await.is_ok());
}

#[tokio::test]
async fn nothing_is_lost_while_the_echo_does_not_run() {
    let bridge = factory(scope(), json!({})).unwrap();
    assert!(matches!(bridge.deliver(&say("k1", "hello")).await, Err(DeliveryError::Transient { .. })));
}

#[tokio::test]
async fn a_stopped_echo_returns_and_takes_no_more() {
    let (bridge, _host, stop) = running().await;
    stop.cancel();
    let other = CancellationToken::new();
    other.cancel();
    bridge.run(Recorder::new(), other).await.unwrap();
    assert!(matches!(bridge.deliver(&say("k1", "hello")).await, Err(DeliveryError::Transient { .. })));
}

#[tokio::test]
async fn only_the_echo_itself_lives_here() {
    let (bridge, _host, _stop) = running().await;
    let id = bridge.id_of("echo").unwrap();
    assert_eq!(bridge.name_of(&id), "echo");
    for stranger in ["Echo", "", "bob", "#room", "echo ", "echo\n"] {
        assert!(bridge.id_of(stranger).is_err(), "{stranger:?}");
        let id = RemoteId::new(stranger);
        assert!(matches!(bridge.profile(&id).await, Err(RequestError::Unknown(_))), "{stranger:?}");
        let sent = bridge.deliver(&Delivery { target: id, ..say("k1", "hello") }).await;
        assert!(matches!(sent, Err(DeliveryError::Permanent { .. })), "{stranger:?}");
    }
}

#[tokio::test]
async fn help_is_answered() {
    let (bridge, _host, _stop) = running().await;
    let who = say("k1", "").author;
    assert!(bridge.command(&who, "help").await.contains("`echo`"));
    assert!(bridge.command(&who, "nick bob").await.contains("`help`"));
}

#[tokio::test]
async fn a_configuration_section_may_name_the_echo_and_nothing_else() {
    let bridge = factory(scope(), json!({ "nickname": "Nymph" })).unwrap();
    assert_eq!(bridge.profile(&RemoteId::new("echo")).await.unwrap().name, "Nymph");

    let key = |section| factory(scope(), section).err().map(|error| error.key);
    assert_eq!(key(json!({ "nicknam": "Nymph" })).as_deref(), Some("nicknam"));
    assert_eq!(key(json!({ "nickname": 7 })).as_deref(), Some("nickname"));
    assert_eq!(key(json!({ "nickname": "a\r\nb" })).as_deref(), Some("nickname"));
    assert_eq!(key(json!("on")).as_deref(), Some(""));
}

fn call(step: CallStep) -> CallDelivery {
    let author = Author { id: PersonaId::new("@alice:gw.example.org"), name: "alice".to_owned(), picture: None };
    CallDelivery { call: CallId::new("c1"), author, target: RemoteId::new(ECHO), to: Devices::All, step }
}

#[tokio::test]
async fn a_call_is_answered_with_the_caller_s_own_media_and_nothing_else_is() {
    let (bridge, host, _stop) = running().await;
    assert_eq!(bridge.capabilities(&RemoteId::new(ECHO)).call, Support::Full);
    let offer = CallStep::Offer { media: CallMedia::Video, sdp: Some("v=0".to_owned()) };
    for step in [offer, CallStep::Candidates(Vec::new()), CallStep::End(EndReason::HungUp)] {
        bridge.call(call(step)).await.unwrap();
    }
    let heard = host.calls.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!((&heard[0].step, heard[0].call.as_str()), (&CallStep::LoopBack, "c1"));
    assert_eq!(heard[0].to, PersonaId::new("@alice:gw.example.org"));
}
