//! From the start of an instance to its end: takes over what was kept, connects, hears, connects
//! again, and takes leave.

use crate::config::Mode;
use crate::instance::{Instance, Running};
use crate::people::People;
use crate::services::Services;
use crate::session::Session;
use crate::xml::{Make, el, ns};
use minidom::Element;
use monster_bridge_api::{Backoff, Health, Host, HostError, Run, RunError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Runs an instance until `stop` is cancelled.
pub(crate) async fn run(
    instance: &Arc<Instance>,
    host: Arc<dyn Host>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let running = start(instance, host).await.map_err(|error| RunError(error.to_string()))?;
    running.ends(&stop).await;
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
    let ended = running.finish().await;
    instance.rooms.clear();
    instance.people.clear();
    instance.service.clear();
    instance.calls.clear();
    ended
}

async fn start(instance: &Arc<Instance>, host: Arc<dyn Host>) -> Result<Arc<Running>, HostError> {
    let run = Run::begin(&instance.scope.instance, host).await?;
    instance.services.load(run.host.load_all(Services::kept()).await?);
    instance.people.load(run.host.load_all(People::kept()).await?);
    instance.people.load_correspondents(run.host.load_all(People::kept_correspondents()).await?);
    let rooms = run.host.rooms().await?;
    let running = Arc::new(Running::new(run));
    instance.set_running(Some(Arc::clone(&running)));
    for usage in rooms {
        let room = usage.room.clone();
        instance.use_room(&running, &room, Some(usage));
    }
    running.spawn("connection", stay_connected(Arc::clone(instance), Arc::clone(&running)));
    Ok(running)
}

async fn stay_connected(instance: Arc<Instance>, running: Arc<Running>) {
    let mut backoff = Backoff::new(instance.config.reconnect);
    loop {
        running.host.report(Health::Connecting);
        let why = match Session::open(&instance.config).await {
            Ok((session, heard)) => {
                backoff.reset();
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
        tokio::time::sleep(backoff.pause()).await;
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
