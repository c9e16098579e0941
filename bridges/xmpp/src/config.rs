//! The configuration section of an XMPP instance: every key with its meaning, its default and its
//! limits. Nothing here connects anywhere; the factory reads it, everything else only looks.

use monster_bridge_api::{ConfigError, Posting, Reconnect, Secret, host_port, parse_section};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// One XMPP instance, as its section `[bridges.NAME]` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the gateway is on XMPP: `component` (default, a domain of its own) or `account` (somebody on
    /// a server, who speaks for all in rooms).
    #[serde(default)]
    pub mode: Mode,
    /// The server to connect to, `host:port`; an IPv6 host stands in brackets. Default
    /// `127.0.0.1:5347`; of an account, port 5222 of its domain.
    #[serde(default)]
    pub server: Option<String>,
    /// The component's domain, e.g. `monster.example.org`: the people and rooms of other networks
    /// are `name@` it.
    #[serde(default)]
    pub domain: String,
    /// The account's address, e.g. `bot@example.org`.
    #[serde(default)]
    pub account: String,
    /// Its password.
    #[serde(default)]
    pub password: Secret,
    /// The secret that the server's configuration gives the component.
    #[serde(default)]
    pub secret: Secret,
    /// How the connection is kept secret: `none` (default of a component, which usually runs beside its
    /// server), `tls` from its beginning, or `starttls` (default of an account; not for components).
    #[serde(default)]
    pub encryption: Option<Encryption>,
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

/// What the gateway is on XMPP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A domain of its own (XEP-0114).
    #[default]
    Component,
    /// Somebody on a server.
    Account,
}

/// How a connection is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Not at all.
    None,
    /// TLS from the beginning.
    Tls,
    /// TLS once the server has agreed to it (RFC 6120 §5).
    Starttls,
}

impl Config {
    /// Reads a section.
    ///
    /// # Errors
    /// Names the key at fault.
    pub fn read(section: serde_json::Value) -> Result<Self, ConfigError> {
        let mut config: Self = parse_section(section)?;
        config.check()?;
        match config.mode {
            Mode::Component => config.domain = domain("domain", &config.domain)?,
            Mode::Account => config.account = account(&config.account)?,
        }
        for (index, service) in config.room_services.iter_mut().enumerate() {
            *service = domain(&format!("room_services[{index}]"), service)?;
        }
        for (key, list) in [("trusted", &mut config.trusted), ("admins", &mut config.admins)] {
            for (index, entry) in list.iter_mut().enumerate() {
                *entry = bare(&format!("{key}[{index}]"), entry)?;
            }
        }
        if config.trusted.is_empty()
            && let Some(above) = config.above().map(str::to_owned)
        {
            config.trusted.push(above);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.server.as_deref().is_some_and(|server| host_port(server).is_none()) {
            return Err(wrong("server", "expected host:port"));
        }
        let (mine, other) = match self.mode {
            Mode::Component => (("secret", &self.secret), ("account", !self.account.is_empty())),
            Mode::Account => (("password", &self.password), ("domain", !self.domain.is_empty())),
        };
        if mine.1.reveal().is_empty() {
            return Err(wrong(mine.0, "expected what the server's configuration or the account has"));
        }
        if other.1 {
            return Err(wrong(other.0, "a component has a `domain`, and only `mode = \"account\"` an `account`"));
        }
        if self.mode == Mode::Component && self.encryption == Some(Encryption::Starttls) {
            return Err(wrong("encryption", "a component's stream has no starttls; expected `none` or `tls`"));
        }
        if jid::ResourcePart::new(&self.nick).is_err() || self.nick.is_empty() {
            return Err(wrong("nick", "expected a nick as XMPP has them"));
        }
        self.reconnect.check()?;
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
        let (host, port) = match self.mode {
            Mode::Component => ("127.0.0.1", 5347),
            Mode::Account => (self.account_domain(), 5222),
        };
        let named = self.server.as_deref().and_then(host_port);
        named.map_or((host, port), |(host, named)| (host, named.unwrap_or(port)))
    }

    /// The gateway's own address: the component's domain, or the account.
    pub fn address(&self) -> &str {
        match self.mode {
            Mode::Component => &self.domain,
            Mode::Account => &self.account,
        }
    }

    /// The domain of the account.
    pub fn account_domain(&self) -> &str {
        self.account.rsplit_once('@').map_or(self.account.as_str(), |(_, domain)| domain)
    }

    /// The user name of the account.
    pub fn user(&self) -> &str {
        self.account.rsplit_once('@').map_or("", |(user, _)| user)
    }

    /// The domain whose server this is: the one above the component's, or the account's.
    pub fn above(&self) -> Option<&str> {
        match self.mode {
            Mode::Component => self.domain.split_once('.').map(|(_, above)| above),
            Mode::Account => Some(self.account_domain()),
        }
    }

    /// How the connection is kept secret.
    pub fn encryption(&self) -> Encryption {
        self.encryption.unwrap_or(match self.mode {
            Mode::Component => Encryption::None,
            Mode::Account => Encryption::Starttls,
        })
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

fn domain(key: &str, text: &str) -> Result<String, ConfigError> {
    match jid::BareJid::new(text) {
        Ok(jid) if jid.node().is_none() => Ok(jid.to_string()),
        _ => Err(wrong(key, "expected a domain, e.g. `monster.example.org`")),
    }
}

fn account(text: &str) -> Result<String, ConfigError> {
    match jid::BareJid::new(text) {
        Ok(jid) if jid.node().is_some() => Ok(jid.to_string()),
        _ => Err(wrong("account", "expected an address, e.g. `bot@example.org`")),
    }
}

fn bare(key: &str, text: &str) -> Result<String, ConfigError> {
    let bare = jid::BareJid::new(text).map_err(|error| wrong(key, format!("expected an address: {error}")))?;
    Ok(bare.to_string())
}

fn wrong(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.into() }
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
    fn an_account_is_an_address_and_a_password() {
        let config = Config::read(json!({"mode": "account", "account": "Bot@example.org", "password": "s"})).unwrap();
        assert_eq!((config.host_port(), config.address()), (("example.org", 5222), "bot@example.org"));
        assert_eq!(config.encryption(), Encryption::Starttls);
        let key_of = |section| Config::read(section).expect_err("the section is wrong").key;
        assert_eq!(key_of(json!({"mode": "account", "account": "example.org", "password": "s"})), "account");
        assert_eq!(key_of(json!({"mode": "account", "account": "a@b"})), "password");
        assert_eq!(key_of(json!({"domain": "a", "secret": "s", "encryption": "starttls"})), "encryption");
    }
}
