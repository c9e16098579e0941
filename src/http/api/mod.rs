//! The provisioning API, `/api/v1`: accounts, links, the map, conversations, what waits, and how the
//! bridges are doing; for scripts and the console. Mounted by `http`.
//!
//! Nothing is decided here: requests are read and checked (`input`), done by `core` and the store,
//! and answered. A resource has a module each; `description` is what `/api/v1/openapi.json` says
//! beyond what the routes say of themselves. `docs/operations.md` has examples.

mod accounts;
mod auth;
mod bridges;
mod conversations;
mod deliveries;
mod description;
mod error;
mod input;
mod links;
mod map;
mod page;

use crate::core::{Core, Environment};
use crate::store::Store;
use crate::token::AdminToken;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::get;
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
}

/// The routes under `/api/v1`. All but the description want the administrator's token; wrong ones
/// are counted by [`super::ClientAddress`], which has to be in a request's extensions.
pub fn router(core: Arc<Core>, store: Arc<dyn Store>, environment: Environment, token: AdminToken) -> Router {
    let started = environment.now_ms();
    let (routes, description) = routes();
    let door = Arc::new(auth::Door::new(token));
    let api = routes
        .fallback(async || ApiError::missing("there is nothing at this path; see /api/v1/openapi.json"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not known here; see /api/v1/openapi.json")
        })
        .layer(DefaultBodyLimit::max(input::BODY_BYTES))
        .layer(middleware::from_fn_with_state(door, auth::require_token))
        .with_state(Api { core, store, environment, started });
    // A fallback of its own belongs to a nested router; what is beside it stays out of the token's way.
    Router::new()
        .route(&format!("{PREFIX}/openapi.json"), get(async move || Json(description)))
        .nest(PREFIX, api)
        .layer(middleware::map_response(never_cached))
}

/// Every route, and the description of all.
fn routes() -> (Router<Api>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(description::Description::openapi())
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
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::remove))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::dead_letters))
        .split_for_parts();
    description::complete(&mut document);
    (router, document)
}

/// Answers hold secrets and change at any time.
async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
