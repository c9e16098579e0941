//! From the start of an instance to its end: takes over what was kept, starts the tasks, and takes
//! leave of the network.

use crate::bot;
use crate::hear::Ears;
use crate::instance::{Instance, Running};
use crate::net::Ident;
use monster_bridge_api::{Host, HostError, Run, RunError};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Runs an instance until `stop` is cancelled.
pub(crate) async fn run(
    instance: &Arc<Instance>,
    host: Arc<dyn Host>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let running = start(instance, host).await.map_err(|error| RunError(error.to_string()))?;
    running.ends(&stop).await;
    take_leave(instance).await;
    instance.set_running(None);
    let ended = running.finish().await;
    instance.rooms.clear();
    instance.puppets.clear();
    instance.puppets.set_ears(None);
    instance.bot.forget();
    ended
}

async fn start(instance: &Arc<Instance>, host: Arc<dyn Host>) -> Result<Arc<Running>, HostError> {
    let run = Run::begin(&instance.scope.instance, host).await?;
    instance.people.load(run.host.load_all("person/").await?);
    instance.conversations.load(run.host.load_all("conversation/").await?);
    instance.correspondents.load(run.host.load_all("correspondent/").await?);
    instance.asked.load(&run.host.load_all("asked/").await?);
    let rooms = run.host.rooms().await?;
    let running = Arc::new(Running::new(run, ident(instance).await));
    instance.set_running(Some(Arc::clone(&running)));
    let ears = Ears::open(instance, &running);
    instance.puppets.set_ears(Some(ears.clone()));
    for usage in rooms {
        let room = usage.room.clone();
        instance.use_room(&running, &room, Some(usage));
    }
    instance.use_configured(&running);
    instance.bring_back_puppets(&running);
    let (texts, task) = (Arc::clone(instance), Arc::clone(&running));
    running.spawn("texts", async move { texts.forget_old_texts(&task).await });
    running.spawn("bot", bot::tend(Arc::clone(instance), Arc::clone(&running), ears));
    Ok(running)
}

async fn ident(instance: &Instance) -> Option<Arc<Ident>> {
    let at = instance.config.ident_listen?;
    match Ident::shared(at).await {
        Ok(ident) => Some(ident),
        Err(error) => {
            tracing::warn!(instance = %instance.scope.instance, %at, %error, "ident queries are not answered");
            None
        }
    }
}

/// Says goodbye on all connections at once.
async fn take_leave(instance: &Instance) {
    let conns: Vec<_> = instance.puppets.conns().into_iter().chain(instance.bot.conn()).collect();
    futures_util::future::join_all(conns.iter().map(|conn| conn.quit("the gateway stops"))).await;
}
