//! The router's memory of accounts, links, relations and aliases: written through to the store, and
//! read again when another process has changed it. Requests, bridges' events and administration
//! change it; fan-out reads [`Book::graph`].

use super::graph::{Graph, Home, home_of};
use super::places::{NoPlace, Place, Places};
use super::words;
use crate::store::{Account, Link, LinkEnd, Mapping, Relation, Store, StoreError};
use monster_bridge_api::{Author, PersonaId, RoomUse};
use monster_protocol::{Address, Authority};
use parking_lot::{Mutex, RwLock};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use tokio::sync::Notify;

/// What the router knows of accounts, links and relations.
pub(crate) struct Book {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) places: Places,
    graph: RwLock<Graph>,
    /// Held from before a write until the graph shows it, so that a reload never brings back what
    /// was just changed.
    changing: tokio::sync::Mutex<()>,
    /// Rooms of bridges whose use has changed; a set, so it never holds more than there are rooms.
    touched: Mutex<HashSet<Address>>,
    /// Told when `touched` has something.
    pub(crate) touch: Notify,
    /// The store's revision when everything was read last.
    revision: AtomicI64,
    /// How often tokens may have ended.
    pub(crate) revocations: AtomicU64,
}

impl Book {
    pub(crate) fn new(store: Arc<dyn Store>, ours: Authority) -> Self {
        Self {
            store,
            places: Places::new(ours),
            graph: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            touched: Mutex::default(),
            touch: Notify::new(),
            revision: AtomicI64::new(i64::MIN),
            revocations: AtomicU64::new(0),
        }
    }

    /// The picture that fan-out reads.
    pub(crate) fn graph(&self) -> &RwLock<Graph> {
        &self.graph
    }

    /// The host of every address here.
    pub(crate) fn ours(&self) -> &Authority {
        self.places.ours()
    }

    /// What an address stands for.
    pub(crate) fn resolve(&self, address: &Address) -> Result<Place, NoPlace> {
        self.places.resolve(&self.graph, address)
    }

    /// Reads everything again. Rooms whose use differs are touched.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        let revision = self.store.revision().await?;
        let fresh = Graph::load(self.store.as_ref()).await?;
        self.places.set_aliases(self.store.aliases().await?);
        let before = std::mem::replace(&mut *self.graph.write(), fresh);
        let graph = self.graph.read();
        let differing: Vec<Address> = rooms_in_use(&before, self.ours())
            .union(&rooms_in_use(&graph, self.ours()))
            .filter(|room| usage(&before, room) != usage(&graph, room))
            .cloned()
            .collect();
        drop(graph);
        self.touch_all(differing);
        self.revision.store(revision, Ordering::Release);
        self.tokens_ended();
        Ok(())
    }

    /// Some tokens may not open anything any more.
    fn tokens_ended(&self) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads everything again if another process has changed the store since it was read.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        if self.store.revision().await? == self.revision.load(Ordering::Acquire) { Ok(()) } else { self.reload().await }
    }

    /// The same for an address here that nobody is known to have: a command may have made the
    /// account a moment ago.
    pub(crate) async fn look_again(&self, address: &Address) -> Result<(), StoreError> {
        let unknown = matches!(home_of(self.ours(), address), Home::Local(_)) && self.resolve(address).is_err();
        if unknown { self.refresh().await } else { Ok(()) }
    }

    pub(crate) async fn add_account(&self, account: Account) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.add_account(account.clone()).await?;
        self.graph.write().put_account(account);
        Ok(())
    }

    pub(crate) async fn update_account(&self, account: Account) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.update_account(account.clone()).await?;
        self.graph.write().put_account(account);
        Ok(())
    }

    /// Ends all tokens of an account but the one given.
    pub(crate) async fn revoke_tokens(&self, name: &str, keep: Option<[u8; 32]>) -> Result<(), StoreError> {
        self.store.revoke_tokens(name, keep).await?;
        self.tokens_ended();
        Ok(())
    }

    pub(crate) async fn remove_account(&self, name: &str, address: &Address) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.remove_account(name, address.as_str()).await?;
        self.tokens_ended();
        let mut graph = self.graph.write();
        let mut touched: Vec<Address> = graph.places_of(address.as_str()).filter_map(|p| p.parse().ok()).collect();
        touched.extend(graph.link_of(address.as_str()).iter().flat_map(|link| addresses(&link.rooms)));
        graph.remove_account(name, address.as_str());
        drop(graph);
        self.touch_all(touched);
        Ok(())
    }

    pub(crate) async fn set_relation(&self, relation: Relation) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.set_relation(relation.clone()).await?;
        let place = relation.place.parse();
        self.graph.write().put_relation(relation);
        self.touch_all(place);
        Ok(())
    }

    pub(crate) async fn remove_relation(&self, account: &str, place: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.remove_relation(account, place).await?;
        self.graph.write().remove_relation(account, place);
        self.touch_all(place.parse());
        Ok(())
    }

    pub(crate) async fn add_link(&self, ends: Vec<LinkEnd>) -> Result<Link, StoreError> {
        let _changing = self.changing.lock().await;
        let link = self.store.add_link(ends).await?;
        self.graph.write().put_link(&link);
        self.touch_all(link.ends.iter().filter_map(|end| end.address.parse().ok()));
        Ok(link)
    }

    pub(crate) async fn remove_link(&self, id: i64) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.remove_link(id).await?;
        let mut graph = self.graph.write();
        let rooms: Vec<Address> =
            graph.links().iter().filter(|link| link.id == id).flat_map(|link| addresses(&link.rooms)).collect();
        graph.drop_link(id);
        drop(graph);
        self.touch_all(rooms);
        Ok(())
    }

    /// Takes a room out of its link; `Missing` if it is in none.
    pub(crate) async fn remove_end(&self, room: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.remove_link_end(room).await?;
        let mut graph = self.graph.write();
        let rooms: Vec<Address> = graph.link_of(room).iter().flat_map(|link| addresses(&link.rooms)).collect();
        graph.remove_end(room);
        drop(graph);
        self.touch_all(rooms);
        Ok(())
    }

    pub(crate) async fn add_alias(&self, mapping: Mapping) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.add_mapping(mapping).await?;
        self.places.set_aliases(self.store.aliases().await?);
        Ok(())
    }

    pub(crate) async fn remove_alias(&self, bridge: &str, address: &str) -> Result<(), StoreError> {
        let _changing = self.changing.lock().await;
        self.store.remove_mapping(bridge, address).await?;
        self.places.set_aliases(self.store.aliases().await?);
        Ok(())
    }

    fn touch_all(&self, rooms: impl IntoIterator<Item = Address>) {
        let mut touched = self.touched.lock();
        let ours = rooms.into_iter().filter(|room| matches!(home_of(self.ours(), room), Home::Bridge(_)));
        touched.extend(ours);
        if !touched.is_empty() {
            self.touch.notify_one();
        }
    }

    /// Takes the rooms of bridges whose use has changed since the last call.
    pub(crate) fn take_touched(&self) -> Vec<Address> {
        self.touched.lock().drain().collect()
    }

    /// How a room of a bridge is used; `None` if it is not.
    pub(crate) fn usage_of(&self, room: &Address) -> Option<(Option<monster_bridge_api::Posting>, Vec<Member>)> {
        usage(&self.graph.read(), room)
    }

    /// The rooms of a bridge instance that are used.
    pub(crate) fn rooms_of_instance(&self, instance: &str) -> Vec<Address> {
        let graph = self.graph.read();
        let rooms = rooms_in_use(&graph, self.ours());
        rooms.into_iter().filter(|room| home_of(self.ours(), room) == Home::Bridge(instance.to_owned())).collect()
    }

    /// The same, as the bridge wants it.
    pub(crate) fn room_use(&self, room: &Address) -> Option<RoomUse> {
        let Ok(Place::Bridge(place)) = self.resolve(room) else { return None };
        let (posting, members) = self.usage_of(room)?;
        place.is_room().then_some(RoomUse { room: place.id, posting, members })
    }

    /// A Monster account as a bridge shows it.
    pub(crate) fn author(&self, account: &Address, nickname: Option<&str>, picture: Option<&str>) -> Author {
        persona(&self.graph.read(), self.ours(), account, nickname, picture)
    }
}

/// Somebody who joined a room by themselves, with the pass they gave.
pub(crate) type Member = (Author, Option<String>);

fn addresses(rooms: &[super::graph::LinkedRoom]) -> impl Iterator<Item = Address> {
    rooms.iter().map(|room| room.address.clone())
}

fn rooms_in_use(graph: &Graph, ours: &Authority) -> HashSet<Address> {
    let joined = graph.places().filter_map(|place| place.parse::<Address>().ok());
    let linked = graph.links().into_iter().flat_map(|link| addresses(&link.rooms).collect::<Vec<_>>());
    joined.chain(linked).filter(|room| matches!(home_of(ours, room), Home::Bridge(_))).collect()
}

fn usage(graph: &Graph, room: &Address) -> Option<(Option<monster_bridge_api::Posting>, Vec<Member>)> {
    let link = graph.link_of(room.as_str());
    let mut members: Vec<Member> = graph
        .members(room.as_str())
        .filter_map(|relation| {
            let account = relation.account.parse::<Address>().ok()?;
            let author = persona(graph, room.authority(), &account, relation.nickname.as_deref(), None);
            Some((author, relation.pass.clone()))
        })
        .collect();
    if link.is_none() && members.is_empty() {
        return None;
    }
    members.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let posting = link.and_then(|link| link.rooms.iter().find(|end| end.address == *room)).and_then(|end| end.posting);
    Some((posting, members))
}

/// A Monster account as others see it: what it calls itself, else what is known of it, else the
/// name in its address.
pub(crate) fn persona(
    graph: &Graph,
    ours: &Authority,
    account: &Address,
    nickname: Option<&str>,
    picture: Option<&str>,
) -> Author {
    let local = match home_of(ours, account) {
        Home::Local(name) => graph.account(&name),
        _ => None,
    };
    let own_name = local.and_then(|account| account.nickname.as_deref());
    let name = own_name.or(nickname).map(str::trim).filter(|name| !name.is_empty());
    Author {
        id: PersonaId::new(account.as_str()),
        name: name.map_or_else(|| words::name(&account.name()), words::name),
        picture: local
            .and_then(|account| account.picture.as_deref())
            .or(picture)
            .filter(|url| is_web(url))
            .map(str::to_owned),
    }
}

/// True for what may be fetched as a picture by whoever sees it.
pub(crate) fn is_web(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    web && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}
