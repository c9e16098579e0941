//! How a socket comes in: the WebSocket upgrade of an account's URL (RFC 6455 §4.2, `contract.md`
//! "Who is speaking").
//!
//! `http` mounts [`accounts`] as the fallback for every path that is not reserved. The query holds
//! tokens: it is read here and goes nowhere else.

use super::MonsterSide;
use super::exchange::{Exchange, Speaking};
use super::figures::Kind;
use super::handshake::{Handshake, Refusal};
use super::hub::{Device, Key};
use super::limits::Entered;
use super::session::Session;
use crate::core::{Peer, Side, Speaker};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::response::Response;
use monster_bridge_api::DeviceId;
use monster_protocol::Address;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use url::form_urlencoded;

/// What somebody is told who opens an account's URL as a page.
const NO_PAGE: &str = "this is the address of a Monster account: open it as a WebSocket (ws:// or wss://)";
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
    let handshake = Handshake::take(&mut request, NO_PAGE)?;
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
    let (answer, opening) = handshake.answer()?;
    side.spawn(&session.outbox(), async move {
        if let Some(socket) = opening.open(most).await {
            session.run(socket).await;
        }
    });
    Ok(answer)
}

/// Who speaks on the socket, as far as it is known before it is open.
async fn exchange(
    side: &Arc<MonsterSide>,
    here: Address,
    query: Query,
    headers: &HeaderMap,
    origin: Entered,
) -> Result<Exchange, Refusal> {
    let device = |key| Arc::new(Device::named(Arc::default(), query.ext, query.device.clone(), key));
    if let Some(token) = bearer(headers)?.or(query.token) {
        let device = device(Some(key(side, &here, &token).await?));
        let speaking = Speaking::Known(Arc::new(Peer::Account(owner(here.clone(), &device))));
        return Ok(Exchange::new(Arc::clone(side), Kind::Home, here, speaking, device, Some(origin)));
    }
    let (kind, speaking) = if let Some(check_url) = query.check_url {
        let asking = Arc::clone(side);
        let places = origin.identifications();
        let identifying = async move { asking.identifier.identify(&check_url, &places).await };
        (Kind::Peer, Speaking::unknown(Box::pin(identifying)))
    } else {
        (Kind::Anonymous, Speaking::Known(Arc::clone(&side.nobody)))
    };
    Ok(Exchange::new(Arc::clone(side), kind, here, speaking, device(None), Some(origin)))
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

/// What a token opens `here` with, if it does.
async fn key(side: &MonsterSide, here: &Address, token: &str) -> Result<Key, Refusal> {
    let wrong = || {
        let why = "this token does not open this account; `monster-gateway account token NAME` makes a new one";
        Refusal::new(StatusCode::UNAUTHORIZED, why)
    };
    if token.len() > LONGEST_TOKEN {
        return Err(wrong());
    }
    let key = Key { hash: crate::token::hash(token), seen: side.core.revocations() };
    match side.core.owner_of_token(key.hash).await {
        Ok(Some(owner)) if owner == *here => Ok(key),
        Ok(_) => Err(wrong()),
        Err(error) => {
            tracing::warn!(%error, "a token could not be looked up");
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the token could not be looked up; try again"))
        }
    }
}

/// The owner of an account, on this device.
fn owner(account: Address, device: &Device) -> Speaker {
    let (ext, device) = (device.reads_ext(), device.name.clone());
    Speaker { account, side: Side::Home, ext, nickname: None, picture: None, device }
}
