//! From the start of an instance to its end: takes over what was kept, connects, hears, connects
//! again, and takes leave.

use crate::config::Mode;
use crate::instance::{Instance, Running};
use crate::people::People;
use crate::services::Services;
use crate::session::Session;
use crate::xml::{Make, el, ns};
use minidom::Element;
use monster_bridge_api::{Health, Host, HostError, RunError};
use rand::RngExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where the number of the last run is kept.
const EPOCH: &str = "epoch";

/// Runs an instance until `stop` is cancelled.
pub(crate) async fn run(
    instance: &Arc<Instance>,
    host: Arc<dyn Host>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let running = start(instance, host).await.map_err(|error| RunError(error.to_string()))?;
    tokio::select! {
        () = stop.cancelled() => {}
        () = running.stop.cancelled() => {}
    }
    if let Some(session) = running.session() {
        let leaving = async {
            for room in instance.rooms.all() {
                instance.leave_all(&room).await;
            }
            instance.close_service(&session).await;
            session.close().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(4), leaving).await;
    }
    instance.set_running(None);
    let failed = running.finish().await;
    instance.rooms.clear();
    instance.people.clear();
    instance.service.clear();
    instance.calls.clear();
    match failed {
        Some(why) => {
            running.host.report(Health::Down { why: why.clone() });
            Err(RunError(why))
        }
        None => Ok(()),
    }
}

async fn start(instance: &Arc<Instance>, host: Arc<dyn Host>) -> Result<Arc<Running>, HostError> {
    let epoch = host.load(EPOCH).await?.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
    host.save(EPOCH, Some(&epoch.to_string())).await?;
    instance.services.load(host.load_all(Services::kept()).await?);
    instance.people.load(host.load_all(People::kept()).await?);
    instance.people.load_correspondents(host.load_all(People::kept_correspondents()).await?);
    let rooms = host.rooms().await?;
    let running = Arc::new(Running::new(host, epoch));
    instance.set_running(Some(Arc::clone(&running)));
    for usage in rooms {
        let room = usage.room.clone();
        instance.use_room(&running, &room, Some(usage));
    }
    running.spawn("connection", stay_connected(Arc::clone(instance), Arc::clone(&running)));
    Ok(running)
}

async fn stay_connected(instance: Arc<Instance>, running: Arc<Running>) {
    let mut failures = 0;
    loop {
        running.host.report(Health::Connecting);
        let why = match Session::open(&instance.config).await {
            Ok((session, heard)) => {
                failures = 0;
                running.set_session(Some(Arc::clone(&session)));
                running.host.report(Health::Up);
                tracing::info!(instance = %instance.scope.instance, domain = instance.personas.domain(), "connected");
                begin(&instance, &running, &session);
                hear_all(&instance, &running, &session, heard).await;
                running.set_session(None);
                instance.rooms.lost();
                session.why()
            }
            Err(why) => why.to_string(),
        };
        tracing::warn!(instance = %instance.scope.instance, why, "not connected");
        running.host.report(Health::Down { why });
        tokio::time::sleep(pause(&instance, failures)).await;
        failures += 1;
    }
}

/// What is to be done on a new connection, beside hearing.
fn begin(instance: &Arc<Instance>, running: &Arc<Running>, session: &Arc<Session>) {
    if instance.config.mode == Mode::Account {
        session.send_if_room(&el("presence", ns::CLIENT).child(crate::info::caps()));
    }
    running.spawn("discovery", Arc::clone(instance).discover(Arc::clone(running), Arc::clone(session)));
    for room in instance.rooms.all() {
        running.spawn("coming into a room", Arc::clone(instance).enter_all(Arc::clone(running), room));
    }
}

async fn hear_all(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    session: &Arc<Session>,
    mut heard: mpsc::Receiver<Element>,
) {
    loop {
        tokio::select! {
            // What came before the end is heard before the end.
            biased;
            stanza = heard.recv() => match stanza {
                Some(stanza) => instance.hear(running, stanza).await,
                None => return,
            },
            () = session.ended() => {
                while let Ok(stanza) = heard.try_recv() {
                    instance.hear(running, stanza).await;
                }
                return;
            }
        }
    }
}

/// The pause before the next attempt: doubled each time, and never the same for everybody.
fn pause(instance: &Instance, failures: u32) -> Duration {
    let reconnect = &instance.config.reconnect;
    let longest = reconnect.min_ms.saturating_mul(1 << failures.min(16)).min(reconnect.max_ms);
    Duration::from_millis(rand::rng().random_range(longest / 2..=longest))
}
