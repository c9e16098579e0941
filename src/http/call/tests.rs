//! Join links over a whole gateway: a caller without WebRTC is sent one, and opens it.

use crate::app::{Gateway, Running, bridge_kinds};
use crate::config::{Config, Source};
use crate::store::{Account, AccountKind};
use futures_util::{SinkExt as _, StreamExt as _};
use monster_testkit::{MonsterClient, within};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// A gateway with alice and bob, each with their name as token.
struct Stage {
    gateway: Running,
    host: String,
    _data: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let text = format!(
            "[server]\npublic_url = \"http://{host}\"\ndata_dir = {:?}\n[calls]\nudp_listen = \"127.0.0.1:0\"\n\
             turn = {{ urls = [\"turn:turn.example.org\"], secret = \"hush\" }}\n[bridges.libera]\nenabled = false\n",
            data.path()
        );
        let source = Source { path: "test.toml".into(), text };
        let config = Config::read(Some(source), HashMap::new(), &bridge_kinds()).unwrap();
        let gateway = Gateway::start_on(listener, config).await.unwrap();
        for name in ["alice", "bob"] {
            let (nickname, picture, pass) = (None, None, None);
            let kind = AccountKind::Person;
            let account = Account { name: name.to_owned(), kind, nickname, picture, pass, created: 0 };
            gateway.core().admin().add_account(account).await.unwrap();
            gateway.store().add_token(name, crate::token::hash(name)).await.unwrap();
        }
        Self { gateway, host, _data: data }
    }

    async fn home(&self, name: &str) -> MonsterClient {
        MonsterClient::connect(&format!("ws://{}/{name}?token={name}&ext=1", self.host)).await
    }

    /// The path of a link for alice, who wants to call bob from something without WebRTC.
    async fn link(&self, alice: &mut MonsterClient) -> String {
        let call = json!({ "code": "2002", "to": format!("@bob:{}", self.host), "text": "" });
        let answer = alice.request(call).await;
        assert_eq!(answer["statusCode"], "200", "{answer}");
        let frame = within("the link", alice.hears("/call/")).await;
        let line = MonsterClient::text(&frame);
        let at = line.find("/call/").unwrap();
        line[at..].split_whitespace().next().unwrap().to_owned()
    }

    async fn guest(&self, path: &str) -> Guest {
        let stream = TcpStream::connect(self.gateway.address).await.unwrap();
        let url = format!("ws://{}{path}", self.host);
        let (socket, _) = within("the socket", tokio_tungstenite::client_async(url, stream)).await.unwrap();
        Guest(socket)
    }

    async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("http://{}{path}", self.host)).await.unwrap()
    }
}

struct Guest(WebSocketStream<TcpStream>);

impl Guest {
    /// The next object, or the code with which the socket is closed.
    async fn next(&mut self) -> Result<Value, u16> {
        within("a message or the end", async {
            loop {
                match self.0.next().await.unwrap().unwrap() {
                    Message::Text(text) => return Ok(serde_json::from_str(text.as_str()).unwrap()),
                    Message::Close(frame) => return Err(frame.unwrap().code.into()),
                    _ => {}
                }
            }
        })
        .await
    }

    async fn say(&mut self, what: Value) {
        self.0.send(Message::text(what.to_string())).await.unwrap();
    }
}

#[tokio::test]
async fn a_link_invites_one_guest_and_is_used_up_by_the_one_who_joins() {
    let stage = Stage::new().await;
    let (mut alice, _bob) = (stage.home("alice").await, stage.home("bob").await);
    let path = stage.link(&mut alice).await;

    let page = stage.get(&path).await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["cache-control"], "no-store");
    assert_eq!(page.headers()["referrer-policy"], "no-referrer");
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
    assert!(page.text().await.unwrap().contains("<!doctype html>"));

    let (mut first, mut second) = (stage.guest(&path).await, stage.guest(&path).await);
    let invitation = first.next().await.unwrap();
    assert_eq!(second.next().await.unwrap()["callId"], invitation["callId"]);
    assert_eq!((&invitation["type"], &invitation["caller"]), (&json!("invitation"), &json!("bob")));
    assert_eq!((&invitation["media"], &invitation["role"]), (&json!("voice"), &json!("caller")));
    assert!(invitation["iceServers"][0]["username"].as_str().unwrap().ends_with(":guest"));

    first.say(json!({ "type": "join", "name": "Alice on the page" })).await;
    assert_eq!(second.next().await, Err(4404), "the link is used");
    assert_eq!(stage.get(&path).await.status(), 404);
    assert_eq!(stage.guest(&path).await.next().await, Err(4404));

    // What is none of this call ends the socket, and with it the guest's part.
    first.say(json!({ "type": "offer", "callId": "another", "sdp": "v=0" })).await;
    assert_eq!(first.next().await, Err(1008));
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_guest_says_a_proper_name_first() {
    let stage = Stage::new().await;
    let mut alice = stage.home("alice").await;
    let path = stage.link(&mut alice).await;
    for wrong in [
        json!({ "type": "join" }),
        json!({ "type": "join", "name": " " }),
        json!({ "type": "join", "name": "a\u{7}b" }),
        json!({ "type": "join", "name": "x".repeat(65) }),
        json!({ "type": "offer", "name": "x" }),
        json!([]),
    ] {
        let mut guest = stage.guest(&path).await;
        guest.next().await.unwrap();
        guest.say(wrong.clone()).await;
        assert_eq!(guest.next().await, Err(1008), "{wrong}");
    }
    assert_eq!(stage.get(&path).await.status(), 200, "none of that used it up");
    stage.gateway.stop().await;
}

#[tokio::test]
async fn who_guesses_links_waits() {
    let stage = Stage::new().await;
    let mut alice = stage.home("alice").await;
    let path = stage.link(&mut alice).await;
    for n in 0..5 {
        // A page that opens its socket is one guess, and so is a page that is only fetched.
        assert_eq!(stage.get(&format!("/call/guess-{n}")).await.status(), 404);
        assert_eq!(stage.guest(&format!("/call/guess-{n}")).await.next().await, Err(4404));
        assert_eq!(stage.get(&format!("/call/page-{n}")).await.status(), 404);
    }
    assert_eq!(stage.get("/call/guess").await.status(), 429);
    assert_eq!(stage.guest("/call/guess").await.next().await, Err(4429));
    assert_eq!(stage.guest(&path).await.next().await, Err(4429));
    assert_eq!(stage.get(&path).await.status(), 429);
    stage.gateway.stop().await;
}
