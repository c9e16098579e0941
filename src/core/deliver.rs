//! What a lane hands over, and to whom: a delivery to a bridge, or a frame's content to the Monster
//! side, worked out of the journalled body for this one reader. Called by the lanes.

use super::body::{Body, Quote, Said, Scene, Words};
use super::book::Book;
use super::call::CallDesk;
use super::environment::Environment;
use super::keys::{new_key, peers_id};
use super::lanes::Deliverer;
use super::names::Names;
use super::parcel::Parcel;
use super::places::{Place, RemotePlace};
use super::port::{Act, MonsterPort, Outgoing};
use super::words;
use super::{acquaint, conversation, journal, quotes};
use crate::store::{Incoming, Lane, NewMessage, StoreError};
use async_trait::async_trait;
use monster_bridge_api::{Action, Admission, Author, Delivery, DeliveryError, EventId, Found, MessageKey, PersonaId};
use monster_protocol::Address;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

/// How long it takes until somebody is told again that a place does not take their messages.
const TOLD_FOR_MS: i64 = 3_600_000;
/// The most (sender, place) pairs of which it is remembered that they were told.
const TOLD: usize = 10_000;
/// The pause where a part of the gateway that would be needed is not there.
const NOT_HERE: Duration = Duration::from_mins(10);

/// Hands over what the lanes bring.
pub(crate) struct Courier {
    pub(crate) environment: Environment,
    pub(crate) book: Arc<Book>,
    pub(crate) port: Arc<OnceLock<Arc<dyn MonsterPort>>>,
    pub(crate) desk: Arc<OnceLock<Arc<dyn CallDesk>>>,
    told: Mutex<HashMap<(String, String), i64>>,
    names: Names,
}

impl Courier {
    pub(crate) fn new(
        environment: Environment,
        book: Arc<Book>,
        port: Arc<OnceLock<Arc<dyn MonsterPort>>>,
        desk: Arc<OnceLock<Arc<dyn CallDesk>>>,
    ) -> Self {
        Self { environment, book, port, desk, told: Mutex::default(), names: Names::default() }
    }

    // -- Monster accounts --------------------------------------------------------------------------

    async fn to_account(&self, lane: &Lane, parcel: &Parcel, body: &Body) -> Result<(), DeliveryError> {
        let unreadable = |_| DeliveryError::permanent("the address cannot be read");
        let to: Address = lane.to.parse().map_err(unreadable)?;
        let via: Address = lane.via.parse().map_err(unreadable)?;
        let port = self.port.get().ok_or_else(|| not_here("the monster side is not running"))?;
        let Some(act) = act_for(body, &parcel.message.author_name, &to) else { return Ok(()) };
        let message = if refers_to(body, &to) {
            // An id of the account's own: nobody else is told in these words.
            Arc::new(self.outgoing(parcel, body, &via, act)?)
        } else {
            match parcel.made(&lane.via) {
                Some(made) => made,
                None => parcel.keep(&lane.via, self.outgoing(parcel, body, &via, act)?),
            }
        };
        port.deliver(&to, &via, &message).await
    }

    fn outgoing(&self, parcel: &Parcel, body: &Body, via: &Address, act: Act) -> Result<Outgoing, DeliveryError> {
        let message = &parcel.message;
        let author: Address = message.author.parse().map_err(|_| unreadable())?;
        let group = match &body.scene {
            Scene::Room => Some(via.clone()),
            Scene::Private => None,
            Scene::Foreign(group) => Some(group.parse().map_err(|_| unreadable())?),
        };
        let shown = match &group {
            Some(room) => self.names.shown(room.as_str(), &message.author, &message.author_name),
            None => words::name(&message.author_name),
        };
        let words = words::for_plain_peer(&body.act, &shown, group.is_some());
        let author = (author, message.author_name.clone());
        let made = Outgoing::new(message.key.clone(), message.at, author, group, act, words);
        Ok(made.about(body.call.clone()))
    }

    // -- bridges -------------------------------------------------------------------------------------

    /// The delivery as the bridge wants it; `None` if there is nothing to say there.
    async fn for_bridge(
        &self,
        lane: &Lane,
        parcel: &Parcel,
        body: &Body,
    ) -> Result<Option<(RemotePlace, Delivery)>, DeliveryError> {
        let place = self.bridge_place(lane)?;
        let reference = match quote_of(&body.act) {
            Some(quote) => quotes::at(&self.book, &place, quote).await.map_err(|error| store_failed(&error))?,
            None => None,
        };
        let capabilities = place.bridge.capabilities(&place.id);
        let Some(action) = words::for_bridge(&body.act, &capabilities, reference.as_ref()) else { return Ok(None) };
        if let Action::Send { content, .. } = &action {
            if content.text.is_blank() && content.attachments.is_empty() {
                return Ok(None);
            }
            let longest = capabilities.text_bytes.unwrap_or(usize::MAX);
            if content.text.to_plain().len() > longest {
                return Err(DeliveryError::permanent(format!("a message may have {longest} bytes there at most")));
            }
        }
        let message = &parcel.message;
        let author = author_of(message, body);
        let posting = self.book.usage_of(&place.address).and_then(|(posting, _)| posting);
        let key = MessageKey::new(&message.key);
        let target = place.id.clone();
        let accepted = UNIX_EPOCH + Duration::from_millis(u64::try_from(parcel.journalled).unwrap_or_default());
        Ok(Some((place, Delivery { key, target, author, posting, action, accepted })))
    }

    pub(super) fn bridge_place(&self, lane: &Lane) -> Result<RemotePlace, DeliveryError> {
        if self.book.places.bridge(&lane.to).is_none() {
            return Err(not_here(&format!("no bridge called `{}` is configured now", lane.to)));
        }
        let address: Address = lane.via.parse().map_err(|_| DeliveryError::permanent("the address cannot be read"))?;
        match self.book.resolve(&address) {
            Ok(Place::Bridge(place)) => Ok(place),
            Ok(_) => Err(DeliveryError::permanent("the address is not on this network")),
            Err(error) => Err(DeliveryError::permanent(error.to_string())),
        }
    }

    // -- notices -----------------------------------------------------------------------------------

    /// True if the sender is to be told that this lane failed: they wrote to the one who does not
    /// get it, or to a room that does not; not if one of many readers does not.
    fn concerns_sender(&self, lane: &Lane, body: &Body, message: &NewMessage) -> bool {
        let asks = matches!(body.act, Said::Notice(_) | Said::Membership(_) | Said::RoomProfile(_));
        let to_account = lane.to.starts_with('@');
        if asks || (to_account && body.scene == Scene::Room) {
            return false;
        }
        let now = self.environment.now_ms();
        let mut told = self.told.lock();
        if told.len() >= TOLD {
            told.retain(|_, at| now - *at < TOLD_FOR_MS);
        }
        let pair = (message.author.clone(), lane.via.clone());
        let private = body.scene == Scene::Private;
        if !private && told.get(&pair).is_some_and(|at| now - *at < TOLD_FOR_MS) {
            return false;
        }
        if told.len() < TOLD {
            told.insert(pair, now);
        }
        true
    }

    fn notice_for(&self, lane: &Lane, message: &NewMessage, body: &Body, why: &str) -> Option<Incoming> {
        let sender: Address = body.by.as_deref().unwrap_or(&message.author).parse().ok()?;
        let failed: Address = lane.place().parse().ok()?;
        let back = match self.book.resolve(&sender).ok()? {
            Place::Person(to) | Place::Remote(to) | Place::Group(to) => {
                Lane { to: to.as_str().to_owned(), via: failed.as_str().to_owned() }
            }
            Place::Bridge(to) => Lane { to: to.instance.as_str().to_owned(), via: to.address.as_str().to_owned() },
            Place::Console(..) => return None,
        };
        let name = failed.name();
        let told = words::undelivered(&message.excerpt, &words::name(&name), why);
        let key = new_key(&self.environment);
        let notice = journal::Entry {
            key: key.clone(),
            conversation: conversation::between(&sender, &failed),
            venue: sender.as_str().to_owned(),
            author: failed.as_str().to_owned(),
            author_name: name.into_owned(),
            origin_id: key,
            at: self.environment.now_ms(),
            body: Body::new(Scene::Private, Said::Notice(told)),
            lanes: vec![back],
            cursor: None,
        };
        Some(notice.into_incoming())
    }
}

#[async_trait]
impl Deliverer for Courier {
    async fn deliver(&self, lane: &Lane, parcel: &Parcel) -> Result<Vec<String>, DeliveryError> {
        let body = parcel.body().ok_or_else(unreadable)?;
        if self.is_idempotent(lane) {
            return self.to_account(lane, parcel, body).await.map(|()| Vec::new());
        }
        if self.desk.get().is_some_and(|desk| desk.is_too_late(&parcel.message.key)) {
            return Err(DeliveryError::permanent("the call was over before its link could be said"));
        }
        if let Some(step) = acquaint::step(&body.act) {
            return self.acquaint(lane, parcel, body, step).await.map(|()| Vec::new());
        }
        let Some((place, delivery)) = self.for_bridge(lane, parcel, body).await? else { return Ok(Vec::new()) };
        let receipt = place.bridge.deliver(&delivery).await?;
        Ok(receipt.ids.into_iter().map(EventId::into_string).collect())
    }

    async fn find(&self, lane: &Lane, parcel: &Parcel) -> Result<Found, DeliveryError> {
        if self.is_idempotent(lane) {
            return Ok(Found::Absent);
        }
        let body = parcel.body().ok_or_else(unreadable)?;
        if acquaint::step(&body.act).is_some() {
            // To ask, to agree and to part have no second effect.
            return Ok(Found::Absent);
        }
        match self.for_bridge(lane, parcel, body).await? {
            Some((place, delivery)) => place.bridge.find(&delivery).await,
            None => Ok(Found::Absent),
        }
    }

    fn is_idempotent(&self, lane: &Lane) -> bool {
        lane.to.starts_with('@')
    }

    fn goes_ahead(&self, lane: &Lane) -> bool {
        let (Some(port), Ok(to)) = (self.port.get(), lane.to.parse()) else { return false };
        port.has_room(&to)
    }

    fn notice(&self, lane: &Lane, parcel: &Parcel, why: &str) -> Option<Incoming> {
        let body = parcel.body()?;
        let is_told = |desk: &Arc<dyn CallDesk>| desk.unsaid(&parcel.message.key, why);
        if !self.is_idempotent(lane) && self.desk.get().is_some_and(is_told) {
            return None;
        }
        if !self.concerns_sender(lane, body, &parcel.message) {
            return None;
        }
        self.notice_for(lane, &parcel.message, body, why)
    }
}

/// Who says it, as a bridge shows them.
pub(super) fn author_of(message: &NewMessage, body: &Body) -> Author {
    let (id, name) = (PersonaId::new(&message.author), message.author_name.clone());
    Author { id, name, picture: body.picture.clone() }
}

fn unreadable() -> DeliveryError {
    DeliveryError::permanent("the stored message cannot be read")
}

fn not_here(why: &str) -> DeliveryError {
    DeliveryError::Transient { why: why.to_owned(), retry_after: Some(NOT_HERE) }
}

pub(super) fn store_failed(error: &StoreError) -> DeliveryError {
    DeliveryError::transient(error.to_string())
}

/// The message that an act refers to.
pub(super) fn quote_of(act: &Said) -> Option<&Quote> {
    match act {
        Said::Send { reply, .. } => reply.as_ref(),
        Said::Edit { target, .. }
        | Said::Recall { target, .. }
        | Said::React { target, .. }
        | Said::Unreact { target, .. } => Some(target),
        _ => None,
    }
}

/// True if an account knows what an act refers to by an id that it gave itself.
fn refers_to(body: &Body, account: &Address) -> bool {
    let own = |quote: &Quote| quote.author == account.as_str();
    match &body.act {
        Said::Unreact { reaction, target, .. } => own(target) || reaction.as_ref().is_some_and(own),
        act => quote_of(act).is_some_and(own),
    }
}

/// The id by which an account knows a message: the one that it gave it itself, or the key.
fn id_for(quote: &Quote, account: &Address) -> String {
    let own = peers_id(&quote.origin_id).filter(|_| quote.author == account.as_str());
    own.unwrap_or(&quote.key).to_owned()
}

/// What the frame for an account says; `None` if it is told nothing.
pub(super) fn act_for(body: &Body, author_name: &str, account: &Address) -> Option<Act> {
    let text = |words: &Words| words::markdown_of(words, author_name);
    let say = |text: String| Some(Act::Say { text, reply_to: None });
    match &body.act {
        Said::Send { words, reply } => {
            Some(Act::Say { text: text(words), reply_to: reply.as_ref().map(|quote| id_for(quote, account)) })
        }
        Said::Edit { target, words } => Some(Act::Edit { replaces: id_for(target, account), text: text(words) }),
        Said::Recall { target, .. } => Some(Act::Recall { target: id_for(target, account) }),
        Said::React { target, emoji } => Some(Act::React { reply_to: id_for(target, account), emoji: emoji.clone() }),
        Said::Unreact { reaction: Some(reaction), .. } => Some(Act::Recall { target: id_for(reaction, account) }),
        Said::Request { pass } => Some(Act::Ask { pass: pass.clone() }),
        Said::Decided(Admission::Accepted) => Some(Act::Ask { pass: None }),
        Said::Decided(Admission::Refused) | Said::Closed => Some(Act::Close),
        Said::Unreact { .. } | Said::Membership(_) | Said::RoomProfile(_) | Said::Notice(_) | Said::Decided(_) => {
            say(words::for_plain_peer(&body.act, &words::name(author_name), body.scene != Scene::Private)?)
        }
    }
}
