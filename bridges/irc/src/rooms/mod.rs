//! The channels that this instance listens in: what they are used for, whether the bot is in, and
//! the lane in which what is heard there goes to the host, one after the other. Where the bot is not
//! let in and a puppet is, that one hears in its place.
//!
//! Each room has a task (`task`) that joins, comes back after a kick, reads what was missed
//! (`hear::catch_up`) and hands over what is heard. `use_room` and the listening bot come in here.

mod task;

use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::proto::Event;
use crate::proto::session::{FailureKind, RequestFailure};
use monster_bridge_api::{DeliveryError, PersonaId, Posting, RemoteId, RoomUse};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Lines of one room that may wait for the host.
const LANE: usize = 1024;

/// All rooms that are used.
#[derive(Default)]
pub(crate) struct Rooms {
    table: Mutex<HashMap<RemoteId, Arc<Room>>>,
}

/// One room that is used.
pub(crate) struct Room {
    pub(crate) id: RemoteId,
    usage: Mutex<Usage>,
    status: watch::Sender<Status>,
    lane: mpsc::Sender<Item>,
    /// The puppet that hears here while the bot is not let in.
    stand_in: Mutex<Option<Arc<Conn>>>,
    /// Something was heard that found no place in the lane: it has to be read from the history.
    missed: AtomicBool,
    /// Try again to get in.
    retry: Notify,
    end: CancellationToken,
}

/// What a room is used for.
#[derive(Debug, Clone, Default)]
struct Usage {
    posting: Option<Posting>,
    /// Keys that may open it.
    keys: Vec<String>,
    /// Who has been let in.
    members: HashSet<PersonaId>,
}

/// Something heard in a room, and by which connection.
pub(crate) struct Item {
    pub(crate) conn: Arc<Conn>,
    pub(crate) event: Event,
}

/// Whether the bot is in a room.
#[derive(Clone)]
pub(crate) enum Status {
    /// Not (yet).
    Out,
    /// In, on this connection.
    In(Arc<Conn>),
    /// It is not let in.
    Shut {
        /// For people.
        why: String,
        /// It may be let in a little later, without anybody doing anything.
        soon: bool,
    },
}

impl Rooms {
    /// The room, if it is used.
    pub(crate) fn get(&self, id: &RemoteId) -> Option<Arc<Room>> {
        self.table.lock().get(id).cloned()
    }

    /// True without any.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.lock().is_empty()
    }

    /// Forgets all, at the end of a run.
    pub(crate) fn clear(&self) {
        for room in std::mem::take(&mut *self.table.lock()).into_values() {
            room.end.cancel();
        }
    }
}

impl Room {
    /// How people appear in it where nothing else is said.
    pub(crate) fn posting(&self) -> Option<Posting> {
        self.usage.lock().posting
    }

    /// The keys that may open it, at least one entry: none, if no key is known.
    pub(crate) fn keys(&self) -> Vec<Option<String>> {
        let keys: Vec<_> = self.usage.lock().keys.iter().cloned().map(Some).collect();
        if keys.is_empty() { vec![None] } else { keys }
    }

    /// Whether somebody has been let in.
    pub(crate) fn has(&self, who: &PersonaId) -> bool {
        self.usage.lock().members.contains(who)
    }

    /// The state now.
    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Something changed: try at once to get in.
    pub(crate) fn retry(&self) {
        self.retry.notify_one();
    }

    /// The puppet that hears here while the bot is not let in.
    pub(crate) fn stand_in(&self) -> Option<Arc<Conn>> {
        self.stand_in.lock().clone()
    }

    /// Whether this connection hears here in the bot's place.
    pub(crate) fn is_heard_by(&self, conn: &Conn) -> bool {
        self.stand_in.lock().as_ref().is_some_and(|stand_in| stand_in.id() == conn.id())
    }

    /// A puppet has come in: where nobody hears yet, it does.
    pub(crate) fn puppet_came(&self, conn: &Arc<Conn>) {
        let is_shut = matches!(*self.status.borrow(), Status::Shut { .. });
        let mut stand_in = self.stand_in.lock();
        if is_shut && stand_in.is_none() {
            *stand_in = Some(Arc::clone(conn));
            self.retry();
        }
    }

    /// Takes something that was heard here, by the bot or its stand-in. Waits only where the server has no history from
    /// which it could be read later.
    pub(crate) async fn hear(&self, item: Item) {
        let has_history = item.conn.look(crate::proto::Session::has_history);
        if !has_history {
            // A room that has just ended takes nothing more.
            drop(self.lane.send(item).await);
        } else if self.lane.try_send(item).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }

    /// Waits until the bot is in, for a while.
    pub(crate) async fn entered(&self, patience: Duration) -> Result<Arc<Conn>, DeliveryError> {
        let mut status = self.status.subscribe();
        // A connection that has just ended is not yet known to be gone everywhere.
        let settled = status.wait_for(|status| match status {
            Status::Out => false,
            Status::In(conn) => conn.is_up(),
            Status::Shut { .. } => true,
        });
        match tokio::time::timeout(patience, settled).await {
            Ok(Ok(status)) => match &*status {
                Status::In(conn) => Ok(Arc::clone(conn)),
                Status::Shut { why, soon: false } => Err(DeliveryError::permanent(why.clone())),
                Status::Shut { why, soon: true } => Err(DeliveryError::transient(why.clone())),
                Status::Out => Err(DeliveryError::transient("the bot is not in the channel")),
            },
            Ok(Err(_)) => Err(DeliveryError::transient("the channel is no longer used")),
            Err(_) => Err(DeliveryError::transient(format!("the bot is not in {} yet", self.id))),
        }
    }
}

impl Status {
    /// What a refused JOIN means.
    fn refused(room: &RemoteId, failure: &RequestFailure) -> Self {
        let why = why_not_in(room, failure);
        let soon = matches!(
            failure.kind,
            FailureKind::Full | FailureKind::Later | FailureKind::Timeout | FailureKind::Disconnected
        );
        Self::Shut { why, soon }
    }
}

/// Why somebody cannot get into a room, for people.
pub(crate) fn why_not_in(room: &RemoteId, failure: &RequestFailure) -> String {
    match &failure.kind {
        FailureKind::BadKey => format!("{room} needs the right channel key"),
        FailureKind::InviteOnly => format!("{room} is for invited people only"),
        FailureKind::Banned => format!("{room} has banned us"),
        FailureKind::Full => format!("{room} is full"),
        FailureKind::NeedsAccount => format!("{room} only lets in people with an account on this network"),
        FailureKind::NeedsTls => format!("{room} only lets in people with an encrypted connection"),
        FailureKind::Forwarded(to) => format!("{room} sends newcomers on to {to}"),
        _ => format!("{room} cannot be joined: {}", failure.why),
    }
}

impl Instance {
    /// The room is used like this from now on; `None`: by nobody any more.
    pub(crate) fn use_room(self: &Arc<Self>, running: &Arc<Running>, id: &RemoteId, usage: Option<RoomUse>) {
        if !self.names.is_channel(id) || self.names.target(id).is_err() {
            return;
        }
        let configured = self.config.channels().find(|(name, _)| self.names.fold(name) == *id);
        let mut keys: Vec<String> =
            configured.iter().filter_map(|(_, key)| key.map(|key| key.reveal().to_owned())).collect();
        if usage.is_none() && configured.is_none() {
            if let Some(room) = self.rooms.table.lock().remove(id) {
                room.end.cancel();
            }
            return;
        }
        let let_in = || usage.iter().flat_map(|usage| &usage.members);
        let members = let_in().map(|(who, _)| who.id.clone()).collect();
        for key in let_in().filter_map(|(_, pass)| pass.as_deref()) {
            if crate::proto::Middle::new(key).is_ok() && !keys.iter().any(|known| known == key) {
                keys.push(key.to_owned());
            }
        }
        let posting = usage.and_then(|usage| usage.posting);
        let usage = Usage { posting, keys, members };
        self.set_usage(running, id, usage);
        self.bot.need();
    }

    fn set_usage(self: &Arc<Self>, running: &Arc<Running>, id: &RemoteId, usage: Usage) {
        let mut table = self.rooms.table.lock();
        if let Some(room) = table.get(id) {
            *room.usage.lock() = usage;
            room.retry();
            return;
        }
        let (lane, heard) = mpsc::channel(LANE);
        let room = Arc::new(Room {
            id: id.clone(),
            usage: Mutex::new(usage),
            status: watch::Sender::new(Status::Out),
            lane,
            stand_in: Mutex::new(None),
            missed: AtomicBool::new(false),
            retry: Notify::new(),
            end: CancellationToken::new(),
        });
        table.insert(id.clone(), Arc::clone(&room));
        running.spawn("room", task::run(Arc::clone(self), Arc::clone(running), room, heard));
    }

    /// Uses the channels of the configuration.
    pub(crate) fn use_configured(self: &Arc<Self>, running: &Arc<Running>) {
        for (name, _) in self.config.channels() {
            match self.names.id_of(name) {
                Ok(id) if self.rooms.get(&id).is_none() => self.use_room(running, &id, None),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(instance = %self.scope.instance, %error, "a configured channel is left out");
                }
            }
        }
    }
}
