//! Calls through a running gateway, signalled over home sockets as any client does.

use super::client::Client;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_testkit::{Gateway, MonsterClient, within};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A pair of accounts with their sockets.
pub(super) struct Line {
    left: MonsterClient,
    right: MonsterClient,
    to: [String; 2],
}

/// Makes the accounts and opens their sockets.
pub(super) async fn lines(gateway: &Gateway, count: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for n in 0..count {
        let names = [format!("caller{n}"), format!("callee{n}")];
        let tokens = [gateway.account(&names[0]).await, gateway.account(&names[1]).await];
        let left = gateway.home(&names[0], &tokens[0]).await;
        let right = gateway.home(&names[1], &tokens[1]).await;
        lines.push(Line { left, right, to: names.map(|name| gateway.address(&name, "")) });
    }
    lines
}

impl Line {
    /// Sets up a call; candidates that come later go into the channels, the caller's first.
    pub(super) async fn call(
        mut self,
        number: usize,
        clients: [&mut Client; 2],
        candidates: [mpsc::Sender<String>; 2],
        video: bool,
    ) {
        let [calling, called] = clients;
        let code = if video { "2003" } else { "2002" };
        let id = format!("load-{number}-{}", std::process::id());
        let frame = |to: &str, id: &str, kind: &str, sdp: &str| {
            let context = json!({ "type": kind, "callId": id, "sdp": sdp });
            json!({ "code": code, "to": to, "text": STANDARD.encode(context.to_string()) })
        };
        let answer = self.left.request(frame(&self.to[1], &id, "offer", &calling.offer())).await;
        assert_eq!(answer["statusCode"], "200", "the offer was refused: {answer}");
        let offer = step(&mut self.right, "offer", &candidates[1]).await;
        // Towards the callee the gateway gives the call a name of its own.
        let named = offer["callId"].as_str().unwrap();
        let answer = called.answer(offer["sdp"].as_str().unwrap());
        let answered = self.right.request(frame(&self.to[0], named, "answer", &answer)).await;
        assert_eq!(answered["statusCode"], "200", "the answer was refused: {answered}");
        let answer = step(&mut self.left, "answer", &candidates[0]).await;
        calling.take_answer(answer["sdp"].as_str().unwrap());
        for (client, candidates) in [self.left, self.right].into_iter().zip(candidates) {
            tokio::spawn(keep(client, candidates));
        }
    }
}

/// Waits for a step; candidates before it are passed on.
async fn step(client: &mut MonsterClient, kind: &str, candidates: &mpsc::Sender<String>) -> Value {
    within(&format!("the step `{kind}`"), async {
        loop {
            let frame = client.pushed().await;
            let context: Value = serde_json::from_str(&MonsterClient::text(&frame)).unwrap_or_default();
            pass_on(&context, candidates).await;
            assert!(context["type"] != "hangup", "the gateway ended the call: {context}");
            if context["type"] == kind {
                return context;
            }
        }
    })
    .await
}

async fn pass_on(context: &Value, candidates: &mpsc::Sender<String>) {
    for candidate in context["candidates"].as_array().into_iter().flatten() {
        if let Some(line) = candidate["candidate"].as_str() {
            let _ = candidates.send(line.to_owned()).await;
        }
    }
}

/// Answers what is pushed until the socket ends.
async fn keep(mut client: MonsterClient, candidates: mpsc::Sender<String>) {
    while let Some(frame) = client.next().await {
        if frame.get("code").is_some() {
            client.acknowledge(&frame).await;
            let context: Value = serde_json::from_str(&MonsterClient::text(&frame)).unwrap_or_default();
            if context["type"] == "hangup" {
                println!("the gateway ended a call: {context}");
            }
            pass_on(&context, &candidates).await;
        }
    }
}
