//! The life of one room: get in, read what was missed, hand over what is heard, come back.

use super::{Item, Room, Status};
use crate::conn::Conn;
use crate::hear::{Listener, Reading};
use crate::instance::{Instance, Running};
use crate::proto::Event;
use crate::proto::session::{FailureKind, RequestFailure};
use monster_bridge_api::{ACCEPT_AT_ONCE, Backoff, EventKind, Reconnect, RemoteUser, Venue};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// After so long in a room, a kick is the first one again.
const SETTLED: Duration = Duration::from_mins(10);
/// So long before its room knows of it, a puppet may have come in.
const JUST_BEFORE: Duration = Duration::from_secs(5);
/// Pauses between attempts to get into a room that does not let the bot in.
const REJOIN: Reconnect = Reconnect { min_ms: 2_000, max_ms: 600_000 };

struct Task {
    instance: Arc<Instance>,
    running: Arc<Running>,
    room: Arc<Room>,
    listener: Listener,
    backoff: Backoff,
    next_try: Option<Instant>,
    /// When the bot last got in.
    entered: Option<Instant>,
    /// Which stand-in of the bot has read what was said before it heard.
    heard_by: Option<u64>,
    /// What the room was last told about the bot's absence.
    told: Option<String>,
}

pub(super) async fn run(
    instance: Arc<Instance>,
    running: Arc<Running>,
    room: Arc<Room>,
    mut heard: mpsc::Receiver<Item>,
) {
    let listener = Listener::room(&instance, &running, &room.id).await;
    let mut bot = instance.bot.watch();
    let mut task = Task {
        instance,
        running,
        room: Arc::clone(&room),
        listener,
        backoff: Backoff::new(REJOIN),
        next_try: Some(Instant::now()),
        entered: None,
        heard_by: None,
        told: None,
    };
    loop {
        // Not marked as seen: that a change was missed while something was heard must still be noticed.
        let conn = bot.borrow().clone();
        let stand_in = room.stand_in();
        tokio::select! {
            biased;
            () = room.end.cancelled() => return task.leave(conn).await,
            Some(item) = heard.recv() => task.hear_all(item, &mut heard).await,
            changed = bot.changed() => {
                if changed.is_err() {
                    return;
                }
                room.status.send_replace(Status::Out);
                task.next_try = Some(Instant::now());
            }
            () = room.retry.notified() => {
                if !task.is_in() {
                    task.next_try = Some(Instant::now());
                }
            }
            () = ended(stand_in) => task.lose_stand_in(),
            () = due(task.next_try), if conn.is_some() => {
                if let Some(conn) = conn {
                    task.enter(conn).await;
                }
            }
        }
        if heard.is_empty() {
            task.read_missed().await;
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn ended(conn: Option<Arc<Conn>>) {
    match conn {
        Some(conn) => drop(conn.ended().await),
        None => std::future::pending().await,
    }
}

impl Task {
    fn is_in(&self) -> bool {
        matches!(&*self.room.status.borrow(), Status::In(conn) if conn.is_up())
    }

    /// Joins, and reads what was said while the bot was not there.
    async fn enter(&mut self, conn: Arc<Conn>) {
        self.next_try = None;
        if !self.running.stop.is_cancelled() && !conn.is_up() {
            return;
        }
        match self.join(&conn).await {
            Ok(()) => {
                self.told = None;
                self.entered = Some(Instant::now());
                self.room.missed.store(false, Ordering::Relaxed);
                *self.room.stand_in.lock() = None;
                self.heard_by = None;
                self.room.status.send_replace(Status::In(Arc::clone(&conn)));
                self.listener.catch_up(&conn).await;
            }
            Err(failure) => {
                let status = Status::refused(&self.room.id, &failure);
                tracing::info!(instance = %self.instance.scope.instance, room = %self.room.id, error = %failure, "the bot was not let into a channel");
                self.next_try = Some(Instant::now() + self.backoff.pause());
                self.room.status.send_replace(status.clone());
                if let Status::Shut { why, soon: false } = status
                    && !self.has_stand_in().await
                {
                    let (room, nick) = (&self.room.id, conn.nick());
                    let hint = match failure.kind {
                        FailureKind::InviteOnly => format!("; somebody in it can let me in: /invite {nick} {room}"),
                        _ => String::new(),
                    };
                    self.tell(format!("nothing is carried to and from {room} now: {why}{hint}")).await;
                }
            }
        }
    }

    /// Whether a puppet that is in the room hears there in the bot's place, from now on at the latest.
    async fn has_stand_in(&mut self) -> bool {
        let Ok(target) = self.instance.names.target(&self.room.id) else { return false };
        let is_in = |conn: &Arc<Conn>| conn.is_up() && conn.look(|session| session.is_in(target.as_str()));
        let found =
            self.room.stand_in().filter(is_in).or_else(|| self.instance.puppets.conns().into_iter().find(is_in));
        self.room.stand_in.lock().clone_from(&found);
        let Some(conn) = found else { return false };
        if self.heard_by.replace(conn.id()) != Some(conn.id()) {
            tracing::info!(instance = %self.instance.scope.instance, room = %self.room.id, nick = conn.nick(), "a puppet hears in the bot's place");
            self.told = None;
            self.listener.catch_up_from(&conn, SystemTime::now() - JUST_BEFORE).await;
        }
        true
    }

    fn lose_stand_in(&mut self) {
        *self.room.stand_in.lock() = None;
        self.heard_by = None;
        self.next_try = Some(Instant::now());
    }

    async fn join(&self, conn: &Conn) -> Result<(), RequestFailure> {
        let refused = |why: String| RequestFailure { kind: FailureKind::Refused, why };
        let target = self.instance.names.target(&self.room.id).map_err(|why| refused(why.to_string()))?;
        let mut outcome = Err(refused("no key is known".to_owned()));
        for key in self.room.keys() {
            outcome = conn.join(&target, key.as_deref()).await;
            if !matches!(&outcome, Err(failure) if failure.kind == FailureKind::BadKey) {
                break;
            }
        }
        outcome
    }

    /// Takes `first` and what has queued behind it.
    async fn hear_all(&mut self, first: Item, heard: &mut mpsc::Receiver<Item>) {
        self.hear(first).await;
        for _ in 1..ACCEPT_AT_ONCE {
            let Ok(next) = heard.try_recv() else { break };
            self.hear(next).await;
        }
        self.listener.hand_over().await;
    }

    async fn hear(&mut self, item: Item) {
        let Event::Left { by, reason, .. } = &item.event else {
            return self.listener.hear(&item.conn, item.event, Reading::Live).await;
        };
        if self.room.is_heard_by(&item.conn) {
            return self.lose_stand_in();
        }
        if !matches!(&*self.room.status.borrow(), Status::In(conn) if conn.id() == item.conn.id()) {
            return;
        }
        if self.entered.is_some_and(|entered| entered.elapsed() >= SETTLED) {
            self.backoff.reset();
        }
        self.next_try = Some(Instant::now() + self.backoff.pause());
        self.room.status.send_replace(Status::Out);
        if let Some(by) = by {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            self.tell(format!("{by} removed the gateway from {}{reason}; it tries to come back", self.room.id)).await;
        }
    }

    /// Reads from the history what found no place in the lane.
    async fn read_missed(&mut self) {
        let Status::In(conn) = self.room.status() else { return };
        if self.room.missed.swap(false, Ordering::Relaxed) {
            tracing::info!(room = %self.room.id, "more was said than could be taken; reading it from the history");
            self.listener.catch_up(&conn).await;
        }
    }

    /// Tells the room something about itself, once.
    async fn tell(&mut self, words: String) {
        if self.told.as_ref() == Some(&words) {
            return;
        }
        self.told = Some(words.clone());
        // What was said before comes before.
        self.listener.hand_over().await;
        let author = RemoteUser { id: self.room.id.clone(), name: self.room.id.to_string(), picture: None };
        let event = monster_bridge_api::Event {
            id: self.running.own_id(),
            venue: Venue::Room(self.room.id.clone()),
            author,
            at: SystemTime::now(),
            key: None,
            kind: EventKind::Notice(words),
            persona: None,
            cursor: None,
        };
        // If everything ends now, the room hears the next notice.
        drop(self.running.accept(event).await);
    }

    async fn leave(&mut self, conn: Option<Arc<Conn>>) {
        self.room.status.send_replace(Status::Out);
        self.listener.forget().await;
        self.instance.puppets_leave(&self.room.id).await;
        let (Some(conn), Ok(target)) = (conn, self.instance.names.target(&self.room.id)) else { return };
        if conn.look(|session| session.is_in(target.as_str()))
            && let Err(error) = conn.part(&target, "").await
        {
            tracing::debug!(room = %self.room.id, %error, "the bot could not leave a channel");
        }
    }
}
