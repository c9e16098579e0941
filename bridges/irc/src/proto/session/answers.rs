//! Answers to requests: found by label where the server has labels, else by what they are about and
//! by order.

use super::{
    Answer, ChannelInfo, Event, FailureKind, History, RequestFailure, RequestId, Session, Whois,
    asking::failed,
    queue::Note,
    roster::{highest_sign, parse_name},
    words,
};
use crate::proto::{
    batch::{Batch, BatchKind},
    isupport::Isupport,
    line::Message,
};
use std::{collections::VecDeque, time::Instant};

/// So many requests may wait.
const MAX_ASKS: usize = 256;
/// More members of a channel are not listed in an answer.
const MAX_LISTED: usize = 10_000;
/// More channels of a person are not listed in an answer.
const MAX_CHANNELS: usize = 200;

/// What was asked, with as much of the answer as is there.
#[derive(Debug)]
pub(super) enum AskKind {
    Join,
    Part,
    Knock,
    Whois(Box<Whois>),
    Info(Box<ChannelInfo>),
    History,
    Targets,
    Nick,
}

/// One request that waits.
#[derive(Debug)]
pub(super) struct Ask {
    id: RequestId,
    kind: AskKind,
    /// The channel or nick it is about, folded.
    subject: String,
    label: Option<String>,
    /// When it was written; before that, the server owes nothing.
    written: Option<Instant>,
    /// When that was in the order of everything written; 0 before.
    order: u64,
}

/// All that wait, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Asks(VecDeque<Ask>);

impl Ask {
    pub(super) fn new(id: RequestId, kind: AskKind, subject: String, label: Option<String>) -> Self {
        Self { id, kind, subject, label, written: None, order: 0 }
    }

    /// The command it was sent as.
    fn command(&self) -> &'static str {
        match self.kind {
            AskKind::Join => "JOIN",
            AskKind::Part => "PART",
            AskKind::Knock => "KNOCK",
            AskKind::Whois(_) => "WHOIS",
            AskKind::Info(_) => "NAMES",
            AskKind::History | AskKind::Targets => "CHATHISTORY",
            AskKind::Nick => "NICK",
        }
    }

    /// True if an unlabelled error may be its answer.
    fn may_concern(&self, numeric: u16, subject: Option<&str>, command: &str) -> bool {
        if self.order == 0 {
            return false;
        }
        let Some(subject) = subject else { return command == self.command() };
        let fits = match self.kind {
            AskKind::Join => !matches!(numeric, 404 | 441..=443 | 482),
            AskKind::Part => matches!(numeric, 403 | 442),
            AskKind::Knock => matches!(numeric, 401 | 403 | 471..=480 | 712..=714),
            AskKind::Whois(_) => matches!(numeric, 401 | 402 | 406),
            // Not being in the channel is no reason not to be told about it.
            AskKind::Info(_) => matches!(numeric, 401 | 403),
            AskKind::Nick => matches!(numeric, 431..=438 | 447 | 484),
            AskKind::History | AskKind::Targets => false,
        };
        fits && subject == self.subject
    }
}

impl Asks {
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_ASKS
    }

    pub(super) fn add(&mut self, ask: Ask) {
        self.0.push_back(ask);
    }

    pub(super) fn written(&mut self, request: RequestId, order: u64, now: Instant) {
        if let Some(ask) = self.0.iter_mut().find(|ask| ask.id == request) {
            ask.order = order;
            ask.written = Some(now);
        }
    }

    /// The oldest written one that an unlabelled error may concern, with its place in the order.
    pub(super) fn suspect(&self, numeric: u16, subject: Option<&str>, command: &str) -> Option<(u64, RequestId)> {
        let ask = self.0.iter().find(|ask| ask.may_concern(numeric, subject, command))?;
        Some((ask.order, ask.id))
    }

    /// The oldest written one of a kind about a subject.
    fn find(&mut self, subject: &str, kind: fn(&AskKind) -> bool) -> Option<&mut Ask> {
        self.0.iter_mut().find(|ask| ask.order > 0 && ask.subject == subject && kind(&ask.kind))
    }

    /// True if the label is that of a request for another nick.
    pub(super) fn is_nick(&self, label: &str) -> bool {
        self.0.iter().any(|ask| ask.label.as_deref() == Some(label) && matches!(ask.kind, AskKind::Nick))
    }

    /// The request whose answer a batch of history is: by label, else the oldest about its target.
    pub(super) fn answered_by(&self, batch: &Batch, isupport: &Isupport) -> Option<RequestId> {
        let subject = isupport.fold(batch.opening.param(2));
        let fits = |ask: &&Ask| match (&batch.label, batch.kind) {
            (Some(label), BatchKind::History | BatchKind::Targets) => ask.label.as_ref() == Some(label),
            (None, BatchKind::Targets) => ask.order > 0 && matches!(ask.kind, AskKind::Targets),
            (None, BatchKind::History) => {
                ask.order > 0 && ask.subject == subject && matches!(ask.kind, AskKind::History)
            }
            _ => false,
        };
        self.0.iter().find(fits).map(|ask| ask.id)
    }

    fn remove(&mut self, request: RequestId) -> Option<Ask> {
        let at = self.0.iter().position(|ask| ask.id == request)?;
        self.0.remove(at)
    }
}

impl Session {
    /// A numeric that is no error: a piece of an answer, or the greeting.
    pub(super) fn on_answer(&mut self, numeric: u16, message: &Message, label: Option<&str>) {
        match numeric {
            301 | 307 | 311..=313 | 317..=320 | 330 | 335 | 671 => self.on_whois_piece(numeric, message),
            322 | 324 | 331..=333 | 353 | 366 => self.on_channel_piece(numeric, message),
            710 | 711 => {
                self.finish(&self.isupport.fold(message.param(1)), |kind| matches!(kind, AskKind::Knock), Answer::Done);
            }
            2..=4 | 250..=255 | 265 | 266 | 321 | 323 | 329 | 372 | 375 => {}
            _ if label.is_none() => self.emit(Event::ServerSaid(words::clean(message.last()))),
            _ => {}
        }
    }

    fn on_whois_piece(&mut self, numeric: u16, message: &Message) {
        let subject = self.isupport.fold(message.param(1));
        let Some(ask) = self.asks.find(&subject, |kind| matches!(kind, AskKind::Whois(_))) else { return };
        let (id, AskKind::Whois(whois)) = (ask.id, &mut ask.kind) else { return };
        if numeric != 318 {
            return add_to_whois(whois, numeric, message);
        }
        let whois = (**whois).clone();
        self.asks.remove(id);
        if whois.host.is_empty() {
            let why = format!("there is nobody called {} on the network", whois.nick);
            return self.emit(Event::RequestFailed { request: id, failure: failed(FailureKind::Unknown, &why) });
        }
        self.answer_now(id, Answer::Whois(whois));
    }

    /// Topic, modes and members of a channel: for the roster if we are in it, and for who asked.
    fn on_channel_piece(&mut self, numeric: u16, message: &Message) {
        let name = message.param(if numeric == 353 { 2 } else { 1 });
        let folded = self.isupport.fold(name);
        let keeps_members = self.keeps_members();
        if let Some(channel) = self.roster.get_mut(&folded) {
            let names_open = channel.names_open;
            let only = (!keeps_members).then_some(self.me.nick.as_str());
            channel.learn(numeric, message, only, &self.isupport);
            if numeric == 366 && names_open {
                return self.members_known(&folded);
            }
        }
        let Some(ask) = self.asks.find(&folded, |kind| matches!(kind, AskKind::Info(_))) else { return };
        let (id, AskKind::Info(info)) = (ask.id, &mut ask.kind) else { return };
        add_to_head(info, numeric, message);
        match numeric {
            353 => add_names(info, message.last(), &self.isupport),
            366 => {
                let mut info = (**info).clone();
                info.members.sort();
                self.asks.remove(id);
                self.answer_now(id, Answer::Channel(info));
            }
            _ => {}
        }
    }

    /// We know who is in a channel that we have joined, or do without.
    pub(super) fn members_known(&mut self, folded: &str) {
        let Some(channel) = self.roster.get_mut(folded) else { return };
        channel.names_open = false;
        let channel = channel.name.clone();
        self.emit(Event::MembersKnown { channel: channel.clone() });
        // A server says nothing to somebody who joins where they are: one answer is for all who asked.
        while self.is_joining(folded) {
            let channel = channel.clone();
            self.finish(folded, |kind| matches!(kind, AskKind::Join), Answer::Joined { channel });
        }
    }

    /// Answers the oldest request of a kind about a subject.
    pub(super) fn finish(&mut self, subject: &str, kind: fn(&AskKind) -> bool, answer: Answer) {
        let Some(id) = self.asks.find(subject, kind).map(|ask| ask.id) else { return };
        self.asks.remove(id);
        self.answer_now(id, answer);
    }

    /// We left a channel, or have another nick.
    pub(super) fn finish_part(&mut self, folded: &str) {
        self.finish(folded, |kind| matches!(kind, AskKind::Part), Answer::Done);
    }

    pub(super) fn finish_nick(&mut self, folded: &str) {
        self.finish(folded, |kind| matches!(kind, AskKind::Nick), Answer::Done);
    }

    /// True if somebody asked to join the channel.
    pub(super) fn is_joining(&mut self, folded: &str) -> bool {
        self.asks.find(folded, |kind| matches!(kind, AskKind::Join)).is_some()
    }

    /// The answer with this label is complete.
    pub(super) fn ask_settled(&mut self, label: &str) {
        let Some(ask) = self.asks.0.iter().find(|ask| ask.label.as_deref() == Some(label)) else { return };
        let id = ask.id;
        let answer = match &ask.kind {
            // The members may come later; the answer waits for them.
            AskKind::Join | AskKind::Info(_) => return,
            AskKind::Part | AskKind::Knock | AskKind::Nick => Ok(Answer::Done),
            AskKind::Whois(whois) => Err(format!("there is nobody called {} on the network", whois.nick)),
            AskKind::History => Ok(Answer::History(History { target: ask.subject.clone(), ..History::default() })),
            AskKind::Targets => Ok(Answer::Targets(Vec::new())),
        };
        match answer {
            Ok(answer) => {
                self.asks.remove(id);
                self.answer_now(id, answer);
            }
            Err(why) => self.fail_ask(id, failed(FailureKind::Unknown, &why)),
        }
    }

    /// A batch of history has ended.
    pub(super) fn on_history_end(&mut self, batch: Batch) {
        let target = batch.opening.param(2).to_owned();
        let answer = if batch.kind == BatchKind::Targets {
            Answer::Targets(batch.targets)
        } else {
            Answer::History(History {
                target,
                items: batch.items,
                last: batch.last,
                lines: batch.count,
                truncated: batch.truncated,
            })
        };
        match (batch.request, answer) {
            (Some(request), answer) => {
                if self.asks.remove(request).is_some() {
                    self.answer_now(request, answer);
                }
            }
            (None, Answer::History(history)) => self.emit(Event::Replayed(Box::new(history))),
            (None, _) => {}
        }
    }

    /// A request failed.
    pub(super) fn fail_ask(&mut self, request: RequestId, failure: RequestFailure) {
        let Some(ask) = self.asks.remove(request) else { return };
        self.queue.forget(|note| note == Note::Request(request));
        if let (AskKind::Join, FailureKind::Forwarded(to)) = (&ask.kind, &failure.kind) {
            let to = self.isupport.fold(to);
            if !self.is_joining(&to) && self.roster.get(&to).is_none() && self.unwanted.len() < MAX_ASKS {
                self.unwanted.insert(to);
            }
        }
        self.emit(Event::RequestFailed { request, failure });
    }

    /// An error with a label; false if the label is nobody's.
    pub(super) fn fail_labelled_ask(&mut self, label: &str, numeric: u16, message: &Message) -> bool {
        let Some(ask) = self.asks.0.iter().find(|ask| ask.label.as_deref() == Some(label)) else { return false };
        self.fail_ask(ask.id, words::failure(numeric, message));
        true
    }

    /// A standard reply about a command; false if nobody asked that.
    pub(super) fn fail_ask_by_command(&mut self, command: &str, label: Option<&str>, why: &str) -> bool {
        let concerns = |ask: &&Ask| match label {
            Some(label) => ask.label.as_deref() == Some(label),
            None => ask.order > 0 && ask.command() == command,
        };
        let Some(id) = self.asks.0.iter().find(concerns).map(|ask| ask.id) else { return false };
        self.fail_ask(id, failed(FailureKind::Refused, why));
        true
    }

    /// Gives up what was not answered in time.
    pub(super) fn expire_asks(&mut self, now: Instant) {
        let patience = self.config.timing.request;
        let late: Vec<RequestId> = self
            .asks
            .0
            .iter()
            .filter(|ask| ask.written.is_some_and(|at| at + patience <= now))
            .map(|ask| ask.id)
            .collect();
        for id in late {
            let subject = self.asks.0.iter().find(|ask| ask.id == id).map(|ask| ask.subject.clone());
            // In the channel, but the server does not end its list of members.
            let channel = subject.and_then(|subject| self.roster.get(&subject)).map(|channel| channel.name.clone());
            let is_join = self.asks.0.iter().any(|ask| ask.id == id && matches!(ask.kind, AskKind::Join));
            match channel.filter(|_| is_join) {
                Some(channel) => {
                    self.asks.remove(id);
                    self.answer_now(id, Answer::Joined { channel });
                }
                None => self.fail_ask(id, failed(FailureKind::Timeout, "the IRC server did not answer in time")),
            }
        }
    }

    pub(super) fn asks_deadline(&self) -> Option<Instant> {
        self.asks.0.iter().filter_map(|ask| ask.written).min().map(|at| at + self.config.timing.request)
    }

    /// The connection is over.
    pub(super) fn settle_asks(&mut self) {
        for ask in std::mem::take(&mut self.asks.0) {
            let failure = failed(FailureKind::Disconnected, "the connection to the IRC server ended");
            self.emit(Event::RequestFailed { request: ask.id, failure });
        }
    }
}

fn add_to_whois(whois: &mut Whois, numeric: u16, message: &Message) {
    let words = || words::clean(message.last());
    match numeric {
        311 => {
            message.param(1).clone_into(&mut whois.nick);
            message.param(2).clone_into(&mut whois.user);
            message.param(3).clone_into(&mut whois.host);
            whois.realname = words();
        }
        301 => whois.away = Some(words()),
        312 => whois.server = Some(format!("{} ({})", message.param(2), words())),
        313 => whois.operator = true,
        317 => {
            whois.idle = message.param(2).parse().ok();
            whois.signon = message.param(3).parse().ok();
        }
        319 => {
            let room = MAX_CHANNELS.saturating_sub(whois.channels.len());
            whois.channels.extend(message.last().split_ascii_whitespace().take(room).map(str::to_owned));
        }
        330 => whois.account = Some(message.param(2).to_owned()),
        335 => whois.bot = true,
        671 => whois.secure = true,
        _ => {}
    }
}

/// Takes topic and modes.
fn add_to_head(info: &mut ChannelInfo, numeric: u16, message: &Message) {
    match numeric {
        324 => {
            let letters = message.param(2).chars().filter(|letter| *letter != '+');
            info.modes = letters.collect();
            info.moderated = info.modes.contains('m');
        }
        // Some servers put the modes before the topic: `[+nt] words`.
        322 if info.topic.is_empty() => {
            let words = message.last();
            let bare = words.strip_prefix("[+").and_then(|rest| rest.split_once(']')).map(|(_, words)| words);
            bare.unwrap_or(words).trim_start().clone_into(&mut info.topic);
        }
        331 => info.topic.clear(),
        332 => message.last().clone_into(&mut info.topic),
        333 => info.topic_by = Some((message.param(2).to_owned(), message.param(3).parse().ok())),
        _ => {}
    }
}

fn add_names(info: &mut ChannelInfo, names: &str, isupport: &Isupport) {
    for entry in names.split_ascii_whitespace() {
        let (modes, source) = parse_name(entry, isupport);
        if info.members.len() < MAX_LISTED && !source.nick.is_empty() {
            info.members.push((source.nick, highest_sign(&modes, isupport)));
        }
    }
}
