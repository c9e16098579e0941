//! STUN and TURN servers for those who call: which there are, and credentials for them that are
//! good for a while, made from the secret that coturn has too (`use-auth-secret`;
//! draft-uberti-behave-turn-rest-00). [`probe`] tries a server as a caller would.
//!
//! Called by the account API and the join page (browsers), by bridges' calls, and by `doctor`. The
//! relay itself needs none of it: it has a port of its own.

pub mod probe;
mod url;

pub use url::{ServerUrl, Transport};

use crate::config::{Calls, Secret};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// The most of a user's name that becomes part of a user name for TURN, in characters.
const NAME: usize = 32;

/// The servers, and how to log in there.
#[derive(Debug, Clone)]
pub struct IceServers {
    stun: Vec<String>,
    turn: Vec<String>,
    secret: Secret,
    ttl: Duration,
}

/// One entry of the `iceServers` of an `RTCPeerConnection` (WebRTC §4.2.4).
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct IceServer {
    /// Where it is: `stun:` or `turn:` URLs (RFC 7064, RFC 7065).
    #[schema(example = json!(["turn:turn.example.org:3478?transport=udp"]))]
    pub urls: Vec<String>,
    /// For TURN: until when it is good (seconds since the epoch), and whose it is.
    #[schema(example = "1795003600:alice")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN: what goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).field("username", &self.username).finish_non_exhaustive()
    }
}

impl IceServers {
    /// What the configuration says.
    pub fn of(calls: &Calls) -> Self {
        Self {
            stun: calls.stun.clone(),
            turn: calls.turn_urls.clone(),
            secret: calls.turn_secret.clone(),
            ttl: Duration::from_secs(calls.turn_ttl_seconds),
        }
    }

    /// No servers, and a secret to make credentials from.
    #[cfg(test)]
    pub(crate) fn with_secret(secret: &str) -> Self {
        Self { stun: Vec::new(), turn: Vec::new(), secret: secret.into(), ttl: Duration::from_mins(10) }
    }

    /// The servers, with credentials for this user (a name for the TURN server's log and quotas; not
    /// secret) that are good from `now_ms` (ms since the epoch) for [`IceServers::ttl`].
    pub fn for_user(&self, user: &str, now_ms: i64) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer { urls: self.stun.clone(), username: None, credential: None });
        }
        if !self.turn.is_empty() {
            let (username, credential) = self.credentials(user, now_ms);
            servers.push(IceServer { urls: self.turn.clone(), username: Some(username), credential: Some(credential) });
        }
        servers
    }

    /// How long credentials are good.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// User name and password for the TURN servers.
    pub fn credentials(&self, user: &str, now_ms: i64) -> (String, String) {
        let until = now_ms / 1000 + i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX / 2);
        let username = format!("{until}:{}", plain(user));
        // The mechanism says SHA-1. As an HMAC it is not broken.
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.secret.expose().as_bytes());
        let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
        (username, credential)
    }
}

/// A name as it fits into a user name for TURN, which `:` divides.
fn plain(user: &str) -> String {
    let plain: String =
        user.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).take(NAME).collect();
    if plain.is_empty() { "somebody".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};
    use crate::core::Registry;
    use std::collections::HashMap;

    fn servers(calls: &str) -> IceServers {
        let source = Source { path: "test.toml".into(), text: format!("[calls]\n{calls}\n") };
        IceServers::of(&Config::read(Some(source), HashMap::new(), &Registry::default()).unwrap().calls)
    }

    #[test]
    fn credentials_are_what_coturn_works_out_from_the_same_secret() {
        let turn = r#"turn = { urls = ["turn:t.example.org"], secret = "north", ttl_seconds = 600 }"#;
        let found = servers(turn).for_user("alice", 1_433_895_918_506);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].username.as_deref(), Some("1433896518:alice"));
        // printf 1433896518:alice | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(found[0].credential.as_deref(), Some("iUEA2DYPXz0LifLLsIeetfER5aM="));
        assert!(!format!("{found:?}").contains("credential"));
    }

    #[test]
    fn a_name_never_divides_the_user_name_again() {
        let servers = servers(r#"turn = { urls = ["turn:t.example.org"], secret = "s" }"#);
        let user = |name| servers.credentials(name, 0).0;
        assert_eq!(user("a:99:b c"), "14400:a99bc");
        assert_eq!(user("@#名"), "14400:somebody");
        assert_eq!(user(&"x".repeat(600)).len(), "14400:".len() + NAME);
    }

    #[test]
    fn without_servers_there_is_nothing_and_stun_needs_no_credentials() {
        assert_eq!(servers("").for_user("alice", 0), []);
        let stun = IceServer { urls: vec!["stun:s.example.org".to_owned()], username: None, credential: None };
        assert_eq!(servers(r#"stun = ["stun:s.example.org"]"#).for_user("alice", 0), [stun]);
    }
}
