//! Commands that people of a network give to a bridge's bot ([`monster_bridge_api::Host::control`]):
//! what they do is the same on every network. Part of [`BridgeHost`]; who may change links the bridge
//! has asked of its network for this one command.

use super::body::{Body, Said, Scene, Wording, Words};
use super::elsewhere::address;
use super::fanout::rooms_of;
use super::graph::{Home, home_of};
use super::host::BridgeHost;
use super::journal::Entry;
use super::keys::new_key;
use super::places::{Place, RemotePlace};
use super::{conversation, words};
use crate::store::{Lane, RelationState};
use monster_bridge_api::{CallMedia, ContentStyle, Control, PersonaId, RemoteId, Text};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How many commands somebody may give within [`WHILE`].
const COMMANDS: u32 = 20;
/// The time that is counted.
const WHILE: Duration = Duration::from_mins(1);
/// The most people whose commands are counted.
const COUNTED: usize = 10_000;

const HELP: &str = "\
help - this text
status - how the connection is doing
links - the rooms elsewhere that this room is linked with
link ADDRESS - joins this room with a room elsewhere, e.g. link @#rust:libera:gw.example.org
unlink - takes this room out of its link
invite ADDRESS - asks somebody elsewhere into this room
call [ADDRESS] - sends you a link to a page that calls somebody elsewhere, or this room (`video` behind it for video)";

/// How many commands people gave lately.
#[derive(Default)]
pub(crate) struct Uses(Mutex<HashMap<Address, (Instant, u32)>>);

impl Uses {
    /// Counts one more; false if that is too many.
    fn count(&self, who: &Address) -> bool {
        let (now, mut uses) = (Instant::now(), self.0.lock());
        if uses.len() >= COUNTED {
            uses.retain(|_, (since, _)| now - *since < WHILE);
        }
        if uses.len() >= COUNTED && !uses.contains_key(who) {
            return false;
        }
        let (since, count) = uses.entry(who.clone()).or_insert((now, 0));
        if now - *since >= WHILE {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= COMMANDS
    }
}

/// What is answered: done, or why not.
type Answer = Result<String, String>;

impl BridgeHost {
    /// Does what a command says, and answers in lines.
    pub(super) async fn obey(&self, command: Control) -> String {
        let Ok(by) = self.address_of(&command.by.id) else { return "I do not know who you are.".to_owned() };
        if !self.core.uses.count(&by) {
            return "That were many commands; wait a minute.".to_owned();
        }
        let line = command.line.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        let answer = match (verb.to_lowercase().as_str(), rest) {
            ("help" | "", _) => Ok(HELP.to_owned()),
            ("status", "") => Ok(self.status(command.room.as_ref())),
            ("links", "") => self.links(command.room.as_ref()),
            ("link", other) if !other.is_empty() => self.link_room(&command, other).await,
            ("unlink", "") => self.unlink_room(&command).await,
            ("invite", who) if !who.is_empty() => self.invite(&command, &by, who).await,
            ("call", whom) => self.ring(&command, &by, whom).await,
            (verb @ ("link" | "invite"), "") => Err(format!("Whom or what? Say `{verb} ADDRESS`.")),
            (verb, _) => Err(format!("I do not know `{}`. `help` tells what I do.", words::line(verb, 40))),
        };
        answer.unwrap_or_else(|why| why)
    }

    fn status(&self, room: Option<&RemoteId>) -> String {
        let name = self.instance.as_str();
        let state = super::about::in_words(&self.core.health.get(&self.instance));
        let linked = room.and_then(|room| self.linked_with(room).ok()).map_or(0, |rooms| rooms.len());
        match room {
            None => format!("{name}: {state}"),
            Some(_) if linked == 0 => format!("{name}: {state}. This room is not linked."),
            Some(_) => format!("{name}: {state}. This room is linked with {linked} elsewhere; `links` names them."),
        }
    }

    fn links(&self, room: Option<&RemoteId>) -> Answer {
        let rooms = self.linked_with(in_room(room)?).map_err(|error| error.to_string())?;
        if rooms.is_empty() {
            return Ok("This room is not linked.".to_owned());
        }
        let lines: Vec<&str> = rooms.iter().map(PersonaId::as_str).collect();
        Ok(format!("This room is linked with:\n{}", lines.join("\n")))
    }

    async fn link_room(&self, command: &Control, other: &str) -> Answer {
        let room = may_link(command)?;
        let other = PersonaId::new(other);
        self.join_rooms(room, &other).await.map_err(|error| format!("Not linked: {error}."))?;
        Ok(format!("This room is linked with {other} now: what is said in one is said in the other."))
    }

    async fn unlink_room(&self, command: &Control) -> Answer {
        let room = may_link(command)?;
        if self.linked_with(room).is_ok_and(|rooms| rooms.is_empty()) {
            return Ok("This room is not linked.".to_owned());
        }
        self.part_room(room).await.map_err(|error| format!("Not done: {error}."))?;
        Ok("This room is not linked any more.".to_owned())
    }

    /// Asks somebody elsewhere into the conversation of a room: a Monster account gets the room's
    /// request, somebody on a bridge a line in private.
    async fn invite(&self, command: &Control, by: &Address, who: &str) -> Answer {
        let room = self.own_room(in_room(command.room.as_ref())?).map_err(|error| error.to_string())?;
        let who = address(&PersonaId::new(who)).map_err(|error| error.to_string())?;
        self.core.book.look_again(&who).await.map_err(|error| error.to_string())?;
        let place = self.core.book.resolve(&who).map_err(|error| format!("Nobody is invited: {error}."))?;
        match &place {
            Place::Person(to) | Place::Remote(to) => self.invite_account(command, &room, to).await,
            Place::Bridge(to) if !to.is_room() => {
                let line = self.invitation(command, &room, to.instance.as_str());
                let name = words::name(&to.address.name());
                self.post(command, by, to, line).await?;
                Ok(format!("{name} is told of this room."))
            }
            _ => Err(format!("{who} is nobody; `link` joins rooms.")),
        }
    }

    async fn invite_account(&self, command: &Control, room: &Address, to: &Address) -> Answer {
        let core = &self.core;
        let known = core.book.graph().read().relation(to.as_str(), room.as_str()).map(|relation| relation.state);
        match known {
            Some(RelationState::Accepted) => return Ok(format!("{to} is here already.")),
            Some(RelationState::Invited) => return Ok(format!("{to} has been asked already.")),
            Some(RelationState::Asked) | None => {}
        }
        let pass = Some(format!("{} asks you in", words::name(&command.by.name)));
        let lane = Lane { to: to.as_str().to_owned(), via: room.as_str().to_owned() };
        self.tell_one((room, room.name().into_owned()), to, Said::Request { pass }, lane).await?;
        let related = core.relate(to, room, RelationState::Invited, None, None).await;
        related.map_err(super::requests::Refusal::words)?;
        Ok(format!("{to} is asked to join this room."))
    }

    /// What somebody on another network reads: which room, and what it is called on theirs.
    fn invitation(&self, command: &Control, room: &Address, instance: &str) -> String {
        let graph = self.core.book.graph().read();
        let rooms = rooms_of(&graph, room);
        let at_home =
            rooms.iter().find(|room| home_of(self.core.book.ours(), room) == Home::Bridge(instance.to_owned()));
        let who = words::name(&command.by.name);
        match at_home {
            Some(theirs) => format!("{who} invites you to {}, which is linked with {room}", theirs.name()),
            None => format!("{who} invites you to {room}"),
        }
    }

    /// Sends a link to a page that calls somebody, or the room.
    async fn ring(&self, command: &Control, by: &Address, whom: &str) -> Answer {
        let (whom, media) = match whom.rsplit_once(char::is_whitespace) {
            _ if whom == "video" => ("", CallMedia::Video),
            Some((whom, "video")) => (whom.trim(), CallMedia::Video),
            _ => (whom, CallMedia::Voice),
        };
        let to = if whom.is_empty() {
            self.own_room(in_room(command.room.as_ref())?).map_err(|error| error.to_string())?
        } else {
            address(&PersonaId::new(whom)).map_err(|error| error.to_string())?
        };
        self.core.ring_for(by, &self.instance, &to, (command.by.name.clone(), media)).await?;
        Ok("You get a link to a page that calls for you.".to_owned())
    }

    /// Says something to somebody on a bridge in private, in the name of whoever gave the command.
    async fn post(&self, command: &Control, by: &Address, to: &RemotePlace, line: String) -> Result<(), String> {
        let text = Wording::Formatted(Text::plain(line));
        let words = Words { text, style: ContentStyle::Said, attachments: Vec::new() };
        let lane = Lane { to: to.instance.as_str().to_owned(), via: to.address.as_str().to_owned() };
        let from = (by, command.by.name.clone());
        self.tell_one(from, &to.address, Said::Send { words, reply: None }, lane).await
    }

    async fn tell_one(
        &self,
        (author, author_name): (&Address, String),
        to: &Address,
        said: Said,
        lane: Lane,
    ) -> Result<(), String> {
        let key = new_key(&self.core.environment);
        let entry = Entry {
            key: key.clone(),
            conversation: conversation::between(author, to),
            venue: to.as_str().to_owned(),
            author: author.as_str().to_owned(),
            author_name,
            origin_id: key,
            at: self.core.environment.now_ms(),
            body: Body::new(Scene::Private, said),
            lanes: vec![lane],
            cursor: None,
        };
        self.core.store.accept(entry.into_incoming()).await.map(drop).map_err(|error| error.to_string())
    }
}

fn in_room(room: Option<&RemoteId>) -> Result<&RemoteId, String> {
    room.ok_or_else(|| "Say this in the room that it is about.".to_owned())
}

fn may_link(command: &Control) -> Result<&RemoteId, String> {
    let room = in_room(command.room.as_ref())?;
    if command.may_link { Ok(room) } else { Err("Only those who keep this room may change its links.".to_owned()) }
}
