//! Links and mappings: reading and writing them.

use super::cache::Mapped;
use super::sift::Sift;
use super::writer::{Fault, Writing};
use crate::store::{Link, LinkEnd, Mapping, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};

type Read<T> = rusqlite::Result<T>;

// -- links ---------------------------------------------------------------------------------------

/// [`crate::store::Store::add_link`].
pub(super) fn add_link(writing: &Writing<'_>, ends: &[LinkEnd]) -> Result<Link, Fault> {
    let conn = writing.conn;
    let mut joined: Option<(i64, &str)> = None;
    for end in ends {
        match (joined, link_of(conn, &end.address)?) {
            (Some((link, first)), Some(other)) if link != other => {
                return Err(Fault::Refused(StoreError::Conflict(format!(
                    "{first} is in link {link} and {second} in link {other}: remove one of the links first",
                    second = end.address
                ))));
            }
            (None, Some(link)) => joined = Some((link, &end.address)),
            _ => {}
        }
    }
    let two = ends.iter().any(|end| end.address != ends[0].address);
    if joined.is_none() && !two {
        return Err(Fault::Refused(StoreError::Conflict("a link joins at least two different addresses".into())));
    }
    let id = match joined {
        Some((link, _)) => link,
        None => conn.prepare_cached("INSERT INTO links (created) VALUES (?1)")?.insert([writing.now])?,
    };
    let mut put = conn.prepare_cached(
        "INSERT INTO link_ends (link, address, posting) VALUES (?1, ?2, ?3) \
         ON CONFLICT (address) DO UPDATE SET posting = coalesce(excluded.posting, posting)",
    )?;
    for LinkEnd { address, posting } in ends {
        put.execute(params![id, address, posting])?;
    }
    let created = conn.prepare_cached("SELECT created FROM links WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
    let ends = conn.prepare_cached(ENDS_OF_LINK)?.query_map([id], end_from)?.collect::<Read<_>>()?;
    Ok(Link { id, ends, created })
}

const ENDS_OF_LINK: &str = "SELECT n, address, posting FROM link_ends WHERE link = ?1 ORDER BY n";

fn end_from(row: &Row<'_>) -> Read<LinkEnd> {
    Ok(LinkEnd { address: row.get(1)?, posting: row.get(2)? })
}

fn link_of(conn: &Connection, address: &str) -> Read<Option<i64>> {
    conn.prepare_cached("SELECT link FROM link_ends WHERE address = ?1")?
        .query_row([address], |row| row.get(0))
        .optional()
}

/// [`crate::store::Store::remove_link`].
pub(super) fn remove_link(writing: &Writing<'_>, id: i64) -> Result<(), Fault> {
    if delete_link(writing.conn, id)? {
        Ok(())
    } else {
        Err(Fault::Refused(StoreError::Missing(format!("there is no link {id}"))))
    }
}

fn delete_link(conn: &Connection, id: i64) -> Read<bool> {
    conn.execute("DELETE FROM link_ends WHERE link = ?1", [id])?;
    Ok(conn.execute("DELETE FROM links WHERE id = ?1", [id])? > 0)
}

/// [`crate::store::Store::remove_link_end`].
pub(super) fn remove_link_end(writing: &Writing<'_>, address: &str) -> Result<(), Fault> {
    if remove_end(writing.conn, address)? {
        Ok(())
    } else {
        Err(Fault::Refused(StoreError::Missing(format!("{address} is in no link"))))
    }
}

/// Takes an address out of its link; a link that is left with one end goes too. False if it is in
/// none.
pub(super) fn remove_end(conn: &Connection, address: &str) -> Read<bool> {
    let Some(link) = link_of(conn, address)? else { return Ok(false) };
    conn.execute("DELETE FROM link_ends WHERE address = ?1", [address])?;
    let left: i64 = conn.query_row("SELECT count(*) FROM link_ends WHERE link = ?1", [link], |row| row.get(0))?;
    if left < 2 {
        delete_link(conn, link)?;
    }
    Ok(true)
}

/// [`crate::store::Store::links`].
pub(super) fn links(conn: &Connection, sift: &mut Sift) -> Read<Vec<Link>> {
    let sql = "SELECT e.n, e.address, e.posting, l.id, l.created FROM links l JOIN link_ends e ON e.link = l.id \
               ORDER BY l.id, e.n";
    let ends = sift.all(conn, "link_ends", sql, [], |row| Ok((end_from(row)?, row.get(3)?, row.get(4)?)))?;
    let mut links: Vec<Link> = Vec::new();
    for (end, id, created) in ends {
        match links.last_mut().filter(|last| last.id == id) {
            Some(link) => link.ends.push(end),
            None => links.push(Link { id, ends: vec![end], created }),
        }
    }
    Ok(links)
}

// -- mappings ------------------------------------------------------------------------------------

/// [`crate::store::Store::add_mapping`]. Gives the mapping as it is now.
pub(super) fn add_mapping(writing: &Writing<'_>, mapping: &Mapping) -> Result<Mapped, Fault> {
    let Mapping { bridge, remote_id, address, alias } = mapping;
    // The caller has read it before, so that an unreadable row has been set aside.
    match mapped(writing.conn, bridge, address, &mut Sift::default())? {
        Some(known) if known.remote_id != *remote_id => Err(Fault::Refused(taken(address, &known.remote_id))),
        Some(known) if known.alias || !alias => Ok(known),
        Some(_) => {
            writing
                .conn
                .prepare_cached("UPDATE mappings SET alias = 1 WHERE bridge = ?1 AND address = ?2")?
                .execute([bridge, address])?;
            Ok(Mapped { remote_id: remote_id.clone(), alias: true })
        }
        None => {
            writing
                .conn
                .prepare_cached("INSERT INTO mappings (bridge, address, remote_id, alias) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![bridge, address, remote_id, alias])?;
            Ok(Mapped { remote_id: remote_id.clone(), alias: *alias })
        }
    }
}

/// The refusal to let an address stand for a second id.
pub(super) fn taken(address: &str, remote_id: &str) -> StoreError {
    StoreError::Conflict(format!("{address} stands for `{remote_id}` already"))
}

/// [`crate::store::Store::remove_mapping`].
pub(super) fn remove_mapping(writing: &Writing<'_>, bridge: &str, address: &str) -> Result<(), Fault> {
    let removed = writing
        .conn
        .prepare_cached("DELETE FROM mappings WHERE bridge = ?1 AND address = ?2 AND alias = 1")?
        .execute([bridge, address])?;
    if removed == 0 {
        let why = format!("{address} is no alias on `{bridge}`");
        return Err(Fault::Refused(StoreError::Missing(why)));
    }
    Ok(())
}

/// What an address of a bridge stands for.
pub(super) fn mapped(conn: &Connection, bridge: &str, address: &str, sift: &mut Sift) -> Read<Option<Mapped>> {
    let sql = "SELECT n, remote_id, alias FROM mappings WHERE bridge = ?1 AND address = ?2";
    let found = sift.all(conn, "mappings", sql, [bridge, address], |row| {
        Ok(Mapped { remote_id: row.get(1)?, alias: row.get(2)? })
    })?;
    Ok(found.into_iter().next())
}

fn mapping_from(row: &Row<'_>) -> Read<Mapping> {
    Ok(Mapping { bridge: row.get(1)?, remote_id: row.get(2)?, address: row.get(3)?, alias: row.get(4)? })
}

/// [`crate::store::Store::aliases`].
pub(super) fn aliases(conn: &Connection, sift: &mut Sift) -> Read<Vec<Mapping>> {
    let sql = "SELECT n, bridge, remote_id, address, alias FROM mappings WHERE alias = 1 ORDER BY address, bridge";
    sift.all(conn, "mappings", sql, [], mapping_from)
}

/// [`crate::store::Store::mappings`].
pub(super) fn mappings(
    conn: &Connection,
    bridge: Option<&str>,
    (after, limit): (&str, i64),
    sift: &mut Sift,
) -> Read<Vec<Mapping>> {
    if let Some(bridge) = bridge {
        let sql = "SELECT n, bridge, remote_id, address, alias FROM mappings WHERE bridge = ?1 AND address > ?2 \
                   ORDER BY address LIMIT ?3";
        return sift.all(conn, "mappings", sql, params![bridge, after, limit], mapping_from);
    }
    let sql = "SELECT n, bridge, remote_id, address, alias FROM mappings WHERE address > ?1 \
               ORDER BY address, bridge LIMIT ?2";
    sift.all(conn, "mappings", sql, params![after, limit], mapping_from)
}
