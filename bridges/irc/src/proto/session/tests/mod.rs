//! Sessions driven line by line, with a clock of the test's own.

mod asking;
mod hearing;
mod presence;
mod registration;
mod sending;

use super::*;
use crate::proto::param::Target;
use monster_bridge_api::Secret;
use std::time::Duration;

/// Capabilities of a server that has all of them.
pub(super) const MODERN: &str = "message-tags server-time echo-message labeled-response batch \
     draft/multiline=max-bytes=2048,max-lines=8 draft/chathistory draft/event-playback account-tag extended-join \
     chghost draft/message-redaction draft/relaymsg=/ standard-replies";

/// A session, and the clock it is driven with.
pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) now: Instant,
}

pub(super) fn config() -> SessionConfig {
    SessionConfig {
        nick: Middle::new("me").unwrap(),
        username: Middle::new("user").unwrap(),
        realname: Trailing::one_line("A Person"),
        password: None,
        webirc: None,
        sasl: None,
        nickserv: None,
        secure: true,
        fallback: encoding_rs::WINDOWS_1252,
        bot: false,
        lean: false,
        timing: Timing::default(),
        entropy: [7; 24],
    }
}

impl Rig {
    pub(super) fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        Self { session: Session::new(config, now), now }
    }

    /// A session that is registered at a server with these capabilities and ISUPPORT tokens.
    pub(super) fn up(caps: &str, isupport: &str) -> Self {
        let mut rig = Self::new(config());
        rig.sent();
        rig.register(caps, isupport);
        assert!(rig.session.is_up());
        rig.sent();
        rig.events();
        rig
    }

    /// Plays the server's side of a registration.
    pub(super) fn register(&mut self, caps: &str, isupport: &str) {
        self.hear(&format!(":s CAP * LS :{caps}"));
        for line in self.sent() {
            if let Some(names) = line.strip_prefix("CAP REQ :") {
                self.hear(&format!(":s CAP * ACK :{names}"));
            }
        }
        self.hear(":s 001 me :Welcome to the network me!~user@host.example");
        self.hear(&format!(":s 005 me {isupport} :are supported by this server"));
        self.hear(":s 422 me :no motd");
    }

    /// Takes lines from the server.
    pub(super) fn hear(&mut self, lines: &str) {
        lines.lines().for_each(|line| self.session.receive(line.trim_start().as_bytes(), self.now));
    }

    /// Everything that is to be written, as lines.
    pub(super) fn sent(&mut self) -> Vec<String> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.session.take(self.now) {
            bytes.extend(piece.bytes);
        }
        String::from_utf8(bytes).unwrap().split_terminator("\r\n").map(str::to_owned).collect()
    }

    /// Everything that happened.
    pub(super) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.next_event()).collect()
    }

    /// The one thing that happened.
    pub(super) fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
    }
}

pub(super) fn channel(name: &str) -> Target {
    Target::channel(name, "#&").unwrap()
}

pub(super) fn nick(name: &str) -> Target {
    Target::nick(name).unwrap()
}

pub(super) fn saying(target: Target, text: &str) -> Saying {
    Saying { target, manner: Manner::Message, text: text.into(), key: None, reply_to: None, speak_as: None, skip: 0 }
}

/// The value of a tag of a line that was sent.
pub(super) fn tag(line: &str, key: &str) -> Option<String> {
    Message::parse(line.as_bytes(), encoding_rs::UTF_8).unwrap().tags.get(key).map(str::to_owned)
}

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text)
}
