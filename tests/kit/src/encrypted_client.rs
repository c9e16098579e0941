//! A Matrix client with end-to-end encryption that is not the gateway's: matrix-nio, driven by
//! `tests/matrix-tools/encrypted.py`.

use crate::synapse::Synapse;
use crate::tools;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A user on a device with keys.
#[derive(Debug)]
pub struct EncryptedClient {
    /// The user's id.
    pub id: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    waiting: VecDeque<Value>,
    answers: VecDeque<Value>,
    seen: Vec<String>,
    asked: u64,
    _child: Child,
    _dir: TempDir,
}

impl EncryptedClient {
    /// Registers a user, and signs in on a device with keys.
    pub async fn register(synapse: &Synapse, name: &str) -> Self {
        let user = synapse.register(name).await;
        let dir = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../matrix-tools/encrypted.py");
        let mut command = Command::new(tools::matrix_python());
        command.arg(script).args([&synapse.url(), &user.id, Synapse::PASSWORD]).arg(dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("matrix-nio is installed by `./test`");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut client = Self {
            id: user.id,
            input,
            output: BufReader::new(output).lines(),
            waiting: VecDeque::new(),
            answers: VecDeque::new(),
            seen: Vec::new(),
            asked: 0,
            _child: child,
            _dir: dir,
        };
        client.answer_to(0).await;
        client
    }

    /// Makes an encrypted room as `request` says (the arguments of nio's `room_create`); its id.
    pub async fn create(&mut self, request: Value) -> String {
        self.ask(json!({"do": "create", "room": request})).await.as_str().unwrap().to_owned()
    }

    /// Joins a room.
    pub async fn join(&mut self, room: &str) {
        self.ask(json!({"do": "join", "room": room})).await;
    }

    /// Waits until the devices of somebody in a room are known, so that they are given keys.
    pub async fn knows(&mut self, room: &str, user: &str) {
        self.ask(json!({"do": "knows", "room": room, "user": user})).await;
    }

    /// Says something; the event's id.
    pub async fn say(&mut self, room: &str, words: &str) -> String {
        self.send(room, "m.room.message", json!({"msgtype": "m.text", "body": words})).await
    }

    /// Sends an event of any type; its id.
    pub async fn send(&mut self, room: &str, kind: &str, content: Value) -> String {
        let request = json!({"do": "send", "room": room, "type": kind, "content": content});
        self.ask(request).await.as_str().unwrap().to_owned()
    }

    /// Says something and gives nobody the key; the event's id.
    pub async fn say_without_key(&mut self, room: &str, words: &str) -> String {
        let content = json!({"msgtype": "m.text", "body": words});
        self.ask(json!({"do": "withhold", "room": room, "content": content})).await.as_str().unwrap().to_owned()
    }

    /// Gives the key of [`EncryptedClient::say_without_key`] to everybody in the room.
    pub async fn give_key(&mut self, room: &str) {
        self.ask(json!({"do": "release", "room": room})).await;
    }

    /// Withdraws an event.
    pub async fn redact(&mut self, room: &str, event: &str) {
        self.ask(json!({"do": "redact", "room": room, "event": event})).await;
    }

    /// Uploads a text as an encrypted file; what an event's `file` holds.
    pub async fn upload(&mut self, text: &str) -> Value {
        self.ask(json!({"do": "upload", "text": text})).await
    }

    /// Downloads and decrypts the text of an event's `file`.
    pub async fn download(&mut self, file: &Value) -> String {
        self.ask(json!({"do": "download", "file": file})).await.as_str().unwrap().to_owned()
    }

    /// The devices of a user that this one knows.
    pub async fn devices(&mut self, user: &str) -> Vec<String> {
        serde_json::from_value(self.ask(json!({"do": "devices", "user": user})).await).unwrap()
    }

    /// Waits for a message in a room with these words, which came encrypted and could be read.
    pub async fn hears(&mut self, room: &str, words: &str) -> Value {
        let me = self.id.clone();
        self.expect(&format!("`{words}` in {room}"), |event| {
            event["room_id"] == room
                && event["sender"] != *me
                && event["content"]["body"].as_str().is_some_and(|body| body.contains(words))
        })
        .await
    }

    /// Waits for an invitation; the room.
    pub async fn invited(&mut self) -> String {
        let event = self.expect("an invitation", |event| event["type"] == "invitation").await;
        event["room_id"].as_str().unwrap().to_owned()
    }

    /// Waits for an event, passing over others.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(crate::PATIENCE, async {
            loop {
                match self.waiting.pop_front() {
                    Some(event) if wanted(&event) => return event,
                    Some(_) => {}
                    None => self.receive().await,
                }
            }
        });
        let found = found.await;
        found.unwrap_or_else(|_| panic!("{}: {what} did not come; seen:\n{}", self.id, self.seen.join("\n")))
    }

    async fn ask(&mut self, mut request: Value) -> Value {
        self.asked += 1;
        request["id"] = json!(self.asked);
        self.input.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        self.answer_to(self.asked).await
    }

    async fn answer_to(&mut self, id: u64) -> Value {
        let found = tokio::time::timeout(3 * crate::PATIENCE, async {
            loop {
                if let Some(at) = self.answers.iter().position(|answer| answer["id"] == id) {
                    return self.answers.remove(at).unwrap();
                }
                self.receive().await;
            }
        });
        let Ok(answer) = found.await else {
            panic!("{}: matrix-nio does not answer; seen:\n{}", self.id, self.seen.join("\n"))
        };
        assert!(answer.get("error").is_none(), "{}: matrix-nio: {answer}", self.id);
        answer["result"].clone()
    }

    async fn receive(&mut self) {
        let line = self.output.next_line().await.unwrap().expect("matrix-nio runs");
        let Ok(value) = serde_json::from_str::<Value>(&line) else { return };
        self.seen.push(line);
        match value.get("event") {
            Some(event) => self.waiting.push_back(event.clone()),
            None => self.answers.push_back(value),
        }
    }
}
