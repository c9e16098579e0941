//! What an address stands for, and the address of what a bridge heard.
//!
//! Every address that the core stores or compares is canonical: names on a bridge are spelled as
//! [`Bridge::name_of`] spells them, so that two spellings of one room are one room, and different
//! rooms never meet in one address.

use super::graph::{Graph, Home, home_of};
use crate::store::{AccountKind, Mapping, Store};
use monster_bridge_api::{Bridge, InstanceName, PlaceKind, RemoteId};
use monster_protocol::{Address, Authority};
use parking_lot::{Mutex, RwLock};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The most mappings remembered as written; beyond it they are asked of the store again.
const WRITTEN: usize = 50_000;
/// The most mappings on their way into the store. One that finds no room is written when it is next
/// met: an address can always be worked out again.
const ON_THE_WAY: usize = 4_096;

/// What an address stands for.
#[derive(Clone)]
pub(crate) enum Place {
    /// A local account that is somebody.
    Person(Address),
    /// A local account that is a room.
    Group(Address),
    /// Somebody or somewhere on a bridge.
    Bridge(RemotePlace),
    /// A bridge instance itself: `@*:instance:…`.
    Console(Address, InstanceName, Arc<dyn Bridge>),
    /// An account on another Monster server.
    Remote(Address),
}

/// Somebody or somewhere on a bridge.
#[derive(Clone)]
pub(crate) struct RemotePlace {
    /// The canonical address.
    pub address: Address,
    /// The instance.
    pub instance: InstanceName,
    /// The bridge.
    pub bridge: Arc<dyn Bridge>,
    /// The id there.
    pub id: RemoteId,
}

impl RemotePlace {
    /// True for a room, false for a person.
    pub(crate) fn is_room(&self) -> bool {
        self.bridge.kind_of(&self.id) != PlaceKind::Person
    }
}

impl Place {
    /// The canonical address.
    pub(crate) fn address(&self) -> &Address {
        match self {
            Self::Person(address) | Self::Group(address) | Self::Remote(address) | Self::Console(address, ..) => {
                address
            }
            Self::Bridge(place) => &place.address,
        }
    }

    /// True for a place where several people read, as far as its form tells.
    pub(crate) fn is_room(&self) -> bool {
        match self {
            Self::Group(_) => true,
            Self::Bridge(place) => place.is_room(),
            Self::Person(_) | Self::Console(..) | Self::Remote(_) => false,
        }
    }
}

/// There is nothing at an address; the words are for the person who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoPlace(pub(crate) String);

/// A bridge instance by name.
type Instance = (InstanceName, Arc<dyn Bridge>);

/// Finds places and addresses.
pub(crate) struct Places {
    ours: Authority,
    bridges: RwLock<HashMap<String, Instance>>,
    /// Address → (instance, id), as administrators added them.
    aliases: RwLock<HashMap<String, (String, RemoteId)>>,
    written: Mutex<HashSet<String>>,
    to_write: mpsc::Sender<Mapping>,
    writer: Mutex<Option<mpsc::Receiver<Mapping>>>,
}

impl Places {
    pub(crate) fn new(ours: Authority) -> Self {
        let (to_write, writer) = mpsc::channel(ON_THE_WAY);
        Self {
            ours,
            bridges: RwLock::default(),
            aliases: RwLock::default(),
            written: Mutex::default(),
            to_write,
            writer: Mutex::new(Some(writer)),
        }
    }

    /// The host of every address here.
    pub(crate) fn ours(&self) -> &Authority {
        &self.ours
    }

    pub(crate) fn add_bridge(&self, instance: &InstanceName, bridge: Arc<dyn Bridge>) {
        self.bridges.write().insert(instance.as_str().to_owned(), (instance.clone(), bridge));
    }

    pub(crate) fn bridge(&self, instance: &str) -> Option<Instance> {
        self.bridges.read().get(instance).cloned()
    }

    /// The names of the bridge instances, in order.
    pub(crate) fn instances(&self) -> Vec<String> {
        let mut names: Vec<_> = self.bridges.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn set_aliases(&self, mappings: Vec<Mapping>) {
        let aliases = mappings.into_iter().map(|m| (m.address, (m.bridge, RemoteId::new(m.remote_id)))).collect();
        *self.aliases.write() = aliases;
    }

    /// What an address stands for.
    pub(crate) fn resolve(&self, graph: &RwLock<Graph>, address: &Address) -> Result<Place, NoPlace> {
        let home = home_of(&self.ours, address);
        if home == Home::Remote {
            return Ok(Place::Remote(address.clone()));
        }
        let alias = self.aliases.read().get(address.as_str()).cloned();
        if let Some((instance, id)) = alias {
            let (instance, bridge) = self.bridge(&instance).ok_or_else(|| no_instance(&instance))?;
            return self.remote_place(instance, bridge, id);
        }
        match home {
            Home::Local(name) => match graph.read().kind_of(&name) {
                Some(AccountKind::Person) => Ok(Place::Person(address.clone())),
                Some(AccountKind::Group) => Ok(Place::Group(address.clone())),
                None => Err(NoPlace(format!("there is no account {address}"))),
            },
            Home::Bridge(name) => {
                let (instance, bridge) = self.bridge(&name).ok_or_else(|| no_instance(&name))?;
                if address.name() == "*" {
                    return Ok(Place::Console(address.clone(), instance, bridge));
                }
                let id = bridge.id_of(&address.name()).map_err(|error| NoPlace(error.to_string()))?;
                self.remote_place(instance, bridge, id)
            }
            Home::Remote | Home::Nowhere => Err(NoPlace(format!("nothing here can have the address {address}"))),
        }
    }

    fn remote_place(&self, instance: InstanceName, bridge: Arc<dyn Bridge>, id: RemoteId) -> Result<Place, NoPlace> {
        let address = self.address_of(&instance, bridge.as_ref(), &id)?;
        Ok(Place::Bridge(RemotePlace { address, instance, bridge, id }))
    }

    /// The canonical address of a user or room of a bridge.
    pub(crate) fn address_of(
        &self,
        instance: &InstanceName,
        bridge: &dyn Bridge,
        id: &RemoteId,
    ) -> Result<Address, NoPlace> {
        let address = Address::new(&bridge.name_of(id), &[instance.as_str()], &self.ours)
            .map_err(|error| NoPlace(format!("`{id}` on {instance} cannot be written as an address: {error}")))?;
        self.remember(instance, id, &address);
        Ok(address)
    }

    /// The address of a local account.
    pub(crate) fn local(&self, name: &str) -> Result<Address, NoPlace> {
        Address::new::<&str>(name, &[], &self.ours).map_err(|error| NoPlace(error.to_string()))
    }

    /// Has a mapping written, if it has not been yet. Never waits.
    fn remember(&self, instance: &InstanceName, id: &RemoteId, address: &Address) {
        let mut written = self.written.lock();
        if written.contains(address.as_str()) {
            return;
        }
        let mapping = Mapping {
            bridge: instance.as_str().to_owned(),
            remote_id: id.as_str().to_owned(),
            address: address.as_str().to_owned(),
            alias: false,
        };
        if self.to_write.try_send(mapping).is_ok() {
            if written.len() >= WRITTEN {
                written.clear();
            }
            written.insert(address.as_str().to_owned());
        }
    }

    /// Writes new mappings until the core is gone. Runs as a task of its own.
    pub(crate) async fn write_mappings(&self, store: Arc<dyn Store>) {
        let Some(mut queue) = self.writer.lock().take() else { return };
        while let Some(mapping) = queue.recv().await {
            if let Err(error) = store.add_mapping(mapping).await {
                tracing::warn!(%error, "a mapping was not written");
            }
        }
    }
}

fn no_instance(name: &str) -> NoPlace {
    NoPlace(format!("this gateway has no bridge called `{name}`"))
}
