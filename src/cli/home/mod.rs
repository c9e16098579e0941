//! As whom `chat` and `call` speak, and to which gateway: an account with its token and the URL of its
//! home socket, which `socket` opens.

mod socket;

pub(super) use socket::Link;

use crate::cli::accounts::new_token;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::office::{self, Office};
use crate::cli::small::reachable;
use crate::config::Config;
#[cfg(feature = "caller")]
use crate::config::PublicUrl;
use crate::store::{Account, AccountKind};
use crate::token;
use monster_protocol::Address;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable with the token of an account on another gateway.
const TOKEN_VARIABLE: &str = "MONSTER_GATEWAY_TOKEN";

/// An account and the way to its home socket.
#[derive(Debug, Clone)]
pub(super) struct Home {
    /// The account.
    pub(super) account: Address,
    /// What shows that it is ours. Goes into a header, never into a URL.
    pub(super) token: String,
    /// Where to connect: host and port.
    pub(super) host: String,
    /// Where to connect: port.
    pub(super) port: u16,
    /// Whether over TLS.
    pub(super) tls: bool,
}

impl Home {
    /// Whether the gateway is on this machine.
    #[cfg(feature = "caller")]
    pub(super) fn is_here(&self) -> bool {
        let ip = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
    }

    /// The same account, reached as from outside.
    #[cfg(feature = "caller")]
    pub(super) fn through(self, url: &PublicUrl) -> Self {
        let (authority, tls) = (url.authority(), url.is_secure());
        let (host, port) = (authority.bare_host().to_owned(), authority.port_or_default(tls));
        Self { host, port, tls, ..self }
    }

    /// The base of the gateway's HTTP API.
    #[cfg(feature = "caller")]
    pub(super) fn http(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }
}

/// The home of `account`: a name here, an address or URL elsewhere, or nothing for one's own.
pub(super) async fn find(file: Option<&Path>, account: Option<&str>) -> Outcome<Home> {
    match account {
        Some(text) if ["@", "ws://", "wss://"].iter().any(|start| text.starts_with(start)) => elsewhere(text),
        _ => here(&office::load(file)?, account).await,
    }
}

/// An account on whatever gateway its address or URL says.
fn elsewhere(text: &str) -> Outcome<Home> {
    let account = if text.starts_with('@') { text.parse::<Address>() } else { Address::from_url(text) };
    let account = account.map_err(|why| Failure::data(format!("{text}: {why}")))?;
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    let token =
        token.ok_or_else(|| Failure::data(format!("the token of {account} is expected in {TOKEN_VARIABLE}")))?;
    let authority = account.authority();
    let tls = text.starts_with("wss://") || authority.is_tls_by_default();
    let (host, port) = (authority.bare_host().to_owned(), authority.port_or_default(tls));
    Ok(Home { account, token, host, port, tls })
}

/// An account of the gateway that the configuration describes, reached where it listens.
async fn here(config: &Config, name: Option<&str>) -> Outcome<Home> {
    let office = Office::open(config).await?;
    let found = account_here(&office, &config.server.data_dir, name).await;
    office.settle().await;
    let store = Arc::clone(&office.store);
    drop(office);
    store.close().await;
    let (account, token) = found?;
    let listen = reachable(config.server.listen);
    Ok(Home { account, token, host: listen.ip().to_string(), port: listen.port(), tls: false })
}

async fn account_here(office: &Office, data_dir: &Path, name: Option<&str>) -> Outcome<(Address, String)> {
    let own = name.is_none();
    let name = name.map_or_else(own_name, str::to_owned);
    let account = office.admin.address_of(&name)?;
    match office.store.account(&name).await? {
        Some(_) => {}
        None if own => {
            let account = Account {
                name: name.clone(),
                kind: AccountKind::Person,
                nickname: None,
                picture: None,
                pass: None,
                created: 0,
            };
            office.admin.add_account(account).await?;
        }
        None => return Err(Failure::missing(format!("there is no account `{name}`; `account add {name}` makes it"))),
    }
    Ok((account, own_token(office, data_dir, &name).await?))
}

/// What the user is called on this machine.
fn own_name() -> String {
    let names = ["USER", "LOGNAME"].into_iter().filter_map(|variable| std::env::var(variable).ok());
    let plain = |name: &String| {
        !name.is_empty()
            && name.len() <= 64
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    names.into_iter().find(plain).unwrap_or_else(|| "me".to_owned())
}

/// The token that earlier chats of this account used, or a new one, kept for the next chat.
async fn own_token(office: &Office, data_dir: &Path, name: &str) -> Outcome<String> {
    let path = token_path(data_dir, name);
    if let Ok(kept) = std::fs::read_to_string(&path)
        && office.store.account_of_token(token::hash(kept.trim())).await?.as_deref() == Some(name)
    {
        return Ok(kept.trim().to_owned());
    }
    let token = new_token(office, name).await?;
    let keep = || -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", token.reveal())
    };
    keep().map_err(|why| Failure::system(format!("cannot keep the token in {}: {why}", path.display())))?;
    Ok(token.reveal().to_owned())
}

/// Where the chat keeps the token of an account; any name makes one file name.
fn token_path(data_dir: &Path, name: &str) -> PathBuf {
    use std::fmt::Write as _;
    let mut file = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            file.push(char::from(byte));
        } else {
            let _ = write!(file, "_{byte:02x}");
        }
    }
    data_dir.join("chat").join(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_file_of_its_own_inside_the_directory() {
        let file = |name: &str| token_path(Path::new("data"), name);
        assert_eq!(file("alice"), Path::new("data/chat/alice"));
        assert_eq!(file("../x"), Path::new("data/chat/_2e_2e_2fx"));
        assert_ne!(file("a_2e"), file("a."));
    }
}
