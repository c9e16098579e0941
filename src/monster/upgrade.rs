//! How a socket comes in: the WebSocket upgrade of an account's URL (RFC 6455 §4.2, `contract.md`
//! "Who is speaking").
//!
//! `http` mounts [`accounts`] as the fallback for every path that is not reserved. The query holds
//! tokens: it is read here and goes nowhere else.

use super::MonsterSide;
use super::exchange::{Exchange, Speaking};
use super::figures::Kind;
use super::hub::Device;
use super::limits::Entered;
use super::outbound::Connection;
use super::session::Session;
use super::socket::{Socket, settings};
use crate::core::{Peer, Side, Speaker};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use monster_bridge_api::DeviceId;
use monster_protocol::Address;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use url::form_urlencoded;

/// How long our answer to an upgrade may take to be read.
const UPGRADE_WITHIN: Duration = Duration::from_secs(10);
/// The longest token that is looked up, in bytes.
const LONGEST_TOKEN: usize = 256;

/// The longest name of a device, in bytes.
const LONGEST_DEVICE: usize = 64;

/// Answers at the URLs of accounts. `origin` tells where a request comes from.
pub fn accounts(
    side: Arc<MonsterSide>,
    origin: impl Fn(&Request) -> Option<IpAddr> + Clone + Send + Sync + 'static,
) -> Router {
    Router::new().fallback(move |request: Request| {
        let from = origin(&request).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let side = Arc::clone(&side);
        async move { accept(side, from, request).await.unwrap_or_else(Refusal::into_response) }
    })
}

/// Why a request is not upgraded.
struct Refusal {
    status: StatusCode,
    why: Cow<'static, str>,
}

impl Refusal {
    fn new(status: StatusCode, why: impl Into<Cow<'static, str>>) -> Self {
        Self { status, why: why.into() }
    }

    fn into_response(self) -> Response {
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

/// What the query says.
#[derive(Default)]
struct Query {
    check_url: Option<String>,
    token: Option<String>,
    ext: bool,
    device: Option<DeviceId>,
}

impl Query {
    fn read(text: &str) -> Self {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "checkUrl" => query.check_url = Some(value.into_owned()),
                "token" => query.token = Some(value.into_owned()),
                "ext" => query.ext = value == "1",
                "device" if is_device(&value) => query.device = Some(DeviceId::new(value)),
                _ => {}
            }
        }
        query
    }
}

/// What a client may call its device, so that it is known again after it lost its socket.
fn is_device(name: &str) -> bool {
    (1..=LONGEST_DEVICE).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

async fn accept(side: Arc<MonsterSide>, from: IpAddr, mut request: Request) -> Result<Response, Refusal> {
    let here = Address::from_path(&side.options.ours, request.uri().path())
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, format!("this path is no account: {error}")))?;
    let key = handshake_key(&request)?;
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>() else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "this connection cannot become a WebSocket"));
    };
    if side.is_stopping() {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "this server is restarting; try again in a moment"));
    }
    let origin = side
        .limiter
        .enter(from)
        .map_err(|too_many| Refusal::new(StatusCode::TOO_MANY_REQUESTS, too_many.to_string()))?;
    let query = Query::read(request.uri().query().unwrap_or_default());
    let exchange = exchange(&side, here, query, request.headers(), origin).await?;
    let session = Session::new(exchange, side.options.patience);
    let most = side.options.max_frame_bytes;
    side.spawn(&session.outbox(), async move {
        match tokio::time::timeout(UPGRADE_WITHIN, upgrade).await {
            Ok(Ok(upgraded)) => {
                let socket = open(upgraded, most).await;
                session.run(socket).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "an upgrade failed"),
            Err(_) => tracing::debug!("an upgrade took too long"),
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, derive_accept_key(key.as_bytes()))
        .body(Body::empty())
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer could not be made"))
}

/// The key of a proper handshake; otherwise, what to do instead.
fn handshake_key(request: &Request) -> Result<String, Refusal> {
    let headers = request.headers();
    if !has_token(headers, UPGRADE.as_str(), "websocket") || !has_token(headers, CONNECTION.as_str(), "upgrade") {
        let why = "this is the address of a Monster account: open it as a WebSocket (ws:// or wss://)";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, why));
    }
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

/// Who speaks on the socket, as far as it is known before it is open.
async fn exchange(
    side: &Arc<MonsterSide>,
    here: Address,
    query: Query,
    headers: &HeaderMap,
    origin: Entered,
) -> Result<Exchange, Refusal> {
    let device = Arc::new(Device::named(Arc::default(), query.ext, query.device));
    let (kind, speaking) = if let Some(token) = bearer(headers)?.or(query.token) {
        let owner = owner(side, &here, &token, &device).await?;
        (Kind::Home, Speaking::Known(Arc::new(Peer::Account(owner))))
    } else if let Some(check_url) = query.check_url {
        let asking = Arc::clone(side);
        let places = origin.identifications();
        let identifying = async move { asking.identifier.identify(&check_url, &places).await };
        (Kind::Peer, Speaking::unknown(Box::pin(identifying)))
    } else {
        (Kind::Anonymous, Speaking::Known(Arc::clone(&side.nobody)))
    };
    Ok(Exchange::new(Arc::clone(side), kind, here, speaking, device, Some(origin)))
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        _ => Err(Refusal::new(StatusCode::UNAUTHORIZED, "expected `Authorization: Bearer` and the account's token")),
    }
}

/// The owner of `here`, if the token is theirs.
async fn owner(side: &MonsterSide, here: &Address, token: &str, device: &Device) -> Result<Speaker, Refusal> {
    let wrong = || {
        let why = "this token does not open this account; `monster-gateway account token NAME` makes a new one";
        Refusal::new(StatusCode::UNAUTHORIZED, why)
    };
    if token.len() > LONGEST_TOKEN {
        return Err(wrong());
    }
    match side.core.owner_of_token(crate::token::hash(token)).await {
        Ok(Some(owner)) if owner == *here => {
            let (ext, device) = (device.reads_ext(), device.name.clone());
            Ok(Speaker { account: owner, side: Side::Home, ext, nickname: None, picture: None, device })
        }
        Ok(_) => Err(wrong()),
        Err(error) => {
            tracing::warn!(%error, "a token could not be looked up");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the token could not be looked up; try again"))
        }
    }
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
