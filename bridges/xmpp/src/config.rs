//! The configuration section of an XMPP instance: every key with its meaning, its default and its
//! limits. Nothing here connects anywhere; the factory reads it, everything else only looks.

use monster_bridge_api::{ConfigError, Posting, parse_section};
use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One XMPP instance, as its section `[bridges.NAME]` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server that the component connects to, `host:port`; an IPv6 host stands in brackets.
    /// Default `127.0.0.1:5347`.
    #[serde(default = "default_server")]
    pub server: String,
    /// The component's domain, e.g. `monster.example.org`: the people and rooms of other networks
    /// are `name@` it.
    pub domain: String,
    /// The secret that the server's configuration gives the component.
    #[serde(default)]
    pub secret: Secret,
    /// A file that holds `secret`.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Whether the connection begins with TLS. Default `false`: a component usually runs beside its
    /// server.
    #[serde(default)]
    pub tls: bool,
    /// A PEM file of certificate authorities to trust instead of the machine's own.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// The nick of the gateway's own occupant in rooms, and its name among contacts. Default `monster`.
    #[serde(default = "default_nick")]
    pub nick: String,
    /// How people outside the network appear in rooms: `puppets` (default, each as an occupant of
    /// their own) or `relay` (the gateway's occupant speaks for all and names them).
    #[serde(default = "default_posting")]
    pub posting: Posting,
    /// Domains whose addresses are rooms, beside those that are found by asking the server.
    #[serde(default)]
    pub room_services: Vec<String>,
    /// Who may bring a room of another network to XMPP by joining it, and use commands that link:
    /// domains and addresses. Default: the domain above the component's.
    #[serde(default)]
    pub trusted: Vec<String>,
    /// Who may carry out every command: addresses.
    #[serde(default)]
    pub admins: Vec<String>,
    /// The pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: Reconnect,
    /// How many missed messages of a room to ask its archive for at once. Default 100.
    #[serde(default = "default_history")]
    pub history_limit: u32,
    /// After how many seconds without a word from the server to ask whether it is still there.
    /// Default 60.
    #[serde(default = "default_keepalive")]
    pub keepalive_seconds: u64,
    /// For how many seconds to wait for an answer before an outcome counts as uncertain. Default 30.
    #[serde(default = "default_ack")]
    pub ack_seconds: u64,
}

/// Pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconnect {
    /// The first pause, in milliseconds. Default 1000.
    pub min_ms: u64,
    /// The longest pause, in milliseconds. Default 300000.
    pub max_ms: u64,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { min_ms: 1000, max_ms: 300_000 }
    }
}

/// A password, which does not print itself.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Config {
    /// Reads a section, in which secrets stand in place.
    ///
    /// # Errors
    /// Names the key at fault.
    pub fn read(section: serde_json::Value) -> Result<Self, ConfigError> {
        let mut config: Self = parse_section(section)?;
        config.read_secret()?;
        config.check()?;
        config.domain = domain("domain", &config.domain)?;
        for (index, service) in config.room_services.iter_mut().enumerate() {
            *service = domain(&format!("room_services[{index}]"), service)?;
        }
        for (key, list) in [("trusted", &mut config.trusted), ("admins", &mut config.admins)] {
            for (index, entry) in list.iter_mut().enumerate() {
                *entry = bare(&format!("{key}[{index}]"), entry)?;
            }
        }
        if config.trusted.is_empty()
            && let Some((_, above)) = config.domain.split_once('.')
        {
            config.trusted.push(above.to_owned());
        }
        Ok(config)
    }

    fn read_secret(&mut self) -> Result<(), ConfigError> {
        let Some(file) = &self.secret_file else { return Ok(()) };
        if !self.secret.reveal().is_empty() {
            return Err(wrong("secret", "expected either secret or secret_file, not both"));
        }
        let unreadable = |error| wrong("secret_file", format!("{} cannot be read: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        self.secret = Secret(text.trim_end_matches(['\r', '\n']).to_owned());
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        if host_port(&self.server).is_none() {
            return Err(wrong("server", "expected host:port"));
        }
        if self.secret.reveal().is_empty() {
            return Err(wrong("secret", "expected the secret that the server's configuration has for this component"));
        }
        if jid::ResourcePart::new(&self.nick).is_err() || self.nick.is_empty() {
            return Err(wrong("nick", "expected a nick as XMPP has them"));
        }
        if self.reconnect.min_ms == 0 || self.reconnect.max_ms < self.reconnect.min_ms {
            return Err(wrong("reconnect", "expected 0 < min_ms ≤ max_ms"));
        }
        let counts = [
            ("history_limit", u64::from(self.history_limit)),
            ("keepalive_seconds", self.keepalive_seconds),
            ("ack_seconds", self.ack_seconds),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(wrong(key, "expected a number above 0")),
            None => Ok(()),
        }
    }

    /// Host and port of the server; the host without brackets.
    pub fn host_port(&self) -> (&str, u16) {
        host_port(&self.server).unwrap_or((self.server.as_str(), 5347))
    }

    /// How long to wait for an answer.
    pub fn ack_timeout(&self) -> Duration {
        Duration::from_secs(self.ack_seconds)
    }

    /// How long silence lasts before the server is asked for a sign of life.
    pub fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_seconds)
    }

    /// Whether somebody may bring rooms of other networks here.
    pub fn trusts(&self, who: &jid::BareJid) -> bool {
        let listed = |list: &[String]| list.iter().any(|entry| entry == who.as_str() || entry == who.domain().as_str());
        listed(&self.trusted) || listed(&self.admins)
    }
}

fn host_port(server: &str) -> Option<(&str, u16)> {
    let (host, rest) = match server.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => server.rfind(':').map_or((server, ""), |at| server.split_at(at)),
    };
    let valid = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
    let port = match rest.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port > 0)?,
        None if rest.is_empty() => 5347,
        None => return None,
    };
    valid.then_some((host, port))
}

fn domain(key: &str, text: &str) -> Result<String, ConfigError> {
    match jid::BareJid::new(text) {
        Ok(jid) if jid.node().is_none() => Ok(jid.to_string()),
        _ => Err(wrong(key, "expected a domain, e.g. `monster.example.org`")),
    }
}

fn bare(key: &str, text: &str) -> Result<String, ConfigError> {
    let bare = jid::BareJid::new(text).map_err(|error| wrong(key, format!("expected an address: {error}")))?;
    Ok(bare.to_string())
}

fn wrong(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.into() }
}

fn default_server() -> String {
    "127.0.0.1:5347".to_owned()
}

fn default_nick() -> String {
    "monster".to_owned()
}

const fn default_posting() -> Posting {
    Posting::Puppets
}

const fn default_history() -> u32 {
    100
}

const fn default_keepalive() -> u64 {
    60
}

const fn default_ack() -> u64 {
    30
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_domain_and_a_secret_are_enough() {
        let config = Config::read(json!({"domain": "Monster.Example.org", "secret": "s"})).unwrap();
        assert_eq!((config.host_port(), config.domain.as_str()), (("127.0.0.1", 5347), "monster.example.org"));
        assert!(config.trusts(&jid::BareJid::new("bob@example.org").unwrap()));
        assert!(!config.trusts(&jid::BareJid::new("bob@example.com").unwrap()));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        let key_of = |section| Config::read(section).expect_err("the section is wrong").key;
        assert_eq!(key_of(json!({"domain": "a@b", "secret": "s"})), "domain");
        assert_eq!(key_of(json!({"domain": "a", "secret": ""})), "secret");
        assert_eq!(key_of(json!({"domain": "a", "secret": "s", "server": "a:0"})), "server");
        assert_eq!(key_of(json!({"domain": "a", "secret": "s", "ack_seconds": 0})), "ack_seconds");
        assert_eq!(key_of(json!({"domain": "a", "secret": "s", "room_services": ["x", "a@b"]})), "room_services[1]");
    }

    #[test]
    fn a_secret_is_never_printed() {
        let config = Config::read(json!({"domain": "a", "secret": "hunter2"})).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
