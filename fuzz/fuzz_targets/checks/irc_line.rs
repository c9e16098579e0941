//! What holds for any input of the target `irc_line`: the first byte chooses a server, the rest is
//! what that server says. The tests of `bridges/irc` replay its seeds with it.

use monster_bridge_api::Secret;
use monster_bridge_irc::proto::{
    Event, Lines, Middle, Session, SessionConfig, Target, Trailing,
    session::{Credentials, HistoryRange, Manner, RequestId, SaslConfig, Saying, SendToken, Timing},
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const MODERN: &str = "message-tags server-time echo-message labeled-response batch cap-notify \
     draft/multiline=max-bytes=2048,max-lines=8 draft/chathistory account-tag extended-join chghost \
     draft/message-redaction draft/relaymsg=/";

/// Whatever a server says, each thing that was asked for ends exactly once, and nothing but whole
/// lines is sent.
pub(crate) fn check(data: &[u8]) {
    let Some((kind, said)) = data.split_first() else { return };
    let mut run = Run::new(kind & 4 != 0);
    match kind & 3 {
        0 => run.register(MODERN),
        1 => run.register("message-tags echo-message"),
        2 => run.register("batch draft/chathistory server-time message-tags"),
        _ => {}
    }
    run.ask();
    run.hear(said);
    run.now += Duration::from_secs(31);
    run.session.tick(run.now);
    run.drain();
    run.hear(said);
    run.now += Duration::from_hours(1);
    run.session.tick(run.now);
    run.session.lost("the end");
    run.drain();
    assert!(run.sends.is_empty(), "never settled: {:?}", run.sends);
    assert!(run.requests.is_empty(), "never answered: {:?}", run.requests);
}

struct Run {
    session: Session,
    lines: Lines,
    now: Instant,
    sends: BTreeSet<SendToken>,
    requests: BTreeSet<RequestId>,
}

impl Run {
    fn new(login: bool) -> Self {
        let now = Instant::now();
        let word = |text| Middle::new(text).expect("a word");
        let credentials =
            Credentials::Password { account: "me".into(), password: Secret::new("pw"), plain_without_tls: false };
        let config = SessionConfig {
            nick: word("me"),
            username: word("user"),
            realname: Trailing::one_line("A Person"),
            password: None,
            webirc: None,
            sasl: login.then_some(SaslConfig { credentials, required: false }),
            nickserv: None,
            secure: true,
            fallback: encoding_rs::WINDOWS_1252,
            bot: true,
            lean: false,
            timing: Timing::default(),
            entropy: [7; 24],
        };
        let session = Session::new(config, now);
        Self { session, lines: Lines::default(), now, sends: BTreeSet::new(), requests: BTreeSet::new() }
    }

    fn register(&mut self, caps: &str) {
        let names: Vec<&str> = caps.split(' ').map(|cap| cap.split('=').next().unwrap_or(cap)).collect();
        self.hear(format!(":s CAP * LS :{caps}\r\n:s CAP * ACK :{}\r\n", names.join(" ")).as_bytes());
        self.hear(b":s 001 me :Welcome me!u@h\r\n:s 005 me MONITOR=9 KNOCK STATUSMSG=@+ CHATHISTORY=50 :x\r\n:s 422 me :-\r\n");
    }

    /// Asks for one of everything.
    fn ask(&mut self) {
        let (Ok(room), Ok(bob)) = (Target::channel("#c", "#"), Target::nick("bob")) else { return };
        let saying = |target: &Target, text: &str| Saying {
            target: target.clone(),
            manner: Manner::Message,
            text: text.into(),
            key: Some("mg-key".into()),
            reply_to: None,
            speak_as: None,
            skip: 0,
        };
        let session = &mut self.session;
        let sends = [
            session.say(&saying(&room, "one\ntwo")),
            session.say(&saying(&bob, "hi")),
            session.react(&room, "m1", "+1", false, None),
            session.redact(&room, "m1", None),
        ];
        let requests = [
            session.join(&room, None),
            session.whois(&bob),
            session.channel_info(&room),
            session.history(&room, &HistoryRange::Latest(None), 10),
            session.knock(&room, &Trailing::default()),
            session.change_nick(&bob),
        ];
        self.sends.extend(sends.into_iter().flatten());
        self.requests.extend(requests.into_iter().flatten());
        self.session.watch(&bob);
        self.drain();
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next_line() {
            self.session.receive(&line, self.now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(piece) = self.session.take(self.now) {
            let text = std::str::from_utf8(&piece.bytes).expect("what is sent is UTF-8");
            let body = text.strip_suffix("\r\n").expect("what is sent ends as a line");
            assert_eq!(body.split("\r\n").count(), piece.lines, "{text:?}");
            assert!(!body.replace("\r\n", "").contains(['\r', '\n', '\0']), "{text:?}");
            assert!(body.split("\r\n").all(|line| !line.is_empty() && line.len() <= 4096 + 65_536), "{text:?}");
        }
        while let Some(event) = self.session.next_event() {
            match event {
                Event::Sent { token, .. } | Event::SendFailed { token, .. } => {
                    assert!(self.sends.remove(&token), "settled twice: {token:?}");
                }
                Event::Answered { request, .. } | Event::RequestFailed { request, .. } => {
                    assert!(self.requests.remove(&request), "answered twice: {request:?}");
                }
                _ => {}
            }
        }
    }
}
