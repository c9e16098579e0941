//! Who may use the API: whoever has the administrator's token; and under `/me` the owner of an
//! account, with the token of their home sockets. Wrong tokens are counted by address of origin, and
//! an origin with too many waits.

use super::error::ApiError;
use crate::core::Core;
use crate::http::ClientAddress;
use crate::http::guesses::Guesses;
use crate::store::StoreError;
use crate::token::AdminToken;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use monster_protocol::Address;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The longest token that is looked up, in bytes.
const LONGEST_TOKEN: usize = 256;

/// The door of the provisioning API.
#[derive(Debug)]
pub(super) struct Door {
    token: AdminToken,
    guesses: Guesses,
}

impl Door {
    pub(super) fn new(token: AdminToken) -> Self {
        Self { token, guesses: Guesses::default() }
    }

    /// Lets whoever presents the token in.
    fn admit(&self, from: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
        let why = "expected `Authorization: Bearer TOKEN`; `monster-gateway admin-token` prints the token";
        let presented = presented(&self.guesses, from, headers, why)?;
        if self.token.is(presented) {
            return Ok(());
        }
        self.guesses.count(from);
        tracing::warn!(%from, "a wrong token was presented to the provisioning api");
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "this is not the administrator's token"))
    }
}

/// The middleware before every route of the provisioning API but the description.
pub(super) async fn require_token(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    match door.admit(origin_of(&request), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The door of the account API.
pub(super) struct AccountDoor {
    core: Arc<Core>,
    guesses: Guesses,
}

/// Whose token a request had; in the extensions of requests to the account API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner(pub(super) Address);

impl AccountDoor {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, guesses: Guesses::default() }
    }

    /// Whose token is presented. It is looked up by its hash, which tells nothing by its duration.
    async fn admit(&self, from: IpAddr, headers: &HeaderMap) -> Result<Owner, ApiError> {
        let why = "expected `Authorization: Bearer TOKEN`; `monster-gateway account token NAME` makes one";
        let presented = presented(&self.guesses, from, headers, why)?;
        let owner = match presented.len() {
            0..=LONGEST_TOKEN => self.core.owner_of_token(crate::token::hash(presented)).await,
            _ => Ok::<_, StoreError>(None),
        };
        if let Some(owner) = owner? {
            return Ok(Owner(owner));
        }
        self.guesses.count(from);
        tracing::debug!(%from, "a wrong token was presented to the account api");
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "this token does not open any account"))
    }
}

/// The middleware before every route of the account API.
pub(super) async fn require_account(
    State(door): State<Arc<AccountDoor>>,
    mut request: Request,
    next: Next,
) -> Response {
    match door.admit(origin_of(&request), request.headers()).await {
        Ok(owner) => {
            request.extensions_mut().insert(owner);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

/// Without an address (a test, another listener) all requests count as of one origin.
fn origin_of(request: &Request) -> IpAddr {
    request.extensions().get::<ClientAddress>().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |client| client.0)
}

/// The token that is presented, if this origin may present one.
fn presented<'a>(guesses: &Guesses, from: IpAddr, headers: &'a HeaderMap, why: &str) -> Result<&'a str, ApiError> {
    let presented = bearer(headers).ok_or_else(|| ApiError::new(StatusCode::UNAUTHORIZED, why))?;
    match guesses.must_wait(from) {
        Some(pause) => Err(ApiError::too_many("too many wrong tokens; wait before you try again", pause)),
        None => Ok(presented),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::guesses::{GUESSES, WINDOW};

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
    async fn who_guesses_too_often_waits_even_with_the_right_token() {
        let door = door();
        let right = with(&format!("Bearer {}", door.token.reveal()));
        let guesser: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..GUESSES {
            assert_eq!(status(door.admit(guesser, &with("Bearer wrong"))), 401);
        }
        assert_eq!(status(door.admit(guesser, &right)), 429);
        assert_eq!(status(door.admit("192.0.2.2".parse().unwrap(), &right)), 200);
        tokio::time::advance(WINDOW).await;
        assert_eq!(status(door.admit(guesser, &right)), 200);
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
