//! The API as a client sees it, over a real store and router.

use super::*;
use crate::core::{FileSettings, Peer, Settings, Side, Speaker};
use crate::store::sqlite::SqliteStore;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use monster_bridge_api::{InstanceName, Scope};
use monster_protocol::RequestBody;
use proptest::test_runner::{Config, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt as _;

pub(super) const HOST: &str = "gw.example.org";

/// A gateway with an echo bridge and nothing else.
pub(super) struct Gateway {
    router: Router,
    pub(super) core: Arc<Core>,
    store: Arc<dyn Store>,
    token: AdminToken,
    _data: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) body: Value,
}

impl Gateway {
    pub(super) async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(data.path()).unwrap());
        let environment = Environment::system();
        let token = AdminToken::load_or_make(data.path(), &|bytes| environment.random.fill(bytes)).unwrap();
        let ours = monster_protocol::Authority::new(HOST, None).unwrap();
        let files = FileSettings { upload_dir: Some(data.path().join("uploads")), ..FileSettings::default() };
        let settings = Settings { files, ..Settings::default() };
        let core = Core::new(environment.clone(), Arc::clone(&store), settings, ours);
        let scope = Scope {
            instance: InstanceName::new("echo"),
            public_host: HOST.to_owned(),
            public_url: format!("https://{HOST}"),
            data_dir: data.path().join("echo"),
        };
        let echo = monster_bridge_echo::factory(scope, json!({})).unwrap();
        core.register_bridge(&InstanceName::new("echo"), echo);
        core.start().await.unwrap();
        let api = router(Backing {
            core: Arc::clone(&core),
            store: Arc::clone(&store),
            environment,
            token: token.clone(),
            ice: ice(),
            secure: true,
        });
        // Beside another router, as `http` has it.
        let router = Router::new().route("/healthz", get(async || "up")).merge(api);
        Self { router, core, store, token, _data: data }
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Request<Body> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{PREFIX}{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.reveal()));
        match body {
            None => request.body(Body::empty()),
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
                .body(Body::from(body.to_string())),
        }
        .unwrap()
    }

    /// Makes a person and gives their token.
    pub(super) async fn person(&self, name: &str) -> String {
        self.put(&format!("/accounts/{name}"), json!({ "kind": "person" })).await;
        let made = self.post(&format!("/accounts/{name}/tokens"), json!({})).await;
        made.body["token"].as_str().unwrap().to_owned()
    }

    /// The same request with another token.
    pub(super) async fn as_owner(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self.request(method, path, body);
        request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, None)).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PUT", path, Some(&body))).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path, Some(&body))).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path, None)).await
    }
}

/// A TURN server that callers are told of.
fn ice() -> IceServers {
    let text = "[calls]\nturn = { urls = [\"turn:turn.example.org\"], secret = \"hush\", ttl_seconds = 600 }\n";
    let source = crate::config::Source { path: "test.toml".into(), text: text.to_owned() };
    let kinds = crate::core::Registry::default();
    IceServers::of(&crate::config::Config::read(Some(source), std::collections::HashMap::new(), &kinds).unwrap().calls)
}

impl Answer {
    /// A failure as every failure looks.
    pub(super) fn field(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert!(!self.body["error"].as_str().unwrap().is_empty());
        self.body["field"].as_str().unwrap_or_default()
    }
}

#[tokio::test]
async fn every_described_route_is_there_and_wants_the_token() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    let (_, _, document) = routes();
    let document = serde_json::to_value(&document).unwrap();
    let mut ids = BTreeSet::new();
    let mut routes = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix(PREFIX).unwrap().replace("{id}", "7").replace(['{', '}'], "");
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let mut request = gateway.request(method.as_str(), &path, None);
            request.headers_mut().remove(header::AUTHORIZATION);
            gateway.send(request).await.field(401);

            let token = if path.starts_with("/me") { &alice } else { gateway.token.reveal() };
            let known = gateway.as_owner(token, method.as_str(), &path, None).await;
            assert_ne!(known.status, 405, "{method} {path}");
            assert!(!known.body.to_string().contains("nothing at this path"), "{method} {path}");
            for status in ["400", "401", "429"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Failure", "{method} {path}");
            }
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            routes += 1;
        }
        let token = if path.starts_with("/me") { &alice } else { gateway.token.reveal() };
        assert_eq!(gateway.as_owner(token, "PATCH", &path, None).await.status, 405, "{path}");
    }
    assert_eq!(routes, 29);
}

#[tokio::test]
async fn an_accounts_token_does_not_administrate_and_the_administrators_is_no_account() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    gateway.as_owner(&alice, "GET", "/accounts", None).await.field(401);
    gateway.as_owner(gateway.token.reveal(), "GET", "/me", None).await.field(401);
}

#[tokio::test]
async fn the_description_is_open_to_all_and_complete() {
    let gateway = Gateway::new().await;
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let Answer { status, body: document, .. } = gateway.send(request).await;
    assert_eq!(status, 200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert_eq!(document["security"], json!([{ "token": [] }]));

    // Every schema that is referred to is there.
    let text = document.to_string();
    let known = document["components"]["schemas"].as_object().unwrap();
    for name in text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(known.contains_key(name), "{name} is not described");
    }
    insta::assert_snapshot!(table(&document));
}

/// The routes and schemas, one a line.
fn table(document: &Value) -> String {
    let mut lines = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
            lines.push(format!("{method:6} {path}: {statuses}"));
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let fields = schema["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
        lines.push(format!("schema {name}: {}", fields.unwrap_or_default().join(" ")));
    }
    lines.join("\n")
}

#[tokio::test]
async fn failures_look_the_same_everywhere() {
    let gateway = Gateway::new().await;
    gateway.get("/nowhere").await.field(404);
    gateway.get("/accounts/nobody").await.field(404);
    gateway.delete("/status").await.field(405);
    let wrong = Request::get("/api/v1/status").header(header::AUTHORIZATION, "Bearer wrong").body(Body::empty());
    let wrong = gateway.send(wrong.unwrap()).await;
    wrong.field(401);
    assert_eq!(wrong.headers[header::WWW_AUTHENTICATE], "Bearer");
    assert_eq!(wrong.headers[header::CACHE_CONTROL], "no-store");

    let mut request = gateway.request("PUT", "/accounts/alice", Some(&json!({ "kind": "person" })));
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    gateway.send(request).await.field(415);
    let long = json!({ "kind": "person", "nickname": "x".repeat(input::BODY_BYTES) });
    gateway.put("/accounts/alice", long).await.field(413);
    gateway.post("/links", json!("a\u{0}b")).await.field(400);
}

#[tokio::test]
async fn an_account_lives_from_put_to_delete() {
    let gateway = Gateway::new().await;
    let made = gateway.put("/accounts/alice", json!({ "kind": "person", "nickname": "Alice" })).await;
    assert_eq!((made.status, &made.body["address"]), (201, &json!("@alice:gw.example.org")));
    let changed = gateway.put("/accounts/alice", json!({ "kind": "person" })).await;
    assert_eq!((changed.status, &changed.body["nickname"]), (200, &Value::Null));
    assert_eq!(changed.body["created"], made.body["created"]);
    assert_eq!(gateway.get("/accounts/alice").await.body, changed.body);
    assert_eq!(gateway.put("/accounts/alice", json!({ "kind": "group" })).await.field(409), "kind");

    let first = gateway.post("/accounts/alice/tokens", json!({})).await.body["token"].as_str().unwrap().to_owned();
    let second = gateway.post("/accounts/alice/tokens", json!({ "revoke_others": true })).await;
    let second = second.body["token"].as_str().unwrap().to_owned();
    let owner = async |token: &str| gateway.store.account_of_token(crate::token::hash(token)).await.unwrap();
    assert_eq!((owner(&first).await, owner(&second).await), (None, Some("alice".to_owned())));
    assert_eq!(gateway.delete("/accounts/alice/tokens").await.status, 204);
    assert_eq!(owner(&second).await, None);

    assert_eq!(gateway.delete("/accounts/alice").await.status, 204);
    assert_eq!(gateway.delete("/accounts/alice").await.status, 204);
    gateway.get("/accounts/alice").await.field(404);
    gateway.post("/accounts/alice/tokens", json!({})).await.field(404);
}

#[tokio::test]
async fn a_group_has_a_pass_and_no_owner() {
    let gateway = Gateway::new().await;
    let made = gateway.put("/accounts/lobby", json!({ "kind": "group", "pass": "open sesame" })).await;
    assert_eq!((made.status, &made.body["pass"]), (201, &json!("open sesame")));
    gateway.post("/accounts/lobby/tokens", json!({})).await.field(409);
    assert_eq!(gateway.put("/accounts/bob", json!({ "kind": "person", "pass": "x" })).await.field(400), "pass");
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused_with_its_field() {
    let gateway = Gateway::new().await;
    let person = || json!({ "kind": "person" });
    for name in ["a%0D%0AJOIN", "a%00", "api", "%20", &"x".repeat(600)] {
        assert_eq!(gateway.put(&format!("/accounts/{name}"), person()).await.field(400), "name", "{name}");
    }
    gateway.put("/accounts/%FF", person()).await.field(400);
    for (field, body) in [
        ("kind", json!({ "kind": "robot" })),
        ("kind", json!({ "kind": 1 })),
        ("nick", json!({ "kind": "person", "nick": "x" })),
        ("nickname", json!({ "kind": "person", "nickname": "a\r\nPRIVMSG" })),
        ("nickname", json!({ "kind": "person", "nickname": "x".repeat(513) })),
        ("picture", json!({ "kind": "person", "picture": "javascript:alert(1)" })),
        ("pass", json!({ "kind": "group", "pass": "a\u{0}" })),
    ] {
        assert_eq!(gateway.put("/accounts/alice", body.clone()).await.field(400), field, "{body}");
    }
    gateway.put("/accounts/alice", json!({})).await.field(400);
    gateway.put("/accounts/alice", json!([])).await.field(400);
    assert_eq!(gateway.get("/accounts").await.body["items"], json!([]));
}

#[tokio::test]
async fn a_list_comes_in_pages_without_gaps_or_repetitions() {
    let gateway = Gateway::new().await;
    for number in 0..7 {
        assert_eq!(gateway.put(&format!("/accounts/a{number}"), json!({ "kind": "person" })).await.status, 201);
    }
    let (mut names, mut query) = (Vec::new(), "?limit=3".to_owned());
    loop {
        let page = gateway.get(&format!("/accounts{query}")).await.body;
        let items = page["items"].as_array().unwrap();
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=3&cursor={next}");
    }
    assert_eq!(names, ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
    ] {
        assert_eq!(gateway.get(&format!("/accounts?{query}")).await.field(400), field);
    }
    assert_eq!(gateway.get("/links?cursor=x").await.field(400), "cursor");
}

#[tokio::test]
async fn rooms_are_linked_extended_and_unlinked() {
    let gateway = Gateway::new().await;
    let ends = |names: &[&str]| {
        let end = |name: &&str| json!({ "address": format!("@{name}:{HOST}") });
        json!({ "ends": names.iter().map(end).collect::<Vec<_>>() })
    };
    let made = gateway.post("/links", ends(&["lobby", "garden"])).await;
    assert_eq!(made.status, 201, "{made:?}");
    let extended = gateway.post("/links", ends(&["garden", "kitchen"])).await;
    assert_eq!((extended.status, &extended.body["id"]), (200, &made.body["id"]));
    assert_eq!(extended.body["ends"].as_array().unwrap().len(), 3);
    assert_eq!(gateway.get("/accounts/kitchen").await.body["kind"], "group");

    let path = format!("/links/{}", made.body["id"]);
    assert_eq!(gateway.get(&path).await.body, extended.body);
    assert_eq!(gateway.get("/links").await.body["items"], json!([extended.body]));
    gateway.post("/links", ends(&["cellar", "attic"])).await;
    gateway.post("/links", ends(&["attic", "kitchen"])).await.field(409);

    assert_eq!(gateway.delete(&path).await.status, 204);
    assert_eq!(gateway.delete(&path).await.status, 204);
    gateway.get(&path).await.field(404);
}

#[tokio::test]
async fn what_cannot_be_linked_is_refused_with_its_field() {
    let gateway = Gateway::new().await;
    let lobby = json!({ "address": format!("@lobby:{HOST}") });
    for (field, body) in [
        ("ends", json!({})),
        ("ends[0].address", json!({ "ends": [{}] })),
        ("end", json!({ "end": [] })),
        ("ends", json!({ "ends": [] })),
        ("ends[1].address", json!({ "ends": [lobby, { "address": "" }] })),
        ("ends", json!({ "ends": [lobby] })),
        ("ends", json!({ "ends": [lobby, lobby] })),
        ("ends", json!({ "ends": [lobby, { "address": "@room:elsewhere.example" }] })),
        ("ends", json!({ "ends": [lobby, { "address": format!("@echo:echo:{HOST}") }] })),
        ("ends[1].address", json!({ "ends": [lobby, { "address": "lobby" }] })),
        ("ends[1].address", json!({ "ends": [lobby, { "address": format!("@#a\r\nQUIT:irc:{HOST}") }] })),
        ("ends[0].posting", json!({ "ends": [{ "address": "@lobby:x", "posting": "ghosts" }] })),
        ("ends[0].mode", json!({ "ends": [{ "address": "@lobby:x", "mode": "relay" }] })),
        ("ends", json!({ "ends": vec![lobby.clone(); 101] })),
        ("ends", json!({ "ends": [lobby, { "address": format!("@metrics:{HOST}") }] })),
        ("pass", json!({ "ends": [lobby, { "address": format!("@b:{HOST}") }], "pass": "a\nb" })),
    ] {
        assert_eq!(gateway.post("/links", body.clone()).await.field(400), field, "{body}");
    }
    assert_eq!(gateway.put("/accounts/bob", json!({})).await.field(400), "kind");
    assert_eq!(gateway.put("/accounts/@bob", json!({ "kind": "person" })).await.field(400), "name");
    assert_eq!(gateway.put(&format!("/map/echo/@a:{HOST}"), json!({})).await.field(400), "remote_id");
    assert_eq!(gateway.get("/links/x").await.field(400), "id");
    assert_eq!(gateway.get("/links").await.body["items"], json!([]));
}

#[tokio::test]
async fn an_address_is_mapped_and_unmapped() {
    let gateway = Gateway::new().await;
    let path = format!("/map/echo/@test:echo:{HOST}");
    let made = gateway.put(&path, json!({ "remote_id": "echo" })).await;
    let mapping =
        json!({ "bridge": "echo", "remote_id": "echo", "address": format!("@test:echo:{HOST}"), "alias": true });
    assert_eq!((made.status, &made.body), (200, &mapping));
    assert_eq!(gateway.put(&path, json!({ "remote_id": "echo" })).await.body, mapping);
    assert_eq!(gateway.get("/map?bridge=echo").await.body["items"], json!([mapping]));
    assert_eq!(gateway.get("/map?bridge=other").await.field(400), "bridge");

    assert_eq!(gateway.put(&path, json!({ "remote_id": "nobody" })).await.field(400), "remote_id");
    assert_eq!(gateway.put(&path, json!({ "remote_id": "e\ncho" })).await.field(400), "remote_id");
    let elsewhere = "/map/echo/@test:elsewhere.example";
    assert_eq!(gateway.put(elsewhere, json!({ "remote_id": "echo" })).await.field(400), "address");
    assert_eq!(gateway.put("/map/echo/test", json!({ "remote_id": "echo" })).await.field(400), "address");
    let unknown = format!("/map/irc/@test:irc:{HOST}");
    assert_eq!(gateway.put(&unknown, json!({ "remote_id": "echo" })).await.field(400), "bridge");

    assert_eq!(gateway.delete(&path).await.status, 204);
    assert_eq!(gateway.delete(&path).await.status, 204);
    assert_eq!(gateway.get("/map").await.body["items"], json!([]));
}

/// What alice says to somebody whose server nobody can reach here; waits from then on.
async fn say(gateway: &Gateway, words: &str) {
    let account = format!("@alice:{HOST}").parse().unwrap();
    let device = monster_bridge_api::DeviceId::new("test");
    let speaker = Speaker { account, side: Side::Home, ext: true, nickname: None, picture: None, device };
    let body = RequestBody::Text { text: words.into() };
    let to = "@bob:elsewhere.example".parse().unwrap();
    let answer = gateway.core.request(&Peer::Account(speaker), &to, monster_protocol::Request::new(words, body)).await;
    assert_eq!(answer.status, monster_protocol::Status::Accepted, "{answer:?}");
}

#[tokio::test]
async fn what_waits_is_shown_retried_and_dropped() {
    let gateway = Gateway::new().await;
    gateway.put("/accounts/alice", json!({ "kind": "person" })).await;
    for words in ["one", "two", "three"] {
        say(&gateway, words).await;
    }
    let page = gateway.get("/deliveries?limit=2").await.body;
    assert_eq!(page["items"][0]["to"], "@bob:elsewhere.example");
    assert_eq!(page["items"][0]["author"], "@alice:gw.example.org");
    let last = gateway.get(&format!("/deliveries?cursor={}", page["next"].as_str().unwrap())).await.body;
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    let id = |page: &Value, at: usize| page["items"][at]["id"].as_i64().unwrap();

    let first = id(&page, 0);
    assert_eq!(gateway.post(&format!("/deliveries/{first}/retry"), Value::Null).await.status, 204);
    let second = id(&page, 1);
    assert_eq!(gateway.delete(&format!("/deliveries/{second}")).await.status, 204);
    gateway.delete(&format!("/deliveries/{second}")).await.field(404);
    gateway.post(&format!("/deliveries/{second}/retry"), Value::Null).await.field(404);
    assert_eq!(gateway.delete("/deliveries/x").await.field(400), "id");

    let third = id(&last, 0);
    gateway.store.fail(third, "bob is gone".to_owned(), None).await.unwrap();
    let dead = gateway.get("/dead-letters").await.body;
    assert_eq!((&dead["items"][0]["id"], &dead["items"][0]["error"]), (&json!(third), &json!("bob is gone")));
    let status = gateway.get("/status").await.body;
    assert_eq!((&status["waiting"], &status["dead"], &status["messages"]), (&json!(1), &json!(1), &json!(3)));
}

#[tokio::test]
async fn conversations_are_listed_without_what_was_said() {
    let gateway = Gateway::new().await;
    gateway.put("/accounts/alice", json!({ "kind": "person" })).await;
    for words in ["secret one", "secret two"] {
        say(&gateway, words).await;
    }
    let list = gateway.get("/conversations").await.body;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let name = list["items"][0]["conversation"].as_str().unwrap();
    let path = format!("/conversations/{}/messages", name.replace(' ', "%20"));
    let mut shown = list.clone();
    let messages = gateway.get(&path).await.body;
    let authors: Vec<_> = messages["items"].as_array().unwrap().iter().map(|message| &message["author"]).collect();
    assert_eq!(authors, ["@alice:gw.example.org", "@alice:gw.example.org"]);
    let second = gateway.get(&format!("{path}?limit=1")).await.body;
    assert_eq!(second["items"][0], messages["items"][0]);
    shown["messages"] = messages;
    assert!(!shown.to_string().contains("secret"), "{shown}");
}

#[tokio::test]
async fn bridges_are_listed_with_their_state() {
    let gateway = Gateway::new().await;
    let bridges = gateway.get("/bridges").await.body;
    assert_eq!(bridges["items"][0]["name"], "echo", "{bridges}");
    assert_eq!(gateway.get("/bridges/echo").await.body["name"], "echo");
    gateway.get("/bridges/other").await.field(404);
}

#[test]
fn nonsense_is_a_400_and_never_a_500() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gateway = runtime.block_on(Gateway::new());
    let nonsense = ("\\PC{0,40}", "[a-z%/@:{}0-9]{0,20}");
    let tried = TestRunner::new(Config::with_cases(256)).run(&nonsense, |(body, path)| {
        for (method, path) in [("POST", "/links"), ("PUT", "/accounts/a"), ("PUT", "/map/echo/@a:echo:gw.example.org")]
        {
            let mut request = gateway.request(method, path, Some(&Value::Null));
            *request.body_mut() = Body::from(body.clone());
            prop_assert_eq!(runtime.block_on(gateway.send(request)).status, 400);
        }
        let path = format!("/{path}");
        if format!("{PREFIX}{path}").parse::<axum::http::Uri>().is_ok() {
            prop_assert!(runtime.block_on(gateway.get(&path)).status < 500);
        }
        Ok(())
    });
    tried.unwrap();
}
