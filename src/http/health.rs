//! `/healthz`: the process is up. `/readyz`: it can do its work, with a row for the store and for
//! each bridge. A bridge that connects only when somebody needs it counts as ready while idle.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use monster_bridge_api::Health;
use serde::Serialize;
use std::sync::Arc;

/// Tells how the parts of the gateway are doing.
#[async_trait::async_trait]
pub trait Probe: Send + Sync + 'static {
    /// A row for each part. Answers within 2 s.
    async fn rows(&self) -> Vec<Row>;
}

/// How one part is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which part: `store`, or the name of a bridge instance with `bridge:` before it.
    pub name: String,
    /// Whether it can do its work.
    pub ready: bool,
    /// How it is doing, in a word.
    pub state: &'static str,
    /// Why it cannot, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Row {
    /// The row of the store.
    pub fn store(outcome: Result<(), String>) -> Self {
        let why = outcome.err();
        let state = if why.is_none() { "up" } else { "down" };
        Self { name: "store".to_owned(), ready: why.is_none(), state, why }
    }

    /// The row of a bridge instance.
    pub fn bridge(instance: &str, health: &Health) -> Self {
        let (ready, state, why) = match health {
            Health::Idle => (true, "idle", None),
            Health::Connecting => (false, "connecting", None),
            Health::Up => (true, "up", None),
            Health::Down { why } => (false, "down", Some(why.clone())),
        };
        Self { name: format!("bridge:{instance}"), ready, state, why }
    }
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    rows: Vec<Row>,
}

/// Answers `/healthz`.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Answers `/readyz`: 200 if every row is ready, else 503.
pub(super) async fn ready(State(probe): State<Arc<dyn Probe>>) -> Response {
    let rows = probe.rows().await;
    let ready = rows.iter().all(|row| row.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, rows })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_bridge_is_ready_and_one_that_is_down_says_why() {
        assert!(Row::bridge("libera", &Health::Idle).ready);
        let down = Row::bridge("libera", &Health::Down { why: "no route".to_owned() });
        assert!(!down.ready);
        assert_eq!(down.why.as_deref(), Some("no route"));
        assert_eq!(down.name, "bridge:libera");
    }
}
