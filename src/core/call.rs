//! Calls, as the core sees them: who is called, by whom, and how they are reached. What then happens
//! is the business of the room of calls, which implements [`CallDesk`] and has its lines (the link
//! to a call, what became of one) journalled by [`Core::post_line`] like any other message.
//! Part of [`Core`]; called by `requests`, `host`, and the room of calls.

use super::body::{Body, Said, Scene, Wording, Words};
use super::fanout::{self, conversation_of, fan_out, rooms_of};
use super::graph::{Home, home_of};
use super::journal::Entry;
use super::keys::new_key;
use super::places::{Place, RemotePlace};
use super::requests::{Refusal, Voice};
use super::{Core, MonsterPort, Side, Speaker, conversation, words};
use crate::store::{Lane, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{
    Author, Bridge, CallError, CallHeard, CallMedia, ContentStyle, DeviceId, InstanceName, PersonaId, RemoteId,
    RemoteUser, Support, Text,
};
use monster_protocol::{Address, CallContext, CallLine, CallSignal, Media, Request};
use std::sync::Arc;

/// Somebody (or a room) at one end of a call.
#[derive(Clone)]
pub struct Party {
    /// Who it is.
    pub address: Address,
    /// What people call them.
    pub name: String,
    /// An `http(s)` URL of a picture, if there is one.
    pub picture: Option<String>,
    /// How they are reached.
    pub reach: Reach,
}

/// How somebody is reached for a call.
#[derive(Clone)]
pub enum Reach {
    /// A local account, on its home sockets.
    Home,
    /// An account on another Monster server.
    Remote,
    /// A user of a bridge that carries calls.
    Bridge(Arc<dyn Bridge>, RemoteId),
    /// Somebody whose network has no calls: by a link to a page that joins the call. `room`: it is
    /// said in a room, and whoever comes first joins.
    Link {
        /// True for a room.
        room: bool,
    },
}

impl Party {
    /// As bridges are told of them.
    pub fn author(&self) -> Author {
        Author { id: PersonaId::new(self.address.as_str()), name: self.name.clone(), picture: self.picture.clone() }
    }
}

/// A step of a call that a Monster peer sent.
pub struct CallFrame {
    /// The frame's `messageId`.
    pub message_id: String,
    /// Who sent it.
    pub from: Party,
    /// On which of their devices; `None` for an account of another server.
    pub device: Option<DeviceId>,
    /// Who is at the other end.
    pub to: Party,
    /// What the frame is about: 2002 or 2003.
    pub media: CallMedia,
    /// The step.
    pub signal: CallSignal,
}

/// A request about a call is not done; the words are for the person who made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// The request is at fault (400).
    #[error("{0}")]
    Bad(String),
    /// Not now (500).
    #[error("{0}")]
    Unavailable(String),
}

impl From<CallRefusal> for Refusal {
    fn from(refusal: CallRefusal) -> Self {
        match refusal {
            CallRefusal::Bad(why) => Self::Bad(why),
            CallRefusal::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// The room of calls.
#[async_trait]
pub trait CallDesk: Send + Sync + 'static {
    /// Takes a step of a call by a Monster account. Returns once it is known whether the step can be
    /// understood; not when the other side has it.
    async fn step(&self, frame: CallFrame) -> Result<(), CallRefusal>;

    /// Somebody without WebRTC wants to call: sends them a link to a page that does it for them.
    async fn ring(&self, from: Party, to: Party, media: CallMedia) -> Result<(), CallRefusal>;

    /// Ends the call between the two whose offer had this `messageId`; false if there is none.
    async fn recall(&self, account: &Address, other: &Address, offer: &str) -> bool;

    /// Takes a step of a call by a user of a bridge.
    async fn heard(&self, from: Party, to: Party, heard: CallHeard) -> Result<(), CallError>;

    /// The line of this key, for a user or room of a bridge, could not be said, ever. True if it was the
    /// link to a call, whose caller is told of it by the call. Never waits.
    fn unsaid(&self, key: &str, why: &str) -> bool;

    /// Whether the line of this key is the link to a call that is over: nobody is to be sent it any
    /// more. Never waits.
    fn is_too_late(&self, key: &str) -> bool;

    /// A device of a local account has a (further) home socket. Never waits.
    fn device_came(&self, account: &Address, device: &DeviceId);

    /// A device has lost its last home socket. Never waits.
    fn device_gone(&self, account: &Address, device: &DeviceId);

    /// A device may not speak for its account any more: no call goes on over it. Never waits.
    fn device_barred(&self, account: &Address, device: &DeviceId);

    /// Ends the calls of accounts that are no more. Never waits.
    fn end_abandoned(&self, is_no_more: &dyn Fn(&Address) -> bool);
}

/// A line about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Said by somebody.
    Said(String),
    /// Said by a program, which is never answered by one.
    Notice(String),
    /// The same: what became of the call, for readers that word it themselves, and in words.
    Record(Box<CallLine>, String),
}

impl Core {
    /// Connects the room of calls; before [`Core::start`]. Without it, nobody can be called.
    pub fn set_desk(&self, desk: Arc<dyn CallDesk>) {
        if self.desk.set(desk).is_err() {
            tracing::error!("the room of calls was connected twice; the first one stays");
        }
    }

    /// A device of a local account has a (further) home socket. Never waits.
    pub fn device_came(&self, account: &Address, device: &DeviceId) {
        if let Some(desk) = self.desk.get() {
            desk.device_came(account, device);
        }
    }

    /// A device has lost its last home socket. Never waits.
    pub fn device_gone(&self, account: &Address, device: &DeviceId) {
        if let Some(desk) = self.desk.get() {
            desk.device_gone(account, device);
        }
    }

    /// A device may not speak for its account any more. Never waits.
    pub fn device_barred(&self, account: &Address, device: &DeviceId) {
        if let Some(desk) = self.desk.get() {
            desk.device_barred(account, device);
        }
    }

    fn desk(&self) -> Result<&Arc<dyn CallDesk>, Refusal> {
        self.desk.get().ok_or_else(|| Refusal::bad("calls are switched off on this gateway"))
    }

    /// 2002 and 2003.
    pub(crate) async fn call(
        self: &Arc<Self>,
        speaker: &Speaker,
        voice: &Voice,
        place: &Place,
        request: &Request<'_>,
        (media, context): (Media, &CallContext),
    ) -> Result<(), Refusal> {
        let desk = self.desk()?;
        let begins = match context {
            CallContext::Signal(signal) => matches!(signal.step, monster_protocol::CallStep::Offer(_)),
            CallContext::Ring(_) => true,
        };
        let (account, address) = (voice.account.as_str(), place.address().as_str());
        if account == address {
            return Err(Refusal::bad("nobody can call themselves"));
        }
        if begins && self.store.answer(account, address, &request.message_id).await?.is_some() {
            return Ok(());
        }
        let to = self.party(place)?;
        if begins && matches!(to.reach, Reach::Link { room: true }) {
            self.admitted(voice, place).await?;
        }
        let from = Party {
            address: voice.account.clone(),
            name: voice.author.name.clone(),
            picture: voice.author.picture.clone(),
            reach: if speaker.side == Side::Home { Reach::Home } else { Reach::Remote },
        };
        let media = media_of(media);
        match context {
            CallContext::Ring(_) => desk.ring(from, to, media).await?,
            CallContext::Signal(signal) => {
                let message_id = request.message_id.to_string();
                let device = (speaker.side == Side::Home).then(|| speaker.device.clone());
                desk.step(CallFrame { message_id, from, device, to, media, signal: signal.clone() }).await?;
            }
        }
        if begins {
            self.store.remember_answer(account, address, &request.message_id, "200").await?;
        }
        Ok(())
    }

    /// 2004, if it is about a call.
    pub(crate) async fn recall_call(&self, voice: &Voice, place: &Place, offer: &str) -> bool {
        match self.desk.get() {
            Some(desk) => desk.recall(&voice.account, place.address(), offer).await,
            None => false,
        }
    }

    /// A step by a user of a bridge.
    pub(crate) async fn heard_call(
        &self,
        bridge: &Arc<dyn Bridge>,
        author: (&InstanceName, &Address, RemoteUser),
        heard: CallHeard,
    ) -> Result<(), CallError> {
        let unsupported = |why: String| CallError::Unsupported(why);
        let desk = self.desk.get().ok_or_else(|| unsupported("calls are switched off on this gateway".to_owned()))?;
        let to: Address =
            heard.to.as_str().parse().map_err(|_| unsupported(format!("{} is not an address", heard.to)))?;
        let place = self.book.resolve(&to).map_err(|error| unsupported(error.to_string()))?;
        let (instance, address, user) = author;
        let to = self.callee_of(instance, &place).map_err(|refusal| unsupported(refusal.words()))?;
        let from = Party {
            address: address.clone(),
            name: user.name,
            picture: user.picture,
            reach: Reach::Bridge(Arc::clone(bridge), user.id),
        };
        desk.heard(from, to, heard).await
    }

    /// Sends a user of a bridge a link to a page that calls `to` for them.
    ///
    /// # Errors
    /// In words, if nobody can be called there, or not now.
    pub(crate) async fn ring_for(
        &self,
        by: &Address,
        instance: &InstanceName,
        to: &Address,
        (name, media): (String, CallMedia),
    ) -> Result<(), String> {
        self.book.look_again(to).await.map_err(|error| error.to_string())?;
        let place = self.book.resolve(to).map_err(|error| error.to_string())?;
        let to = self.callee_of(instance, &place).map_err(Refusal::words)?;
        let from = self.book.resolve(by).map_err(|error| error.to_string())?;
        let from = Party { name, ..self.party(&from).map_err(Refusal::words)? };
        if from.address == to.address {
            return Err("nobody can call themselves".to_owned());
        }
        let desk = self.desk().map_err(Refusal::words)?;
        desk.ring(from, to, media).await.map_err(|refusal| refusal.to_string())
    }

    /// Whom users of an instance can call at a place: anybody, but a room only from within its
    /// conversation.
    fn callee_of(&self, instance: &InstanceName, place: &Place) -> Result<Party, Refusal> {
        let here = Home::Bridge(instance.to_string());
        let is_here = |room: &Address| home_of(self.book.ours(), room) == here;
        if place.is_room() && !rooms_of(&self.book.graph().read(), place.address()).iter().any(is_here) {
            return Err(Refusal::bad(format!("{} can be called only from within", place.address())));
        }
        self.party(place)
    }

    /// Whoever can be called at an address.
    ///
    /// # Errors
    /// In words, if nobody can.
    pub async fn callable(&self, address: &Address) -> Result<Party, String> {
        self.book.look_again(address).await.map_err(|error| error.to_string())?;
        let place = self.book.resolve(address).map_err(|error| error.to_string())?;
        self.party(&place).map_err(Refusal::words)
    }

    /// Who can be called at a place, and how.
    fn party(&self, place: &Place) -> Result<Party, Refusal> {
        let address = place.address().clone();
        let reach = match place {
            Place::Person(_) => Reach::Home,
            Place::Group(_) => Reach::Link { room: true },
            Place::Remote(_) => Reach::Remote,
            Place::Bridge(remote) => reach_on(remote)?,
            Place::Console(..) => return Err(Refusal::bad(format!("{address} takes commands only"))),
        };
        let Author { name, picture, .. } = self.book.author(&address, None, None);
        Ok(Party { address, name, picture, reach })
    }

    /// Journals a line about a call that one says to the other (a person or a room), for delivery
    /// like any other message. `key` makes it be said once.
    ///
    /// # Errors
    /// If the store fails, or nothing can be said there.
    pub async fn post_line(&self, from: &Party, to: &Address, key: &str, line: Line) -> Result<(), StoreError> {
        let missing = |why: String| StoreError::Missing(why);
        let place = self.book.resolve(to).map_err(|error| missing(error.to_string()))?;
        let in_room = matches!(from.reach, Reach::Link { room: true });
        let (conversation, scene, lanes) = match &place {
            Place::Console(..) => return Err(missing(format!("{to} takes commands only"))),
            place if place.is_room() => {
                let graph = self.book.graph().read();
                let said = fanout::Said { room: to, author: from.address.as_str(), brought_by: None, heard: false };
                (conversation_of(&graph, to), Scene::Room, fan_out(&graph, self.book.ours(), &said))
            }
            Place::Bridge(remote) => {
                let lane = Lane { to: remote.instance.as_str().to_owned(), via: to.as_str().to_owned() };
                (conversation::between(&from.address, to), Scene::Private, vec![lane])
            }
            _ => {
                let lane = Lane { to: to.as_str().to_owned(), via: from.address.as_str().to_owned() };
                if in_room {
                    (conversation_of(&self.book.graph().read(), &from.address), Scene::Room, vec![lane])
                } else {
                    (conversation::between(&from.address, to), Scene::Private, vec![lane])
                }
            }
        };
        let (said, call) = match line {
            Line::Notice(line) => (Said::Notice(line), None),
            Line::Record(call, line) => (Said::Notice(line), Some(call)),
            Line::Said(line) => {
                let text = Wording::Formatted(Text::plain(line));
                let words = Words { text, style: ContentStyle::Said, attachments: Vec::new() };
                (Said::Send { words, reply: None }, None)
            }
        };
        let mut body = Body::new(scene, said);
        body.call = call;
        body.picture.clone_from(&from.picture);
        let entry = Entry {
            key: key.to_owned(),
            conversation,
            venue: to.as_str().to_owned(),
            author: from.address.as_str().to_owned(),
            author_name: from.name.clone(),
            origin_id: key.to_owned(),
            at: self.environment.now_ms(),
            body,
            lanes,
            cursor: None,
        };
        self.store.accept(entry.into_incoming()).await.map(drop)
    }

    /// The Monster side, if it is connected.
    pub fn monster_port(&self) -> Option<Arc<dyn MonsterPort>> {
        self.port.get().cloned()
    }

    /// The time, in ms since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.environment.now_ms()
    }

    /// A name that nothing else has, for a call.
    pub fn new_call_key(&self) -> String {
        new_key(&self.environment)
    }

    /// A name as it can stand in a line.
    pub fn shown_name(name: &str) -> String {
        words::name(name)
    }
}

fn reach_on(remote: &RemotePlace) -> Result<Reach, Refusal> {
    match remote.bridge.capabilities(&remote.id).call {
        Support::Full => Ok(Reach::Bridge(Arc::clone(&remote.bridge), remote.id.clone())),
        Support::Words => Ok(Reach::Link { room: remote.is_room() }),
        Support::Dropped => Err(Refusal::bad(format!("{} cannot be called", remote.address))),
    }
}

fn media_of(media: Media) -> CallMedia {
    match media {
        Media::Voice => CallMedia::Voice,
        Media::Video => CallMedia::Video,
    }
}
