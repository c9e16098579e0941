//! Who speaks: the author's puppet, or the bot for them. A puppet that is not let in, or is left out
//! again and again, does not hold up a room: the bot speaks in its place, unless the room has banned
//! the author. A connection that was just lost is given the time to come back.

use super::wording;
use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::nick;
use crate::proto::Target;
use crate::proto::session::{FailureKind, Manner, RequestFailure, Saying};
use crate::puppets::NoPuppet;
use crate::rooms::why_not_in;
use monster_bridge_api::{Author, ContentStyle, Delivery, DeliveryError, MessageKey, Posting, RemoteId};
use std::sync::Arc;
use std::time::Duration;

/// How long a delivery waits for the bot.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, and to whom and as whom it speaks.
#[derive(Clone)]
pub(super) struct Speaker {
    pub(super) conn: Arc<Conn>,
    pub(super) target: Target,
    pub(super) voice: Voice,
}

/// As whom a connection speaks.
#[derive(Debug, Clone)]
pub(super) enum Voice {
    /// As itself: it is the author's own.
    Own,
    /// As the bot, for somebody.
    Relay {
        /// What stands before each line.
        prefix: String,
        /// The author's name.
        label: String,
        /// The nick to speak under, where the server lets the bot do that.
        nick: Option<String>,
    },
}

impl Speaker {
    /// The same, without a nick of somebody else.
    pub(super) fn as_itself(&self) -> Self {
        let mut speaker = self.clone();
        if let Voice::Relay { nick, .. } = &mut speaker.voice {
            *nick = None;
        }
        speaker
    }

    /// What to ask the session for.
    pub(super) fn saying(&self, key: &MessageKey, words: &str, style: ContentStyle, reply_to: Option<&str>) -> Saying {
        let manner = match style {
            ContentStyle::Said => Manner::Message,
            ContentStyle::Emote => Manner::Action,
            ContentStyle::Notice => Manner::Notice,
        };
        let (text, manner, speak_as) = match &self.voice {
            Voice::Own => (words.to_owned(), manner, None),
            // The server has no other manner for RELAYMSG.
            Voice::Relay { nick: Some(nick), label, .. } if style == ContentStyle::Emote => {
                (format!("* {label} {words}"), Manner::Message, Some(nick.clone()))
            }
            Voice::Relay { nick: Some(nick), .. } => (words.to_owned(), Manner::Message, Some(nick.clone())),
            Voice::Relay { prefix, label, nick: None } => {
                let manner = if style == ContentStyle::Notice { Manner::Notice } else { Manner::Message };
                (wording::relayed(words, prefix, label, style), manner, None)
            }
        };
        Saying {
            target: self.target.clone(),
            manner,
            text,
            key: Some(key.as_str().to_owned()),
            reply_to: reply_to.map(str::to_owned),
            speak_as,
            skip: 0,
        }
    }
}

impl Instance {
    /// Who speaks for the author of a delivery.
    pub(super) async fn speaker(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
    ) -> Result<Speaker, DeliveryError> {
        let target = self.names.target(&delivery.target);
        let target = target.map_err(|why| DeliveryError::permanent(format!("`{}`: {why}", delivery.target)))?;
        let room = self.rooms.get(&delivery.target);
        let usual = room.and_then(|room| room.posting()).unwrap_or(self.config.mode);
        let posting = delivery.posting.unwrap_or(usual);
        if target.is_channel() {
            return self.speaker_in_room(running, delivery, target, posting).await;
        }
        if self.network.is_own(delivery.target.as_str()) {
            let who = &delivery.target;
            return Err(DeliveryError::permanent(format!(
                "{who} is the nick of somebody of this gateway; write to their own address"
            )));
        }
        let (conn, voice) = match posting {
            Posting::Puppets => match self.puppet(running, &delivery.author).await {
                Ok(conn) => (conn, Voice::Own),
                // Better through the bot than not for days.
                Err(error @ NoPuppet::Lost(_)) => return Err(DeliveryError::transient(error.to_string())),
                Err(error) if error == NoPuppet::Full || self.bot.conn().is_some() => {
                    (self.listening_bot().await?, self.voice(&delivery.author).await)
                }
                Err(error) => return Err(DeliveryError::transient(error.to_string())),
            },
            Posting::Relay => (self.listening_bot().await?, self.voice(&delivery.author).await),
        };
        let target = self.addressee(&conn, &delivery.author.id, &delivery.target).await?;
        Ok(Speaker { conn, target, voice })
    }

    async fn speaker_in_room(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: &Delivery,
        target: Target,
        posting: Posting,
    ) -> Result<Speaker, DeliveryError> {
        let room = &delivery.target;
        if posting == Posting::Puppets {
            let why = match self.puppet(running, &delivery.author).await {
                Ok(conn) => match self.enter_room(&conn, &delivery.author.id, room).await {
                    Ok(()) => return Ok(Speaker { conn, target, voice: Voice::Own }),
                    Err(failure) => may_be_relayed(room, &failure)?,
                },
                Err(error @ NoPuppet::Lost(_)) => return Err(DeliveryError::transient(error.to_string())),
                Err(error) => error.to_string(),
            };
            tracing::info!(instance = %self.scope.instance, %room, why, "the bot speaks in place of a puppet");
        }
        let conn = self.bot_in_room(room).await?;
        let mut voice = self.voice(&delivery.author).await;
        if let Voice::Relay { nick, .. } = &mut voice {
            *nick = self.relay_nick(&conn, &target, &delivery.author).await;
        }
        Ok(Speaker { conn, target, voice })
    }

    async fn listening_bot(&self) -> Result<Arc<Conn>, DeliveryError> {
        self.bot.ready(PATIENCE).await.map_err(DeliveryError::transient)
    }

    /// The bot, in the room.
    async fn bot_in_room(&self, id: &RemoteId) -> Result<Arc<Conn>, DeliveryError> {
        let conn = self.listening_bot().await?;
        if let Some(room) = self.rooms.get(id) {
            return room.entered(PATIENCE).await;
        }
        let target = self.names.target(id).map_err(|why| DeliveryError::permanent(format!("`{id}`: {why}")))?;
        if !conn.look(|session| session.is_in(target.as_str())) {
            conn.join(&target, None).await.map_err(|failure| not_in(id, &failure))?;
        }
        Ok(conn)
    }

    /// As whom the bot speaks for somebody.
    async fn voice(&self, author: &Author) -> Voice {
        let label = self.person(author).await.label();
        let shown = nick::without_ping(&label);
        Voice::Relay { prefix: self.config.relay_format.replace("{name}", &shown), label: shown, nick: None }
    }

    /// The nick under which the bot can speak for somebody here, where the server has `RELAYMSG`
    /// and the bot may use it.
    async fn relay_nick(&self, conn: &Conn, target: &Target, author: &Author) -> Option<String> {
        if !conn.look(crate::proto::Session::relays) || !is_operator(conn, target) {
            return None;
        }
        let (separators, longest) =
            conn.look(|session| (session.relay_separators().to_owned(), session.isupport().nick_len()));
        let mut suffix = self.config.relay_suffix.clone();
        if !suffix.contains(|c| separators.contains(c)) {
            suffix.insert(0, separators.chars().next()?);
        }
        let nick = self.person(author).await.wanted_nick("{name}", longest.saturating_sub(suffix.len()).max(3));
        Some(format!("{nick}{suffix}"))
    }
}

/// Whether a connection is an operator of a channel.
pub(super) fn is_operator(conn: &Conn, target: &Target) -> bool {
    conn.look(|session| {
        let Some(channel) = session.channel(target.as_str()) else { return false };
        let own = session.nick();
        let sign =
            channel.members.iter().find(|(nick, _)| session.isupport().same(nick, own)).and_then(|(_, sign)| *sign);
        sign.is_some_and(|sign| matches!(sign, '~' | '&' | '@'))
    })
}

/// Why the puppet is not in, if the bot may speak in its place; else what to tell the author.
fn may_be_relayed(room: &RemoteId, failure: &RequestFailure) -> Result<String, DeliveryError> {
    match failure.kind {
        FailureKind::InviteOnly
        | FailureKind::BadKey
        | FailureKind::NeedsAccount
        | FailureKind::NeedsTls
        | FailureKind::Full
        | FailureKind::TooMany => Ok(why_not_in(room, failure)),
        _ => Err(not_in(room, failure)),
    }
}

fn not_in(room: &RemoteId, failure: &RequestFailure) -> DeliveryError {
    match failure.kind {
        FailureKind::Later | FailureKind::Timeout | FailureKind::Disconnected => {
            DeliveryError::transient(failure.why.clone())
        }
        _ => DeliveryError::permanent(why_not_in(room, failure)),
    }
}
