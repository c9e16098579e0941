//! What a bridge asks about people and rooms outside its network: who somebody is, and which rooms
//! are joined with one of its own. Part of [`BridgeHost`]; links are made and ended here as the
//! commands and the API make and end them (`admin`).

use super::about;
use super::admin::{AdminError, NewEnd};
use super::graph::{Home, home_of};
use super::host::BridgeHost;
use super::keys::new_key;
use super::places::{Place, RemotePlace};
use crate::store::{AccountKind, StoreError};
use monster_bridge_api::{PersonaId, Profile, RemoteId, RequestError};
use monster_protocol::{Address, Request, RequestBody};
use std::time::Duration;

/// How long a network may take to say whether a room is open.
const OPEN: Duration = Duration::from_secs(5);

impl BridgeHost {
    /// [`monster_bridge_api::Host::about`].
    pub(super) async fn profile_of(&self, persona: &PersonaId) -> Result<Profile, RequestError> {
        let core = &self.core;
        let address = address(persona)?;
        core.book.look_again(&address).await.map_err(|error| unavailable(&error))?;
        let place = core.book.resolve(&address).map_err(|error| RequestError::Unknown(error.to_string()))?;
        match &place {
            Place::Person(address) | Place::Group(address) => {
                core.profile_of_account(address).ok_or_else(|| unknown(format!("there is no account {address}")))
            }
            Place::Bridge(remote) => core.profiles.of(remote).await,
            Place::Console(_, instance, _) => Ok(core.profile_of_console(instance)),
            Place::Remote(address) => core.profiles.get(address, self.ask_remote(address)).await,
        }
    }

    /// Asks another server about an account, in the name of the bridge itself.
    async fn ask_remote(&self, address: &Address) -> Result<Profile, RequestError> {
        let not_now = || RequestError::Unavailable("other servers cannot be reached now".to_owned());
        let port = self.core.port.get().ok_or_else(not_now)?;
        let request = Request::new(new_key(&self.core.environment), RequestBody::Info);
        let response = port.ask(address, &self.console()?, request).await?;
        about::read(address, &response)
    }

    /// The address of the bridge itself.
    pub(super) fn console(&self) -> Result<Address, RequestError> {
        let ours = self.core.book.ours();
        Address::new("*", &[self.instance.as_str()], ours).map_err(|error| unknown(error.to_string()))
    }

    /// [`monster_bridge_api::Host::link`].
    pub(super) async fn join_rooms(&self, room: &RemoteId, other: &PersonaId) -> Result<(), RequestError> {
        let room = self.own_room(room)?;
        let other = address(other)?;
        self.core.book.refresh().await.map_err(|error| unavailable(&error))?;
        let other = self.open_to_links(&other).await?;
        let ends = [room, other].map(|address| NewEnd { address, posting: None });
        self.core.admin.add_link(ends.into(), None).await.map(drop).map_err(refused)
    }

    /// The canonical address of a room that whoever keeps another one may link with it. An
    /// administrator may do more.
    async fn open_to_links(&self, other: &Address) -> Result<Address, RequestError> {
        let place = self.core.book.resolve(other).map_err(|error| unknown(error.to_string()))?;
        match &place {
            Place::Group(address) => {
                let closed = self.core.book.graph().read().account(&address.name()).is_none_or(|a| a.pass.is_some());
                if closed {
                    return Err(no(format!("{address} asks for a pass; the gateway's administrator can link it")));
                }
                Ok(address.clone())
            }
            Place::Bridge(remote) if remote.is_room() => {
                self.is_open(remote).await?;
                Ok(remote.address.clone())
            }
            Place::Remote(address) => {
                Err(no(format!("{address} is on another server; a group of this gateway can join it")))
            }
            _ => Err(no(format!("{other} is not a room"))),
        }
    }

    async fn is_open(&self, remote: &RemotePlace) -> Result<(), RequestError> {
        let address = remote.address.as_str();
        let with_pass = self.core.book.graph().read().members(address).any(|member| member.pass.is_some());
        if with_pass {
            return Err(no(format!(
                "{address} asks for a pass; link it from there, or ask the gateway's administrator"
            )));
        }
        let asked = tokio::time::timeout(OPEN, remote.bridge.may_be_linked(&remote.id)).await;
        asked.unwrap_or_else(|_| Err(RequestError::Unavailable(format!("{} did not answer in time", remote.instance))))
    }

    /// [`monster_bridge_api::Host::unlink`].
    pub(super) async fn part_room(&self, room: &RemoteId) -> Result<(), RequestError> {
        let room = self.own_room(room)?;
        self.core.book.refresh().await.map_err(|error| unavailable(&error))?;
        match self.core.book.remove_end(room.as_str()).await {
            Ok(()) | Err(StoreError::Missing(_)) => Ok(()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// [`monster_bridge_api::Host::linked`].
    pub(super) fn linked_with(&self, room: &RemoteId) -> Result<Vec<PersonaId>, RequestError> {
        let room = self.own_room(room)?;
        let link = self.core.book.graph().read().link_of(room.as_str()).cloned();
        let rooms = link.iter().flat_map(|link| &link.rooms).filter(|other| other.address != room);
        Ok(rooms.map(|other| PersonaId::new(other.address.as_str())).collect())
    }

    /// The address of a room of this bridge.
    pub(super) fn own_room(&self, id: &RemoteId) -> Result<Address, RequestError> {
        let address = self.core.book.places.address_of(&self.instance, self.bridge.as_ref(), id);
        address.map_err(|error| unknown(error.to_string()))
    }
}

impl super::Core {
    /// A local account that is called so, as others see it.
    fn profile_of_account(&self, address: &Address) -> Option<Profile> {
        let author = self.book.author(address, None, None);
        let Home::Local(name) = home_of(self.book.ours(), address) else { return None };
        let kind = self.book.graph().read().kind_of(&name)?;
        let (kind, info) = match kind {
            AccountKind::Person => (monster_bridge_api::PlaceKind::Person, Vec::new()),
            AccountKind::Group => (monster_bridge_api::PlaceKind::Group, self.about_group(address)),
        };
        Some(Profile { name: author.name, picture: author.picture, kind, info })
    }
}

pub(super) fn address(persona: &PersonaId) -> Result<Address, RequestError> {
    persona.as_str().parse().map_err(|_| no(format!("`{persona}` is not an address; one looks like @name:host")))
}

fn unknown(why: String) -> RequestError {
    RequestError::Unknown(why)
}

fn no(why: String) -> RequestError {
    RequestError::Refused(why)
}

fn unavailable(error: &StoreError) -> RequestError {
    RequestError::Unavailable(error.to_string())
}

/// Why a link was not made.
fn refused(error: AdminError) -> RequestError {
    match error {
        AdminError::Invalid { why, .. } | AdminError::Store(StoreError::Conflict(why) | StoreError::Missing(why)) => {
            no(why)
        }
        AdminError::Store(error) => unavailable(&error),
    }
}
