//! One thing that was heard, as an event of the bridge contract.

use crate::conn::Conn;
use crate::format;
use crate::instance::{Instance, Running};
use crate::proto::session::{Attribution, Heard, Speech};
use crate::proto::{Event as Told, Source};
use monster_bridge_api::{
    Content, ContentStyle, Event, EventId, EventKind, Hint, Membership, MessageKey, RemoteUser, Venue,
};
use std::time::SystemTime;

/// The author of a line, if the line is of a user (and not of a server).
pub(crate) fn author_of(instance: &Instance, source: &Source) -> Option<RemoteUser> {
    let id = instance.names.id_of(&source.nick).ok()?;
    Some(RemoteUser { id, name: source.nick.clone(), picture: None })
}

/// Whether a nick is a service of the network: what those say is for whoever asked them.
pub(crate) fn is_service(source: &Source) -> bool {
    let nick = source.nick.to_ascii_lowercase();
    source.user.is_none() || nick.ends_with("serv") || nick == "global"
}

/// The event of something that was said or done at `venue`; `None` for what is nobody's business,
/// and for what is only passed on as a hint.
pub(super) fn event(instance: &Instance, running: &Running, conn: &Conn, venue: Venue, told: Told) -> Option<Event> {
    let (by, kind) = match told {
        Told::Said(heard) => {
            let content = content(instance, conn, &heard)?;
            (heard.by, EventKind::Message(content))
        }
        Told::Reacted { by, target, emoji, removed } => {
            (*by, EventKind::Reaction { target: EventId::new(target), emoji, removed })
        }
        Told::Redacted { by, target, reason } => (*by, EventKind::Recall { target: EventId::new(target), reason }),
        Told::Typing { by, active } => {
            let user = author_of(instance, &by.source)?;
            running.host.hint(Hint::Typing { user, venue, active });
            return None;
        }
        _ => return None,
    };
    Some(Event {
        id: by.msgid.clone().map_or_else(|| running.own_id(), EventId::new),
        author: author_of(instance, &by.source)?,
        at: by.time.unwrap_or_else(SystemTime::now),
        key: key(&by),
        venue,
        kind,
        persona: None,
        cursor: None,
    })
}

/// The key that a gateway marked the line with. Of a message of several lines only the first one is
/// the message of that key.
fn key(by: &Attribution) -> Option<MessageKey> {
    by.mark.as_ref().filter(|mark| mark.part == 0).map(|mark| MessageKey::new(mark.key.clone()))
}

/// What a message says; `None` if there is nothing in it for people.
fn content(instance: &Instance, conn: &Conn, heard: &Heard) -> Option<Content> {
    let style = match &heard.speech {
        Speech::Message => ContentStyle::Said,
        Speech::Notice => ContentStyle::Notice,
        Speech::Action => ContentStyle::Emote,
        Speech::Ctcp { .. } => return None,
    };
    let text = format::to_text(&heard.text, &|word| mentioned(instance, conn, word));
    if text.is_blank() {
        return None;
    }
    Some(Content { text, style, reply_to: heard.reply_to.clone().map(EventId::new), attachments: Vec::new() })
}

/// Whom a word names: the address of whoever has the nick as a puppet, or the nick of somebody here.
fn mentioned(instance: &Instance, conn: &Conn, word: &str) -> Option<String> {
    let nick = instance.names.fold(word);
    if let Some(persona) = instance.puppets.owner_of(&nick) {
        return Some(persona.into_string());
    }
    conn.look(|session| session.sees(word)).then(|| nick.into_string())
}

/// The event of a coming or going in a room; `None` for our own, and for what a netsplit makes.
pub(super) fn membership(instance: &Instance, running: &Running, venue: &Venue, told: Told) -> Option<Event> {
    let (source, change) = match told {
        Told::MemberJoined { who, .. } => (who, Membership::Joined),
        Told::MemberLeft { who, by: Some(by), reason, .. } => (who, Membership::Removed { by, reason }),
        Told::Quit { netsplit: true, .. } => return None,
        Told::MemberLeft { who, reason, .. } | Told::Quit { who, reason, .. } => (who, Membership::Left(reason)),
        Told::NickChanged { from, to, own: false, .. } => {
            (Source { nick: to, ..Source::default() }, Membership::Renamed { from })
        }
        _ => return None,
    };
    let author = author_of(instance, &source)?;
    if instance.network.is_own(author.id.as_str()) {
        return None;
    }
    Some(Event {
        id: running.own_id(),
        venue: venue.clone(),
        author,
        at: SystemTime::now(),
        key: None,
        kind: EventKind::Membership(change),
        persona: None,
        cursor: None,
    })
}
