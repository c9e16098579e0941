//! Acknowledgement: every message waits for its own sign that the server has taken it. With
//! `labeled-response` that is the labelled answer, with `echo-message` the echo, and with neither
//! a `PING` behind the message: when its `PONG` comes without an error before, the message was
//! taken. Nothing is ever assumed because time has passed.

use super::{CloseReason, Event, SendFailure, SendToken, Session, queue::Note, words};
use crate::proto::{caps::Cap, line::Message, tags};
use std::{collections::VecDeque, time::Instant};

/// So many messages may wait for their acknowledgement.
const MAX_WAITERS: usize = 512;

/// By which sign a message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    Label,
    Echo,
    Fence,
}

/// One message (or reaction, redaction) that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    token: SendToken,
    verb: &'static str,
    target: String,
    ack: Ack,
    parts: Vec<Part>,
    fence: Option<String>,
    /// How many pieces were handed out to be written.
    written: usize,
    last_written: Option<Instant>,
    /// When the first piece was written, in the order of everything written.
    order: u64,
}

/// One piece of it.
#[derive(Debug, Default)]
pub(super) struct Part {
    label: Option<String>,
    mark: Option<String>,
    done: bool,
    msgid: Option<String>,
}

impl Part {
    pub(super) fn new(label: Option<String>, mark: Option<String>) -> Self {
        Self { label, mark, done: false, msgid: None }
    }
}

/// All that wait, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Sends(VecDeque<Waiter>);

impl Waiter {
    pub(super) fn new(
        token: SendToken,
        verb: &'static str,
        target: String,
        ack: Ack,
        parts: Vec<Part>,
        fence: Option<String>,
    ) -> Self {
        Self { token, verb, target, ack, parts, fence, written: 0, last_written: None, order: 0 }
    }

    /// True if the server must echo it where it echoes anything.
    fn must_echo(&self) -> bool {
        matches!(self.verb, "PRIVMSG" | "NOTICE")
    }

    /// The pieces at the front that were acknowledged.
    fn taken(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().take_while(|part| part.done)
    }

    fn ids(&self) -> Vec<Option<String>> {
        self.taken().map(|part| part.msgid.clone()).collect()
    }

    /// True if something was written that the server owes an answer for.
    fn is_owed(&self) -> bool {
        match self.ack {
            Ack::Label => self.parts.iter().take(self.written).any(|part| !part.done),
            Ack::Echo | Ack::Fence => self.written == self.parts.len(),
        }
    }

    /// True if an unlabelled error about this target (or, without one, this command) may be its.
    fn may_concern(&self, subject: Option<&str>, command: &str) -> bool {
        let open = self.ack != Ack::Label && self.written > 0;
        open && subject.map_or(command.is_empty() || command == self.verb, |subject| subject == self.target)
    }
}

impl Sends {
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < MAX_WAITERS
    }

    pub(super) fn add(&mut self, waiter: Waiter) {
        self.0.push_back(waiter);
    }

    /// A piece was handed out to be written.
    pub(super) fn written(&mut self, token: SendToken, order: u64, now: Instant) {
        if let Some(waiter) = self.0.iter_mut().find(|waiter| waiter.token == token) {
            if waiter.written == 0 {
                waiter.order = order;
            }
            waiter.written += 1;
            waiter.last_written = Some(now);
        }
    }

    /// The oldest written one that an unlabelled error may concern, with its place in the order.
    pub(super) fn suspect(&self, subject: Option<&str>, command: &str) -> Option<(u64, SendToken)> {
        let waiter = self.0.iter().find(|waiter| waiter.may_concern(subject, command))?;
        Some((waiter.order, waiter.token))
    }

    /// The message and its part that carry a label.
    pub(super) fn labelled(&self, label: &str) -> Option<(SendToken, usize)> {
        self.0.iter().find_map(|waiter| {
            let part = waiter.parts.iter().position(|part| part.label.as_deref() == Some(label))?;
            Some((waiter.token, part))
        })
    }

    fn get(&self, token: SendToken) -> Option<&Waiter> {
        self.0.iter().find(|waiter| waiter.token == token)
    }

    fn remove(&mut self, token: SendToken) -> Option<Waiter> {
        let at = self.0.iter().position(|waiter| waiter.token == token)?;
        self.0.remove(at)
    }
}

impl Session {
    /// A line of our own came back. True if it is the acknowledgement of something that waits.
    pub(super) fn on_echo(&mut self, verb: &str, message: &Message, label: Option<&str>) -> bool {
        let msgid = message.tags.filled("msgid").map(str::to_owned);
        if let Some((token, part)) = label.and_then(|label| self.sends.labelled(label)) {
            self.part_done(token, part, msgid);
            return true;
        }
        let target = self.isupport.fold(message.param(0));
        let mark = message.tags.get(tags::DELIVERY);
        let found = self.sends.0.iter().find_map(|waiter| {
            if waiter.ack != Ack::Echo || waiter.verb != verb || waiter.target != target {
                return None;
            }
            // Marks are exact; without them echoes come in the order of the messages.
            let fits =
                |part: &Part| !part.done && (mark.is_none() || part.mark.is_none() || part.mark.as_deref() == mark);
            let part = waiter.parts.iter().take(waiter.written).position(fits)?;
            Some((waiter.token, part))
        });
        let Some((token, part)) = found else { return false };
        self.part_done(token, part, msgid);
        true
    }

    fn part_done(&mut self, token: SendToken, part: usize, msgid: Option<String>) {
        let Some(waiter) = self.sends.0.iter_mut().find(|waiter| waiter.token == token) else { return };
        if let Some(part) = waiter.parts.get_mut(part) {
            part.done = true;
            part.msgid = msgid;
        }
        if waiter.parts.iter().all(|part| part.done) {
            let ids = waiter.ids();
            self.sends.remove(token);
            self.emit(Event::Sent { token, ids });
        }
    }

    /// The answer with this label is complete.
    pub(super) fn settled(&mut self, label: &str) {
        let Some((token, part)) = self.sends.labelled(label) else { return self.ask_settled(label) };
        let Some(waiter) = self.sends.get(token) else { return };
        if waiter.parts.get(part).is_some_and(|part| part.done) {
            return;
        }
        if waiter.must_echo() && self.caps.has(Cap::EchoMessage) {
            return self.refuse_send(token, "the server did not pass the message on, and did not say why", false);
        }
        self.part_done(token, part, None);
    }

    /// `PONG`: everything before its `PING` is done with.
    pub(super) fn on_pong(&mut self, message: &Message) {
        let fenced = |waiter: &&Waiter| {
            waiter.fence.as_ref().is_some_and(|fence| message.params.iter().any(|param| param == fence))
        };
        let Some(waiter) = self.sends.0.iter().find(fenced) else { return };
        let (token, parts) = (waiter.token, waiter.parts.len());
        if waiter.ack == Ack::Echo && waiter.must_echo() {
            return self.refuse_send(token, "the server did not pass the message on, and did not say why", false);
        }
        (0..parts).for_each(|part| self.part_done(token, part, None));
    }

    /// The server refused a message.
    pub(super) fn refuse_send(&mut self, token: SendToken, why: &str, temporary: bool) {
        let Some(waiter) = self.sends.remove(token) else { return };
        self.queue.forget(|note| note == Note::Send(token));
        let failure = SendFailure::Refused { why: why.to_owned(), lines_sent: waiter.taken().count(), temporary };
        self.emit(Event::SendFailed { token, failure });
    }

    /// An error numeric: finds out whose it is, by label or by order.
    pub(super) fn on_error_numeric(&mut self, numeric: u16, message: &Message, label: Option<&str>) {
        let why = words::explain(numeric, message);
        if let Some(label) = label {
            if let Some((token, _)) = self.sends.labelled(label) {
                return self.refuse_send(token, &why, words::is_temporary(numeric));
            }
            if self.fail_labelled_ask(label, numeric, message) {
                return;
            }
        }
        let (subject, command) = if words::names_no_target(numeric) {
            (None, message.param(1).to_ascii_uppercase())
        } else {
            (Some(self.isupport.fold(message.param(1))), String::new())
        };
        // 411, 412 and 417 do not even name the command.
        let command = if matches!(numeric, 411 | 412 | 417) { String::new() } else { command };
        let message_hit = self.sends.suspect(subject.as_deref(), &command);
        let request_hit = self.asks.suspect(numeric, subject.as_deref(), &command);
        match (message_hit, request_hit) {
            (Some((written, token)), Some((asked, _))) if written < asked => {
                self.refuse_send(token, &why, words::is_temporary(numeric));
            }
            (_, Some((_, request))) => self.fail_ask(request, words::failure(numeric, message)),
            (Some((_, token)), None) => self.refuse_send(token, &why, words::is_temporary(numeric)),
            (None, None) => self.emit(Event::ServerSaid(why)),
        }
    }

    /// `FAIL COMMAND CODE context… :words`.
    pub(super) fn on_fail(&mut self, message: &Message, label: Option<&str>) {
        let why = words::explain_fail(message);
        if let Some((token, _)) = label.and_then(|label| self.sends.labelled(label)) {
            return self.refuse_send(token, &why, false);
        }
        let command = message.param(0).to_ascii_uppercase();
        if self.fail_ask_by_command(&command, label, &why) {
            return;
        }
        // A message of several lines is refused as a batch.
        let verbs: &[&str] = if command == "BATCH" { &["PRIVMSG", "NOTICE"] } else { &[command.as_str()] };
        match verbs.iter().filter_map(|verb| self.sends.suspect(None, verb)).min() {
            Some((_, token)) if label.is_none() => self.refuse_send(token, &why, false),
            _ => self.emit(Event::ServerSaid(why)),
        }
    }

    /// Gives up what the server owed for too long.
    pub(super) fn expire_sends(&mut self, now: Instant) {
        let patience = self.config.timing.answer;
        let late = |waiter: &&Waiter| waiter.is_owed() && waiter.last_written.is_some_and(|at| at + patience <= now);
        let tokens: Vec<SendToken> = self.sends.0.iter().filter(late).map(|waiter| waiter.token).collect();
        for token in tokens {
            self.queue.forget(|note| note == Note::Send(token));
            let Some(waiter) = self.sends.remove(token) else { continue };
            let why = "the server did not acknowledge the message in time".to_owned();
            self.emit(Event::SendFailed { token, failure: SendFailure::Uncertain { why, ids: waiter.ids() } });
        }
    }

    pub(super) fn sends_deadline(&self) -> Option<Instant> {
        let patience = self.config.timing.answer;
        let owed = self.sends.0.iter().filter(|waiter| waiter.is_owed());
        owed.filter_map(|waiter| waiter.last_written).min().map(|at| at + patience)
    }

    /// The connection is over: what was written is uncertain, what was not is not sent.
    pub(super) fn settle_sends(&mut self, reason: &CloseReason) {
        let why = format!("the connection to the IRC server ended ({reason})");
        for waiter in std::mem::take(&mut self.sends.0) {
            let failure = if waiter.written == 0 {
                SendFailure::NotSent(why.clone())
            } else {
                SendFailure::Uncertain { why: why.clone(), ids: waiter.ids() }
            };
            self.emit(Event::SendFailed { token: waiter.token, failure });
        }
    }
}
