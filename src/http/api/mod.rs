//! The provisioning API, `/api/v1`: accounts, links, the map, conversations, what waits, and how the
//! bridges are doing; for scripts and the console. And, under `/api/v1/me`, the account API, for the
//! owner of one account and their clients. Mounted by `http`.
//!
//! Nothing is decided here: requests are read and checked (`input`), done by `core` and the store,
//! and answered. A resource has a module each; `description` is what `/api/v1/openapi.json` says
//! beyond what the routes say of themselves. `docs/operations.md` has examples.

mod accounts;
mod auth;
mod bridges;
mod calls;
mod conversations;
mod deliveries;
mod description;
mod error;
mod input;
mod links;
mod map;
mod me;
mod page;

use crate::core::{Core, Environment};
use crate::store::Store;
use crate::token::AdminToken;
use crate::turn::IceServers;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router};
use error::ApiError;
use std::sync::Arc;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Where the API is.
const PREFIX: &str = "/api/v1";

/// What the handlers work with.
#[derive(Clone)]
struct Api {
    core: Arc<Core>,
    store: Arc<dyn Store>,
    environment: Environment,
    /// When the gateway was started, ms since the epoch.
    started: i64,
    ice: Arc<IceServers>,
    /// Whether people reach the gateway by https and wss.
    secure: bool,
}

/// What is behind the API.
#[derive(Clone)]
pub struct Backing {
    /// The router.
    pub core: Arc<Core>,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Time and randomness.
    pub environment: Environment,
    /// The administrator's token.
    pub token: AdminToken,
    /// The servers that callers are told of.
    pub ice: IceServers,
    /// Whether people reach the gateway by https and wss.
    pub secure: bool,
}

/// The routes under `/api/v1`. All but the description want the administrator's token, or under
/// `/me` an account's; wrong ones are counted by [`super::ClientAddress`], which has to be in a
/// request's extensions.
pub fn router(backing: Backing) -> Router {
    let Backing { core, store, environment, token, ice, secure } = backing;
    let started = environment.now_ms();
    let (administration, account, description) = routes();
    let door = Arc::new(auth::Door::new(token));
    let account_door = Arc::new(auth::AccountDoor::new(Arc::clone(&core)));
    let state = Api { core, store, environment, started, ice: Arc::new(ice), secure };
    let administration = with_failures(administration)
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(door, auth::require_token))
        .with_state(state.clone());
    let account = with_failures(account)
        .route("/me/{*rest}", any(nothing_here))
        .layer(middleware::from_fn_with_state(account_door, auth::require_account))
        .with_state(state);
    // A fallback of its own belongs to a nested router; what is beside it stays out of the token's way.
    Router::new()
        .route(&format!("{PREFIX}/openapi.json"), get(async move || Json(description)))
        .nest(PREFIX, administration)
        .nest(PREFIX, account)
        .layer(middleware::map_response(never_cached))
}

/// The failures that routes have without their handlers.
fn with_failures(routes: Router<Api>) -> Router<Api> {
    routes
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here; see /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(input::BODY_BYTES))
}

async fn nothing_here() -> ApiError {
    ApiError::missing("there is nothing at this path; see /api/v1/openapi.json")
}

/// The routes of administration, those of an account, and the description of all.
fn routes() -> (Router<Api>, Router<Api>, OpenApi) {
    let (administration, mut document) = OpenApiRouter::with_openapi(description::Description::openapi())
        .routes(routes!(bridges::status))
        .routes(routes!(bridges::list))
        .routes(routes!(bridges::one))
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::one, accounts::put, accounts::remove))
        .routes(routes!(accounts::make_token, accounts::revoke_tokens))
        .routes(routes!(links::list, links::add))
        .routes(routes!(links::one, links::remove))
        .routes(routes!(map::list))
        .routes(routes!(map::put, map::remove))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::messages))
        .routes(routes!(calls::list))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::remove))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::dead_letters))
        .split_for_parts();
    let (account, of_account) = me::routes().split_for_parts();
    document.merge(of_account);
    description::complete(&mut document);
    (administration, account, document)
}

/// Answers hold secrets and change at any time.
async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
