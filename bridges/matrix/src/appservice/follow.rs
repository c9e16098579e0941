//! What follows from something that was heard and needs the homeserver: done beside the transaction,
//! so that one slow answer holds nobody up. Each may be done again.

use super::instance::{Instance, Running};
use crate::id;
use crate::map::{self, text_at};
use monster_bridge_api::{
    AcceptError, Admission, Block, BlockKind, Content, ContentStyle, Control, Event, EventId, EventKind, PersonaId,
    Span, Text, Venue,
};
use std::time::{Duration, SystemTime};

/// What follows.
#[derive(Debug)]
pub(crate) enum Follow {
    /// The bot was invited.
    BotInvited {
        room: String,
        /// To a conversation of two.
        console: bool,
    },
    /// A ghost that waited may come in.
    LetIn { room: String, ghost: String, persona: PersonaId },
    /// A ghost was invited to talk; the other one is told what is awaited.
    Greet { room: String, ghost: String, persona: PersonaId },
    /// Somebody gave the bot a command.
    Command { room: String, by: String, event: EventId, line: String },
    /// A room goes on as another one.
    Upgrade { from: String, to: String },
}

impl Follow {
    /// True for a command that was given in this room.
    pub(super) fn is_command_in(&self, of: &str) -> bool {
        matches!(self, Self::Command { room, .. } if room == of)
    }
}

/// Does it.
pub(crate) async fn follow(instance: &Instance, running: &Running, follow: Follow) {
    match follow {
        Follow::BotInvited { room, console } => bot_invited(instance, running, &room, console).await,
        Follow::LetIn { room, ghost, persona } => let_in(instance, running, &room, &ghost, &persona).await,
        Follow::Greet { room, ghost, persona } => greet(instance, &room, &ghost, &persona).await,
        Follow::Command { room, by, event, line } => command(instance, running, &room, &by, &event, line).await,
        Follow::Upgrade { from, to } => upgrade(instance, running, &from, &to).await,
    }
}

async fn bot_invited(instance: &Instance, running: &Running, room: &str, console: bool) {
    let name = instance.room_name(room);
    if console {
        instance.consoles.add(running, room).await;
    }
    if let Err(error) = instance.enter(&name, room, instance.naming.bot()).await {
        tracing::info!(room, ?error, "the bot could not follow an invitation");
        return;
    }
    if console {
        let words = "Write `help` to see what I can do.";
        notice(instance, instance.naming.bot(), room, words, &format!("hello-{room}")).await;
    }
}

/// Brings a ghost that waited into its room, and tells its persona.
pub(crate) async fn let_in(instance: &Instance, running: &Running, room: &str, ghost: &str, persona: &PersonaId) {
    let name = instance.room_name(room);
    if let Err(error) = instance.enter(&name, room, ghost).await {
        tracing::info!(room, ghost, ?error, "a ghost could not follow an invitation");
        return;
    }
    let event = Event {
        id: EventId::new(format!("let-in/{room}/{ghost}")),
        venue: Venue::Private(persona.clone()),
        author: instance.room_as_author(room),
        persona: None,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Decided(Admission::Accepted),
        cursor: None,
    };
    let mut pause = Duration::from_millis(100);
    while let Err(AcceptError::Unavailable(_)) = running.host.accept(event.clone()).await {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
    instance.end_waiting(running, room, ghost).await;
}

async fn greet(instance: &Instance, room: &str, ghost: &str, persona: &PersonaId) {
    let name = instance.room_name(room);
    if let Err(error) = instance.enter(&name, room, ghost).await {
        tracing::info!(room, ghost, ?error, "a ghost could not follow an invitation");
        return;
    }
    let Some(direct) = instance.directs.of_room(room) else { return };
    if direct.standing == super::direct::Standing::Invited {
        let words = format!("{persona} has been asked whether they want to talk with you.");
        notice(instance, ghost, room, &words, &format!("asked-{room}")).await;
    }
}

async fn command(instance: &Instance, running: &Running, room: &str, by: &str, event: &EventId, line: String) {
    let by_user = instance.user_in(running, room, by).await;
    let in_private = instance.consoles.contains(room);
    let may_link = !in_private && instance.power_levels(room).await.is_ok_and(|levels| levels.may_link(by));
    let place = (!in_private).then(|| instance.room_name(room));
    let answer = running.host.control(Control { by: by_user, room: place, may_link, line }).await;
    notice(instance, instance.naming.bot(), room, &answer, &format!("answer-{event}")).await;
}

/// Says something as a program does. The transaction id makes it once.
pub(crate) async fn notice(instance: &Instance, user: &str, room: &str, words: &str, transaction: &str) {
    let spans = vec![Span::plain(words)];
    let text = Text { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(spans) }] };
    let content = Content { text, style: ContentStyle::Notice, ..Content::default() };
    for event in map::parts(&content, None, &[], &|_| None) {
        if let Err(error) = instance.send(user, room, &event, transaction).await {
            tracing::info!(room, %error, "a notice could not be said");
        }
    }
}

/// Follows a room to the one that replaces it, if that one says so too.
async fn upgrade(instance: &Instance, running: &Running, from: &str, to: &str) {
    let name = instance.room_name(from);
    let ours = instance.rooms.ours_in(from);
    if ours.is_empty() || !id::is_room(to) {
        return;
    }
    let bot = instance.naming.bot();
    let scout = if ours.iter().any(|user| user == bot) { bot } else { ours[0].as_str() };
    if let Err(error) = instance.enter(&name, to, scout).await {
        tracing::warn!(from, to, ?error, "an upgraded room cannot be followed");
        return;
    }
    let created = instance.state(scout, to, "m.room.create", "").await.unwrap_or_default();
    if text_at(&created, &["predecessor", "room_id"]) != Some(from) {
        tracing::warn!(from, to, "a room says that it goes on as one that does not say so: not followed");
        if let Err(error) = instance.exit(to, scout).await {
            tracing::info!(to, %error, "a room could not be left");
        }
        return;
    }
    if let Err(error) = instance.book.moved(running.host.as_ref(), from, to).await {
        tracing::warn!(%error, "the new id of a room could not be saved");
    }
    for user in ours.iter().filter(|user| user.as_str() != scout) {
        if let Err(error) = instance.enter(&name, to, user).await {
            tracing::info!(to, user, ?error, "a ghost could not follow to the upgraded room");
        }
    }
    instance.set_in_space(running, from, false).await;
    instance.set_in_space(running, to, true).await;
    tracing::info!(from, to, "a room was upgraded, and followed");
}
