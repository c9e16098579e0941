//! What is said: PRIVMSG, NOTICE, TAGMSG, REDACT, live or from a batch, as typed events. Also sorts
//! every line into the batch it belongs to, before anything else is done with it.

use super::{Attribution, Event, Heard, HistoryItem, Place, RequestId, Session, Speech, words};
use crate::proto::{
    batch::BatchKind,
    caps::Cap,
    line::{Message, Source},
    tags::{self, DeliveryMark},
    time,
};
use std::time::Instant;

impl Session {
    /// Takes a line to its batch, or handles it at once.
    pub(super) fn sort(&mut self, message: Message, now: Instant) {
        if message.command == "BATCH" {
            return self.on_batch(message, now);
        }
        let lines = message.tags.filled("batch").and_then(|batch| self.batches.nearest(batch, BatchKind::Multiline));
        match lines.and_then(|batch| self.batches.get_mut(&batch)) {
            Some(batch) => batch.add_line(message),
            None => self.handle(&message, now),
        }
    }

    /// `BATCH +ref …` and `BATCH -ref`.
    fn on_batch(&mut self, message: Message, now: Instant) {
        if let Some(reference) = message.param(0).strip_prefix('+').map(str::to_owned) {
            self.batches.open(message);
            self.batches.attribute(&reference, |batch| self.asks.answered_by(batch, &self.isupport));
            return;
        }
        let Some(batch) = self.batches.close(&message) else { return };
        let label = batch.opening.tags.filled("label").map(str::to_owned);
        match batch.kind {
            BatchKind::Multiline => {
                // The whole carries the opening line's label, and is settled with it.
                if let Some(message) = batch.assemble() {
                    return self.handle(&message, now);
                }
            }
            BatchKind::History | BatchKind::Targets => self.on_history_end(batch),
            BatchKind::Netsplit | BatchKind::Transparent => {}
        }
        if let Some(label) = label {
            self.settled(&label);
        }
    }

    /// Handles a whole line: for a history, or for now.
    fn handle(&mut self, message: &Message, now: Instant) {
        let batch = message.tags.filled("batch");
        let of_kind = |kind| batch.and_then(|batch| self.batches.nearest(batch, kind));
        if let Some(history) = of_kind(BatchKind::History).or_else(|| of_kind(BatchKind::Targets)) {
            return self.collect(&history, message);
        }
        let label = self.batches.label_of(message);
        self.dispatch(message, label.as_deref(), now);
        if let Some(label) = message.tags.filled("label") {
            self.settled(label);
        }
    }

    /// Takes a line into the history it belongs to.
    fn collect(&mut self, reference: &str, message: &Message) {
        let request = self.batches.get_mut(reference).and_then(|batch| batch.request);
        let item = self.read(message, request);
        let Some(batch) = self.batches.get_mut(reference) else { return };
        if !batch.admit(message.last().len()) {
            return;
        }
        if message.command == "CHATHISTORY" {
            if let Some(at) = time::parse(message.param(2)) {
                batch.targets.push((message.param(1).to_owned(), at));
            }
            return;
        }
        let at = message.tags.get("time").and_then(time::parse);
        batch.last = Some((message.tags.filled("msgid").map(str::to_owned), at));
        batch.items.extend(item);
    }

    /// Something said now.
    pub(super) fn on_speech(&mut self, message: &Message, label: Option<&str>) {
        let Some(source) = &message.source else {
            return self.emit(Event::ServerSaid(words::clean(message.last())));
        };
        self.learn_mask(source);
        if is_server(source) || !is_for_people(message.param(0)) {
            return self.emit(Event::ServerSaid(words::clean(message.last())));
        }
        if self.is_ours(message, source) && self.is_echo(message, label) {
            return;
        }
        if let Some(active) = message.tags.get(tags::TYPING).filter(|_| message.command == "TAGMSG") {
            let by = Box::new(self.attribution(message, source, None));
            if !by.own {
                self.emit(Event::Typing { by, active: active == "active" });
            }
            return;
        }
        match self.read(message, None) {
            Some(HistoryItem::Said(heard)) => self.emit(Event::Said(heard)),
            Some(HistoryItem::Reacted { by, target, emoji, removed }) => {
                self.emit(Event::Reacted { by, target, emoji, removed });
            }
            Some(HistoryItem::Redacted { by, target, reason }) => self.emit(Event::Redacted { by, target, reason }),
            None => {}
        }
    }

    /// True if our own connection said it, or had it said for somebody.
    fn is_ours(&self, message: &Message, source: &Source) -> bool {
        self.is_me(&source.nick) || relayer(message).is_some_and(|nick| self.is_me(nick))
    }

    /// True if the line is the acknowledgement of something that waits, or an echo that nobody
    /// needs to see.
    fn is_echo(&mut self, message: &Message, label: Option<&str>) -> bool {
        let relayed = relayer(message).is_some();
        let verb = if relayed { "RELAYMSG" } else { message.command.as_str() };
        if self.on_echo(verb, message, label) {
            return true;
        }
        // What we write to a service may hold a password.
        let service = self.config.nickserv.as_ref().map(|service| service.service.as_str());
        self.caps.has(Cap::EchoMessage) && service.is_some_and(|nick| self.isupport.same(nick, message.param(0)))
    }

    /// Reads something that was said, reacted or withdrawn.
    fn read(&self, message: &Message, history: Option<RequestId>) -> Option<HistoryItem> {
        let source = message.source.as_ref()?;
        let by = || Box::new(self.attribution(message, source, history));
        match message.command.as_str() {
            "PRIVMSG" | "NOTICE" => Some(HistoryItem::Said(Box::new(self.heard(message, source, history)))),
            "REDACT" => {
                let reason = Some(message.param(2)).filter(|reason| !reason.is_empty()).map(str::to_owned);
                Some(HistoryItem::Redacted { by: by(), target: message.param(1).to_owned(), reason })
            }
            "TAGMSG" => {
                let target = message.tags.client(tags::REPLY)?.to_owned();
                let given = message.tags.client(tags::REACT).map(|emoji| (emoji, false));
                let (emoji, removed) =
                    given.or_else(|| message.tags.client(tags::UNREACT).map(|emoji| (emoji, true)))?;
                Some(HistoryItem::Reacted { by: by(), target, emoji: emoji.to_owned(), removed })
            }
            _ => None,
        }
    }

    fn heard(&self, message: &Message, source: &Source, history: Option<RequestId>) -> Heard {
        let notice = message.command == "NOTICE";
        let plain = if notice { Speech::Notice } else { Speech::Message };
        let (speech, text) = match parse_ctcp(message.param(1)) {
            Some(("ACTION", text)) => (Speech::Action, text),
            Some((verb, text)) => (Speech::Ctcp { verb: verb.to_ascii_uppercase(), reply: notice }, text),
            None => (plain, message.param(1)),
        };
        let filled = |key| message.tags.client(key).map(str::to_owned);
        Heard {
            by: self.attribution(message, source, history),
            speech,
            text: text.to_owned(),
            reply_to: filled(tags::REPLY),
            channel_context: filled(tags::CHANNEL_CONTEXT),
            bot: message.tags.get("bot").or_else(|| message.tags.get("draft/bot")).is_some(),
            relayed_by: relayer(message).map(str::to_owned),
        }
    }

    fn attribution(&self, message: &Message, source: &Source, history: Option<RequestId>) -> Attribution {
        let own = self.is_ours(message, source);
        let (status, target) = self.isupport.split_status(message.param(0));
        let place = if self.isupport.is_channel(target) {
            let known = self.roster.get(&self.isupport.fold(target));
            let name = known.map_or(target, |channel| channel.name.as_str()).to_owned();
            Place::Channel { name, status }
        } else {
            let peer = if own { message.param(0) } else { source.nick.as_str() };
            Place::Private { peer: peer.to_owned() }
        };
        let account = message.tags.filled("account").map(str::to_owned);
        let member = || {
            let nick = self.isupport.fold(&source.nick);
            let there = self.roster.get(&self.isupport.fold(target)).and_then(|channel| channel.member(&nick));
            there.or_else(|| self.roster.person(&nick))?.account.clone()
        };
        Attribution {
            source: source.clone(),
            // Who has the nick now says nothing about who had it then.
            account: if history.is_some() { account } else { account.or_else(member) },
            place,
            own,
            time: message.tags.get("time").and_then(time::parse),
            msgid: message.tags.filled("msgid").map(str::to_owned),
            mark: message.tags.get(tags::DELIVERY).and_then(DeliveryMark::parse),
            history,
        }
    }
}

/// True if a line comes from a server and not from a person.
fn is_server(source: &Source) -> bool {
    source.user.is_none() && source.host.is_none() && source.nick.contains('.')
}

/// True unless the target is a mask (`$*`) or nobody (`*`).
fn is_for_people(target: &str) -> bool {
    !target.is_empty() && target != "*" && !target.starts_with('$')
}

/// The connection that spoke for the nick.
fn relayer(message: &Message) -> Option<&str> {
    message.tags.filled("draft/relaymsg").or_else(|| message.tags.filled("relaymsg"))
}

/// Takes a CTCP (`\x01WORD rest\x01`) apart. The mark at the end may be missing, where a server cut
/// the line.
fn parse_ctcp(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('\x01')?;
    let inner = inner.strip_suffix('\x01').unwrap_or(inner);
    let (verb, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    if verb.eq_ignore_ascii_case("ACTION") {
        return Some(("ACTION", rest));
    }
    let is_word = !verb.is_empty() && verb.len() <= 32 && verb.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then_some((verb, rest))
}
