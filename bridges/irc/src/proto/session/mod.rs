//! One connection to an IRC server as a state machine: lines and points in time go in, lines and
//! [`Event`]s come out.
//!
//! The I/O half drives it like this: [`Session::new`] once the (TLS) connection stands; then, in a
//! loop: write what [`Session::take_urgent`] gives, and [`Session::take`] as far as its pacing
//! allows; hand every event of [`Session::next_event`] on; wait for a line ([`Session::receive`]),
//! for [`Session::deadline`] ([`Session::tick`]), or for somebody who wants something said. When
//! the connection ends, [`Session::lost`] settles everything that still waits.

mod config;
mod event;
mod queue;
mod request;

pub use config::{Credentials, NickServ, SaslConfig, SessionConfig, Timing, Webirc};
pub use event::{Attribution, CloseReason, Event, Heard, Place, Speech};
pub use queue::Outgoing;
pub use request::{
    Answer, ChannelInfo, FailureKind, History, HistoryItem, HistoryRange, Manner, Point, Refusal, RequestFailure,
    RequestId, Saying, SendFailure, SendToken, TypingState, Whois,
};

use super::{
    caps::CapTable,
    isupport::Isupport,
    line::Message,
    param::{Target, Trailing},
};
use queue::Queue;
use std::{collections::VecDeque, time::Instant};

/// One connection to an IRC server.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    caps: CapTable,
    isupport: Isupport,
    nick: String,
    queue: Queue,
    events: VecDeque<Event>,
}

impl Session {
    /// Begins a session on a connection that stands; the registration's first lines wait to be
    /// taken.
    pub fn new(config: SessionConfig, _now: Instant) -> Self {
        Self {
            caps: CapTable::new(config.sasl.is_some()),
            nick: config.nick.as_str().to_owned(),
            config,
            isupport: Isupport::default(),
            queue: Queue::default(),
            events: VecDeque::new(),
        }
    }

    /// Takes one line from the server, with or without its CR LF. Lines that cannot be read are
    /// passed over.
    pub fn receive(&mut self, line: &[u8], _now: Instant) {
        if let Ok(_message) = Message::parse(line, self.config.fallback) {}
    }

    /// Does what is due at `now`: asks whether the server is there, gives up what waited too long.
    pub fn tick(&mut self, _now: Instant) {}

    /// When [`Self::tick`] has something to do next.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The next lines that are not paced: registration, `PONG`, `QUIT`. What is taken counts as
    /// written.
    pub fn take_urgent(&mut self, _now: Instant) -> Option<Outgoing> {
        self.queue.take_urgent()
    }

    /// The next lines of any class, urgent ones first. What is taken counts as written: from here on
    /// its fate is uncertain until it is acknowledged.
    pub fn take(&mut self, _now: Instant) -> Option<Outgoing> {
        self.queue.take()
    }

    /// How many pieces wait for the pacing.
    pub fn waiting(&self) -> usize {
        self.queue.paced()
    }

    /// What happened, in order.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The connection ended: everything that waits is settled as not sent or uncertain, and
    /// [`Event::Closed`] follows (unless it was there already).
    pub fn lost(&mut self, _why: &str) {}

    /// Our nick now.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// The account we are logged in to.
    pub fn account(&self) -> Option<&str> {
        None
    }

    /// True from [`Event::Registered`] to [`Event::Closed`].
    pub fn is_up(&self) -> bool {
        false
    }

    /// What the server says about itself.
    pub fn isupport(&self) -> &Isupport {
        &self.isupport
    }

    /// Which capabilities are on.
    pub fn caps(&self) -> &CapTable {
        &self.caps
    }

    /// The channels we are in, as the server spells them.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// True if we are in the channel.
    pub fn is_in(&self, _channel: &str) -> bool {
        false
    }

    /// True if we share a channel with the nick, or have heard of them since.
    pub fn sees(&self, _nick: &str) -> bool {
        false
    }

    /// What is known of a channel we are in, without asking.
    pub fn channel(&self, _name: &str) -> Option<ChannelInfo> {
        None
    }

    /// True if a redaction can be sent.
    pub fn redacts(&self) -> bool {
        self.caps.has(super::caps::Cap::MessageRedaction)
    }

    /// True if client-only tags of this name reach others (`+draft/react`, `+typing` …).
    pub fn passes_tag(&self, tag: &str) -> bool {
        self.caps.has(super::caps::Cap::MessageTags) && self.isupport.allows_client_tag(tag)
    }

    /// True if we can speak under other nicks in channels (`RELAYMSG`).
    pub fn relays(&self) -> bool {
        self.caps.has(super::caps::Cap::RelayMsg)
    }

    /// The separators of which a relayed nick must hold one (`/`).
    pub fn relay_separators(&self) -> &str {
        self.caps.value(super::caps::Cap::RelayMsg).unwrap_or("/")
    }

    /// True if history can be asked for.
    pub fn has_history(&self) -> bool {
        self.caps.has(super::caps::Cap::ChatHistory)
    }

    /// How many lines (or with `draft/multiline`: messages of any number of lines) a saying would
    /// become now.
    pub fn count_lines(&self, saying: &Saying) -> usize {
        saying.text.lines().count()
    }

    /// Says something. [`Event::Sent`] or [`Event::SendFailed`] follows, exactly once.
    pub fn say(&mut self, _saying: &Saying, _now: Instant) -> Result<SendToken, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Puts an emoji to the message `msgid`, or takes it back. [`Event::Sent`] or
    /// [`Event::SendFailed`] follows.
    pub fn react(
        &mut self,
        _target: &Target,
        _msgid: &str,
        _emoji: &str,
        _remove: bool,
        _key: Option<&str>,
        _now: Instant,
    ) -> Result<SendToken, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Withdraws the message `msgid`. [`Event::Sent`] or [`Event::SendFailed`] follows.
    pub fn redact(
        &mut self,
        _target: &Target,
        _msgid: &str,
        _reason: Option<&str>,
        _now: Instant,
    ) -> Result<SendToken, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Shows that somebody types; nothing follows, and it may be lost.
    pub fn typing(&mut self, _target: &Target, _state: TypingState) -> Result<(), Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Joins a channel. Answered with [`Answer::Joined`].
    pub fn join(&mut self, _channel: &Target, _key: Option<&str>, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Leaves a channel. Answered with [`Answer::Done`].
    pub fn part(&mut self, _channel: &Target, _reason: &Trailing, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Knocks at an invite-only channel. Answered with [`Answer::Done`].
    pub fn knock(&mut self, _channel: &Target, _words: &Trailing, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Asks who a nick is. Answered with [`Answer::Whois`].
    pub fn whois(&mut self, _nick: &Target, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Asks what can be known about a channel, in it or not. Answered with [`Answer::Channel`].
    pub fn channel_info(&mut self, _channel: &Target, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Asks for a piece of history, at most `limit` lines (and no more than the server gives at
    /// once). Answered with [`Answer::History`].
    pub fn history(
        &mut self,
        _target: &Target,
        _range: &HistoryRange,
        _limit: usize,
        _now: Instant,
    ) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Asks which conversations had messages between two points in time. Answered with
    /// [`Answer::Targets`].
    pub fn history_targets(
        &mut self,
        _from: std::time::SystemTime,
        _to: std::time::SystemTime,
        _limit: usize,
        _now: Instant,
    ) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Watches whether a nick is on the network ([`Event::Presence`]); false where the server has no
    /// room for another.
    pub fn watch(&mut self, _nick: &Target) -> bool {
        false
    }

    /// No longer watches a nick.
    pub fn unwatch(&mut self, _nick: &Target) {}

    /// Takes another nick, and from now on wants that one. Answered with [`Answer::Done`].
    pub fn change_nick(&mut self, _nick: &Target, _now: Instant) -> Result<RequestId, Refusal> {
        Err(Refusal::NotConnected)
    }

    /// Marks us as away with these words, or (`None`) as back.
    pub fn away(&mut self, _reason: Option<&Trailing>) {}

    /// Answers a CTCP request (`VERSION`, `PING` …) of a nick.
    pub fn ctcp_reply(&mut self, _nick: &Target, _verb: &str, _text: &str) {}

    /// Takes leave. [`Event::Closed`] follows.
    pub fn quit(&mut self, _reason: &Trailing) {}
}
