//! From the connection to [`Event::Registered`]: capabilities, login, nick, and what the server
//! says about itself. Also the capabilities and logins that change later.

use super::{
    Session,
    event::{CloseReason, Event},
    queue::Class,
    words,
};
use crate::proto::{
    caps::{Cap, CapStep, CapTable},
    command::Command,
    line::Message,
    param::{Middle, Trailing},
    sasl::{Sasl, SaslStep},
};
use std::time::{Duration, Instant};

/// So long a service may take to confirm a login before we go on without.
const SERVICE_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of entropy in the nonce of SCRAM.
const NONCE_BYTES: usize = 18;

/// How far registration has come.
#[derive(Debug)]
pub(super) struct Registering {
    /// When it is given up.
    pub(super) deadline: Instant,
    /// `CAP REQ` lines that are not answered yet.
    requests: usize,
    /// `CAP END` was sent, or the server has no capabilities.
    negotiated: bool,
    sasl: Option<Sasl>,
    /// Why the login failed, once no mechanism is left.
    login_failed: Option<String>,
    /// So long we wait for a service to confirm the login.
    pub(super) service: Option<Instant>,
}

impl Registering {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, requests: 0, negotiated: false, sasl: None, login_failed: None, service: None }
    }
}

impl Session {
    /// The first lines of a connection.
    pub(super) fn greet(&mut self) {
        let config = self.config.clone();
        if let Some(webirc) = &config.webirc {
            let ip = webirc.ip.to_string();
            let ip = if ip.starts_with(':') { format!("0{ip}") } else { ip };
            if let Ok(password) = Middle::new(webirc.password.reveal()) {
                let line = Command::new("WEBIRC").arg(password).arg(webirc.gateway.clone()).arg(webirc.host.clone());
                self.urgent(&line.word(&ip));
            }
        }
        self.urgent(&Command::new("CAP").word("LS").word("302"));
        if let Some(Ok(password)) = config.password.as_ref().map(|password| Trailing::new(password.reveal())) {
            self.urgent(&Command::new("PASS").text(password));
        }
        self.urgent(&Command::new("NICK").arg(config.nick.clone()));
        self.urgent(&Command::new("USER").arg(config.username.clone()).word("0").word("*").text(config.realname));
    }

    /// `CAP <nick> <subcommand> …`.
    pub(super) fn on_cap(&mut self, message: &Message) {
        let params = message.params.get(1..).unwrap_or_default();
        match self.caps.receive(params) {
            CapStep::Nothing => {}
            CapStep::Request(names) => {
                if let Some(policy) = self.caps.sts() {
                    let wants_tls = !self.config.secure && policy.port.is_some();
                    self.emit(Event::Sts(policy));
                    if wants_tls {
                        return self.end(CloseReason::WantsTls);
                    }
                }
                self.request_caps(&names);
                self.after_caps();
            }
            CapStep::Changed(names) => {
                self.request_caps(&names);
                if self.is_up() {
                    self.emit(Event::FeaturesChanged);
                }
            }
            CapStep::Settled => {
                let again = self.caps.retry_singly(params);
                let singly = again.len();
                for name in &again {
                    self.request_caps(std::slice::from_ref(name));
                }
                if let Some(registering) = self.registering() {
                    registering.requests = registering.requests.saturating_sub(1);
                    self.after_caps();
                } else if singly == 0 {
                    self.emit(Event::FeaturesChanged);
                }
            }
        }
    }

    fn request_caps(&mut self, names: &[String]) {
        let lists = CapTable::requests(names);
        if let Some(registering) = self.registering() {
            registering.requests += lists.len();
        }
        for list in lists {
            self.urgent(&Command::new("CAP").word("REQ").text(Trailing::one_line(&list)));
        }
    }

    /// Goes on once every request is answered: to the login, or to the end of the negotiation.
    fn after_caps(&mut self) {
        let Some(registering) = self.registering() else { return };
        if registering.requests > 0 || registering.negotiated || registering.sasl.is_some() {
            return;
        }
        let Some(config) = self.config.sasl.clone() else { return self.end_caps() };
        if !self.caps.has(Cap::Sasl) {
            return self.login_failed("the server has no SASL");
        }
        let nonce = self.config.entropy[..NONCE_BYTES].to_vec();
        let mut sasl = Sasl::new(&config, self.caps.value(Cap::Sasl), self.config.secure, &nonce);
        let first = sasl.start();
        if let Some(registering) = self.registering() {
            registering.sasl = Some(sasl);
        }
        self.try_mechanism(first, "the server has no SASL mechanism that can be used here");
    }

    fn try_mechanism(&mut self, name: Option<Middle>, otherwise: &str) {
        match name {
            Some(name) => self.urgent(&Command::new("AUTHENTICATE").arg(name)),
            None => self.login_failed(otherwise),
        }
    }

    /// `AUTHENTICATE <piece>`.
    pub(super) fn on_authenticate(&mut self, message: &Message) {
        let Some(sasl) = self.registering().and_then(|registering| registering.sasl.as_mut()) else { return };
        match sasl.receive(message.param(0)) {
            SaslStep::Wait => {}
            SaslStep::Send(pieces) => {
                for piece in pieces {
                    self.urgent(&Command::new("AUTHENTICATE").arg(piece));
                }
            }
            SaslStep::Abort(why) => {
                self.emit(Event::ServerSaid(why));
                self.urgent(&Command::new("AUTHENTICATE").word("*"));
            }
        }
    }

    /// The numerics of logins (900–908).
    pub(super) fn on_login_numeric(&mut self, numeric: u16, message: &Message, now: Instant) {
        match numeric {
            900 => self.logged_in(message.param(2), now),
            901 => self.me.account = None,
            903 | 907 => self.end_caps(),
            908 => {
                if let Some(sasl) = self.registering().and_then(|registering| registering.sasl.as_mut()) {
                    sasl.restrict(message.param(1));
                }
            }
            _ => {
                let words = words::clean(message.last());
                let next = self.registering().and_then(|registering| registering.sasl.as_mut()).map(Sasl::failed);
                if let Some(next) = next {
                    self.try_mechanism(next, &format!("the server refused the login: {words}"));
                }
            }
        }
    }

    /// We are logged in now, by whatever means.
    pub(super) fn logged_in(&mut self, account: &str, now: Instant) {
        self.me.account = Some(account.to_owned());
        self.emit(Event::LoggedIn { account: account.to_owned() });
        if self.registering().is_some_and(|registering| registering.service.is_some()) {
            self.up(now);
        }
    }

    fn login_failed(&mut self, why: &str) {
        self.emit(Event::LoginFailed { why: why.to_owned() });
        let required = self.config.sasl.as_ref().is_some_and(|sasl| sasl.required);
        if required && self.config.nickserv.is_none() {
            return self.refuse(why);
        }
        if let Some(registering) = self.registering() {
            registering.login_failed = Some(why.to_owned());
        }
        self.end_caps();
    }

    fn end_caps(&mut self) {
        let Some(registering) = self.registering() else { return };
        if !std::mem::replace(&mut registering.negotiated, true) {
            self.urgent(&Command::new("CAP").word("END"));
        }
    }

    /// Gives up with a leave-taking.
    fn refuse(&mut self, why: &str) {
        self.urgent(&Command::new("QUIT"));
        self.end(CloseReason::Refused(why.to_owned()));
    }

    /// `001`: the server has let us in, under this nick.
    pub(super) fn on_welcome(&mut self, message: &Message) {
        message.param(0).clone_into(&mut self.me.nick);
        // Many servers end the greeting with nick!user@host.
        let mask = message.last().rsplit(' ').next().unwrap_or("");
        let source = crate::proto::line::Source::parse(mask);
        self.learn_mask(&source);
    }

    /// `376` or `422`: the greeting is over.
    pub(super) fn on_greeting_end(&mut self, now: Instant) {
        let Some(registering) = self.registering() else { return };
        if registering.service.is_some() {
            return;
        }
        let failed = registering.login_failed.take();
        let is_in = self.me.account.is_some();
        if let Some(service) = self.config.nickserv.clone().filter(|_| !is_in) {
            let account = service.account.as_ref().map_or(String::new(), |account| format!("{account} "));
            let words = format!("IDENTIFY {account}{}", service.password.reveal());
            if let Ok(words) = Trailing::new(words) {
                self.urgent(&Command::new("PRIVMSG").arg(service.service).text(words));
                if let Some(registering) = self.registering() {
                    registering.service = Some(now + SERVICE_PATIENCE);
                }
                return;
            }
        }
        if !is_in && self.config.sasl.as_ref().is_some_and(|sasl| sasl.required) {
            return self.refuse(&failed.unwrap_or_else(|| "the server has no SASL".to_owned()));
        }
        self.up(now);
    }

    /// The service has not confirmed the login in time.
    pub(super) fn tick_registration(&mut self, now: Instant) {
        let Some(registering) = self.registering() else { return };
        if registering.service.is_some_and(|until| until <= now) {
            let why = "the service did not confirm the login";
            self.emit(Event::LoginFailed { why: why.to_owned() });
            if self.config.sasl.as_ref().is_some_and(|sasl| sasl.required) {
                return self.refuse(why);
            }
            return self.up(now);
        }
        if registering.deadline <= now {
            self.end(CloseReason::Refused("the server did not let us in in time".to_owned()));
        }
    }

    /// Everything is settled.
    pub(super) fn up(&mut self, now: Instant) {
        self.phase = super::Phase::Up;
        if let Some(mode) = self.isupport.bot_mode().filter(|_| self.config.bot) {
            let nick = self.me.nick.clone();
            self.control(&Command::new("MODE").word(&nick).word(&format!("+{mode}")));
        }
        self.emit(Event::Registered { nick: self.me.nick.clone() });
        self.begin_regain(now);
    }

    /// Our nick was refused (432, 433, 436, 437) before we were let in.
    pub(super) fn on_nick_refused(&mut self, numeric: u16) {
        match self.next_nick(numeric == 432) {
            Some(nick) => {
                nick.clone_into(&mut self.me.nick);
                self.urgent(&Command::new("NICK").word(&nick));
            }
            None => self.refuse("every nick that was tried is taken or not allowed"),
        }
    }

    /// Asks the service to free our nick, where that is configured.
    pub(super) fn ask_service_for_nick(&mut self) {
        let Some(service) = self.config.nickserv.clone().filter(|service| service.regain) else { return };
        let words = format!("REGAIN {} {}", self.wanted.nick, service.password.reveal());
        if let Ok(words) = Trailing::new(words) {
            self.control(&Command::new("PRIVMSG").arg(service.service).text(words));
        }
    }

    pub(super) fn urgent(&mut self, command: &Command) {
        self.push(Class::Urgent, command);
    }

    pub(super) fn registering(&mut self) -> Option<&mut Registering> {
        match &mut self.phase {
            super::Phase::Registering(registering) => Some(registering),
            _ => None,
        }
    }
}
