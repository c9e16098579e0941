//! What the homeserver has forgotten to tell. Synapse keeps what it is about to hand over in memory and
//! notes it as handed over: what was there when it was killed comes in no transaction. So each room's
//! last event that was heard is known here (`last/<room>`, saved with that event); and when the
//! homeserver, or we, may have been away, the rooms are read back to it before anything else is heard.
//!
//! It also forgets, until the next failure, a transaction that it made while it took us for away and was
//! just about to notice that we are not. Transactions are numbered, but for all services together; so where
//! numbers are missing shortly after we were away, the rooms concerned are read back as well.
//!
//! That it was away is noticed at once by a request that it keeps open ([`watch`]), as a user who is
//! nowhere, for whom there is never anything to tell.

use super::ghosts;
use super::hear::{self, Unavailable};
use super::instance::{Instance, Running};
use crate::client::{Ask, Failure};
use crate::id;
use crate::map::text_at;
use futures_util::StreamExt as _;
use monster_bridge_api::{Event, EventId, EventKind, Venue};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Where a room's last event is saved, by its id.
const LAST: &str = "last/";
/// How many events are read at once, and how often for one room.
const PAGE: &str = "100";
const PAGES: usize = 200;
/// How many events before the last one are read once more: the history's order is not quite the one in
/// which events came.
const OVERLAP: usize = 10;
/// How many rooms are asked at once.
const AT_ONCE: usize = 8;
/// The most events that are remembered as read back.
const REMEMBERED: usize = 50_000;
/// How long the homeserver keeps the request open.
const OPEN: Duration = Duration::from_secs(30);
/// The pause after one that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long after somebody was away a transaction may be forgotten.
const DOUBT: Duration = Duration::from_mins(1);
/// How the user is called who is nowhere: no persona's escaped address is like this.
const WATCHER: &str = "=-watch";

/// How far each room was heard.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Room → its last event that was heard.
    last: HashMap<String, String>,
    /// How often something may have been said that comes in no transaction.
    doubts: u64,
    /// How many of these times have been read back since.
    settled: u64,
    /// Until when a missing number may be a transaction of ours.
    doubtful_until: Option<Instant>,
    /// Events that were read back, and may come in a transaction yet.
    read: HashSet<String>,
}

impl Marks {
    /// The prefix of what is saved.
    pub(crate) const fn saved() -> &'static str {
        LAST
    }

    /// Where the mark of a room is saved.
    pub(crate) fn key(room: &str) -> String {
        format!("{LAST}{room}")
    }

    /// Takes over what was saved. Whether everything since was told is not known.
    pub(crate) fn load(&self, saved: Vec<(String, String)>) {
        let marks = saved.into_iter().filter_map(|(key, last)| Some((key.strip_prefix(LAST)?.to_owned(), last)));
        let last = marks.filter(|(room, last)| id::is_room(room) && id::is_event(last)).collect();
        *self.0.lock() = Inner { last, ..Inner::default() };
        self.set_behind();
    }

    /// Notes that a room was heard up to this event; true if it is the first one.
    pub(crate) fn note(&self, room: String, event: String) -> bool {
        self.0.lock().last.insert(room, event).is_none()
    }

    /// True for an event that was read back.
    pub(crate) fn was_read(&self, event: &str) -> bool {
        self.0.lock().read.contains(event)
    }

    fn set_behind(&self) {
        self.0.lock().doubts += 1;
        self.doubt();
    }

    /// The homeserver may forget a transaction now.
    pub(crate) fn doubt(&self) {
        self.0.lock().doubtful_until = Some(Instant::now() + DOUBT);
    }

    /// Whether a number that is missing may be a transaction that was forgotten.
    pub(crate) fn are_doubtful(&self) -> bool {
        self.0.lock().doubtful_until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether the rooms are to be read back before anything else is heard.
    pub(crate) fn are_behind(&self) -> bool {
        let inner = self.0.lock();
        inner.settled < inner.doubts
    }

    fn all(&self) -> Vec<(String, String)> {
        self.0.lock().last.iter().map(|(room, last)| (room.clone(), last.clone())).collect()
    }

    fn note_read(&self, events: Vec<String>) {
        let mut inner = self.0.lock();
        if inner.read.len() + events.len() > REMEMBERED {
            inner.read.clear();
        }
        inner.read.extend(events);
    }
}

/// Reads the rooms back to what was heard last. Whoever calls has the turn: no transaction is taken
/// meanwhile.
pub(crate) async fn catch_up(instance: &Arc<Instance>, running: &Arc<Running>) -> Result<(), Unavailable> {
    // The request that waits for this may be given up at any point: what was not read stays unread.
    let doubts = instance.marks.0.lock().doubts;
    read_back(instance, running, instance.marks.all()).await?;
    instance.marks.0.lock().settled = doubts;
    Ok(())
}

/// Reads these rooms back.
pub(crate) async fn catch_up_in(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    rooms: impl Iterator<Item = &str> + Send,
) -> Result<(), Unavailable> {
    let rooms: HashSet<&str> = rooms.collect();
    let marks = instance.marks.all().into_iter().filter(|(room, _)| rooms.contains(room.as_str())).collect();
    read_back(instance, running, marks).await
}

async fn read_back(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    marks: Vec<(String, String)>,
) -> Result<(), Unavailable> {
    let rooms = futures_util::stream::iter(marks);
    let mut rooms = rooms
        .map(|(room, last)| async move {
            let missed = missed(instance, &room, &last).await;
            (room, missed)
        })
        .buffered(AT_ONCE);
    while let Some((room, missed)) = rooms.next().await {
        match missed {
            Ok(Missed { before, events, whole }) => {
                hear::take(instance, running, before, true).await?;
                if events.is_empty() {
                    continue;
                }
                tracing::info!(room, events = events.len(), "a room is read back to what was heard last");
                if !whole {
                    tell_gap(instance, running, &room).await;
                }
                let ids = events.iter().filter_map(|event| text_at(event, &["event_id"])).map(str::to_owned).collect();
                hear::take(instance, running, events, false).await?;
                instance.marks.note_read(ids);
            }
            // Nobody of ours is there any more.
            Err(failure) if failure.is_forbidden() || failure.is_missing() => {
                tracing::debug!(room, %failure, "a room cannot be read back");
            }
            Err(failure) => {
                tracing::info!(room, %failure, "a room cannot be read back now");
                return Err(Unavailable);
            }
        }
    }
    Ok(())
}

/// What a room said since it was heard last, oldest first.
struct Missed {
    /// The events before that one.
    before: Vec<Value>,
    events: Vec<Value>,
    /// False if there was more than is read.
    whole: bool,
}

async fn missed(instance: &Instance, room: &str, last: &str) -> Result<Missed, Failure> {
    let direct = instance.directs.of_room(room).map(|direct| direct.ghost);
    let reader = direct.or_else(|| instance.rooms.somebody_in(room));
    let reader = reader.unwrap_or_else(|| instance.naming.bot().to_owned());
    let (mut before, mut events, mut from) = (Vec::new(), Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let mut ask = Ask::get(&["rooms", room, "messages"]).query("dir", "b").query("limit", PAGE);
        if let Some(from) = &from {
            ask = ask.query("from", from);
        }
        let mut page = instance.ask_as(&reader, ask).await?;
        from = text_at(&page, &["end"]).map(str::to_owned);
        let mut chunk = page.get_mut("chunk").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let found = chunk.iter().position(|event| text_at(event, &["event_id"]) == Some(last));
        if let Some(at) = found {
            let heard = chunk.drain(at..).skip(1).take_while(|event| !is_arrival(instance, event));
            before.extend(heard.take(OVERLAP));
        }
        events.extend(chunk);
        if found.is_some() || from.is_none() {
            from = None;
            break;
        }
    }
    events.reverse();
    before.reverse();
    Ok(Missed { before, events, whole: from.is_none() })
}

/// Whether one of ours comes into the room: what was said before is not for them.
fn is_arrival(instance: &Instance, event: &Value) -> bool {
    let membership = text_at(event, &["content", "membership"]);
    text_at(event, &["type"]) == Some("m.room.member")
        && membership == Some("join")
        && text_at(event, &["state_key"]).is_some_and(|user| instance.naming.is_ours(user))
}

async fn tell_gap(instance: &Instance, running: &Running, room: &str) {
    let now = SystemTime::now();
    let id = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let event = Event {
        id: EventId::new(format!("gap/{room}/{id}")),
        venue: Venue::Room(instance.room_name(room)),
        author: instance.room_as_author(room),
        persona: None,
        at: now,
        key: None,
        kind: EventKind::Notice("some of what was said here meanwhile could not be read back".to_owned()),
        cursor: None,
    };
    if let Err(error) = running.host.accept(event).await {
        tracing::warn!(room, %error, "that something is missing could not be told");
    }
}

/// Keeps a request open at the homeserver, so that its end is noticed; and reads back what was missed
/// once it answers again.
pub(crate) async fn watch(instance: &Arc<Instance>, running: &Arc<Running>) {
    let (mut since, mut registered) = (None::<String>, false);
    loop {
        match keep_open(instance, &mut since, &mut registered).await {
            Ok(()) if instance.marks.are_behind() => {
                let _turn = instance.taken.turn().await;
                if instance.marks.are_behind() && catch_up(instance, running).await.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Ok(()) => {}
            // A homeserver that does not let a user of ours sync is believed to be always there.
            Err(failure @ Failure::Refused { status: 400..=499, .. }) if !failure.is("M_LIMIT_EXCEEDED") => {
                tracing::info!(%failure, "the homeserver cannot be watched");
                return;
            }
            Err(failure) => {
                tracing::debug!(%failure, "the homeserver may have been away");
                instance.marks.set_behind();
                since = None;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn keep_open(instance: &Instance, since: &mut Option<String>, registered: &mut bool) -> Result<(), Failure> {
    let client = instance.client().map_err(Failure::Unreachable)?;
    let local = format!("{}{WATCHER}", instance.config.user_prefix);
    if !*registered {
        ghosts::register(client, &local).await?;
        *registered = true;
    }
    let user = format!("@{local}:{}", instance.config.server_name);
    let mut ask = Ask::get(&["sync"]).by_user(&user).query("set_presence", "offline").within(OPEN * 2);
    if let Some(since) = since {
        ask = ask.query("since", since).query("timeout", &OPEN.as_millis().to_string());
    }
    let answer = client.ask(ask).await?;
    *since = text_at(&answer, &["next_batch"]).map(str::to_owned);
    Ok(())
}
