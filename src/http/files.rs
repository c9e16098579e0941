//! `/media/{token}/{name}`: files of bridged networks, for those who have a link
//! (`Core::open_file`). Handed out as a stream, so many at a time, with headers that keep a browser
//! from doing anything with them but to show a picture, play a sound or save them.

use super::ClientAddress;
use super::origins::{Entered, Origins};
use crate::core::{Core, OpenFile};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use monster_bridge_api::{Media, MediaError};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Files that one address of origin gets at a time.
const OF_ORIGIN: usize = 16;
/// Pieces that wait for a reader.
const AHEAD: usize = 4;
/// How long a network may take for one piece, and how long a reader.
const PIECE_WITHIN: Duration = Duration::from_mins(1);

/// What browsers show or play, and nothing that could hold a program.
const SHOWN: [&str; 18] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/mpeg",
    "audio/mp4",
    "audio/aac",
    "audio/ogg",
    "audio/opus",
    "audio/wav",
    "audio/x-wav",
    "audio/webm",
    "audio/flac",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
];

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox")),
    // A link stands for the same file as long as it is good.
    (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin")),
    (HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow")),
];

struct Desk {
    core: Arc<Core>,
    free: Arc<Semaphore>,
    origins: Arc<Origins>,
}

/// The route; at most `at_a_time` files are handed out at a time.
pub(super) fn routes(core: Arc<Core>, at_a_time: usize) -> Router {
    let free = Arc::new(Semaphore::new(at_a_time.min(Semaphore::MAX_PERMITS)));
    let desk = Arc::new(Desk { core, free, origins: Origins::new(OF_ORIGIN, Arc::from([])) });
    Router::new().route("/media/{token}/{name}", get(hand_out)).with_state(desk)
}

async fn hand_out(
    State(desk): State<Arc<Desk>>,
    Path((token, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let from = request.extensions().get::<ClientAddress>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0);
    let entered = desk.origins.enter(from);
    let (Some(entered), Ok(permit)) = (entered, Arc::clone(&desk.free).try_acquire_owned()) else {
        let busy = "too many files are being handed out now; try again in a moment\n";
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], busy).into_response();
    };
    match desk.core.open_file(&token, &name).await {
        Ok(file) => answer(file, request.method() == Method::HEAD, (entered, permit)),
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &MediaError) -> Response {
    let status = match error {
        MediaError::Gone(_) => StatusCode::NOT_FOUND,
        MediaError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        MediaError::Refused(_) => StatusCode::FORBIDDEN,
        MediaError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{error}\n")).into_response()
}

fn answer(file: OpenFile, head: bool, seat: (Entered, OwnedSemaphorePermit)) -> Response {
    let OpenFile { name, media } = file;
    let named = media.media_type.as_deref().and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let shown = SHOWN.iter().find(|kind| kind.eq_ignore_ascii_case(named));
    let disposition = if shown.is_some() { "inline" } else { "attachment" };
    let size = media.size;
    let body = if head { Body::empty() } else { Body::from_stream(pumped(media, seat)) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (Some(name), value)));
    let kind = HeaderValue::from_static(shown.copied().unwrap_or("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    let disposition = format!("{disposition}; filename*=UTF-8''{}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
    if let Ok(disposition) = disposition.parse() {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, size.into());
    }
    response
}

/// The pieces of a file by way of a task, so that a reader who stops reading gives the place back.
fn pumped(media: Media, seat: (Entered, OwnedSemaphorePermit)) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let (give, take) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        pump(media, give).await;
        drop(seat);
    });
    stream::unfold(take, async |mut take| Some((take.recv().await?, take)))
}

async fn pump(mut media: Media, give: mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let piece = match tokio::time::timeout(PIECE_WITHIN, media.body.next()).await {
            Ok(Some(piece)) => piece,
            Ok(None) => return,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the file comes too slowly")),
        };
        let ends = piece.is_err();
        let taken = tokio::time::timeout(PIECE_WITHIN, give.send(piece)).await;
        if ends || !matches!(taken, Ok(Ok(()))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
