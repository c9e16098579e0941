//! The homeserver's requests (Matrix v1.17 application-service API): transactions, and whether a user or
//! a room exists. A request with another token is not for this instance.

use super::demand;
use super::hear::{self, Transaction};
use super::hints;
use super::instance::{Instance, Running};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Where homeservers call.
pub(crate) const PATH: &str = "/_matrix/app/";
/// A transaction has a hundred events of 64 KiB at most.
pub(crate) const LONGEST: usize = 16 << 20;
/// How many transactions are remembered as done.
const REMEMBERED: usize = 64;

/// Transactions: one at a time, and each once.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    turn: tokio::sync::Mutex<()>,
    done: Mutex<VecDeque<String>>,
}

impl Taken {
    /// Waits until no transaction is being taken; none is until the guard ends.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn is_done(&self, transaction: &str) -> bool {
        self.done.lock().iter().any(|done| done == transaction)
    }

    /// Whether there may be one between the last transaction and this one. Synapse numbers them, those
    /// of other services among them.
    fn is_gap(&self, transaction: &str) -> bool {
        let number = |id: &str| id.parse::<u64>().ok();
        let last = self.done.lock().back().and_then(|last| number(last));
        last.zip(number(transaction)).is_some_and(|(last, now)| now > last + 1)
    }

    fn set_done(&self, transaction: &str) {
        let mut done = self.done.lock();
        if done.len() >= REMEMBERED {
            done.pop_front();
        }
        done.push_back(transaction.to_owned());
    }
}

/// Answers a request; `None` if it has not this instance's token.
pub(crate) async fn answer(instance: &Arc<Instance>, request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let expected = instance.tokens().ok()?.homeserver.reveal().to_owned();
    let given = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    if !bool::from(given.as_bytes().ct_eq(expected.as_bytes())) {
        return None;
    }
    let Some(running) = instance.running() else {
        return Some(error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", "the bridge is not running"));
    };
    let path = request.uri().path().strip_prefix(PATH)?;
    let segments: Option<Vec<String>> = path
        .split('/')
        .map(|segment| percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned))
        .collect();
    let Some(segments) = segments else {
        return Some(error(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", "the path is not UTF-8"));
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    Some(match (request.method(), &segments[..]) {
        (&Method::PUT, ["v1", "transactions", id]) => transaction(instance, &running, id, request.body()).await,
        (&Method::POST, ["v1", "ping"]) => ok(),
        (&Method::GET, ["v1", "users", user]) => found(demand::user(instance, &running, user).await),
        (&Method::GET, ["v1", "rooms", alias]) => found(demand::room(instance, &running, alias).await),
        _ => error(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "this is not known here"),
    })
}

async fn transaction(instance: &Arc<Instance>, running: &Arc<Running>, id: &str, body: &[u8]) -> Response<Bytes> {
    let Ok(told) = serde_json::from_slice::<Transaction<'_>>(body) else {
        return error(StatusCode::BAD_REQUEST, "M_NOT_JSON", "the transaction cannot be read");
    };
    let _turn = instance.taken.turn().await;
    if instance.taken.is_done(id) {
        return ok();
    }
    if hear::transaction(instance, running, &told, instance.taken.is_gap(id)).await.is_err() {
        instance.marks.doubt();
        return error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", "the journal is not available now");
    }
    instance.taken.set_done(id);
    for raw in told.ephemeral.iter().chain(&told.ephemeral_before) {
        if let Some(raw) = crate::map::parse(raw.get()) {
            hints::heard(instance, running, &raw).await;
        }
    }
    ok()
}

fn found(found: bool) -> Response<Bytes> {
    if found { ok() } else { error(StatusCode::NOT_FOUND, "M_NOT_FOUND", "there is no such user or room") }
}

fn ok() -> Response<Bytes> {
    json_response(StatusCode::OK, &json!({}))
}

/// An error as Matrix says it.
pub(crate) fn error(status: StatusCode, code: &str, why: &str) -> Response<Bytes> {
    json_response(status, &json!({ "errcode": code, "error": why }))
}

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
