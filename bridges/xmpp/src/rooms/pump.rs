//! A room's events on their way to the core, in order; and what was said while we were not there,
//! from the room's archive (XEP-0313).

use super::hear::{Heard, events};
use super::{Room, Speaker};
use crate::instance::{Instance, Running};
use crate::services::{ask_info, has_feature};
use crate::session::{AskError, Session};
use crate::xml::{Make, attr, el, ns, stanza, text_of};
use minidom::Element;
use monster_bridge_api::{ACCEPT_AT_ONCE, Delivery, Event, EventId};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// How many pages of an archive are searched for a message of ours at most. Servers give 50 messages a
/// page and more.
const PAGES: usize = 400;

/// How long it takes until an archive that could not be read is asked again.
const AGAIN: Duration = Duration::from_secs(10);

/// What a room's task does.
pub(super) enum Item {
    /// Hand it over.
    Event(Box<Event>),
    /// Look whether something was missed.
    CatchUp,
}

/// What became of reading what was missed.
enum CaughtUp {
    /// The archive was read to its end, with all that waits.
    Read,
    /// There is no archive, or nothing was missed: what waits is all there is.
    Nothing,
    /// Not now: what was missed is still in the archive.
    Failed,
}

/// Where it is kept how far a room has been read.
pub(super) fn cursor_key(room: &Room) -> String {
    format!("mam/{}", room.id)
}

/// Hands over what comes, until the room is gone.
pub(super) async fn run(
    instance: Arc<Instance>,
    running: Arc<Running>,
    room: Weak<Room>,
    mut items: mpsc::Receiver<Item>,
) {
    let mut batch = Vec::with_capacity(ACCEPT_AT_ONCE);
    let mut again = false;
    loop {
        let next = items.recv_many(&mut batch, ACCEPT_AT_ONCE);
        let ended = if again { tokio::time::timeout(AGAIN, next).await == Ok(0) } else { next.await == 0 };
        let Some(room) = room.upgrade().filter(|_| !ended) else { return };
        // What was missed was missed before what came now was heard.
        let missed = room.missed.swap(false, Ordering::AcqRel) || again;
        let mut events: Vec<Event> = batch
            .drain(..)
            .filter_map(|item| match item {
                Item::Event(event) => Some(*event),
                Item::CatchUp => None,
            })
            .collect();
        again = false;
        if missed {
            match instance.catch_up(&running, &room).await {
                CaughtUp::Read => events.retain(|event| event.cursor.is_none()),
                CaughtUp::Nothing => {}
                CaughtUp::Failed => {
                    // It is read later, from before what waits.
                    for event in &mut events {
                        event.cursor = None;
                    }
                    again = true;
                }
            }
        }
        if !events.is_empty() && running.accept_all(events).await.is_none() {
            return;
        }
    }
}

impl Instance {
    /// Reads a room's archive from where it was read last.
    async fn catch_up(&self, running: &Arc<Running>, room: &Arc<Room>) -> CaughtUp {
        let (Some(session), Some(listener)) = (running.session(), room.listener()) else { return CaughtUp::Failed };
        let known = room.state.lock().archive;
        let archive = if let Some(archive) = known {
            archive
        } else {
            let Some(info) = ask_info(&session, &listener.full(), room.jid.as_str()).await else {
                return CaughtUp::Failed;
            };
            let archive = has_feature(&info, ns::MAM);
            room.state.lock().archive = Some(archive);
            archive
        };
        if !archive {
            return CaughtUp::Nothing;
        }
        let key = cursor_key(room);
        let Ok(cursor) = running.host.load(&key).await else { return CaughtUp::Failed };
        let Some(cursor) = cursor else {
            // The first time nothing was missed: all since somebody of ours listens waits here.
            let since = room.state.lock().since.unwrap_or_else(SystemTime::now);
            running.save(&key, Some(&format!("time:{}", stamp(since)))).await;
            return CaughtUp::Nothing;
        };
        match self.read_on(running, &session, room, &listener, &cursor).await {
            Ok(read) => {
                tracing::debug!(instance = %self.scope.instance, room = %room.id, read, "what was missed is read");
                CaughtUp::Read
            }
            Err(AskError::Error(error)) if error.kind != "wait" => {
                tracing::warn!(instance = %self.scope.instance, room = %room.id, error = error.text, "a room's archive cannot be read");
                CaughtUp::Nothing
            }
            Err(error) => {
                tracing::info!(instance = %self.scope.instance, room = %room.id, %error, "a room's archive cannot be read now");
                CaughtUp::Failed
            }
        }
    }

    async fn read_on(
        &self,
        running: &Arc<Running>,
        session: &Arc<Session>,
        room: &Arc<Room>,
        listener: &Speaker,
        cursor: &str,
    ) -> Result<usize, AskError> {
        let (mut after, since) = match cursor.split_once(':') {
            Some(("id", id)) => (Some(id.to_owned()), None),
            Some(("time", time)) => (None, Some(time.to_owned())),
            _ => (None, None),
        };
        let mut read = 0;
        loop {
            let paging = Paging::After { id: after.as_deref(), since: since.as_deref() };
            let (results, fin) = match self.archive_page(session, room, listener, &paging).await {
                // The archive does not go back that far: from its beginning then.
                Err(AskError::Error(error)) if error.condition == "item-not-found" && after.is_some() => {
                    after = None;
                    continue;
                }
                page => page?,
            };
            let last = results.last().and_then(|result| attr(result, "id")).map(str::to_owned);
            read += results.len();
            let events: Vec<Event> = results.iter().flat_map(|result| archived(running, room, result)).collect();
            if !events.is_empty() && running.accept_all(events).await.is_none() {
                return Err(AskError::Gone);
            }
            match last {
                Some(last) => {
                    running.save(&cursor_key(room), Some(&format!("id:{last}"))).await;
                    if fin.attr("complete") == Some("true") {
                        return Ok(read);
                    }
                    after = Some(last);
                }
                None => return Ok(read),
            }
        }
    }

    async fn archive_page(
        &self,
        session: &Session,
        room: &Room,
        listener: &Speaker,
        paging: &Paging<'_>,
    ) -> Result<(Vec<Element>, Element), AskError> {
        let iq = stanza("iq", &listener.full(), room.jid.as_str()).with("type", "set");
        session.page(iq, paging.query(self.config.history_limit)).await
    }

    /// Looks for a message of ours in a room's archive, newest first, back to when it was taken on.
    /// `Ok(None)` if it is not there, an error if that cannot be told.
    pub(crate) async fn look_up(&self, room: &Room, delivery: &Delivery) -> Result<Option<EventId>, AskError> {
        let (session, listener) = (self.session().ok_or(AskError::Gone)?, room.listener().ok_or(AskError::Gone)?);
        let since = stamp(delivery.not_before());
        let mut before: Option<String> = None;
        for _ in 0..PAGES {
            let paging = Paging::Before { id: before.as_deref(), since: &since };
            let (results, fin) = self.archive_page(&session, room, &listener, &paging).await?;
            for result in results.iter().rev() {
                let Some(message) = forwarded(result).map(|(message, _)| message) else { continue };
                if crate::message::own_id(message) == Some(delivery.key.as_str()) {
                    return Ok(attr(result, "id").map(EventId::new));
                }
            }
            before = results.first().and_then(|result| attr(result, "id")).map(str::to_owned);
            if before.is_none() || fin.attr("complete") == Some("true") {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// Which page.
enum Paging<'a> {
    /// The one behind a message, or behind a time.
    After { id: Option<&'a str>, since: Option<&'a str> },
    /// The one before a message, or the last; of what was said since a time.
    Before { id: Option<&'a str>, since: &'a str },
}

impl Paging<'_> {
    fn query(&self, limit: u32) -> Element {
        let field = |name: &str, kind: Option<&str>, value: &str| {
            let field = el("field", ns::DATA).with("var", name).with_some("type", kind);
            field.child(el("value", ns::DATA).words(value))
        };
        let (since, turn, id) = match *self {
            Self::After { id, since } => (since.filter(|_| id.is_none()), "after", id),
            Self::Before { id, since } => (Some(since), "before", Some(id.unwrap_or_default())),
        };
        let mut form = el("x", ns::DATA).with("type", "submit").child(field("FORM_TYPE", Some("hidden"), ns::MAM));
        if let Some(since) = since {
            form = form.child(field("start", None, since));
        }
        let mut set = el("set", ns::RSM).child(el("max", ns::RSM).words(limit.to_string()));
        if let Some(id) = id {
            set = set.child(el(turn, ns::RSM).words(id));
        }
        el("query", ns::MAM).child(form).child(set)
    }
}

/// The message within a result, and when it was said.
fn forwarded(result: &Element) -> Option<(&Element, Option<SystemTime>)> {
    let forwarded = result.get_child("forwarded", ns::FORWARD)?;
    let at = forwarded.get_child("delay", ns::DELAY).and_then(|delay| attr(delay, "stamp")).and_then(time);
    Some((forwarded.get_child("message", ns::CLIENT)?, at))
}

fn archived(running: &Running, room: &Room, result: &Element) -> Vec<Event> {
    let Some((message, at)) = forwarded(result) else { return Vec::new() };
    // An archive of a room holds what was said there, and nothing from elsewhere.
    let from_here = attr(message, "from").and_then(|from| jid::Jid::new(from).ok());
    if from_here.is_none_or(|from| from.to_bare() != room.jid) {
        return Vec::new();
    }
    // The subject of then is not the subject of now.
    if text_of(message, "subject", ns::CLIENT).is_some() && !message.has_child("body", ns::CLIENT) {
        return Vec::new();
    }
    let id = attr(result, "id");
    if let (Some(id), Some(own)) = (id, crate::message::own_id(message)) {
        room.memory.lock().mark(own, &EventId::new(id));
    }
    events(running, room, &Heard { message, archived: id, at: at.unwrap_or_else(SystemTime::now) })
}

/// A time as XMPP writes it (XEP-0082), e.g. `2026-11-23T17:00:00.123Z`.
pub(crate) fn time(stamp: &str) -> Option<SystemTime> {
    let (date, rest) = stamp.split_once('T')?;
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let clock = rest.trim_end_matches('Z').split(['+', '.']).next()?;
    let mut parts = clock.splitn(3, ':').map(str::parse::<i64>);
    let (hour, minute, second) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let fraction = rest.split('.').nth(1).map(|rest| rest.trim_end_matches('Z')).unwrap_or_default();
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let in_range = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let millis = u64::try_from(seconds * 1000 + millis).ok()?;
    Some(UNIX_EPOCH + Duration::from_millis(millis))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // March is the first month here, so that a leap day is a year's last.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A time, written.
pub(crate) fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let mut day = i64::try_from(seconds / 86_400).unwrap_or_default() + 719_468;
    let era = day.div_euclid(146_097);
    day = day.rem_euclid(146_097);
    let of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, date) = ((shifted + 2) % 12 + 1, of_year - (153 * shifted + 2) / 5 + 1);
    let year = of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = UNIX_EPOCH + Duration::from_millis(1_795_453_200_123);
        assert_eq!(stamp(at), "2026-11-23T17:00:00.123Z");
        assert_eq!(time("2026-11-23T17:00:00.123456Z"), Some(at));
        assert_eq!(time("2026-11-23T17:00:00Z"), Some(UNIX_EPOCH + Duration::from_hours(498_737)));
        for wrong in ["", "T", "2026-13-01T00:00:00Z", "1969-01-01T00:00:00Z", "2026-11-23", "99999-01-01T00:00:00Z"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_time_comes_back(millis in 0_u64..250_000_000_000_000) {
            let at = UNIX_EPOCH + Duration::from_millis(millis);
            prop_assert_eq!(time(&stamp(at)), Some(at));
        }

        #[test]
        fn no_stamp_is_too_wild(text in "\\PC{0,30}|[0-9T:.Z+-]{0,30}") {
            let _ = time(&text);
        }
    }
}
