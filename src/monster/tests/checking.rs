//! Who opened a socket: check URLs, honest and hostile ones.

use super::{Gateway, serve};
use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use monster_testkit::MonsterClient;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A server that vouches for its account `dora`, and does all kinds of other things when asked.
struct Server {
    host: String,
    _listening: AbortOnDropHandle<()>,
}

impl Server {
    async fn start(gateway: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let says = |account: String| {
            let answer = json!({"account": account, "username": "dora", "nickname": "Dora", "createTime": 1});
            get(move || async move { answer.to_string() })
        };
        let endless = || async {
            let chunks = futures_util::stream::repeat_with(|| Ok::<_, Infallible>(vec![b' '; 8192]));
            Body::from_stream(chunks)
        };
        let router = Router::new()
            .route("/check/good", says(format!("@dora:{host}")))
            .route("/check/path", says(format!("@dora:member:{host}")))
            .route("/check/old", says(format!("@people.dora@{host}")))
            .route("/check/other-server", says("@dora:example.org".to_owned()))
            .route("/check/other-port", says("@dora:localhost".to_owned()))
            .route("/check/victim", says(format!("@alice:{gateway}")))
            .route("/check/nobody", says("dora".to_owned()))
            .route("/check/html", get(|| async { "<html>" }))
            .route("/check/redirect", get(|| async { Redirect::temporary("/check/good") }))
            .route("/check/slow", get(std::future::pending::<()>))
            .route("/check/huge", get(endless))
            .route("/check/long", get(|| async { " ".repeat(65 * 1024) }))
            .route("/check/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR.into_response() }));
        let listening = AbortOnDropHandle::new(tokio::spawn(serve(listener, router)));
        Self { host, _listening: listening }
    }

    fn query(&self, token: &str) -> String {
        format!("?checkUrl=http://{}/check/{token}&ext=1", self.host)
    }

    async fn open(&self, gateway: &Gateway, token: &str) -> MonsterClient {
        MonsterClient::connect(&gateway.url("bob", &self.query(token))).await
    }
}

async fn say(client: &mut MonsterClient) -> Value {
    client.request(json!({"code": "2001", "text": "aGk="})).await
}

#[tokio::test]
async fn an_account_that_its_own_server_vouches_for_may_speak() {
    let gateway = Gateway::start().await;
    let server = Server::start(&gateway.host).await;
    let mut bob = gateway.home("bob").await;
    for (token, account) in [("good", "@dora:"), ("path", "@dora:member:"), ("old", "@dora:people:")] {
        let answer = say(&mut server.open(&gateway, token).await).await;
        assert_eq!(answer["statusCode"], "200", "{answer}");
        let frame = bob.pushed().await;
        assert_eq!(frame["from"], format!("{account}{}", server.host));
        assert_eq!(frame["nickname"], "Dora");
    }
}

#[tokio::test]
async fn who_cannot_be_identified_is_told_why_and_may_still_ask_1000() {
    let gateway = Gateway::start().await;
    let server = Server::start(&gateway.host).await;
    for (token, why) in [
        ("other-server", "cannot vouch for @dora:example.org"),
        ("other-port", "cannot vouch for @dora:localhost"),
        ("victim", "is an account of this server"),
        ("nobody", "does not name an account"),
        ("html", "does not name an account"),
        ("redirect", "redirect"),
        ("slow", "within 3 seconds"),
        ("huge", "more than 64 KiB"),
        ("long", "more than 64 KiB"),
        ("broken", "status 500"),
        ("missing", "status 404"),
    ] {
        let mut client = server.open(&gateway, token).await;
        let answer = say(&mut client).await;
        assert_eq!(answer["statusCode"], "400", "{token}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{token}: {answer}");
        assert_eq!(client.request(json!({"code": "1000"})).await["statusCode"], "100", "{token}");
    }
}

#[tokio::test]
async fn a_check_url_that_cannot_be_one_is_refused_in_words() {
    let gateway = Gateway::start().await;
    let long = format!("http://localhost/{}", "x".repeat(3000));
    for url in ["ftp://localhost/x", "file:///etc/passwd", "nonsense", "", "http://", "http://u:p@localhost/x", &long] {
        let encoded: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let mut client = MonsterClient::connect(&gateway.url("bob", &format!("?checkUrl={encoded}"))).await;
        let answer = say(&mut client).await;
        assert!(answer["error"].as_str().unwrap().contains("the check URL"), "{url}: {answer}");
    }
}

#[tokio::test]
async fn nothing_private_is_asked_unless_it_is_allowed() {
    let gateway = Gateway::with(|_| {}).await;
    let server = Server::start(&gateway.host).await;
    let port = server.host.rsplit_once(':').unwrap().1;
    for host in ["localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let query = format!("?checkUrl=http://{host}:{port}/check/good");
        let answer = say(&mut MonsterClient::connect(&gateway.url("bob", &query)).await).await;
        assert!(answer["error"].as_str().unwrap().contains("private"), "{host}: {answer}");
    }
    let allowed = format!("localhost:{port}").parse().unwrap();
    let gateway = Gateway::with(|options| options.allow_private = vec![allowed]).await;
    assert_eq!(say(&mut server.open(&gateway, "good").await).await["statusCode"], "200");
}

#[tokio::test]
async fn tls_can_be_insisted_on() {
    let gateway = Gateway::with(|options| options.require_tls = true).await;
    let server = Server::start(&gateway.host).await;
    let answer = say(&mut server.open(&gateway, "good").await).await;
    assert!(answer["error"].as_str().unwrap().contains("must be https"), "{answer}");
}

#[tokio::test]
async fn a_slow_check_holds_up_nobody_else() {
    let gateway = Gateway::start().await;
    let server = Server::start(&gateway.host).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        slow.push(server.open(&gateway, "slow").await);
    }
    assert_eq!(say(&mut server.open(&gateway, "good").await).await["statusCode"], "200");
    drop(slow);
}

#[tokio::test]
async fn a_socket_of_an_identified_account_is_how_that_account_is_reached() {
    let gateway = Gateway::start().await;
    let server = Server::start(&gateway.host).await;
    let (mut dora, mut bob) = (server.open(&gateway, "good").await, gateway.home("bob").await);
    say(&mut dora).await;
    bob.pushed().await;
    bob.say(&format!("@dora:{}", server.host), "hello Dora").await;
    let frame = dora.pushed().await;
    assert_eq!(MonsterClient::text(&frame), "hello Dora");
    // Said by the account whose URL it is: there is nothing to add.
    assert!(frame.get("from").is_none(), "{frame}");
}
