//! The headers of every page and file for browsers: what it may load, do and be part of.

use crate::config::PublicUrl;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// What a page may use of the machine: for calls, and nothing else.
const PERMISSIONS: &str = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), \
    autoplay=(self), fullscreen=(self), picture-in-picture=(self), screen-wake-lock=(self), geolocation=(), usb=(), \
    serial=(), hid=(), midi=(), payment=(), publickey-credentials-get=(), accelerometer=(), \
    gyroscope=(), magnetometer=(), browsing-topics=()";

/// The headers.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Policy {
    /// Those of a gateway that people reach at this URL.
    pub(crate) fn of(public_url: &PublicUrl) -> Self {
        let scheme = if public_url.is_secure() { "wss" } else { "ws" };
        // `'self'` covers the socket only in browsers of the last years.
        let socket = format!("{scheme}://{}", public_url.authority());
        // Names and messages never become markup: nothing inline runs, and text can only become
        // elements through functions that make none of it.
        let content = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; \
             media-src 'self' blob:; connect-src 'self' {socket}; manifest-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        );
        let mut headers = vec![
            (HeaderName::from_static("permissions-policy"), HeaderValue::from_static(PERMISSIONS)),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        ];
        // An authority has no characters that a header could not hold.
        headers.extend(content.parse().ok().map(|content| (header::CONTENT_SECURITY_POLICY, content)));
        Self { headers }
    }

    /// Puts them into an answer.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
    }
}
