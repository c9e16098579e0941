//! Speaking: one delivery becomes one or several events, each with a transaction id of its own made from the key, so
//! that the homeserver takes it once however often it is sent.

use super::{Account, Live, files, rooms, trouble};
use crate::id;
use crate::map::{self, Outgoing, Uploaded};
use matrix_sdk::Room;
use matrix_sdk::config::RequestConfig;
use matrix_sdk::room::MessagesOptions;
use matrix_sdk::ruma::{EventId as RumaEventId, OwnedTransactionId};
use monster_bridge_api::{
    Action, Attachment, Content, Delivery, DeliveryError, EventId, Found, MediaError, Receipt, Reference, RemoteId,
    Text,
};
use std::time::Duration;

/// How far back `find` looks, in events.
const LOOK_BACK: u32 = 100;

/// Does what a delivery says.
pub(crate) async fn deliver(account: &Account, live: &Live, delivery: &Delivery) -> Result<Receipt, DeliveryError> {
    let room = rooms::target(account, live, &delivery.author, &delivery.target).await?;
    match &delivery.action {
        Action::Send { content, reply_to } => {
            let content = named(account, delivery, content);
            let events = events(account, live, &room, content, reply_to.as_ref()).await?;
            let mut ids = Vec::with_capacity(events.len());
            for (part, event) in events.into_iter().enumerate() {
                ids.push(send(&room, delivery, event, part).await?);
            }
            Ok(Receipt { ids })
        }
        Action::Edit { target, content } => {
            let content = named(account, delivery, content);
            let target = target.ids.first().ok_or_else(|| DeliveryError::permanent("the message has no id"))?;
            let naming = |address: &str| account.user_of(address);
            let new = map::parts(&content, None, &[], &naming).into_iter().next();
            let new = new.ok_or_else(|| DeliveryError::permanent("the message says nothing"))?;
            let id = send(&room, delivery, map::edit(target, new), 0).await?;
            Ok(Receipt { ids: vec![id] })
        }
        Action::Recall { target, reason } => {
            for (part, id) in target.ids.iter().enumerate() {
                redact(&room, delivery, id, reason.as_deref(), part).await?;
            }
            Ok(Receipt::default())
        }
        Action::React { target, emoji, remove } => react(live, &room, delivery, target, emoji, *remove).await,
        _ => Err(DeliveryError::permanent("this cannot be shown on Matrix")),
    }
}

/// Looks for what a delivery may have left.
pub(crate) async fn find(account: &Account, live: &Live, delivery: &Delivery) -> Result<Found, DeliveryError> {
    let Action::Send { content, .. } = &delivery.action else { return Ok(Found::Absent) };
    let Some(room) = rooms::existing(account, live, &delivery.author, &delivery.target) else {
        return Ok(Found::Absent);
    };
    let mut options = MessagesOptions::backward();
    options.limit = LOOK_BACK.into();
    let page = room.messages(options).await.map_err(|error| trouble::of_delivery("looking back", &error))?;
    let mut parts: Vec<(u64, EventId)> = Vec::new();
    for event in page.chunk {
        let Some(raw) = map::parse(event.raw().json().get()) else { continue };
        let ours = map::text_at(&raw, &["content", map::KEY]) == Some(delivery.key.as_str());
        if let (true, Some(id)) = (ours, event.event_id()) {
            parts.push((raw["content"][map::PART].as_u64().unwrap_or(0), EventId::new(id.as_str())));
        }
    }
    // With files there are more parts than can be told from here; sending again is harmless as long as the
    // homeserver remembers their transactions.
    if parts.is_empty() || !content.attachments.is_empty() {
        return Ok(Found::Absent);
    }
    parts.sort_by_key(|(part, _)| *part);
    Ok(Found::Delivered(Receipt { ids: parts.into_iter().map(|(_, id)| id).collect() }))
}

/// The content with its author's name, unless it is known anyway who speaks: the account's owner, and the one for
/// whom a conversation was made.
fn named(account: &Account, delivery: &Delivery, content: &Content) -> Content {
    if account.config.is_owner(&delivery.author.id) || id::is_user(delivery.target.as_str()) {
        return content.clone();
    }
    map::relayed(content, &account.people.label(&delivery.author))
}

async fn events(
    account: &Account,
    live: &Live,
    room: &Room,
    mut content: Content,
    reply_to: Option<&Reference>,
) -> Result<Vec<Outgoing>, DeliveryError> {
    let encrypted = !content.attachments.is_empty() && {
        let state = room.latest_encryption_state().await;
        state.map_err(|error| trouble::of_delivery("asking whether the room is encrypted", &error))?.is_encrypted()
    };
    let mut uploaded: Vec<Uploaded> = Vec::new();
    for attachment in std::mem::take(&mut content.attachments) {
        match files::upload(account, live, &attachment, encrypted).await {
            Ok(file) => uploaded.push(file),
            Err(MediaError::Unavailable(why)) => return Err(DeliveryError::transient(why)),
            Err(error) => linked(&mut content, &attachment, &error),
        }
    }
    let naming = |address: &str| account.user_of(address);
    Ok(map::parts(&content, reply_to.and_then(|reference| reference.ids.first()), &uploaded, &naming))
}

/// A file that cannot be taken along is a link in the words.
fn linked(content: &mut Content, attachment: &Attachment, error: &MediaError) {
    tracing::debug!(%error, "a file goes as a link");
    content.text.blocks.extend(Text::plain(format!("{} {}", attachment.name, attachment.url)).blocks);
}

fn transaction(delivery: &Delivery, part: usize) -> OwnedTransactionId {
    format!("{}.{part}", delivery.key).as_str().into()
}

fn patience() -> RequestConfig {
    // The lane tries again, and knows how long to wait.
    RequestConfig::new().disable_retry().timeout(Duration::from_secs(30))
}

async fn send(room: &Room, delivery: &Delivery, mut event: Outgoing, part: usize) -> Result<EventId, DeliveryError> {
    map::mark(&mut event, &delivery.key, part);
    let transaction = transaction(delivery, part);
    let sending = room.send_raw(event.kind, event.content).with_transaction_id(&transaction);
    let sent = sending.with_request_config(patience()).await;
    let sent = sent.map_err(|error| trouble::of_delivery("sending", &error))?;
    Ok(EventId::new(sent.response.event_id.as_str()))
}

async fn redact(
    room: &Room,
    delivery: &Delivery,
    event: &EventId,
    reason: Option<&str>,
    part: usize,
) -> Result<(), DeliveryError> {
    let Ok(event) = RumaEventId::parse(event.as_str()) else { return Ok(()) };
    let transaction = transaction(delivery, part);
    let done = room.redact(&event, reason, Some(transaction)).await.map_err(matrix_sdk::Error::from);
    match done {
        // It is gone already.
        Err(error) if trouble::is_unknown(&error) => Ok(()),
        done => done.map(drop).map_err(|error| trouble::of_delivery("withdrawing", &error)),
    }
}

/// Under which key the event of a reaction is saved.
fn reaction_key(delivery: &Delivery, target: &EventId, emoji: &str) -> String {
    format!("reaction/{}/{target}/{emoji}", delivery.author.id)
}

/// Puts an emoji to a message, or takes it back. The account has each emoji at a message once, whoever it is for: the
/// second of two people changes nothing that can be seen.
async fn react(
    live: &Live,
    room: &Room,
    delivery: &Delivery,
    target: &Reference,
    emoji: &str,
    remove: bool,
) -> Result<Receipt, DeliveryError> {
    let target = target.ids.first().ok_or_else(|| DeliveryError::permanent("the message has no id"))?;
    let key = reaction_key(delivery, target, emoji);
    let unsaved = |error: monster_bridge_api::HostError| DeliveryError::transient(error.to_string());
    if remove {
        let Some(event) = live.host.load(&key).await.map_err(unsaved)? else { return Ok(Receipt::default()) };
        redact(room, delivery, &EventId::new(event), None, 0).await?;
        live.host.save(&key, None).await.map_err(unsaved)?;
        return Ok(Receipt::default());
    }
    let mut event = map::reaction(target, emoji);
    map::mark(&mut event, &delivery.key, 0);
    let transaction = transaction(delivery, 0);
    let sending = room.send_raw(event.kind, event.content).with_transaction_id(&transaction);
    match sending.with_request_config(patience()).await {
        Ok(sent) => {
            let id = EventId::new(sent.response.event_id.as_str());
            live.host.save(&key, Some(id.as_str())).await.map_err(unsaved)?;
            Ok(Receipt { ids: vec![id] })
        }
        Err(error) if trouble::is_duplicate(&error) => Ok(Receipt::default()),
        Err(error) => Err(trouble::of_delivery("reacting", &error)),
    }
}

impl Account {
    /// The Matrix user whom a Monster address of this instance stands for.
    pub(crate) fn user_of(&self, address: &str) -> Option<String> {
        let suffix = format!(":{}:{}", self.scope.instance, self.scope.public_host);
        let name = address.strip_prefix('@')?.strip_suffix(&suffix)?;
        let name = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
        id::id_of(&name).map(RemoteId::into_string).ok().filter(|id| id::is_user(id))
    }
}
