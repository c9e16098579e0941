//! What administrators do and see: accounts, links, relations, the map, what waits. Called by the
//! provisioning API, and by the commands, which work beside a running gateway or without one: it
//! needs a store and the bridges as configured, not running ones.

use super::book::Book;
use super::environment::Environment;
use super::graph::{Home, LinkedRooms, home_of, posting_name};
use super::places::Place;
use crate::store::{Account, AccountKind, Link, LinkEnd, Mapping, Message, Relation, Store, StoreError};
use monster_bridge_api::{Bridge, Health, InstanceName, Posting};
use monster_protocol::{Address, Authority};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// What was asked cannot be done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AdminError {
    /// A value cannot be used.
    #[error("{field}: {why}")]
    Invalid {
        /// Which one.
        field: &'static str,
        /// What was expected, for a person.
        why: String,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An end of a link to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEnd {
    /// The room.
    pub address: Address,
    /// How others appear in it, where not as its instance says.
    pub posting: Option<Posting>,
}

/// How a bridge instance is doing.
#[derive(Debug, Clone, Serialize)]
pub struct BridgeState {
    /// Its name.
    pub instance: InstanceName,
    /// How it is doing.
    pub health: Health,
    /// Since when, ms since the epoch.
    pub since: i64,
    /// How often it was started again after an error.
    pub restarts: u32,
}

/// A conversation with its newest message.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct ConversationRow {
    /// The room's address, `link:7`, or the two people's addresses.
    pub conversation: String,
    /// The rooms in which the same is said, or the two people.
    pub places: Vec<String>,
    /// Number of its newest message, for paging.
    pub newest: i64,
    /// When that was said, ms since the epoch.
    pub at: i64,
    /// Who said it.
    pub author: String,
}

/// Administration.
pub struct Admin {
    environment: Environment,
    book: Arc<Book>,
}

impl Admin {
    /// Administration over a store, for the addresses under a public host. A running router has its
    /// own: [`super::Core::admin`].
    pub fn new(environment: Environment, store: Arc<dyn Store>, ours: Authority) -> Self {
        Self::over(environment, Arc::new(Book::new(store, ours)))
    }

    pub(crate) fn over(environment: Environment, book: Arc<Book>) -> Self {
        Self { environment, book }
    }

    /// Makes a bridge instance known, so that its names can be read as addresses. (The router does
    /// it for those that it runs.)
    pub fn register_bridge(&self, instance: &InstanceName, bridge: Arc<dyn Bridge>) {
        self.book.places.add_bridge(instance, bridge);
    }

    /// Reads accounts, links, relations and aliases from the store. To be called once before
    /// anything else.
    pub async fn reload(&self) -> Result<(), AdminError> {
        Ok(self.book.reload().await?)
    }

    // -- accounts ------------------------------------------------------------------------------

    /// The address of the local account of that name.
    pub fn address_of(&self, name: &str) -> Result<Address, AdminError> {
        self.book.places.local(name).map_err(|error| AdminError::Invalid { field: "name", why: error.to_string() })
    }

    /// Makes a local account. `created` is set here.
    pub async fn add_account(&self, mut account: Account) -> Result<Address, AdminError> {
        let address = self.address_of(&account.name)?;
        if let Ok(Place::Bridge(other)) = self.book.resolve(&address) {
            return Err(invalid("name", format!("{address} stands for `{}` on `{}`", other.id, other.instance)));
        }
        new_name("name", &account.name)?;
        check_account(&account)?;
        account.created = self.environment.now_ms();
        self.book.add_account(account).await?;
        Ok(address)
    }

    /// Changes nickname, picture and pass of an account.
    pub async fn update_account(&self, account: Account) -> Result<(), AdminError> {
        check_account(&account)?;
        Ok(self.book.update_account(account).await?)
    }

    /// Removes an account and all that it stands in.
    pub async fn remove_account(&self, name: &str) -> Result<(), AdminError> {
        let address = self.address_of(name)?;
        Ok(self.book.remove_account(name, &address).await?)
    }

    /// Ends all tokens of an account but the one with this hash. What they opened is closed when the
    /// router looks next, or at once by [`super::Core::end_revoked`].
    pub async fn revoke_tokens(&self, name: &str, keep: Option<[u8; 32]>) -> Result<(), AdminError> {
        Ok(self.book.revoke_tokens(name, keep).await?)
    }

    // -- links -----------------------------------------------------------------------------------

    /// Joins rooms into one conversation, or extends the one link that some of them stand in. A
    /// local group that is not there is made, with `pass` for its 1001; a pass for one that is there
    /// becomes its pass. Gives the link as it is now, with canonical addresses.
    pub async fn add_link(&self, ends: Vec<NewEnd>, pass: Option<String>) -> Result<Link, AdminError> {
        let mut groups = Vec::new();
        let mut checked: Vec<LinkEnd> = Vec::new();
        for end in ends {
            let address = self.room_at(&end.address, &mut groups)?.as_str().to_owned();
            let posting = end.posting.map(|posting| posting_name(posting).to_owned());
            if checked.iter().all(|known| known.address != address) {
                checked.push(LinkEnd { address, posting });
            }
        }
        if checked.len() < 2 {
            return Err(invalid("ends", "a link needs two different rooms at least"));
        }
        self.each_room_once(&checked)?;
        if pass.is_some() && groups.is_empty() {
            return Err(invalid("pass", "only a group of this gateway has a pass, and none is named"));
        }
        if let Some(pass) = &pass {
            one_line("pass", pass)?;
        }
        for name in groups {
            self.make_group(name, pass.clone()).await?;
        }
        Ok(self.book.add_link(checked).await?)
    }

    /// The canonical address of a room that can be linked. Names of local groups go to `groups`.
    fn room_at(&self, address: &Address, groups: &mut Vec<String>) -> Result<Address, AdminError> {
        if let Home::Local(name) = home_of(self.book.ours(), address)
            && self.book.graph().read().kind_of(&name) != Some(AccountKind::Person)
            && !matches!(self.book.resolve(address), Ok(Place::Bridge(_)))
        {
            new_name("ends", &name)?;
            account_name("ends", &name)?;
            groups.push(name);
            return Ok(address.clone());
        }
        match self.book.resolve(address) {
            Ok(Place::Bridge(place)) if place.is_room() => Ok(place.address),
            Ok(Place::Remote(_)) => {
                Err(invalid("ends", format!("{address} is on another server; let a group of this gateway join it")))
            }
            Ok(_) => Err(invalid("ends", format!("{address} is not a room"))),
            Err(error) => Err(invalid("ends", error.to_string())),
        }
    }

    /// Refuses a link in which one room of a network is twice, by way of two instances: whatever is said
    /// there would be repeated there.
    fn each_room_once(&self, ends: &[LinkEnd]) -> Result<(), AdminError> {
        let mut rooms: Vec<Address> = ends.iter().filter_map(|end| end.address.parse().ok()).collect();
        let links: Vec<_> =
            ends.iter().filter_map(|end| self.book.graph().read().link_of(&end.address).cloned()).collect();
        rooms.extend(links.iter().flat_map(|link| link.rooms.iter().map(|room| room.address.clone())));
        let mut known: HashMap<String, Address> = HashMap::new();
        for room in rooms {
            let Ok(Place::Bridge(place)) = self.book.resolve(&room) else { continue };
            let Some(name) = place.bridge.everywhere(&place.id) else { continue };
            if let Some(other) = known.insert(name, room.clone()).filter(|other| *other != room) {
                return Err(invalid("ends", format!("{other} and {room} are one and the same room")));
            }
        }
        Ok(())
    }

    async fn make_group(&self, name: String, pass: Option<String>) -> Result<(), AdminError> {
        let known = self.book.graph().read().account(&name).map(|account| account.as_ref().clone());
        match known {
            Some(account) if pass.is_some() => Ok(self.book.update_account(Account { pass, ..account }).await?),
            Some(_) => Ok(()),
            None => {
                let created = self.environment.now_ms();
                let kind = AccountKind::Group;
                Ok(self.book.add_account(Account { name, kind, nickname: None, picture: None, pass, created }).await?)
            }
        }
    }

    /// Ends a link; the rooms stay.
    pub async fn remove_link(&self, id: i64) -> Result<(), AdminError> {
        Ok(self.book.remove_link(id).await?)
    }

    /// All links.
    pub async fn links(&self) -> Result<Vec<Link>, AdminError> {
        Ok(self.book.store.links().await?)
    }

    // -- relations ---------------------------------------------------------------------------------

    /// How accounts stand to rooms and people.
    pub async fn relations(&self) -> Result<Vec<Relation>, AdminError> {
        Ok(self.book.store.relations().await?)
    }

    /// Ends the relation of an account to a place.
    pub async fn remove_relation(&self, account: &Address, place: &Address) -> Result<(), AdminError> {
        Ok(self.book.remove_relation(account.as_str(), place.as_str()).await?)
    }

    // -- map -------------------------------------------------------------------------------------------

    /// Lets `address` stand for a user or room of a bridge instance too. `remote` is its name as in
    /// an address, or its id.
    pub async fn add_alias(&self, bridge: &str, remote: &str, address: &Address) -> Result<Mapping, AdminError> {
        let (_, network) = self
            .book
            .places
            .bridge(bridge)
            .ok_or_else(|| invalid("bridge", format!("this gateway has no bridge called `{bridge}`")))?;
        let id = network.id_of(remote).map_err(|error| invalid("remote_id", error.to_string()))?;
        match home_of(self.book.ours(), address) {
            Home::Remote => return Err(invalid("address", "the address must be on this gateway")),
            Home::Local(name) if self.book.graph().read().account(&name).is_some() => {
                return Err(invalid("address", format!("{address} is an account")));
            }
            _ => {}
        }
        // What somebody else has as their own address can never be an alias, seen before or not.
        if let Home::Bridge(name) = home_of(self.book.ours(), address)
            && let Some((instance, owner)) = self.book.places.bridge(&name)
        {
            if address.name() == "*" {
                return Err(invalid("address", format!("{address} is the bridge itself")));
            }
            if let Ok(own) = owner.id_of(&address.name())
                && (instance.as_str() != bridge || own != id)
            {
                return Err(invalid("address", format!("{address} stands for `{own}` on `{instance}`")));
            }
        }
        let remote_id = id.as_str().to_owned();
        let mapping =
            Mapping { bridge: bridge.to_owned(), remote_id, address: address.as_str().to_owned(), alias: true };
        self.book.add_alias(mapping.clone()).await?;
        Ok(mapping)
    }

    /// Removes an alias.
    pub async fn remove_alias(&self, bridge: &str, address: &Address) -> Result<(), AdminError> {
        Ok(self.book.remove_alias(bridge, address.as_str()).await?)
    }

    /// Refuses the name of a bridge instance that is not configured, and of which the map has nothing
    /// from earlier either.
    ///
    /// # Errors
    /// `Missing`, with the nearest name there is.
    pub async fn known_instance(&self, bridge: &str) -> Result<(), AdminError> {
        if self.book.places.bridge(bridge).is_some() || !self.book.store.mappings(Some(bridge), "", 1).await?.is_empty()
        {
            return Ok(());
        }
        let known = self.book.places.instances();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let hint = match monster_bridge_api::nearest(bridge, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        Err(StoreError::Missing(format!("this gateway has no bridge called `{bridge}`; {hint}")).into())
    }

    /// The map, by address, above `after`.
    pub async fn mappings(&self, bridge: Option<&str>, after: &str, limit: usize) -> Result<Vec<Mapping>, AdminError> {
        Ok(self.book.store.mappings(bridge, after, limit).await?)
    }

    // -- conversations ---------------------------------------------------------------------------------

    /// Conversations, newest first; `before` is [`ConversationRow::newest`] of the page before.
    pub async fn conversations(&self, before: Option<i64>, limit: usize) -> Result<Vec<ConversationRow>, AdminError> {
        let newest = self.book.store.conversations(before, limit).await?;
        let graph = self.book.graph().read();
        let links = graph.links();
        Ok(newest.iter().map(|message| row(&links, message)).collect())
    }
}

fn row(links: &[Arc<LinkedRooms>], newest: &Message) -> ConversationRow {
    let message = &newest.message;
    let conversation = message.conversation.clone();
    let link = super::conversation::link_in(&conversation);
    let places = match link {
        Some(id) => links
            .iter()
            .filter(|link| link.id == id)
            .flat_map(|link| link.rooms.iter().map(|room| room.address.as_str().to_owned()))
            .collect(),
        None => super::conversation::places_in(&conversation),
    };
    ConversationRow { conversation, places, newest: newest.id, at: message.at, author: message.author.clone() }
}

fn invalid(field: &'static str, why: impl Into<String>) -> AdminError {
    AdminError::Invalid { field, why: why.into() }
}

/// What people wrote into a field must be one line: no control characters.
fn one_line(field: &'static str, text: &str) -> Result<(), AdminError> {
    if text.chars().any(char::is_control) {
        return Err(invalid(field, "control characters (line breaks, NUL) are not allowed"));
    }
    Ok(())
}

/// The first segments of the gateway's own URLs are nobody's name (contract.md "Outward contract").
fn account_name(field: &'static str, name: &str) -> Result<(), AdminError> {
    one_line(field, name)?;
    if crate::config::RESERVED.contains(&name) {
        return Err(invalid(field, format!("the name `{name}` is reserved for the gateway itself")));
    }
    Ok(())
}

/// A whole address where its name belongs would make an account that nobody means. (One that was made
/// before this was looked at stays.)
fn new_name(field: &'static str, name: &str) -> Result<(), AdminError> {
    if name.starts_with('@') || name.contains(':') {
        let why = format!("`{name}` looks like an address; expected only the name in it, such as `alice`");
        return Err(invalid(field, why));
    }
    Ok(())
}

fn check_account(account: &Account) -> Result<(), AdminError> {
    account_name("name", &account.name)?;
    one_line("nickname", account.nickname.as_deref().unwrap_or_default())?;
    one_line("picture", account.picture.as_deref().unwrap_or_default())?;
    one_line("pass", account.pass.as_deref().unwrap_or_default())?;
    if account.pass.is_some() && account.kind == AccountKind::Person {
        return Err(invalid("pass", "only a group has a pass"));
    }
    Ok(())
}
