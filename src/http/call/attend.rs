//! The life of one guest's socket: it is invited, joins, is in the call, and is told how it ended.

use super::{Door, Seat};
use crate::calls::{Guest, GuestError, Guests, Invited, NoLink, Role};
use crate::monster::{Socket, farewell};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::json;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// The longest name of a guest, in characters.
const NAME: usize = 64;
/// How often a guest is asked for a sign of life. One that gave none for two such times is gone.
const PULSE: Duration = Duration::from_secs(20);
/// How long a guest may take to read what it is sent.
const SEND: Duration = Duration::from_secs(10);

/// Why a socket is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The call is over, and was said to be.
    Over,
    /// Nobody can join by the link (any more).
    NoLink,
    /// Nobody joined in time.
    Late,
    /// This address tries too often, or has too many sockets.
    TooMany,
    /// The guest sent what is not understood.
    Wrong(String),
    /// The guest is not there any more.
    Gone,
}

impl End {
    fn close(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Over => (CloseCode::Normal, "the call is over"),
            Self::NoLink => (CloseCode::Library(4404), "nobody can join by this link any more"),
            Self::Late => (CloseCode::Library(4408), "nobody joined in time"),
            Self::TooMany => (CloseCode::Library(4429), "too many tries from your address; wait a minute"),
            Self::Wrong(why) => (CloseCode::Policy, why.as_str()),
            Self::Gone => return None,
        };
        // A close frame has room for 123 bytes (RFC 6455 §5.5).
        let end = (0..=reason.len().min(123)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or_default();
        Some(CloseFrame { code, reason: reason[..end].to_owned().into() })
    }
}

/// What the guest says first.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum First {
    /// They join, and are called this.
    Join { name: String },
}

/// Runs a guest's socket to its end.
pub(super) async fn attend(door: &Door, mut socket: Socket, token: &str, from: IpAddr, seat: Option<Seat>) {
    let end = match (&door.links.guests, seat, door.guesses.must_wait(from)) {
        (_, None, _) | (_, _, Some(_)) => End::TooMany,
        (None, Some(_), None) => End::NoLink,
        (Some(guests), Some(_seat), None) => {
            if let Ok(invited) = guests.look(token) {
                run(door, guests, &invited, token, &mut socket).await
            } else {
                door.guesses.count_once(from, token);
                End::NoLink
            }
        }
    };
    tracing::debug!(%from, ?end, "a guest's socket ends");
    farewell(socket, end.close(), false).await;
}

async fn run(door: &Door, guests: &Guests, invited: &Invited, token: &str, socket: &mut Socket) -> End {
    match invite(door, invited, socket).await {
        Err(end) => end,
        Ok(name) => match guests.join(token, &name) {
            Err(NoLink) => End::NoLink,
            Ok(mut guest) => take_part(&mut guest, socket).await,
        },
    }
}

/// Tells what the link is for, and waits until the guest says their name.
async fn invite(door: &Door, invited: &Invited, socket: &mut Socket) -> Result<String, End> {
    let invitation = &invited.invitation;
    let told = json!({
        "type": "invitation",
        "callId": invitation.call_id,
        "caller": invitation.name,
        "media": invitation.media,
        "role": match invitation.role {
            Role::Caller => "caller",
            Role::Callee => "callee",
        },
        "iceServers": door.links.ice.for_user("guest", door.links.environment.now_ms()),
    });
    say(socket, told.to_string()).await?;
    let mut pulse = Pulse::new();
    loop {
        let heard = tokio::select! {
            heard = hear(socket) => heard?,
            _ = pulse.clock.tick() => {
                pulse.ask(socket).await?;
                continue;
            }
            () = sleep_until(invited.until) => return Err(End::Late),
            () = invited.over.cancelled() => return Err(End::NoLink),
        };
        pulse.felt();
        let Some(text) = heard else { continue };
        let First::Join { name } = serde_json::from_str(&text)
            .map_err(|_| End::Wrong("expected {\"type\":\"join\",\"name\":…}".to_owned()))?;
        return name_of(&name);
    }
}

fn name_of(name: &str) -> Result<String, End> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        return Err(End::Wrong(format!("`name` must have 1 to {NAME} characters, and no control characters")));
    }
    Ok(name.to_owned())
}

/// Passes call contexts on, both ways, until the call is over or the guest is gone.
async fn take_part(guest: &mut Guest, socket: &mut Socket) -> End {
    let mut pulse = Pulse::new();
    loop {
        let step = tokio::select! {
            told = guest.next() => match told {
                Some(context) => say(socket, context).await,
                None => Err(End::Over),
            },
            heard = hear(socket) => {
                pulse.felt();
                match heard {
                    Ok(Some(context)) => pass_on(guest, socket, &context).await,
                    Ok(None) => Ok(()),
                    Err(end) => Err(end),
                }
            }
            _ = pulse.clock.tick() => pulse.ask(socket).await,
        };
        if let Err(end) = step {
            return end;
        }
    }
}

async fn pass_on(guest: &mut Guest, socket: &mut Socket, context: &str) -> Result<(), End> {
    match guest.hear(context).await {
        Ok(()) => Ok(()),
        Err(GuestError::Malformed(why)) => Err(End::Wrong(why)),
        Err(GuestError::Refused(why)) => say(socket, json!({ "type": "refused", "error": why }).to_string()).await,
    }
}

/// The next text; `None` for another sign of life. May be dropped while it waits.
async fn hear(socket: &mut Socket) -> Result<Option<String>, End> {
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Ok(Some(text.as_str().to_owned())),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(End::Wrong("expected text messages".to_owned())),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
    }
}

async fn say(socket: &mut Socket, text: String) -> Result<(), End> {
    send(socket, Message::text(text)).await
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(SEND, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Gone),
    }
}

/// Signs of life.
struct Pulse {
    clock: Interval,
    last: Instant,
}

impl Pulse {
    fn new() -> Self {
        let mut clock = interval_at(Instant::now() + PULSE, PULSE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { clock, last: Instant::now() }
    }

    /// Asks for one, unless it was asked in vain before.
    async fn ask(&self, socket: &mut Socket) -> Result<(), End> {
        if self.last.elapsed() > 2 * PULSE {
            return Err(End::Gone);
        }
        send(socket, Message::Ping(Vec::new().into())).await
    }

    fn felt(&mut self) {
        self.last = Instant::now();
    }
}
