//! Finding out whether a delivery of uncertain outcome arrived, by the mark that each of our lines
//! carries: among the lines that the bot saw go by, and in the server's history.

use super::receipt;
use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::marks::Seen;
use crate::nick;
use crate::proto::session::{Attribution, Heard, History, HistoryItem, HistoryRange, Point};
use crate::proto::{Target, tags};
use monster_bridge_api::{Action, Delivery, DeliveryError, Found, MessageKey, RemoteId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for the connection that can look.
const PATIENCE: Duration = Duration::from_secs(20);
/// Lines to ask for at once, and how often.
const PAGE: usize = 500;
const PAGES: usize = 20;

/// The last thing that the bot said in a room under another name, as it is kept: servers do not
/// keep our mark with such lines.
#[derive(Debug, Serialize, Deserialize)]
struct Relayed {
    key: String,
    ids: Vec<Option<String>>,
}

/// Notes what the bot said under another name.
pub(super) async fn note_relayed(instance: &Instance, room: &RemoteId, key: &MessageKey, ids: &[Option<String>]) {
    let relayed = Relayed { key: key.as_str().to_owned(), ids: ids.to_vec() };
    match serde_json::to_string(&relayed) {
        Ok(record) => instance.save(&format!("relayed/{room}"), Some(&record)).await,
        Err(error) => tracing::warn!(%error, "a relayed line could not be noted"),
    }
}

/// Finds out what became of a delivery.
pub(crate) async fn find(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    delivery: &Delivery,
) -> Result<Found, DeliveryError> {
    if let Some(flight) = instance.flights.get(&(delivery.key.clone(), delivery.target.clone()))
        && let Ok(receipt) = super::flight::outcome(flight).await
    {
        return Ok(Found::Delivered(receipt));
    }
    if let Some(seen) = instance.marks.get(&delivery.target, &delivery.key).filter(Seen::is_whole) {
        return Ok(Found::Delivered(receipt(&delivery.key, seen.front_ids())));
    }
    // What is withdrawn or taken back twice is so once.
    if matches!(delivery.action, Action::Recall { .. }) {
        return Ok(Found::Absent);
    }
    let Ok(target) = instance.names.target(&delivery.target) else { return Ok(Found::Absent) };
    let Some(conn) = reader(instance, running, delivery, &target).await? else { return Ok(Found::Unknown) };
    if !conn.look(|session| session.has_history() && session.passes_tag(tags::DELIVERY)) {
        return Ok(Found::Unknown);
    }
    let relayed = match running.host.load(&format!("relayed/{}", delivery.target)).await {
        Ok(saved) => saved.and_then(|text| serde_json::from_str::<Relayed>(&text).ok()),
        Err(error) => return Err(DeliveryError::transient(error.to_string())),
    };
    if let Some(relayed) = relayed.as_ref().filter(|relayed| relayed.key == delivery.key.as_str()) {
        return Ok(Found::Delivered(receipt(&delivery.key, relayed.ids.clone())));
    }
    let mut search = Search {
        instance,
        key: &delivery.key,
        seen: Seen::default(),
        relayed_since: relayed.and_then(|relayed| relayed.ids.into_iter().flatten().last()),
        relay_texts: Vec::new(),
        done: false,
    };
    let whole_history = search.run(&conn, &target).await?;
    Ok(search.verdict(delivery, whole_history))
}

/// The connection whose history would have it; `None` if nobody's can be looked at.
async fn reader(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    delivery: &Delivery,
    target: &Target,
) -> Result<Option<Arc<Conn>>, DeliveryError> {
    if target.is_channel() {
        let bot = instance.bot.ready(PATIENCE).await.map_err(DeliveryError::transient)?;
        let Some(room) = instance.rooms.get(&delivery.target) else { return Ok(Some(bot)) };
        // Where nobody is let in, nobody can look; the delivery itself will say what is wrong.
        return Ok(room.entered(PATIENCE).await.ok().or_else(|| room.stand_in()));
    }
    let Ok(conn) = instance.puppet(running, &delivery.author).await else { return Ok(None) };
    // The private history of a connection without an account ends with the connection.
    Ok(conn.look(|session| session.account().is_some()).then_some(conn))
}

struct Search<'a> {
    instance: &'a Instance,
    key: &'a MessageKey,
    seen: Seen,
    /// The last line that the bot is known to have said under another name.
    relayed_since: Option<String>,
    /// Lines under other names since then, newest page first: nick, text, id.
    relay_texts: Vec<(String, String, Option<String>)>,
    done: bool,
}

impl Search<'_> {
    /// Looks through the history, backwards. True if it was seen as far as it matters.
    async fn run(&mut self, conn: &Conn, target: &Target) -> Result<bool, DeliveryError> {
        let mut range = HistoryRange::Latest(None);
        for _ in 0..PAGES {
            let page = conn.history(target, &range, PAGE).await;
            let page = page.map_err(|failure| DeliveryError::transient(failure.why))?;
            self.look_at(&page);
            if self.done || self.seen.is_whole() || page.lines == 0 {
                return Ok(true);
            }
            let Some(first) = page.items.first().and_then(|item| Some(Point::Msgid(attribution(item).msgid.clone()?)))
            else {
                return Ok(page.lines < PAGE);
            };
            range = HistoryRange::Before(first);
        }
        Ok(false)
    }

    fn look_at(&mut self, page: &History) {
        for item in page.items.iter().rev() {
            let by = attribution(item);
            if self.relayed_since.is_some() && by.msgid == self.relayed_since {
                self.relayed_since = None;
                self.done = true;
            }
            match &by.mark {
                Some(mark) if mark.key == self.key.as_str() => self.seen.add(mark, by.msgid.as_deref()),
                // Deliveries to one place go one after the other: what we said there before this one
                // is older than it, and what is older than that does not matter.
                Some(_) if self.is_ours(by) => self.done = true,
                _ => {}
            }
            if let HistoryItem::Said(heard) = item
                && !self.done
            {
                self.note_relay(heard);
            }
        }
    }

    fn is_ours(&self, by: &Attribution) -> bool {
        self.instance.network.is_own(self.instance.names.fold(&by.source.nick).as_str())
            || self.instance.people.looks_like_ours(&nick::skeleton(&by.source.nick))
    }

    fn note_relay(&mut self, heard: &Heard) {
        let nick = self.instance.names.fold(&heard.by.source.nick).into_string();
        if self.instance.people.is_relayed(&nick) {
            self.relay_texts.push((nick, heard.text.clone(), heard.by.msgid.clone()));
        }
    }

    fn verdict(self, delivery: &Delivery, whole_history: bool) -> Found {
        if self.seen.is_whole() {
            return Found::Delivered(receipt(self.key, self.seen.front_ids()));
        }
        if self.seen.front() > 0 {
            let parts = usize::try_from(self.seen.parts).unwrap_or(usize::MAX);
            self.instance.marks.sent(&delivery.target, self.key, parts, &self.seen.front_ids());
            return Found::Absent;
        }
        // Only the newest line under another name can be this one: the ones before were acknowledged.
        if let (Some((nick, text, id)), Action::Send { content, .. }) = (self.relay_texts.first(), &delivery.action) {
            let same_author = self.instance.people.relayed_as(&delivery.author.id).as_ref() == Some(nick);
            if same_author && super::wording::words(self.instance, content).lines().last() == Some(text.as_str()) {
                return Found::Delivered(receipt(self.key, vec![id.clone()]));
            }
        }
        if whole_history { Found::Absent } else { Found::Unknown }
    }
}

fn attribution(item: &HistoryItem) -> &Attribution {
    match item {
        HistoryItem::Said(heard) => &heard.by,
        HistoryItem::Reacted { by, .. } | HistoryItem::Redacted { by, .. } => by,
    }
}
