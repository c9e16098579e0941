//! Runs the bridges: each in a task of its own, started again after an error or a panic, with a
//! growing pause. The process stays, whatever a bridge does. Also the table of how they are doing.

use super::admin::BridgeState;
use super::host::BridgeHost;
use super::{Core, metrics};
use monster_bridge_api::{Bridge, Health, Host, InstanceName};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The first pause before a bridge is started again; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// After running this long, the next pause is the first one again.
const STEADY: Duration = Duration::from_mins(1);

/// How the bridges are doing.
#[derive(Default)]
pub(crate) struct HealthTable(Mutex<BTreeMap<InstanceName, BridgeState>>);

impl HealthTable {
    pub(crate) fn report(&self, instance: &InstanceName, health: Health, now: i64) {
        let mut table = self.0.lock();
        let row = table.entry(instance.clone()).or_insert_with(|| BridgeState {
            instance: instance.clone(),
            health: Health::Idle,
            since: now,
            restarts: 0,
        });
        let name = match &health {
            Health::Idle => "idle",
            Health::Connecting => "connecting",
            Health::Up => "up",
            Health::Down { .. } => "down",
        };
        metrics::bridge(instance.as_str(), name);
        if health == Health::Up && row.health != Health::Up {
            metrics::connected(instance.as_str());
        }
        if std::mem::discriminant(&row.health) != std::mem::discriminant(&health) {
            row.since = now;
            tracing::info!(%instance, state = name, "bridge");
        }
        row.health = health;
    }

    fn restarted(&self, instance: &InstanceName) {
        metrics::restarted(instance.as_str());
        if let Some(row) = self.0.lock().get_mut(instance) {
            row.restarts += 1;
        }
    }

    pub(crate) fn get(&self, instance: &InstanceName) -> Health {
        self.0.lock().get(instance).map_or(Health::Idle, |row| row.health.clone())
    }

    pub(crate) fn all(&self) -> Vec<BridgeState> {
        self.0.lock().values().cloned().collect()
    }
}

/// Runs one bridge until `stop` is cancelled.
pub(crate) async fn supervise(
    core: Arc<Core>,
    instance: InstanceName,
    bridge: Arc<dyn Bridge>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let host: Arc<dyn Host> =
            Arc::new(BridgeHost { core: Arc::clone(&core), instance: instance.clone(), bridge: Arc::clone(&bridge) });
        let (running, stopping) = (Arc::clone(&bridge), stop.clone());
        let began = Instant::now();
        // A task of its own, so that a panic ends it and nothing else.
        let ended = tokio::spawn(async move { running.run(host, stopping).await }).await;
        if stop.is_cancelled() {
            return;
        }
        let why = match ended {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it failed inside; this is an error of the program".to_owned(),
        };
        if began.elapsed() >= STEADY {
            pause = FIRST_PAUSE;
        }
        tracing::error!(%instance, why, ?pause, "a bridge ended and is started again");
        core.health.report(&instance, Health::Down { why }, core.environment.now_ms());
        core.health.restarted(&instance);
        let jittered = pause.mul_f64(0.5 + core.environment.fraction() / 2.0);
        if stop.run_until_cancelled(tokio::time::sleep(jittered)).await.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
