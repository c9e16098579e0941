//! From a server's name to a stream that can carry a session: DNS, TCP, TLS.
//!
//! Each step fails with words that say which step it was, for `diagnose` and for the log.

use super::{Ident, IdentEntry};
use crate::config::Config;
use monster_bridge_api::ConfigError;
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// A connected stream, plain or TLS.
pub(crate) type Stream = Box<dyn Duplex>;

/// Something that can be read and written.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// The name could not be resolved.
    #[error("the name {host} cannot be resolved: {why}")]
    Resolve {
        /// The server's name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// No address answered.
    #[error("{host}:{port} does not accept connections: {why}")]
    Connect {
        /// The server's name.
        host: String,
        /// Its port.
        port: u16,
        /// What the last attempt said.
        why: String,
    },
    /// TLS failed.
    #[error("TLS with {host} failed: {why}")]
    Tls {
        /// The server's name.
        host: String,
        /// What was wrong.
        why: String,
    },
}

/// Dials one server, as its configuration says.
pub(crate) struct Dialer {
    host: String,
    port: u16,
    tls: bool,
    ca_file: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
    /// With the bot's client certificate, and without. Made when first needed: reading the
    /// machine's certificates takes a while.
    connectors: OnceLock<(TlsConnector, TlsConnector)>,
    /// The port on which a server without TLS asked us to come back with TLS (IRCv3 `sts`).
    upgraded: Mutex<Option<u16>>,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The user that ident answers.
    pub(crate) user: &'a str,
    /// Whether to show the client certificate: it is the bot's and nobody else's.
    pub(crate) with_certificate: bool,
}

const PER_ADDRESS: Duration = Duration::from_secs(10);
const FOR_TLS: Duration = Duration::from_secs(15);

impl Dialer {
    /// Reads certificates and prepares TLS; an error names the configuration key.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let (host, port) = config.host_port();
        let dialer = Self {
            host: host.to_owned(),
            port,
            tls: config.tls,
            ca_file: config.tls_ca_file.clone(),
            client: config.tls_client_cert_file.clone().zip(config.tls_client_key_file.clone()),
            connectors: OnceLock::new(),
            upgraded: Mutex::new(None),
        };
        if dialer.tls && (dialer.ca_file.is_some() || dialer.client.is_some()) {
            dialer.connectors()?;
        }
        Ok(dialer)
    }

    /// The server, `host:port`.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.host.to_lowercase(), self.port)
    }

    /// The server's name, for people.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// From now on with TLS, on this port: what the server's STS policy asks for.
    pub(crate) fn upgrade(&self, port: u16) {
        *self.upgraded.lock() = Some(port);
    }

    /// Whether connections have TLS now.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls || self.upgraded.lock().is_some()
    }

    fn connectors(&self) -> Result<&(TlsConnector, TlsConnector), ConfigError> {
        if let Some(made) = self.connectors.get() {
            return Ok(made);
        }
        let made = connectors(self.ca_file.as_deref(), self.client.as_ref())?;
        Ok(self.connectors.get_or_init(|| made))
    }

    /// The addresses that the server's name has now.
    pub(crate) async fn resolve(&self) -> Result<Vec<SocketAddr>, DialError> {
        let failed = |why: String| DialError::Resolve { host: self.host.clone(), why };
        let port = self.upgraded.lock().unwrap_or(self.port);
        let found = tokio::net::lookup_host((self.host.as_str(), port)).await;
        let addresses: Vec<_> = found.map_err(|e| failed(e.to_string()))?.collect();
        if addresses.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(addresses) }
    }

    /// Connects to the first address that answers.
    pub(crate) async fn connect(
        &self,
        addresses: &[SocketAddr],
        ident: Option<(&Ident, &str)>,
    ) -> Result<(TcpStream, Option<IdentEntry>), DialError> {
        let mut last = "it has no address".to_owned();
        for address in addresses {
            match tokio::time::timeout(PER_ADDRESS, connect_one(*address, ident)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = format!("no answer from {address} within {} s", PER_ADDRESS.as_secs()),
            }
        }
        Err(DialError::Connect { host: self.host.clone(), port: self.port, why: last })
    }

    /// Starts TLS where it is configured.
    pub(crate) async fn secure(&self, stream: TcpStream, with_certificate: bool) -> Result<Stream, DialError> {
        if !self.is_secure() {
            return Ok(Box::new(stream));
        }
        let failed = |why: String| DialError::Tls { host: self.host.clone(), why };
        let (bot, anybody) = self.connectors().map_err(|e| failed(e.to_string()))?;
        let name = ServerName::try_from(self.host.clone()).map_err(|e| failed(e.to_string()))?;
        let connector = if with_certificate { bot } else { anybody };
        match tokio::time::timeout(FOR_TLS, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("no handshake within {} s", FOR_TLS.as_secs()))),
        }
    }

    /// All of it.
    pub(crate) async fn dial(
        &self,
        caller: Caller<'_>,
        ident: Option<&Ident>,
    ) -> Result<(Stream, Option<IdentEntry>), DialError> {
        let addresses = self.resolve().await?;
        let (stream, entry) = self.connect(&addresses, ident.map(|ident| (ident, caller.user))).await?;
        Ok((self.secure(stream, caller.with_certificate).await?, entry))
    }
}

async fn connect_one(
    address: SocketAddr,
    ident: Option<(&Ident, &str)>,
) -> std::io::Result<(TcpStream, Option<IdentEntry>)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let entry = match ident {
        // The port must be known before the server can ask for it, which is as soon as we connect.
        Some((ident, user)) => {
            let any: IpAddr =
                if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            socket.bind(SocketAddr::new(any, 0))?;
            Some(ident.enter(socket.local_addr()?.port(), user))
        }
        None => None,
    };
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok((stream, entry))
}

fn connectors(
    ca_file: Option<&Path>,
    client: Option<&(PathBuf, PathBuf)>,
) -> Result<(TlsConnector, TlsConnector), ConfigError> {
    let roots = roots(ca_file)?;
    let plain = builder(roots.clone())?.with_no_client_auth();
    let bot = match client {
        Some((certificate, key)) => {
            let chain = certificates("tls_client_cert_file", certificate)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable("tls_client_key_file", key, &e))?;
            builder(roots)?
                .with_client_auth_cert(chain, key)
                .map_err(|e| wrong("tls_client_cert_file", e.to_string()))?
        }
        None => plain.clone(),
    };
    Ok((TlsConnector::from(Arc::new(bot)), TlsConnector::from(Arc::new(plain))))
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

fn builder(roots: rustls::RootCertStore) -> Result<Builder, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong("tls", e.to_string()))?;
    Ok(builder.with_root_certificates(roots))
}

fn roots(file: Option<&Path>) -> Result<rustls::RootCertStore, ConfigError> {
    let mut store = rustls::RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates("tls_ca_file", file)? {
                store.add(certificate).map_err(|e| wrong("tls_ca_file", e.to_string()))?;
            }
        }
        // A machine without certificates is noticed by the handshake, which says so.
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

fn certificates(key: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|e| unreadable(key, file, &e))?.collect();
    let found = found.map_err(|e| unreadable(key, file, &e))?;
    if found.is_empty() { Err(wrong(key, format!("{} holds no certificate", file.display()))) } else { Ok(found) }
}

fn unreadable(key: &str, file: &Path, error: &dyn std::fmt::Display) -> ConfigError {
    wrong(key, format!("{} cannot be read: {error}", file.display()))
}

fn wrong(key: &str, why: impl Into<String>) -> ConfigError {
    ConfigError { key: key.to_owned(), why: why.into() }
}
