//! The configuration section of an instance in *account* mode.

use crate::id;
use monster_bridge_api::{ConfigError, PersonaId, Secret, parse_section};
use serde::Deserialize;

/// One instance, as its section `[bridges.NAME]` with `mode = "account"` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the homeserver answers clients, e.g. `https://matrix-client.matrix.org`.
    pub homeserver: String,
    /// Whose account it is, e.g. `@somebody:matrix.org`. Needed with `password`.
    #[serde(default)]
    pub user: Option<String>,
    /// The account's password. Without it and without `access_token`, `monster-gateway login` asks.
    #[serde(default)]
    pub password: Option<Secret>,
    /// A token of a device that was signed in elsewhere and is used by nobody else.
    #[serde(default)]
    pub access_token: Option<Secret>,
    /// The account's recovery key: the device verifies itself with it and reads the key backup.
    #[serde(default)]
    pub recovery_key: Option<Secret>,
    /// What the device is called in the account's list. Default `Monster gateway`.
    #[serde(default = "device_name")]
    pub device_name: String,
    /// The Monster address of the account's owner. What the account says from its other devices is then theirs,
    /// what they say on Monster is said as the account itself, and whoever writes to the account writes to them.
    #[serde(default)]
    pub owner: Option<PersonaId>,
    /// Whether conversations with people begin encrypted. Default `true`.
    #[serde(default = "yes")]
    pub encrypt_direct: bool,
    /// The largest file that is taken to the homeserver, in bytes. Default 50 MiB.
    #[serde(default = "max_file_bytes")]
    pub max_file_bytes: u64,
}

fn device_name() -> String {
    "Monster gateway".to_owned()
}

fn yes() -> bool {
    true
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
        crate::appservice::check_url("homeserver", &self.homeserver)?;
        if self.user.as_deref().is_some_and(|user| !id::is_user(user)) {
            return Err(wrong("user", "expected a Matrix id, e.g. @somebody:matrix.org"));
        }
        if self.password.is_some() && self.user.is_none() {
            return Err(wrong("user", "expected whose password it is, e.g. @somebody:matrix.org"));
        }
        if self.password.is_some() && self.access_token.is_some() {
            return Err(wrong("access_token", "expected either `password` or `access_token`"));
        }
        if self.owner.as_ref().is_some_and(|owner| !owner.as_str().starts_with('@')) {
            return Err(wrong("owner", "expected a Monster address, e.g. @alice:gw.example.org"));
        }
        Ok(())
    }

    /// True for the account's owner.
    pub(crate) fn is_owner(&self, persona: &PersonaId) -> bool {
        self.owner.as_ref() == Some(persona)
    }
}

fn wrong(key: &str, why: &str) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_homeserver_alone_is_enough() {
        let config = Config::read(json!({ "homeserver": "https://hs.test/" })).unwrap();
        assert_eq!(config.homeserver, "https://hs.test");
        assert!(config.encrypt_direct);
    }

    #[test]
    fn what_cannot_be_used_names_its_key() {
        for (key, more) in [
            ("homeserver", json!({ "homeserver": "hs.test" })),
            ("user", json!({ "user": "bob" })),
            ("user", json!({ "password": "x" })),
            ("access_token", json!({ "user": "@bob:hs.test", "password": "x", "access_token": "y" })),
            ("owner", json!({ "owner": "alice" })),
        ] {
            let mut section = json!({ "homeserver": "https://hs.test" });
            for (name, value) in more.as_object().into_iter().flatten() {
                section[name] = value.clone();
            }
            assert_eq!(Config::read(section).unwrap_err().key, key);
        }
    }
}
