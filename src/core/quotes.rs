//! Finding the message that another one refers to. What is found lies in the same conversation, or
//! nothing is: a reply to a message of another conversation quotes nothing (CVE-2023-38700,
//! CVE-2024-32000), and nobody edits or withdraws what they cannot see.

use super::body::{Body, Quote, Said};
use super::book::Book;
use super::fanout::{conversation_of, rooms_of};
use super::graph::{Graph, Home, home_of};
use super::keys::{peers_id, stored_id};
use super::places::RemotePlace;
use crate::store::{Message, Store, StoreError};
use monster_bridge_api::{EventId, MessageKey, Reference, RemoteId};
use monster_protocol::Address;

/// An earlier message, with what it says.
pub(crate) struct Earlier {
    pub message: Message,
    pub body: Body,
}

impl Earlier {
    fn read(message: Message) -> Option<Self> {
        let body = Body::from_bytes(&message.message.body).ok()?;
        Some(Self { message, body })
    }

    /// How other messages name it. An edit is named by the message that it edits.
    pub(crate) fn quote(&self) -> Quote {
        if let Some(original) = self.body.edited() {
            let excerpt = self.message.message.excerpt.clone();
            return Quote { excerpt, ..original.clone() };
        }
        let message = &self.message.message;
        Quote {
            message: self.message.id,
            key: message.key.clone(),
            venue: message.venue.clone(),
            author: message.author.clone(),
            author_name: message.author_name.clone(),
            origin_id: message.origin_id.clone(),
            excerpt: message.excerpt.clone(),
        }
    }

    /// True if it was said by this author, on this account's socket if not on their own.
    pub(crate) fn is_by(&self, author: &str, brought_by: Option<&Address>) -> bool {
        self.message.message.author == author && self.body.by.as_deref() == brought_by.map(Address::as_str)
    }

    /// For a reaction: what it was put to, and the emoji.
    pub(crate) fn reaction(&self) -> Option<(&Quote, &str)> {
        match &self.body.act {
            Said::React { target, emoji } => Some((target, emoji)),
            _ => None,
        }
    }
}

/// The names of the conversation that goes on in a room, the present one first: before a link was
/// made, the same was said under the rooms' own names.
pub(crate) fn conversations_of_room(graph: &Graph, room: &Address) -> Vec<String> {
    let mut names = vec![conversation_of(graph, room)];
    for room in rooms_of(graph, room) {
        if names[0] != room.as_str() {
            names.push(room.as_str().to_owned());
        }
    }
    names
}

/// The message that a Monster peer calls `id`: its own, or by key.
pub(crate) async fn by_peers_id(
    store: &dyn Store,
    conversations: &[String],
    venue: &Address,
    author: &str,
    brought_by: Option<&Address>,
    id: &str,
) -> Result<Option<Earlier>, StoreError> {
    let own = store.message_by_origin(venue.as_str(), author, &stored_id(brought_by, id)).await?;
    if let Some(message) = within(conversations, own) {
        return Ok(Earlier::read(message));
    }
    for conversation in conversations {
        if let Some(message) = store.message_by_key(conversation, id).await? {
            return Ok(Earlier::read(message));
        }
    }
    Ok(None)
}

/// The message that a bridge calls `id` at one of these places.
pub(crate) async fn by_network_id(
    store: &dyn Store,
    conversations: &[String],
    places: &[&str],
    id: &str,
) -> Result<Option<Earlier>, StoreError> {
    for place in places {
        if let Some(message) = within(conversations, store.message_at(place, id).await?) {
            return Ok(Earlier::read(message));
        }
    }
    Ok(None)
}

/// The newest reaction of this author to this message, if it is not long ago.
pub(crate) async fn reaction_by(
    store: &dyn Store,
    conversations: &[String],
    author: &str,
    target: &Quote,
    emoji: &str,
) -> Result<Option<Quote>, StoreError> {
    const LOOK_BACK: usize = 200;
    for conversation in conversations {
        for message in store.history(conversation, None, LOOK_BACK).await? {
            let Some(earlier) = Earlier::read(message) else { continue };
            let is_it = earlier.reaction().is_some_and(|(to, with)| to.message == target.message && with == emoji);
            if is_it && earlier.message.message.author == author {
                return Ok(Some(earlier.quote()));
            }
        }
    }
    Ok(None)
}

/// The message that is referred to, as the network at `place` knows it; `None` if it does not.
pub(crate) async fn at(book: &Book, place: &RemotePlace, quote: &Quote) -> Result<Option<Reference>, StoreError> {
    let here = place.address.as_str();
    // What was said to a person is known to them by the id that it was given there; what was said in
    // a room, to everybody there by the one that it had from the first.
    let said_here = quote.author == here || (quote.venue == here && place.is_room());
    let ids = if said_here && peers_id(&quote.origin_id).is_none() {
        vec![EventId::new(&quote.origin_id)]
    } else {
        let ids = book.store.ids_at(quote.message, here).await?;
        ids.into_iter().map(EventId::new).collect()
    };
    if ids.is_empty() {
        return Ok(None);
    }
    Ok(Some(Reference {
        ids,
        key: MessageKey::new(&quote.key),
        author: id_on(book, place, &quote.author),
        author_name: quote.author_name.clone(),
        excerpt: quote.excerpt.clone(),
    }))
}

/// The id of an author who is of the place's own network.
fn id_on(book: &Book, place: &RemotePlace, author: &str) -> Option<RemoteId> {
    let address: Address = author.parse().ok()?;
    match home_of(book.ours(), &address) {
        Home::Bridge(instance) if instance == place.instance.as_str() => place.bridge.id_of(&address.name()).ok(),
        _ => None,
    }
}

fn within(conversations: &[String], message: Option<Message>) -> Option<Message> {
    message.filter(|message| conversations.contains(&message.message.conversation))
}
