//! How a running gateway is doing, for `/readyz` and `/metrics`.

use crate::core::Core;
use crate::http::{Gather, Probe, Row};
use crate::store::{Stats, Store};
use metrics::{describe_gauge, gauge};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the store may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long what the store said is good for: anybody may ask, and asking costs a write.
const FRESH: Duration = Duration::from_secs(1);

/// Looks at the parts of a gateway.
pub(super) struct Insight {
    core: Arc<Core>,
    store: Arc<dyn Store>,
    /// What the store said last, and when.
    said: Mutex<Option<(Instant, Result<Stats, String>)>>,
}

impl Insight {
    pub(super) fn new(core: Arc<Core>, store: Arc<dyn Store>) -> Self {
        describe_gauge!("monster_gateway_deliveries_waiting", "deliveries that wait in the journal");
        describe_gauge!("monster_gateway_deliveries_oldest_seconds", "age of the oldest delivery that waits");
        describe_gauge!("monster_gateway_deliveries_dead", "deliveries that were given up and are still kept");
        describe_gauge!("monster_gateway_messages_kept", "messages in the journal");
        describe_gauge!("monster_gateway_bridge_up", "1 if the bridge instance is connected, or idle until needed");
        Self { core, store, said: Mutex::default() }
    }

    /// What the store says, or why it says nothing.
    async fn stats(&self) -> Result<Stats, String> {
        let mut said = self.said.lock().await;
        if let Some((at, said)) = said.as_ref()
            && at.elapsed() < FRESH
        {
            return said.clone();
        }
        let now = match tokio::time::timeout(PATIENCE, self.store.stats()).await {
            Ok(stats) => stats.map_err(|error| error.to_string()),
            Err(_) => Err(format!("it did not answer within {} s", PATIENCE.as_secs())),
        };
        *said = Some((Instant::now(), now.clone()));
        now
    }
}

#[async_trait::async_trait]
impl Probe for Insight {
    async fn rows(&self) -> Vec<Row> {
        let store = self.stats().await.map(drop);
        let bridges = self.core.bridges();
        let rows = bridges.iter().map(|bridge| Row::bridge(bridge.instance.as_str(), &bridge.health));
        std::iter::once(Row::store(store)).chain(rows).collect()
    }
}

#[async_trait::async_trait]
impl Gather for Insight {
    async fn gather(&self) {
        if let Ok(stats) = self.stats().await {
            gauge!("monster_gateway_deliveries_waiting").set(count(stats.waiting));
            gauge!("monster_gateway_deliveries_dead").set(count(stats.dead));
            gauge!("monster_gateway_messages_kept").set(count(stats.messages));
            let age = if stats.waiting == 0 { 0.0 } else { age_seconds(stats.oldest_waiting) };
            gauge!("monster_gateway_deliveries_oldest_seconds").set(age);
        }
        for bridge in self.core.bridges() {
            let row = Row::bridge(bridge.instance.as_str(), &bridge.health);
            let up = if row.ready { 1.0 } else { 0.0 };
            gauge!("monster_gateway_bridge_up", "bridge" => bridge.instance.to_string()).set(up);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for a graph; exact up to 2^53")]
fn count(number: u64) -> f64 {
    number as f64
}

fn age_seconds(since_ms: i64) -> f64 {
    let since = Duration::from_millis(u64::try_from(since_ms).unwrap_or_default());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(since).as_secs_f64()
}
