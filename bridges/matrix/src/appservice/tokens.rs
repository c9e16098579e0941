//! The two tokens by which a homeserver and the bridge know each other: from the configuration, or made
//! once and kept in the instance's directory.

use super::config::Config;
use monster_bridge_api::Secret;
use serde_json::{Value, json};
use std::io::{self, Write as _};
use std::path::Path;

const FILE: &str = "tokens.json";

/// The tokens of an instance.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    /// By which the homeserver knows the bridge.
    pub(crate) bridge: Secret,
    /// By which the bridge knows the homeserver.
    pub(crate) homeserver: Secret,
}

impl Tokens {
    /// What the configuration says; what it does not say is read, or made and written.
    pub(crate) fn load_or_make(config: &Config, dir: &Path) -> io::Result<Self> {
        if let (Some(bridge), Some(homeserver)) = (&config.as_token, &config.hs_token) {
            return Ok(Self { bridge: bridge.clone(), homeserver: homeserver.clone() });
        }
        let kept = Self::kept(dir)?;
        Ok(Self {
            bridge: config.as_token.clone().unwrap_or(kept.bridge),
            homeserver: config.hs_token.clone().unwrap_or(kept.homeserver),
        })
    }

    fn kept(dir: &Path) -> io::Result<Self> {
        let file = dir.join(FILE);
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::read(&text).ok_or_else(|| io::Error::other(format!("{} cannot be read", file.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(dir, &file),
            Err(error) => Err(error),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let token = |key: &str| crate::map::text_at(&value, &[key]).filter(|token| token.len() >= 16).map(Secret::new);
        Some(Self { bridge: token("as_token")?, homeserver: token("hs_token")? })
    }

    /// Two processes may come here at once; the first one's file counts.
    fn make(dir: &Path, file: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let text = json!({ "as_token": random(), "hs_token": random() }).to_string();
        let mut fresh = tempfile_in(dir)?;
        fresh.0.write_all(text.as_bytes())?;
        fresh.0.sync_all()?;
        let linked = std::fs::hard_link(&fresh.1, file);
        std::fs::remove_file(&fresh.1)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Self::kept_only(file),
        }
    }

    fn kept_only(file: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        Self::read(&text).ok_or_else(|| io::Error::other(format!("{} cannot be read", file.display())))
    }
}

fn tempfile_in(dir: &Path) -> io::Result<(std::fs::File, std::path::PathBuf)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join(format!(".tokens-{}", &random()[..12]));
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok((file, path))
}

/// 256 random bits as letters and digits.
fn random() -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in rand::random::<[u8; 32]>() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_made_once_and_are_nobody_elses_to_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let section = json!({ "homeserver": "http://localhost", "server_name": "x.org" });
        let config = Config::read(section).unwrap();
        let first = Tokens::load_or_make(&config, dir.path()).unwrap();
        let second = Tokens::load_or_make(&config, dir.path()).unwrap();
        assert_eq!(first.bridge, second.bridge);
        assert_ne!(first.bridge, first.homeserver);
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }
}
