//! What the homeserver tells in a transaction: in its order into the journal; what follows from it (a
//! join, an answer to a command) afterwards and beside it.

use super::direct::{Direct, Standing};
use super::follow::{self, Follow};
use super::instance::{Instance, Running};
use super::members;
use super::missed::{self, Marks};
use crate::map::{self, Heard, Said, What, text_at};
use monster_bridge_api::{
    ACCEPT_AT_ONCE, AcceptError, Event, EventId, EventKind, Hint, PersonaId, RemoteUser, RoomProfile, Venue,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;

/// A transaction (Matrix v1.17 application-service API "Pushing events"): each event is read by itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Transaction<'a> {
    #[serde(borrow, default)]
    events: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) ephemeral: Vec<&'a RawValue>,
    /// Where servers of before v1.13 put them.
    #[serde(borrow, default, rename = "de.sorunome.msc2409.ephemeral")]
    pub(crate) ephemeral_before: Vec<&'a RawValue>,
}

/// The journal does not take events now: the homeserver has to send the transaction again.
#[derive(Debug)]
pub(crate) struct Unavailable;

/// Takes over what a transaction tells.
pub(crate) struct Hearing<'a> {
    pub(super) instance: &'a Arc<Instance>,
    pub(super) running: &'a Arc<Running>,
    gathered: Vec<Event>,
    follows: Vec<Follow>,
    /// The room and id of the event that is being heard.
    at: (String, String),
    /// Whether the events were probably heard before.
    again: bool,
}

/// Takes a transaction into the journal, and before it what was missed. `after_gap`: there may be one
/// before it that was not sent.
pub(crate) async fn transaction(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    transaction: &Transaction<'_>,
    after_gap: bool,
) -> Result<(), Unavailable> {
    let mut events = Vec::with_capacity(transaction.events.len());
    for raw in &transaction.events {
        if let Some(event) = map::parse(raw.get()) {
            events.push(event);
        } else {
            tracing::warn!(instance = %instance.scope.instance, "an event cannot be read and is left out");
        }
    }
    if instance.marks.are_behind() {
        missed::catch_up(instance, running).await?;
    } else if after_gap && instance.marks.are_doubtful() {
        let rooms = events.iter().filter_map(|event| text_at(event, &["room_id"]));
        missed::catch_up_in(instance, running, rooms).await?;
    }
    events.retain(|event| text_at(event, &["event_id"]).is_none_or(|id| !instance.marks.was_read(id)));
    take(instance, running, events, false).await
}

/// Takes events into the journal in their order, and sees to what follows from them. `again`: they were
/// probably heard before, so that only what the journal knows by its id is taken, and no mark moves.
pub(super) async fn take(
    instance: &Arc<Instance>,
    running: &Arc<Running>,
    events: Vec<Value>,
    again: bool,
) -> Result<(), Unavailable> {
    let at = (String::new(), String::new());
    let mut hearing = Hearing { instance, running, gathered: Vec::new(), follows: Vec::new(), at, again };
    let mut passed = HashMap::new();
    for raw in events {
        let naming = |user: &str| Some(instance.naming.address_of(user));
        if let Some(heard) = map::read(&raw, &naming)
            && let Some(room) = heard.room.clone()
        {
            hearing.at = (room.clone(), heard.id.to_string());
            passed.insert(room.clone(), heard.id.to_string());
            hearing.hear(&room, heard).await?;
        }
    }
    hearing.hand_over().await?;
    for (room, event) in passed.into_iter().filter(|_| !again) {
        // A command is in no journal and must not be heard again; the first event is where a room begins for us.
        let commanded = hearing.follows.iter().any(|follow| follow.is_command_in(&room));
        if instance.marks.note(room.clone(), event.clone()) || commanded {
            running.save(&Marks::key(&room), Some(&event)).await;
        }
    }
    for follow in hearing.follows {
        let (instance, task) = (Arc::clone(instance), Arc::clone(running));
        running.spawn(async move { follow::follow(&instance, &task, follow).await });
    }
    Ok(())
}

impl Hearing<'_> {
    async fn hear(&mut self, room: &str, heard: Heard) -> Result<(), Unavailable> {
        let is_unkept = matches!(heard.what, What::Member(_) | What::Tombstone { .. });
        if self.again && (is_unkept || self.command(room, &heard).is_some()) {
            return Ok(());
        }
        if let What::Member(member) = &heard.what {
            let member = member.clone();
            return members::changed(self, room, &heard, &member).await;
        }
        if self.instance.naming.is_ours(&heard.sender) {
            return Ok(());
        }
        if let Some(direct) = self.instance.directs.of_room(room) {
            return self.hear_direct(room, heard, &direct).await;
        }
        if let Some(line) = self.command(room, &heard) {
            self.follows.push(Follow::Command { room: room.to_owned(), by: heard.sender, event: heard.id, line });
            return Ok(());
        }
        if let What::Tombstone { to } = &heard.what {
            self.follows.push(Follow::Upgrade { from: room.to_owned(), to: to.clone() });
            return Ok(());
        }
        let venue = Venue::Room(self.instance.room_name(room));
        let author = self.instance.user_in(self.running, room, &heard.sender).await;
        let Some(kind) = self.kind(&heard, &author) else { return Ok(()) };
        if let What::Name(name) = &heard.what {
            self.instance.rooms.named(room, name);
        }
        self.gather(event(heard.id.clone(), &heard, venue, author, kind)).await
    }

    /// Only the one who talks with the ghost is heard in their room.
    async fn hear_direct(&mut self, room: &str, heard: Heard, direct: &Direct) -> Result<(), Unavailable> {
        let unfit = matches!(heard.what, What::Name(_) | What::Topic(_) | What::Tombstone { .. });
        if heard.sender != direct.user || unfit {
            return Ok(());
        }
        let author = self.instance.user_in(self.running, room, &heard.sender).await;
        let Some(kind) = self.kind(&heard, &author) else { return Ok(()) };
        let venue = Venue::Private(direct.persona.clone());
        self.gather(event(heard.id.clone(), &heard, venue, author, kind)).await
    }

    /// The command that a message is; in the bot's own conversations everything is one.
    fn command(&self, room: &str, heard: &Heard) -> Option<String> {
        let What::Message(said) = &heard.what else { return None };
        let words = said.content.text.to_plain();
        let words = words.trim();
        let prefix = self.instance.config.command_prefix.as_str();
        let line = words.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        let line = line.or_else(|| self.instance.consoles.contains(room).then_some(words))?;
        let line = line.trim();
        Some(if line.is_empty() { "help".to_owned() } else { line.lines().next()?.to_owned() })
    }

    fn kind(&self, heard: &Heard, author: &RemoteUser) -> Option<EventKind> {
        Some(match &heard.what {
            What::Message(said) => EventKind::Message(self.content(said)),
            What::Edit { target, said } => EventKind::Edit { target: target.clone(), content: self.content(said) },
            What::Reaction { target, emoji } => {
                EventKind::Reaction { target: target.clone(), emoji: emoji.clone(), removed: false }
            }
            What::Redaction { target, reason } => EventKind::Recall { target: target.clone(), reason: reason.clone() },
            What::Name(name) => EventKind::RoomProfile(RoomProfile { name: Some(name.clone()), topic: None }),
            What::Topic(topic) => EventKind::RoomProfile(RoomProfile { name: None, topic: Some(topic.clone()) }),
            What::Encrypted => {
                EventKind::Notice(format!("what {} said is encrypted, and the gateway has no key for it", author.name))
            }
            _ => return None,
        })
    }

    fn content(&self, said: &Said) -> monster_bridge_api::Content {
        let mut content = said.content.clone();
        if let Some(file) = &said.file {
            let host = &self.running.host;
            content.attachments.push(file.attachment(&|media| host.media_link(media)));
        }
        content
    }

    /// Takes an event, and hands over what was taken before if it happened elsewhere.
    pub(super) async fn gather(&mut self, mut event: Event) -> Result<(), Unavailable> {
        let (room, id) = &self.at;
        event.cursor = (!self.again).then(|| (Marks::key(room), id.clone()));
        event.persona = self.instance.puppets.persona_of(event.author.id.as_str());
        let elsewhere = self.gathered.last().is_some_and(|last| last.venue != event.venue);
        if elsewhere || self.gathered.len() >= ACCEPT_AT_ONCE {
            self.hand_over().await?;
        }
        self.gathered.push(event);
        Ok(())
    }

    /// What is to be done once everything is in the journal.
    pub(super) fn afterwards(&mut self, follow: Follow) {
        self.follows.push(follow);
    }

    async fn hand_over(&mut self) -> Result<(), Unavailable> {
        let mut events = std::mem::take(&mut self.gathered);
        while !events.is_empty() {
            let mut taken = 0;
            for outcome in self.running.host.accept_all(events.clone()).await {
                match outcome {
                    Ok(_) => taken += 1,
                    Err(AcceptError::Refused(why)) => {
                        tracing::debug!(why, "the host refused an event");
                        taken += 1;
                    }
                    Err(AcceptError::Unavailable(error)) => {
                        tracing::warn!(%error, "the journal does not take events now");
                        return Err(Unavailable);
                    }
                }
            }
            if taken == 0 {
                return Err(Unavailable);
            }
            events.drain(..taken.min(events.len()));
        }
        Ok(())
    }

    /// How the conversation of two stands from now on.
    pub(super) async fn set_standing(&self, room: &str, direct: &Direct, standing: Standing) {
        self.instance.set_direct(self.running, room, Direct { standing, ..direct.clone() }).await;
    }

    /// Tells others that somebody looks different.
    pub(super) fn changed_looks(&self, user: RemoteUser) {
        self.running.host.hint(Hint::Profile(user));
    }
}

/// An event for the host.
pub(super) fn event(id: EventId, heard: &Heard, venue: Venue, author: RemoteUser, kind: EventKind) -> Event {
    Event { id, venue, author, persona: None, at: heard.at, key: heard.key.clone(), kind, cursor: None }
}

/// An event in private.
pub(super) fn private(heard: &Heard, part: &str, persona: &PersonaId, author: RemoteUser, kind: EventKind) -> Event {
    let id = EventId::new(format!("{}{part}", heard.id));
    event(id, heard, Venue::Private(persona.clone()), author, kind)
}
