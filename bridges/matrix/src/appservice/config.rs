//! The configuration section of an instance in *appservice* mode.

use crate::id;
use monster_bridge_api::{ConfigError, Posting, Secret, parse_section};
use serde::Deserialize;

/// One instance, as its section `[bridges.NAME]` with `mode = "appservice"` says.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the homeserver answers clients, e.g. `http://localhost:8008`.
    pub homeserver: String,
    /// What the ids of its users end with, e.g. `example.org`.
    pub server_name: String,
    /// The token by which the homeserver knows this bridge. Without it, one is made and kept.
    #[serde(default)]
    pub as_token: Option<Secret>,
    /// The token by which this bridge knows the homeserver. Without it, one is made and kept.
    #[serde(default)]
    pub hs_token: Option<Secret>,
    /// Where the homeserver reaches the gateway. Default: the gateway's `public_url`.
    #[serde(default)]
    pub url: Option<String>,
    /// The bot's name on the homeserver. Default `monster`.
    #[serde(default = "sender_localpart")]
    pub sender_localpart: String,
    /// What the bot is called. Default `Monster gateway`.
    #[serde(default = "bot_name")]
    pub bot_name: String,
    /// What the names of ghosts, and the aliases of rooms made on demand, begin with. Default
    /// `_monster_`.
    #[serde(default = "user_prefix")]
    pub user_prefix: String,
    /// How people outside Matrix appear: `puppets` (default, each as a ghost) or `relay` (the bot
    /// speaks for all and names them).
    #[serde(default = "posting")]
    pub posting: Posting,
    /// What a command to the bot in a room begins with. Default `!monster`.
    #[serde(default = "command_prefix")]
    pub command_prefix: String,
    /// Whether an alias `#_monster_<address>:…` makes a room that is linked with that address when
    /// somebody asks for it. Default `true`.
    #[serde(default = "yes")]
    pub rooms_on_demand: bool,
    /// Whether ghosts come to linked rooms and leave them as their people do elsewhere. Default `true`;
    /// without it a ghost comes when it first speaks.
    #[serde(default = "yes")]
    pub follow_members: bool,
    /// Whether ghosts are shown as here or away. Default `false`.
    #[serde(default)]
    pub presence: bool,
    /// Whether the public rooms that the gateway uses are shown together in a space,
    /// `#_monster_=-space:…`. Default `false`.
    #[serde(default)]
    pub space: bool,
    /// How many joins, invitations and registrations a second, for all ghosts. Default 10.
    #[serde(default = "joins_per_second")]
    pub joins_per_second: f64,
    /// The largest file that is taken to the homeserver, in bytes. Default 50 MiB.
    #[serde(default = "max_file_bytes")]
    pub max_file_bytes: u64,
}

fn sender_localpart() -> String {
    "monster".to_owned()
}

fn bot_name() -> String {
    "Monster gateway".to_owned()
}

fn user_prefix() -> String {
    "_monster_".to_owned()
}

fn posting() -> Posting {
    Posting::Puppets
}

fn command_prefix() -> String {
    "!monster".to_owned()
}

fn yes() -> bool {
    true
}

fn joins_per_second() -> f64 {
    10.0
}

fn max_file_bytes() -> u64 {
    50 << 20
}

impl Config {
    /// Reads a section.
    pub(crate) fn read(section: serde_json::Value) -> Result<Self, ConfigError> {
        let mut config: Self = parse_section(section)?;
        config.homeserver.truncate(config.homeserver.trim_end_matches('/').len());
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_url("homeserver", &self.homeserver)?;
        if let Some(url) = &self.url {
            check_url("url", url)?;
        }
        if !id::is_server(&self.server_name) {
            return Err(wrong("server_name", "expected the part of user ids after the colon, e.g. example.org"));
        }
        for (key, text, least) in
            [("sender_localpart", &self.sender_localpart, 1), ("user_prefix", &self.user_prefix, 2)]
        {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._=-/+".contains(c);
            if text.len() < least || text.len() > 64 || !text.chars().all(plain) {
                return Err(wrong(key, "expected lower-case letters, digits and any of `._=-/+`"));
            }
        }
        for (key, token) in [("as_token", &self.as_token), ("hs_token", &self.hs_token)] {
            let fits =
                |token: &Secret| token.reveal().len() >= 16 && token.reveal().chars().all(|c| c.is_ascii_graphic());
            if token.as_ref().is_some_and(|token| !fits(token)) {
                return Err(wrong(key, "expected at least 16 random characters without spaces"));
            }
        }
        if self.as_token.is_some() && self.as_token == self.hs_token {
            return Err(wrong("hs_token", "expected another token than `as_token`"));
        }
        if self.command_prefix.trim().is_empty() || self.command_prefix.contains(char::is_whitespace) {
            return Err(wrong("command_prefix", "expected one word, e.g. !monster"));
        }
        if !(0.01..=10_000.0).contains(&self.joins_per_second) {
            return Err(wrong("joins_per_second", "expected a number from 0.01 to 10000"));
        }
        Ok(())
    }
}

/// A homeserver's or our own URL: `http` or `https`, without anything behind a path.
pub(crate) fn check_url(key: &str, url: &str) -> Result<(), ConfigError> {
    let parsed = reqwest::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none());
    parsed.map(|_| ()).ok_or_else(|| wrong(key, "expected a URL, e.g. https://matrix.example.org"))
}

fn wrong(key: &str, why: &str) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn section() -> serde_json::Value {
        json!({ "homeserver": "http://localhost:8008/", "server_name": "example.org" })
    }

    #[test]
    fn two_keys_are_enough() {
        let config = Config::read(section()).unwrap();
        assert_eq!((config.homeserver.as_str(), config.user_prefix.as_str()), ("http://localhost:8008", "_monster_"));
    }

    #[test]
    fn what_cannot_be_used_names_its_key() {
        for (key, value) in [
            ("homeserver", json!("localhost:8008")),
            ("homeserver", json!("ftp://x")),
            ("server_name", json!("https://example.org")),
            ("sender_localpart", json!("Monster Bot")),
            ("user_prefix", json!("")),
            ("as_token", json!("short")),
            ("command_prefix", json!("a b")),
            ("joins_per_second", json!(0)),
            ("homserver", json!("x")),
        ] {
            let mut section = section();
            section[key] = value;
            let error = Config::read(section).unwrap_err();
            assert!(error.key == key || error.why.contains(key), "{key}: {error}");
        }
    }
}
