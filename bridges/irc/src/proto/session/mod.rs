//! One connection to an IRC server as a state machine: lines and points in time go in, lines and
//! [`Event`]s come out.
//!
//! The I/O half drives it like this: [`Session::new`] once the (TLS) connection stands; then, in a
//! loop: write what [`Session::take_urgent`] gives, and [`Session::take`] as far as its pacing
//! allows; hand every event of [`Session::next_event`] on; wait for a line ([`Session::receive`]),
//! for [`Session::deadline`] ([`Session::tick`]), or for somebody who wants something said. When
//! the connection ends, [`Session::lost`] settles everything that still waits.
//!
//! `registration` gets us in, `nick` keeps our name, `presence` and `roster` know who is where,
//! `hearing` reads what is said, `sending` and `acks` see to it that what we say is acknowledged,
//! `asking` and `answers` do the same for requests. `words` puts numerics into words.

mod acks;
mod answers;
mod asking;
mod config;
mod event;
mod hearing;
mod nick;
mod presence;
mod queue;
mod registration;
mod request;
mod roster;
mod sending;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use config::{Credentials, NickServ, SaslConfig, SessionConfig, Timing, Webirc};
pub use event::{Attribution, CloseReason, Event, Heard, Place, Speech};
pub use queue::Outgoing;
pub use request::{
    Answer, ChannelInfo, FailureKind, History, HistoryItem, HistoryRange, Manner, Point, Refusal, RequestFailure,
    RequestId, Saying, SendFailure, SendToken, TypingState, Whois,
};

use super::{
    batch::Batches,
    caps::{Cap, CapTable},
    command::Command,
    isupport::Isupport,
    line::{Message, Source},
    param::{Middle, Trailing},
};
use nick::Wanted;
use queue::{Class, Note, Queue};
use registration::Registering;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

/// One connection to an IRC server.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    phase: Phase,
    caps: CapTable,
    isupport: Isupport,
    me: Me,
    wanted: Wanted,
    queue: Queue,
    events: VecDeque<Event>,
    batches: Batches,
    roster: roster::Roster,
    sends: acks::Sends,
    asks: answers::Asks,
    /// Nicks that are watched, folded, with their spelling.
    watched: HashMap<String, String>,
    /// Channels a server sent us on to although we asked for another; folded.
    unwanted: HashSet<String>,
    pulse: Pulse,
    /// The last number given to a token, request or label.
    counter: u64,
}

/// How far the session has come.
#[derive(Debug)]
enum Phase {
    Registering(Box<Registering>),
    Up,
    Over,
}

/// What we know about ourselves.
#[derive(Debug)]
struct Me {
    nick: String,
    user: Option<String>,
    host: Option<String>,
    account: Option<String>,
}

/// When the server was last heard, and since when it owes an answer.
#[derive(Debug)]
struct Pulse {
    heard: Instant,
    asked: Option<Instant>,
}

/// The token of the `PING` that only asks whether the server is there.
const ALIVE: &str = "mg-alive";

impl Session {
    /// Begins a session on a connection that stands; the registration's first lines wait to be
    /// taken.
    pub fn new(config: SessionConfig, now: Instant) -> Self {
        let nick = config.nick.as_str().to_owned();
        let mut session = Self {
            phase: Phase::Registering(Box::new(Registering::new(now + config.timing.registration))),
            caps: CapTable::new(unwanted_caps(&config)),
            isupport: Isupport::default(),
            wanted: Wanted::new(&nick),
            me: Me { nick, user: None, host: None, account: None },
            queue: Queue::default(),
            events: VecDeque::new(),
            batches: Batches::default(),
            roster: roster::Roster::default(),
            sends: acks::Sends::default(),
            asks: answers::Asks::default(),
            watched: HashMap::new(),
            unwanted: HashSet::new(),
            pulse: Pulse { heard: now, asked: None },
            counter: 0,
            config,
        };
        session.greet();
        session
    }

    /// Takes one line from the server, with or without its CR LF. Lines that cannot be read are
    /// passed over.
    pub fn receive(&mut self, line: &[u8], now: Instant) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.pulse = Pulse { heard: now, asked: None };
        if let Ok(message) = Message::parse(line, self.config.fallback) {
            self.sort(message, now);
        }
    }

    /// Does what is due at `now`: asks whether the server is there, gives up what waited too long.
    pub fn tick(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.tick_registration(now);
        self.tick_regain(now);
        self.expire_sends(now);
        self.expire_asks(now);
        match self.pulse.asked {
            Some(asked) if asked + self.config.timing.answer <= now => self.end(CloseReason::Dead),
            None if self.pulse.heard + self.config.timing.quiet <= now => {
                self.pulse.asked = Some(now);
                self.urgent(&Command::new("PING").text(Trailing::one_line(ALIVE)));
            }
            _ => {}
        }
    }

    /// When [`Self::tick`] has something to do next; `None` once the session is over.
    pub fn deadline(&self) -> Option<Instant> {
        let timing = &self.config.timing;
        let pulse = self.pulse.asked.map_or(self.pulse.heard + timing.quiet, |asked| asked + timing.answer);
        let registering = match &self.phase {
            Phase::Registering(registering) => Some(registering.service.unwrap_or(registering.deadline)),
            Phase::Up => None,
            Phase::Over => return None,
        };
        let regain = self.wanted.next_try().filter(|_| self.is_up());
        [Some(pulse), registering, regain, self.sends_deadline(), self.asks_deadline()].into_iter().flatten().min()
    }

    /// The next lines that are not paced: registration, `PONG`, `QUIT`. What is taken counts as
    /// written.
    pub fn take_urgent(&mut self, now: Instant) -> Option<Outgoing> {
        let piece = self.queue.take_urgent()?;
        self.written(piece.note, now);
        Some(piece)
    }

    /// The next lines of any class, urgent ones first. What is taken counts as written: from here on
    /// its fate is uncertain until it is acknowledged.
    pub fn take(&mut self, now: Instant) -> Option<Outgoing> {
        let piece = self.queue.take()?;
        self.written(piece.note, now);
        Some(piece)
    }

    /// What happened, in order.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes leave. [`Event::Closed`] follows.
    pub fn quit(&mut self, reason: &Trailing) {
        if !matches!(self.phase, Phase::Over) {
            self.urgent(&Command::new("QUIT").text(reason.clone()));
            self.end(CloseReason::Quit);
        }
    }

    /// The connection ended: everything that waits is settled as not sent or uncertain, and
    /// [`Event::Closed`] follows (unless it was there already).
    pub fn lost(&mut self, why: &str) {
        if !matches!(self.phase, Phase::Over) {
            self.end(CloseReason::Lost(why.to_owned()));
        }
    }

    /// Sends a line to where it belongs.
    fn dispatch(&mut self, message: &Message, label: Option<&str>, now: Instant) {
        if let Some(numeric) = message.numeric() {
            return self.on_numeric(numeric, message, label, now);
        }
        match message.command.as_str() {
            "PING" => self.urgent(&Command::new("PONG").text(Trailing::one_line(message.param(0)))),
            "PONG" => self.on_pong(message),
            "CAP" => self.on_cap(message),
            "AUTHENTICATE" => self.on_authenticate(message),
            "ERROR" => self.on_error(message),
            "PRIVMSG" | "NOTICE" | "TAGMSG" | "REDACT" => self.on_speech(message, label),
            "FAIL" => self.on_fail(message, label),
            "WARN" | "NOTE" => self.emit(Event::ServerSaid(words::clean(message.last()))),
            _ => self.on_presence(message, label, now),
        }
    }

    fn on_numeric(&mut self, numeric: u16, message: &Message, label: Option<&str>, now: Instant) {
        match numeric {
            1 => self.on_welcome(message),
            5 => {
                let tokens = message.params.get(1..message.params.len().saturating_sub(1)).unwrap_or_default();
                for token in tokens {
                    self.isupport.apply(token);
                }
            }
            376 | 422 => self.on_greeting_end(now),
            396 => self.on_own_host(message.param(1)),
            730 | 731 => self.on_monitor(numeric == 730, message.last()),
            734 => self.on_monitor_full(message.param(2)),
            900..=908 => self.on_login_numeric(numeric, message, now),
            432 | 433 | 436 | 437 if !self.is_up() => self.on_nick_refused(numeric),
            464 | 465 if !self.is_up() => {
                let banned = numeric == 465;
                let why = words::clean(message.last());
                let reason = CloseReason::Server { why: why.clone(), throttled: false, banned };
                self.end(if banned { reason } else { CloseReason::Refused(why) });
            }
            431..=438 => {
                self.nick_refused();
                self.on_error_numeric(numeric, message, label);
            }
            _ if words::is_error(numeric) => self.on_error_numeric(numeric, message, label),
            _ => self.on_answer(numeric, message, label),
        }
    }

    fn on_error(&mut self, message: &Message) {
        let why = words::clean(message.last());
        let (throttled, banned) = words::parse_error(&why);
        self.end(CloseReason::Server { why, throttled, banned });
    }

    /// The session is over: settles everything that waits.
    fn end(&mut self, reason: CloseReason) {
        self.phase = Phase::Over;
        self.settle_sends(&reason);
        self.settle_asks();
        self.queue.clear_paced();
        self.emit(Event::Closed(reason));
    }

    /// Takes note that lines were handed out to be written.
    fn written(&mut self, note: Note, now: Instant) {
        self.counter += 1;
        match note {
            Note::Nothing => {}
            Note::Send(token) => self.sends.written(token, self.counter, now),
            Note::Request(request) => self.asks.written(request, self.counter, now),
        }
    }

    /// Queues a command of no consequence: nobody waits for its outcome, and if it does not fit, or
    /// there is no room, it is not sent.
    fn push(&mut self, class: Class, command: &Command) -> bool {
        let Ok(bytes) = command.encode(self.isupport.line_len()) else { return false };
        self.queue.push(class, Outgoing { bytes, lines: 1, note: Note::Nothing })
    }

    fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// A number that was not given before.
    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// Takes what a line shows of how others see us.
    fn learn_mask(&mut self, source: &Source) {
        if self.is_me(&source.nick) && source.user.is_some() && source.host.is_some() {
            self.me.user.clone_from(&source.user);
            self.me.host.clone_from(&source.host);
        }
    }

    /// `396`: our host as others see it, perhaps with the user name.
    fn on_own_host(&mut self, mask: &str) {
        let (user, host) = mask.split_once('@').map_or((None, mask), |(user, host)| (Some(user), host));
        self.me.host = Some(host.to_owned());
        if let Some(user) = user {
            self.me.user = Some(user.to_owned());
        }
    }

    fn is_me(&self, nick: &str) -> bool {
        self.isupport.same(nick, &self.me.nick)
    }
}

/// What is of no use to this session.
fn unwanted_caps(config: &SessionConfig) -> Vec<Cap> {
    let sasl = config.sasl.is_none().then_some(Cap::Sasl);
    let names = (!config.lean).then_some(Cap::NoImplicitNames);
    sasl.into_iter().chain(names).collect()
}

/// A parameter made from somebody's text, or the refusal that says which it was.
fn middle(what: &'static str, text: &str) -> Result<Middle, Refusal> {
    Middle::new(text).map_err(|why| Refusal::BadParam { what, why })
}
