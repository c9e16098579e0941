//! The WebSocket handshake of a server (RFC 6455 §4.2): whether a request asks for it properly, the
//! answer, and the socket afterwards. Used by `upgrade` for accounts, and by `http` for guests of a
//! call; who may open what is theirs to say.

use super::socket::{Socket, settings};
use crate::outbound::Connection;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONNECTION, CONTENT_TYPE, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    WWW_AUTHENTICATE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::borrow::Cow;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// How long our answer to an upgrade may take to be read.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);

/// Why a request is not upgraded.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    why: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, why: impl Into<Cow<'static, str>>) -> Self {
        Self { status, why: why.into() }
    }

    pub(crate) fn into_response(self) -> Response {
        let body = serde_json::json!({ "error": self.why }).to_string();
        let mut response = (self.status, [(CONTENT_TYPE, "application/json")], body).into_response();
        let told = response.headers_mut();
        match self.status {
            StatusCode::UPGRADE_REQUIRED => {
                told.insert(UPGRADE, "websocket".parse().unwrap_or_else(|_| unreachable!()));
                told.insert(SEC_WEBSOCKET_VERSION, 13.into());
            }
            StatusCode::UNAUTHORIZED => {
                told.insert(WWW_AUTHENTICATE, "Bearer".parse().unwrap_or_else(|_| unreachable!()));
            }
            _ => {}
        }
        response
    }
}

/// Whether a request asks for a WebSocket, properly or not.
pub(crate) fn is_asked(headers: &HeaderMap) -> bool {
    has_token(headers, UPGRADE.as_str(), "websocket") && has_token(headers, CONNECTION.as_str(), "upgrade")
}

/// A proper request for a WebSocket.
pub(crate) struct Handshake {
    key: String,
    upgrade: OnUpgrade,
}

/// A WebSocket that is there as soon as the answer was read.
pub(crate) struct Opening(OnUpgrade);

impl Handshake {
    /// Takes the upgrade out of a request. `otherwise`: what to say where none is asked for.
    ///
    /// # Errors
    /// If it is no proper request for a WebSocket: what to do instead.
    pub(crate) fn take(request: &mut Request, otherwise: &'static str) -> Result<Self, Refusal> {
        if !is_asked(request.headers()) {
            return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, otherwise));
        }
        let key = key(request)?;
        match request.extensions_mut().remove::<OnUpgrade>() {
            Some(upgrade) => Ok(Self { key, upgrade }),
            None => Err(Refusal::new(StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket")),
        }
    }

    /// The answer to send, after which the socket can be opened.
    pub(crate) fn answer(self) -> Result<(Response, Opening), Refusal> {
        let answer = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(self.key.as_bytes()))
            .body(Body::empty())
            .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made"))?;
        Ok((answer, Opening(self.upgrade)))
    }
}

impl Opening {
    /// The socket, once the answer was read; `None` if that fails or takes too long.
    pub(crate) async fn open(self, max_frame_bytes: usize) -> Option<Socket> {
        match tokio::time::timeout(UPGRADE_WITHIN, self.0).await {
            Ok(Ok(upgraded)) => return Some(open(upgraded, max_frame_bytes).await),
            Ok(Err(error)) => tracing::debug!(%error, "an upgrade failed"),
            Err(_) => tracing::debug!("an upgrade took too long"),
        }
        None
    }
}

/// The key of a proper handshake; otherwise, what to do instead.
fn key(request: &Request) -> Result<String, Refusal> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "only WebSocket version 13 is spoken here"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).filter(|key| key.len() == 24);
    key.map(str::to_owned).ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing"))
}

fn has_token(headers: &HeaderMap, name: &str, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The WebSocket on an upgraded connection, on the bare TCP stream where that can be had.
async fn open(upgraded: Upgraded, max_frame_bytes: usize) -> Socket {
    let config = Some(settings(max_frame_bytes));
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let stream: Connection = Box::new(parts.io.into_inner());
            WebSocketStream::from_partially_read(stream, parts.read_buf.into(), Role::Server, config).await
        }
        Err(upgraded) => {
            let stream: Connection = Box::new(TokioIo::new(upgraded));
            WebSocketStream::from_raw_socket(stream, Role::Server, config).await
        }
    }
}
