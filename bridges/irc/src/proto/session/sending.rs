//! Saying, reacting, redacting: what is asked for becomes lines and a waiter for their
//! acknowledgement. How the acknowledgement is recognised is `acks`' part.

use super::{
    Manner, Refusal, Saying, SendToken, Session, TypingState,
    acks::{Ack, Part, Waiter},
    middle,
    queue::{Class, Note, Outgoing},
};
use crate::{
    proto::{
        caps::Cap,
        command::Command,
        param::{Middle, Target, Trailing},
        tags::{self, DeliveryMark},
    },
    split::{self, Unit},
};

/// What others see of us while we do not know it ourselves: the longest user name and host that
/// servers use.
const USER_BYTES: usize = 11;
const HOST_BYTES: usize = 63;
/// What makes a line a `CTCP ACTION`: word, space and the marks around.
const ACTION_BYTES: usize = "\x01ACTION \x01".len();

/// Lines that go out in one piece and are acknowledged as one.
struct Piece {
    commands: Vec<Command>,
    mark: Option<String>,
}

impl Session {
    /// Says something. [`super::Event::Sent`] or [`super::Event::SendFailed`] follows, exactly once.
    pub fn say(&mut self, saying: &Saying) -> Result<SendToken, Refusal> {
        self.require_up()?;
        if saying.speak_as.is_some() && !(self.relays() && saying.target.is_channel()) {
            return Err(Refusal::Unsupported("RELAYMSG"));
        }
        let units = self.units(saying);
        let parts = units.len();
        let mut pieces = Vec::new();
        for (index, unit) in units.into_iter().enumerate().skip(saying.skip) {
            let mark = self.mark(saying.key.as_deref(), index, parts);
            pieces.push(self.piece(saying, unit, mark, index == 0)?);
        }
        if pieces.is_empty() {
            return Err(Refusal::Blank);
        }
        self.send(verb(saying), saying.target.as_str(), pieces)
    }

    /// Puts an emoji to the message `msgid`, or takes it back. [`super::Event::Sent`] or
    /// [`super::Event::SendFailed`] follows.
    pub fn react(
        &mut self,
        target: &Target,
        msgid: &str,
        emoji: &str,
        remove: bool,
        key: Option<&str>,
    ) -> Result<SendToken, Refusal> {
        self.require_up()?;
        let tag = if remove { tags::UNREACT } else { tags::REACT };
        if !self.passes_tag(tag) || !self.passes_tag(tags::REPLY) {
            return Err(Refusal::Unsupported("reactions"));
        }
        let mark = self.mark(key, 0, 1);
        let command = Command::new("TAGMSG").tag(tags::REPLY, msgid).tag(tag, emoji).to(target);
        let commands = vec![with_mark(command, mark.as_deref())];
        self.send("TAGMSG", target.as_str(), vec![Piece { commands, mark }])
    }

    /// Withdraws the message `msgid`. [`super::Event::Sent`] or [`super::Event::SendFailed`]
    /// follows.
    pub fn redact(&mut self, target: &Target, msgid: &str, reason: Option<&str>) -> Result<SendToken, Refusal> {
        self.require_up()?;
        if !self.redacts() {
            return Err(Refusal::Unsupported("redactions"));
        }
        let mut command = Command::new("REDACT").to(target).arg(middle("msgid", msgid)?);
        if let Some(reason) = reason {
            command = command.text(Trailing::one_line(reason));
        }
        self.send("REDACT", target.as_str(), vec![Piece { commands: vec![command], mark: None }])
    }

    /// Shows that somebody types; nothing follows, and while other lines wait it is left out.
    pub fn typing(&mut self, target: &Target, state: TypingState) -> Result<(), Refusal> {
        self.require_up()?;
        if !self.passes_tag(tags::TYPING) {
            return Err(Refusal::Unsupported("typing"));
        }
        let value = match state {
            TypingState::Active => "active",
            TypingState::Paused => "paused",
            TypingState::Done => "done",
        };
        if self.queue.paced() == 0 {
            self.push(Class::Message, &Command::new("TAGMSG").tag(tags::TYPING, value).to(target));
        }
        Ok(())
    }

    /// Answers a CTCP request (`VERSION`, `PING` …) of a nick.
    pub fn ctcp_reply(&mut self, nick: &Target, verb: &str, text: &str) {
        let words = format!("{verb} {text}").replace('\x01', "");
        let words = Trailing::one_line(&format!("\x01{}\x01", words.trim_end()));
        self.push(Class::Message, &Command::new("NOTICE").to(nick).text(words));
    }

    /// The messages a saying becomes.
    pub(super) fn units(&self, saying: &Saying) -> Vec<Unit> {
        let target = saying.target.as_str();
        let source = match &saying.speak_as {
            Some(nick) => nick.len() + "!@".len() + USER_BYTES + HOST_BYTES,
            None => self.source_len(),
        };
        let received = if saying.manner == Manner::Notice { "NOTICE" } else { "PRIVMSG" };
        let line_len = self.isupport.line_len();
        let mut room = split::room(line_len, source, received, target);
        if let Some(nick) = &saying.speak_as {
            room = room.min(split::room(line_len, nick.len(), "RELAYMSG", target));
        }
        if saying.manner == Manner::Action {
            room = room.saturating_sub(ACTION_BYTES);
        }
        let plain = saying.manner != Manner::Action && saying.speak_as.is_none();
        split::plan(&saying.text, room, self.caps.multiline().filter(|_| plain))
    }

    /// How long our prefix is in what others receive, in bytes.
    fn source_len(&self) -> usize {
        let part = |known: &Option<String>, most| known.as_ref().map_or(most, String::len);
        self.me.nick.len() + "!@".len() + part(&self.me.user, USER_BYTES) + part(&self.me.host, HOST_BYTES)
    }

    fn mark(&self, key: Option<&str>, part: usize, parts: usize) -> Option<String> {
        let key = key.filter(|_| self.passes_tag(tags::DELIVERY))?.to_owned();
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let mark = DeliveryMark { key, part: number(part), parts: number(parts) };
        DeliveryMark::parse(&mark.to_value()).map(|mark| mark.to_value())
    }

    fn piece(&mut self, saying: &Saying, unit: Unit, mark: Option<String>, first: bool) -> Result<Piece, Refusal> {
        let reply = saying.reply_to.as_ref().filter(|_| first && self.passes_tag(tags::REPLY));
        let tagged = |command: Command| {
            let command = with_mark(command, mark.as_deref());
            reply.map_or(command.clone(), |msgid| command.tag(tags::REPLY, msgid))
        };
        let commands = match unit {
            Unit::Line(line) => {
                let line = if saying.manner == Manner::Action { format!("\x01ACTION {line}\x01") } else { line };
                let mut command = Command::new(verb(saying)).to(&saying.target);
                if let Some(nick) = &saying.speak_as {
                    let nick = Target::nick(nick).map_err(|why| Refusal::BadParam { what: "nick", why })?;
                    command = command.to(&nick);
                }
                vec![tagged(command.text(Trailing::one_line(&line)))]
            }
            Unit::Multiline(lines) => {
                let reference = Middle::new(format!("mg{}", self.next_number()));
                let reference = reference.map_err(|why| Refusal::BadParam { what: "batch", why })?;
                let name = reference.as_str();
                let open = Command::new("BATCH").word(&format!("+{name}")).word("draft/multiline").to(&saying.target);
                let mut commands = vec![tagged(open)];
                for line in lines {
                    let mut command = Command::new(verb(saying)).tag("batch", name);
                    if line.concat {
                        command = command.tag("draft/multiline-concat", "");
                    }
                    commands.push(command.to(&saying.target).text(Trailing::one_line(&line.text)));
                }
                commands.push(Command::new("BATCH").word(&format!("-{name}")));
                commands
            }
        };
        Ok(Piece { commands, mark })
    }

    /// Queues the pieces, and a waiter for them.
    fn send(&mut self, verb: &'static str, target: &str, pieces: Vec<Piece>) -> Result<SendToken, Refusal> {
        if !self.queue.has_room(Class::Message, pieces.len()) || !self.sends.has_room() {
            return Err(Refusal::Full);
        }
        let token = SendToken(self.next_number());
        let ack = if self.caps.has(Cap::LabeledResponse) {
            Ack::Label
        } else if self.caps.has(Cap::EchoMessage) {
            Ack::Echo
        } else {
            Ack::Fence
        };
        let fence = (ack != Ack::Label).then(|| format!("mg-{}", token.0));
        let mut parts = Vec::new();
        let mut out = Vec::new();
        let last = pieces.len() - 1;
        for (index, mut piece) in pieces.into_iter().enumerate() {
            let label = (ack == Ack::Label).then(|| format!("mg{}", self.next_number()));
            if let Some((label, first)) = label.as_ref().zip(piece.commands.first_mut()) {
                *first = first.clone().tag("label", label);
            }
            if let Some(fence) = fence.as_ref().filter(|_| index == last) {
                piece.commands.push(Command::new("PING").word(fence));
            }
            out.push(self.encode(&piece.commands, Note::Send(token))?);
            parts.push(Part::new(label, piece.mark));
        }
        for piece in out {
            self.queue.push(Class::Message, piece);
        }
        self.sends.add(Waiter::new(token, verb, self.isupport.fold(target), ack, parts, fence));
        Ok(token)
    }

    /// Several commands as one piece of bytes.
    pub(super) fn encode(&self, commands: &[Command], note: Note) -> Result<Outgoing, Refusal> {
        let mut bytes = Vec::new();
        for command in commands {
            bytes.extend(command.encode(self.isupport.line_len()).map_err(|_| Refusal::TooLong)?);
        }
        Ok(Outgoing { bytes, lines: commands.len(), note })
    }

    pub(super) fn require_up(&self) -> Result<(), Refusal> {
        if self.is_up() { Ok(()) } else { Err(Refusal::NotConnected) }
    }
}

fn verb(saying: &Saying) -> &'static str {
    match (&saying.speak_as, saying.manner) {
        (Some(_), _) => "RELAYMSG",
        (None, Manner::Notice) => "NOTICE",
        (None, Manner::Message | Manner::Action) => "PRIVMSG",
    }
}

fn with_mark(command: Command, mark: Option<&str>) -> Command {
    match mark {
        Some(mark) => command.tag(tags::DELIVERY, mark),
        None => command,
    }
}
