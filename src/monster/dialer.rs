//! Sockets that we open: to the account's own URL, speaking as one of our addresses, for which
//! `/check` vouches (`contract.md` "Who is speaking"; "Delivery to a Monster account").
//!
//! One socket for each pair of a speaking address and an account, kept while it is used. One attempt
//! at a time for an account, few for a server, and after a failure a growing, jittered pause in
//! which nobody tries. Called by `port`; the sockets run in `session`.

use super::MonsterSide;
use super::exchange::{Exchange, Speaking};
use super::figures::{Kind, dialled};
use super::hub::{Device, Ends};
use super::keyed::Keyed;
use super::session::Session;
use super::socket::{Socket, settings};
use super::vouch::Vouched;
use crate::core::{Peer, Side, Speaker};
use crate::outbound::{ConnectError, Target};
use monster_protocol::{Address, Authority, EXTENSIONS_TITLE, Request, RequestBody};
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;

/// Attempts at a time, to whomever.
const ATTEMPTS: usize = 128;
/// Attempts at a time to one server.
const ATTEMPTS_PER_SERVER: usize = 4;
/// How long the answer to our question about extensions may take.
const EXTENSIONS_WITHIN: Duration = Duration::from_secs(5);
/// For how long we remember whether an account reads the optional fields.
const EXTENSIONS_KNOWN: Duration = Duration::from_hours(24);
/// Of how many accounts.
const EXTENSIONS_AT_MOST: usize = 16_384;

/// How sockets are opened.
#[derive(Debug, Clone, Copy)]
pub struct Dialling {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// The pause after a first failure; each further one doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Sockets that we opened, at a time.
    pub sockets: usize,
}

impl Default for Dialling {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            sockets: 10_000,
        }
    }
}

/// No socket came about. It may later.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// A recent attempt failed, and it is not yet time for another.
    #[error("{why} (next attempt later)")]
    Pausing {
        /// Until then, nobody tries.
        left: Duration,
        /// Why the last attempt failed.
        why: String,
    },
    /// Nobody answers.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It took too long.
    #[error("{0} did not answer in time")]
    TooSlow(Authority),
    /// The other server did not make it a WebSocket.
    #[error("{server} did not open a socket: {why}")]
    Refused {
        /// Which server.
        server: Authority,
        /// What it said.
        why: String,
    },
    /// The account is gone for good.
    #[error("{0} does not exist any more, its server says")]
    Gone(Address),
    /// We have too much open, or are stopping.
    #[error("this gateway has too many sockets open to other servers")]
    Busy,
}

impl DialError {
    /// True if trying again would lead to the same: the account is gone, or this gateway's own rules
    /// keep it from going there.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Connect(ConnectError::Private { .. }))
    }

    fn outcome(&self) -> &'static str {
        match self {
            Self::Pausing { .. } => "pausing",
            Self::Connect(ConnectError::Private { .. }) => "private",
            Self::Connect(_) => "unreachable",
            Self::TooSlow(_) => "slow",
            Self::Refused { .. } | Self::Gone(_) => "refused",
            Self::Busy => "busy",
        }
    }
}

/// Opens sockets.
pub(super) struct Dialer {
    how: Dialling,
    accounts: Keyed<Address, Account>,
    servers: Keyed<Authority, Server>,
    attempts: Semaphore,
    open: Arc<Semaphore>,
    extensions: Mutex<HashMap<Address, (bool, Instant)>>,
}

/// What is known of an account that was dialled.
#[derive(Debug, Default)]
struct Account {
    /// Held during an attempt.
    attempt: tokio::sync::Mutex<()>,
    pause: Pause,
}

/// What is known of a server that was dialled.
#[derive(Debug)]
struct Server {
    attempts: Semaphore,
    pause: Pause,
}

impl Default for Server {
    fn default() -> Self {
        Self { attempts: Semaphore::new(ATTEMPTS_PER_SERVER), pause: Pause::default() }
    }
}

/// The time after a failure in which nobody tries again.
#[derive(Debug, Default)]
struct Pause(Mutex<Option<Failed>>);

#[derive(Debug, Clone)]
struct Failed {
    times: u32,
    until: Instant,
    why: String,
}

impl Pause {
    fn check(&self) -> Result<(), DialError> {
        match &*self.0.lock() {
            Some(failed) => match failed.until.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => Err(DialError::Pausing { left, why: failed.why.clone() }),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn failed(&self, how: &Dialling, why: String) {
        let mut failed = self.0.lock();
        let times = failed.as_ref().map_or(0, |failed| failed.times);
        let pause = how.first_pause.saturating_mul(1 << times.min(20)).min(how.longest_pause);
        let pause = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        *failed = Some(Failed { times: times.saturating_add(1), until: Instant::now() + pause, why });
    }

    fn succeeded(&self) {
        *self.0.lock() = None;
    }

    fn is_remembered(&self) -> bool {
        self.check().is_err()
    }
}

impl Dialer {
    /// A dialer that has not dialled yet.
    pub(super) fn new(how: Dialling) -> Self {
        Self {
            how,
            accounts: Keyed::default(),
            servers: Keyed::default(),
            attempts: Semaphore::new(ATTEMPTS),
            open: Arc::new(Semaphore::new(how.sockets)),
            extensions: Mutex::default(),
        }
    }

    /// A socket to `to` on which we speak as `via`, called `nickname`: one that is open, or a new one.
    pub(super) async fn reach(
        &self,
        side: &Arc<MonsterSide>,
        to: &Address,
        via: &Address,
        nickname: &str,
    ) -> Result<Arc<Device>, DialError> {
        let ends = Ends { account: to.clone(), here: via.clone() };
        let account = self.accounts.get(to.clone(), |account| account.pause.is_remembered());
        let _attempt = account.attempt.lock().await;
        // Somebody else may have opened it meanwhile.
        if let Some(device) = side.hub.best(&ends) {
            return Ok(device);
        }
        account.pause.check()?;
        let server = self.servers.get(to.authority().clone(), |server| server.pause.is_remembered());
        let outcome = self.attempt(side, &server, to, via, nickname).await;
        match &outcome {
            Ok(_) => {
                account.pause.succeeded();
                server.pause.succeeded();
                dialled("ok");
            }
            Err(error) => {
                dialled(error.outcome());
                tracing::debug!(%to, %via, %error, "a socket could not be opened");
                match error {
                    // Nothing was tried, and nothing changes by waiting.
                    error if error.is_final() => {}
                    DialError::Connect(_) | DialError::TooSlow(_) => server.pause.failed(&self.how, error.to_string()),
                    DialError::Refused { .. } => account.pause.failed(&self.how, error.to_string()),
                    _ => {}
                }
            }
        }
        let device = outcome?;
        self.learn_extensions(to, &device, side).await;
        Ok(device)
    }

    async fn attempt(
        &self,
        side: &Arc<MonsterSide>,
        server: &Server,
        to: &Address,
        via: &Address,
        nickname: &str,
    ) -> Result<Arc<Device>, DialError> {
        let (Ok(_of_server), Ok(_of_all)) = (server.attempts.acquire().await, self.attempts.acquire().await) else {
            return Err(DialError::Busy);
        };
        server.pause.check()?;
        let place = Arc::clone(&self.open).try_acquire_owned().map_err(|_| DialError::Busy)?;
        if side.is_stopping() {
            return Err(DialError::Busy);
        }
        let opening = tokio::time::timeout(self.how.attempt, open(side, to, via, nickname));
        let socket = opening.await.map_err(|_| DialError::TooSlow(to.authority().clone()))??;
        let device = Arc::new(Device::new(Arc::default(), false));
        let speaker = Speaker {
            account: to.clone(),
            side: Side::Remote,
            ext: false,
            nickname: None,
            picture: None,
            device: device.name.clone(),
        };
        let speaking = Speaking::Known(Arc::new(Peer::Account(speaker)));
        let mut exchange =
            Exchange::new(Arc::clone(side), Kind::Dialled, via.clone(), speaking, Arc::clone(&device), None);
        exchange.begin();
        let session = Session::new(exchange, side.options.patience);
        side.spawn(&session.outbox(), async move {
            session.run(socket).await;
            drop(place);
        });
        Ok(device)
    }

    /// Asks once, and remembers, whether the account reads the optional fields.
    async fn learn_extensions(&self, to: &Address, device: &Device, side: &MonsterSide) {
        let known =
            self.extensions.lock().get(to).filter(|(_, at)| at.elapsed() < EXTENSIONS_KNOWN).map(|(ext, _)| *ext);
        let ext = if let Some(ext) = known {
            ext
        } else {
            let id = format!("{EXTENSIONS_TITLE}-{:016x}", rand::rng().random::<u64>());
            side.figures.pushed("1000");
            let asked = device.outbox.ask(&id, Request::new(id.as_str(), RequestBody::Info).to_json().into());
            // Who does not answer is asked again with the next socket.
            let Ok(Ok(answer)) = tokio::time::timeout(EXTENSIONS_WITHIN, asked).await else { return };
            let ext = answer.reads_extensions();
            self.remember(to, ext);
            ext
        };
        if ext {
            device.set_ext();
        }
    }

    fn remember(&self, to: &Address, ext: bool) {
        let mut known = self.extensions.lock();
        if known.len() >= EXTENSIONS_AT_MOST {
            known.clear();
        }
        known.insert(to.clone(), (ext, Instant::now()));
    }
}

/// Opens the account's URL as a WebSocket, with a token of ours.
async fn open(side: &MonsterSide, to: &Address, via: &Address, nickname: &str) -> Result<Socket, DialError> {
    let server = to.authority();
    let refused = |why: String| DialError::Refused { server: server.clone(), why };
    let tls = side.options.speaks_tls(server);
    let target = Target { host: server.bare_host().to_owned(), port: server.port_or_default(tls), tls };
    let connection = side.outbound.connect(&target).await?;
    let token = side.vouches.issue(Vouched::new(via, nickname)).ok_or(DialError::Busy)?;
    let check_url = format!("{}/check/{}", side.options.public_url, token.as_str());
    let check_url = utf8_percent_encode(&check_url, NON_ALPHANUMERIC);
    let url = format!("{}?checkUrl={check_url}&ext=1", to.to_url(tls));
    let config = Some(settings(side.options.max_frame_bytes));
    match client_async_with_config(url, connection, config).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) if answer.status().as_u16() == 410 => Err(DialError::Gone(to.clone())),
        Err(WsError::Http(answer)) => Err(refused(format!("it answered with status {}", answer.status().as_u16()))),
        Err(error) => Err(refused(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_jitter_up_to_the_longest_and_end_with_a_success() {
        let (how, pause) = (Dialling::default(), Pause::default());
        for longest in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            assert!(pause.check().is_ok());
            pause.failed(&how, "nobody is there".to_owned());
            let Err(DialError::Pausing { left, why }) = pause.check() else { panic!("there is no pause") };
            let longest = Duration::from_secs(longest);
            assert!(left >= longest / 2 && left <= longest, "{left:?} of {longest:?}");
            assert_eq!(why, "nobody is there");
            tokio::time::advance(left).await;
        }
        pause.failed(&how, String::new());
        pause.succeeded();
        assert!(pause.check().is_ok());
    }
}
