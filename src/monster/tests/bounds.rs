//! Bad days: those who say nothing, read nothing, or say too much; and what that costs the others.

use super::Gateway;
use crate::monster::Limits;
use futures_util::SinkExt as _;
use monster_testkit::{MonsterClient, until, within};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn an_anonymous_socket_that_says_nothing_is_closed() {
    let gateway = Gateway::with(|options| options.patience.anonymous_idle = Duration::from_millis(50)).await;
    let (mut nobody, mut alice) = (gateway.anonymous("alice").await, gateway.home("alice").await);
    assert_eq!(nobody.close_code().await, Some(1000));
    assert_eq!(alice.request(json!({"code": "1000"})).await["statusCode"], "100");
}

#[tokio::test]
async fn a_socket_whose_other_end_has_gone_without_a_word_is_dropped() {
    let gateway = Gateway::with(|options| {
        options.patience.ping_after = Duration::from_millis(50);
        options.patience.pong_within = Duration::from_millis(50);
    })
    .await;
    // A handshake by hand, and then nobody reads or answers.
    let mut stream = TcpStream::connect(gateway.host.replace("localhost", "127.0.0.1")).await.unwrap();
    let handshake = "GET /alice?token=alice HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(handshake.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    within("the end of the connection", stream.read_to_end(&mut heard)).await.unwrap();
    assert!(heard.windows(4).any(|bytes| bytes == b"\r\n\r\n"), "no handshake");
    assert!(heard.ends_with(&[0x89, 0]), "no ping");
    until("the socket leaving the hub", || async {
        gateway.side.hub.all(&super::super::hub::Ends::home(&gateway.parsed("alice"))).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn somebody_who_answers_pings_stays() {
    let gateway = Gateway::with(|options| {
        options.patience.ping_after = Duration::from_millis(20);
        options.patience.pong_within = Duration::from_secs(5);
    })
    .await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    // Reading is what answers pings; nothing but pings comes meanwhile.
    assert!(tokio::time::timeout(Duration::from_millis(300), bob.next()).await.is_err());
    alice.say(&gateway.address("bob"), "still there?").await;
    bob.hears("still there?").await;
}

/// A home socket of bob's whose client reads nothing, with little room in its TCP.
async fn deaf(gateway: &Gateway) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(gateway.host.replace("localhost", "127.0.0.1").parse().unwrap()).await.unwrap();
    tokio_tungstenite::client_async(gateway.url("bob", "?token=bob&ext=1"), stream).await.unwrap().0
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed_and_disturbs_nobody() {
    let gateway = Gateway::with(|options| options.patience.stall = Duration::from_millis(300)).await;
    let deaf = deaf(&gateway).await;
    let (mut alice, mut bob) = (gateway.home("alice").await, gateway.home("bob").await);
    let bobs = super::super::hub::Ends::home(&gateway.parsed("bob"));
    let words = "x".repeat(100_000);
    within("the deaf socket being closed", async {
        while gateway.side.hub.all(&bobs).len() > 1 {
            alice.say(&gateway.address("bob"), &words).await;
            assert_eq!(MonsterClient::text(&bob.pushed().await).len(), words.len());
        }
    })
    .await;
    drop(deaf);
}

#[tokio::test]
async fn requests_of_a_client_that_never_reads_are_not_read_without_end() {
    let gateway = Gateway::start().await;
    let mut deaf = deaf(&gateway).await;
    let frame = json!({"messageId": "1", "code": "1000", "to": gateway.address("bob")}).to_string();
    let flood = async {
        loop {
            deaf.send(Message::text(frame.clone())).await.unwrap();
        }
    };
    // Backpressure: at some point its own writes do not go on. The others do.
    assert!(tokio::time::timeout(Duration::from_millis(500), flood).await.is_err());
    let mut alice = gateway.home("alice").await;
    assert_eq!(alice.request(json!({"code": "1000"})).await["statusCode"], "100");
}

#[tokio::test]
async fn too_many_frames_are_read_later_and_none_is_lost() {
    let limits = Limits { frames_per_second: 100, frames_burst: 10, ..Limits::default() };
    let gateway = Gateway::with(|options| options.limits = limits).await;
    let (mut fast, mut other) = (gateway.home("alice").await, gateway.home("bob").await);
    let started = Instant::now();
    for number in 0..60 {
        fast.send_raw(&json!({"messageId": number.to_string(), "code": "1000"}).to_string()).await;
    }
    other.request(json!({"code": "1000"})).await;
    let others = started.elapsed();
    for _ in 0..60 {
        fast.any_answer().await;
    }
    assert!(started.elapsed() > Duration::from_millis(400), "{:?}", started.elapsed());
    assert!(others < started.elapsed() / 2, "another account waited {others:?} of {:?}", started.elapsed());
}

#[tokio::test]
async fn an_origin_has_only_so_many_sockets() {
    let limits = Limits { sockets_per_origin: 3, ..Limits::default() };
    let gateway = Gateway::with(|options| options.limits = limits).await;
    let mut open = vec![gateway.anonymous("alice").await, gateway.anonymous("alice").await, gateway.home("bob").await];
    assert_eq!(gateway.refusal("alice", "").await, 429);
    open.pop().unwrap().close().await;
    until("room for another socket", || async {
        tokio_tungstenite::connect_async(gateway.url("alice", "")).await.ok().map(drop)
    })
    .await;
}

#[tokio::test]
async fn frames_that_come_before_it_is_known_who_sends_them_are_bounded() {
    let gateway = Gateway::start().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let query = format!("?checkUrl=http://localhost:{port}/check/x");
    let mut client = MonsterClient::connect(&gateway.url("bob", &query)).await;
    for number in 0..100 {
        client.send_raw(&json!({"messageId": number.to_string(), "code": "1000"}).to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(client.any_answer().await["messageId"], number.to_string());
    }
}

#[tokio::test]
async fn a_thousand_silent_sockets_cost_little() {
    let gateway = Gateway::start().await;
    let mut open = Vec::new();
    for _ in 0..1000 {
        open.push(gateway.anonymous("alice").await);
    }
    let mut alice = gateway.home("alice").await;
    assert_eq!(alice.request(json!({"code": "1000"})).await["statusCode"], "100");
}

#[test]
fn a_socket_keeps_little() {
    fn future<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }
    let session = future(super::super::session::Session::run);
    assert!(session <= 2048, "a session takes {session} bytes");
}
