//! The account API as a client sees it.

use crate::core::{Peer, Side, Speaker};
use crate::http::api::tests::{Gateway, HOST};
use monster_protocol::{Address, Request, RequestBody, Status};
use serde_json::{Value, json};

async fn say(gateway: &Gateway, from: &str, to: &str, id: &str, words: &str) {
    let address = |name: &str| -> Address { format!("@{name}:{HOST}").parse().unwrap() };
    let speaker = Speaker {
        account: address(from),
        side: Side::Home,
        ext: true,
        nickname: None,
        picture: None,
        device: monster_bridge_api::DeviceId::new("test"),
    };
    let request = Request::new(id, RequestBody::Text { text: words.into() });
    let answer = gateway.core.request(&Peer::Account(speaker), &address(to), request).await;
    assert_eq!(answer.status, Status::Accepted, "{answer:?}");
}

fn messages_with(name: &str) -> String {
    format!("/me/conversations/%40{name}%3A{HOST}/messages")
}

#[tokio::test]
async fn an_account_is_told_who_it_is_and_whom_to_call_through() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    let me = gateway.as_owner(&alice, "GET", "/me", None).await;
    let expected = json!({
        "address": format!("@alice:{HOST}"), "name": "alice", "nickname": null, "picture": null,
        "socket": format!("wss://{HOST}/alice"),
    });
    assert_eq!((me.status, &me.body), (200, &expected));
    assert_eq!(me.headers["cache-control"], "no-store");

    let ice = gateway.as_owner(&alice, "GET", "/me/ice-servers", None).await.body;
    assert_eq!(ice["ttl_seconds"], 600);
    assert_eq!(ice["iceServers"][0]["urls"], json!(["turn:turn.example.org"]));
    assert!(ice["iceServers"][0]["username"].as_str().unwrap().ends_with(":alice"));
    assert!(ice["iceServers"][0]["credential"].is_string());
}

#[tokio::test]
async fn conversations_and_messages_have_the_fields_that_are_described() {
    let gateway = Gateway::new().await;
    let (alice, bob) = (gateway.person("alice").await, gateway.person("bob").await);
    say(&gateway, "alice", "bob", "a1", "**hello**").await;
    let page = gateway.as_owner(&bob, "GET", "/me/conversations", None).await.body;
    let row = &page["items"][0];
    let last = &row["last"];
    assert_eq!(row["address"], format!("@alice:{HOST}"));
    assert_eq!((&row["kind"], &row["relation"], &row["unread"]), (&json!("person"), &Value::Null, &json!(1)));
    assert_eq!(row["places"], json!([format!("@alice:{HOST}")]));
    assert_eq!(
        (&last["kind"], &last["excerpt"], &last["nickname"]),
        (&json!("text"), &json!("hello"), &json!("alice"))
    );
    assert_eq!(page.get("next"), None);

    let page = gateway.as_owner(&alice, "GET", &messages_with("bob"), None).await.body;
    let message = page["items"][0].as_object().unwrap();
    let fields: Vec<&str> = message.keys().map(String::as_str).collect();
    assert_eq!(fields, ["from", "kind", "messageId", "nickname", "number", "text", "time"]);
    assert_eq!((&message["messageId"], &message["text"]), (&json!("a1"), &json!("**hello**")));

    let read = json!({ "number": message["number"] });
    let path = messages_with("alice").replace("/messages", "/read");
    assert_eq!(gateway.as_owner(&bob, "PUT", &path, Some(&read)).await.status, 204);
    assert_eq!(gateway.as_owner(&bob, "GET", "/me/conversations", None).await.body["items"][0]["unread"], 0);
}

#[tokio::test]
async fn a_file_is_taken_and_answered_with_its_link() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    let file = json!({ "meow": "x".repeat(100_000) });
    let answer = gateway.as_owner(&alice, "POST", "/me/media?name=a%20cat.json", Some(&file)).await;
    assert_eq!((answer.status, &answer.body["name"]), (201, &json!("a cat.json")), "{answer:?}");
    assert_eq!(
        (&answer.body["media_type"], &answer.body["size"]),
        (&json!("application/json; charset=utf-8"), &json!(file.to_string().len()))
    );
    let url = answer.body["url"].as_str().unwrap();
    assert!(url.contains("/media/") && url.ends_with("/a%20cat.json"), "{url}");
    assert_eq!(gateway.as_owner(&alice, "POST", "/me/media?nmae=x", Some(&file)).await.status, 400);
}

#[tokio::test]
async fn pages_are_followed_by_their_cursor() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    for name in ["bob", "carol", "dave"] {
        gateway.person(name).await;
        say(&gateway, "alice", name, name, "hi").await;
        say(&gateway, "alice", name, "again", "hi again").await;
    }
    for (path, count) in [("/me/conversations".to_owned(), 3), (messages_with("bob"), 2)] {
        let (mut found, mut query) = (Vec::new(), "?limit=1".to_owned());
        while found.len() <= count {
            let page = gateway.as_owner(&alice, "GET", &format!("{path}{query}"), None).await;
            assert_eq!(page.status, 200, "{page:?}");
            found.extend(page.body["items"].as_array().unwrap().clone());
            let Some(next) = page.body["next"].as_str() else { break };
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            query = format!("?limit=1&cursor={next}");
        }
        assert_eq!(found.len(), count, "{path}");
        found.dedup();
        assert_eq!(found.len(), count, "{path}");
    }
}

#[tokio::test]
async fn another_accounts_token_gets_nothing() {
    let gateway = Gateway::new().await;
    let (eve, carol) = (gateway.person("eve").await, gateway.person("carol").await);
    gateway.person("alice").await;
    gateway.person("bob").await;
    gateway.put("/accounts/lobby", json!({ "kind": "group", "pass": "open" })).await;
    say(&gateway, "alice", "bob", "a1", "secret").await;
    say(&gateway, "carol", "bob", "c1", "hi").await;
    for path in ["/me/conversations".to_owned(), messages_with("alice"), messages_with("bob")] {
        let answer = gateway.as_owner(&eve, "GET", &path, None).await;
        assert_eq!((answer.status, &answer.body["items"]), (200, &json!([])), "{path}");
        assert!(!gateway.as_owner(&carol, "GET", &path, None).await.body.to_string().contains("secret"), "{path}");
    }
    gateway.as_owner(&eve, "GET", &messages_with("lobby"), None).await.field(404);
    let name = format!("%40alice%3A{HOST}%20%40bob%3A{HOST}");
    let odd = gateway.as_owner(&eve, "GET", &format!("/me/conversations/{name}/messages"), None).await;
    assert!(!odd.body.to_string().contains("secret"), "{odd:?}");

    gateway.post("/accounts/eve/tokens", json!({ "revoke_others": true })).await;
    gateway.as_owner(&eve, "GET", "/me", None).await.field(401);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_with_its_field() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    let ask = async |method: &str, path: &str, body: Option<Value>| {
        gateway.as_owner(&alice, method, path, body.as_ref()).await
    };
    assert_eq!(ask("GET", "/me/conversations/bob/messages", None).await.field(400), "address");
    assert_eq!(ask("GET", "/me/conversations?cursor=x", None).await.field(400), "cursor");
    assert_eq!(ask("GET", &format!("{}?limit=0", messages_with("bob")), None).await.field(400), "limit");
    let read = messages_with("bob").replace("/messages", "/read");
    assert_eq!(ask("PUT", &read, Some(json!({ "number": -1 }))).await.field(400), "number");
    assert_eq!(ask("PUT", &read, Some(json!({ "upto": 1 }))).await.field(400), "upto");
    ask("GET", "/me/nowhere", None).await.field(404);
    ask("DELETE", "/me", None).await.field(405);
}

#[tokio::test]
async fn who_guesses_tokens_waits() {
    let gateway = Gateway::new().await;
    let alice = gateway.person("alice").await;
    for _ in 0..10 {
        gateway.as_owner("guess", "GET", "/me", None).await.field(401);
    }
    gateway.as_owner("guess", "GET", "/me", None).await.field(429);
    gateway.as_owner(&alice, "GET", "/me", None).await.field(429);
}
