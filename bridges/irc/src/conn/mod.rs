//! One connection to the server: a [`Session`] and the socket that carries it.
//!
//! [`Conn`] is the handle that everybody shares: it asks the session for something and waits for
//! what comes of it. The task in `drive` moves bytes, time and events, keeps to the pace, and ends
//! with the connection; who wants to be connected again opens another one. What is not an answer to
//! somebody goes to the channel given to [`Conn::open`], in order, and holds up reading when nobody
//! takes it.

mod ask;
mod drive;

pub(crate) use ask::SendError;

use crate::config::Flood;
use crate::net::{Caller, DialError, Dialer, Ident};
use crate::proto::session::{Answer, CloseReason, RequestFailure, RequestId, SendFailure, SendToken};
use crate::proto::{Event, Session, SessionConfig, Trailing};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// The handle of a connection that was registered. Dropping the last one takes leave.
#[derive(Debug)]
pub(crate) struct Conn {
    inner: Arc<Inner>,
    closed: watch::Receiver<Option<CloseReason>>,
}

#[derive(Debug)]
struct Inner {
    /// Tells the connections of this process apart.
    id: u64,
    state: Mutex<State>,
    /// Something is there to be written.
    wake: Notify,
    /// Held by whoever joins a channel.
    joining: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    session: Session,
    sends: HashMap<SendToken, oneshot::Sender<Sent>>,
    requests: HashMap<RequestId, oneshot::Sender<Result<Answer, RequestFailure>>>,
}

/// What became of something that was said: the ids of its lines, or why not.
type Sent = Result<Vec<Option<String>>, SendFailure>;

/// Why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// There was no stream.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server did not let us in.
    #[error("{0}")]
    Closed(CloseReason),
}

/// What a connection is opened with.
pub(crate) struct Opening<'a> {
    pub(crate) dialer: &'a Dialer,
    pub(crate) ident: Option<&'a Ident>,
    pub(crate) session: SessionConfig,
    pub(crate) flood: Flood,
    /// Whether it is the bot's, to whom the client certificate belongs.
    pub(crate) with_certificate: bool,
    /// Takes what the session tells.
    pub(crate) events: mpsc::Sender<Event>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Conn {
    /// Connects and registers. Dropping the future abandons it.
    pub(crate) async fn open(opening: Opening<'_>) -> Result<Self, OpenError> {
        let user = opening.session.username.as_str().to_owned();
        let caller = Caller { user: &user, with_certificate: opening.with_certificate };
        let (stream, ident) = opening.dialer.dial(caller, opening.ident).await?;
        let session = Session::new(opening.session, Instant::now());
        let state = State { session, sends: HashMap::new(), requests: HashMap::new() };
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let inner =
            Arc::new(Inner { id, state: Mutex::new(state), wake: Notify::new(), joining: tokio::sync::Mutex::new(()) });
        let (up, mut registered) = watch::channel(false);
        let (closing, closed) = watch::channel(None);
        // Held until registration is over: dropping this future ends the connection.
        let conn = Self { inner: Arc::clone(&inner), closed };
        let driver = drive::Driver::new(inner, opening.flood, opening.events, up, closing, ident);
        tokio::spawn(driver.run(stream));
        let mut ended = conn.closed.clone();
        tokio::select! {
            biased;
            reason = ended.wait_for(Option::is_some) => {
                let reason = reason.ok().and_then(|reason| reason.clone());
                Err(OpenError::Closed(reason.unwrap_or_else(|| CloseReason::Lost("the connection ended".to_owned()))))
            }
            up = registered.wait_for(|up| *up) => match up {
                Ok(_) => {
                    drop(up);
                    Ok(conn)
                }
                Err(_) => Err(OpenError::Closed(CloseReason::Lost("the connection ended".to_owned()))),
            }
        }
    }

    /// Tells this connection apart from every other one of this process.
    pub(crate) fn id(&self) -> u64 {
        self.inner.id
    }

    /// Our nick now.
    pub(crate) fn nick(&self) -> String {
        self.look(|session| session.nick().to_owned())
    }

    /// Reads something of the session.
    pub(crate) fn look<T>(&self, read: impl FnOnce(&Session) -> T) -> T {
        read(&self.inner.state.lock().session)
    }

    /// True while it stands.
    pub(crate) fn is_up(&self) -> bool {
        self.closed.borrow().is_none() && self.look(Session::is_up)
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> CloseReason {
        let mut closed = self.closed.clone();
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| CloseReason::Lost("the connection ended".to_owned()))
    }

    /// Takes leave, and waits until the server has closed the connection, a few seconds at most.
    pub(crate) async fn quit(&self, reason: &str) {
        self.say_goodbye(reason);
        drop(tokio::time::timeout(Duration::from_secs(3), self.ended()).await);
    }

    /// Takes leave without waiting.
    pub(crate) fn say_goodbye(&self, reason: &str) {
        self.act(|session| session.quit(&Trailing::one_line(reason)));
    }

    /// Does something that nobody waits for.
    pub(crate) fn act<T>(&self, act: impl FnOnce(&mut Session) -> T) -> T {
        let done = act(&mut self.inner.state.lock().session);
        self.inner.wake.notify_one();
        done
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if self.closed.borrow().is_none() {
            self.say_goodbye("");
        }
    }
}
