//! Requests: joining, asking, looking into history. Each becomes a line and an entry that waits for
//! its answer; how the answer is recognised is `answers`' part.

use super::{
    Answer, ChannelInfo, Event, FailureKind, HistoryRange, Point, Refusal, RequestFailure, RequestId, Session, Whois,
    answers::{Ask, AskKind},
    middle,
    queue::{Class, Note},
};
use crate::proto::{
    caps::Cap,
    command::Command,
    param::{BadParam, Middle, Target, Trailing},
    time,
};
use std::time::SystemTime;

/// So many lines of history are asked for at most, also where the server has no limit.
const MAX_HISTORY: usize = 1_000;

impl Session {
    /// Joins a channel. Answered with [`Answer::Joined`].
    pub fn join(&mut self, channel: &Target, key: Option<&str>) -> Result<RequestId, Refusal> {
        self.require_up()?;
        self.require_channel(channel)?;
        let folded = self.isupport.fold(channel.as_str());
        self.unwanted.remove(&folded);
        if let Some(name) = self.roster.get(&folded).map(|channel| channel.name.clone()) {
            let request = RequestId(self.next_number());
            self.answer_now(request, Answer::Joined { channel: name });
            return Ok(request);
        }
        let mut command = Command::new("JOIN").to(channel);
        if let Some(key) = key {
            let key = middle("key", key)?;
            if key.as_str().contains(',') {
                return Err(Refusal::BadParam { what: "key", why: BadParam::Space });
            }
            command = command.arg(key);
        }
        self.ask(AskKind::Join, channel.as_str(), vec![command])
    }

    /// Leaves a channel. Answered with [`Answer::Done`].
    pub fn part(&mut self, channel: &Target, reason: &Trailing) -> Result<RequestId, Refusal> {
        self.require_up()?;
        self.require_channel(channel)?;
        self.ask(AskKind::Part, channel.as_str(), vec![Command::new("PART").to(channel).text(reason.clone())])
    }

    /// Knocks at an invite-only channel. Answered with [`Answer::Done`].
    pub fn knock(&mut self, channel: &Target, words: &Trailing) -> Result<RequestId, Refusal> {
        self.require_up()?;
        self.require_channel(channel)?;
        self.ask(AskKind::Knock, channel.as_str(), vec![Command::new("KNOCK").to(channel).text(words.clone())])
    }

    /// Asks who a nick is. Answered with [`Answer::Whois`].
    pub fn whois(&mut self, nick: &Target) -> Result<RequestId, Refusal> {
        self.require_up()?;
        let kind = AskKind::Whois(Box::new(Whois { nick: nick.as_str().to_owned(), ..Whois::default() }));
        self.ask(kind, nick.as_str(), vec![Command::new("WHOIS").to(nick)])
    }

    /// Asks what can be known about a channel, in it or not. Answered with [`Answer::Channel`].
    pub fn channel_info(&mut self, channel: &Target) -> Result<RequestId, Refusal> {
        self.require_up()?;
        self.require_channel(channel)?;
        let info = ChannelInfo { name: channel.as_str().to_owned(), ..ChannelInfo::default() };
        // To some servers, TOPIC is for members only, and LIST for everybody.
        let outside = (!self.is_in(channel.as_str())).then_some("LIST");
        let verbs = ["TOPIC", "MODE"].into_iter().chain(outside).chain(["NAMES"]);
        let commands = verbs.map(|verb| Command::new(verb).to(channel)).collect();
        self.ask(AskKind::Info(Box::new(info)), channel.as_str(), commands)
    }

    /// Asks for a piece of history, at most `limit` lines (and no more than the server gives at
    /// once). Answered with [`Answer::History`].
    pub fn history(&mut self, target: &Target, range: &HistoryRange, limit: usize) -> Result<RequestId, Refusal> {
        self.require_history()?;
        let any = || Middle::new("*").map_err(|why| Refusal::BadParam { what: "point", why });
        let (verb, points) = match range {
            HistoryRange::Latest(None) => ("LATEST", vec![any()?]),
            HistoryRange::Latest(Some(point)) => ("LATEST", vec![selector(point)?]),
            HistoryRange::After(point) => ("AFTER", vec![selector(point)?]),
            HistoryRange::Before(point) => ("BEFORE", vec![selector(point)?]),
            HistoryRange::Around(point) => ("AROUND", vec![selector(point)?]),
            HistoryRange::Between(from, to) => ("BETWEEN", vec![selector(from)?, selector(to)?]),
        };
        let command = Command::new("CHATHISTORY").word(verb).to(target);
        let command = points.into_iter().fold(command, Command::arg);
        let command = command.word(&self.history_limit(limit).to_string());
        self.ask(AskKind::History, target.as_str(), vec![command])
    }

    /// Asks which conversations had messages between two points in time. Answered with
    /// [`Answer::Targets`].
    pub fn history_targets(&mut self, from: SystemTime, to: SystemTime, limit: usize) -> Result<RequestId, Refusal> {
        self.require_history()?;
        let command = Command::new("CHATHISTORY").word("TARGETS").arg(selector(&Point::Time(from))?);
        let command = command.arg(selector(&Point::Time(to))?).word(&self.history_limit(limit).to_string());
        self.ask(AskKind::Targets, "*", vec![command])
    }

    /// Takes another nick, and from now on wants that one. Answered with [`Answer::Done`].
    pub fn change_nick(&mut self, nick: &Target) -> Result<RequestId, Refusal> {
        self.require_up()?;
        if nick.is_channel() {
            return Err(Refusal::BadParam { what: "nick", why: BadParam::NotATarget });
        }
        self.want_nick(nick);
        if self.me.nick == nick.as_str() {
            let request = RequestId(self.next_number());
            self.answer_now(request, Answer::Done);
            return Ok(request);
        }
        self.ask(AskKind::Nick, nick.as_str(), vec![Command::new("NICK").to(nick)])
    }

    /// Marks us as away with these words, or (`None`) as back.
    pub fn away(&mut self, reason: Option<&Trailing>) {
        let command = Command::new("AWAY");
        self.control(&match reason {
            Some(reason) => command.text(reason.clone()),
            None => command,
        });
    }

    /// Watches whether a nick is on the network ([`Event::Presence`]); false where the server has no
    /// room for another.
    pub fn watch(&mut self, nick: &Target) -> bool {
        let Some(most) = self.isupport.monitor() else { return false };
        let folded = self.isupport.fold(nick.as_str());
        if self.watched.contains_key(&folded) {
            return true;
        }
        // One place is kept for the nick we want ourselves.
        if !self.is_up() || most.is_some_and(|most| self.watched.len() + 1 >= most) {
            return false;
        }
        self.watched.insert(folded, nick.as_str().to_owned());
        self.push(Class::Control, &Command::new("MONITOR").word("+").to(nick))
    }

    /// No longer watches a nick.
    pub fn unwatch(&mut self, nick: &Target) {
        if self.watched.remove(&self.isupport.fold(nick.as_str())).is_some() {
            self.control(&Command::new("MONITOR").word("-").to(nick));
        }
    }

    /// Queues the commands of a request, and an entry that waits for the answer.
    fn ask(&mut self, kind: AskKind, subject: &str, mut commands: Vec<Command>) -> Result<RequestId, Refusal> {
        if !self.queue.has_room(Class::Control, 1) || !self.asks.has_room() {
            return Err(Refusal::Full);
        }
        let request = RequestId(self.next_number());
        // A request of several commands is answered in several pieces, which one label cannot mark.
        let label = (commands.len() == 1 && self.caps.has(Cap::LabeledResponse)).then(|| format!("mg{}", request.0));
        if let Some((label, first)) = label.as_ref().zip(commands.first_mut()) {
            *first = first.clone().tag("label", label);
        }
        let piece = self.encode(&commands, Note::Request(request))?;
        self.queue.push(Class::Control, piece);
        self.asks.add(Ask::new(request, kind, self.isupport.fold(subject), label));
        Ok(request)
    }

    pub(super) fn answer_now(&mut self, request: RequestId, answer: Answer) {
        self.emit(Event::Answered { request, answer: Box::new(answer) });
    }

    /// Leaves a channel that nobody asked for.
    pub(super) fn part_unwanted(&mut self, channel: &str) {
        if let Ok(channel) = Target::channel(channel, self.isupport.chantypes()) {
            self.control(&Command::new("PART").to(&channel));
        }
    }

    fn history_limit(&self, wanted: usize) -> usize {
        let most = self.isupport.chathistory().filter(|most| *most > 0).unwrap_or(MAX_HISTORY);
        wanted.clamp(1, most.min(MAX_HISTORY))
    }

    fn require_channel(&self, target: &Target) -> Result<(), Refusal> {
        if target.is_channel() && self.isupport.is_channel(target.as_str()) {
            Ok(())
        } else {
            Err(Refusal::BadParam { what: "channel", why: BadParam::NotATarget })
        }
    }

    fn require_history(&self) -> Result<(), Refusal> {
        self.require_up()?;
        if self.has_history() { Ok(()) } else { Err(Refusal::Unsupported("CHATHISTORY")) }
    }
}

/// How a point in a history is written.
fn selector(point: &Point) -> Result<Middle, Refusal> {
    match point {
        Point::Msgid(msgid) => middle("msgid", &format!("msgid={msgid}")),
        Point::Time(time) => middle("time", &format!("timestamp={}", time::format(*time))),
    }
}

/// The failure of a request that is not the server's doing.
pub(super) fn failed(kind: FailureKind, why: &str) -> RequestFailure {
    RequestFailure { kind, why: why.to_owned() }
}
