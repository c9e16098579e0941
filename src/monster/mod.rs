//! The Monster side: WebSockets of accounts, who is at their other end, and what goes over them.
//!
//! - in: `upgrade` accepts a socket (`handshake` is RFC 6455's part of it), `identity` finds out who opened it,
//!   `limits` keeps that from being overdone
//! - over: `session` runs one socket, `exchange` knows what its frames mean, `course` in which order,
//!   `outbox` is what waits for it, `hub` knows who can be reached
//! - out: `port` delivers for the core's lanes, `render` writes the frames, `dialer` opens sockets,
//!   `vouch` has the tokens by which others find out that it is us
//!
//! Knows `core`, `protocol` and `outbound`, through which it reaches others. Called by `http`, which mounts [`accounts`] and serves
//! [`MonsterSide::redeem`], and by `app`, which wires it.

mod course;
mod dialer;
mod exchange;
mod figures;
mod handshake;
mod hub;
mod identity;
mod keyed;
mod limits;
mod outbox;
mod port;
mod render;
mod session;
mod socket;
mod upgrade;
mod vouch;

pub use dialer::Dialling;
pub(crate) use handshake::{Handshake, Refusal, is_asked};
pub use limits::{Limits, network_of};
pub use port::Port;
pub use session::Patience;
pub(crate) use socket::{Socket, farewell};
pub use upgrade::accounts;
pub use vouch::Vouched;

use crate::core::{Core, Peer};
use crate::outbound::{Allow, Outbound};
use monster_protocol::{Authority, DEFAULT_MAX_FRAME_BYTES};
use outbox::Outbox;
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::task::TaskTracker;

/// What can be set about the Monster side: `[server]`, `[identity]` and `[limits]` of the
/// configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The URL by which others reach `/check`, without a `/` at its end.
    pub public_url: String,
    /// The server part of every address here.
    pub ours: Authority,
    /// Check URLs must be `https`, and others are dialled by `wss`.
    pub require_tls: bool,
    /// Whom check URLs and dials may reach although they are private.
    pub allow_private: Vec<Allow>,
    /// Hosts that are dialled by `wss` although their port is not 443: `host` or `host:port`.
    pub wss_hosts: Vec<String>,
    /// The longest frame, in bytes.
    pub max_frame_bytes: usize,
    /// What accounts and origins may have.
    pub limits: Limits,
    /// How long sockets may do nothing.
    pub patience: Patience,
    /// How sockets are opened.
    pub dialling: Dialling,
    /// Whom TLS trusts.
    pub tls: Arc<ClientConfig>,
}

impl Options {
    /// The defaults, for a gateway that is reached at `public_url`, whose host and port are `ours`.
    pub fn new(public_url: &str, ours: Authority, tls: Arc<ClientConfig>) -> Self {
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            ours,
            require_tls: false,
            allow_private: Vec::new(),
            wss_hosts: Vec::new(),
            max_frame_bytes: DEFAULT_MAX_FRAME_BYTES,
            limits: Limits::default(),
            patience: Patience::default(),
            dialling: Dialling::default(),
            tls,
        }
    }

    /// Whether a server is dialled by `wss`.
    fn speaks_tls(&self, server: &Authority) -> bool {
        let listed =
            |host: &String| host.eq_ignore_ascii_case(server.as_str()) || host.eq_ignore_ascii_case(server.host());
        self.require_tls || server.is_tls_by_default() || self.wss_hosts.iter().any(listed)
    }
}

/// The Monster side. One per process; everything it does is reached through an `Arc` of it.
pub struct MonsterSide {
    core: Arc<Core>,
    options: Options,
    figures: figures::Figures,
    limiter: limits::Limiter,
    hub: Arc<hub::Hub>,
    vouches: vouch::Vouches,
    outbound: Arc<Outbound>,
    identifier: identity::Identifier,
    dialer: dialer::Dialer,
    /// Who is at the other end of an anonymous socket.
    nobody: Arc<Peer>,
    open: Arc<Open>,
}

/// All sockets, so that they can be closed.
#[derive(Default)]
struct Open {
    outboxes: Mutex<HashMap<u64, Arc<Outbox>>>,
    next: AtomicU64,
    stopping: AtomicBool,
    sessions: TaskTracker,
}

impl MonsterSide {
    /// The Monster side of `core`, which is given its [`Port`] afterwards.
    pub fn new(core: Arc<Core>, options: Options) -> Arc<Self> {
        let outbound = Arc::new(Outbound::new(options.allow_private.clone(), Arc::clone(&options.tls)));
        let identifier = identity::Identifier::new(Arc::clone(&outbound), options.ours.clone(), options.require_tls);
        Arc::new(Self {
            core,
            figures: figures::Figures::new(),
            limiter: limits::Limiter::new(options.limits),
            hub: Arc::default(),
            vouches: vouch::Vouches::default(),
            outbound,
            identifier,
            dialer: dialer::Dialer::new(options.dialling),
            nobody: Arc::new(Peer::Anonymous),
            open: Arc::default(),
            options,
        })
    }

    /// Ends one of our check tokens and tells whom it vouched for; `None` if there is no such token
    /// (any more).
    pub fn redeem(&self, token: &str) -> Option<Vouched> {
        self.vouches.redeem(token)
    }

    /// How it reaches others.
    pub fn outbound(&self) -> Arc<Outbound> {
        Arc::clone(&self.outbound)
    }

    /// Changes the limits, for open sockets too.
    pub fn set_limits(&self, limits: Limits) {
        self.limiter.set(limits);
    }

    /// Takes no more sockets, closes all with 1001, and waits for their end, at most `grace`.
    pub async fn stop(&self, grace: Duration) {
        self.open.stopping.store(true, Ordering::SeqCst);
        let outboxes: Vec<_> = self.open.outboxes.lock().values().cloned().collect();
        tracing::debug!(sockets = outboxes.len(), "closing all sockets");
        for outbox in outboxes {
            outbox.close(CloseCode::Away, "this server is restarting");
        }
        self.open.sessions.close();
        if tokio::time::timeout(grace, self.open.sessions.wait()).await.is_err() {
            tracing::warn!(sockets = self.open.sessions.len(), "some sockets did not end in time");
        }
    }

    fn is_stopping(&self) -> bool {
        self.open.stopping.load(Ordering::SeqCst)
    }

    /// Runs a socket's session; its outbox is how it is closed.
    fn spawn(&self, outbox: &Arc<Outbox>, session: impl Future<Output = ()> + Send + 'static) {
        let number = self.open.next.fetch_add(1, Ordering::Relaxed);
        self.open.outboxes.lock().insert(number, Arc::clone(outbox));
        if self.is_stopping() {
            outbox.close(CloseCode::Away, "this server is restarting");
        }
        let listed = Listed { open: Arc::clone(&self.open), number };
        self.open.sessions.spawn(async move {
            session.await;
            drop(listed);
        });
    }
}

/// A socket's place in the list of all; dropping it takes it out.
struct Listed {
    open: Arc<Open>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.open.outboxes.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests;
