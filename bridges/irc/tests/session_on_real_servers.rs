//! Sessions of the protocol half against real servers: what each of them really sends is understood,
//! and each of the three ways of acknowledgement holds. The I/O here is the least that drives a
//! session; the bridge's own is tested with the bridge.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use monster_bridge_api::Secret;
use monster_bridge_irc::proto::{
    Event, Lines, Middle, Session, SessionConfig, Target, Trailing,
    session::{
        Answer, Credentials, FailureKind, HistoryItem, HistoryRange, Manner, Place, RequestId, SaslConfig, Saying,
        SendFailure, SendToken, Timing,
    },
};
use monster_testkit::{Ergo, Inspircd, Ngircd};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(10);

struct Client {
    session: Session,
    stream: TcpStream,
    lines: Lines,
}

fn config(nick: &str) -> SessionConfig {
    SessionConfig {
        nick: Middle::new(nick).unwrap(),
        username: Middle::new("tester").unwrap(),
        realname: Trailing::one_line("A Tester"),
        password: None,
        webirc: None,
        sasl: None,
        nickserv: None,
        secure: false,
        fallback: encoding_rs::WINDOWS_1252,
        bot: false,
        lean: false,
        timing: Timing::default(),
        entropy: [9; 24],
    }
}

impl Client {
    async fn connect(server: SocketAddr, config: SessionConfig) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        Self { session: Session::new(config, Instant::now()), stream, lines: Lines::default() }
    }

    /// Connects and waits for the registration.
    async fn up(server: SocketAddr, nick: &str) -> Self {
        let mut client = Self::connect(server, config(nick)).await;
        client.until("the registration", |event| matches!(event, Event::Registered { .. }).then_some(())).await;
        client
    }

    /// Drives the session until an event answers.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            while let Some(event) = self.session.next_event() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
                seen.push(event);
            }
            while let Some(piece) = self.session.take(Instant::now()) {
                self.stream.write_all(&piece.bytes).await.unwrap();
            }
            let mut bytes = [0; 4096];
            let left = end.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.stream.read(&mut bytes)).await {
                Ok(Ok(count)) if count > 0 => self.lines.push(&bytes[..count]),
                other => panic!("{what} did not come ({other:?}) after {seen:#?}"),
            }
            while let Some(line) = self.lines.next_line() {
                self.session.receive(&line, Instant::now());
            }
        }
    }

    async fn answer(&mut self, request: RequestId) -> Result<Answer, FailureKind> {
        self.until("the answer", |event| match event {
            Event::Answered { request: answered, answer } if *answered == request => Some(Ok((**answer).clone())),
            Event::RequestFailed { request: failed, failure } if *failed == request => Some(Err(failure.kind.clone())),
            _ => None,
        })
        .await
    }

    async fn outcome(&mut self, token: SendToken) -> Result<Vec<Option<String>>, SendFailure> {
        self.until("the acknowledgement", |event| match event {
            Event::Sent { token: sent, ids } if *sent == token => Some(Ok(ids.clone())),
            Event::SendFailed { token: failed, failure } if *failed == token => Some(Err(failure.clone())),
            _ => None,
        })
        .await
    }

    async fn join(&mut self, channel: &str) {
        let request = self.session.join(&target(channel), None).unwrap();
        assert_eq!(self.answer(request).await, Ok(Answer::Joined { channel: channel.to_owned() }));
    }

    async fn say(&mut self, saying: &Saying) -> Result<Vec<Option<String>>, SendFailure> {
        let token = self.session.say(saying).unwrap();
        self.outcome(token).await
    }

    async fn hears(&mut self, text: &str) -> monster_bridge_irc::proto::session::Heard {
        self.until(text, |event| match event {
            Event::Said(heard) if heard.text == text => Some((**heard).clone()),
            _ => None,
        })
        .await
    }
}

fn target(name: &str) -> Target {
    if name.starts_with('#') { Target::channel(name, "#").unwrap() } else { Target::nick(name).unwrap() }
}

fn saying(to: &str, text: &str) -> Saying {
    Saying {
        target: target(to),
        manner: Manner::Message,
        text: text.to_owned(),
        key: Some("mg-0123456789".to_owned()),
        reply_to: None,
        speak_as: None,
        skip: 0,
    }
}

/// What holds on every server.
async fn converse(server: SocketAddr) -> (Client, Client) {
    let mut alice = Client::up(server, "alice").await;
    let mut bob = Client::up(server, "bob").await;
    alice.join("#room").await;
    bob.join("#room").await;
    alice.until("bob's coming", |event| matches!(event, Event::MemberJoined { .. }).then_some(())).await;
    assert!(bob.session.sees("Alice") && alice.session.sees("bob"));

    let ids = alice.say(&saying("#room", "hello")).await.unwrap();
    assert_eq!(ids.len(), 1);
    let heard = bob.hears("hello").await;
    assert_eq!(heard.by.place, Place::Channel { name: "#room".into(), status: None });
    assert_eq!((heard.by.source.nick.as_str(), heard.by.own), ("alice", false));
    assert_eq!(heard.by.msgid, ids[0]);

    alice.say(&saying("bob", "psst")).await.unwrap();
    assert_eq!(bob.hears("psst").await.by.place, Place::Private { peer: "alice".into() });
    alice.say(&Saying { manner: Manner::Action, ..saying("#room", "waves") }).await.unwrap();
    bob.hears("waves").await;

    for nobody in ["nobody", "#nowhere"] {
        let failure = alice.say(&saying(nobody, "anybody?")).await.unwrap_err();
        assert!(matches!(failure, SendFailure::Refused { .. }), "{nobody}: {failure:?}");
    }
    let long = format!("{} {}", "汉字".repeat(125), "x".repeat(600));
    alice.say(&saying("#room", &long)).await.unwrap();

    let request = bob.session.whois(&target("alice")).unwrap();
    match bob.answer(request).await {
        Ok(Answer::Whois(whois)) => assert_eq!((whois.nick.as_str(), whois.realname.as_str()), ("alice", "A Tester")),
        other => panic!("{other:?}"),
    }
    let request = bob.session.whois(&target("nobody")).unwrap();
    assert_eq!(bob.answer(request).await, Err(FailureKind::Unknown));
    let request = bob.session.channel_info(&target("#room")).unwrap();
    match bob.answer(request).await {
        Ok(Answer::Channel(info)) => {
            let nicks: Vec<&str> = info.members.iter().map(|(nick, _)| nick.as_str()).collect();
            assert_eq!((nicks, info.moderated), (vec!["alice", "bob"], false), "{info:?}");
        }
        other => panic!("{other:?}"),
    }
    nicks(server, &mut alice).await;
    (alice, bob)
}

/// A nick that is taken is avoided, and taken back once it is free.
async fn nicks(server: SocketAddr, alice: &mut Client) {
    let timing = Timing { regain: Duration::from_hours(1), ..Timing::default() };
    let mut other = Client::connect(server, SessionConfig { timing, ..config("alice") }).await;
    let nick = other
        .until("the registration", |event| match event {
            Event::Registered { nick } => Some(nick.clone()),
            _ => None,
        })
        .await;
    assert_eq!(nick, "alice_");
    other.join("#room").await;
    let request = alice.session.change_nick(&target("alice2")).unwrap();
    assert_eq!(alice.answer(request).await, Ok(Answer::Done));
    other.until("the nick", |event| matches!(event, Event::NickChanged { own: true, .. }).then_some(())).await;
    assert_eq!(other.session.nick(), "alice");
    let request = alice.session.change_nick(&target("alice")).unwrap();
    assert_eq!(alice.answer(request).await, Err(FailureKind::NickInUse));
}

#[tokio::test]
async fn ngircd_with_neither_labels_nor_echoes() {
    let server = Ngircd::start().await;
    let (mut alice, mut bob) = converse(server.address).await;
    assert_eq!(alice.say(&saying("#room", "one\ntwo")).await, Ok(vec![None, None]));
    bob.hears("two").await;
}

#[tokio::test]
async fn inspircd_with_labels_and_echoes() {
    let server = Inspircd::start().await;
    let (mut alice, mut bob) = converse(server.address).await;
    let ids = alice.say(&saying("#room", "marked")).await.unwrap();
    assert!(ids[0].is_some(), "{ids:?}");
    assert_eq!(bob.hears("marked").await.by.mark.unwrap().key, "mg-0123456789");
}

#[tokio::test]
async fn ergo_with_everything() {
    let server = Ergo::start().await;
    let (mut alice, mut bob) = converse(server.address).await;

    let ids = alice.say(&saying("#room", "one\n\nthree")).await.unwrap();
    assert_eq!(ids.len(), 1, "one message of several lines");
    let heard = bob.hears("one\n\nthree").await;
    assert_eq!((heard.by.msgid.clone(), heard.by.mark.unwrap().key.as_str()), (ids[0].clone(), "mg-0123456789"));

    let msgid = ids[0].clone().unwrap();
    let token = bob.session.react(&target("#room"), &msgid, "👍", false, None).unwrap();
    assert!(bob.outcome(token).await.unwrap()[0].is_some());
    alice
        .until("the reaction", |event| match event {
            Event::Reacted { target, emoji, removed: false, .. } => (*target == msgid && emoji == "👍").then_some(()),
            _ => None,
        })
        .await;
    let reply = Saying { reply_to: Some(msgid.clone()), ..saying("#room", "indeed") };
    bob.say(&reply).await.unwrap();
    assert_eq!(alice.hears("indeed").await.reply_to, Some(msgid));

    let ids = alice.say(&saying("#room", "a mistake")).await.unwrap();
    let wrong = ids[0].clone().unwrap();
    let token = alice.session.redact(&target("#room"), &wrong, Some("typo")).unwrap();
    alice.outcome(token).await.unwrap();
    bob.until("the redaction", |event| match event {
        Event::Redacted { target, .. } => (*target == wrong).then_some(()),
        _ => None,
    })
    .await;
    let token = alice.session.redact(&target("#room"), "nonsense", None).unwrap();
    assert!(matches!(alice.outcome(token).await, Err(SendFailure::Refused { .. })));

    let relayed = Saying { speak_as: Some("carol/gw".into()), ..saying("#room", "through the relay") };
    alice.say(&relayed).await.unwrap();
    assert_eq!(bob.hears("through the relay").await.by.source.nick, "carol/gw");

    let request = bob.session.history(&target("#room"), &HistoryRange::Latest(None), 100).unwrap();
    let Ok(Answer::History(history)) = bob.answer(request).await else { panic!("no history") };
    let said = history.items.iter().filter_map(|item| match item {
        HistoryItem::Said(heard) => Some((heard.text.as_str(), heard.by.mark.is_some())),
        _ => None,
    });
    let said: Vec<_> = said.collect();
    assert!(said.contains(&("one\n\nthree", true)) && said.contains(&("indeed", true)), "{said:?}");
    assert!(!said.iter().any(|(text, _)| *text == "a mistake"));
    assert!(history.items.iter().any(|item| matches!(item, HistoryItem::Reacted { .. })), "{:?}", history.items);
}

#[tokio::test]
async fn ergo_lets_an_account_in_by_scram() {
    let server = Ergo::start().await;
    let mut owner = Client::up(server.address, "owner").await;
    let service = Saying { key: None, ..saying("NickServ", "REGISTER sesame42") };
    owner.say(&service).await.unwrap();
    owner.until("the account", |event| matches!(event, Event::LoggedIn { .. }).then_some(())).await;
    for (password, works) in [("sesame42", true), ("wrong", false)] {
        let credentials = Credentials::Password {
            account: "owner".into(),
            password: Secret::new(password),
            plain_without_tls: false,
        };
        let sasl = Some(SaslConfig { credentials, required: true });
        let mut client = Client::connect(server.address, SessionConfig { sasl, ..config("guest") }).await;
        let registered = client
            .until("the login's outcome", |event| match event {
                Event::Registered { .. } => Some(true),
                Event::LoginFailed { .. } => Some(false),
                _ => None,
            })
            .await;
        assert_eq!(registered, works);
        assert_eq!(client.session.account().is_some(), works);
    }
}
