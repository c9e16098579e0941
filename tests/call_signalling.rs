//! Calls through the whole program: signalling between raw WebSockets that know the frames and
//! nothing else. (What media does is in `media` and in the browsers' tests.)
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use monster_testkit::{Gateway, MonsterClient, Stage};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_monster-gateway");

const CALLS: &str = "[calls]\nudp_listen = \"127.0.0.1:0\"\n";

/// A session description as a browser writes it, for one voice; `setup` is `actpass` in an offer.
fn description(setup: &str) -> String {
    let fingerprint = (0..32).map(|n| format!("{n:02X}")).collect::<Vec<_>>().join(":");
    [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=msid-semantic: WMS s",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=ice-ufrag:hGYx",
        "a=ice-pwd:bVoC0kVpWsc1XU9C7mvbwkTi",
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        &format!("a=setup:{setup}"),
        "a=mid:0",
        "a=sendrecv",
        "a=msid:s t",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=ssrc:1001 cname:c",
        "",
    ]
    .join("\r\n")
}

/// The call context of a pushed frame; `null` if it is no call's.
fn context(frame: &Value) -> Value {
    if frame["code"] != "2002" && frame["code"] != "2003" {
        return Value::Null;
    }
    serde_json::from_str(&MonsterClient::text(frame)).unwrap_or(Value::Null)
}

/// Somebody's home socket, for calls.
struct Phone {
    socket: MonsterClient,
    /// Who is at the other end.
    other: String,
    call: String,
}

impl Phone {
    fn new(socket: MonsterClient, other: &str) -> Self {
        Self { socket, other: other.to_owned(), call: String::new() }
    }

    /// Sends a step; the answer to its frame.
    async fn send(&mut self, context: Value) -> Value {
        let text = STANDARD.encode(context.to_string());
        self.socket.request(json!({"code": "2002", "to": self.other, "text": text})).await
    }

    /// Sends a step of the call and asserts that it is taken; the `messageId` of its frame.
    async fn does(&mut self, kind: &str, fields: Value) -> String {
        let mut context = json!({"type": kind, "callId": self.call});
        for (key, value) in fields.as_object().unwrap() {
            context[key] = value.clone();
        }
        let answer = self.send(context).await;
        assert_eq!(answer["statusCode"], "200", "`{kind}` was not taken: {answer}");
        answer["messageId"].as_str().unwrap().to_owned()
    }

    /// Calls; the `messageId` of the offer.
    async fn calls(&mut self, call: &str) -> String {
        self.call = call.to_owned();
        self.does("offer", json!({"sdp": description("actpass")})).await
    }

    /// Waits for a step, and takes the call up that it is of.
    async fn hears(&mut self, kind: &str) -> Value {
        let frame = self.socket.expect(&format!("`{kind}`"), |frame| context(frame)["type"] == kind).await;
        assert_eq!(frame["from"], json!(self.other), "{frame}");
        let context = context(&frame);
        let id = context["callId"].as_str().unwrap();
        if self.call.is_empty() {
            id.clone_into(&mut self.call);
        }
        assert_eq!(self.call, id, "{context}");
        context
    }

    /// Waits for the end of the call by this step and with this reason.
    async fn hears_end(&mut self, kind: &str, reason: &str) {
        let context = self.hears(kind).await;
        assert_eq!(context["reason"], reason, "{context}");
    }

    /// Waits for the line that the call leaves.
    async fn reads(&mut self, line: &str) {
        let frame = self.socket.hears(line).await;
        assert_eq!(frame["from"], json!(self.other), "{frame}");
    }

    /// Waits for the end of the socket; its close code.
    async fn is_closed(&mut self) -> Option<u16> {
        self.socket.close_code().await
    }

    async fn answers(&mut self) {
        self.does("answer", json!({"sdp": description("active")})).await;
    }
}

/// A gateway on which alice can call bob.
struct Line {
    gateway: Gateway,
    tokens: [String; 2],
    alice: Phone,
    bob: Phone,
}

impl Line {
    async fn new() -> Self {
        Self::with(CALLS).await
    }

    async fn with(sections: &str) -> Self {
        let gateway = Gateway::start(BINARY, sections).await;
        let tokens = [gateway.account("alice").await, gateway.account("bob").await];
        let alice = Phone::new(gateway.home("alice", &tokens[0]).await, &gateway.address("bob", ""));
        let bob = Phone::new(gateway.home("bob", &tokens[1]).await, &gateway.address("alice", ""));
        Self { gateway, tokens, alice, bob }
    }

    /// Alice calls bob, and bob's device rings.
    async fn ringing() -> Self {
        let mut line = Self::new().await;
        line.alice.calls("c1").await;
        let offer = line.bob.hears("offer").await;
        assert!(offer["sdp"].as_str().unwrap().contains("a=candidate:"), "the gateway's own candidates: {offer}");
        line.bob.does("ringing", json!({})).await;
        line.alice.hears("ringing").await;
        line
    }

    /// One more device of bob's.
    async fn device(&self, name: &str) -> Phone {
        let url = format!("ws://{}/bob?token={}&ext=1&device={name}", self.gateway.listen, self.tokens[1]);
        Phone::new(MonsterClient::connect(&url).await, &self.gateway.address("alice", ""))
    }
}

#[tokio::test]
async fn a_call_rings_is_answered_and_ends_with_a_line_on_both_sides() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::ringing().await;
    bob.answers().await;
    let answer = alice.hears("answer").await;
    assert!(answer["sdp"].as_str().unwrap().contains("a=candidate:"), "{answer}");
    let candidate = json!([{"candidate": "candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host", "sdpMid": "0"}]);
    alice.does("candidates", json!({"candidates": candidate})).await;
    bob.does("update", json!({"muted": {"audio": true}})).await;
    assert_eq!(alice.hears("update").await["muted"]["audio"], true);
    alice.does("hangup", json!({})).await;
    bob.hears_end("hangup", "hung_up").await;
    alice.reads("voice call").await;
    bob.reads("voice call").await;
    let late = bob.send(json!({"type": "update", "callId": bob.call, "muted": {}})).await;
    assert_eq!(late["statusCode"], "400", "the call is over: {late}");
}

#[tokio::test]
async fn the_caller_hears_busy_and_reject_and_both_keep_a_line() {
    for (kind, reason, callers, callees) in
        [("busy", "busy", "voice call: busy", "missed voice call"), ("reject", "declined", "declined", "declined")]
    {
        let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::ringing().await;
        bob.does(kind, json!({})).await;
        alice.hears_end(kind, reason).await;
        alice.reads(callers).await;
        bob.reads(callees).await;
    }
}

#[tokio::test]
async fn a_caller_gives_up_by_a_hangup_or_by_withdrawing_the_offer() {
    for withdraws in [false, true] {
        let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::new().await;
        let offer = alice.calls("c1").await;
        bob.hears("offer").await;
        if withdraws {
            let answer =
                alice.socket.request(json!({"code": "2004", "to": alice.other, "recallMessageId": offer})).await;
            assert_eq!(answer["statusCode"], "200", "{answer}");
        } else {
            alice.does("hangup", json!({})).await;
        }
        bob.hears_end("hangup", "cancelled").await;
        bob.reads("missed voice call").await;
        let again = alice.socket.request(json!({"code": "2004", "to": alice.other, "recallMessageId": offer})).await;
        assert_eq!(again["statusCode"], "200", "ending what is over is no error: {again}");
    }
}

#[tokio::test]
async fn the_same_offer_again_rings_once() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::new().await;
    let id = alice.calls("c1").await;
    bob.hears("offer").await;
    let text = STANDARD.encode(json!({"type": "offer", "callId": "c1", "sdp": description("actpass")}).to_string());
    let offer = json!({"messageId": id, "code": "2002", "to": alice.other, "text": text});
    assert_eq!(alice.socket.request(offer.clone()).await["statusCode"], "200");
    alice.does("hangup", json!({})).await;
    bob.hears_end("hangup", "cancelled").await;
    assert_eq!(alice.socket.request(offer).await["statusCode"], "200", "after the call, too");
    alice.calls("c2").await;
    bob.call.clear();
    let next = bob.hears("offer").await;
    alice.socket.request(json!({"code": "2001", "to": alice.other, "text": STANDARD.encode("done")})).await;
    bob.socket.hears("done").await;
    assert_ne!(next["callId"], "c1", "each leg has a name of its own for the call");
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::with(&format!("{CALLS}ring_seconds = 5\n")).await;
    alice.calls("c1").await;
    bob.hears("offer").await;
    bob.does("ringing", json!({})).await;
    alice.hears_end("hangup", "no_answer").await;
    bob.hears_end("hangup", "no_answer").await;
    alice.reads("voice call: no answer").await;
    bob.reads("missed voice call").await;
}

#[tokio::test]
async fn one_device_answers_and_the_others_stop_ringing() {
    let line = Line::new().await;
    let mut tablet = line.device("tablet").await;
    let Line { mut alice, mut bob, .. } = line;
    alice.calls("c1").await;
    bob.hears("offer").await;
    tablet.hears("offer").await;
    tablet.answers().await;
    bob.hears_end("hangup", "answered_elsewhere").await;
    alice.hears("answer").await;
    alice.does("hangup", json!({})).await;
    tablet.hears_end("hangup", "hung_up").await;
}

#[tokio::test]
async fn a_device_that_comes_while_it_rings_rings_too() {
    let mut line = Line::ringing().await;
    let mut late = line.device("late").await;
    late.hears("offer").await;
    late.answers().await;
    line.alice.hears("answer").await;
    line.bob.hears_end("hangup", "answered_elsewhere").await;
}

#[tokio::test]
async fn a_device_that_loses_its_socket_is_the_same_when_it_comes_back() {
    let mut line = Line::new().await;
    let mut phone = line.device("phone").await;
    line.alice.calls("c1").await;
    phone.hears("offer").await;
    phone.answers().await;
    line.alice.hears("answer").await;
    let call = phone.call.clone();
    phone.socket.close().await;
    let mut phone = line.device("phone").await;
    phone.call = call;
    phone.does("update", json!({"muted": {"audio": true}})).await;
    assert_eq!(line.alice.hears("update").await["muted"]["audio"], true);
    line.alice.does("hangup", json!({})).await;
    phone.hears_end("hangup", "hung_up").await;
}

#[tokio::test]
async fn somebody_who_is_not_online_cannot_be_called_and_reads_that_they_were() {
    let Line { gateway, tokens, mut alice, bob } = Line::new().await;
    bob.socket.close().await;
    // The gateway has noticed once bob's messages wait.
    let said = alice.socket.say(&alice.other.clone(), "are you there?").await;
    drop(said);
    alice.calls("c1").await;
    let end = alice.hears("hangup").await;
    assert!(end["reason"].as_str().unwrap().contains("not online"), "{end}");
    alice.reads("not online").await;
    let mut bob = Phone::new(gateway.home("bob", &tokens[1]).await, &gateway.address("alice", ""));
    bob.reads("missed voice call").await;
}

#[tokio::test]
async fn a_bad_description_is_refused_with_its_reason_and_rings_nowhere() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::new().await;
    let answer = alice.send(json!({"type": "offer", "callId": "c1", "sdp": "v=0\r\nnonsense"})).await;
    assert_eq!(answer["statusCode"], "400", "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("session description"), "{answer}");
    let other = alice.other.clone();
    alice.socket.say(&other, "never mind").await;
    let frame = bob.socket.pushed().await;
    assert_eq!(MonsterClient::text(&frame), "never mind", "nothing else came before: {frame}");
}

#[tokio::test]
async fn two_who_call_each_other_at_once_have_one_call() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::new().await;
    alice.calls("a-call").await;
    bob.call = "zzz".to_owned();
    let crossing = bob.send(json!({"type": "offer", "callId": "zzz", "sdp": description("actpass")})).await;
    assert_eq!(crossing["statusCode"], "400", "alice's call is there already: {crossing}");
    bob.call.clear();
    bob.hears("offer").await;
    bob.answers().await;
    alice.hears("answer").await;
}

#[tokio::test]
async fn a_gateway_that_is_stopped_hangs_up_and_says_why() {
    let mut line = Line::ringing().await;
    let stopped = line.gateway.stop();
    let (alice, bob) = (&mut line.alice, &mut line.bob);
    let (status, (), ()) = tokio::join!(
        stopped,
        alice.hears_end("hangup", "gateway_stopped"),
        bob.hears_end("hangup", "gateway_stopped"),
    );
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_bare_description_on_a_raw_socket_is_an_offer_named_by_its_message() {
    let Line { mut alice, mut bob, gateway: _gateway, .. } = Line::new().await;
    let text = STANDARD.encode(description("actpass"));
    let offer = json!({"messageId": "seed-1", "code": "2003", "to": alice.other, "text": text});
    assert_eq!(alice.socket.request(offer).await["statusCode"], "200");
    bob.hears("offer").await;
    bob.answers().await;
    alice.call = "seed-1".to_owned();
    alice.hears("answer").await;
    bob.does("hangup", json!({})).await;
    alice.hears_end("hangup", "hung_up").await;
}

#[tokio::test]
async fn the_echo_answers_by_itself() {
    let mut line = Line::with(&format!("{CALLS}[bridges.echo]\nkind = \"echo\"\n")).await;
    line.alice.other = line.gateway.address("echo", "echo");
    line.alice.calls("c1").await;
    let answer = line.alice.hears("answer").await;
    assert!(answer["sdp"].as_str().unwrap().starts_with("v=0"), "{answer}");
    line.alice.does("hangup", json!({})).await;
    line.alice.reads("voice call").await;
}

#[tokio::test]
async fn somebody_on_irc_is_sent_a_link_once() {
    let stage = Stage::new(BINARY, "").await;
    let mut bob = stage.irc("bob", &[]).await;
    let mut alice = Phone::new(stage.alice, "");
    alice.other = stage.gateway.address("bob", "ergo");
    alice.calls("c1").await;
    let line = bob.hears("", "bob", "is calling you (voice): http").await;
    let token = line.text().rsplit('/').next().unwrap().to_owned();
    assert!(token.len() >= 43, "nobody can guess it: {token}");
    alice.does("hangup", json!({})).await;
    alice.reads("cancelled").await;
    bob.hears("", "bob", "missed voice call").await;
    let links = bob.drain().await.iter().filter(|line| line.text().contains("/call/")).count();
    assert_eq!(links, 0, "it was sent once");
}

#[tokio::test]
async fn who_has_no_webrtc_gets_a_link_that_calls_for_them() {
    let Line { mut alice, gateway, .. } = Line::new().await;
    let text = STANDARD.encode("hello?");
    let answer = alice.socket.request(json!({"code": "2002", "to": alice.other, "text": text})).await;
    assert_eq!(answer["statusCode"], "200", "{answer}");
    let line = alice.socket.hears("/call/").await;
    assert_eq!(line["from"], json!(gateway.address("bob", "")), "{line}");
}

#[tokio::test]
async fn a_call_that_a_crash_cut_short_ends_at_the_next_start_and_leaves_its_lines() {
    let mut line = Line::ringing().await;
    let (callers, callees) = (line.alice.call.clone(), line.bob.call.clone());
    line.gateway.kill().await;
    line.gateway.run().await;
    let mut alice = Phone::new(line.gateway.home("alice", &line.tokens[0]).await, &line.alice.other);
    let mut bob = Phone::new(line.gateway.home("bob", &line.tokens[1]).await, &line.bob.other);
    (alice.call, bob.call) = (callers, callees);
    alice.hears_end("hangup", "gateway_stopped").await;
    bob.hears_end("hangup", "gateway_stopped").await;
    alice.reads("not put through").await;
    bob.reads("missed voice call").await;
    let late = bob.send(json!({"type": "answer", "callId": bob.call, "sdp": description("active")})).await;
    assert_eq!(late["statusCode"], "400", "nothing rings any more: {late}");
}

#[tokio::test]
async fn accounts_of_two_gateways_call_each_other() {
    let allow = format!("{CALLS}[identity]\nallow_private = [\"127.0.0.0/8\", \"::1/128\"]\n");
    let (east, west) = tokio::join!(Gateway::start(BINARY, &allow), Gateway::start(BINARY, &allow));
    let (a, b) = (east.account("alice").await, west.account("bob").await);
    let (alice_address, bob_address) = (east.address("alice", ""), west.address("bob", ""));
    let mut alice = Phone::new(east.home("alice", &a).await, &bob_address);
    let mut bob = Phone::new(west.home("bob", &b).await, &alice_address);
    alice.calls("c1").await;
    bob.hears("offer").await;
    bob.does("ringing", json!({})).await;
    alice.hears("ringing").await;
    bob.answers().await;
    alice.hears("answer").await;
    bob.does("hangup", json!({})).await;
    alice.hears_end("hangup", "hung_up").await;
    alice.reads("voice call").await;

    bob.call.clear();
    alice.calls("c2").await;
    bob.hears("offer").await;
    bob.does("reject", json!({})).await;
    alice.hears_end("reject", "declined").await;

    alice.other = west.address("nobody", "");
    alice.calls("c3").await;
    let end = alice.hears("hangup").await;
    assert!(end["reason"].as_str().unwrap().contains("no account"), "what the other server says: {end}");
}

#[tokio::test]
async fn a_call_over_a_socket_whose_token_is_revoked_ends_at_once() {
    let mut line = Line::new().await;
    line.alice.calls("c-revoked").await;
    line.bob.hears("offer").await;
    line.bob.does("ringing", json!({})).await;
    line.bob.answers().await;
    line.alice.hears("answer").await;
    line.gateway.cli(&["account", "token", "bob", "--revoke-others"]).await;
    line.alice.hears_end("hangup", "gone").await;
    assert_eq!(line.bob.is_closed().await, Some(1008));

    line.alice.call.clear();
    let mut bob = Phone::new(
        line.gateway.home("bob", &line.gateway.cli(&["account", "token", "bob"]).await).await,
        &line.bob.other,
    );
    line.alice.calls("c-removed").await;
    bob.hears("offer").await;
    line.gateway.cli(&["account", "remove", "bob"]).await;
    line.alice.hears_end("hangup", "gone").await;
    assert_eq!(bob.is_closed().await, Some(1008));
}
