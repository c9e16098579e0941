//! Calls over networks that are not kind: packets lost, UDP blocked, another network in the middle of
//! the call. The browser lives in a network namespace, the gateway and the TURN server outside.

use crate::BINARY;
use crate::phone::Phone;
use monster_testkit::{Browser, BrowserOptions, Coturn, Figures, Gateway, Namespace, free_port_at, free_udp_port_at};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest time without a new picture that nobody calls a freeze.
const UNNOTICED: Duration = Duration::from_millis(500);

/// How long a call is watched for freezes.
const WATCHED: Duration = Duration::from_secs(10);

struct Apart {
    gateway: Gateway,
    browser: Browser,
    udp_port: u16,
}

impl Apart {
    /// A browser in the namespace, and a gateway outside; `calls` are further keys of its `[calls]`.
    async fn new(namespace: &Namespace, calls: &str) -> Self {
        let ip = namespace.outside;
        let udp_port = free_udp_port_at(ip);
        let sections = format!("[calls]\nudp_listen = \"{ip}:{udp_port}\"\n{calls}\n[bridges.echo]\nkind = \"echo\"\n");
        let mut gateway = Gateway::prepare_at(ip, BINARY, &sections);
        gateway.run().await;
        let trusted_origins = vec![format!("http://{}", gateway.host())];
        let browser = Browser::start_with(BrowserOptions { within: Some(namespace), trusted_origins }).await;
        Self { gateway, browser, udp_port }
    }

    async fn phone(&self, name: &str, config: Value) -> Phone {
        let token = self.gateway.account(name).await;
        Phone::device(&self.browser, &self.gateway, name, &token, config).await
    }

    /// A video call between two telephones; what each receives, once it does.
    async fn video_call(&self, config: &Value) -> (Phone, Phone, [Figures; 2]) {
        let alice = self.phone("alice", config.clone()).await;
        let bob = self.phone("bob", config.clone()).await;
        alice.reach(&bob, true).await;
        tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
        let figures = [alice.tab.figures().await, bob.tab.figures().await];
        (alice, bob, figures)
    }
}

/// Watches both ends for freezes.
async fn assert_fluent(alice: &Phone, bob: &Phone) {
    let gaps = tokio::join!(alice.tab.longest_gap(WATCHED), bob.tab.longest_gap(WATCHED));
    for (name, (length, course)) in [("alice", &gaps.0), ("bob", &gaps.1)] {
        assert!(*length < UNNOTICED, "the picture stood still for {length:?} at {name}; meanwhile:\n{course}");
    }
}

#[tokio::test]
async fn five_percent_loss_freezes_nothing() {
    let Some(namespace) = Namespace::make() else { return };
    let apart = Apart::new(&namespace, "").await;
    let (alice, bob, _) = apart.video_call(&json!({})).await;
    namespace.lose_packets(5);
    alice.tab.counts("retransmissions", |now| now.video.nacks > 0).await;
    assert_fluent(&alice, &bob).await;
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
    for end in [&alice, &bob] {
        let video = end.tab.figures().await.video;
        assert!(video.repaired > 0, "what is lost is sent again: {video:#?}");
        assert!(video.frozen < UNNOTICED.as_secs_f64(), "the picture froze: {video:#?}");
    }
}

#[tokio::test]
async fn an_ice_restart_and_a_renegotiation_freeze_nothing() {
    let Some(namespace) = Namespace::make() else { return };
    let apart = Apart::new(&namespace, "").await;
    let (alice, bob, [before, _]) = apart.video_call(&json!({})).await;
    let changes = async {
        for device in [&alice, &bob] {
            device.tell("restart()").await;
            device.tell("renegotiate()").await;
            device.has("connection.signalingState", json!("stable")).await;
        }
    };
    tokio::join!(changes, assert_fluent(&alice, &bob));
    let after = alice.tab.figures().await;
    let ufrag = |figures: &Figures| figures.path.as_ref().and_then(|path| path.ufrag.clone());
    assert_ne!(ufrag(&before), ufrag(&after), "the restart took place");
    tokio::join!(alice.hears_and_sees(), bob.hears_and_sees());
}

#[tokio::test]
async fn where_udp_to_the_gateway_is_blocked_turn_carries_the_call() {
    let Some(namespace) = Namespace::make() else { return };
    let coturn = Coturn::start_at((namespace.outside, free_port_at(namespace.outside)).into(), &[]).await;
    let apart = Apart::new(&namespace, &coturn.section()).await;
    namespace.drop_packets(&format!("udp {{port}} {}", apart.udp_port));
    let token = apart.gateway.account("carol").await;
    let servers = ice_servers(&apart.gateway, &token).await;
    let (alice, _bob, figures) = apart.video_call(&json!({"iceServers": servers})).await;
    for figures in figures {
        let path = figures.path.expect("a way");
        assert_eq!(path.local.as_deref(), Some("relay"), "{path:?}");
    }
    alice.tell("end()").await;
    alice.is_over().await;
}

#[tokio::test]
async fn where_all_udp_is_blocked_the_call_goes_over_tcp() {
    let Some(namespace) = Namespace::make() else { return };
    let ip = namespace.outside;
    let apart = Apart::new(&namespace, &format!("tcp_listen = \"{ip}:{}\"", free_port_at(ip))).await;
    namespace.drop_packets("meta l4proto udp");
    let (alice, _bob, figures) = apart.video_call(&json!({})).await;
    for figures in figures {
        let path = figures.path.expect("a way");
        assert_eq!(path.protocol.as_deref(), Some("tcp"), "{path:?}");
    }
    alice.tell("end()").await;
    alice.is_over().await;
}

/// What the account API gives to browsers.
async fn ice_servers(gateway: &Gateway, token: &str) -> Value {
    let url = format!("http://{}/api/v1/me/ice-servers", gateway.listen);
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    answer["iceServers"].clone()
}
