//! Forgetting: what is old and nothing waits for goes, a small step at a time.

use super::index;
use super::writer::Writing;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;

/// So many lanes are looked at in a step.
const LANES: i64 = 256;

/// One step of [`crate::store::Store::prune`]: removes at most `limit` rows. Looks at messages above
/// `after` only; gives how many rows went, and after which message to go on.
pub(super) fn prune(
    writing: &mut Writing<'_>,
    before: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<(usize, i64)> {
    let (mut gone, last) = messages(writing, before, after, limit)?;
    let sql = "DELETE FROM answers WHERE n IN (SELECT n FROM answers WHERE at < ?1 ORDER BY at LIMIT ?2)";
    gone += delete(writing, sql, before, limit - gone)?;
    let sql = "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE at < ?1 ORDER BY at LIMIT ?2)";
    let dead = delete(writing, sql, before, limit - gone)?;
    writing.counters.dead -= super::sql_limit(dead);
    gone += dead;
    let sql = "DELETE FROM calls WHERE n IN (SELECT n FROM calls WHERE ended < ?1 ORDER BY ended LIMIT ?2)";
    gone += delete(writing, sql, before, limit - gone)?;
    if gone < limit {
        idle_lanes(writing)?;
    }
    Ok((gone, last))
}

fn delete(writing: &Writing<'_>, sql: &str, before: i64, limit: usize) -> rusqlite::Result<usize> {
    writing.conn.prepare_cached(sql)?.execute([before, super::sql_limit(limit)])
}

fn messages(writing: &mut Writing<'_>, before: i64, after: i64, limit: usize) -> rusqlite::Result<(usize, i64)> {
    let (old, last) = old_messages(writing, before, after, limit)?;
    let conn = writing.conn;
    for (id, _) in &old {
        writing.unlist(*id)?;
        conn.prepare_cached("DELETE FROM given_ids WHERE message = ?1")?.execute([id])?;
        conn.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id])?;
    }
    for conversation in old.iter().map(|(_, conversation)| *conversation).collect::<BTreeSet<_>>() {
        if index::of_conversation(conn, &writing.shared.recent, (conversation, i64::MAX), 1)?.is_empty() {
            conn.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([conversation])?;
            writing.conversations.clear();
        }
    }
    writing.counters.messages -= super::sql_limit(old.len());
    Ok((old.len(), last))
}

/// The oldest messages that nothing waits for, with their conversations, and the last one that was
/// looked at. Deliveries are numbered in the order of their messages, so both are walked side by
/// side, from the oldest on.
fn old_messages(
    writing: &Writing<'_>,
    before: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<(Vec<(i64, i64)>, i64)> {
    let mut messages =
        writing.conn.prepare_cached("SELECT id, conversation, journalled FROM messages WHERE id > ?1 ORDER BY id")?;
    let mut deliveries = writing.conn.prepare_cached("SELECT message FROM deliveries ORDER BY id")?;
    let mut messages = messages.query([after])?;
    let mut deliveries = deliveries.query(params![])?;
    let mut next_waiting = || -> rusqlite::Result<i64> { deliveries.next()?.map_or(Ok(i64::MAX), |row| row.get(0)) };
    let mut awaited = next_waiting()?;
    let (mut found, mut last) = (Vec::new(), after);
    while found.len() < limit {
        let Some(row) = messages.next()? else { break };
        let id: i64 = row.get(0)?;
        if row.get::<_, i64>(2)? >= before {
            break;
        }
        while awaited < id {
            awaited = next_waiting()?;
        }
        if awaited != id {
            found.push((id, row.get(1)?));
        }
        last = id;
    }
    Ok((found, last))
}

/// Removes the lanes in which nothing waits, out of the next few. (A lane that is used again gets
/// another number.)
fn idle_lanes(writing: &mut Writing<'_>) -> rusqlite::Result<()> {
    let from = writing.lanes_seen;
    let upto = writing
        .conn
        .prepare_cached("SELECT max(id) FROM (SELECT id FROM lanes WHERE id > ?1 ORDER BY id LIMIT ?2)")?
        .query_row([from, LANES], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    // After the last one comes the first one again.
    writing.lanes_seen = upto.unwrap_or(0);
    let removed = writing
        .conn
        .prepare_cached(
            "DELETE FROM lanes WHERE id > ?1 AND id <= ?2 \
             AND NOT EXISTS (SELECT 1 FROM deliveries WHERE lane = lanes.id)",
        )?
        .execute([from, writing.lanes_seen])?;
    if removed > 0 {
        writing.lanes.clear();
    }
    Ok(())
}
