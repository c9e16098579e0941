//! From the start of an instance to its end, and whether the homeserver hears it and is heard.

use super::consoles::Consoles;
use super::direct::Directs;
use super::follow;
use super::ghosts::{self, Ghosts};
use super::hints;
use super::instance::{Instance, Running};
use super::missed::{self, Marks};
use super::pulse;
use super::puppets::Puppets;
use super::registration;
use super::waiting::Waiting;
use crate::client::{Ask, Client, Failure};
use crate::map::text_at;
use monster_bridge_api::{Health, Host, HostError, RunError};
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often is asked whether the homeserver still reaches us.
const LIVENESS: Duration = Duration::from_mins(1);
/// The shortest and the longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_mins(1));
/// How often the first attempt may fail before anybody is told.
const STARTING: u32 = 4;

/// Runs an instance until `stop` is cancelled.
pub(crate) async fn run(
    instance: &Arc<Instance>,
    host: Arc<dyn Host>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    instance.client().map_err(RunError)?;
    load(instance, host.as_ref()).await.map_err(|error| RunError(error.to_string()))?;
    let running = Arc::new(Running { host, stop: stop.child_token(), tasks: TaskTracker::new() });
    instance.set_running(Some(Arc::clone(&running)));
    running.spawn(hints::show_all(Arc::clone(instance), Arc::clone(&running)));
    running.stop.run_until_cancelled(live(instance, &running)).await;
    instance.set_running(None);
    running.stop.cancel();
    running.tasks.close();
    if tokio::time::timeout(Duration::from_secs(5), running.tasks.wait()).await.is_err() {
        tracing::warn!(instance = %instance.scope.instance, "some tasks did not end in time");
    }
    Ok(())
}

async fn load(instance: &Instance, host: &dyn Host) -> Result<(), HostError> {
    instance.book.load(host).await?;
    instance.ghosts.load(host.load_all(Ghosts::saved()).await?);
    instance.directs.load(host.load_all(Directs::saved()).await?);
    instance.waiting.load(host.load_all(Waiting::saved()).await?);
    instance.consoles.load(host.load_all(Consoles::saved()).await?);
    instance.marks.load(host.load_all(Marks::saved()).await?);
    instance.puppets.load(&instance.config.homeserver, host.load_all(Puppets::saved()).await?);
    Ok(())
}

/// Keeps asking whether everything works. What was wrong once is asked again soon.
async fn live(instance: &Arc<Instance>, running: &Arc<Running>) {
    running.report(Health::Connecting);
    let (mut begun, mut up, mut failures) = (false, false, 0_u32);
    loop {
        let pause = match check(instance, begun).await {
            Ok(()) => {
                failures = 0;
                if !std::mem::replace(&mut up, true) {
                    running.report(Health::Up);
                    let (instance, task) = (Arc::clone(instance), Arc::clone(running));
                    running.spawn(async move { pulse::beat(&instance, &task).await });
                }
                if !std::mem::replace(&mut begun, true) {
                    begin(instance, running).await;
                    let (instance, task) = (Arc::clone(instance), Arc::clone(running));
                    running.spawn(async move { missed::watch(&instance, &task).await });
                }
                LIVENESS
            }
            Err(why) => {
                failures += 1;
                up = false;
                // The gateway's own listener may not be there yet.
                if begun || failures > STARTING {
                    tracing::warn!(instance = %instance.scope.instance, why, "not connected with the homeserver");
                    running.report(Health::Down { why });
                }
                PAUSES.0.saturating_mul(1 << failures.min(16)).min(PAUSES.1)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Whether the homeserver knows us, and reaches us; why not, for a person.
async fn check(instance: &Instance, begun: bool) -> Result<(), String> {
    let client = instance.client()?;
    if !begun {
        let whoami = client.ask(Ask::get(&["account", "whoami"])).await.map_err(|failure| token_advice(&failure))?;
        let user = text_at(&whoami, &["user_id"]).unwrap_or_default();
        if user != instance.naming.bot() {
            let ours = instance.naming.bot();
            return Err(format!("the homeserver takes the bridge for {user} instead of {ours}; see `server_name`"));
        }
        ghosts::register(client, &instance.config.sender_localpart).await.map_err(|failure| failure.to_string())?;
    }
    ping(instance, client).await
}

/// Has the homeserver call us (MSC2659). That also ends its pause after a failure.
pub(crate) async fn ping(instance: &Instance, client: &Client) -> Result<(), String> {
    let id = registration::id(instance);
    let ask = Ask::at(Method::POST, "/_matrix/client/v1/appservice", &[&id, "ping"]);
    let url = instance.config.url.as_deref().unwrap_or(&instance.scope.public_url);
    match client.ask(ask.body(json!({ "transaction_id": "ping" }))).await {
        Ok(_) => Ok(()),
        // A server that does not know how to ping is believed.
        Err(failure) if failure.is("M_UNRECOGNIZED") => Ok(()),
        Err(failure) if failure.is("M_BAD_STATUS") => Err(format!(
            "the homeserver reaches {url}, and is turned away there: is the registration that it has the one that \
             `monster-gateway registration {}` prints now? ({failure})",
            instance.scope.instance
        )),
        Err(failure @ Failure::Refused { .. }) => Err(format!(
            "the homeserver does not reach the gateway at {url}: check that the gateway runs, that `url` is \
             right as seen from the homeserver and is the one in the registration that it has, and that nothing is in \
             between ({failure})"
        )),
        Err(failure) => Err(failure.to_string()),
    }
}

/// What to do if the homeserver does not answer as it should.
pub(crate) fn token_advice(failure: &Failure) -> String {
    match failure {
        Failure::Refused { status: 401 | 403, .. } => format!(
            "the homeserver does not know the bridge: put what `monster-gateway registration` prints into a file, name \
             the file in the homeserver's configuration (Synapse: app_service_config_files), restart it ({failure})"
        ),
        other => other.to_string(),
    }
}

/// The first time that everything works: the bot's name, the rooms, and who waited.
async fn begin(instance: &Arc<Instance>, running: &Arc<Running>) {
    if let Ok(client) = instance.client() {
        let bot = instance.naming.bot();
        let name = json!({ "displayname": instance.config.bot_name });
        if let Err(error) = client.ask(Ask::put(&["profile", bot, "displayname"], name)).await {
            tracing::info!(%error, "the bot keeps its old name");
        }
    }
    match running.host.rooms().await {
        Ok(rooms) => {
            for used in rooms {
                instance.rooms.set_used(&used.room, true);
                let (instance, task) = (Arc::clone(instance), Arc::clone(running));
                running.spawn(async move {
                    if let Err(error) = instance.bot_enters(&task, &used.room).await {
                        tracing::warn!(room = %used.room, %error, "a room is not heard by the bot");
                    }
                });
            }
        }
        Err(error) => tracing::warn!(%error, "the rooms of the gateway are not known"),
    }
    for (room, ghost, persona) in instance.waiting.all() {
        let (instance, task) = (Arc::clone(instance), Arc::clone(running));
        running.spawn(async move { follow::let_in(&instance, &task, &room, &ghost, &persona).await });
    }
}
