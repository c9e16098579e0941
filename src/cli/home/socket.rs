//! The home socket of a command: connecting, and connecting again.

use super::Home;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::plain::one_line;
use futures_util::{SinkExt as _, StreamExt as _};
use monster_protocol::DEFAULT_MAX_FRAME_BYTES;
use rustls::pki_types::ServerName;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);
/// The first and the longest pause between attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// After so much silence the gateway is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(30);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// An open home socket.
pub(in crate::cli) struct Link {
    socket: WebSocketStream<Box<dyn Stream>>,
    asked_for_life: bool,
}

impl Link {
    /// Connects once.
    pub(in crate::cli) async fn open(home: &Home) -> Outcome<Self> {
        let opened = tokio::time::timeout(CONNECT, connect(home)).await;
        opened.unwrap_or_else(|_| Err(Refused::Later("it does not answer".to_owned()))).map_err(|why| why.told(home))
    }

    /// Connects again after a loss, for as long as it takes.
    pub(in crate::cli) async fn open_again(home: &Home) -> Outcome<Self> {
        let (mut pause, longest) = PAUSES;
        loop {
            match tokio::time::timeout(CONNECT, connect(home)).await {
                Ok(Ok(link)) => return Ok(link),
                Ok(Err(why @ Refused::ForGood(_))) => return Err(why.told(home)),
                Ok(Err(Refused::Later(_))) | Err(_) => {}
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(longest);
        }
    }

    /// The next frame; `None` when the socket has ended.
    pub(in crate::cli) async fn next(&mut self) -> Option<Value> {
        loop {
            let Ok(heard) = tokio::time::timeout(PING_AFTER, self.socket.next()).await else {
                if self.asked_for_life || self.socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return None;
                }
                self.asked_for_life = true;
                continue;
            };
            self.asked_for_life = false;
            match heard?.ok()? {
                Message::Text(text) => {
                    if let Ok(frame @ Value::Object(_)) = serde_json::from_str(&text) {
                        return Some(frame);
                    }
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Sends a frame. If the socket has ended, [`Link::next`] will tell.
    pub(in crate::cli) async fn send(&mut self, frame: &Value) {
        let _ = self.socket.send(Message::text(frame.to_string())).await;
    }

    /// Closes the socket properly.
    pub(in crate::cli) async fn close(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.socket.close(None)).await;
    }
}

/// Why there is no socket.
enum Refused {
    /// It may be there later.
    Later(String),
    /// Trying again would not help.
    ForGood(String),
}

impl Refused {
    fn told(self, home: &Home) -> Failure {
        let at = format!("{}:{}", home.host, home.port);
        match self {
            Self::Later(why) => {
                Failure::unavailable(format!("no gateway can be reached at {at} ({why}); `monster-gateway` starts one"))
            }
            Self::ForGood(why) => Failure::permission(format!("the gateway at {at} refuses {}: {why}", home.account)),
        }
    }
}

async fn connect(home: &Home) -> Result<Link, Refused> {
    let later = |error: std::io::Error| Refused::Later(error.to_string());
    let tcp = TcpStream::connect((home.host.as_str(), home.port)).await.map_err(later)?;
    let stream: Box<dyn Stream> = if home.tls { Box::new(secure(home, tcp).await?) } else { Box::new(tcp) };
    let mut request = format!("{}?ext=1", home.account.to_url(home.tls))
        .into_client_request()
        .map_err(|error| Refused::ForGood(error.to_string()))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", home.token));
    let bearer = bearer.map_err(|_| Refused::ForGood("the token has characters that no token has".to_owned()))?;
    request.headers_mut().insert("authorization", bearer);
    let settings = WebSocketConfig::default().max_message_size(Some(4 * DEFAULT_MAX_FRAME_BYTES));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(settings)).await {
        Ok((socket, _)) => Ok(Link { socket, asked_for_life: false }),
        Err(Error::Http(answer)) => {
            let status = answer.status();
            let why = answer.body().as_deref().and_then(told).unwrap_or_else(|| format!("it answered {status}"));
            if status.is_server_error() || status.as_u16() == 429 {
                Err(Refused::Later(why))
            } else {
                Err(Refused::ForGood(why))
            }
        }
        Err(error) => Err(Refused::Later(error.to_string())),
    }
}

/// What the answer to a refused upgrade says.
fn told(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer["error"].as_str().map(one_line)
}

async fn secure(home: &Home, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Refused> {
    let name = ServerName::try_from(home.host.clone()).map_err(|error| Refused::ForGood(error.to_string()))?;
    let tls = tokio_rustls::TlsConnector::from(crate::outbound::system_tls());
    tls.connect(name, tcp).await.map_err(|error| Refused::Later(error.to_string()))
}
