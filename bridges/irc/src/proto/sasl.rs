//! SASL (IRCv3 `sasl` 3.2): which mechanism to use, its exchange, and what to try when one fails.
//! The session feeds it `AUTHENTICATE` lines and sends what it answers.

use super::{
    param::Middle,
    scram::{Scram, ScramError},
    session::{Credentials, SaslConfig},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use monster_bridge_api::Secret;
use std::collections::VecDeque;

/// A mechanism we can speak, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The TLS client certificate (RFC 4422 appendix A).
    External,
    /// RFC 7677.
    ScramSha256,
    /// RFC 4616.
    Plain,
}

impl Mechanism {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "EXTERNAL",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

/// Payloads are sent in pieces of this size; a shorter one ends them.
const CHUNK: usize = 400;
/// A server has no reason to say more than this at once.
const MAX_CHALLENGE: usize = 16 * 1024;

/// A login under way.
#[derive(Debug)]
pub struct Sasl {
    credentials: Credentials,
    nonce: String,
    candidates: VecDeque<Mechanism>,
    current: Option<(Mechanism, Option<Scram>)>,
    challenge: String,
    started: bool,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaslStep {
    /// Send these as `AUTHENTICATE` lines, one parameter each.
    Send(Vec<Middle>),
    /// Wait for more.
    Wait,
    /// This mechanism is over; `AUTHENTICATE *` tells the server. The server answers with a
    /// numeric, upon which [`Sasl::failed`] gives the next mechanism.
    Abort(String),
}

impl Sasl {
    /// Chooses the mechanisms. `offered` is the capability's value: a list, or nothing where the
    /// server does not say which it has.
    pub fn new(config: &SaslConfig, offered: Option<&str>, secure: bool, entropy: &[u8]) -> Self {
        let wanted: &[Mechanism] = match &config.credentials {
            Credentials::Certificate { .. } => &[Mechanism::External],
            Credentials::Password { plain_without_tls, .. } if secure || *plain_without_tls => {
                &[Mechanism::ScramSha256, Mechanism::Plain]
            }
            Credentials::Password { .. } => &[Mechanism::ScramSha256],
        };
        let candidates = wanted.iter().copied().filter(|mechanism| offers(offered, *mechanism)).collect();
        Self {
            credentials: config.credentials.clone(),
            nonce: BASE64.encode(entropy),
            candidates,
            current: None,
            challenge: String::new(),
            started: false,
        }
    }

    /// Begins the next mechanism, or says that none is left.
    pub fn start(&mut self) -> Option<Middle> {
        loop {
            let mechanism = self.candidates.pop_front()?;
            let scram = match (&self.credentials, mechanism) {
                (Credentials::Password { account, password, .. }, Mechanism::ScramSha256) => {
                    match Scram::new(account, password, self.nonce.clone()) {
                        Ok(scram) => Some(scram),
                        Err(_) => continue,
                    }
                }
                _ => None,
            };
            self.challenge.clear();
            self.started = false;
            self.current = Some((mechanism, scram));
            return Middle::new(mechanism.name()).ok();
        }
    }

    /// The server refused the mechanism or the login; gives the next mechanism to begin.
    pub fn failed(&mut self) -> Option<Middle> {
        self.current = None;
        self.start()
    }

    /// The server says which mechanisms it has (908).
    pub fn restrict(&mut self, offered: &str) {
        self.candidates.retain(|mechanism| offers(Some(offered), *mechanism));
    }

    /// Takes the parameter of an `AUTHENTICATE` line.
    pub fn receive(&mut self, piece: &str) -> SaslStep {
        if piece != "+" {
            self.challenge.push_str(piece);
            if self.challenge.len() > MAX_CHALLENGE {
                return self.abort("the server's SASL challenge is too long");
            }
            if piece.len() >= CHUNK {
                return SaslStep::Wait;
            }
        }
        let challenge = std::mem::take(&mut self.challenge);
        let Ok(challenge) = BASE64.decode(challenge) else {
            return self.abort("the server's SASL challenge is not base64");
        };
        match self.respond(&challenge) {
            Ok(Some(response)) => SaslStep::Send(chunks(response.as_bytes())),
            Ok(None) => self.abort("the server sent a SASL challenge out of turn"),
            Err(error) => {
                // A server that is not what it seems gets no readable password either.
                if error == ScramError::NotTheServer {
                    self.candidates.clear();
                }
                self.abort(&error.to_string())
            }
        }
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Option<String>, ScramError> {
        let first = !std::mem::replace(&mut self.started, true);
        let Some((mechanism, scram)) = &mut self.current else { return Ok(None) };
        match (mechanism, scram, &self.credentials) {
            (Mechanism::ScramSha256, Some(scram), _) => {
                if first {
                    Ok(Some(scram.first()))
                } else {
                    scram.answer(challenge).map(Some)
                }
            }
            (Mechanism::Plain, _, Credentials::Password { account, password, .. }) if first => {
                Ok(Some(plain(account, password)))
            }
            (Mechanism::External, _, Credentials::Certificate { account }) if first => {
                Ok(Some(account.clone().unwrap_or_default()))
            }
            _ => Ok(None),
        }
    }

    fn abort(&mut self, why: &str) -> SaslStep {
        self.current = None;
        self.challenge.clear();
        SaslStep::Abort(why.to_owned())
    }
}

fn offers(list: Option<&str>, mechanism: Mechanism) -> bool {
    list.is_none_or(|list| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(mechanism.name())))
}

fn plain(account: &str, password: &Secret) -> String {
    format!("{account}\0{account}\0{}", password.reveal())
}

/// Cuts a payload into pieces as the specification has it: a last piece that is full is followed by
/// an empty one.
fn chunks(payload: &[u8]) -> Vec<Middle> {
    let encoded = BASE64.encode(payload);
    let mut pieces: Vec<&str> = Vec::new();
    let mut rest = encoded.as_str();
    while rest.len() >= CHUNK {
        let (piece, after) = rest.split_at(CHUNK);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(if rest.is_empty() { "+" } else { rest });
    pieces.into_iter().filter_map(|piece| Middle::new(piece).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(plain_without_tls: bool) -> SaslConfig {
        let credentials =
            Credentials::Password { account: "bob".into(), password: Secret::new("sesame"), plain_without_tls };
        SaslConfig { credentials, required: false }
    }

    fn begin(config: &SaslConfig, offered: Option<&str>, secure: bool) -> (Sasl, Option<String>) {
        let mut sasl = Sasl::new(config, offered, secure, &[7; 18]);
        let first = sasl.start().map(|name| name.as_str().to_owned());
        (sasl, first)
    }

    fn sent(step: SaslStep) -> Vec<String> {
        match step {
            SaslStep::Send(pieces) => pieces.iter().map(|piece| piece.as_str().to_owned()).collect(),
            other => panic!("nothing is sent: {other:?}"),
        }
    }

    #[test]
    fn the_strongest_mechanism_is_tried_first_and_the_next_one_after_it() {
        let (mut sasl, first) = begin(&password(false), Some("PLAIN,SCRAM-SHA-256,EXTERNAL"), true);
        assert_eq!(first.as_deref(), Some("SCRAM-SHA-256"));
        assert_eq!(sent(sasl.receive("+"))[0], BASE64.encode(format!("n,,n=bob,r={}", BASE64.encode([7; 18]))));
        assert_eq!(sasl.failed().unwrap().as_str(), "PLAIN");
        assert_eq!(sent(sasl.receive("+")), [BASE64.encode("bob\0bob\0sesame")]);
        assert_eq!(sasl.failed(), None);
    }

    #[test]
    fn a_password_is_not_sent_readable_without_tls() {
        assert_eq!(begin(&password(false), Some("PLAIN"), false).1, None);
        assert_eq!(begin(&password(true), Some("PLAIN"), false).1.as_deref(), Some("PLAIN"));
        assert_eq!(begin(&password(false), None, false).1.as_deref(), Some("SCRAM-SHA-256"));
    }

    #[test]
    fn a_certificate_logs_in_without_a_word() {
        let config = SaslConfig { credentials: Credentials::Certificate { account: None }, required: true };
        let (mut sasl, first) = begin(&config, Some("EXTERNAL,PLAIN"), true);
        assert_eq!(first.as_deref(), Some("EXTERNAL"));
        assert_eq!(sent(sasl.receive("+")), ["+"]);
        assert!(matches!(sasl.receive("+"), SaslStep::Abort(_)));
    }

    #[test]
    fn long_payloads_are_cut_at_400_bytes() {
        let lengths =
            |bytes: usize| chunks(&vec![b'x'; bytes]).iter().map(|piece| piece.as_str().len()).collect::<Vec<_>>();
        assert_eq!(lengths(299), [400, 1]);
        assert_eq!(lengths(300), [400, 1]);
        assert_eq!(lengths(297), [396]);
        assert_eq!(lengths(650), [400, 400, 68]);
        assert_eq!(chunks(b"")[0].as_str(), "+");
    }

    #[test]
    fn a_server_that_fails_its_proof_gets_no_readable_password() {
        let (mut sasl, _) = begin(&password(false), None, true);
        sasl.receive("+");
        let nonce = BASE64.encode([7; 18]);
        sent(sasl.receive(&BASE64.encode(format!("r={nonce}more,s=c2FsdA==,i=4096"))));
        assert!(matches!(sasl.receive(&BASE64.encode("v=AAAA")), SaslStep::Abort(_)));
        assert_eq!(sasl.failed(), None);
    }

    #[test]
    fn nonsense_and_endless_challenges_end_the_mechanism() {
        let (mut sasl, _) = begin(&password(false), None, true);
        assert!(matches!(sasl.receive("%%%"), SaslStep::Abort(_)));
        let (mut sasl, _) = begin(&password(false), None, true);
        let piece = "A".repeat(CHUNK);
        assert!((0..100).any(|_| matches!(sasl.receive(&piece), SaslStep::Abort(_))));
        let (mut sasl, _) = begin(&password(false), Some("PLAIN,SCRAM-SHA-256"), true);
        sasl.restrict("SCRAM-SHA-256");
        assert_eq!(sasl.failed(), None);
    }
}
