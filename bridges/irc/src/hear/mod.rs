//! From what connections hear to events for the host: who said it, whether it is ours, and what it
//! means. One [`Listener`] per venue keeps the order and knows how far it has read.

mod cursor;
mod mask;
mod private;
mod translate;

pub(crate) use cursor::private_key;
pub(crate) use private::{Ears, PrivateItem};
pub(crate) use translate::{author_of, is_service};

use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::proto::Event;
use crate::proto::session::{Attribution, Heard, HistoryItem, HistoryRange, Place, Point};
use cursor::Cursor;
use monster_bridge_api::{ACCEPT_AT_ONCE, PersonaId, RemoteId, Venue};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How much further back than the last event a history is read: the ids sort out what is known.
const OVERLAP: Duration = Duration::from_secs(2);
/// No more pages than this are read at one time, so that a server that always has another one
/// cannot keep us for ever.
const MOST_PAGES: usize = 1000;

/// Whether something happens now or is read from the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Now.
    Live,
    /// It happened.
    History,
}

/// Hands over what is heard at one venue, in order.
pub(crate) struct Listener {
    instance: Arc<Instance>,
    running: Arc<Running>,
    venue: Venue,
    /// What the history of the venue is asked by: the channel, or the other's nick.
    target: RemoteId,
    cursor_key: String,
    cursor: Option<Cursor>,
    /// Heard, and not handed over yet.
    gathered: Vec<monster_bridge_api::Event>,
}

impl Listener {
    /// The listener of a room.
    pub(crate) async fn room(instance: &Arc<Instance>, running: &Arc<Running>, room: &RemoteId) -> Self {
        let venue = Venue::Room(room.clone());
        Self::new(instance, running, venue, room.clone(), format!("cursor/{room}")).await
    }

    /// The listener of what `peer` says to a persona in private.
    pub(crate) async fn private(
        instance: &Arc<Instance>,
        running: &Arc<Running>,
        persona: &PersonaId,
        peer: &RemoteId,
    ) -> Self {
        let venue = Venue::Private(persona.clone());
        Self::new(instance, running, venue, peer.clone(), private_key(persona, peer)).await
    }

    async fn new(
        instance: &Arc<Instance>,
        running: &Arc<Running>,
        venue: Venue,
        target: RemoteId,
        cursor_key: String,
    ) -> Self {
        let cursor = match running.host.load(&cursor_key).await {
            Ok(saved) => saved.and_then(|text| Cursor::parse(&text)),
            Err(error) => {
                tracing::warn!(venue = %target, %error, "how far a history was read is not known");
                None
            }
        };
        let (instance, running, gathered) = (Arc::clone(instance), Arc::clone(running), Vec::new());
        Self { instance, running, venue, target, cursor_key, cursor, gathered }
    }

    /// Takes what was heard, if it concerns anybody: it is handed over with what else is heard at
    /// the time, by [`Self::hand_over`] at the latest.
    pub(crate) async fn hear(&mut self, conn: &Conn, event: Event, reading: Reading) {
        let Event::Replayed(history) = event else { return self.hear_one(conn, event, reading).await };
        // What the server shows by itself on joining; where history can be asked for, it was.
        if conn.look(crate::proto::Session::has_history) {
            return;
        }
        for item in history.items {
            let event = from_history(item);
            if attribution(&event).is_some_and(|by| self.is_news(by)) {
                self.hear_one(conn, event, Reading::History).await;
            }
        }
    }

    /// Whether a replayed line was not heard before: the id tells, or else the time.
    fn is_news(&self, by: &Attribution) -> bool {
        let Some(cursor) = &self.cursor else { return false };
        match Cursor::of(by) {
            Some(at) if by.msgid.is_some() => at.time() + OVERLAP >= cursor.time(),
            Some(at) => at.time_ms > cursor.time_ms,
            None => false,
        }
    }

    async fn hear_one(&mut self, conn: &Conn, event: Event, reading: Reading) {
        let Some(by) = attribution(&event) else { return self.hear_membership(event).await };
        let spoken_for = matches!(&event, Event::Said(heard) if self.is_by_our_bot(heard));
        if spoken_for || self.is_ours(by, reading) {
            if let Some(mark) = &by.mark {
                self.instance.marks.saw(&self.target, mark, by.msgid.as_deref());
            }
            return;
        }
        if is_ignored(&self.instance, by) {
            return;
        }
        let now = Cursor::of(by);
        let moved = now.filter(|now| self.cursor.as_ref().is_none_or(|cursor| now.time_ms >= cursor.time_ms));
        let Some(mut event) = translate::event(&self.instance, &self.running, conn, self.venue.clone(), event) else {
            return;
        };
        event.cursor = moved.as_ref().map(|cursor| (self.cursor_key.clone(), cursor.to_text()));
        if let Some(moved) = moved {
            self.cursor = Some(moved);
        }
        self.gather(event).await;
    }

    async fn hear_membership(&mut self, event: Event) {
        if let Some(event) = translate::membership(&self.instance, &self.running, &self.venue, event) {
            self.gather(event).await;
        }
    }

    async fn gather(&mut self, event: monster_bridge_api::Event) {
        self.gathered.push(event);
        if self.gathered.len() >= ACCEPT_AT_ONCE {
            self.hand_over().await;
        }
    }

    /// Hands over what was heard and is not handed over yet, in its order.
    pub(crate) async fn hand_over(&mut self) {
        let gathered = std::mem::take(&mut self.gathered);
        // `None` where everything ends; what is not in the journal is read from the history again.
        let _ended = self.running.accept_all(gathered).await;
    }

    /// Reads what was said since the last event, where the server keeps a history. The first time,
    /// notes where to begin the next time.
    pub(crate) async fn catch_up(&mut self, conn: &Conn) {
        let Some(cursor) = &self.cursor else {
            let start = Cursor::now();
            self.instance.save(&self.cursor_key, Some(&start.to_text())).await;
            self.cursor = Some(start);
            return;
        };
        let from = cursor.time() - OVERLAP;
        self.read_from(conn, Point::Time(from)).await;
    }

    /// The same, but the first time what was said since then is read too.
    pub(crate) async fn catch_up_from(&mut self, conn: &Conn, start: SystemTime) {
        if self.cursor.is_none() {
            self.cursor = Some(Cursor::at(start));
        }
        self.catch_up(conn).await;
    }

    /// The venue is of no interest any more: whoever comes back to it later begins anew.
    pub(crate) async fn forget(&mut self) {
        self.cursor = None;
        self.instance.save(&self.cursor_key, None).await;
    }

    async fn read_from(&mut self, conn: &Conn, mut point: Point) {
        if !conn.look(crate::proto::Session::has_history) {
            return;
        }
        let Ok(target) = self.instance.names.target(&self.target) else { return };
        let limit = usize::try_from(self.instance.config.history_limit).unwrap_or(usize::MAX);
        for _ in 0..MOST_PAGES {
            let page = match conn.history(&target, &HistoryRange::After(point.clone()), limit).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::info!(venue = %self.target, %error, "a history could not be read");
                    return;
                }
            };
            for item in page.items {
                self.hear(conn, from_history(item), Reading::History).await;
            }
            self.hand_over().await;
            let next = match page.last {
                Some((Some(msgid), _)) => Point::Msgid(msgid),
                Some((None, Some(time))) => Point::Time(time),
                _ => return,
            };
            if page.lines == 0 || next == point {
                return;
            }
            point = next;
        }
    }

    /// Whether one of our own connections said it under the name of somebody else.
    fn is_by_our_bot(&self, heard: &Heard) -> bool {
        let relayer = heard.relayed_by.as_deref().map(|nick| self.instance.names.fold(nick));
        relayer.is_some_and(|relayer| self.instance.network.is_own(relayer.as_str()))
    }

    /// Whether one of our own connections said it.
    fn is_ours(&self, by: &Attribution, reading: Reading) -> bool {
        let nick = self.instance.names.fold(&by.source.nick).into_string();
        if by.own || self.instance.people.is_relayed(&nick) {
            return true;
        }
        // What is read from a history may be older than our having the nick: then the mark tells.
        self.instance.network.is_own(&nick) && (reading == Reading::Live || by.mark.is_some())
    }
}

/// Whether a line is nobody's to hear.
pub(crate) fn is_ignored(instance: &Instance, by: &Attribution) -> bool {
    // What is said to a channel's operators only is not for everybody who is linked to it.
    let restricted = matches!(&by.place, Place::Channel { status: Some(_), .. });
    let bystander = by.history.is_some() && by.source.nick.eq_ignore_ascii_case("HistServ");
    restricted || bystander || mask::matches_any(&instance.config.ignore, &by.source)
}

fn attribution(event: &Event) -> Option<&Attribution> {
    match event {
        Event::Said(heard) => Some(&heard.by),
        Event::Reacted { by, .. } | Event::Redacted { by, .. } | Event::Typing { by, .. } => Some(by),
        _ => None,
    }
}

/// An entry of a history as the event it was.
fn from_history(item: HistoryItem) -> Event {
    match item {
        HistoryItem::Said(heard) => Event::Said(heard),
        HistoryItem::Reacted { by, target, emoji, removed } => Event::Reacted { by, target, emoji, removed },
        HistoryItem::Redacted { by, target, reason } => Event::Redacted { by, target, reason },
    }
}
