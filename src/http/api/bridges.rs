//! How the gateway and its bridges are doing.

use super::Api;
use super::error::{ApiError, Result};
use super::input::{Parameters, Segments};
use super::page::{Page, PageOf, PageParameters};
use crate::core::BridgeState;
use axum::Json;
use axum::extract::State;
use monster_bridge_api::Health;
use serde::Serialize;
use utoipa::ToSchema;

/// How the gateway is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// When it was started, in ms since the epoch.
    started: i64,
    /// What its clock says, in ms since the epoch.
    now: i64,
    /// Messages kept.
    messages: u64,
    /// Deliveries that wait.
    waiting: u64,
    /// When the oldest of them was journalled, in ms since the epoch; absent if none waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_waiting: Option<i64>,
    /// Deliveries given up.
    dead: u64,
    /// Its bridge instances.
    bridges: Vec<View>,
}

/// How a bridge instance is doing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bridge)]
pub(super) struct View {
    /// Its name in the configuration.
    #[schema(example = "libera")]
    name: String,
    /// How it is doing.
    state: Condition,
    /// For `down`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Since when, in ms since the epoch.
    since: i64,
    /// How often it had to be started again after a failure.
    restarts: u32,
}

/// How something is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Condition {
    /// Not connected because nobody has needed it yet.
    Idle,
    /// On its way.
    Connecting,
    /// Connected and hearing.
    Up,
    /// Not connected; a further try follows.
    Down,
}

impl From<BridgeState> for View {
    fn from(bridge: BridgeState) -> Self {
        let (state, why) = match bridge.health {
            Health::Idle => (Condition::Idle, None),
            Health::Connecting => (Condition::Connecting, None),
            Health::Up => (Condition::Up, None),
            Health::Down { why } => (Condition::Down, Some(why)),
        };
        let name = bridge.instance.into_string();
        Self { name, state, why, since: bridge.since, restarts: bridge.restarts }
    }
}

impl Api {
    fn bridges(&self) -> Vec<View> {
        self.core.bridges().into_iter().map(View::from).collect()
    }
}

/// Shows how the gateway is doing.
#[utoipa::path(get, path = "/status", tag = "status", operation_id = "getStatus",
    responses((status = 200, description = "How it is doing", body = Status)))]
pub(super) async fn status(State(api): State<Api>, parameters: Parameters) -> Result<Json<Status>> {
    parameters.finish()?;
    let stats = api.store.stats().await?;
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        started: api.started,
        now: api.environment.now_ms(),
        messages: stats.messages,
        waiting: stats.waiting,
        oldest_waiting: (stats.waiting > 0).then_some(stats.oldest_waiting),
        dead: stats.dead,
        bridges: api.bridges(),
    }))
}

/// Lists the bridge instances, by name.
#[utoipa::path(get, path = "/bridges", tag = "status", operation_id = "listBridges", params(PageParameters),
    responses((status = 200, description = "A page of bridges", body = Page<View>)))]
pub(super) async fn list(State(api): State<Api>, parameters: Parameters) -> Result<Json<Page<View>>> {
    let page = PageOf::<String>::only(parameters)?;
    let after = page.after.as_deref().unwrap_or_default();
    let read = api.bridges().into_iter().filter(|bridge| bridge.name.as_str() > after).take(page.read()).collect();
    Ok(Json(page.of(read, |bridge: &View| bridge.name.clone(), |bridge| bridge)))
}

/// Shows a bridge instance.
#[utoipa::path(get, path = "/bridges/{name}", tag = "status", operation_id = "getBridge",
    params(("name" = String, Path, description = "Its name in the configuration")),
    responses((status = 200, description = "The bridge", body = View), (status = 404, description = "There is none")))]
pub(super) async fn one(State(api): State<Api>, Segments(name): Segments<String>) -> Result<Json<View>> {
    let known = api.bridges().into_iter().find(|bridge| bridge.name == name);
    known.map(Json).ok_or_else(|| ApiError::missing(format!("there is no bridge `{name}`")))
}
