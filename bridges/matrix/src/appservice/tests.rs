//! The homeserver's requests, with a host that records what it is handed.

use super::*;
use http::{Request, StatusCode, header};
use monster_bridge_api::{
    AcceptError, Accepted, CallError, CallHeard, Content, Event, EventKind, Health, Hint, HostError, InstanceName,
    Text, Venue,
};
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::task::TaskTracker;

/// Keeps events, and refuses once where it is told to.
#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
    is_full: Mutex<bool>,
}

#[async_trait]
impl Host for Recorder {
    async fn accept(&self, event: Event) -> Result<Accepted, AcceptError> {
        if std::mem::take(&mut *self.is_full.lock()) {
            return Err(AcceptError::Unavailable("the disk is full".to_owned()));
        }
        self.events.lock().push(event);
        Ok(Accepted::New)
    }

    async fn call(&self, _heard: CallHeard) -> Result<(), CallError> {
        Ok(())
    }

    fn hint(&self, _hint: Hint) {}

    async fn rooms(&self) -> Result<Vec<RoomUse>, HostError> {
        Ok(Vec::new())
    }

    async fn load(&self, _key: &str) -> Result<Option<String>, HostError> {
        Ok(None)
    }

    async fn save(&self, _key: &str, _value: Option<&str>) -> Result<(), HostError> {
        Ok(())
    }

    async fn load_all(&self, _prefix: &str) -> Result<Vec<(String, String)>, HostError> {
        Ok(Vec::new())
    }

    fn report(&self, _health: Health) {}
}

const TOKEN: &str = "the token of the homeserver";

/// An instance whose homeserver cannot be reached, and which runs.
fn instance() -> (Appservice, Arc<Recorder>) {
    let scope = Scope {
        instance: InstanceName::new("matrix"),
        public_host: "gw.example.org".to_owned(),
        public_url: "https://gw.example.org".to_owned(),
        data_dir: std::path::PathBuf::new(),
    };
    let token = TOKEN.replace(' ', "-");
    let section = json!({ "homeserver": "http://127.0.0.1:9", "server_name": "hs.test",
        "as_token": "the-token-of-the-bridge", "hs_token": token });
    let bridge = Appservice::new(scope, section).unwrap();
    let host = Arc::new(Recorder::default());
    let running = Running { host: host.clone(), stop: CancellationToken::new(), tasks: TaskTracker::new() };
    bridge.0.set_running(Some(Arc::new(running)));
    (bridge, host)
}

fn message(id: &str, content: impl Into<Value>) -> Value {
    let content = content.into();
    json!({ "type": "m.room.message", "event_id": id, "room_id": "!r:hs.test", "sender": "@bob:hs.test",
            "origin_server_ts": 1, "content": content })
}

async fn put(bridge: &Appservice, transaction: &str, token: &str, body: String) -> Option<StatusCode> {
    let request = Request::put(format!("/_matrix/app/v1/transactions/{transaction}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", token.replace(' ', "-")))
        .body(Bytes::from(body))
        .unwrap();
    Some(bridge.web(&request).await?.status())
}

fn said(host: &Recorder) -> Vec<String> {
    let words = |event: &Event| match &event.kind {
        EventKind::Message(Content { text, .. }) => text.to_plain(),
        other => format!("{other:?}"),
    };
    host.events.lock().iter().map(words).collect()
}

#[tokio::test]
async fn a_transaction_is_taken_once_and_in_order() {
    let (bridge, host) = instance();
    let events =
        ["one", "two"].map(|words| message(&format!("${words}"), json!({ "msgtype": "m.text", "body": words })));
    let body = json!({ "events": events }).to_string();
    assert_eq!(put(&bridge, "1", TOKEN, body.clone()).await, Some(StatusCode::OK));
    assert_eq!(put(&bridge, "1", TOKEN, body).await, Some(StatusCode::OK));
    assert_eq!(said(&host), ["one", "two"]);
    let event = host.events.lock()[0].clone();
    assert_eq!(event.venue, Venue::Room(RemoteId::new("!r:hs.test")));
    let EventKind::Message(content) = event.kind else { panic!("not a message") };
    assert_eq!(content.text, Text::plain("one"));
}

#[tokio::test]
async fn what_the_journal_does_not_take_is_not_acknowledged() {
    let (bridge, host) = instance();
    *host.is_full.lock() = true;
    let body = json!({ "events": [message("$e", json!({ "msgtype": "m.text", "body": "keep me" }))] }).to_string();
    assert_eq!(put(&bridge, "1", TOKEN, body.clone()).await, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(put(&bridge, "1", TOKEN, body).await, Some(StatusCode::OK));
    assert_eq!(said(&host), ["keep me"]);
}

#[tokio::test]
async fn a_missing_number_is_another_services_unless_somebody_was_away() {
    let (bridge, host) = instance();
    let body = |words: &str| {
        json!({ "events": [message(&format!("${words}"), json!({ "msgtype": "m.text", "body": words }))] }).to_string()
    };
    assert_eq!(put(&bridge, "7", TOKEN, body("seven")).await, Some(StatusCode::OK));
    assert_eq!(put(&bridge, "9", TOKEN, body("nine")).await, Some(StatusCode::OK));
    bridge.0.marks.doubt();
    // Now the room is read back first, which this homeserver cannot be asked for.
    assert_eq!(put(&bridge, "11", TOKEN, body("eleven")).await, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(put(&bridge, "10", TOKEN, body("ten")).await, Some(StatusCode::OK));
    assert_eq!(said(&host), ["seven", "nine", "ten"]);
}

#[tokio::test]
async fn one_strange_event_does_not_spoil_the_others() {
    let (bridge, host) = instance();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let odd = message("$odd", json!({ "msgtype": 7, "body": [] }));
    let good = message("$good", json!({ "msgtype": "m.text", "body": "fine" }));
    let body = format!("{{\"events\":[{{\"content\":{deep}}},{odd},7,{good}]}}");
    assert_eq!(put(&bridge, "1", TOKEN, body).await, Some(StatusCode::OK));
    assert_eq!(said(&host), ["fine"]);
}

#[tokio::test]
async fn what_ghosts_and_the_bot_say_is_not_heard() {
    let (bridge, host) = instance();
    for sender in ["@_monster_alice:hs.test", "@monster:hs.test"] {
        let mut event = message("$e", json!({ "msgtype": "m.text", "body": "echo" }));
        event["sender"] = json!(sender);
        put(&bridge, sender, TOKEN, json!({ "events": [event] }).to_string()).await;
    }
    assert_eq!(said(&host), Vec::<String>::new());
}

#[tokio::test]
async fn another_token_is_for_another_instance() {
    let (bridge, host) = instance();
    let body = json!({ "events": [message("$e", json!({ "msgtype": "m.text", "body": "evil" }))] }).to_string();
    assert_eq!(put(&bridge, "1", "another token", body).await, None);
    assert!(host.events.lock().is_empty());
    assert_eq!(bridge.unclaimed_web().status(), StatusCode::FORBIDDEN);
}

#[test]
fn the_registration_matches_what_is_ours_and_nothing_else() {
    let (bridge, _) = instance();
    let yaml = bridge.registration().unwrap();
    assert!(yaml.contains(r#""regex":"^@_monster_.*:hs\\.test$""#), "{yaml}");
    assert!(yaml.contains("url: \"https://gw.example.org\""), "{yaml}");
    assert!(yaml.contains("sender_localpart: \"monster\""), "{yaml}");
}

#[test]
fn a_bad_record_is_set_aside_and_the_others_are_kept() {
    let (bridge, _) = instance();
    let it = &bridge.0;
    let bad = |key: &str| (key.to_owned(), "\u{0}{no record".to_owned());
    let direct = json!({ "persona": "@alice:gw.example.org", "ghost": "@_monster_alice:hs.test",
        "user": "@bob:hs.test", "standing": "open" });
    let good = ("direct/!d:hs.test".to_owned(), direct.to_string());
    it.directs.load(vec![bad("direct/!x:hs.test"), bad("odd"), good]);
    assert!(it.directs.of_room("!x:hs.test").is_none());
    assert_eq!(it.directs.of_room("!d:hs.test").map(|direct| direct.user), Some("@bob:hs.test".to_owned()));
    it.ghosts.load(vec![bad("ghost/@_monster_a:hs.test"), bad("odd")]);
    it.puppets.load("http://127.0.0.1:9", vec![bad("puppet/@bob:hs.test"), bad("odd")]);
    assert_eq!(it.puppets.persona_of("@bob:hs.test"), None);
    it.waiting.load(vec![bad("waiting/nobody"), bad("odd")]);
    assert!(it.waiting.all().is_empty());
    let good = ("last/!y:hs.test".to_owned(), "$e".to_owned());
    it.marks.load(vec![bad("last/!x:hs.test"), bad("odd"), good]);
    assert!(!it.marks.note("!y:hs.test".to_owned(), "$f".to_owned()), "a room that was heard before");
    assert!(it.marks.note("!x:hs.test".to_owned(), "$e".to_owned()));
}
