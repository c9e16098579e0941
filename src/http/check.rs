//! `GET /check/{token}`: how another server makes sure that a socket we opened speaks for whom it
//! says (contract.md "Who is speaking"). A token is good for one answer.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;

/// Knows the tokens that were given out.
pub trait Redeem: Send + Sync + 'static {
    /// Ends the token and tells whom it vouched for, as JSON; `None` if there is no such token (any
    /// more).
    fn redeem(&self, token: &str) -> Option<serde_json::Value>;
}

/// Answers `/check/{token}`.
pub(super) async fn redeem(State(redeem): State<Arc<dyn Redeem>>, Path(token): Path<String>) -> Response {
    if let Some(vouched) = redeem.redeem(&token) {
        return Json(vouched).into_response();
    }
    let error = serde_json::json!({ "error": "there is no such token, or it was used already" });
    (StatusCode::NOT_FOUND, Json(error)).into_response()
}
