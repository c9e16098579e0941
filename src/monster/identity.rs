//! Finding out who opened a socket: the check URL of `contract.md` "Who is speaking", with every
//! guard that stands there.
//!
//! Whoever names a check URL chooses what this machine fetches and whom it believes. So: the host
//! and port must be those of the account that is vouched for, the address connected to must not be
//! private, there is no redirect, 3 s and 64 KiB are enough, and nobody vouches for an account of
//! this gateway. Called by `session`; our own side of it is `vouch`.

use crate::outbound::{ConnectError, GetError, Outbound, web_url};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use monster_protocol::{Address, Authority};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// How long the answer may take, from the first look-up of the host.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long it may take until there is a place to ask.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const LONGEST_ANSWER: usize = 64 << 10;
/// The longest nickname that is taken over, in characters.
const LONGEST_NICKNAME: usize = 64;
/// How many check URLs are asked at a time.
const AT_A_TIME: usize = 256;

/// Who opened the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identified {
    /// The account.
    pub account: Address,
    /// What people call it, where it was said.
    pub nickname: Option<String>,
}

/// Who opened the socket could not be found out. For the person who opened it.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    /// The check URL cannot be one.
    #[error("the check URL {0}")]
    Url(&'static str),
    /// The gateway insists on TLS.
    #[error("the check URL must be https here")]
    NotSecure,
    /// Nothing was connected to.
    #[error("the check URL cannot be asked: {0}")]
    Connect(#[from] ConnectError),
    /// The other server did not answer as HTTP has it.
    #[error("the check URL did not answer: {0}")]
    Http(String),
    /// It took too long.
    #[error("the check URL did not answer within 3 seconds")]
    TooSlow,
    /// The answer was too long.
    #[error("the check URL answered more than 64 KiB")]
    TooLong,
    /// A redirect.
    #[error("the check URL answered with a redirect, which is not followed")]
    Redirect,
    /// Another status than 200.
    #[error("the check URL answered with status {0}: the token may have been used or have ended")]
    Status(u16),
    /// The answer does not say who it is.
    #[error("the check URL's answer does not name an account: {0}")]
    Answer(String),
    /// The account lives on another server than the one that vouched for it.
    #[error("the server at {vouching} cannot vouch for {account}, which is of another server")]
    OtherServer {
        /// Whom it vouched for.
        account: Address,
        /// Who vouched.
        vouching: String,
    },
    /// The account is one of this gateway.
    #[error("{0} is an account of this server, and speaks with its token on its own URL only")]
    Ours(Address),
    /// Too many ask at the same time.
    #[error("too many sockets from your address are being identified; try again in a moment")]
    Busy,
}

impl From<GetError> for IdentityError {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Connect(error) => Self::Connect(error),
            GetError::Http(why) => Self::Http(why),
        }
    }
}

impl IdentityError {
    /// A word for the figures.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::NotSecure => "bad_url",
            Self::Connect(ConnectError::Private { .. }) => "private",
            Self::Connect(_) | Self::Http(_) => "unreachable",
            Self::TooSlow => "slow",
            Self::TooLong => "huge",
            Self::Redirect => "redirect",
            Self::Status(_) => "refused",
            Self::Answer(_) => "bad_answer",
            Self::OtherServer { .. } | Self::Ours(_) => "impostor",
            Self::Busy => "busy",
        }
    }
}

/// What a check URL answers. Further fields are of no concern.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    account: std::borrow::Cow<'a, str>,
    #[serde(default)]
    nickname: Option<String>,
}

/// Asks check URLs.
pub(super) struct Identifier {
    outbound: Arc<Outbound>,
    ours: Authority,
    require_tls: bool,
    places: Semaphore,
}

impl Identifier {
    /// Asks through `outbound`. Accounts of `ours` cannot be vouched for.
    pub(super) fn new(outbound: Arc<Outbound>, ours: Authority, require_tls: bool) -> Self {
        Self { outbound, ours, require_tls, places: Semaphore::new(AT_A_TIME) }
    }

    /// Finds out whom `check_url` vouches for. `of_origin` has the places of the socket's origin.
    pub(super) async fn identify(&self, check_url: &str, of_origin: &Semaphore) -> Result<Identified, IdentityError> {
        let url = self.read_url(check_url)?;
        let places = async { (of_origin.acquire().await, self.places.acquire().await) };
        let (Ok(_one), Ok(_all)) = tokio::time::timeout(PLACE_WITHIN, places).await.map_err(|_| IdentityError::Busy)?
        else {
            return Err(IdentityError::Busy);
        };
        let body =
            tokio::time::timeout(ANSWER_WITHIN, self.fetch(&url)).await.map_err(|_| IdentityError::TooSlow)??;
        self.judge(&url, &body)
    }

    fn read_url(&self, text: &str) -> Result<Url, IdentityError> {
        let url = web_url(text).map_err(IdentityError::Url)?;
        if self.require_tls && url.scheme() == "http" { Err(IdentityError::NotSecure) } else { Ok(url) }
    }

    /// One plain GET.
    async fn fetch(&self, url: &Url) -> Result<Bytes, IdentityError> {
        let answer = self.outbound.get(url, "application/json").await?;
        match answer.response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(IdentityError::Redirect),
            status => return Err(IdentityError::Status(status.as_u16())),
        }
        match Limited::new(answer.response.into_body(), LONGEST_ANSWER).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(IdentityError::TooLong),
            Err(error) => Err(IdentityError::Http(error.to_string())),
        }
    }

    /// Whether the server of `url` can vouch for whom its answer names.
    fn judge(&self, url: &Url, body: &[u8]) -> Result<Identified, IdentityError> {
        let answer: Answer<'_> =
            serde_json::from_slice(body).map_err(|error| IdentityError::Answer(error.to_string()))?;
        let account =
            Address::parse_lenient(&answer.account).map_err(|error| IdentityError::Answer(error.to_string()))?;
        let tls = url.scheme() == "https";
        if *account.authority() == self.ours || same_server(account.authority(), &self.ours, tls) {
            return Err(IdentityError::Ours(account));
        }
        let vouching = authority_of(url).ok_or(IdentityError::Url("names a host that no account can have"))?;
        if !same_server(account.authority(), &vouching, tls) {
            return Err(IdentityError::OtherServer { account, vouching: vouching.to_string() });
        }
        let nickname = answer.nickname.map(|name| name.chars().take(LONGEST_NICKNAME).collect::<String>());
        Ok(Identified { account, nickname: nickname.filter(|name| !name.trim().is_empty()) })
    }
}

/// Whether two authorities are one host and port, by the default port of the scheme.
fn same_server(one: &Authority, other: &Authority, tls: bool) -> bool {
    one.host() == other.host() && one.port_or_default(tls) == other.port_or_default(tls)
}

fn authority_of(url: &Url) -> Option<Authority> {
    Authority::new(url.host_str()?, url.port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::client_tls;
    use rustls::RootCertStore;

    fn judge(url: &str, account: &str) -> Result<Identified, IdentityError> {
        let outbound = Arc::new(Outbound::new(Vec::new(), client_tls(RootCertStore::empty())));
        let identifier = Identifier::new(outbound, "gw.example.org".parse().unwrap(), false);
        let body = serde_json::json!({"account": account, "username": "x", "nickname": " "}).to_string();
        identifier.judge(&identifier.read_url(url)?, body.as_bytes())
    }

    #[test]
    fn an_account_without_a_port_is_vouched_for_at_the_default_port_of_the_scheme() {
        for (url, account) in [
            ("http://example.org/check/1", "@dora:example.org"),
            ("https://example.org/check/1", "@dora:example.org"),
            ("http://example.org:80/check/1", "@dora:example.org"),
            ("https://EXAMPLE.org/check/1", "@dora:example.org:443"),
            ("http://example.org:8080/x", "@dora:example.org:8080"),
            ("http://bücher.example/x", "@dora:xn--bcher-kva.example"),
            ("http://[2001:db8::1]/x", "@dora:[2001:DB8::1]"),
            ("http://example.org:8080/x", "@member.dora@example.org:8080"),
        ] {
            assert!(judge(url, account).is_ok(), "{url} for {account}: {:?}", judge(url, account));
        }
    }

    #[test]
    fn nobody_vouches_for_an_account_elsewhere() {
        for (url, account) in [
            ("http://example.org:8080/x", "@dora:example.org"),
            ("https://example.org/x", "@dora:example.org:80"),
            ("http://evil.example/x", "@dora:example.org"),
            ("http://example.org.evil.example/x", "@dora:example.org"),
            ("http://evil.example/x?@example.org", "@victim@example.org:evil.example.org"),
            ("http://sub.example.org/x", "@dora:example.org"),
        ] {
            assert!(
                matches!(judge(url, account), Err(IdentityError::OtherServer { .. })),
                "{url} for {account}: {:?}",
                judge(url, account)
            );
        }
    }

    #[test]
    fn nobody_vouches_for_an_account_of_ours() {
        for account in
            ["@alice:gw.example.org", "@alice:GW.example.org", "@bob:libera:gw.example.org", "@alice:gw.example.org:80"]
        {
            for url in ["http://gw.example.org/check/1", "http://evil.example/x"] {
                assert!(matches!(judge(url, account), Err(IdentityError::Ours(_))), "{url} for {account}");
            }
        }
    }

    #[test]
    fn an_answer_must_name_an_account() {
        for account in ["", "dora", "@", "@dora", "@dora:", "@dora:exa mple.org", "@\n:example.org"] {
            assert!(matches!(judge("http://example.org/x", account), Err(IdentityError::Answer(_))), "`{account}`");
        }
    }

    #[test]
    fn a_blank_nickname_is_none() {
        assert_eq!(judge("http://example.org/x", "@dora:example.org").unwrap().nickname, None);
    }
}
