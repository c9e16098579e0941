//! Who gets what is said in a room: a pure function over the router's picture of links and
//! relations (docs/architecture.md "Fan-out").

use super::conversation::of_link;
use super::graph::{Graph, Home, home_of};
use crate::store::Lane;
use monster_protocol::{Address, Authority};
use std::collections::HashSet;

/// Something that is said in a room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The room.
    pub room: &'a Address,
    /// Who says it.
    pub author: &'a str,
    /// The account whose socket brought it, where that is not the author.
    pub brought_by: Option<&'a str>,
    /// True if a bridge heard it in the room, where it is therefore said already.
    pub heard: bool,
}

/// The conversation that a room belongs to: its link, or itself.
pub(crate) fn conversation_of(graph: &Graph, room: &Address) -> String {
    match graph.link_of(room.as_str()) {
        Some(link) => of_link(link.id),
        None => room.as_str().to_owned(),
    }
}

/// The rooms in which the same is said, the one it is said in first.
pub(crate) fn rooms_of(graph: &Graph, room: &Address) -> Vec<Address> {
    let mut rooms = vec![room.clone()];
    if let Some(link) = graph.link_of(room.as_str()) {
        rooms.extend(link.rooms.iter().map(|linked| &linked.address).filter(|linked| *linked != room).cloned());
    }
    rooms
}

/// The lanes that it goes to, each once, nobody twice, and never back to where it came from.
pub(crate) fn fan_out(graph: &Graph, ours: &Authority, said: &Said<'_>) -> Vec<Lane> {
    let mut told: HashSet<&str> = HashSet::new();
    told.insert(said.author);
    told.extend(said.brought_by);
    let rooms = rooms_of(graph, said.room);
    let mut lanes = Vec::new();
    for room in &rooms {
        match home_of(ours, room) {
            Home::Bridge(instance) if !(told.contains(room.as_str()) || said.heard && room == said.room) => {
                lanes.push(Lane { to: instance, via: room.as_str().to_owned() });
            }
            _ => {}
        }
    }
    for room in &rooms {
        for member in graph.members(room.as_str()) {
            if told.insert(&member.account) {
                lanes.push(Lane { to: member.account.clone(), via: room.as_str().to_owned() });
            }
        }
        // A local group can itself be in a room on another server: that server passes on what
        // the group says there.
        if let Home::Local(_) = home_of(ours, room) {
            for place in graph.places_of(room.as_str()) {
                let remote = place.parse::<Address>().is_ok_and(|address| address.authority() != ours);
                if remote && told.insert(place) {
                    lanes.push(Lane { to: place.to_owned(), via: room.as_str().to_owned() });
                }
            }
        }
    }
    lanes
}
