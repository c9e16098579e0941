//! The index of the journal: which messages have a print, and which are of a conversation.
//!
//! Prints lie all over the index, so that each new message would change two or three pages of its
//! own in it, and pages are what a commit costs. New messages are therefore only appended to a
//! narrow table, `messages_unindexed`, and kept in memory here ([`Recent`]); when there are many,
//! they are moved into the index in its own order, a slice with each transaction, so that a page is
//! changed once for all that belongs into it. (Measured: two thirds of the writer's processor time,
//! and a fraction of the pages.)
//!
//! Memory is only a copy: after a restart, and where another process has written, it is read again
//! from `messages_unindexed` (at most one and a half [`GENERATION`]s), by the writer before it has
//! to know, by readers for what memory does not cover. A reader looks into memory first, then into the narrow table,
//! then into the index: in this order, because that is the way a message goes, and what moves on
//! meanwhile is met in the next place.

use super::writer::Writing;
use parking_lot::RwLock;
use rusqlite::{Connection, params};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// So many messages are moved into the index together. (A few in tests, which see it happen often.)
const GENERATION: usize = if cfg!(test) { 16 } else { 32_768 };
/// So many entries move for each message that comes: a message has three, so the old ones are moved
/// before as many new ones have come.
const MOVED_FOR_EACH: usize = 6;

/// Where a message stands in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listing {
    pub message: i64,
    pub conversation: i64,
    pub origin_print: i64,
    pub key_print: i64,
}

/// A print or conversation, and a message.
type Pair = (i64, i64);

/// The messages that are not in the index yet.
#[derive(Default)]
pub(super) struct Recent {
    young: Young,
    moving: Option<Moving>,
    /// Covers the messages up to this one.
    upto: i64,
}

/// Those that came last. Looked into by print with every message that comes; all else is rare
/// enough to walk through them.
#[derive(Default)]
struct Young {
    listings: Vec<Listing>,
    by_print: HashMap<i64, i64, BuildHasherDefault<PrintHasher>>,
    /// Messages whose print another one has.
    clashes: Vec<Pair>,
}

/// Those on their way into the index, in its order.
struct Moving {
    prints: Vec<Pair>,
    conversations: Vec<Pair>,
    /// So many of each have arrived.
    arrived: [usize; 2],
    upto: i64,
}

/// A print is a hash already.
#[derive(Default)]
struct PrintHasher(u64);

impl Hasher for PrintHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_i64(i64::from(*byte));
        }
    }

    fn write_i64(&mut self, print: i64) {
        self.0 = self.0.rotate_left(7) ^ print.cast_unsigned();
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Young {
    fn put(&mut self, listing: &Listing) {
        self.listings.push(*listing);
        for print in [listing.origin_print, listing.key_print] {
            match self.by_print.entry(print) {
                Entry::Vacant(free) => drop(free.insert(listing.message)),
                Entry::Occupied(_) => self.clashes.push((print, listing.message)),
            }
        }
    }

    fn with_print(&self, print: i64) -> impl Iterator<Item = i64> {
        let clashing = self.clashes.iter().filter(move |(clash, _)| *clash == print).map(|(_, message)| *message);
        self.by_print.get(&print).copied().into_iter().chain(clashing)
    }

    fn remove(&mut self, listing: &Listing) {
        self.listings.retain(|known| known != listing);
        self.clashes.retain(|(_, message)| *message != listing.message);
        for print in [listing.origin_print, listing.key_print] {
            if self.by_print.get(&print) == Some(&listing.message) {
                self.by_print.remove(&print);
                if let Some(n) = self.clashes.iter().position(|(clash, _)| *clash == print) {
                    let (_, message) = self.clashes.swap_remove(n);
                    self.by_print.insert(print, message);
                }
            }
        }
    }
}

impl Moving {
    fn new(young: &Young, upto: i64) -> Self {
        let prints = young.listings.iter().flat_map(|at| [(at.origin_print, at.message), (at.key_print, at.message)]);
        let conversations = young.listings.iter().map(|at| (at.conversation, at.message));
        let (mut prints, mut conversations): (Vec<_>, Vec<_>) = (prints.collect(), conversations.collect());
        prints.sort_unstable();
        conversations.sort_unstable();
        Self { prints, conversations, arrived: [0; 2], upto }
    }

    fn remove(&mut self, listing: &Listing) {
        let message = listing.message;
        for print in [listing.origin_print, listing.key_print] {
            cut(&mut self.prints, &mut self.arrived[0], (print, message));
        }
        cut(&mut self.conversations, &mut self.arrived[1], (listing.conversation, message));
    }
}

fn cut(pairs: &mut Vec<Pair>, arrived: &mut usize, pair: Pair) {
    if let Ok(n) = pairs.binary_search(&pair) {
        pairs.remove(n);
        *arrived -= usize::from(n < *arrived);
    }
}

/// The pairs from `least` on that are before `end`.
fn range(pairs: &[Pair], least: Pair, end: Pair) -> impl Iterator<Item = i64> {
    let from = pairs.partition_point(|pair| *pair < least);
    pairs[from..].iter().take_while(move |pair| **pair < end).map(|(_, message)| *message)
}

impl Recent {
    fn with_print(&self, print: i64) -> Vec<i64> {
        let moving = self.moving.iter().flat_map(|moving| range(&moving.prints, (print, 0), (print, i64::MAX)));
        self.young.with_print(print).chain(moving).collect()
    }

    fn by_print(&self, least: i64, greatest: i64) -> Vec<i64> {
        let meant = least..=greatest;
        let young =
            self.young.listings.iter().filter(|at| meant.contains(&at.origin_print) || meant.contains(&at.key_print));
        let moving = self.moving.iter().flat_map(|moving| range(&moving.prints, (least, 0), (greatest, i64::MAX)));
        young.map(|at| at.message).chain(moving).collect()
    }

    fn of_conversation(&self, conversation: i64, before: i64) -> Vec<i64> {
        let young = self.young.listings.iter().filter(|at| at.conversation == conversation && at.message < before);
        let moving = self
            .moving
            .iter()
            .flat_map(|moving| range(&moving.conversations, (conversation, 0), (conversation, before)));
        young.map(|at| at.message).chain(moving).collect()
    }

    fn conversations(&self) -> impl Iterator<Item = Pair> {
        let moving = self.moving.iter().flat_map(|moving| moving.conversations.iter().copied());
        self.young.listings.iter().map(|at| (at.conversation, at.message)).chain(moving)
    }

    fn put(&mut self, listing: &Listing) {
        self.young.put(listing);
        self.upto = self.upto.max(listing.message);
        if self.moving.is_none() && self.young.listings.len() >= GENERATION {
            self.moving = Some(Moving::new(&std::mem::take(&mut self.young), self.upto));
        }
    }

    fn remove(&mut self, listing: &Listing) {
        self.young.remove(listing);
        self.moving.iter_mut().for_each(|moving| moving.remove(listing));
    }

    /// Forgets everything, so that it is read again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What was on its way has arrived, durably.
    pub(super) fn drop_moved(&mut self) {
        self.moving = None;
    }
}

impl Writing<'_> {
    /// Adds a message to the index.
    pub(super) fn list(&mut self, listing: &Listing) -> rusqlite::Result<()> {
        let Listing { message, conversation, origin_print, key_print } = *listing;
        self.statements.insert_unindexed.execute(params![message, conversation, origin_print, key_print])?;
        self.shared.recent.write().put(listing);
        self.listed += 1;
        Ok(())
    }

    /// Takes a message out of the index, wherever it stands.
    pub(super) fn unlist(&mut self, message: i64) -> rusqlite::Result<()> {
        self.catch_up()?;
        let conn = self.conn;
        let found = conn
            .prepare_cached("SELECT conversation, origin_print, key_print FROM messages WHERE id = ?1")?
            .query_map([message], |row| {
                let (conversation, origin_print, key_print) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(Listing { message, conversation, origin_print, key_print })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for listing in found {
            conn.prepare_cached("DELETE FROM messages_unindexed WHERE message = ?1")?.execute([message])?;
            let mut print = conn.prepare_cached("DELETE FROM messages_by_print WHERE print = ?1 AND message = ?2")?;
            print.execute([listing.origin_print, message])?;
            print.execute([listing.key_print, message])?;
            conn.prepare_cached("DELETE FROM messages_by_conversation WHERE conversation = ?1 AND message = ?2")?
                .execute([listing.conversation, message])?;
            self.shared.recent.write().remove(&listing);
        }
        Ok(())
    }

    /// The messages that have this print.
    pub(super) fn with_print(&mut self, print: i64) -> rusqlite::Result<Vec<i64>> {
        let mut found = self.shared.recent.read().with_print(print);
        let mut rows = self.statements.find_print.query([print])?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
        Ok(found)
    }

    /// Has memory cover everything that is not in the index.
    pub(super) fn catch_up(&mut self) -> rusqlite::Result<()> {
        if self.caught_up {
            return Ok(());
        }
        let mut recent = self.shared.recent.write();
        let mut statement = self.conn.prepare_cached(
            "SELECT message, conversation, origin_print, key_print FROM messages_unindexed WHERE message > ?1 \
             ORDER BY message",
        )?;
        let mut rows = statement.query([recent.upto])?;
        while let Some(row) = rows.next()? {
            let (message, conversation, origin_print, key_print) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            recent.put(&Listing { message, conversation, origin_print, key_print });
        }
        self.caught_up = true;
        Ok(())
    }

    /// Moves a slice into the index, in proportion to what was added in this transaction.
    pub(super) fn move_some(&mut self) -> rusqlite::Result<()> {
        let mut left = std::mem::take(&mut self.listed) * MOVED_FOR_EACH;
        let mut recent = self.shared.recent.write();
        let Some(Moving { prints, conversations, arrived: [first, second], upto }) = &mut recent.moving else {
            return Ok(());
        };
        if left == 0 {
            return Ok(());
        }
        let conn = self.conn;
        let sql = "INSERT OR IGNORE INTO messages_by_print (print, message) VALUES (?1, ?2)";
        left -= move_pairs(conn, sql, prints, first, left)?;
        let sql = "INSERT OR IGNORE INTO messages_by_conversation (conversation, message) VALUES (?1, ?2)";
        left -= move_pairs(conn, sql, conversations, second, left)?;
        if left > 0 {
            conn.prepare_cached("DELETE FROM messages_unindexed WHERE message <= ?1")?.execute([*upto])?;
            self.moved = true;
        }
        Ok(())
    }
}

/// Moves the next pairs, at most `limit`; gives how many.
fn move_pairs(
    conn: &Connection,
    sql: &str,
    pairs: &[Pair],
    arrived: &mut usize,
    limit: usize,
) -> rusqlite::Result<usize> {
    let mut insert = conn.prepare_cached(sql)?;
    let next = &pairs[*arrived..pairs.len().min(*arrived + limit)];
    for (place, message) in next {
        insert.execute([place, message])?;
    }
    *arrived += next.len();
    Ok(next.len())
}

/// The messages that have a print from `least` to `greatest`, newest first.
pub(super) fn by_print(
    conn: &Connection,
    recent: &RwLock<Recent>,
    (least, greatest): (i64, i64),
) -> rusqlite::Result<Vec<i64>> {
    let (mut found, upto) = {
        let recent = recent.read();
        (recent.by_print(least, greatest), recent.upto)
    };
    let sql = "SELECT message FROM messages_unindexed WHERE message > ?1 \
               AND (origin_print BETWEEN ?2 AND ?3 OR key_print BETWEEN ?2 AND ?3)";
    add(conn, sql, params![upto, least, greatest], &mut found)?;
    let sql = "SELECT message FROM messages_by_print WHERE print BETWEEN ?1 AND ?2";
    add(conn, sql, params![least, greatest], &mut found)?;
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.dedup();
    Ok(found)
}

/// The messages of a conversation before one, newest first: the last `limit` of those that are in
/// the index, and all that are not.
pub(super) fn of_conversation(
    conn: &Connection,
    recent: &RwLock<Recent>,
    (conversation, before): (i64, i64),
    limit: i64,
) -> rusqlite::Result<Vec<i64>> {
    let (mut found, upto) = {
        let recent = recent.read();
        (recent.of_conversation(conversation, before), recent.upto)
    };
    let sql = "SELECT message FROM messages_unindexed WHERE message > ?1 AND message < ?2 AND conversation = ?3";
    add(conn, sql, params![upto, before, conversation], &mut found)?;
    let sql = "SELECT message FROM messages_by_conversation WHERE conversation = ?1 AND message < ?2 \
               ORDER BY message DESC LIMIT ?3";
    add(conn, sql, params![conversation, before, limit], &mut found)?;
    found.sort_unstable_by(|one, other| other.cmp(one));
    found.dedup();
    Ok(found)
}

/// The newest message of each conversation, as (conversation, message).
pub(super) fn newest(conn: &Connection, recent: &RwLock<Recent>) -> rusqlite::Result<BTreeMap<i64, i64>> {
    let mut newest = BTreeMap::new();
    let upto = {
        let recent = recent.read();
        for (conversation, message) in recent.conversations() {
            keep_newest(&mut newest, conversation, message);
        }
        recent.upto
    };
    let unindexed = "SELECT conversation, message FROM messages_unindexed WHERE message > ?1";
    // One look into the index for each conversation.
    let indexed = "SELECT id, (SELECT max(message) FROM messages_by_conversation WHERE conversation = id) AS newest \
                   FROM conversations WHERE newest IS NOT NULL AND ?1 IS NOT NULL";
    for sql in [unindexed, indexed] {
        let mut statement = conn.prepare_cached(sql)?;
        let mut rows = statement.query([upto])?;
        while let Some(row) = rows.next()? {
            keep_newest(&mut newest, row.get(0)?, row.get(1)?);
        }
    }
    Ok(newest)
}

fn keep_newest(newest: &mut BTreeMap<i64, i64>, conversation: i64, message: i64) {
    let known = newest.entry(conversation).or_insert(message);
    *known = message.max(*known);
}

fn add(conn: &Connection, sql: &str, params: impl rusqlite::Params, found: &mut Vec<i64>) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn listing(message: i64, (conversation, origin_print, key_print): (i64, i64, i64)) -> Listing {
        Listing { message, conversation, origin_print, key_print }
    }

    fn sorted(mut messages: Vec<i64>) -> Vec<i64> {
        messages.sort_unstable();
        messages.dedup();
        messages
    }

    proptest! {
        /// Prints out of a few, so that they clash; three in four messages stay.
        #[test]
        fn memory_finds_what_a_plain_list_finds(
            put in prop::collection::vec(((0_i64..4, 0_i64..9, 0_i64..9), 0_u8..4), 0..60),
            least in 0_i64..9, width in 0_i64..4, conversation in 0_i64..4, before in 0_i64..60,
        ) {
            let mut recent = Recent::default();
            let mut all: Vec<Listing> = Vec::new();
            for (message, (place, fate)) in (1..).zip(put) {
                recent.put(&listing(message, place));
                all.push(listing(message, place));
                if fate == 0 {
                    let gone = all.swap_remove(all.len() / 2);
                    recent.remove(&gone);
                }
            }
            let greatest = least + width;
            let find = |meant: &dyn Fn(&Listing) -> bool| {
                sorted(all.iter().filter(|at| meant(at)).map(|at| at.message).collect())
            };
            let within = |print: i64| (least..=greatest).contains(&print);
            prop_assert_eq!(
                sorted(recent.by_print(least, greatest)),
                find(&|at| within(at.origin_print) || within(at.key_print))
            );
            prop_assert_eq!(
                sorted(recent.with_print(least)),
                find(&|at| at.origin_print == least || at.key_print == least)
            );
            prop_assert_eq!(
                sorted(recent.of_conversation(conversation, before)),
                find(&|at| at.conversation == conversation && at.message < before)
            );
            prop_assert_eq!(sorted(recent.conversations().map(|(_, message)| message).collect()), find(&|_| true));
        }
    }
}
