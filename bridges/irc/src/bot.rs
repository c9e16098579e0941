//! The bot: the one connection of an instance that listens in the rooms, answers the gateway's own
//! questions, and speaks for those who have no connection of their own.
//!
//! [`tend`] keeps it connected as long as it is needed; what it hears goes to the rooms, to the
//! private ears and to the conversations.

use crate::config::Connect;
use crate::conn::{Conn, OpenError, Opening};
use crate::hear::{Ears, PrivateItem};
use crate::identity;
use crate::instance::{Instance, Running};
use crate::net::Urgency;
use crate::proto::Event;
use crate::proto::session::{CloseReason, Place};
use crate::rooms::{Item, Room};
use monster_bridge_api::{Backoff, Health};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// After so long without anybody using it, a bot without rooms leaves (`connect = "on_use"`).
const UNUSED: Duration = Duration::from_mins(10);
/// A connection that lasted this long was a good one: the next pause is short again.
const GOOD: Duration = Duration::from_mins(1);
/// How long to wait for a connection that did not come about the last time.
const IN_TROUBLE: Duration = Duration::from_secs(3);
/// Events of the connection that may wait.
const EVENTS: usize = 512;

/// The listening bot.
#[derive(Debug)]
pub(crate) struct Bot {
    conn: watch::Sender<Option<Arc<Conn>>>,
    used: Mutex<Option<Instant>>,
    needed: Notify,
    trouble: watch::Sender<Option<String>>,
}

impl Default for Bot {
    fn default() -> Self {
        Self {
            conn: watch::Sender::new(None),
            used: Mutex::new(None),
            needed: Notify::new(),
            trouble: watch::Sender::new(None),
        }
    }
}

impl Bot {
    /// Somebody needs the network.
    pub(crate) fn need(&self) {
        *self.used.lock() = Some(Instant::now());
        self.needed.notify_one();
    }

    /// The connection, if it stands.
    pub(crate) fn conn(&self) -> Option<Arc<Conn>> {
        self.conn.borrow().clone().filter(|conn| conn.is_up())
    }

    /// Follows the connection.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<Conn>>> {
        self.conn.subscribe()
    }

    /// Why there is no connection, if that is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Waits for the connection, for a while, and not long where it is in trouble already; then says
    /// what is in the way.
    pub(crate) async fn ready(&self, patience: Duration) -> Result<Arc<Conn>, String> {
        self.need();
        let mut conn = self.conn.subscribe();
        let up = async {
            match conn.wait_for(|conn| conn.as_ref().is_some_and(|conn| conn.is_up())).await {
                Ok(conn) => conn.clone(),
                Err(_) => None,
            }
        };
        let patience = if self.trouble().is_some() { patience.min(IN_TROUBLE) } else { patience };
        let up = tokio::time::timeout(patience, up).await.ok().flatten();
        up.ok_or_else(|| self.trouble().unwrap_or_else(|| "the connection to the IRC server is not up yet".to_owned()))
    }

    /// The run is over.
    pub(crate) fn forget(&self) {
        self.conn.send_replace(None);
    }

    fn is_needed(&self, instance: &Instance) -> bool {
        let recently = self.used.lock().is_some_and(|used| used.elapsed() < UNUSED);
        recently || instance.config.connect == Connect::Always || !instance.rooms.is_empty()
    }
}

/// Keeps the bot connected as long as it is needed, until everything ends.
pub(crate) async fn tend(instance: Arc<Instance>, running: Arc<Running>, ears: Ears) {
    let mut backoff = Backoff::new(instance.config.reconnect);
    loop {
        while !instance.bot.is_needed(&instance) {
            running.host.report(Health::Idle);
            instance.bot.needed.notified().await;
        }
        running.host.report(Health::Connecting);
        instance.network.pacer.turn(Urgency::Urgent).await;
        let (events, mut told) = mpsc::channel(EVENTS);
        let why = match open(&instance, &running, events).await {
            Ok(conn) => {
                let since = Instant::now();
                let reason = stand(&instance, &running, &ears, conn, told).await;
                if since.elapsed() >= GOOD {
                    backoff.reset();
                }
                match reason {
                    CloseReason::Quit => continue,
                    other => OpenError::Closed(other),
                }
            }
            Err(error) => {
                instance.heed_policy(&mut told);
                error
            }
        };
        let pause = instance.after_failure(&why, &mut backoff);
        let why = why.to_string();
        tracing::warn!(instance = %instance.scope.instance, why, pause_ms = pause.as_millis(), "irc is not connected");
        instance.bot.trouble.send_replace(Some(why.clone()));
        running.host.report(Health::Down { why });
        tokio::time::sleep(pause).await;
    }
}

async fn open(instance: &Arc<Instance>, running: &Running, events: mpsc::Sender<Event>) -> Result<Conn, OpenError> {
    let session = identity::bot(&instance.config, &instance.scope, instance.dialer.is_secure())
        .map_err(|why| OpenError::Closed(CloseReason::Refused(why)))?;
    let opening = Opening {
        dialer: &instance.dialer,
        ident: running.ident.as_deref(),
        session,
        flood: instance.config.flood,
        with_certificate: true,
        events,
    };
    Conn::open(opening).await
}

/// While the connection stands: hands on what it hears. Returns why it ended.
async fn stand(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    ears: &Ears,
    conn: Conn,
    mut told: mpsc::Receiver<Event>,
) -> CloseReason {
    let conn = Arc::new(conn);
    instance.network.pacer.welcomed();
    conn.look(|session| instance.names.learn(session));
    let own = instance.network.enter(instance.names.fold(&conn.nick()).into_string());
    tracing::info!(instance = %instance.scope.instance, nick = conn.nick(), "irc is connected");
    instance.use_configured(running);
    instance.bot.trouble.send_replace(None);
    instance.bot.conn.send_replace(Some(Arc::clone(&conn)));
    running.host.report(Health::Up);
    let mut unused = tokio::time::interval(Duration::from_secs(30));
    loop {
        tokio::select! {
            event = told.recv() => match event {
                Some(Event::NickChanged { to, own: true, .. }) => own.rename(instance.names.fold(&to).into_string()),
                Some(event) => hear(instance, running, ears, &conn, event).await,
                None => break,
            },
            _ = unused.tick() => {
                if !instance.bot.is_needed(instance) {
                    conn.say_goodbye("not needed now");
                }
            }
        }
    }
    instance.bot.conn.send_replace(None);
    conn.ended().await
}

/// Hands on one event.
async fn hear(instance: &Arc<Instance>, running: &Arc<Running>, ears: &Ears, conn: &Arc<Conn>, event: Event) {
    instance.follow(conn, &event);
    match &event {
        Event::Said(heard) if matches!(heard.by.place, Place::Private { .. }) => {
            return ears.hear(PrivateItem::heard(None, conn, event)).await;
        }
        Event::Quit { who, .. } => instance.network.saw_quit(instance.names.fold(&who.nick).as_str()),
        Event::Invited { channel, .. } => instance.bot_invited(running, conn, channel),
        Event::FeaturesChanged => conn.look(|session| instance.names.learn(session)),
        Event::LoginFailed { why } => {
            tracing::warn!(instance = %instance.scope.instance, why, "the bot could not log in");
        }
        _ => {}
    }
    to_rooms(instance, conn, &event, |_| true).await;
}

/// Hands an event to the rooms that it happened in, as far as the connection hears there.
pub(crate) async fn to_rooms(instance: &Instance, conn: &Arc<Conn>, event: &Event, hears: impl Fn(&Room) -> bool) {
    let place = match event {
        Event::Said(heard) => Some(&heard.by.place),
        Event::Reacted { by, .. } | Event::Redacted { by, .. } | Event::Typing { by, .. } => Some(&by.place),
        _ => None,
    };
    let channels = match (place, event) {
        (Some(Place::Channel { name, .. }), _) => std::slice::from_ref(name),
        (_, Event::Left { channel, .. } | Event::MemberJoined { channel, .. } | Event::MemberLeft { channel, .. }) => {
            std::slice::from_ref(channel)
        }
        (_, Event::Quit { channels, .. } | Event::NickChanged { channels, .. }) => channels,
        (_, Event::Replayed(history)) => std::slice::from_ref(&history.target),
        _ => return,
    };
    for channel in channels {
        if let Some(room) = instance.rooms.get(&instance.names.fold(channel)).filter(|room| hears(room)) {
            room.hear(Item { conn: Arc::clone(conn), event: event.clone() }).await;
        }
    }
}

/// How often to look whether a connection is still needed.
pub(crate) fn sweep(idle_close: Option<Duration>) -> Duration {
    idle_close.map_or(GOOD, |idle| (idle / 4).clamp(Duration::from_millis(100), GOOD))
}

impl Instance {
    /// What a failed attempt means for the next one: the pause to make.
    pub(crate) fn after_failure(&self, why: &OpenError, backoff: &mut Backoff) -> Duration {
        let pause = backoff.pause();
        match why {
            OpenError::Closed(CloseReason::Server { throttled: true, .. }) => {
                pause.max(self.network.pacer.complained())
            }
            OpenError::Closed(CloseReason::Server { banned: true, .. }) => pause.max(Duration::from_mins(1)),
            _ => pause,
        }
    }

    /// A server without TLS may have asked to come back with it (IRCv3 `sts`).
    pub(crate) fn heed_policy(&self, told: &mut mpsc::Receiver<Event>) {
        while let Ok(event) = told.try_recv() {
            if let Event::Sts(policy) = event
                && let Some(port) = policy.port
            {
                self.dialer.upgrade(port);
            }
        }
    }
}
