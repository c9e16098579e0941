//! The join link, `/call/{token}`: the page for a guest of a call, and at the same URL the guest's
//! socket (docs/web-api.md "The join link"). What a link is for and what a call does is `calls`'
//! business; here are the page, the limits, and one socket's life (`attend`). A token never reaches
//! a log: the access log has the form of the path only.

mod attend;

use super::ClientAddress;
use super::guesses::Guesses;
use super::origins::{Entered, Origins};
use super::web::Web;
use crate::calls::Guests;
use crate::core::Environment;
use crate::monster::{Handshake, Refusal, is_asked};
use crate::turn::IceServers;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The file of the page.
const PAGE: &str = "call.html";
/// Guests' sockets at a time.
const SOCKETS: usize = 2_000;
/// The same from one address of origin.
const SOCKETS_OF_ORIGIN: usize = 20;
/// The longest frame of a guest, in bytes: a session description, escaped.
const FRAME_BYTES: usize = 256 * 1024;
/// The page is for those who have its URL, and its URL is a secret.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
];

/// What is behind join links.
pub struct Links {
    /// The links and their guests; `None` where there are no calls.
    pub guests: Option<Arc<Guests>>,
    /// The servers that guests are told of.
    pub ice: IceServers,
    /// Time.
    pub environment: Environment,
}

/// The door for guests.
struct Door {
    links: Links,
    web: Arc<Web>,
    guesses: Guesses,
    origins: Arc<Origins>,
    free: Arc<Semaphore>,
}

/// A guest's place among the sockets; dropping it makes room.
struct Seat {
    _of_all: OwnedSemaphorePermit,
    _of_origin: Entered,
}

/// The routes of join links.
pub(super) fn routes(links: Links, web: Arc<Web>) -> Router {
    let origins = Origins::new(SOCKETS_OF_ORIGIN, Arc::from([]));
    let free = Arc::new(Semaphore::new(SOCKETS));
    let door = Arc::new(Door { links, web, guesses: Guesses::default(), origins, free });
    Router::new().route("/call/{token}", get(answer)).with_state(door)
}

async fn answer(State(door): State<Arc<Door>>, Path(token): Path<String>, request: Request) -> Response {
    let from = request.extensions().get::<ClientAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
    if is_asked(request.headers()) {
        return socket(door, token, from, request).unwrap_or_else(Refusal::into_response);
    }
    let status = if door.guesses.must_wait(from).is_some() {
        StatusCode::TOO_MANY_REQUESTS
    } else if door.knows(&token) {
        StatusCode::OK
    } else {
        door.guesses.count_once(from, &token);
        StatusCode::NOT_FOUND
    };
    let mut response = door.web.answer(status, PAGE, request.headers()).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().remove(header::ETAG);
    response
}

/// Opens the guest's socket; whether the link is good is said on it, as browsers tell their pages
/// nothing of an upgrade that was refused.
fn socket(door: Arc<Door>, token: String, from: IpAddr, mut request: Request) -> Result<Response, Refusal> {
    let handshake = Handshake::take(&mut request, "open this as a WebSocket")?;
    let seat = door.seat(from);
    let (answer, opening) = handshake.answer()?;
    tokio::spawn(async move {
        if let Some(socket) = opening.open(FRAME_BYTES).await {
            attend::attend(&door, socket, &token, from, seat).await;
        }
    });
    Ok(answer)
}

impl Door {
    fn knows(&self, token: &str) -> bool {
        self.links.guests.as_ref().is_some_and(|guests| guests.look(token).is_ok())
    }

    /// A place for one more socket of this origin, if there is one.
    fn seat(&self, from: IpAddr) -> Option<Seat> {
        let of_origin = self.origins.enter(from)?;
        let of_all = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(Seat { _of_all: of_all, _of_origin: of_origin })
    }
}

#[cfg(test)]
mod tests;
