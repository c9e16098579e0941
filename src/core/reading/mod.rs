//! What a local account may read of what was said before: its conversations, their messages, and how
//! far it has read. Part of [`Core`]; called by the account API. (What is said now comes over home
//! sockets.)
//!
//! An account reads private conversations that it is one end of, and rooms that it is in, from when
//! it came in; nothing from before an account of that name was made.

mod row;
mod talks;

pub use row::{Quoted, Row, RowKind};
pub use talks::Talk;

use super::Core;
use super::conversation::between;
use super::fanout::{conversation_of, rooms_of};
use super::graph::{Graph, Home, home_of};
use super::places::Place;
use crate::store::{Message, StoreError};
use monster_protocol::Address;

/// Under what the marks are kept.
const MARKS: &str = "gateway";
/// Messages that are looked at for a page at most: what the account does not see is passed over.
const LOOKED_AT: usize = 2_000;

/// A name under which what the account may read is journalled, and from when on it may.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    conversation: String,
    /// In ms since the epoch.
    since: i64,
    /// Between two people: only what one of them said to the other counts. (Addresses can be made
    /// up such that the name of somebody else's conversation looks like one of this account's.)
    private: bool,
}

impl Source {
    fn shows(&self, account: &str, message: &Message) -> bool {
        let message = &message.message;
        message.at >= self.since && (!self.private || message.author == account || message.venue == account)
    }
}

impl Core {
    /// The messages of a conversation that the account may read, newest first, older than message
    /// `before` if given, at most `limit`, and where the next page starts if there may be one.
    /// `None` if there is no such conversation for this account.
    pub async fn read_messages(
        &self,
        account: &Address,
        address: &Address,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Option<(Vec<Row>, Option<i64>)>, StoreError> {
        let Some(sources) = self.sources(account, address).await? else { return Ok(None) };
        let (mut rows, mut at) = (Vec::new(), before);
        let mut looked_at = 0;
        while looked_at < LOOKED_AT {
            let page = self.newest_of(&sources, account, at, limit.max(20)).await?;
            let Some(last) = page.last() else { return Ok(Some((rows, None))) };
            looked_at += page.len();
            at = Some(last.id);
            for message in page {
                let number = message.id;
                rows.extend(Row::of(&message, account));
                if rows.len() == limit {
                    return Ok(Some((rows, Some(number))));
                }
            }
        }
        Ok(Some((rows, at)))
    }

    /// Notes that the account has read a conversation up to a message; the mark never goes back.
    /// False if there is no such conversation for this account.
    pub async fn mark_read(&self, account: &Address, address: &Address, upto: i64) -> Result<bool, StoreError> {
        let Some(sources) = self.sources(account, address).await? else { return Ok(false) };
        if let Some(first) = sources.first()
            && self.mark(account, &sources).await? < upto
        {
            self.store.save(MARKS, &mark_of(account, first), Some(&upto.to_string())).await?;
        }
        Ok(true)
    }

    /// How far the account has read.
    async fn mark(&self, account: &Address, sources: &[Source]) -> Result<i64, StoreError> {
        let mut furthest = 0;
        for source in sources {
            let mark = self.store.load(MARKS, &mark_of(account, source)).await?;
            furthest = furthest.max(mark.and_then(|mark| mark.parse().ok()).unwrap_or_default());
        }
        Ok(furthest)
    }

    /// The newest messages of all sources together that the account may see.
    async fn newest_of(
        &self,
        sources: &[Source],
        account: &Address,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let mut found = Vec::new();
        for source in sources {
            let read = self.store.history(&source.conversation, before, limit).await?;
            found.extend(read.into_iter().filter(|message| source.shows(account.as_str(), message)));
        }
        found.sort_by_key(|message| std::cmp::Reverse(message.id));
        found.truncate(limit);
        Ok(found)
    }

    /// Where what the account may read at an address is journalled.
    async fn sources(&self, account: &Address, address: &Address) -> Result<Option<Vec<Source>>, StoreError> {
        self.book.look_again(address).await?;
        let place = self.book.resolve(address);
        let graph = self.book.graph().read();
        let Some(since) = created(&graph, account) else { return Ok(None) };
        Ok(match place {
            Ok(place) if place.is_room() => sources_of_room(&graph, account, place.address(), since),
            Ok(place) => Some(vec![private(account, place.address(), since)]),
            // Somebody who is not there any more, or not yet; what they said is.
            Err(_) => Some(vec![private(account, address, since)]),
        })
    }

    /// Whether an address is a room, as far as its form tells.
    fn is_room(&self, address: &Address) -> bool {
        self.book.resolve(address).is_ok_and(|place| place.is_room())
    }

    /// What people call a place, as far as it is known here.
    fn known_name(&self, address: &Address) -> String {
        if let (Home::Local(name), graph) = (home_of(self.book.ours(), address), self.book.graph().read())
            && let Some(nickname) = graph.account(&name).and_then(|account| account.nickname.clone())
        {
            return nickname;
        }
        match self.book.resolve(address) {
            Ok(Place::Console(_, instance, _)) => instance.as_str().to_owned(),
            _ => address.name().into_owned(),
        }
    }
}

/// When the account was made; `None` if there is none.
fn created(graph: &Graph, account: &Address) -> Option<i64> {
    graph.account(&account.name()).map(|account| account.created)
}

fn private(account: &Address, other: &Address, since: i64) -> Source {
    Source { conversation: between(account, other), since, private: true }
}

/// The room's link, and what was said before under the names of those of its rooms that the account
/// is in; `None` if it is in none.
fn sources_of_room(graph: &Graph, account: &Address, room: &Address, created: i64) -> Option<Vec<Source>> {
    let joined: Vec<(Address, i64)> = rooms_of(graph, room)
        .into_iter()
        .filter(|room| graph.is_in(account.as_str(), room.as_str()))
        .filter_map(|room| {
            let since = graph.relation(account.as_str(), room.as_str())?.since;
            Some((room, since.max(created)))
        })
        .collect();
    let since = joined.iter().map(|(_, since)| *since).min()?;
    let now = Source { conversation: conversation_of(graph, room), since, private: false };
    let before = joined
        .into_iter()
        .map(|(room, since)| Source { conversation: room.as_str().to_owned(), since, private: false })
        .filter(|source| source.conversation != now.conversation);
    Some(std::iter::once(now.clone()).chain(before.collect::<Vec<_>>()).collect())
}

fn mark_of(account: &Address, source: &Source) -> String {
    format!("read {account} in {}", source.conversation)
}
