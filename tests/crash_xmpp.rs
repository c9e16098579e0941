//! A steady stream in both directions between a Monster account and a room on Prosody, while the
//! gateway is killed 20 times and Prosody 3 times: everything acknowledged arrives, once.
//!
//! What counts as acknowledged: towards XMPP, a 2001 answered with 200; from XMPP, a message that the
//! room sent back to its author. What counts as arrived: what the room's archive holds at the end; a
//! pushed frame. A frame pushed again under the same `messageId` is the same frame.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_testkit::{Gateway, MonsterClient, Prosody, XmppClient};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");
const ROOM: &str = "crash@conference.localhost";
const GATEWAY_KILLS: usize = 20;
const PROSODY_KILLS: usize = 3;
const EACH_ROUND: usize = 25;

/// The Monster account's side: sends again under the same id until it is acknowledged.
struct Alice {
    url: String,
    room: String,
    socket: Option<MonsterClient>,
    heard: HashMap<String, String>,
}

impl Alice {
    async fn socket(&mut self) -> &mut MonsterClient {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => loop {
                if let Some(socket) = MonsterClient::try_connect(&self.url).await {
                    break socket;
                }
                tokio::task::yield_now().await;
            },
        };
        self.socket.insert(socket)
    }

    /// The next frame; a pushed one is noted and answered.
    async fn step(&mut self) -> Option<Value> {
        let Some(frame) = self.socket().await.next().await else {
            self.socket = None;
            return None;
        };
        if frame.get("code").is_some() {
            if frame["code"] == "2001" {
                let id = frame["messageId"].as_str().unwrap_or_default().to_owned();
                self.heard.insert(id, MonsterClient::text(&frame));
            }
            let answer = json!({"statusCode": "200", "messageId": frame["messageId"]});
            if !self.socket().await.try_send(&answer).await {
                self.socket = None;
            }
        }
        Some(frame)
    }

    async fn say(&mut self, words: &str) {
        let frame = json!({"code": "2001", "to": self.room, "text": STANDARD.encode(words), "messageId": format!("id-{words}")});
        loop {
            if !self.socket().await.try_send(&frame).await {
                self.socket = None;
                continue;
            }
            // An answer comes on the connection that the frame went over, or not at all.
            while self.socket.is_some() {
                let answer = self.step().await.unwrap_or_default();
                if answer["messageId"] == frame["messageId"] && answer["statusCode"] == "200" {
                    return;
                }
            }
        }
    }
}

/// What the room's archive holds, by words: the ids that its author gave it.
async fn archive(bob: &mut XmppClient) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{after}</set>");
        let id = bob.id();
        bob.send(&format!("<iq to='{ROOM}' type='set' id='{id}'><query xmlns='urn:xmpp:mam:2'>{set}</query></iq>"))
            .await;
        let mut last = None;
        loop {
            let Some(stanza) = bob.next().await else { panic!("the archive did not answer") };
            if let Some(result) = stanza.get_child("result", "urn:xmpp:mam:2") {
                last = result.attr("id").map(str::to_owned);
                let forwarded = result.get_child("forwarded", "urn:xmpp:forward:0");
                let message = forwarded.and_then(|forwarded| forwarded.get_child("message", "jabber:client"));
                if let Some(message) = message {
                    let own = message.attr("id").unwrap_or_default().to_owned();
                    all.entry(XmppClient::body(message)).or_default().push(own);
                }
            } else if stanza.attr("id") == Some(&id) {
                break;
            }
        }
        match last {
            Some(last) => after = format!("<after>{last}</after>"),
            None => return all,
        }
    }
}

#[tokio::test]
#[ignore = "minutes; part of `./test crash`"]
async fn nothing_is_lost_and_nothing_is_there_twice_when_everything_is_killed() {
    let mut prosody = Prosody::start().await;
    let mut gateway = Gateway::start(BINARY, &prosody.section("xmpp", "")).await;
    let token = gateway.account("alice").await;
    let url = format!("ws://{}/alice?token={token}&ext=1", gateway.listen);
    let room = gateway.address(ROOM, "xmpp");
    let mut alice = Alice { url, room: room.clone(), socket: None, heard: HashMap::new() };
    let joined = alice.socket().await.request(json!({"code": "1001", "to": room})).await;
    assert_eq!(joined["type"], "1", "{joined}");
    let mut bob = XmppClient::connect(prosody.clients, "bob", false).await;
    bob.join(ROOM, "Bob").await;
    let (mut from_alice, mut from_bob) = (Vec::new(), Vec::new());
    for round in 0..GATEWAY_KILLS + PROSODY_KILLS {
        let kills_prosody = round % 8 == 7 && round / 8 < PROSODY_KILLS;
        let alice_part = async {
            for n in 0..EACH_ROUND {
                let words = format!("alice {round} {n}");
                let said = tokio::time::timeout(Duration::from_mins(1), alice.say(&words)).await;
                assert!(said.is_ok(), "not acknowledged within a minute: {words}");
                from_alice.push(words);
            }
        };
        let bob_part = async {
            if kills_prosody {
                return;
            }
            for n in 0..EACH_ROUND {
                let words = format!("bob {round} {n}");
                bob.say(ROOM, &words).await;
                bob.hears(&format!("{ROOM}/Bob"), &words).await;
                from_bob.push(words);
            }
        };
        let kill_part = async {
            // At another moment of the round each time.
            tokio::time::sleep(Duration::from_millis(17 * u64::try_from(round).unwrap_or_default() % 190)).await;
            if kills_prosody {
                prosody.kill().await;
                prosody.restart().await;
            } else {
                gateway.kill().await;
                gateway.run().await;
            }
        };
        tokio::join!(alice_part, bob_part, kill_part);
        if kills_prosody {
            bob = XmppClient::connect(prosody.clients, "bob", false).await;
            bob.join(ROOM, "Bob").await;
        }
    }
    let mut quiet = 0;
    let heard_all = loop {
        let all = from_bob.iter().all(|words| alice.heard.values().any(|heard| heard == words));
        if all || quiet == 12 {
            break all;
        }
        // A client that hears nothing for a while connects again.
        if tokio::time::timeout(Duration::from_secs(5), alice.step()).await.is_err() {
            alice.socket = None;
            quiet += 1;
        }
    };
    let lost_in: Vec<_> = from_bob.iter().filter(|words| !alice.heard.values().any(|heard| heard == *words)).collect();
    assert!(heard_all, "lost on the way from XMPP: {lost_in:?}");
    let twice_in = alice.heard.values().filter(|words| alice.heard.values().filter(|other| other == words).count() > 1);
    assert_eq!(twice_in.collect::<Vec<_>>(), Vec::<&String>::new(), "there twice on the way from XMPP");

    let mut archived = archive(&mut bob).await;
    let mut grown = tokio::time::Instant::now();
    // An archive tells nobody when it grows: it is asked until all is there, or nothing is added any more.
    while !from_alice.iter().all(|words| archived.contains_key(words)) && grown.elapsed() < Duration::from_mins(1) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let before = std::mem::replace(&mut archived, archive(&mut bob).await);
        if before != archived {
            grown = tokio::time::Instant::now();
        }
    }
    let lost: Vec<_> = from_alice.iter().filter(|words| !archived.contains_key(*words)).collect();
    assert!(lost.is_empty(), "lost on the way to XMPP: {lost:?}");
    let twice: Vec<_> = archived.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "there twice on the way to XMPP: {twice:?}");
    println!("{} to XMPP, {} from XMPP: 0 lost, 0 twice", from_alice.len(), from_bob.len());
}
