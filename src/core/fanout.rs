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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Link, LinkEnd, Relation, RelationState};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    const ROOMS: [&str; 7] = [
        "@#a:one:gw.example",
        "@#b:one:gw.example",
        "@#c:two:gw.example",
        "@#d:two:gw.example",
        "@lobby:gw.example",
        "@cellar:gw.example",
        "@#e:three:gw.example",
    ];
    const PEOPLE: [&str; 6] = [
        "@alice:gw.example",
        "@bob:gw.example",
        "@carol:other.example",
        "@room:other.example",
        "@#x:irc:ring.example",
        "@dave:third.example",
    ];

    /// Which rooms stand in which of three links (or none), and who is in which room.
    #[derive(Debug, Clone)]
    struct Picture {
        links: Vec<Option<usize>>,
        inside: BTreeSet<(usize, usize)>,
        /// Local groups that are in rooms of other servers.
        groups_inside: BTreeSet<(usize, usize)>,
    }

    fn picture() -> impl Strategy<Value = Picture> {
        let links = prop::collection::vec(prop::option::of(0_usize..3), ROOMS.len());
        let inside = prop::collection::btree_set((0..PEOPLE.len(), 0..ROOMS.len()), 0..20);
        let groups_inside = prop::collection::btree_set((4_usize..6, 3_usize..5), 0..3);
        (links, inside, groups_inside).prop_map(|(links, inside, groups_inside)| Picture {
            links,
            inside,
            groups_inside,
        })
    }

    fn relation(account: &str, place: &str) -> Relation {
        Relation {
            account: account.to_owned(),
            place: place.to_owned(),
            state: RelationState::Accepted,
            pass: None,
            nickname: None,
            since: 0,
        }
    }

    impl Picture {
        fn graph(&self) -> Graph {
            let mut graph = Graph::default();
            let mut links: BTreeMap<usize, Vec<LinkEnd>> = BTreeMap::new();
            for (room, link) in self.links.iter().enumerate() {
                if let Some(link) = link {
                    links.entry(*link).or_default().push(LinkEnd { address: ROOMS[room].to_owned(), posting: None });
                }
            }
            for (id, ends) in links {
                graph.put_link(&Link { id: i64::try_from(id).unwrap(), ends, created: 0 });
            }
            for (person, room) in &self.inside {
                graph.put_relation(relation(PEOPLE[*person], ROOMS[*room]));
            }
            for (group, remote) in &self.groups_inside {
                graph.put_relation(relation(ROOMS[*group], PEOPLE[*remote]));
            }
            graph
        }

        fn together(&self, one: usize, other: usize) -> bool {
            one == other || (self.links[one].is_some() && self.links[one] == self.links[other])
        }
    }

    proptest! {
        #[test]
        fn everybody_concerned_is_told_once_and_never_where_it_came_from(
            picture in picture(),
            room in 0..ROOMS.len(),
            author in 0..PEOPLE.len(),
            brought_by in prop::option::of(0..PEOPLE.len()),
            heard in any::<bool>(),
        ) {
            let graph = picture.graph();
            let ours: Authority = "gw.example".parse().unwrap();
            let address: Address = ROOMS[room].parse().unwrap();
            let heard = heard && matches!(home_of(&ours, &address), Home::Bridge(_));
            let brought_by = brought_by.map(|by| PEOPLE[by]);
            let said = Said { room: &address, author: PEOPLE[author], brought_by, heard };
            let lanes = fan_out(&graph, &ours, &said);

            let places: Vec<&str> = lanes.iter().map(Lane::place).collect();
            let distinct: BTreeSet<&str> = places.iter().copied().collect();
            prop_assert_eq!(places.len(), distinct.len(), "nobody is told twice: {:?}", lanes);
            prop_assert!(!distinct.contains(PEOPLE[author]));
            prop_assert!(brought_by.is_none_or(|by| !distinct.contains(by)));
            prop_assert!(!heard || !distinct.contains(ROOMS[room]));

            let mut expected: BTreeSet<&str> = BTreeSet::new();
            for other in (0..ROOMS.len()).filter(|other| picture.together(room, *other)) {
                let is_bridged = !matches!(other, 4 | 5);
                if is_bridged && !(heard && other == room) {
                    expected.insert(ROOMS[other]);
                }
                let inside = picture.inside.iter().filter(|(_, room)| *room == other).map(|(person, _)| PEOPLE[*person]);
                expected.extend(inside);
                expected.extend(picture.groups_inside.iter().filter(|(g, _)| *g == other).map(|(_, r)| PEOPLE[*r]));
            }
            expected.remove(PEOPLE[author]);
            if let Some(by) = brought_by {
                expected.remove(by);
            }
            prop_assert_eq!(&distinct, &expected);
            for lane in &lanes {
                let via = ROOMS.iter().position(|known| *known == lane.via).expect("a room tells it");
                prop_assert!(picture.together(room, via), "told by a room of the conversation");
                let joined_here = graph.is_in(&lane.to, ROOMS[room]);
                prop_assert!(!joined_here || lane.via == ROOMS[room], "the room itself tells who is in it");
            }
        }

        #[test]
        fn what_every_reader_says_again_ends_after_one_round(picture in picture(), room in 0..ROOMS.len()) {
            // The worst case: each room and person that is told passes it on into the room that
            // told it, as its own connection or under the same key. Whoever was told is never told
            // again, so it ends.
            let graph = picture.graph();
            let ours: Authority = "gw.example".parse().unwrap();
            let address: Address = ROOMS[room].parse().unwrap();
            let conversation = conversation_of(&graph, &address);
            let said = Said { room: &address, author: "@x:far.example", brought_by: None, heard: false };
            for lane in fan_out(&graph, &ours, &said) {
                let via: Address = lane.via.parse().unwrap();
                prop_assert_eq!(&conversation_of(&graph, &via), &conversation, "the same key is known there");
            }
        }
    }
}
