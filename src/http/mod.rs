//! The listener's routes: who answers at which path. Health, figures, check tokens and the page at
//! `/` are here; the APIs are `api`, the web client is `web`, join links are `call`, what servers of
//! bridged networks call is `bridges_web`, files are `files`; every other path is an account's and handed to
//! `monster`. Called by `app`, which binds the listener and says what is behind the routes.

pub mod api;
mod bridges_web;
mod call;
mod check;
mod client;
mod files;
mod guard;
mod guesses;
mod health;
mod landing;
mod listener;
mod metrics;
mod origins;
mod web;

pub use call::Links;
pub use check::Redeem;
pub use client::ClientAddress;
pub use health::{Probe, Row};
pub use listener::{Bounds, serve};
pub use metrics::{Gather, recorder};

use crate::config::{PublicUrl, RESERVED, Secret};
use crate::core::Core;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use monster_bridge_api::Bridge;
use std::sync::Arc;

/// The largest body of a request, in bytes. (What is for a bridge has the bridge's own limit.)
const BODY_BYTES: usize = 64 * 1024;

/// What is behind the routes.
pub struct Site {
    /// How the parts of the gateway are doing.
    pub probe: Arc<dyn Probe>,
    /// Where figures are collected, and the token their reader must have; `None` for no `/metrics`.
    pub figures: Option<(PrometheusHandle, Secret)>,
    /// Sets the figures that are read when asked for.
    pub gather: Arc<dyn Gather>,
    /// Ends a check token and tells whom it vouched for.
    pub redeem: Arc<dyn Redeem>,
    /// The provisioning API, with its whole paths.
    pub api: Router,
    /// Answers at the paths of accounts, as its fallback.
    pub accounts: Router,
    /// Opens files of bridges.
    pub core: Arc<Core>,
    /// How many files are handed out at a time.
    pub downloads: usize,
    /// All bridges, of which some answer at paths of their own.
    pub bridges: Vec<Arc<dyn Bridge>>,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Arc<[IpNet]>,
    /// The URL by which people reach the gateway.
    pub public_url: PublicUrl,
    /// What is behind join links.
    pub links: Links,
    /// The directory of the web client; empty for the one within the program.
    pub web_dir: String,
}

/// All routes.
pub fn router(site: Site) -> Router {
    let web = web::Web::new(&site.web_dir, web::Policy::of(&site.public_url));
    let mut router = Router::new()
        .route("/", get(landing::page).with_state(landing::Page::of(&site.public_url)))
        .route("/check/{token}", get(check::redeem).with_state(site.redeem))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready).with_state(site.probe));
    if let Some((handle, token)) = site.figures {
        let figures = metrics::Figures { handle, token, gather: site.gather };
        router = router.route("/metrics", get(metrics::show).with_state(figures));
    }
    router
        .merge(call::routes(site.links, Arc::clone(&web)))
        .merge(web::routes(web))
        .merge(site.api)
        .merge(bridges_web::routes(&site.bridges))
        .merge(files::routes(site.core, site.downloads))
        .fallback_service(site.accounts.layer(middleware::from_fn(keep_reserved)))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(guard::headers))
        .layer(middleware::from_fn(guard::log))
        .layer(middleware::from_fn_with_state(site.trusted_proxies, |State(trusted), request, next| {
            client::find(trusted, request, next)
        }))
}

/// No account lives below a first segment that is the gateway's own.
async fn keep_reserved(request: Request, next: Next) -> Response {
    let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    if RESERVED.contains(&first) {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    }
    next.run(request).await
}
