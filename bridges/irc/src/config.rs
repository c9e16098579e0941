//! The configuration section of an IRC instance: every key with its meaning, its default and its
//! limits.
//!
//! Reading a section, with the secrets that stand in files, is [`Config::read`]; nothing here
//! connects anywhere. The factory in `lib.rs` calls it, everything else only reads the result.

mod read;

use monster_bridge_api::{Posting, Reconnect, Secret, host_port};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One IRC instance, as its section `[bridges.NAME]` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Always `irc`; how the gateway found this bridge.
    #[serde(default)]
    pub kind: Option<String>,
    /// The server, `host:port`; an IPv6 host stands in brackets. Without a port: 6697 with TLS,
    /// 6667 without.
    pub server: String,
    /// Whether to speak TLS. Default `true`.
    #[serde(default = "yes")]
    pub tls: bool,
    /// A PEM file of certificate authorities to trust instead of the machine's own.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// A PEM file with the client certificate that the bot shows; needs `tls_client_key_file`.
    #[serde(default)]
    pub tls_client_cert_file: Option<PathBuf>,
    /// A PEM file with the key of the client certificate.
    #[serde(default)]
    pub tls_client_key_file: Option<PathBuf>,
    /// The bot's nick. Default `monster`.
    #[serde(default = "default_nick")]
    pub nick: String,
    /// The user name of the bot and, where no ident is answered, of puppets. Default `monster`.
    #[serde(default = "default_nick")]
    pub username: String,
    /// What WHOIS shows as the bot's real name. Default: names the gateway.
    #[serde(default)]
    pub realname: Option<String>,
    /// The server's own password (`PASS`), for the bot and for puppets.
    #[serde(default)]
    pub password: Option<Secret>,
    /// How the bot logs in, where the network has accounts.
    #[serde(default)]
    pub sasl: Option<Sasl>,
    /// How the bot identifies to a service, where the network has no SASL.
    #[serde(default)]
    pub nickserv: Option<NickServ>,
    /// How people outside the network appear: `puppets` (default, each on a connection of their
    /// own) or `relay` (the bot speaks for all and names them).
    #[serde(default = "default_mode")]
    pub mode: Posting,
    /// The puppets' connections.
    #[serde(default)]
    pub puppets: Puppets,
    /// How a relayed line begins; `{name}` is the author. Default `<{name}> `.
    #[serde(default = "default_relay_format")]
    pub relay_format: String,
    /// What the bot puts between the author's name and itself where the server lets it speak under
    /// other names (`draft/relaymsg`): at least one of the server's separators. Default `/m`.
    #[serde(default = "default_relay_suffix")]
    pub relay_suffix: String,
    /// Channels to be in although nobody has joined or linked them yet.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// When to be connected: `on_use` (default) once anybody on this gateway needs the network,
    /// or `always`.
    #[serde(default)]
    pub connect: Connect,
    /// How many lines a connection may send at once and then per second.
    #[serde(default)]
    pub flood: Flood,
    /// The pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: Reconnect,
    /// How many connections to the server may be opened in a minute, puppets included. Default 20.
    #[serde(default = "default_connects")]
    pub connects_per_minute: u32,
    /// What text that is not UTF-8 is read as: a label of the Encoding Standard. Default
    /// `windows-1252`.
    #[serde(default = "default_encoding")]
    pub fallback_encoding: String,
    /// Tells the server each person's origin, where its operator gave the gateway a WEBIRC block.
    #[serde(default)]
    pub webirc: Option<Webirc>,
    /// Where to answer RFC 1413 (ident) queries of the server, e.g. `0.0.0.0:113`, so that it can
    /// tell the people behind one address apart. Default: nowhere.
    #[serde(default)]
    pub ident_listen: Option<SocketAddr>,
    /// A message of more lines than this is begun, and a link leads to the whole of it; 0 for always
    /// all of it. Default 30.
    #[serde(default = "default_max_lines")]
    pub max_lines: usize,
    /// Masks (`nick!user@host`, with `*` and `?`) of users who are never heard.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// How many missed messages to ask for at once in a channel's history. Default 100.
    #[serde(default = "default_history")]
    pub history_limit: u32,
    /// After how many seconds without a word from the server to ask whether it is still there.
    /// Default 60.
    #[serde(default = "default_keepalive")]
    pub keepalive_seconds: u64,
    /// For how many seconds to wait for an acknowledgement before an outcome counts as uncertain.
    /// Default 30.
    #[serde(default = "default_ack")]
    pub ack_seconds: u64,
}

/// The puppets' connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Puppets {
    /// The nick of a puppet; `{name}` is the person's name, fitted to the network. Default `{name}`.
    pub nick_template: String,
    /// Seconds without use after which a puppet's connection is closed. Default 86400, a day; 0
    /// never closes one.
    pub idle_close_seconds: u64,
    /// How many puppets may be connected at once; beyond it the longest unused one gives way.
    /// Default 100.
    pub max_connections: usize,
}

impl Default for Puppets {
    fn default() -> Self {
        Self { nick_template: "{name}".to_owned(), idle_close_seconds: 86_400, max_connections: 100 }
    }
}

/// How a connection logs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasl {
    /// `plain`, `scram-sha-256` or `external`.
    pub mechanism: Mechanism,
    /// The account; not needed for `external`.
    #[serde(default)]
    pub user: String,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Mechanism {
    /// RFC 4616.
    #[serde(rename = "plain", alias = "PLAIN")]
    Plain,
    /// RFC 7677.
    #[serde(rename = "scram-sha-256", alias = "SCRAM-SHA-256")]
    ScramSha256,
    /// The TLS client certificate speaks for itself.
    #[serde(rename = "external", alias = "EXTERNAL")]
    External,
}

/// Identification to a service.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NickServ {
    /// The password.
    #[serde(default)]
    pub password: Option<Secret>,
}

/// A channel to be in from the start.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Channel {
    /// Its name.
    Name(String),
    /// Its name and key.
    WithKey {
        /// Its name.
        name: String,
        /// Its key.
        key: Secret,
    },
}

/// When to be connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Connect {
    /// Once anybody needs the network.
    #[default]
    OnUse,
    /// As long as the gateway runs.
    Always,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flood {
    /// Lines that may go at once. Default 5.
    pub burst: u32,
    /// Lines a second after that. Default 0.5.
    pub per_second: f64,
}

impl Default for Flood {
    fn default() -> Self {
        Self { burst: 5, per_second: 0.5 }
    }
}

/// A WEBIRC block of the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webirc {
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// The name of this gateway to the server. Default `monster-gateway`.
    #[serde(default = "default_gateway")]
    pub gateway: String,
}

impl Config {
    /// Host and port of the server; the host without brackets.
    pub fn host_port(&self) -> (&str, u16) {
        let default = if self.tls { 6697 } else { 6667 };
        host_port(&self.server).map_or((self.server.as_str(), default), |(host, port)| (host, port.unwrap_or(default)))
    }

    /// Channels of the configuration with their keys.
    pub fn channels(&self) -> impl Iterator<Item = (&str, Option<&Secret>)> {
        self.channels.iter().map(|channel| match channel {
            Channel::Name(name) => (name.as_str(), None),
            Channel::WithKey { name, key } => (name.as_str(), Some(key)),
        })
    }

    /// How long to wait for an acknowledgement.
    pub fn ack_timeout(&self) -> Duration {
        Duration::from_secs(self.ack_seconds)
    }

    /// How long silence lasts before the server is asked for a sign of life.
    pub fn keepalive(&self) -> Duration {
        Duration::from_secs(self.keepalive_seconds)
    }

    /// After how long without use a puppet leaves; `None` never.
    pub fn idle_close(&self) -> Option<Duration> {
        (self.puppets.idle_close_seconds > 0).then(|| Duration::from_secs(self.puppets.idle_close_seconds))
    }
}

const fn yes() -> bool {
    true
}

fn default_nick() -> String {
    "monster".to_owned()
}

const fn default_mode() -> Posting {
    Posting::Puppets
}

fn default_relay_format() -> String {
    "<{name}> ".to_owned()
}

fn default_relay_suffix() -> String {
    "/m".to_owned()
}

const fn default_connects() -> u32 {
    20
}

fn default_encoding() -> String {
    "windows-1252".to_owned()
}

const fn default_max_lines() -> usize {
    30
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

fn default_gateway() -> String {
    "monster-gateway".to_owned()
}
