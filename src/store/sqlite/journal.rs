//! What the writer does to the journal: messages in, deliveries done, put off, given up.

use super::index::Listing;
use super::prints::Printer;
use super::writer::{Fault, Operation, Writing};
use crate::store::{Committed, Incoming, Journalled, Lane, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::oneshot;

/// A message on its way into the journal, with what only its content decides worked out.
pub(super) struct Entry {
    incoming: Incoming,
    origin_print: i64,
    key_print: i64,
    /// Known once applied.
    written: Option<Written>,
}

enum Written {
    Known { id: i64 },
    New { id: i64, first_delivery: i64, lane_ids: Vec<i64> },
}

impl Entry {
    pub(super) fn new(incoming: Incoming, printer: &Printer) -> Self {
        let message = &incoming.message;
        let origin_print = printer.origin(&message.venue, &message.author, &message.origin_id);
        let key_print = printer.key(&message.conversation, &message.key);
        Self { incoming, origin_print, key_print, written: None }
    }

    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let written = match self.insert(writing)? {
            Journalled::Known { id } => Written::Known { id },
            Journalled::New { id } => {
                let first_delivery = writing.counters.next_delivery;
                let mut lane_ids = Vec::with_capacity(self.incoming.lanes.len());
                for lane in &self.incoming.lanes {
                    let lane_id = writing.lane_id(lane)?;
                    let delivery = writing.counters.next_delivery;
                    writing.statements.insert_delivery.execute(params![delivery, lane_id, id])?;
                    writing.counters.next_delivery += 1;
                    writing.counters.waiting += 1;
                    lane_ids.push(lane_id);
                }
                Written::New { id, first_delivery, lane_ids }
            }
        };
        self.written = Some(written);
        // Also for a repetition: whoever hands it over again must get beyond it.
        if let Some((owner, key, value)) = &self.incoming.cursor {
            super::people::keep(writing.conn, owner, key, Some(value))?;
        }
        Ok(())
    }

    fn insert(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Journalled> {
        writing.catch_up()?;
        if let Some(id) = self.known(writing)? {
            return Ok(Journalled::Known { id });
        }
        let message = &*self.incoming.message;
        let conversation = writing.conversation_id(&message.conversation)?;
        let (id, origin_print, key_print) = (writing.counters.next_message, self.origin_print, self.key_print);
        writing.statements.insert_message.execute(params![
            id,
            conversation,
            origin_print,
            key_print,
            writing.now,
            message.at,
            message.key,
            message.venue,
            message.author,
            message.author_name,
            message.origin_id,
            message.excerpt,
            message.body,
        ])?;
        writing.list(&Listing { message: id, conversation, origin_print, key_print })?;
        writing.counters.next_message += 1;
        writing.counters.messages += 1;
        Ok(Journalled::New { id })
    }

    /// The message that it repeats.
    fn known(&self, writing: &mut Writing<'_>) -> rusqlite::Result<Option<i64>> {
        let message = &*self.incoming.message;
        for id in writing.with_print(self.origin_print)? {
            let sql = "SELECT venue, author, origin_id FROM messages WHERE id = ?1";
            if is(writing.conn, sql, id, [&message.venue, &message.author, &message.origin_id])? {
                return Ok(Some(id));
            }
        }
        for id in writing.with_print(self.key_print)? {
            let sql = "SELECT c.name, m.key, '' FROM messages m JOIN conversations c ON c.id = m.conversation \
                       WHERE m.id = ?1";
            if is(writing.conn, sql, id, [&message.conversation, &message.key, ""])? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// What became of it, and the deliveries it made.
    fn outcome(self, fresh: &mut Vec<Committed>) -> Option<Journalled> {
        match self.written? {
            Written::Known { id } => Some(Journalled::Known { id }),
            Written::New { id, first_delivery, lane_ids } => {
                let message = self.incoming.message;
                let numbered = (first_delivery..).zip(lane_ids).zip(self.incoming.lanes);
                fresh.extend(numbered.map(|((delivery, lane_id), lane)| Committed {
                    delivery,
                    lane_id,
                    lane,
                    message_id: id,
                    message: message.clone(),
                }));
                Some(Journalled::New { id })
            }
        }
    }
}

/// Whether the row has these texts. One that cannot be read is nobody's.
fn is(conn: &Connection, sql: &str, id: i64, texts: [&str; 3]) -> rusqlite::Result<bool> {
    let same = |row: &Row<'_>| {
        let mut columns = texts.into_iter().enumerate();
        Ok(columns.all(|(index, text)| row.get_ref(index).is_ok_and(|found| found.as_str() == Ok(text))))
    };
    Ok(conn.prepare_cached(sql)?.query_row([id], same).optional()?.unwrap_or(false))
}

/// [`crate::store::Store::accept`].
pub(super) struct Accept {
    entry: Entry,
    answer: oneshot::Sender<Result<Journalled, StoreError>>,
}

impl Accept {
    pub(super) fn new(entry: Entry, answer: oneshot::Sender<Result<Journalled, StoreError>>) -> Self {
        Self { entry, answer }
    }
}

impl Operation for Accept {
    fn doing(&self) -> &'static str {
        "accept a message"
    }

    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.entry.apply(writing)
    }

    fn finish(self: Box<Self>, failed: Option<StoreError>, fresh: &mut Vec<Committed>) {
        let doing = self.doing();
        let outcome = match failed {
            Some(error) => Err(error),
            None => self.entry.outcome(fresh).ok_or(StoreError::Failed { doing, why: "it was never tried".into() }),
        };
        // Whoever asked may have gone.
        let _gone = self.answer.send(outcome);
    }
}

/// [`crate::store::Store::accept_all`].
pub(super) struct AcceptAll {
    entries: Vec<Entry>,
    answer: oneshot::Sender<Result<Vec<Journalled>, StoreError>>,
}

impl AcceptAll {
    pub(super) fn new(entries: Vec<Entry>, answer: oneshot::Sender<Result<Vec<Journalled>, StoreError>>) -> Self {
        Self { entries, answer }
    }
}

impl Operation for AcceptAll {
    fn doing(&self) -> &'static str {
        "accept messages"
    }

    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        self.entries.iter_mut().try_for_each(|entry| entry.apply(writing))
    }

    fn finish(self: Box<Self>, failed: Option<StoreError>, fresh: &mut Vec<Committed>) {
        let doing = self.doing();
        let outcome = match failed {
            Some(error) => Err(error),
            None => self
                .entries
                .into_iter()
                .map(|entry| entry.outcome(fresh).ok_or(StoreError::Failed { doing, why: "it was never tried".into() }))
                .collect(),
        };
        // Whoever asked may have gone.
        let _gone = self.answer.send(outcome);
    }
}

/// [`crate::store::Store::fail`].
pub(super) struct Fail {
    delivery: i64,
    error: String,
    notice: Option<Entry>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

impl Fail {
    pub(super) fn new(
        delivery: i64,
        error: String,
        notice: Option<Entry>,
        answer: oneshot::Sender<Result<(), StoreError>>,
    ) -> Self {
        Self { delivery, error, notice, answer }
    }
}

impl Operation for Fail {
    fn doing(&self) -> &'static str {
        "set a delivery aside"
    }

    fn apply(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        if let Some(notice) = &mut self.notice {
            notice.written = None;
        }
        if !bury(writing, self.delivery, &self.error)? {
            return Ok(());
        }
        self.notice.as_mut().map_or(Ok(()), |notice| notice.apply(writing))
    }

    fn finish(self: Box<Self>, failed: Option<StoreError>, fresh: &mut Vec<Committed>) {
        if failed.is_none()
            && let Some(notice) = self.notice
        {
            // `None` where the delivery was not there: then nobody is told.
            let _told = notice.outcome(fresh);
        }
        // Whoever asked may have gone.
        let _gone = self.answer.send(failed.map_or(Ok(()), Err));
    }
}

/// Makes a delivery a dead letter; false if there is none of that number.
pub(super) fn bury(writing: &mut Writing<'_>, delivery: i64, error: &str) -> rusqlite::Result<bool> {
    let buried = writing
        .conn
        .prepare_cached(
            "INSERT OR REPLACE INTO dead_letters (id, recipient, via, message_key, author, error, at) \
             SELECT d.id, coalesce(l.recipient, ''), coalesce(l.via, ''), coalesce(m.key, ''), coalesce(m.author, ''), \
             ?2, ?3 FROM deliveries d LEFT JOIN lanes l ON l.id = d.lane LEFT JOIN messages m ON m.id = d.message \
             WHERE d.id = ?1",
        )?
        .execute(params![delivery, error, writing.now])?;
    if buried == 0 {
        return Ok(false);
    }
    remove_delivery(writing, delivery)?;
    writing.counters.dead += 1;
    Ok(true)
}

/// Removes a delivery, if it is there.
fn remove_delivery(writing: &mut Writing<'_>, delivery: i64) -> rusqlite::Result<()> {
    let removed = writing.statements.delete_delivery.execute([delivery])?;
    writing.counters.waiting -= i64::from(removed > 0);
    Ok(())
}

/// [`crate::store::Store::done`].
pub(super) fn done(writing: &mut Writing<'_>, delivery: i64, ids: &[String]) -> Result<(), Fault> {
    if !ids.is_empty()
        && let Some((message, lane)) = message_and_lane(writing, delivery)?
    {
        let place = lane.place();
        let mut insert =
            writing.conn.prepare_cached("INSERT INTO given_ids (message, print, place, id) VALUES (?1, ?2, ?3, ?4)")?;
        for id in ids {
            insert.execute(params![message, writing.shared.printer.given(place, id), place, id])?;
        }
    }
    Ok(remove_delivery(writing, delivery)?)
}

fn message_and_lane(writing: &Writing<'_>, delivery: i64) -> rusqlite::Result<Option<(i64, Lane)>> {
    writing
        .conn
        .prepare_cached(
            "SELECT d.message, l.recipient, l.via FROM deliveries d JOIN lanes l ON l.id = d.lane WHERE d.id = ?1",
        )?
        .query_row([delivery], |row| Ok((row.get(0)?, Lane { to: row.get(1)?, via: row.get(2)? })))
        .optional()
}

/// [`crate::store::Store::defer`].
pub(super) fn defer(writing: &Writing<'_>, delivery: i64, not_before: i64, error: &str) -> Result<(), Fault> {
    writing
        .conn
        .prepare_cached("UPDATE deliveries SET attempts = attempts + 1, not_before = ?2, error = ?3 WHERE id = ?1")?
        .execute(params![delivery, not_before, error])?;
    Ok(())
}

/// [`crate::store::Store::retry_now`].
pub(super) fn retry_now(writing: &Writing<'_>, delivery: i64) -> Result<(i64, Lane), Fault> {
    let lane = waiting_in(writing, delivery)?;
    writing.conn.prepare_cached("UPDATE deliveries SET not_before = 0 WHERE id = ?1")?.execute([delivery])?;
    Ok(lane)
}

/// [`crate::store::Store::drop_delivery`].
pub(super) fn drop_delivery(writing: &mut Writing<'_>, delivery: i64) -> Result<(i64, Lane), Fault> {
    let lane = waiting_in(writing, delivery)?;
    remove_delivery(writing, delivery)?;
    Ok(lane)
}

fn waiting_in(writing: &Writing<'_>, delivery: i64) -> Result<(i64, Lane), Fault> {
    writing
        .conn
        .prepare_cached(
            "SELECT l.id, l.recipient, l.via FROM deliveries d JOIN lanes l ON l.id = d.lane WHERE d.id = ?1",
        )?
        .query_row([delivery], |row| Ok((row.get(0)?, Lane { to: row.get(1)?, via: row.get(2)? })))
        .optional()?
        .ok_or_else(|| Fault::Refused(StoreError::Missing(format!("no delivery {delivery} is waiting"))))
}

impl Writing<'_> {
    fn lane_id(&mut self, lane: &Lane) -> rusqlite::Result<i64> {
        if let Some(id) = self.lanes.get(lane) {
            return Ok(id);
        }
        let Lane { to, via } = lane;
        let known = self
            .conn
            .prepare_cached("SELECT id FROM lanes WHERE recipient = ?1 AND via = ?2")?
            .query_row([to, via], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => {
                self.conn.prepare_cached("INSERT INTO lanes (recipient, via) VALUES (?1, ?2)")?.insert([to, via])?
            }
        };
        self.lanes.put(lane, id);
        Ok(id)
    }

    fn conversation_id(&mut self, name: &String) -> rusqlite::Result<i64> {
        if let Some(id) = self.conversations.get(name) {
            return Ok(id);
        }
        let known = self
            .conn
            .prepare_cached("SELECT id FROM conversations WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => self.conn.prepare_cached("INSERT INTO conversations (name) VALUES (?1)")?.insert([name])?,
        };
        self.conversations.put(name, id);
        Ok(id)
    }
}
