//! A plain Matrix client on the client-server API, without encryption, knowing JSON and nothing else.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A user of a homeserver, on one device.
///
/// What it is told is a list of events in the order of its syncs. Each has besides its own fields a `room_id` (if it
/// is of a room) and `where`: `timeline`, `state` (as it was before the timeline), `invite`, `knock`, `ephemeral`,
/// `presence` or `to_device`.
#[derive(Debug)]
pub struct MatrixClient {
    /// The user's id.
    pub id: String,
    /// The access token.
    pub token: String,
    /// The device's id.
    pub device: String,
    base: String,
    http: reqwest::Client,
    since: Option<String>,
    waiting: VecDeque<Value>,
    seen: Vec<String>,
}

/// A part of a path.
fn part(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

impl MatrixClient {
    /// Makes a user on a homeserver where everybody may, on a first device.
    pub async fn register(base: &str, name: &str, password: &str) -> Self {
        let body = json!({"username": name, "password": password, "auth": {"type": "m.login.dummy"}});
        Self::signed_in(base, "/v3/register", body).await
    }

    /// Signs a user in on a device more.
    pub async fn login(base: &str, name: &str, password: &str) -> Self {
        let user = json!({"type": "m.id.user", "user": name});
        let body = json!({"type": "m.login.password", "identifier": user, "password": password});
        Self::signed_in(base, "/v3/login", body).await
    }

    /// Goes on as a user whose token is known.
    pub fn with_token(base: &str, id: &str, device: &str, token: &str) -> Self {
        Self {
            id: id.to_owned(),
            token: token.to_owned(),
            device: device.to_owned(),
            base: base.to_owned(),
            http: reqwest::Client::new(),
            since: None,
            waiting: VecDeque::new(),
            seen: Vec::new(),
        }
    }

    async fn signed_in(base: &str, path: &str, body: Value) -> Self {
        let mut client = Self::with_token(base, "", "", "");
        let answer = client.post(path, body).await;
        client.id = text_of(&answer, "user_id");
        client.token = text_of(&answer, "access_token");
        client.device = text_of(&answer, "device_id");
        client
    }

    /// A request to `/_matrix/client` + `path`: the status and the answer.
    pub async fn try_request(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}/_matrix/client{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = crate::within(&format!("the answer to {path}"), request.send()).await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The same, and it must succeed.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.try_request(method.clone(), path, body).await;
        assert_eq!(status, 200, "{}: {method} {path}: {answer}", self.id);
        answer
    }

    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.request(Method::POST, path, Some(body)).await
    }

    /// A PUT that must succeed.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.request(Method::PUT, path, Some(body)).await
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path, None).await
    }

    /// Makes a room as `request` says (`createRoom`); its id.
    pub async fn create_room(&self, request: Value) -> String {
        text_of(&self.post("/v3/createRoom", request).await, "room_id")
    }

    /// Makes a public room with the alias `#name:…`; its id.
    pub async fn create_public_room(&self, name: &str) -> String {
        self.create_room(json!({"preset": "public_chat", "room_alias_name": name, "name": name})).await
    }

    /// Makes a conversation with somebody who is invited to it; its id.
    pub async fn create_direct(&self, with: &str) -> String {
        self.create_room(json!({"preset": "trusted_private_chat", "is_direct": true, "invite": [with]})).await
    }

    /// Joins a room, by id or alias; its id.
    pub async fn join(&self, room: &str) -> String {
        text_of(&self.post(&format!("/v3/join/{}", part(room)), json!({})).await, "room_id")
    }

    /// The id of the room with this alias; `None` if there is none.
    pub async fn room_of(&self, alias: &str) -> Option<String> {
        let (status, answer) =
            self.try_request(Method::GET, &format!("/v3/directory/room/{}", part(alias)), None).await;
        (status == 200).then(|| text_of(&answer, "room_id"))
    }

    /// Leaves a room, or declines its invitation.
    pub async fn leave(&self, room: &str) {
        self.in_room(room, "leave", json!({})).await;
    }

    /// Invites somebody.
    pub async fn invite(&self, room: &str, user: &str) {
        self.in_room(room, "invite", json!({"user_id": user})).await;
    }

    /// Takes somebody out of a room.
    pub async fn kick(&self, room: &str, user: &str, reason: &str) {
        self.in_room(room, "kick", json!({"user_id": user, "reason": reason})).await;
    }

    /// Bans somebody from a room.
    pub async fn ban(&self, room: &str, user: &str, reason: &str) {
        self.in_room(room, "ban", json!({"user_id": user, "reason": reason})).await;
    }

    async fn in_room(&self, room: &str, action: &str, body: Value) {
        self.post(&format!("/v3/rooms/{}/{action}", part(room)), body).await;
    }

    /// Says something plain; the event's id.
    pub async fn say(&self, room: &str, words: &str) -> String {
        self.send(room, "m.room.message", json!({"msgtype": "m.text", "body": words})).await
    }

    /// Says something plain under this transaction id, again until the homeserver has taken it, also one
    /// that is away meanwhile; the event's id.
    pub async fn say_steadily(&self, room: &str, transaction: &str, words: &str) -> String {
        let path = format!("/v3/rooms/{}/send/m.room.message/{}", part(room), part(transaction));
        let url = format!("{}/_matrix/client{path}", self.base);
        let body = json!({"msgtype": "m.text", "body": words});
        loop {
            let answer = self.http.put(&url).bearer_auth(&self.token).json(&body).send().await;
            if let Ok(answer) = answer
                && answer.status().is_success()
                && let Ok(answer) = answer.json::<Value>().await
            {
                return text_of(&answer, "event_id");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Says something with HTML; the event's id.
    pub async fn say_html(&self, room: &str, words: &str, html: &str) -> String {
        let format = "org.matrix.custom.html";
        let content = json!({"msgtype": "m.text", "body": words, "format": format, "formatted_body": html});
        self.send(room, "m.room.message", content).await
    }

    /// Answers an earlier message; the event's id.
    pub async fn reply(&self, room: &str, to: &str, words: &str) -> String {
        let relation = json!({"m.in_reply_to": {"event_id": to}});
        let content = json!({"msgtype": "m.text", "body": words, "m.relates_to": relation});
        self.send(room, "m.room.message", content).await
    }

    /// Makes an earlier message say something else; the edit's id.
    pub async fn edit(&self, room: &str, event: &str, words: &str) -> String {
        let content = json!({
            "msgtype": "m.text",
            "body": format!("* {words}"),
            "m.new_content": {"msgtype": "m.text", "body": words},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event},
        });
        self.send(room, "m.room.message", content).await
    }

    /// Puts an emoji to an earlier message; the reaction's id.
    pub async fn react(&self, room: &str, event: &str, emoji: &str) -> String {
        let relation = json!({"rel_type": "m.annotation", "event_id": event, "key": emoji});
        self.send(room, "m.reaction", json!({"m.relates_to": relation})).await
    }

    /// Sends an event of any type; its id.
    pub async fn send(&self, room: &str, kind: &str, content: Value) -> String {
        let path = format!("/v3/rooms/{}/send/{}/{}", part(room), part(kind), fresh_transaction());
        text_of(&self.put(&path, content).await, "event_id")
    }

    /// Withdraws an event; the redaction's id.
    pub async fn redact(&self, room: &str, event: &str, reason: &str) -> String {
        let path = format!("/v3/rooms/{}/redact/{}/{}", part(room), part(event), fresh_transaction());
        text_of(&self.put(&path, json!({"reason": reason})).await, "event_id")
    }

    /// Sets a piece of the room's state; the event's id.
    pub async fn set_state(&self, room: &str, kind: &str, key: &str, content: Value) -> String {
        let path = format!("/v3/rooms/{}/state/{}/{}", part(room), part(kind), part(key));
        text_of(&self.put(&path, content).await, "event_id")
    }

    /// A piece of the room's state; `None` if it is not set.
    pub async fn state(&self, room: &str, kind: &str, key: &str) -> Option<Value> {
        let path = format!("/v3/rooms/{}/state/{}/{}", part(room), part(kind), part(key));
        let (status, content) = self.try_request(Method::GET, &path, None).await;
        (status == 200).then_some(content)
    }

    /// Who is in a room, by id, and what they are called there.
    pub async fn members(&self, room: &str) -> Vec<(String, String)> {
        let answer = self.get(&format!("/v3/rooms/{}/joined_members", part(room))).await;
        let joined = answer["joined"].as_object().unwrap();
        joined.iter().map(|(id, member)| (id.clone(), text_of(member, "display_name"))).collect()
    }

    /// An event as the homeserver has it now.
    pub async fn event(&self, room: &str, event: &str) -> Value {
        self.get(&format!("/v3/rooms/{}/event/{}", part(room), part(event))).await
    }

    /// The last events of a room, newest first.
    pub async fn history(&self, room: &str, count: usize) -> Vec<Value> {
        let path = format!("/v3/rooms/{}/messages?dir=b&limit={count}", part(room));
        self.get(&path).await["chunk"].as_array().unwrap().clone()
    }

    /// All events of a room, oldest first.
    pub async fn whole_history(&self, room: &str) -> Vec<Value> {
        let (mut events, mut from) = (Vec::new(), String::new());
        loop {
            let path = format!("/v3/rooms/{}/messages?dir=f&limit=1000{from}", part(room));
            let page = self.get(&path).await;
            events.extend(page["chunk"].as_array().unwrap().iter().cloned());
            match page["end"].as_str() {
                Some(end) => from = format!("&from={}", part(end)),
                None => return events,
            }
        }
    }

    /// Says that one is typing, or not any more.
    pub async fn typing(&self, room: &str, active: bool) {
        let path = format!("/v3/rooms/{}/typing/{}", part(room), part(&self.id));
        self.put(&path, json!({"typing": active, "timeout": 30_000})).await;
    }

    /// Says that everything up to an event has been read.
    pub async fn read(&self, room: &str, event: &str) {
        self.post(&format!("/v3/rooms/{}/receipt/m.read/{}", part(room), part(event)), json!({})).await;
    }

    /// Says that one is `online`, `unavailable` or `offline`.
    pub async fn set_presence(&self, presence: &str) {
        let path = format!("/v3/presence/{}/status", part(&self.id));
        self.put(&path, json!({"presence": presence})).await;
    }

    /// Changes one's name.
    pub async fn set_name(&self, name: &str) {
        let path = format!("/v3/profile/{}/displayname", part(&self.id));
        self.put(&path, json!({"displayname": name})).await;
    }

    /// Uploads a file; its `mxc://` URI.
    pub async fn upload(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> String {
        let url = format!("{}/_matrix/media/v3/upload?filename={}", self.base, part(name));
        let request = self.http.post(url).bearer_auth(&self.token).header("content-type", media_type).body(bytes);
        let answer = crate::within("the answer to an upload", request.send()).await.unwrap();
        assert!(answer.status().is_success(), "upload of {name}: {}", answer.status());
        text_of(&answer.json().await.unwrap(), "content_uri")
    }

    /// Downloads the file of an `mxc://` URI.
    pub async fn download(&self, uri: &str) -> Vec<u8> {
        let file = uri.strip_prefix("mxc://").unwrap_or_else(|| panic!("`{uri}` is no mxc URI"));
        let url = format!("{}/_matrix/client/v1/media/download/{file}", self.base);
        let request = self.http.get(url).bearer_auth(&self.token);
        let answer = crate::within("the answer to a download", request.send()).await.unwrap();
        assert!(answer.status().is_success(), "download of {uri}: {}", answer.status());
        answer.bytes().await.unwrap().to_vec()
    }

    /// Waits for a message in `room` (of somebody else) with these words in its body, passing over others.
    pub async fn hears(&mut self, room: &str, words: &str) -> Value {
        let me = self.id.clone();
        self.expect(&format!("`{words}` in {room}"), |event| {
            event["where"] == "timeline"
                && event["room_id"] == room
                && event["sender"] != *me
                && event["content"]["body"].as_str().is_some_and(|body| body.contains(words))
        })
        .await
    }

    /// Waits for an invitation; the room's id, and who invites.
    pub async fn invited(&mut self) -> (String, String) {
        let me = self.id.clone();
        let event = self
            .expect("an invitation", |event| {
                event["where"] == "invite" && event["state_key"] == *me && event["content"]["membership"] == "invite"
            })
            .await;
        (text_of(&event, "room_id"), text_of(&event, "sender"))
    }

    /// Waits for an event, passing over others.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(crate::PATIENCE, async {
            loop {
                let event = self.next().await;
                if wanted(&event) {
                    return event;
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("{}: {what} did not come; seen:\n{}", self.id, self.seen.join("\n")))
    }

    /// Everything that there is until the event that is `wanted`, which is the last.
    pub async fn all_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut events = Vec::new();
        let found = tokio::time::timeout(crate::PATIENCE, async {
            loop {
                let event = self.next().await;
                let last = wanted(&event);
                events.push(event);
                if last {
                    return;
                }
            }
        });
        let found = found.await;
        assert!(found.is_ok(), "{}: {what} did not come; seen:\n{}", self.id, self.seen.join("\n"));
        events
    }

    /// The next event of any kind. Waits as long as it takes, also for a homeserver that is away.
    pub async fn next(&mut self) -> Value {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.seen.push(event.to_string());
                return event;
            }
            if !self.sync().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// One sync, of 10 s at most; false if the homeserver did not answer.
    async fn sync(&mut self) -> bool {
        let filter = part(r#"{"room":{"timeline":{"limit":1000}}}"#);
        let since = self.since.as_ref().map_or_else(String::new, |since| format!("&since={since}"));
        let url = format!("{}/_matrix/client/v3/sync?timeout=10000&filter={filter}{since}", self.base);
        let Ok(answer) = self.http.get(url).bearer_auth(&self.token).send().await else { return false };
        if !answer.status().is_success() {
            return false;
        }
        let Ok(answer) = answer.json::<Value>().await else { return false };
        self.since = answer["next_batch"].as_str().map(str::to_owned);
        self.take_in(&answer);
        true
    }

    fn take_in(&mut self, answer: &Value) {
        self.take_list(&answer["to_device"], "to_device", None);
        self.take_list(&answer["presence"], "presence", None);
        for kind in ["invite", "knock"] {
            for (room, body) in answer["rooms"][kind].as_object().into_iter().flatten() {
                self.take_list(&body[format!("{kind}_state")], kind, Some(room));
            }
        }
        for kind in ["join", "leave"] {
            for (room, body) in answer["rooms"][kind].as_object().into_iter().flatten() {
                for part in ["state", "timeline", "ephemeral"] {
                    self.take_list(&body[part], part, Some(room));
                }
            }
        }
    }

    fn take_list(&mut self, list: &Value, place: &str, room: Option<&str>) {
        for event in list["events"].as_array().into_iter().flatten() {
            let mut event = event.clone();
            event["where"] = json!(place);
            if let Some(room) = room {
                event["room_id"] = json!(room);
            }
            self.waiting.push_back(event);
        }
    }
}

fn fresh_transaction() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("kit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A field's text; empty if it has none.
fn text_of(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
