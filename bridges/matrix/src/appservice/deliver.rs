//! Doing what the core asks: who speaks, where, and with which events. Finding out whether it was done.

use super::direct::Standing;
use super::instance::{Instance, Running};
use super::media;
use super::rooms::{Outside, is_room};
use crate::client::Failure;
use crate::id;
use crate::map::{self, Outgoing};
use monster_bridge_api::{
    Action, Attachment, AttachmentShape, BlockKind, Capabilities, Content, Delivery, DeliveryError, EventId, Found,
    Membership, Posting, Receipt, Reference, RoomProfile, Span, SpanStyle, Support,
};
use serde_json::json;

/// Everything but calls, which have no legs here yet.
pub(crate) fn capabilities(instance: &Instance) -> Capabilities {
    Capabilities {
        edit: Support::Full,
        recall: Support::Full,
        reply: Support::Full,
        reaction: Support::Full,
        attachment: Support::Full,
        membership: Support::Full,
        room_profile: Support::Full,
        typing: Support::Full,
        read: Support::Full,
        presence: if instance.config.presence { Support::Full } else { Support::Dropped },
        call: Support::Words,
        // An event has 65,535 bytes at most; the words are in it twice, with tags and escapes.
        text_bytes: Some(16_000),
    }
}

/// Who says it where.
struct Speaker {
    user: String,
    room: String,
    /// The author's name, where the bot speaks for them.
    relayed: Option<String>,
}

/// Does it.
pub(crate) async fn deliver(instance: &Instance, running: &Running, it: &Delivery) -> Result<Receipt, DeliveryError> {
    if let Action::Membership(change) = &it.action {
        return membership(instance, running, it, change).await;
    }
    let speaker = speaker(instance, running, it).await?;
    match act(instance, running, it, &speaker).await {
        // The ghost was taken out of the room without our hearing of it.
        Err(DeliveryError::Permanent { why }) if speaker.relayed.is_none() && is_room(&it.target) => {
            instance.rooms.went(&speaker.room, &speaker.user);
            let again = self::speaker(instance, running, it).await?;
            let outcome = act(instance, running, it, &again).await;
            outcome.map_err(|_| DeliveryError::Permanent { why })
        }
        outcome => outcome,
    }
}

async fn act(
    instance: &Instance,
    running: &Running,
    it: &Delivery,
    speaker: &Speaker,
) -> Result<Receipt, DeliveryError> {
    match &it.action {
        Action::Send { content, reply_to } => send(instance, running, it, speaker, content, reply_to.as_ref()).await,
        Action::Edit { target, content } => edit(instance, it, speaker, target, content).await,
        Action::Recall { target, reason } => recall(instance, it, speaker, target, reason.as_deref()).await,
        Action::React { target, emoji, remove } => react(instance, it, speaker, target, emoji, *remove).await,
        Action::RoomProfile(change) => room_profile(instance, speaker, change).await,
        _ => Err(DeliveryError::permanent("this is not known on Matrix")),
    }
}

/// Whether the bot speaks for the author.
fn is_relayed(instance: &Instance, it: &Delivery) -> bool {
    it.posting.unwrap_or(instance.config.posting) == Posting::Relay && is_room(&it.target)
}

async fn speaker(instance: &Instance, running: &Running, it: &Delivery) -> Result<Speaker, DeliveryError> {
    let bot = || instance.naming.bot().to_owned();
    let target = it.target.as_str();
    if !is_room(&it.target) {
        let ghost = instance.ghost(running, &it.author).await.map_err(not_sent)?;
        let written = Standing::Written;
        let (room, _) =
            instance.open_direct(running, &it.author.id, &ghost, target, written).await.map_err(not_sent)?;
        return Ok(Speaker { user: ghost, room, relayed: None });
    }
    let room = instance.room_of(running, &it.target).await.map_err(not_sent)?;
    if is_relayed(instance, it) {
        let entered = instance.enter(&it.target, &room, instance.naming.bot()).await;
        entered.map_err(|outside| outside_error(outside, "the gateway's bot"))?;
        return Ok(Speaker { user: bot(), room, relayed: Some(it.author.name.clone()) });
    }
    if let Some(user) = instance.puppets.user_of(&it.author.id)
        && instance.enter(&it.target, &room, &user).await.is_ok()
    {
        return Ok(Speaker { user, room, relayed: None });
    }
    let ghost = instance.ghost(running, &it.author).await.map_err(not_sent)?;
    match instance.enter(&it.target, &room, &ghost).await {
        Ok(()) => Ok(Speaker { user: ghost, room, relayed: None }),
        Err(Outside::NotInvited(_)) if instance.rooms.is_in(&room, instance.naming.bot()) => {
            Ok(Speaker { user: bot(), room, relayed: Some(it.author.name.clone()) })
        }
        Err(outside) => Err(outside_error(outside, &it.author.name)),
    }
}

/// What was asked before anything was sent: again is no harm.
fn not_sent(failure: Failure) -> DeliveryError {
    match DeliveryError::from(failure) {
        DeliveryError::Uncertain { why } => DeliveryError::transient(why),
        other => other,
    }
}

fn outside_error(outside: Outside, who: &str) -> DeliveryError {
    match outside {
        Outside::Banned(_) => DeliveryError::permanent(format!("{who} is banned from this room")),
        Outside::NotInvited(why) => DeliveryError::permanent(format!("{who} is not let into this room: {why}")),
        Outside::Failed(failure) => not_sent(failure),
    }
}

/// The events that say it, marked; for `find`, files need not be uploaded to know how many there are.
fn events(
    instance: &Instance,
    it: &Delivery,
    content: &Content,
    reply: Option<&EventId>,
    files: &[map::Uploaded],
    relayed: Option<&str>,
) -> Vec<Outgoing> {
    let shown = relayed.map(|name| map::relayed(content, name));
    let naming = |person: &str| instance.naming.user_of(person);
    let mut events = map::parts(shown.as_ref().unwrap_or(content), reply, files, &naming);
    for (part, event) in events.iter_mut().enumerate() {
        map::mark(event, &it.key, part);
    }
    events
}

async fn send(
    instance: &Instance,
    running: &Running,
    it: &Delivery,
    speaker: &Speaker,
    content: &Content,
    reply_to: Option<&Reference>,
) -> Result<Receipt, DeliveryError> {
    let mut content = content.clone();
    let mut files = Vec::new();
    for attachment in std::mem::take(&mut content.attachments) {
        match media::upload(instance, running, &speaker.user, &attachment).await? {
            Some(file) => files.push(file),
            None => in_words(&mut content, &attachment),
        }
    }
    // Of a message that was split, the last part is the nearest.
    let reply = reply_to.and_then(|reference| reference.ids.last());
    let events = events(instance, it, &content, reply, &files, speaker.relayed.as_deref());
    let mut ids = Vec::new();
    for (part, event) in events.iter().enumerate() {
        if let Some(id) = instance.flights.part(&it.key, part) {
            ids.push(id);
            continue;
        }
        let transaction = format!("{}-{part}", it.key);
        let id = instance.send(&speaker.user, &speaker.room, event, &transaction).await?;
        if events.len() > 1 {
            instance.flights.landed(&it.key, part, id.clone());
        }
        ids.push(id);
    }
    instance.flights.done(&it.key);
    Ok(Receipt { ids })
}

/// A file that cannot be taken over: its name, and where it is.
fn in_words(content: &mut Content, attachment: &Attachment) {
    let style = SpanStyle { link: Some(attachment.url.clone()), ..SpanStyle::default() };
    let span = Span { text: attachment.name.clone(), style };
    content
        .text
        .blocks
        .push(monster_bridge_api::Block { quote: 0, kind: BlockKind::Paragraph(vec![Span::plain("📎 "), span]) });
}

async fn edit(
    instance: &Instance,
    it: &Delivery,
    speaker: &Speaker,
    target: &Reference,
    content: &Content,
) -> Result<Receipt, DeliveryError> {
    let first = target.ids.first().ok_or_else(|| DeliveryError::permanent("the message is not known here"))?;
    let mut content = content.clone();
    for attachment in std::mem::take(&mut content.attachments) {
        in_words(&mut content, &attachment);
    }
    let events = events(instance, it, &content, None, &[], speaker.relayed.as_deref());
    let new = events.into_iter().next().ok_or_else(|| DeliveryError::permanent("there is nothing to say"))?;
    let mut event = map::edit(first, new);
    map::mark(&mut event, &it.key, 0);
    let id = instance.send(&speaker.user, &speaker.room, &event, &format!("{}-0", it.key)).await?;
    Ok(Receipt { ids: vec![id] })
}

async fn recall(
    instance: &Instance,
    it: &Delivery,
    speaker: &Speaker,
    target: &Reference,
    reason: Option<&str>,
) -> Result<Receipt, DeliveryError> {
    for (part, event) in target.ids.iter().enumerate() {
        let mark = (&it.key, part);
        let done = instance.redact(&speaker.user, &speaker.room, event, reason, mark).await;
        let done = match done {
            // Only a moderator may withdraw what another said; the bot may be one.
            Err(failure) if failure.is_forbidden() && speaker.user != instance.naming.bot() => {
                instance.redact(instance.naming.bot(), &speaker.room, event, reason, mark).await
            }
            done => done,
        };
        done.map_err(not_sent)?;
    }
    Ok(Receipt::default())
}

async fn react(
    instance: &Instance,
    it: &Delivery,
    speaker: &Speaker,
    target: &Reference,
    emoji: &str,
    remove: bool,
) -> Result<Receipt, DeliveryError> {
    let first = target.ids.first().ok_or_else(|| DeliveryError::permanent("the message is not known here"))?;
    let (user, room) = (&speaker.user, &speaker.room);
    if remove {
        if let Some(put) = instance.reaction_of(user, room, first, emoji).await.map_err(not_sent)? {
            instance.redact(user, room, &put, None, (&it.key, 0)).await.map_err(not_sent)?;
        }
        return Ok(Receipt::default());
    }
    let mut event = map::reaction(first, emoji);
    map::mark(&mut event, &it.key, 0);
    match instance.send(user, room, &event, &format!("{}-0", it.key)).await {
        Ok(id) => Ok(Receipt { ids: vec![id] }),
        Err(failure) if failure.is("M_DUPLICATE_ANNOTATION") => Ok(Receipt::default()),
        Err(failure) => Err(failure.into()),
    }
}

async fn room_profile(instance: &Instance, speaker: &Speaker, change: &RoomProfile) -> Result<Receipt, DeliveryError> {
    let name = change.name.as_ref().map(|name| ("m.room.name", json!({ "name": name })));
    let topic = change.topic.as_ref().map(|topic| ("m.room.topic", json!({ "topic": topic })));
    for (kind, content) in name.into_iter().chain(topic) {
        let done = instance.set_state(&speaker.user, &speaker.room, kind, content.clone()).await;
        let done = match done {
            Err(failure) if failure.is_forbidden() && speaker.user != instance.naming.bot() => {
                instance.set_state(instance.naming.bot(), &speaker.room, kind, content).await
            }
            done => done,
        };
        done.map_err(not_sent)?;
    }
    Ok(Receipt::default())
}

/// Ghosts come and go with their people.
async fn membership(
    instance: &Instance,
    running: &Running,
    it: &Delivery,
    change: &Membership,
) -> Result<Receipt, DeliveryError> {
    if is_relayed(instance, it) || !is_room(&it.target) || !instance.config.follow_members {
        return Ok(Receipt::default());
    }
    let room = instance.room_of(running, &it.target).await.map_err(not_sent)?;
    match change {
        Membership::Joined => {
            let ghost = instance.ghost(running, &it.author).await.map_err(not_sent)?;
            match instance.enter(&it.target, &room, &ghost).await {
                // Somebody who is not let in is not news to anybody.
                Ok(()) | Err(Outside::Banned(_) | Outside::NotInvited(_)) => {}
                Err(Outside::Failed(failure)) => return Err(not_sent(failure)),
            }
        }
        Membership::Left(_) | Membership::Removed { .. } => {
            let ghost = instance.naming.ghost_of(&it.author.id);
            if instance.rooms.is_in(&room, &ghost) {
                instance.exit(&room, &ghost).await.map_err(not_sent)?;
            }
        }
        Membership::Renamed { .. } => {
            let ghost = instance.naming.ghost_of(&it.author.id);
            if instance.rooms.is_in(&room, &ghost) {
                instance.ghost(running, &it.author).await.map_err(not_sent)?;
            }
        }
    }
    Ok(Receipt::default())
}

/// Whether the homeserver has it: what was sent carries its key.
pub(crate) async fn find(instance: &Instance, running: &Running, it: &Delivery) -> Result<Found, DeliveryError> {
    let parts = match &it.action {
        Action::Send { content, .. } => Some(content),
        Action::Edit { .. } | Action::React { remove: false, .. } => None,
        // Done twice, these are done once.
        _ => return Ok(Found::Absent),
    };
    let (reader, room) = if is_room(&it.target) {
        let room = instance.room_of(running, &it.target).await.map_err(not_sent)?;
        let ghost = instance.naming.ghost_of(&it.author.id);
        let reader = if instance.rooms.is_in(&room, &ghost) { Some(ghost) } else { instance.rooms.somebody_in(&room) };
        (reader.unwrap_or_else(|| instance.naming.bot().to_owned()), room)
    } else {
        match instance.directs.of_pair(&it.author.id, it.target.as_str()) {
            Some((room, direct)) => (direct.ghost, room),
            None => return Ok(Found::Absent),
        }
    };
    debug_assert!(id::is_room(&room), "names stand for rooms");
    let wanted = parts.map_or(1, |content| {
        let words = usize::from(!content.text.is_blank());
        match &content.attachments[..] {
            [file] if file.shape == AttachmentShape::File => 1,
            files => (words + files.len()).max(1),
        }
    });
    let found = match instance.marked(&reader, &room, it, wanted).await {
        Ok(found) => found,
        // Whoever is not in the room has not spoken there.
        Err(failure) if failure.is_forbidden() || failure.is_missing() => return Ok(Found::Absent),
        Err(failure) => return Err(not_sent(failure)),
    };
    if found.len() >= wanted {
        return Ok(Found::Delivered(Receipt { ids: found.into_values().collect() }));
    }
    for (part, id) in found {
        instance.flights.landed(&it.key, part, id);
    }
    Ok(Found::Absent)
}
