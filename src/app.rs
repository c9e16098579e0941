//! A whole gateway in one process: the rooms made and connected in the order of architecture.md
//! "Life of the process". Called by the command `run`, and by tests and benchmarks, which start
//! gateways of their own.

mod insight;

use crate::calls::{self, Calls};
use crate::config::{Config, Limits};
use crate::core::{Core, Environment, FileSettings, Registry, Settings};
use crate::http;
use crate::monster::{self, MonsterSide, Options, Patience, Port};
use crate::outbound::{Allow, BadAllow, system_tls};
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::store::{InstanceLock, LockError, Store, StoreError};
use crate::token::{AdminToken, TokenError};
use crate::turn::IceServers;
use insight::Insight;
use monster_bridge_api::ConfigError;
use monster_media::{BindError, Codec, Relay};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The kinds of bridges that this program was built with.
pub fn bridge_kinds() -> Registry {
    let registry = Registry::default();
    #[cfg(feature = "echo")]
    let registry = registry.with(monster_bridge_echo::KIND, monster_bridge_echo::factory);
    #[cfg(feature = "irc")]
    let registry = registry.with(monster_bridge_irc::KIND, monster_bridge_irc::factory);
    #[cfg(feature = "matrix")]
    let registry = registry.with(monster_bridge_matrix::KIND, monster_bridge_matrix::factory);
    #[cfg(feature = "xmpp")]
    let registry = registry.with(monster_bridge_xmpp::KIND, monster_bridge_xmpp::factory);
    registry
}

/// Opens the store in a data directory, which is made if it is not there.
///
/// # Errors
/// If the directory or the file cannot be made, read or brought to this version.
pub async fn open_store(data_dir: &Path) -> Result<Arc<dyn Store>, OpenError> {
    let data_dir = data_dir.to_owned();
    match tokio::task::spawn_blocking(move || SqliteStore::open(&data_dir)).await {
        Ok(store) => Ok(Arc::new(store?)),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Makes rustls use aws-lc-rs for everything in this process. Again is no harm.
pub fn install_crypto() {
    // An error says that there is one already, which is this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// A gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another one runs on the same data.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Open(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The administrator's token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An entry of `identity.allow_private` is none.
    #[error("identity.allow_private: {0}")]
    Allow(#[from] BadAllow),
    /// A bridge cannot be made.
    #[error("bridges.{instance}.{why}")]
    Bridge {
        /// Its name in the configuration.
        instance: String,
        /// What is wrong with its section.
        why: ConfigError,
    },
    /// The ports for call media cannot be opened.
    #[error("calls: {0}")]
    Media(#[from] BindError),
    /// The listener cannot be bound.
    #[error("cannot listen on {address}: {why}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
}

/// A gateway that runs. Dropping it does not stop it: [`Running::stop`] does.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    core: Arc<Core>,
    monster: Arc<MonsterSide>,
    calls: Option<Arc<Calls>>,
    store: Arc<dyn Store>,
    accepting: CancellationToken,
    tasks: TaskTracker,
    grace: Duration,
    _lock: InstanceLock,
}

/// Starts gateways.
#[derive(Debug)]
pub struct Gateway;

impl Gateway {
    /// Starts a gateway, and returns once it takes requests. Needs a tokio runtime.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        let address = config.server.listen;
        let listener = TcpListener::bind(address).await.map_err(|why| StartError::Bind { address, why })?;
        Self::start_on(listener, config).await
    }

    /// Starts a gateway on a listener that is bound already.
    pub async fn start_on(listener: TcpListener, config: Config) -> Result<Running, StartError> {
        install_crypto();
        // Before anybody counts anything.
        let figures = http::recorder().filter(|_| config.metrics.enabled);
        let server = &config.server;
        let address = listener.local_addr().map_err(|why| StartError::Bind { address: server.listen, why })?;
        let lock = InstanceLock::take(&server.data_dir, "the gateway")?;
        let environment = Environment::system();
        let token = AdminToken::load_or_make(&server.data_dir, &|bytes| environment.random.fill(bytes))?;
        let store = open_store(&server.data_dir).await?;
        let core = Core::new(
            environment.clone(),
            Arc::clone(&store),
            settings(&config),
            server.public_url.authority().clone(),
        );
        register_bridges(&core, &config)?;
        let monster = MonsterSide::new(Arc::clone(&core), options(&config)?);
        core.set_port(Arc::new(Port::new(Arc::clone(&monster))));
        core.set_outbound(monster.outbound());
        let calls = open_calls(&core, &store, &environment, &config).await?;
        core.start().await?;
        if let Some(calls) = &calls {
            calls.end_leftovers().await?;
        }

        let ice = IceServers::of(&config.calls);
        let guests = calls.as_ref().map(|calls| Arc::clone(calls.guests()));
        let links = http::Links { guests, ice: ice.clone(), environment: environment.clone() };
        let insight = Arc::new(Insight::new(Arc::clone(&core), Arc::clone(&store)));
        let site = http::Site {
            probe: Arc::clone(&insight) as Arc<dyn http::Probe>,
            figures: figures.map(|handle| (handle, config.metrics.token.clone())),
            gather: insight,
            redeem: Arc::new(Vouching(Arc::clone(&monster))),
            api: http::api::router(http::api::Backing {
                core: Arc::clone(&core),
                store: Arc::clone(&store),
                environment,
                token,
                ice,
                secure: server.public_url.is_secure(),
            }),
            accounts: monster::accounts(Arc::clone(&monster), |request| {
                request.extensions().get::<http::ClientAddress>().map(|client| client.0)
            }),
            bridges: core.registered_bridges(),
            core: Arc::clone(&core),
            downloads: config.media.downloads,
            trusted_proxies: server.trusted_proxies.clone().into(),
            public_url: server.public_url.clone(),
            links,
            web_dir: server.web_dir.clone(),
        };
        let bounds = http::Bounds {
            connections: config.limits.sockets,
            connections_per_origin: if config.limits.enabled { config.limits.sockets_per_origin } else { usize::MAX },
            trusted_proxies: server.trusted_proxies.clone().into(),
            header_read: Duration::from_secs(server.header_seconds),
        };
        let (accepting, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(http::serve(listener, http::router(site), bounds, accepting.clone(), tasks.clone()));
        let grace = Duration::from_secs(server.stop_seconds);
        Ok(Running { address, core, monster, calls, store, accepting, tasks, grace, _lock: lock })
    }
}

/// The room of calls, if there are to be any.
async fn open_calls(
    core: &Arc<Core>,
    store: &Arc<dyn Store>,
    environment: &Environment,
    config: &Config,
) -> Result<Option<Arc<Calls>>, StartError> {
    let section = &config.calls;
    if !section.enabled {
        return Ok(None);
    }
    let relay = Relay::bind(monster_media::Options {
        udp_listen: section.udp_listen,
        tcp_listen: section.tcp_listen,
        external_ips: section.external_ips.clone(),
        codecs: section.codecs.iter().filter_map(|name| Codec::named(name)).collect(),
        max_calls: section.max_calls,
        ..monster_media::Options::default()
    })
    .await?;
    let settings = calls::Settings {
        ring: Duration::from_secs(section.ring_seconds),
        link: Duration::from_secs(section.link_seconds),
        max_calls: section.max_calls,
        max_calls_per_account: section.max_calls_per_account,
        ..calls::Settings::new(config.server.public_url.as_str())
    };
    let calls = Calls::new(Arc::clone(core), Arc::clone(store), environment.clone(), relay, settings);
    core.set_desk(calls.desk());
    Ok(Some(calls))
}

/// The check tokens of the Monster side, for the listener.
struct Vouching(Arc<MonsterSide>);

impl http::Redeem for Vouching {
    fn redeem(&self, token: &str) -> Option<serde_json::Value> {
        serde_json::to_value(self.0.redeem(token)?).ok()
    }
}

/// What the configuration says about the Monster side.
fn options(config: &Config) -> Result<Options, StartError> {
    let Config { server, identity, limits, .. } = config;
    let allow_private = identity.allow_private.iter().map(|entry| entry.parse::<Allow>());
    let anonymous_idle = Duration::from_secs(limits.anonymous_idle_seconds);
    Ok(Options {
        require_tls: identity.require_tls,
        allow_private: allow_private.collect::<Result<_, _>>()?,
        wss_hosts: identity.wss_hosts.clone(),
        max_frame_bytes: limits.frame_bytes,
        limits: monster_limits(limits),
        patience: Patience { anonymous_idle, ..Patience::default() },
        ..Options::new(server.public_url.as_str(), server.public_url.authority().clone(), system_tls())
    })
}

fn monster_limits(limits: &Limits) -> monster::Limits {
    monster::Limits {
        enabled: limits.enabled,
        frames_per_second: limits.frames_per_second,
        frames_burst: limits.frames_burst,
        sockets: limits.sockets,
        sockets_per_origin: limits.sockets_per_origin,
        upgrades_per_second: limits.upgrades_per_second,
    }
}

fn settings(config: &Config) -> Settings {
    const DAY: u64 = 24 * 60 * 60;
    Settings {
        keep: Duration::from_secs(DAY * u64::from(config.delivery.keep_days)),
        retention: Duration::from_secs(DAY * u64::from(config.delivery.retention_days)),
        files: FileSettings {
            public_url: config.server.public_url.as_str().to_owned(),
            max_bytes: config.media.max_bytes,
            link_days: config.media.link_days,
            upload_dir: (config.media.upload_bytes > 0).then(|| config.server.data_dir.join("uploads")),
            upload_bytes: config.media.upload_bytes,
            upload_quota: config.media.upload_quota,
        },
        ..Settings::default()
    }
}

fn register_bridges(core: &Core, config: &Config) -> Result<(), StartError> {
    let kinds = bridge_kinds();
    for instance in &config.bridges {
        let bridge = instance
            .build(&kinds, &config.server)
            .map_err(|why| StartError::Bridge { instance: instance.name.to_string(), why })?;
        core.register_bridge(&instance.name, bridge);
    }
    Ok(())
}

impl Running {
    /// The router.
    pub fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// The room of calls, unless they are switched off.
    pub fn calls(&self) -> Option<&Arc<Calls>> {
        self.calls.as_ref()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Limits sockets and frames otherwise from now on.
    pub fn set_limits(&self, limits: &Limits) {
        self.monster.set_limits(monster_limits(limits));
    }

    /// Stops: accepts no more, lets deliveries in flight finish, closes sockets, has the bridges take
    /// leave, and closes the store. Takes at most `server.stop_seconds`, and a little.
    pub async fn stop(self) {
        self.accepting.cancel();
        self.tasks.close();
        if let Some(calls) = &self.calls {
            calls.stop(self.grace / 5).await;
        }
        // The router has this time twice: for deliveries, and for the bridges.
        self.core.stop(self.grace.mul_f32(0.3)).await;
        self.monster.stop(self.grace / 5).await;
        if tokio::time::timeout(self.grace / 5, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "some connections did not end in time");
        }
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;
    use crate::core::{Peer, Side, Speaker};
    use crate::store::{Account, AccountKind};
    use monster_protocol::Frame;
    use std::collections::HashMap;

    async fn start(data_dir: &Path) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let text = format!(
            "[server]\npublic_url = \"http://localhost:{port}\"\ndata_dir = {data_dir:?}\n[calls]\nudp_listen = \"127.0.0.1:0\"\n[bridges.libera]\nenabled = \
             false\n"
        );
        let source = Source { path: "test.toml".into(), text };
        let config = Config::read(Some(source), HashMap::new(), &bridge_kinds()).unwrap();
        Gateway::start_on(listener, config).await.unwrap()
    }

    #[tokio::test]
    async fn a_gateway_starts_routes_and_stops_within_one_process_and_starts_again() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let gateway = start(dir.path()).await;
            let admin = gateway.core().admin();
            let account = Account {
                name: "ann".into(),
                kind: AccountKind::Person,
                nickname: None,
                picture: None,
                pass: None,
                created: 0,
            };
            let account = match admin.add_account(account).await {
                Ok(account) => account,
                Err(_) => admin.address_of("ann").unwrap(),
            };
            let device = monster_bridge_api::DeviceId::new("test");
            let speaker = Speaker { account, side: Side::Home, ext: true, nickname: None, picture: None, device };
            let frame = Frame::parse(r#"{"messageId":"1","code":"1000"}"#).unwrap();
            let Frame::Request(request) = frame else { panic!("a request") };
            let echo = format!("@echo:echo:localhost:{}", gateway.address.port()).parse().unwrap();
            let answer = gateway.core().request(&Peer::Account(speaker), &echo, request).await;
            assert_eq!(answer.nickname.as_deref(), Some("echo"));
            gateway.stop().await;
        }
    }
}
