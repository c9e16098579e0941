//! Calls: reading and writing their rows.

use super::sift::Sift;
use super::writer::Writing;
use crate::store::CallRow;
use rusqlite::{Connection, Row, params};

type Read<T> = rusqlite::Result<T>;

const COLUMNS: &str = "n, id, caller, caller_name, callee, callee_name, wire, media, video, began, ringing, answered, \
                       first_media, ended, outcome, reason, ended_by, figures";

fn call_from(row: &Row<'_>) -> Read<CallRow> {
    Ok(CallRow {
        number: row.get(0)?,
        id: row.get(1)?,
        caller: row.get(2)?,
        caller_name: row.get(3)?,
        callee: row.get(4)?,
        callee_name: row.get(5)?,
        wire: row.get(6)?,
        media: row.get(7)?,
        video: row.get(8)?,
        began: row.get(9)?,
        ringing: row.get(10)?,
        answered: row.get(11)?,
        first_media: row.get(12)?,
        ended: row.get(13)?,
        outcome: row.get(14)?,
        reason: row.get(15)?,
        ended_by: row.get(16)?,
        figures: row.get(17)?,
    })
}

/// [`crate::store::Store::put_call`].
pub(super) fn put(writing: &Writing<'_>, call: &CallRow) -> Read<()> {
    writing
        .conn
        .prepare_cached(
            "INSERT INTO calls (id, caller, caller_name, callee, callee_name, wire, media, video, began, ringing, \
             answered, first_media, ended, outcome, reason, ended_by, figures) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
             ON CONFLICT (id) DO UPDATE SET video = excluded.video, ringing = excluded.ringing, \
             answered = excluded.answered, first_media = excluded.first_media, ended = excluded.ended, \
             outcome = excluded.outcome, reason = excluded.reason, ended_by = excluded.ended_by, \
             figures = excluded.figures WHERE ended IS NULL",
        )?
        .execute(params![
            call.id,
            call.caller,
            call.caller_name,
            call.callee,
            call.callee_name,
            call.wire,
            call.media,
            call.video,
            call.began,
            call.ringing,
            call.answered,
            call.first_media,
            call.ended,
            call.outcome,
            call.reason,
            call.ended_by,
            call.figures,
        ])?;
    Ok(())
}

/// [`crate::store::Store::calls_going_on`].
pub(super) fn going_on(conn: &Connection, sift: &mut Sift) -> Read<Vec<CallRow>> {
    let sql = format!("SELECT {COLUMNS} FROM calls WHERE ended IS NULL ORDER BY n");
    sift.all(conn, "calls", &sql, [], call_from)
}

/// [`crate::store::Store::calls`].
pub(super) fn newest(conn: &Connection, before: Option<i64>, limit: usize, sift: &mut Sift) -> Read<Vec<CallRow>> {
    let sql = format!("SELECT {COLUMNS} FROM calls WHERE n < ?1 ORDER BY n DESC LIMIT ?2");
    let page = (before.unwrap_or(i64::MAX), super::sql_limit(limit));
    sift.all(conn, "calls", &sql, page, call_from)
}
