//! The Monster side with real sockets: gateways of the real parts on free ports, and plain clients
//! and servers to talk to them. Gateways here know each other as `localhost:PORT`.

mod accepting;
mod bounds;
mod checking;
mod dialling;
mod homes;
mod secure;

use super::{Limits, MonsterSide, Options, Port, accounts};
use crate::core::{Core, Environment, Settings};
use crate::outbound::client_tls;
use crate::store::sqlite::SqliteStore;
use crate::store::{Account, AccountKind, Store};
use crate::token::hash;
use axum::extract::{ConnectInfo, Path, Request};
use axum::response::IntoResponse as _;
use axum::{Json, Router, routing};
use monster_bridge_api::{InstanceName, Scope};
use monster_protocol::{Address, Authority};
use monster_testkit::MonsterClient;
use rustls::RootCertStore;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::http;
use tokio_util::task::AbortOnDropHandle;

/// A gateway of the real parts. Its people are alice, bob and carol (each with their name as
/// token), its rooms `room` and `@echo:echo`.
struct Gateway {
    host: String,
    side: Arc<MonsterSide>,
    _dir: TempDir,
    _listener: AbortOnDropHandle<()>,
}

impl Gateway {
    /// One that may reach private addresses, as all of these are.
    async fn start() -> Self {
        Self::with(|options| options.allow_private = vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]).await
    }

    /// One as it is set up by default, but for what `change` says.
    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ours = Authority::new("localhost", Some(port)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir.path()).unwrap());
        for name in ["alice", "bob", "carol"] {
            store.add_account(account(name, AccountKind::Person)).await.unwrap();
            store.add_token(name, hash(name)).await.unwrap();
        }
        store.add_account(account("room", AccountKind::Group)).await.unwrap();
        let settings = Settings { first_pause: Duration::from_millis(20), ..Settings::default() };
        let core = Core::new(Environment::system(), Arc::clone(&store), settings, ours.clone());
        let echo = InstanceName::new("echo");
        let scope = Scope {
            instance: echo.clone(),
            public_host: ours.to_string(),
            public_url: format!("http://{ours}"),
            data_dir: dir.path().join("echo"),
        };
        core.register_bridge(&echo, monster_bridge_echo::factory(scope, serde_json::json!({})).unwrap());
        let mut options = Options::new(&format!("http://{ours}"), ours.clone(), client_tls(RootCertStore::empty()));
        options.limits = Limits { enabled: false, ..Limits::default() };
        change(&mut options);
        let side = MonsterSide::new(Arc::clone(&core), options);
        core.set_port(Arc::new(Port::new(Arc::clone(&side))));
        core.start().await.unwrap();
        let listening = AbortOnDropHandle::new(tokio::spawn(serve(listener, routes(&side))));
        Self { host: ours.to_string(), side, _dir: dir, _listener: listening }
    }

    fn address(&self, name: &str) -> String {
        format!("@{name}:{}", self.host)
    }

    fn parsed(&self, name: &str) -> Address {
        self.address(name).parse().unwrap()
    }

    /// The URL of an account, with a query.
    fn url(&self, name: &str, query: &str) -> String {
        format!("ws://{}/{name}{query}", self.host)
    }

    async fn home(&self, name: &str) -> MonsterClient {
        MonsterClient::connect(&self.url(name, &format!("?token={name}&ext=1"))).await
    }

    async fn anonymous(&self, name: &str) -> MonsterClient {
        MonsterClient::connect(&self.url(name, "")).await
    }

    /// The status with which an upgrade is refused.
    async fn refusal(&self, name: &str, query: &str) -> u16 {
        refusal(&self.url(name, query)).await
    }
}

async fn refusal(url: &str) -> u16 {
    match monster_testkit::within("an answer", tokio_tungstenite::connect_async(url)).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("not an answer of HTTP: {error}"),
        Ok(_) => panic!("the socket was opened"),
    }
}

fn account(name: &str, kind: AccountKind) -> Account {
    Account { name: name.to_owned(), kind, nickname: None, picture: None, pass: None, created: 0 }
}

fn routes(side: &Arc<MonsterSide>) -> Router {
    let origin = |request: &Request| {
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip())
    };
    let redeem = Arc::clone(side);
    let check = move |Path(token): Path<String>| async move {
        redeem.redeem(&token).map_or_else(|| http::StatusCode::NOT_FOUND.into_response(), |it| Json(it).into_response())
    };
    Router::new().route("/check/{token}", routing::get(check)).fallback_service(accounts(Arc::clone(side), origin))
}

async fn serve(listener: TcpListener, router: Router) {
    axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}
