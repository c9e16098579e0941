//! Who may use the API: whoever has the administrator's token. Wrong tokens are counted by address
//! of origin, and an origin with too many waits.

use super::error::ApiError;
use crate::http::ClientAddress;
use crate::monster::network_of;
use crate::token::AdminToken;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens of one origin within [`WINDOW`] before it has to wait.
const GUESSES: u32 = 10;
/// How long wrong tokens are remembered, from the first of them on.
const WINDOW: Duration = Duration::from_mins(1);
/// How many origins are remembered.
const ORIGINS: usize = 4096;

/// The door of the API.
#[derive(Debug)]
pub(super) struct Door {
    token: AdminToken,
    guesses: Mutex<HashMap<IpAddr, Guesses>>,
}

#[derive(Debug, Clone, Copy)]
struct Guesses {
    since: Instant,
    count: u32,
}

impl Door {
    pub(super) fn new(token: AdminToken) -> Self {
        Self { token, guesses: Mutex::default() }
    }

    /// Lets whoever presents the token in.
    fn admit(&self, from: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let Some(presented) = bearer(headers) else {
            let why = "expected `Authorization: Bearer TOKEN`; `monster-gateway admin-token` prints the token";
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, why));
        };
        let origin = network_of(from);
        if let Some(pause) = self.must_wait(origin) {
            return Err(ApiError::too_many("too many wrong tokens; wait before you try again", pause));
        }
        if self.token.is(presented) {
            return Ok(());
        }
        self.count_guess(origin);
        tracing::warn!(%from, "a wrong token was presented to the provisioning api");
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "this is not the administrator's token"))
    }

    fn must_wait(&self, origin: IpAddr) -> Option<Duration> {
        let guesses = self.guesses.lock();
        let known = guesses.get(&origin).filter(|known| known.count >= GUESSES)?;
        WINDOW.checked_sub(known.since.elapsed()).filter(|rest| !rest.is_zero())
    }

    fn count_guess(&self, origin: IpAddr) {
        let mut guesses = self.guesses.lock();
        if guesses.len() >= ORIGINS && !guesses.contains_key(&origin) {
            guesses.retain(|_, known| known.since.elapsed() < WINDOW);
            // A guess from everywhere at once must lock nobody out who has the token: the oldest is
            // forgotten. (What protects the token is its length; the limit keeps the noise down.)
            let oldest = guesses.iter().min_by_key(|(_, known)| known.since).map(|(origin, _)| *origin);
            if let Some(oldest) = oldest.filter(|_| guesses.len() >= ORIGINS) {
                guesses.remove(&oldest);
            }
        }
        let now = Instant::now();
        let known = guesses.entry(origin).or_insert(Guesses { since: now, count: 0 });
        if now.duration_since(known.since) >= WINDOW {
            *known = Guesses { since: now, count: 0 };
        }
        known.count += 1;
    }
}

/// The middleware before every route but the description.
pub(super) async fn require_token(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    // Without an address (a test, another listener) all requests count as of one origin.
    let from = request.extensions().get::<ClientAddress>().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |client| client.0);
    match door.admit(from, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        let data = tempfile::tempdir().unwrap();
        Door::new(AdminToken::load_or_make(data.path(), &|bytes| bytes.fill(7)).unwrap())
    }

    fn with(value: &str) -> HeaderMap {
        [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    fn status(result: Result<(), ApiError>) -> u16 {
        result.err().map_or(200, |error| error.status().as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_too_often_waits_and_others_do_not() {
        let door = door();
        let right = with(&format!("Bearer {}", door.token.reveal()));
        let guesser: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..GUESSES {
            assert_eq!(status(door.admit(guesser, &with("Bearer wrong"))), 401);
        }
        let neighbour = "2001:db8::ffff:1".parse().unwrap();
        assert_eq!(status(door.admit(neighbour, &right)), 429);
        assert_eq!(status(door.admit("2001:db8:0:1::1".parse().unwrap(), &right)), 200);
        tokio::time::advance(WINDOW).await;
        assert_eq!(status(door.admit(guesser, &right)), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_everywhere_cost_bounded_memory_and_lock_nobody_out() {
        let door = door();
        for number in 0..u32::try_from(2 * ORIGINS).unwrap() {
            let _ = door.admit(IpAddr::V4(number.into()), &with("Bearer wrong"));
        }
        assert_eq!(door.guesses.lock().len(), ORIGINS);
        let right = with(&format!("Bearer {}", door.token.reveal()));
        assert_eq!(status(door.admit("192.0.2.1".parse().unwrap(), &right)), 200);
    }

    #[test]
    fn only_a_bearer_token_counts() {
        let door = door();
        let from = "192.0.2.1".parse().unwrap();
        let token = door.token.reveal().to_owned();
        assert_eq!(status(door.admit(from, &HeaderMap::new())), 401);
        assert_eq!(status(door.admit(from, &with(&token))), 401);
        assert_eq!(status(door.admit(from, &with(&format!("Basic {token}")))), 401);
        assert_eq!(status(door.admit(from, &with(&format!("bearer {token}")))), 200);
    }
}
