//! Tries a STUN or TURN server as a caller would: a Binding (RFC 8489 §2), or an allocation with
//! credentials, given back at once (RFC 8656 §7), over UDP, TCP or TLS. Called by `doctor`.

use super::url::{ServerUrl, Transport};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use turn_types::TurnCredentials;
use turn_types::attribute::{Lifetime, RequestedTransport, XorRelayedAddress};
use turn_types::message::{ALLOCATE, REFRESH};
use turn_types::stun::attribute::{ErrorCode, Nonce, Realm, Username, XorMappedAddress};
use turn_types::stun::message::{
    BINDING, IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageIntegrityCredentials, MessageWrite as _,
    MessageWriteExt as _, MessageWriteVec, Method, StunWriteError,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one answer may take over UDP before the request is sent again; the last one waits for
/// as long over a connection as all of them together.
const ANSWER: Duration = Duration::from_secs(1);
/// How often a request is sent over UDP: datagrams get lost.
const TRIES: u32 = 4;
/// The longest message that is read, in bytes.
const LONGEST: usize = 2048;
/// How long a message's head is (RFC 8489 §5), in bytes.
const HEAD: usize = 20;
/// IP's number of UDP, in REQUESTED-TRANSPORT.
const UDP: u8 = 17;
/// Unauthenticated, and Stale Nonce: the answer says with what to ask again.
const ASK_AGAIN: [u16; 2] = [401, 438];

/// What a server gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// Where the server was reached.
    pub server: SocketAddr,
    /// The address that it sees this machine by.
    pub seen_as: Option<SocketAddr>,
    /// For a TURN server: the address that it relayed for.
    pub relayed: Option<SocketAddr>,
}

/// Why a server could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Its name leads nowhere.
    #[error("{0} is not known")]
    Name(String),
    /// No connection.
    #[error("no connection to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    /// TLS failed.
    #[error("no TLS with {0}: {1}")]
    Tls(SocketAddr, io::Error),
    /// No answer.
    #[error("no answer from {0}")]
    Silent(SocketAddr),
    /// The connection broke, or nothing could be sent.
    #[error("{0}: {1}")]
    Io(SocketAddr, io::Error),
    /// It answered with something else.
    #[error("{0} does not speak STUN")]
    Nonsense(SocketAddr),
    /// It did not want to.
    #[error("{server} refused: {code} {reason}")]
    Refused {
        /// Where it is.
        server: SocketAddr,
        /// The STUN error code.
        code: u16,
        /// What it said, of printable characters only.
        reason: String,
    },
    /// The request could not be written (a user name of 600 bytes).
    #[error("the request cannot be written: {0}")]
    Write(#[from] StunWriteError),
}

/// Tries a server; `credentials` (user name and password) are for TURN.
///
/// # Errors
/// If it cannot be used, and why.
pub async fn try_server(url: &ServerUrl, credentials: (&str, &str)) -> Result<Tried, ProbeError> {
    let unknown = || ProbeError::Name(url.host.clone());
    let mut found = tokio::net::lookup_host((url.host.as_str(), url.port)).await.map_err(|_| unknown())?;
    let server = found.next().ok_or_else(unknown)?;
    let mut way = Way::open(url, server).await?;
    if url.relays { allocate(&mut way, credentials).await } else { bind(&mut way).await }
}

async fn bind(way: &mut Way) -> Result<Tried, ProbeError> {
    let answer = way.ask(Message::builder_request(BINDING, MessageWriteVec::new()).finish()).await?;
    let answer = way.read(&answer)?;
    Ok(Tried { server: way.server, seen_as: seen_as(&answer), relayed: None })
}

async fn allocate(way: &mut Way, (username, password): (&str, &str)) -> Result<Tried, ProbeError> {
    // The first one is refused, with what the credentials have to be mixed with.
    let first = request(ALLOCATE)?.finish();
    let refusal = way.ask(first).await?;
    let mut login = Login::of(way, &refusal, username, password)?;
    let answer = login.ask(way, || request(ALLOCATE)).await?;
    let message = way.read(&answer)?;
    let relayed = message.attribute::<XorRelayedAddress>().ok();
    let relayed = relayed.map(|relayed| relayed.addr(message.transaction_id()));
    let tried = Tried { server: way.server, seen_as: seen_as(&message), relayed };
    // Given back, so that the server has its port again; it would find out by itself in minutes.
    let given_back = login.ask(way, || {
        let mut refresh = Message::builder_request(REFRESH, MessageWriteVec::new());
        refresh.add_attribute(&Lifetime::new(0))?;
        Ok(refresh)
    });
    if let Err(error) = given_back.await {
        tracing::debug!(%error, "an allocation could not be given back");
    }
    Ok(tried)
}

fn request(method: Method) -> Result<MessageWriteVec, StunWriteError> {
    let mut request = Message::builder_request(method, MessageWriteVec::new());
    request.add_attribute(&RequestedTransport::new(UDP))?;
    Ok(request)
}

fn seen_as(message: &Message<'_>) -> Option<SocketAddr> {
    let mapped = message.attribute::<XorMappedAddress>().ok()?;
    Some(mapped.addr(message.transaction_id()))
}

/// What requests have to show (RFC 8489 §9.2).
struct Login {
    username: Username,
    realm: Realm,
    nonce: Nonce,
    key: MessageIntegrityCredentials,
}

impl Login {
    fn of(way: &Way, refusal: &[u8], username: &str, password: &str) -> Result<Self, ProbeError> {
        let message = Message::from_bytes(refusal).map_err(|_| ProbeError::Nonsense(way.server))?;
        let (Ok(realm), Ok(nonce)) = (message.attribute::<Realm>(), message.attribute::<Nonce>()) else {
            way.read(refusal)?;
            return Err(ProbeError::Nonsense(way.server));
        };
        let credentials = TurnCredentials::new(username, password);
        let key: LongTermKeyCredentials = credentials.into_long_term_credentials(realm.realm());
        let (realm, nonce) = (Realm::new(realm.realm())?, Nonce::new(nonce.nonce())?);
        Ok(Self { username: Username::new(username)?, realm, nonce, key: key.into() })
    }

    /// Asks, and once more if the nonce has become stale meanwhile.
    async fn ask(
        &mut self,
        way: &mut Way,
        make: impl Fn() -> Result<MessageWriteVec, StunWriteError>,
    ) -> Result<Vec<u8>, ProbeError> {
        let answer = way.ask(self.sign(make()?)?).await?;
        let message = Message::from_bytes(&answer).map_err(|_| ProbeError::Nonsense(way.server))?;
        match (message.attribute::<ErrorCode>(), message.attribute::<Nonce>()) {
            (Ok(code), Ok(nonce)) if code.code() == ASK_AGAIN[1] => {
                self.nonce = Nonce::new(nonce.nonce())?;
                way.ask(self.sign(make()?)?).await
            }
            _ => Ok(answer),
        }
    }

    fn sign(&self, mut request: MessageWriteVec) -> Result<Vec<u8>, StunWriteError> {
        request.add_attribute(&self.username)?;
        request.add_attribute(&self.realm)?;
        request.add_attribute(&self.nonce)?;
        request.add_message_integrity(&self.key, IntegrityAlgorithm::Sha1)?;
        Ok(request.finish())
    }
}

/// The way to a server.
struct Way {
    server: SocketAddr,
    wire: Wire,
}

enum Wire {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Way {
    async fn open(url: &ServerUrl, server: SocketAddr) -> Result<Self, ProbeError> {
        let wire = match url.transport {
            Transport::Udp => Wire::Datagrams(datagrams(server).await.map_err(|why| ProbeError::Io(server, why))?),
            Transport::Tcp => Wire::Stream(Box::new(connect(server).await?)),
            Transport::Tls => Wire::Stream(secured(connect(server).await?, &url.host, server).await?),
        };
        Ok(Self { server, wire })
    }

    /// Sends a request and gives the answer to it, of whatever kind.
    async fn ask(&mut self, request: Vec<u8>) -> Result<Vec<u8>, ProbeError> {
        let answer = match &mut self.wire {
            Wire::Datagrams(socket) => over_datagrams(socket, &request).await,
            Wire::Stream(stream) => match timeout(TRIES * ANSWER, over_stream(stream, &request)).await {
                Ok(answer) => answer.map(Some),
                Err(_) => Ok(None),
            },
        };
        match answer {
            Ok(Some(answer)) if is_answer(&answer, &request) => Ok(answer),
            Ok(Some(_)) => Err(ProbeError::Nonsense(self.server)),
            Ok(None) => Err(ProbeError::Silent(self.server)),
            Err(why) => Err(ProbeError::Io(self.server, why)),
        }
    }

    /// A success; a refusal is an error.
    fn read<'a>(&self, answer: &'a [u8]) -> Result<Message<'a>, ProbeError> {
        let message = Message::from_bytes(answer).map_err(|_| ProbeError::Nonsense(self.server))?;
        match message.attribute::<ErrorCode>() {
            Err(_) => Ok(message),
            Ok(error) => {
                let reason = error.reason().chars().filter(|c| !c.is_control()).take(100).collect();
                Err(ProbeError::Refused { server: self.server, code: error.code(), reason })
            }
        }
    }
}

async fn datagrams(server: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).await?;
    socket.connect(server).await?;
    Ok(socket)
}

async fn connect(server: SocketAddr) -> Result<TcpStream, ProbeError> {
    match timeout(CONNECT, TcpStream::connect(server)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(why)) => Err(ProbeError::Connect(server, why)),
        Err(_) => Err(ProbeError::Connect(server, io::ErrorKind::TimedOut.into())),
    }
}

async fn secured(stream: TcpStream, host: &str, server: SocketAddr) -> Result<Box<dyn Stream>, ProbeError> {
    let failed = |why: io::Error| ProbeError::Tls(server, why);
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(|why| failed(io::Error::other(why)))?;
    let connecting = tokio_rustls::TlsConnector::from(crate::outbound::system_tls()).connect(name, stream);
    match timeout(CONNECT, connecting).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(why)) => Err(failed(why)),
        Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
    }
}

async fn over_datagrams(socket: &UdpSocket, request: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut answer = vec![0; LONGEST];
    for _ in 0..TRIES {
        socket.send(request).await?;
        if let Ok(length) = timeout(ANSWER, socket.recv(&mut answer)).await {
            answer.truncate(length?);
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// A message says its own length (RFC 8489 §6.2.2).
async fn over_stream(stream: &mut dyn Stream, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = vec![0; HEAD];
    stream.read_exact(&mut answer).await?;
    let length = HEAD + usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    if length > LONGEST {
        return Ok(answer);
    }
    answer.resize(length, 0);
    stream.read_exact(&mut answer[HEAD..]).await?;
    Ok(answer)
}

fn is_answer(answer: &[u8], request: &[u8]) -> bool {
    let read = |bytes| Message::from_bytes(bytes).ok().map(|message| (message.transaction_id(), message.is_response()));
    match (read(answer), read(request)) {
        (Some((answered, true)), Some((asked, _))) => answered == asked,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
