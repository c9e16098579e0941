//! From a server's name to a stream of bytes: DNS, TCP, TLS. Each step fails with words that say
//! which step it was.

use crate::config::{Config, Encryption, Mode};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A connected stream, plain or TLS.
pub(crate) type Stream = Box<dyn Duplex>;

/// Something that can be read and written.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

const PER_ADDRESS: Duration = Duration::from_secs(10);
const FOR_TLS: Duration = Duration::from_secs(15);

/// Connects as the configuration says; an error is for a person.
pub(crate) async fn dial(config: &Config) -> Result<Stream, String> {
    let (host, port) = config.host_port();
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| format!("the name {host} cannot be resolved: {error}"))?
        .collect();
    let tcp = connect(host, port, &addresses).await?;
    if config.encryption() != Encryption::Tls {
        return Ok(Box::new(tcp));
    }
    let name = if config.mode == Mode::Account { config.account_domain() } else { host };
    secure(name, Box::new(tcp), config.tls_ca_file.as_deref()).await
}

async fn connect(host: &str, port: u16, addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut last = "it has no address".to_owned();
    for address in addresses {
        match tokio::time::timeout(PER_ADDRESS, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Stanzas are small and are waited for.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no answer from {address} within {} s", PER_ADDRESS.as_secs()),
        }
    }
    Err(format!("{host}:{port} does not accept connections: {last}"))
}

/// Begins TLS on a stream, with a certificate that must be `host`'s.
pub(super) async fn secure(host: &str, tcp: Stream, ca_file: Option<&Path>) -> Result<Stream, String> {
    let failed = |why: String| format!("TLS with {host} failed: {why}");
    let connector = connector(ca_file).map_err(&failed)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(FOR_TLS, connector.connect(name, tcp)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no handshake within {} s", FOR_TLS.as_secs()))),
    }
}

fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let unreadable =
                |error: rustls::pki_types::pem::Error| format!("{} cannot be read: {error}", file.display());
            for certificate in CertificateDer::pem_file_iter(file).map_err(unreadable)? {
                roots.add(certificate.map_err(unreadable)?).map_err(|error| error.to_string())?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
