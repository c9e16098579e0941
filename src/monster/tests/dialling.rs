//! Sockets between gateways, each of which identifies the other; and servers that misbehave.

use super::Gateway;
use crate::core::{MonsterPort as _, Sockets};
use crate::monster::Port;
use futures_util::{SinkExt as _, StreamExt as _};
use monster_protocol::{Address, CallContext, Media, Request, RequestBody};
use monster_testkit::{MonsterClient, within};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A server that takes sockets and does with them what the test says.
struct Server {
    listener: TcpListener,
    host: String,
}

struct Taken(WebSocketStream<TcpStream>);

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        Self { listener, host }
    }

    fn dora(&self) -> String {
        format!("@dora:{}", self.host)
    }

    async fn take(&self) -> Taken {
        let (stream, _) = within("a connection", self.listener.accept()).await.unwrap();
        Taken(within("a handshake", tokio_tungstenite::accept_async(stream)).await.unwrap())
    }

    /// Takes a socket and answers the question about extensions.
    async fn take_and_introduce(&self, ext: bool) -> Taken {
        let mut socket = self.take().await;
        let asked = socket.next().await;
        assert_eq!(asked["code"], "1000");
        let info = if ext { json!([{"title": "monster.ext", "value": "1"}]) } else { json!([]) };
        socket.send(&json!({"messageId": asked["messageId"], "statusCode": "100", "info": info})).await;
        socket
    }
}

impl Taken {
    async fn next(&mut self) -> Value {
        let message = within("a frame", self.0.next()).await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn answer(&mut self, frame: &Value, status: &str) {
        self.send(&json!({"messageId": frame["messageId"], "statusCode": status})).await;
    }
}

#[tokio::test]
async fn accounts_of_two_gateways_talk_with_edits_and_recalls() {
    let (here, there) = (Gateway::start().await, Gateway::start().await);
    let (mut alice, mut bob) = (here.home("alice").await, there.home("bob").await);
    let id = alice.say(&there.address("bob"), "helo").await;
    let first = bob.pushed().await;
    assert_eq!(
        (first["from"].as_str(), MonsterClient::text(&first)),
        (Some(&*here.address("alice")), "helo".to_owned())
    );
    alice.say_with(&there.address("bob"), "hello", json!({"replaces": id})).await;
    let edit = bob.pushed().await;
    assert_eq!((&edit["replaces"], MonsterClient::text(&edit)), (&first["messageId"], "hello".to_owned()));
    bob.say_with(&here.address("alice"), "hi", json!({"replyTo": first["messageId"]})).await;
    let reply = alice.pushed().await;
    assert_eq!((reply["replyTo"].as_str(), MonsterClient::text(&reply)), (Some(&*id), "hi".to_owned()));
    alice.request(json!({"code": "2004", "to": there.address("bob"), "recallMessageId": id})).await;
    let recall = bob.pushed().await;
    assert_eq!((&recall["code"], &recall["recallMessageId"]), (&json!("2004"), &first["messageId"]));
}

#[tokio::test]
async fn somebody_elsewhere_can_be_asked_who_they_are_and_to_let_one_in() {
    let (here, there) = (Gateway::start().await, Gateway::start().await);
    let mut alice = here.home("alice").await;
    let answer = alice.request(json!({"code": "1000", "to": there.address("room")})).await;
    assert_eq!((answer["nickname"].as_str(), answer["accountType"].as_str()), (Some("room"), Some("2")), "{answer}");
    let answer = alice.request(json!({"code": "1001", "to": there.address("room")})).await;
    assert_eq!(answer["type"], "1", "{answer}");
    let mut bob = there.home("bob").await;
    bob.request(json!({"code": "1001", "to": there.address("room")})).await;
    bob.say(&there.address("room"), "hello all").await;
    let frame = alice.hears("hello all").await;
    assert_eq!(frame["from"], there.address("bob"), "{frame}");
    alice.say(&there.address("room"), "hello bob").await;
    assert_eq!(bob.hears("hello bob").await["from"], here.address("alice"));
}

#[tokio::test]
async fn one_socket_is_used_for_all_that_is_said() {
    let (gateway, server) = (Gateway::start().await, Server::start().await);
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut socket = server.take_and_introduce(false).await;
    for number in 0..3 {
        let frame = socket.next().await;
        assert_eq!(frame["code"], "2001");
        // A peer that knows only the seed gets nothing else.
        assert_eq!(frame.as_object().unwrap().len(), 3, "{frame}");
        socket.answer(&frame, "200").await;
        alice.say(&server.dora(), &number.to_string()).await;
    }
    // What comes on it is said by the account that was dialled, to the one who speaks.
    socket.send(&json!({"messageId": "1", "code": "2001", "text": "aGk="})).await;
    assert_eq!(alice.pushed().await["from"], server.dora());
}

#[tokio::test]
async fn a_socket_that_broke_is_opened_again_and_the_message_comes_again() {
    let (gateway, server) = (Gateway::start().await, Server::start().await);
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut socket = server.take_and_introduce(true).await;
    let frame = socket.next().await;
    drop(socket);
    // It is known by now that the peer reads the optional fields.
    let mut socket = server.take().await;
    assert_eq!(socket.next().await, frame);
}

#[tokio::test]
async fn who_moved_is_followed_once_and_who_refuses_is_believed() {
    let (gateway, server, other) = (Gateway::start().await, Server::start().await, Server::start().await);
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut socket = server.take_and_introduce(false).await;
    let frame = socket.next().await;
    socket.send(&json!({"messageId": frame["messageId"], "statusCode": "300", "location": other.dora()})).await;
    let mut moved = other.take_and_introduce(false).await;
    let again = moved.next().await;
    assert_eq!(again["messageId"], frame["messageId"]);
    moved.send(&json!({"messageId": again["messageId"], "statusCode": "400", "error": "not you"})).await;
    assert!(MonsterClient::text(&alice.pushed().await).contains("not you"));
}

#[tokio::test]
async fn a_peer_that_is_busy_gets_the_message_again() {
    let (gateway, server) = (Gateway::start().await, Server::start().await);
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut socket = server.take_and_introduce(false).await;
    let frame = socket.next().await;
    socket.answer(&frame, "500").await;
    assert_eq!(socket.next().await, frame);
}

#[tokio::test]
async fn a_peer_that_never_answers_is_dialled_again() {
    let gateway = Gateway::with(|options| {
        options.allow_private = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        options.patience.answer = Duration::from_millis(100);
    })
    .await;
    let server = Server::start().await;
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut mute = server.take_and_introduce(false).await;
    let frame = mute.next().await;
    let mut socket = server.take().await;
    assert_eq!(socket.next().await, frame);
}

#[tokio::test]
async fn an_idle_socket_of_ours_is_closed_and_opened_again_when_needed() {
    let gateway = Gateway::with(|options| {
        options.allow_private = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        options.patience.dialled_idle = Duration::from_millis(50);
    })
    .await;
    let server = Server::start().await;
    let mut alice = gateway.home("alice").await;
    alice.say(&server.dora(), "one").await;
    let mut socket = server.take_and_introduce(false).await;
    let frame = socket.next().await;
    socket.answer(&frame, "200").await;
    let end = within("the end", socket.0.next()).await;
    assert!(matches!(end, Some(Ok(Message::Close(Some(_))))), "{end:?}");
    alice.say(&server.dora(), "two").await;
    assert_eq!(server.take().await.next().await["code"], "2001");
}

#[tokio::test]
async fn nothing_private_is_dialled_unless_it_is_allowed() {
    let (gateway, server) = (Gateway::with(|_| {}).await, Server::start().await);
    let mut alice = gateway.home("alice").await;
    let answer = alice.request(json!({"code": "1000", "to": server.dora()})).await;
    assert_eq!(answer["statusCode"], "400", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("private"), "{answer}");
    // Said twice: neither waits, nor is the second held up by the first.
    for words in ["one", "two"] {
        alice.say(&server.dora(), words).await;
        let notice = alice.pushed().await;
        assert_eq!(notice["from"], server.dora(), "{notice}");
        assert!(MonsterClient::text(&notice).contains("private"), "{notice}");
    }
}

/// What a frame may have that is published (contract.md "Frames").
const PUBLISHED: [&str; 5] = ["messageId", "code", "text", "pass", "recallMessageId"];

fn voice_call(id: &str) -> Request<'static> {
    let context = CallContext::parse("v=0", "c").unwrap();
    let mut request = Request::new(id.to_owned(), RequestBody::Call { media: Media::Voice, context });
    request.ext.nickname = Some("Alice".into());
    request.ext.time = Some(1);
    request
}

#[tokio::test]
async fn whoever_knows_only_the_published_protocol_gets_only_its_fields_with_every_code() {
    for ext in [false, true] {
        let (gateway, server) = (Gateway::start().await, Server::start().await);
        let mut alice = gateway.home("alice").await;
        let (here, there) = (gateway.parsed("alice"), server.dora().parse::<Address>().unwrap());
        let port = Port::new(Arc::clone(&gateway.side));
        let asking = async {
            let id = alice.say(&server.dora(), "hello").await;
            alice.say_with(&server.dora(), "hallo", json!({"replaces": id})).await;
            alice.say_with(&server.dora(), "hi", json!({"replyTo": id})).await;
            let withdrawn = json!({"code": "2004", "to": server.dora(), "recallMessageId": id});
            assert_eq!(alice.request(withdrawn).await["statusCode"], "200");
            assert_eq!(alice.request(json!({"code": "1000", "to": server.dora()})).await["statusCode"], "100");
            let join = json!({"code": "1001", "to": server.dora(), "pass": "please"});
            assert_eq!(alice.request(join).await["type"], "1");
            assert_eq!(alice.request(json!({"code": "1004", "to": server.dora()})).await["statusCode"], "200");
            port.ask(&there, &here, voice_call("call")).await.unwrap();
        };
        let answering = async {
            let mut socket = server.take_and_introduce(ext).await;
            let mut seen = Vec::new();
            while !seen.iter().any(|code| code == "2002") || !seen.iter().any(|code| code == "1004") {
                let frame = socket.next().await;
                let code = frame["code"].as_str().unwrap().to_owned();
                let more: Vec<_> =
                    frame.as_object().unwrap().keys().filter(|key| !PUBLISHED.contains(&key.as_str())).collect();
                if ext && code != "1000" {
                    assert!(frame["nickname"].is_string(), "{frame}");
                } else if !ext {
                    assert!(more.is_empty(), "{more:?} in {frame}");
                }
                let status = if code.starts_with('1') && code != "1004" { "100" } else { "200" };
                socket.send(&json!({"messageId": frame["messageId"], "statusCode": status, "type": "1"})).await;
                seen.push(code);
            }
            seen.sort_unstable();
            seen.dedup();
            seen
        };
        let ((), seen) = tokio::join!(asking, answering);
        assert_eq!(seen, ["1000", "1001", "1004", "2001", "2002", "2004"], "ext: {ext}");
    }
}

#[tokio::test]
async fn a_device_that_knows_only_the_published_protocol_is_told_who_calls_and_nothing_else() {
    let gateway = Gateway::start().await;
    let mut plain = MonsterClient::connect(&gateway.url("bob", "?token=bob")).await;
    let mut modern = gateway.home("bob").await;
    let mut call = voice_call("call");
    (call.ext.from, call.ext.to) = (Some(gateway.parsed("alice")), Some(gateway.parsed("bob")));
    // Both sockets are known once they have been answered.
    for device in [&mut plain, &mut modern] {
        assert_eq!(device.request(json!({"code": "1000"})).await["statusCode"], "100");
    }
    let port = Port::new(Arc::clone(&gateway.side));
    assert_eq!(port.push(&gateway.parsed("bob"), &Sockets::All, &call).len(), 2);
    let keys = |frame: &Value| frame.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&plain.pushed().await), "code from messageId text");
    assert_eq!(keys(&modern.pushed().await), "code from messageId nickname text time to");
}

#[tokio::test]
async fn after_a_failure_nobody_tries_for_a_while() {
    let gateway = Gateway::with(|options| {
        options.allow_private = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        options.dialling.first_pause = Duration::from_secs(6);
    })
    .await;
    let port = monster_testkit::free_port();
    let mut alice = gateway.home("alice").await;
    let dora = format!("@dora:localhost:{port}");
    let answer = alice.request(json!({"code": "1000", "to": dora})).await;
    assert!(answer["error"].as_str().unwrap().contains("cannot connect"), "{answer}");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let answer = alice.request(json!({"code": "1000", "to": dora})).await;
    assert!(answer["error"].as_str().unwrap().contains("next attempt later"), "{answer}");
    // And then somebody does.
    alice.say(&dora, "one").await;
    within("the next attempt", listener.accept()).await.unwrap();
}

#[tokio::test]
async fn there_is_one_attempt_at_a_time_for_an_account() {
    let (gateway, server) = (Gateway::start().await, Server::start().await);
    for name in ["alice", "bob", "carol"] {
        gateway.home(name).await.say(&server.dora(), "hello").await;
    }
    let (first, _) = within("a connection", server.listener.accept()).await.unwrap();
    // While the first handshake is under way nobody else comes.
    assert!(tokio::time::timeout(Duration::from_millis(200), server.listener.accept()).await.is_err());
    let socket = within("a handshake", tokio_tungstenite::accept_async(first)).await.unwrap();
    let mut first = Taken(socket);
    let asked = first.next().await;
    first.answer(&asked, "100").await;
    let mut speakers = vec![first.next().await["text"].clone()];
    for _ in 0..2 {
        speakers.push(server.take().await.next().await["text"].clone());
    }
    assert_eq!(speakers, vec![json!("aGVsbG8="); 3]);
}
