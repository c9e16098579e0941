//! One instance in appservice mode: its parts, and what it needs while it runs. Everything that answers
//! a call of the core or of the homeserver gets the [`Instance`].

use super::config::Config;
use super::consoles::Consoles;
use super::direct::Directs;
use super::ghosts::Ghosts;
use super::hints::Hints;
use super::missed::Marks;
use super::naming::Naming;
use super::people::People;
use super::puppets::Puppets;
use super::rooms::Rooms;
use super::space::Space;
use super::tokens::Tokens;
use super::waiting::Waiting;
use super::web::Taken;
use super::wire::Flights;
use crate::book::Book;
use crate::client::{Client, Pacer};
use monster_bridge_api::{ConfigError, Health, Host, RemoteId, RemoteUser, Scope};
use parking_lot::RwLock;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One instance.
pub(crate) struct Instance {
    pub(crate) scope: Scope,
    pub(crate) config: Config,
    pub(crate) naming: Naming,
    pub(crate) book: Book,
    pub(crate) ghosts: Ghosts,
    pub(crate) rooms: Rooms,
    pub(crate) directs: Directs,
    pub(crate) waiting: Waiting,
    pub(crate) consoles: Consoles,
    pub(crate) people: People,
    pub(crate) puppets: Puppets,
    pub(crate) taken: Taken,
    pub(crate) marks: Marks,
    pub(crate) space: Space,
    pub(crate) flights: Flights,
    pub(crate) hints: Hints,
    pub(crate) pacer: Pacer,
    tokens: OnceLock<Tokens>,
    client: OnceLock<Client>,
    running: RwLock<Option<Arc<Running>>>,
}

/// What there is only while the instance runs.
pub(crate) struct Running {
    pub(crate) host: Arc<dyn Host>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Instance {
    pub(crate) fn new(scope: Scope, config: Config) -> Result<Self, ConfigError> {
        let (prefix, server, bot) = (&config.user_prefix, &config.server_name, &config.sender_localpart);
        if bot.starts_with(prefix.as_str()) {
            let why = "expected a name that does not begin with `user_prefix`".to_owned();
            return Err(ConfigError { key: "sender_localpart".to_owned(), why });
        }
        Ok(Self {
            naming: Naming::new(prefix, server, bot, &scope.instance, &scope.public_host),
            book: Book::default(),
            ghosts: Ghosts::default(),
            rooms: Rooms::default(),
            directs: Directs::default(),
            waiting: Waiting::default(),
            consoles: Consoles::default(),
            people: People::default(),
            puppets: Puppets::default(),
            taken: Taken::default(),
            marks: Marks::default(),
            space: Space::default(),
            flights: Flights::default(),
            hints: Hints::default(),
            pacer: Pacer::new(config.joins_per_second),
            tokens: OnceLock::new(),
            client: OnceLock::new(),
            running: RwLock::new(None),
            scope,
            config,
        })
    }

    /// The tokens, which are made when they are first needed.
    pub(crate) fn tokens(&self) -> Result<&Tokens, String> {
        if let Some(tokens) = self.tokens.get() {
            return Ok(tokens);
        }
        let dir = &self.scope.data_dir;
        let tokens = Tokens::load_or_make(&self.config, dir)
            .map_err(|error| format!("the tokens cannot be kept in {}: {error}", dir.display()))?;
        Ok(self.tokens.get_or_init(|| tokens))
    }

    /// The homeserver.
    pub(crate) fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(&self.config.homeserver, self.tokens()?.bridge.clone())?;
        Ok(self.client.get_or_init(|| client))
    }

    /// What there is while it runs; `None` before and after.
    pub(crate) fn running(&self) -> Option<Arc<Running>> {
        self.running.read().clone()
    }

    pub(crate) fn set_running(&self, running: Option<Arc<Running>>) {
        *self.running.write() = running;
    }

    /// The name under which the core knows a room.
    pub(crate) fn room_name(&self, room: &str) -> RemoteId {
        self.book.canonical(room)
    }

    /// A room as the author of something: its keeper's decisions.
    pub(crate) fn room_as_author(&self, room: &str) -> RemoteUser {
        let id = self.room_name(room);
        let name = self.rooms.name_of(room).unwrap_or_else(|| crate::id::name_of(id.as_str()));
        RemoteUser { id, name, picture: None }
    }
}

impl Running {
    /// Runs something until it is done or everything ends.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let _ended = stop.run_until_cancelled(task).await;
        });
    }

    /// Saves something; what cannot be saved is only logged.
    pub(crate) async fn save(&self, key: &str, value: Option<&str>) {
        if let Err(error) = self.host.save(key, value).await {
            tracing::warn!(%error, "a value could not be saved");
        }
    }

    /// Says how the instance is.
    pub(crate) fn report(&self, health: Health) {
        self.host.report(health);
    }
}
