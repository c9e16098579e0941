//! The configuration section of an instance. An unknown key is an error, so that a misspelt one
//! never passes for a default.

use monster_bridge_api::ConfigError;
use serde::Deserialize;

/// `[bridges.NAME]` with `kind = "echo"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// What people call the echo.
    pub(crate) nickname: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { nickname: "echo".to_owned() }
    }
}

impl Config {
    /// Reads a section, and checks what types alone cannot say.
    pub(crate) fn parse(section: serde_json::Value) -> Result<Self, ConfigError> {
        let config: Self = monster_bridge_api::parse_section(section)?;
        if config.nickname.trim().is_empty() || config.nickname.chars().any(char::is_control) {
            let why = "expected a name without control characters, e.g. \"echo\"".to_owned();
            return Err(ConfigError { key: "nickname".to_owned(), why });
        }
        Ok(config)
    }
}
