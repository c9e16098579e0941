//! The list of an account's conversations: the rooms it is in or wants to be in, its contacts, and
//! everybody with whom it exchanged a word.

use super::row::Row;
use super::{Source, created, private, sources_of_room};
use crate::core::Core;
use crate::core::conversation::places_in;
use crate::core::fanout::rooms_of;
use crate::core::graph::Graph;
use crate::core::relate::Standing;
use crate::store::{RelationState, StoreError};
use monster_protocol::Address;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Messages that are looked through for the last one with words.
const LAST: usize = 20;
/// Unread messages are counted up to so many.
const UNREAD: usize = 100;

/// A conversation of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Where the account writes.
    pub address: Address,
    /// What people call it, as far as it is known here.
    pub name: String,
    /// True for a room.
    pub is_room: bool,
    /// How the account stands to it, seen from the account.
    pub relation: Option<RelationState>,
    /// Every address in which the same is said.
    pub places: Vec<Address>,
    /// The newest message that has words.
    pub last: Option<Row>,
    /// How many messages the account has not read, up to 100.
    pub unread: usize,
    /// Its place in the list.
    pub position: (i64, String),
}

/// A conversation before anything of it is read.
struct Outline {
    address: Address,
    relation: Option<RelationState>,
    places: Vec<Address>,
    sources: Vec<Source>,
    /// The number of its newest message; 0 if there is none.
    newest: i64,
}

impl Outline {
    /// Its place in the list: the newest first, then by address.
    fn position(&self) -> (Reverse<i64>, &str) {
        (Reverse(self.newest), self.address.as_str())
    }
}

impl Core {
    /// The account's conversations, the one in which something was said last first; those after the
    /// `position` of the page before, at most `limit`.
    pub async fn read_talks(
        &self,
        account: &Address,
        after: Option<&(i64, String)>,
        limit: usize,
    ) -> Result<Vec<Talk>, StoreError> {
        self.book.refresh().await?;
        let mut outlines = self.outlines(account).await?;
        outlines.sort_by(|one, other| one.position().cmp(&other.position()));
        if let Some((newest, address)) = after {
            outlines.retain(|outline| outline.position() > (Reverse(*newest), address.as_str()));
        }
        let mut talks = Vec::new();
        for outline in outlines.into_iter().take(limit) {
            talks.push(self.talk(account, outline).await?);
        }
        Ok(talks)
    }

    async fn outlines(&self, account: &Address) -> Result<Vec<Outline>, StoreError> {
        let private_ones = self.store.conversations_with(account.as_str()).await?;
        let mut found = HashMap::new();
        for place in self.related(account) {
            if let Some(outline) = self.outline(account, &place) {
                let name = outline.sources.first().map_or(place.as_str(), |source| &source.conversation).to_owned();
                found.entry(name).or_insert(outline);
            }
        }
        for newest in private_ones {
            let conversation = newest.message.conversation.clone();
            let Some(other) = other_end(&conversation, account) else { continue };
            if let Some(outline) = self.outline(account, &other)
                && outline.sources.iter().any(|source| source.shows(account.as_str(), &newest))
            {
                found.entry(conversation).or_insert(outline);
            }
        }
        let mut outlines: Vec<_> = found.into_values().collect();
        for outline in &mut outlines {
            let newest = self.newest_of(&outline.sources, account, None, 1).await?;
            outline.newest = newest.first().map_or(0, |message| message.id);
        }
        Ok(outlines)
    }

    /// Every place that the account has a relation to, or that has one to it. Of linked rooms the one
    /// that it was let into first comes first.
    fn related(&self, account: &Address) -> Vec<Address> {
        let graph = self.book.graph().read();
        let mut relations = graph.relations_of(account.as_str());
        relations.sort_by_key(|relation| (relation.state != RelationState::Accepted, relation.since));
        let places = relations.iter().filter_map(|relation| {
            let other = if relation.account == account.as_str() { &relation.place } else { &relation.account };
            other.parse().ok()
        });
        places.collect()
    }

    fn outline(&self, account: &Address, address: &Address) -> Option<Outline> {
        let is_room = self.is_room(address);
        let graph = self.book.graph().read();
        let since = created(&graph, account)?;
        let (places, sources) = if is_room {
            // A room that has yet to let the account in is listed, and nothing of it can be read.
            (rooms_of(&graph, address), sources_of_room(&graph, account, address, since).unwrap_or_default())
        } else {
            (vec![address.clone()], vec![private(account, address, since)])
        };
        let relation = relation(&graph, account, address, is_room);
        Some(Outline { address: address.clone(), relation, places, sources, newest: 0 })
    }

    async fn talk(&self, account: &Address, outline: Outline) -> Result<Talk, StoreError> {
        let Outline { address, relation, places, sources, newest } = outline;
        let recent = self.newest_of(&sources, account, None, LAST).await?;
        let rows: Vec<Row> = recent.iter().filter_map(|message| Row::of(message, account)).collect();
        let of_other = rows.iter().find(|row| row.author == address.as_str());
        let passes_on = recent.iter().any(super::row::is_of_foreign_room);
        let is_room = self.is_room(&address) || (passes_on && !self.is_known_person(&address).await?);
        let name = match of_other {
            Some(row) if !is_room => row.author_name.clone(),
            _ => self.known_name(&address),
        };
        let unread = self.unread(account, &sources, newest).await?;
        let last = rows.into_iter().find(Row::has_words);
        let position = (newest, address.as_str().to_owned());
        Ok(Talk { address, name, is_room, relation, places, last, unread, position })
    }

    async fn unread(&self, account: &Address, sources: &[Source], newest: i64) -> Result<usize, StoreError> {
        let mark = self.mark(account, sources).await?;
        if newest <= mark {
            return Ok(0);
        }
        let recent = self.newest_of(sources, account, None, 2 * UNREAD).await?;
        let unread = recent.iter().take_while(|message| message.id > mark);
        let rows = unread.filter_map(|message| Row::of(message, account)).filter(|row| row.counts(account));
        Ok(rows.take(UNREAD).count())
    }
}

/// How the account stands to a place, as it sees it.
fn relation(graph: &Graph, account: &Address, place: &Address, is_room: bool) -> Option<RelationState> {
    if is_room {
        return graph.relation(account.as_str(), place.as_str()).map(|relation| relation.state);
    }
    match Standing::between(graph, account, place) {
        Standing::None => None,
        Standing::WeAsked => Some(RelationState::Asked),
        Standing::TheyAsked => Some(RelationState::Invited),
        Standing::Contacts => Some(RelationState::Accepted),
    }
}

/// The one with whom the account has this conversation.
fn other_end(conversation: &str, account: &Address) -> Option<Address> {
    let places = places_in(conversation);
    let [one, other] = places.as_slice() else { return None };
    match (one == account.as_str(), other == account.as_str()) {
        (true, false) => other.parse().ok(),
        (false, true) => one.parse().ok(),
        _ => None,
    }
}
