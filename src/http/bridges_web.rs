//! Requests of bridged networks' own servers (`Bridge::web_paths`): a homeserver that hands over what
//! happened, say. The body is read whole and bounded here; whose request it is, each instance with
//! such a path is asked in turn, since only a bridge knows its tokens. Mounted by `http`.

use super::ClientAddress;
use super::origins::Origins;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{self, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use bytes::Bytes;
use monster_bridge_api::Bridge;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The first segments that are there for bridges, of those that are the gateway's own.
const FOR_BRIDGES: [&str; 1] = ["_matrix"];
/// KiB of bodies that are in memory at a time; whoever finds no room waits.
const BODIES_KIB: u32 = 64 << 10;
/// The same of one address of origin; what is more is turned away.
const OF_ORIGIN: usize = 16;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// Whom requests are handed to.
struct Desk {
    /// Each bridge with a path that it answers below, without a `/` at its end.
    answering: Vec<(String, Arc<dyn Bridge>)>,
    bodies_kib: Semaphore,
    origins: Arc<Origins>,
}

/// The routes of all paths that any of the bridges names.
pub(super) fn routes(bridges: &[Arc<dyn Bridge>]) -> Router {
    let mut answering = Vec::new();
    for bridge in bridges {
        for path in bridge.web_paths() {
            if let Some(path) = below(path) {
                answering.push((path.to_owned(), Arc::clone(bridge)));
            } else {
                tracing::error!(path, "a bridge wants a path that is not for bridges; it gets nothing there");
            }
        }
    }
    let paths: BTreeSet<String> = answering.iter().map(|(path, _)| path.clone()).collect();
    let (bodies_kib, origins) = (Semaphore::new(BODIES_KIB as usize), Origins::new(OF_ORIGIN, Arc::from([])));
    let mut router = Router::new();
    for path in paths {
        let rest = format!("{path}/{{*rest}}");
        router = router.route(&path, any(answer)).route(&format!("{path}/"), any(answer)).route(&rest, any(answer));
    }
    router.with_state(Arc::new(Desk { answering, bodies_kib, origins }))
}

/// A bridge's path without a `/` at its end; `None` if it is not one that bridges can have.
fn below(path: &'static str) -> Option<&'static str> {
    let path = path.trim_end_matches('/');
    let mut segments = path.strip_prefix('/')?.split('/');
    let plain = |segment: &str| !segment.is_empty() && !segment.contains(['{', '}', '*', '?', '#']);
    let is_ours = segments.next().is_some_and(|first| FOR_BRIDGES.contains(&first));
    (is_ours && segments.all(plain)).then_some(path)
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let from = request.extensions().get::<ClientAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
    let Some(_entered) = desk.origins.enter(from) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many requests at a time\n").into_response();
    };
    let asked = desk.asked(request.uri().path());
    let longest = asked.iter().map(|bridge| bridge.web_bytes()).max().unwrap_or_default();
    let (request, _room) = match desk.whole(request, longest).await {
        Ok(whole) => whole,
        Err(refused) => return refused.into_response(),
    };
    for bridge in &asked {
        if request.body().len() <= bridge.web_bytes()
            && let Some(answer) = bridge.web(&request).await
        {
            return answer.map(Body::from);
        }
    }
    match asked.first() {
        Some(bridge) => bridge.unclaimed_web().map(Body::from),
        None => (StatusCode::NOT_FOUND, "there is nothing here\n").into_response(),
    }
}

impl Desk {
    /// The bridges with a path that this one is, or is below of.
    fn asked(&self, path: &str) -> Vec<Arc<dyn Bridge>> {
        let is_below =
            |above: &str| path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mut asked: Vec<Arc<dyn Bridge>> = Vec::new();
        for (above, bridge) in &self.answering {
            if is_below(above) && !asked.iter().any(|known| Arc::ptr_eq(known, bridge)) {
                asked.push(Arc::clone(bridge));
            }
        }
        asked
    }

    /// The request with its body read, and the room that this takes.
    async fn whole(
        &self,
        request: Request,
        longest: usize,
    ) -> Result<(http::Request<Bytes>, SemaphorePermit<'_>), (StatusCode, String)> {
        let too_long = || (StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {longest} bytes here at most\n"));
        let (head, body) = request.into_parts();
        let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = announced.unwrap_or(longest);
        if length > longest {
            return Err(too_long());
        }
        let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(BODIES_KIB).min(BODIES_KIB);
        let reading = async {
            let room = self.bodies_kib.acquire_many(kib).await.ok()?;
            Some((axum::body::to_bytes(body, longest).await, room))
        };
        match tokio::time::timeout(BODY_WITHIN, reading).await {
            Ok(Some((Ok(body), room))) => Ok((http::Request::from_parts(head, body), room)),
            Ok(Some((Err(error), _))) if is_too_long(&error) => Err(too_long()),
            Ok(Some((Err(_), _))) => Err((StatusCode::BAD_REQUEST, "the body ended early\n".to_owned())),
            Ok(None) => Err((StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping\n".to_owned())),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body took too long\n".to_owned())),
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

#[cfg(test)]
pub(super) mod tests;
