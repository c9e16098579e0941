//! The only way out to machines that somebody outside named: resolve once, ask the guard about each
//! address, connect to one of exactly these, and speak TLS where that is wanted. `web` asks over
//! HTTP, `fetch` gets files.
//!
//! Called by `monster` (check URLs, sockets) and `core` (files). Proxies of the environment are not
//! used: what is connected to would not be what was checked.

mod fetch;
mod guard;
mod web;

pub use guard::{Allow, BadAllow};
pub(crate) use web::{GetError, web_url};

use guard::Guard;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// How long one address may take to answer before the next one is tried.
const PER_ADDRESS: Duration = Duration::from_secs(4);
/// How many addresses of a host are tried.
const ADDRESSES_AT_MOST: usize = 4;
/// How many names are resolved at a time. A slow name server holds its place until it answers,
/// however soon the asker gives up: each is a thread.
const RESOLVING_AT_MOST: usize = 64;

/// A connection, with or without TLS.
pub(crate) type Connection = Box<dyn Io>;

/// What can be read and written.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// Whether to speak TLS.
    pub tls: bool,
}

/// No connection came about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The name has no address.
    #[error("`{host}` cannot be resolved: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        why: String,
    },
    /// All addresses are private or otherwise special.
    #[error(
        "`{host}` is at a private or special address, which this gateway does not connect to \
         (`identity.allow_private` lists exceptions)"
    )]
    Private {
        /// The name.
        host: String,
    },
    /// Nobody answers there.
    #[error("cannot connect to {host}:{port}: {why}")]
    Unreachable {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What happened.
        why: String,
    },
    /// No trust was established.
    #[error("no TLS with {host}:{port}: {why}")]
    Tls {
        /// The name.
        host: String,
        /// The port.
        port: u16,
        /// What happened.
        why: String,
    },
}

/// Connects to other servers, guarded.
pub struct Outbound {
    guard: Guard,
    tls: TlsConnector,
    resolving: Arc<Semaphore>,
    fetching: Arc<Semaphore>,
}

impl Outbound {
    /// Connects to public addresses and these, and trusts whom `tls` trusts.
    pub fn new(allow_private: Vec<Allow>, tls: Arc<ClientConfig>) -> Self {
        Self {
            guard: Guard::new(allow_private),
            tls: TlsConnector::from(tls),
            resolving: Arc::new(Semaphore::new(RESOLVING_AT_MOST)),
            fetching: Arc::new(Semaphore::new(fetch::AT_A_TIME)),
        }
    }

    /// Connects. Has no limit of its own on the whole time: the caller sets one.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Connection, ConnectError> {
        let tcp = self.connect_tcp(target).await?;
        if !target.tls {
            return Ok(Box::new(tcp));
        }
        let failed = |why: String| ConnectError::Tls { host: target.host.clone(), port: target.port, why };
        let name = ServerName::try_from(target.host.clone()).map_err(|error| failed(error.to_string()))?;
        let stream = self.tls.connect(name, tcp).await.map_err(|error| failed(error.to_string()))?;
        Ok(Box::new(stream))
    }

    async fn connect_tcp(&self, target: &Target) -> Result<TcpStream, ConnectError> {
        let resolved = self.resolve(&target.host, target.port).await?;
        let permitted: Vec<SocketAddr> =
            resolved.into_iter().filter(|at| self.guard.permits(&target.host, target.port, at.ip())).collect();
        if permitted.is_empty() {
            return Err(ConnectError::Private { host: target.host.clone() });
        }
        let mut why = String::new();
        for address in permitted.into_iter().take(ADDRESSES_AT_MOST) {
            match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Frames are small and written in batches: waiting for more gains nothing.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => "it does not answer".clone_into(&mut why),
            }
        }
        Err(ConnectError::Unreachable { host: target.host.clone(), port: target.port, why })
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let unresolved = |why: String| ConnectError::Unresolved { host: host.to_owned(), why };
        let place = Arc::clone(&self.resolving)
            .acquire_owned()
            .await
            .map_err(|_| unresolved("the gateway is stopping".to_owned()))?;
        let name = host.to_owned();
        // A task of its own, so that the place is held until the resolver is done.
        let looking = tokio::spawn(async move {
            let found = tokio::net::lookup_host((name, port)).await.map(Iterator::collect::<Vec<_>>);
            drop(place);
            found
        });
        let found = looking.await.map_err(io::Error::other).and_then(|found| found);
        let found = found.map_err(|error| unresolved(error.to_string()))?;
        if found.is_empty() { Err(unresolved("it has no address".to_owned())) } else { Ok(found) }
    }
}

/// Trusts the certificate authorities that the machine's administrator trusts.
pub fn system_tls() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "some of the machine's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    client_tls(roots)
}

/// Trusts these certificate authorities.
pub fn client_tls(roots: RootCertStore) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|_| ClientConfig::builder());
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn outbound(allowed: &[&str]) -> Outbound {
        Outbound::new(allowed.iter().map(|entry| entry.parse().unwrap()).collect(), client_tls(RootCertStore::empty()))
    }

    fn target(host: &str, port: u16) -> Target {
        Target { host: host.to_owned(), port, tls: false }
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_loopback_is_refused_before_anything_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in ["localhost", "127.0.0.1", "::1"] {
            let refused = outbound(&[]).connect(&target(host, port)).await;
            assert!(matches!(refused, Err(ConnectError::Private { .. })), "{host} was not refused");
        }
        let allowed = format!("localhost:{port}");
        outbound(&[&allowed]).connect(&target("localhost", port)).await.unwrap();
        // The first connection that the listener sees is the allowed one.
        listener.accept().await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_port_and_an_unknown_name_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let outbound = outbound(&["127.0.0.0/8"]);
        assert!(matches!(outbound.connect(&target("127.0.0.1", port)).await, Err(ConnectError::Unreachable { .. })));
        assert!(matches!(
            outbound.connect(&target("nowhere.invalid", port)).await,
            Err(ConnectError::Unresolved { .. })
        ));
    }
}
