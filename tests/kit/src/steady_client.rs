//! A Monster client that outlives its gateway: it connects again when the socket ends, and sends again
//! under the same `messageId` until it is answered. For tests in which servers are killed.

use crate::monster_client::MonsterClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// The pause before it tries to connect again, when nobody listens.
const PAUSE: Duration = Duration::from_millis(20);

/// An account's client.
#[derive(Debug)]
pub struct SteadyClient {
    url: String,
    socket: Option<MonsterClient>,
    known: HashSet<String>,
    heard: Vec<String>,
}

impl SteadyClient {
    /// One that connects to this WebSocket URL when it has something to do.
    pub fn new(url: String) -> Self {
        Self { url, socket: None, known: HashSet::new(), heard: Vec::new() }
    }

    /// The words of each 2001 that was pushed, in their order. A frame that is pushed again under the
    /// same `messageId` is the same frame.
    pub fn heard(&self) -> &[String] {
        &self.heard
    }

    /// Sends a request until it is answered.
    pub async fn request(&mut self, frame: Value) -> Value {
        loop {
            if !self.connected().await.try_send(&frame).await {
                self.socket = None;
            }
            // An answer comes on the connection that the frame went over, or not at all.
            while self.socket.is_some() {
                match self.step().await {
                    Some(answer) if answer.get("code").is_none() && answer["messageId"] == frame["messageId"] => {
                        return answer;
                    }
                    _ => {}
                }
            }
        }
    }

    /// Sends a 2001 under this `messageId` until it is accepted.
    pub async fn say(&mut self, to: &str, id: &str, words: &str) {
        let frame = json!({"code": "2001", "to": to, "text": STANDARD.encode(words), "messageId": id});
        while self.request(frame.clone()).await["statusCode"] != "200" {}
    }

    /// Takes what is pushed for a while. What is cut off at its end is pushed again.
    pub async fn take_in(&mut self, time: Duration) {
        let taking = async {
            loop {
                self.connected().await;
                self.step().await;
            }
        };
        // It never ends by itself.
        drop(tokio::time::timeout(time, taking).await);
    }

    /// Takes what is pushed until all of `words` have come.
    pub async fn hears_all(&mut self, words: &[String]) {
        while !words.iter().all(|words| self.heard.contains(words)) {
            self.connected().await;
            self.step().await;
        }
    }

    async fn connected(&mut self) -> &mut MonsterClient {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => loop {
                if let Some(socket) = MonsterClient::try_connect(&self.url).await {
                    break socket;
                }
                tokio::time::sleep(PAUSE).await;
            },
        };
        self.socket.insert(socket)
    }

    /// The next frame of the socket, if it has not ended; a pushed one is noted and answered.
    async fn step(&mut self) -> Option<Value> {
        let socket = self.socket.as_mut()?;
        let Some(frame) = socket.next().await else {
            self.socket = None;
            return None;
        };
        if frame.get("code").is_some() {
            let id = frame["messageId"].as_str().unwrap_or_default().to_owned();
            if frame["code"] == "2001" && self.known.insert(id) {
                self.heard.push(MonsterClient::text(&frame));
            }
            let answer = json!({"statusCode": "200", "messageId": frame["messageId"]});
            if !socket.try_send(&answer).await {
                self.socket = None;
            }
        }
        Some(frame)
    }
}
