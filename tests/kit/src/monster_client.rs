//! A plain Monster client on a raw WebSocket, knowing the frames and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A WebSocket to an account.
#[derive(Debug)]
pub struct MonsterClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pushed: VecDeque<Value>,
    answered: VecDeque<Value>,
    seen: Vec<String>,
}

impl MonsterClient {
    /// Connects to a WebSocket URL.
    pub async fn connect(url: &str) -> Self {
        let (socket, _) = crate::within("the WebSocket", tokio_tungstenite::connect_async(url))
            .await
            .unwrap_or_else(|error| panic!("no WebSocket: {error}"));
        Self { socket, pushed: VecDeque::new(), answered: VecDeque::new(), seen: Vec::new() }
    }

    /// Connects if somebody listens.
    pub async fn try_connect(url: &str) -> Option<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await.ok()?;
        Some(Self { socket, pushed: VecDeque::new(), answered: VecDeque::new(), seen: Vec::new() })
    }

    /// Sends a frame as it is.
    pub async fn send_raw(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).await.unwrap();
    }

    /// Sends a frame, or says that the other side is gone.
    pub async fn try_send(&mut self, frame: &Value) -> bool {
        self.socket.send(Message::text(frame.to_string())).await.is_ok()
    }

    /// A `messageId` that nobody in this process has used.
    pub fn fresh_id(&mut self) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        format!("kit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a request (with a fresh `messageId` if it has none) and waits for its answer.
    pub async fn request(&mut self, mut frame: Value) -> Value {
        if frame.get("messageId").is_none() {
            frame["messageId"] = json!(self.fresh_id());
        }
        let id = frame["messageId"].clone();
        self.send_raw(&frame.to_string()).await;
        self.answer_to(&id).await
    }

    /// Sends a 2001 to `to` and asserts that it was accepted; its `messageId`.
    pub async fn say(&mut self, to: &str, words: &str) -> String {
        self.say_with(to, words, json!({})).await
    }

    /// Sends a 2001 with further fields and asserts that it was accepted; its `messageId`.
    pub async fn say_with(&mut self, to: &str, words: &str, fields: Value) -> String {
        let mut frame = json!({"code": "2001", "to": to, "text": STANDARD.encode(words)});
        for (key, value) in fields.as_object().unwrap() {
            frame[key] = value.clone();
        }
        let answer = self.request(frame).await;
        assert_eq!(answer["statusCode"], "200", "the 2001 to {to} was not accepted: {answer}");
        answer["messageId"].as_str().unwrap().to_owned()
    }

    /// Waits for the answer with this `messageId`.
    pub async fn answer_to(&mut self, id: &Value) -> Value {
        loop {
            if let Some(at) = self.answered.iter().position(|answer| answer["messageId"] == *id) {
                return self.answered.remove(at).unwrap();
            }
            self.receive(&format!("the answer to {id}")).await;
        }
    }

    /// Waits for any answer.
    pub async fn any_answer(&mut self) -> Value {
        while self.answered.is_empty() {
            self.receive("an answer").await;
        }
        self.answered.pop_front().unwrap()
    }

    /// Waits for the next pushed frame, and answers it with 200.
    pub async fn pushed(&mut self) -> Value {
        let frame = self.pushed_unanswered().await;
        self.acknowledge(&frame).await;
        frame
    }

    /// Waits for the next pushed frame without answering it.
    pub async fn pushed_unanswered(&mut self) -> Value {
        while self.pushed.is_empty() {
            self.receive("a pushed frame").await;
        }
        self.pushed.pop_front().unwrap()
    }

    /// Answers a pushed frame with 200.
    pub async fn acknowledge(&mut self, frame: &Value) {
        let answer = json!({"messageId": frame["messageId"], "statusCode": "200"});
        self.send_raw(&answer.to_string()).await;
    }

    /// Waits for a pushed 2001 with these words in it, acknowledging and passing over others.
    pub async fn hears(&mut self, words: &str) -> Value {
        self.expect(&format!("a message with `{words}`"), |frame| Self::text(frame).contains(words)).await
    }

    /// Waits for a pushed frame, acknowledging and passing over others.
    pub async fn expect(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = tokio::time::timeout(crate::PATIENCE, async {
            loop {
                let frame = self.pushed().await;
                if wanted(&frame) {
                    return frame;
                }
            }
        })
        .await;
        found.unwrap_or_else(|_| panic!("{what} did not come; seen:\n{}", self.seen.join("\n")))
    }

    /// The decoded words of a frame; empty if it has none.
    pub fn text(frame: &Value) -> String {
        let encoded = frame["text"].as_str().unwrap_or_default();
        String::from_utf8_lossy(&STANDARD.decode(encoded).unwrap_or_default()).into_owned()
    }

    /// The next frame of any kind, or `None` when the socket has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => {
                    self.seen.push(text.to_string());
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Waits for the end of the socket; the close code, if it was closed with one.
    pub async fn close_code(&mut self) -> Option<u16> {
        crate::within("the end of the socket", async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        })
        .await
    }

    /// Closes the socket properly.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }

    async fn receive(&mut self, what: &str) {
        let received = tokio::time::timeout(crate::PATIENCE, self.next()).await;
        match received {
            Ok(Some(frame)) if frame.get("code").is_some() => self.pushed.push_back(frame),
            Ok(Some(frame)) => self.answered.push_back(frame),
            Ok(None) => panic!("the socket ended while waiting for {what}; seen:\n{}", self.seen.join("\n")),
            Err(late) => panic!("{what} did not come ({late}); seen:\n{}", self.seen.join("\n")),
        }
    }
}
