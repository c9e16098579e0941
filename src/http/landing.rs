//! The page at `/`, for people who open the gateway's URL in a browser: what this is and how to
//! connect. It has no secrets, no scripts and nothing from elsewhere.

use crate::config::PublicUrl;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// The page as it is sent.
#[derive(Clone)]
pub(super) struct Page {
    html: Arc<str>,
    policy: Arc<str>,
}

impl Page {
    /// The page of a gateway at this URL.
    pub(super) fn of(public_url: &PublicUrl) -> Self {
        let scheme = if public_url.is_secure() { "wss" } else { "ws" };
        // An authority has no characters that mean something in HTML.
        let html = include_str!("landing.html")
            .replace("{host}", public_url.authority().as_str())
            .replace("{scheme}", scheme)
            .replace("{style}", STYLE);
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        );
        Self { html: html.into(), policy: policy.into() }
    }
}

const STYLE: &str = include_str!("landing.css");

/// Answers `/`.
pub(super) async fn page(State(page): State<Page>) -> Response {
    let policy = [(header::CONTENT_SECURITY_POLICY, page.policy.to_string())];
    (policy, Html(page.html.to_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::collections::HashMap;

    #[test]
    fn the_page_names_the_gateway_and_allows_only_its_own_style() {
        let config = Config::read(None, HashMap::new(), &crate::core::Registry::default()).unwrap();
        let page = Page::of(&config.server.public_url);
        assert!(page.html.contains("@echo:echo:localhost:7580"));
        assert!(!page.html.contains('{') || page.html.contains("{ "), "a placeholder is left");
        assert!(page.policy.contains("style-src 'sha256-"));
    }
}
