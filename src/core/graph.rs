//! What the router keeps in memory of accounts, links and relations, so that taking a message asks
//! the store nothing. The store's tables are the truth: [`Graph::load`] reads them, and whoever
//! changes one of them changes this after it. Fan-out reads it; nothing here waits.

use crate::store::{Account, AccountKind, Link, Relation, RelationState, Store, StoreError};
use monster_bridge_api::Posting;
use monster_protocol::{Address, Authority};
use std::collections::HashMap;
use std::sync::Arc;

/// Accounts, links and relations.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    accounts: HashMap<String, Arc<Account>>,
    /// By room.
    links: HashMap<String, Arc<LinkedRooms>>,
    /// By place, then by account.
    by_place: HashMap<String, HashMap<String, Arc<Relation>>>,
    /// The places of an account.
    by_account: HashMap<String, Vec<String>>,
}

/// A link, with what fan-out needs to know of its rooms.
#[derive(Debug)]
pub(crate) struct LinkedRooms {
    /// The link's number.
    pub id: i64,
    /// Its rooms.
    pub rooms: Vec<LinkedRoom>,
}

/// One room of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkedRoom {
    /// Its address.
    pub address: Address,
    /// How others appear in it, where the link says.
    pub posting: Option<Posting>,
}

impl Graph {
    /// Reads all of it. A record that cannot be read is left out and reported; it stops nothing.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let mut graph = Self::default();
        for account in store.accounts().await? {
            graph.put_account(account);
        }
        for link in store.links().await? {
            graph.put_link(&link);
        }
        for relation in store.relations().await? {
            graph.put_relation(relation);
        }
        Ok(graph)
    }

    /// A local account by name.
    pub(crate) fn account(&self, name: &str) -> Option<&Arc<Account>> {
        self.accounts.get(name)
    }

    pub(crate) fn put_account(&mut self, account: Account) {
        self.accounts.insert(account.name.clone(), Arc::new(account));
    }

    /// Takes an account out with its relations and its end of a link.
    pub(crate) fn remove_account(&mut self, name: &str, address: &str) {
        self.accounts.remove(name);
        for account in self.by_place.remove(address).into_iter().flat_map(HashMap::into_keys) {
            self.forget_place(&account, address);
        }
        for place in self.by_account.remove(address).unwrap_or_default() {
            if let Some(members) = self.by_place.get_mut(&place) {
                members.remove(address);
            }
        }
        self.remove_end(address);
    }

    /// Takes a room out of its link; a link that is left with one room ends.
    pub(crate) fn remove_end(&mut self, room: &str) {
        let Some(link) = self.links.remove(room) else { return };
        let left: Vec<_> = link.rooms.iter().filter(|end| end.address.as_str() != room).cloned().collect();
        self.drop_link(link.id);
        if left.len() > 1 {
            self.put_rooms(&Arc::new(LinkedRooms { id: link.id, rooms: left }));
        }
    }

    /// The link that a room stands in.
    pub(crate) fn link_of(&self, room: &str) -> Option<&Arc<LinkedRooms>> {
        self.links.get(room)
    }

    /// Every link once.
    pub(crate) fn links(&self) -> Vec<Arc<LinkedRooms>> {
        let mut links: Vec<_> = self.links.values().cloned().collect();
        links.sort_by_key(|link| link.id);
        links.dedup_by_key(|link| link.id);
        links
    }

    pub(crate) fn put_link(&mut self, link: &Link) {
        self.drop_link(link.id);
        let mut rooms = Vec::with_capacity(link.ends.len());
        for end in &link.ends {
            match end.address.parse() {
                Ok(address) => {
                    rooms.push(LinkedRoom { address, posting: posting_of(end.posting.as_deref()) });
                }
                Err(error) => {
                    tracing::error!(link = link.id, %error, "a stored link end is no address; it is left out");
                }
            }
        }
        self.put_rooms(&Arc::new(LinkedRooms { id: link.id, rooms }));
    }

    fn put_rooms(&mut self, link: &Arc<LinkedRooms>) {
        for room in &link.rooms {
            self.links.insert(room.address.as_str().to_owned(), Arc::clone(link));
        }
    }

    pub(crate) fn drop_link(&mut self, id: i64) {
        self.links.retain(|_, link| link.id != id);
    }

    /// How an account stands to a place.
    pub(crate) fn relation(&self, account: &str, place: &str) -> Option<&Arc<Relation>> {
        self.by_place.get(place)?.get(account)
    }

    /// True if the account is in the room, or a contact of the person.
    pub(crate) fn is_in(&self, account: &str, place: &str) -> bool {
        self.relation(account, place).is_some_and(|relation| relation.state == RelationState::Accepted)
    }

    /// Everybody who is in the room.
    pub(crate) fn members(&self, place: &str) -> impl Iterator<Item = &Arc<Relation>> {
        let members = self.by_place.get(place).into_iter().flat_map(HashMap::values);
        members.filter(|relation| relation.state == RelationState::Accepted)
    }

    /// The places that an account is in.
    pub(crate) fn places_of(&self, account: &str) -> impl Iterator<Item = &str> {
        let places = self.by_account.get(account).into_iter().flatten().map(String::as_str);
        places.filter(move |place| self.is_in(account, place))
    }

    /// How the account stands to places, and others to it, however that is.
    pub(crate) fn relations_of(&self, account: &str) -> Vec<Arc<Relation>> {
        let places = self.by_account.get(account).into_iter().flatten();
        let ours = places.filter_map(|place| self.relation(account, place));
        let theirs = self.by_place.get(account).into_iter().flat_map(HashMap::values);
        ours.chain(theirs).cloned().collect()
    }

    /// Every place that somebody has a relation to.
    pub(crate) fn places(&self) -> impl Iterator<Item = &str> {
        self.by_place.iter().filter(|(_, members)| !members.is_empty()).map(|(place, _)| place.as_str())
    }

    pub(crate) fn put_relation(&mut self, relation: Relation) {
        let places = self.by_account.entry(relation.account.clone()).or_default();
        if !places.contains(&relation.place) {
            places.push(relation.place.clone());
        }
        let members = self.by_place.entry(relation.place.clone()).or_default();
        members.insert(relation.account.clone(), Arc::new(relation));
    }

    pub(crate) fn remove_relation(&mut self, account: &str, place: &str) {
        if let Some(members) = self.by_place.get_mut(place) {
            members.remove(account);
            if members.is_empty() {
                self.by_place.remove(place);
            }
        }
        self.forget_place(account, place);
    }

    fn forget_place(&mut self, account: &str, place: &str) {
        if let Some(places) = self.by_account.get_mut(account) {
            places.retain(|known| known != place);
            if places.is_empty() {
                self.by_account.remove(account);
            }
        }
    }

    /// What the account called `name` is, if there is one.
    pub(crate) fn kind_of(&self, name: &str) -> Option<AccountKind> {
        self.account(name).map(|account| account.kind)
    }
}

/// How a stored link end is posted to.
pub(crate) fn posting_of(text: Option<&str>) -> Option<Posting> {
    match text {
        Some("puppets") => Some(Posting::Puppets),
        Some("relay") => Some(Posting::Relay),
        _ => None,
    }
}

/// How a posting is stored.
pub(crate) fn posting_name(posting: Posting) -> &'static str {
    match posting {
        Posting::Puppets => "puppets",
        Posting::Relay => "relay",
    }
}

/// What the form of an address says about where it lives, without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Home {
    /// A local account of that name.
    Local(String),
    /// Something on the bridge instance of that name.
    Bridge(String),
    /// An account on another Monster server.
    Remote,
    /// An address of ours that nothing can have.
    Nowhere,
}

/// Where an address lives.
pub(crate) fn home_of(ours: &Authority, address: &Address) -> Home {
    if address.authority() != ours {
        return Home::Remote;
    }
    let mut path = address.path();
    match (path.next(), path.next()) {
        (None, _) => Home::Local(address.name().into_owned()),
        (Some(instance), None) => Home::Bridge(instance.into_owned()),
        (Some(_), Some(_)) => Home::Nowhere,
    }
}
