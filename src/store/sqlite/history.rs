//! Reading the journal: lanes, what waits in them, dead letters, messages and their ids.

use super::index;
use super::sift::Sift;
use super::writer::Shared;
use crate::store::{DeadLetter, Lane, Message, NewMessage, Pending, Waiting};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;

type Read<T> = rusqlite::Result<T>;

/// The columns that [`message`] reads.
macro_rules! message_columns {
    () => {
        "m.id, c.name, m.key, m.venue, m.author, m.author_name, m.origin_id, m.excerpt, m.body, m.at, m.journalled"
    };
}

/// How many columns [`message_columns`] has.
const MESSAGE_COLUMNS: usize = 11;

fn message(row: &Row<'_>) -> Read<Message> {
    Ok(Message {
        id: row.get(0)?,
        message: Arc::new(NewMessage {
            conversation: row.get(1)?,
            key: row.get(2)?,
            venue: row.get(3)?,
            author: row.get(4)?,
            author_name: row.get(5)?,
            origin_id: row.get(6)?,
            excerpt: row.get(7)?,
            body: row.get(8)?,
            at: row.get(9)?,
        }),
    })
}

/// [`crate::store::Store::lanes`]. One look into the index for each lane, however much waits in it.
pub(super) fn lanes(conn: &Connection, after: i64, limit: usize, sift: &mut Sift) -> Read<Vec<(i64, Lane)>> {
    let mut next = conn.prepare_cached("SELECT lane FROM deliveries WHERE lane > ?1 ORDER BY lane LIMIT 1")?;
    let mut look = conn.prepare_cached("SELECT id, recipient, via FROM lanes WHERE id = ?1")?;
    let mut found = Vec::new();
    let mut at = after;
    while found.len() < limit {
        let Some(lane) = next.query_row([at], |row| row.get::<_, i64>(0)).optional()? else { break };
        at = lane;
        let mut rows = look.query([lane])?;
        match rows.next()? {
            Some(row) => {
                let read = (|| Ok(Lane { to: row.get(1)?, via: row.get(2)? }))();
                found.extend(sift.row("lanes", lane, read)?.map(|names| (lane, names)));
            }
            None => {
                for delivery in super::sift::numbers(conn, "SELECT id FROM deliveries WHERE lane = ?1", lane)? {
                    sift.bad("deliveries", delivery, "its lane is missing".into());
                }
            }
        }
    }
    Ok(found)
}

/// [`crate::store::Store::pending`].
pub(super) fn pending(conn: &Connection, lane: i64, after: i64, limit: i64, sift: &mut Sift) -> Read<Vec<Pending>> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        message_columns!(),
        ", d.id, d.message, d.attempts, d.not_before FROM deliveries d LEFT JOIN messages m ON m.id = d.message \
         LEFT JOIN conversations c ON c.id = m.conversation WHERE d.lane = ?1 AND d.id > ?2 ORDER BY d.id LIMIT ?3"
    ))?;
    let mut rows = statement.query([lane, after, limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let delivery: i64 = row.get(MESSAGE_COLUMNS)?;
        if row.get::<_, Option<i64>>(0)?.is_none() {
            sift.bad("deliveries", delivery, "its message is missing".into());
            continue;
        }
        let Some(Message { id: message_id, message }) =
            sift.row("messages", row.get(MESSAGE_COLUMNS + 1)?, message(row))?
        else {
            continue;
        };
        let rest = || {
            Ok(Pending {
                delivery,
                message_id,
                message,
                attempts: row.get(MESSAGE_COLUMNS + 2)?,
                not_before: row.get(MESSAGE_COLUMNS + 3)?,
                created: row.get(MESSAGE_COLUMNS - 1)?,
            })
        };
        found.extend(sift.row("deliveries", delivery, rest())?);
    }
    Ok(found)
}

/// [`crate::store::Store::waiting`].
pub(super) fn waiting(conn: &Connection, after: i64, limit: i64, sift: &mut Sift) -> Read<Vec<Waiting>> {
    let sql = "SELECT d.id, l.recipient, l.via, m.key, m.author, d.attempts, d.not_before, m.journalled, d.error \
               FROM deliveries d LEFT JOIN lanes l ON l.id = d.lane LEFT JOIN messages m ON m.id = d.message \
               WHERE d.id > ?1 ORDER BY d.id LIMIT ?2";
    sift.all(conn, "deliveries", sql, [after, limit], |row| {
        Ok(Waiting {
            id: row.get(0)?,
            lane: Lane { to: row.get(1)?, via: row.get(2)? },
            message_key: row.get(3)?,
            author: row.get(4)?,
            attempts: row.get(5)?,
            not_before: row.get(6)?,
            created: row.get(7)?,
            error: row.get(8)?,
        })
    })
}

/// [`crate::store::Store::dead_letters`].
pub(super) fn dead_letters(
    conn: &Connection,
    before: Option<i64>,
    limit: i64,
    sift: &mut Sift,
) -> Read<Vec<DeadLetter>> {
    let sql = "SELECT id, recipient, via, message_key, author, error, at FROM dead_letters WHERE id < ?1 \
               ORDER BY id DESC LIMIT ?2";
    sift.all(conn, "dead_letters", sql, [before.unwrap_or(i64::MAX), limit], |row| {
        Ok(DeadLetter {
            id: row.get(0)?,
            lane: Lane { to: row.get(1)?, via: row.get(2)? },
            message_key: row.get(3)?,
            author: row.get(4)?,
            error: row.get(5)?,
            at: row.get(6)?,
        })
    })
}

/// A message by its number.
fn by_id(conn: &Connection, id: i64, sift: &mut Sift) -> Read<Option<Message>> {
    let sql = concat!(
        "SELECT ",
        message_columns!(),
        " FROM messages m LEFT JOIN conversations c ON c.id = m.conversation WHERE m.id = ?1"
    );
    Ok(sift.all(conn, "messages", sql, [id], message)?.into_iter().next())
}

/// The newest message with one of these prints that is the one meant.
fn by_print(
    conn: &Connection,
    shared: &Shared,
    prints: (i64, i64),
    sift: &mut Sift,
    meant: impl Fn(&NewMessage) -> bool,
) -> Read<Option<Message>> {
    for id in index::by_print(conn, &shared.recent, prints)? {
        if let Some(found) = by_id(conn, id, sift)?
            && meant(&found.message)
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// [`crate::store::Store::message_by_origin`].
pub(super) fn message_by_origin(
    conn: &Connection,
    shared: &Shared,
    (venue, author, id): (&str, &str, &str),
    sift: &mut Sift,
) -> Read<Option<Message>> {
    let print = shared.printer.origin(venue, author, id);
    by_print(conn, shared, (print, print), sift, |message| {
        message.venue == venue && message.author == author && message.origin_id == id
    })
}

/// [`crate::store::Store::message_at`].
pub(super) fn message_at(
    conn: &Connection,
    shared: &Shared,
    (place, id): (&str, &str),
    sift: &mut Sift,
) -> Read<Option<Message>> {
    let sql = "SELECT message FROM given_ids WHERE print = ?1 AND place = ?2 AND id = ?3 ORDER BY n DESC LIMIT 1";
    let given = conn
        .prepare_cached(sql)?
        .query_row(params![shared.printer.given(place, id), place, id], |row| row.get(0))
        .optional()?;
    if let Some(message) = given
        && let Some(found) = by_id(conn, message, sift)?
    {
        return Ok(Some(found));
    }
    by_print(conn, shared, shared.printer.origins(place, id), sift, |message| {
        message.venue == place && message.origin_id == id
    })
}

/// [`crate::store::Store::message_by_key`].
pub(super) fn message_by_key(
    conn: &Connection,
    shared: &Shared,
    (conversation, key): (&str, &str),
    sift: &mut Sift,
) -> Read<Option<Message>> {
    let print = shared.printer.key(conversation, key);
    by_print(conn, shared, (print, print), sift, |message| message.conversation == conversation && message.key == key)
}

/// [`crate::store::Store::ids_at`].
pub(super) fn ids_at(conn: &Connection, message: i64, place: &str, sift: &mut Sift) -> Read<Vec<String>> {
    let sql = "SELECT n, id FROM given_ids WHERE message = ?1 AND place = ?2 ORDER BY n";
    sift.all(conn, "given_ids", sql, params![message, place], |row| row.get(1))
}

/// [`crate::store::Store::history`].
pub(super) fn history(
    conn: &Connection,
    shared: &Shared,
    (conversation, before): (&str, Option<i64>),
    limit: usize,
    sift: &mut Sift,
) -> Read<Vec<Message>> {
    let number = conn
        .prepare_cached("SELECT id FROM conversations WHERE name = ?1")?
        .query_row([conversation], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(number) = number else { return Ok(Vec::new()) };
    let before = before.unwrap_or(i64::MAX);
    let ids = index::of_conversation(conn, &shared.recent, (number, before), super::sql_limit(limit))?;
    take(conn, ids, limit, sift)
}

/// [`crate::store::Store::conversations`].
pub(super) fn conversations(
    conn: &Connection,
    shared: &Shared,
    before: Option<i64>,
    limit: usize,
    sift: &mut Sift,
) -> Read<Vec<Message>> {
    let before = before.unwrap_or(i64::MAX);
    let newest = index::newest(conn, &shared.recent)?;
    let mut ids: Vec<i64> = newest.into_values().filter(|message| *message < before).collect();
    ids.sort_unstable_by(|one, other| other.cmp(one));
    take(conn, ids, limit, sift)
}

/// [`crate::store::Store::conversations_with`]. Looks at the name of every conversation, which is a
/// narrow table.
pub(super) fn conversations_with(
    conn: &Connection,
    shared: &Shared,
    address: &str,
    sift: &mut Sift,
) -> Read<Vec<Message>> {
    // An address ends with its host, which holds no space: the names meant are `address other` and
    // `other address`. (`!` comes after the space.)
    let sql = "SELECT id FROM conversations WHERE name > ?1 || ' ' AND name < ?1 || '!' \
               UNION SELECT id FROM conversations WHERE substr(name, -length(?1) - 1) = ' ' || ?1";
    let numbers: Vec<i64> =
        conn.prepare_cached(sql)?.query_map([address], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    for number in numbers {
        let ids = index::of_conversation(conn, &shared.recent, (number, i64::MAX), 1)?;
        found.extend(take(conn, ids, 1, sift)?);
    }
    Ok(found)
}

/// The first `limit` of these messages that are there.
fn take(conn: &Connection, ids: Vec<i64>, limit: usize, sift: &mut Sift) -> Read<Vec<Message>> {
    let mut found = Vec::new();
    for id in ids {
        if found.len() == limit {
            break;
        }
        found.extend(by_id(conn, id, sift)?);
    }
    Ok(found)
}

/// When the delivery that waits longest was journalled; 0 if none waits.
pub(super) fn oldest_waiting(conn: &Connection) -> Read<i64> {
    let sql = "SELECT coalesce((SELECT journalled FROM messages WHERE id = (SELECT message FROM deliveries \
               ORDER BY id LIMIT 1)), 0)";
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0))
}
