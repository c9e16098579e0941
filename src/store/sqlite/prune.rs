//! Forgetting: what is old and nothing waits for goes, a small step at a time.

use super::index;
use super::writer::Writing;
use rusqlite::params;
use std::collections::BTreeSet;

/// One step of [`crate::store::Store::prune`]: removes at most `limit` rows and says how many.
pub(super) fn prune(writing: &mut Writing<'_>, before: i64, limit: i64) -> rusqlite::Result<i64> {
    let mut left = limit;
    left -= messages(writing, before, left)?;
    left -= delete(
        writing,
        "DELETE FROM answers WHERE n IN (SELECT n FROM answers WHERE at < ?1 ORDER BY at LIMIT ?2)",
        before,
        left,
    )?;
    let dead = delete(
        writing,
        "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE at < ?1 ORDER BY at LIMIT ?2)",
        before,
        left,
    )?;
    writing.counters.dead -= dead;
    left -= dead;
    Ok(limit - left)
}

fn delete(writing: &Writing<'_>, sql: &str, before: i64, limit: i64) -> rusqlite::Result<i64> {
    let removed = writing.conn.prepare_cached(sql)?.execute([before, limit])?;
    Ok(i64::try_from(removed).unwrap_or(i64::MAX))
}

fn messages(writing: &mut Writing<'_>, before: i64, limit: i64) -> rusqlite::Result<i64> {
    let old = old_messages(writing, before, limit)?;
    let mut conversations = BTreeSet::new();
    {
        let mut ids = writing.conn.prepare_cached("DELETE FROM given_ids WHERE message = ?1")?;
        let mut message = writing.conn.prepare_cached("DELETE FROM messages WHERE id = ?1")?;
        for (id, conversation) in &old {
            writing.unlist(*id)?;
            ids.execute([id])?;
            message.execute([id])?;
            conversations.insert(*conversation);
        }
    }
    for conversation in conversations {
        if index::of_conversation(writing.conn, &writing.shared.recent, (conversation, i64::MAX), 1)?.is_empty() {
            writing.conn.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([conversation])?;
            writing.conversations.clear();
        }
    }
    let removed = i64::try_from(old.len()).unwrap_or(i64::MAX);
    writing.counters.messages -= removed;
    Ok(removed)
}

/// The oldest messages that nothing waits for, with their conversations. Deliveries are numbered in
/// the order of their messages, so both are walked side by side, from the oldest on.
fn old_messages(writing: &Writing<'_>, before: i64, limit: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    let mut messages = writing.conn.prepare_cached("SELECT id, conversation, journalled FROM messages ORDER BY id")?;
    let mut deliveries = writing.conn.prepare_cached("SELECT message FROM deliveries ORDER BY id")?;
    let mut messages = messages.query(params![])?;
    let mut deliveries = deliveries.query(params![])?;
    let mut next_waiting = || -> rusqlite::Result<i64> { deliveries.next()?.map_or(Ok(i64::MAX), |row| row.get(0)) };
    let mut awaited = next_waiting()?;
    let mut found = Vec::new();
    while i64::try_from(found.len()).unwrap_or(i64::MAX) < limit {
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
    }
    Ok(found)
}
