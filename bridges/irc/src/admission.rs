//! Getting into channels and conversations, and out of them: JOIN with its many refusals, KNOCK and
//! the invitation that follows, kicks.

use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::proto::session::{FailureKind, RequestFailure};
use crate::proto::{BadParam, Middle, Source, Target};
use crate::puppets::NoPuppet;
use crate::rooms::why_not_in;
use monster_bridge_api::{
    Admission, Author, Event, EventKind, PersonaId, Posting, RemoteId, RemoteUser, RequestError, Venue,
};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long a request waits for the bot to be connected or in a channel.
const PATIENCE: Duration = Duration::from_secs(15);
/// Pauses before a puppet comes back after a kick, and then after each further one.
const AFTER_KICK: Duration = Duration::from_secs(5);
const AFTER_KICKS: Duration = Duration::from_mins(10);
/// A kick is forgotten after so long.
const KICK_FORGOTTEN: Duration = Duration::from_mins(30);
/// Requests that may wait for an invitation.
const MOST_ASKED: usize = 10_000;

/// Who has asked to get into which channel and waits for an invitation.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<HashSet<(PersonaId, RemoteId)>>);

/// Which puppets were removed from which channels lately, how often, and when.
#[derive(Debug, Default)]
pub(crate) struct Kicks(Mutex<HashMap<(PersonaId, RemoteId), (u32, Instant)>>);

impl Kicks {
    /// Notes a kick; the pause to make before coming back.
    fn pause_after(&self, persona: &PersonaId, room: &RemoteId, now: Instant) -> Duration {
        let mut kicks = self.0.lock();
        kicks.retain(|_, (_, at)| now.duration_since(*at) < KICK_FORGOTTEN);
        let (count, at) = kicks.entry((persona.clone(), room.clone())).or_insert((0, now));
        let pause = AFTER_KICK.saturating_mul(1 << (*count).min(10)).min(AFTER_KICKS);
        (*count, *at) = (*count + 1, now);
        pause
    }
}

impl Asked {
    /// Takes over what was kept (`asked/<persona>␟<room>`).
    pub(crate) fn load(&self, saved: &[(String, String)]) {
        let pair = |key: &str| {
            let (persona, room) = key.strip_prefix("asked/")?.split_once('\u{1f}')?;
            Some((PersonaId::new(persona), RemoteId::new(room)))
        };
        *self.0.lock() = saved.iter().filter_map(|(key, _)| pair(key)).collect();
    }

    fn add(&self, persona: &PersonaId, room: &RemoteId) {
        let mut asked = self.0.lock();
        if asked.len() < MOST_ASKED {
            asked.insert((persona.clone(), room.clone()));
        }
    }

    /// Who waits to be let into a room.
    fn of_room(&self, room: &RemoteId) -> Vec<PersonaId> {
        self.0.lock().iter().filter(|(_, asked)| asked == room).map(|(persona, _)| persona.clone()).collect()
    }

    fn remove(&self, persona: &PersonaId, room: &RemoteId) -> bool {
        self.0.lock().remove(&(persona.clone(), room.clone()))
    }
}

/// Whose connection goes into a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Their own.
    Own,
    /// The bot's, for them.
    Bots,
}

/// Takes a connection into a room by the first of these keys that opens it.
async fn join(conn: &Conn, target: &Target, keys: Vec<Option<String>>) -> Result<(), RequestFailure> {
    let mut outcome = Err(RequestFailure { kind: FailureKind::Refused, why: "no key is known".to_owned() });
    for key in keys {
        outcome = conn.join(target, key.as_deref()).await;
        if !matches!(&outcome, Err(failure) if failure.kind == FailureKind::BadKey) {
            break;
        }
    }
    outcome
}

fn asked_key(persona: &PersonaId, room: &RemoteId) -> String {
    format!("asked/{persona}\u{1f}{room}")
}

impl Instance {
    /// Lets somebody into a room, or opens their conversation with a person.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        running: &Arc<Running>,
        who: &Author,
        target: &RemoteId,
        pass: Option<&str>,
    ) -> Result<Admission, RequestError> {
        self.names.target(target).map_err(|why| RequestError::Refused(format!("`{target}`: {why}")))?;
        let posting = self.rooms.get(target).and_then(|room| room.posting()).unwrap_or(self.config.mode);
        let pass = pass.filter(|pass| !pass.is_empty());
        let is_channel = self.names.is_channel(target);
        if is_channel && pass.is_some_and(|pass| Middle::new(pass).is_err() || pass.contains(',')) {
            return Ok(Admission::WrongPass);
        }
        self.bot.need();
        let puppet = match posting {
            Posting::Puppets => self.puppet_if_room(running, who).await?,
            Posting::Relay => None,
        };
        let (conn, door) = match puppet {
            Some(conn) => (conn, Door::Own),
            None => (self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable)?, Door::Bots),
        };
        if !is_channel {
            return self.open_conversation(&conn, &who.id, target).await.map(|()| Admission::Accepted);
        }
        let entered = self.come_in(&conn, who, target, pass, door).await;
        if entered.is_ok() && door == Door::Own {
            self.belongs(&conn, &who.id, target).await;
        }
        self.decide(&conn, who, target, entered).await
    }

    /// The puppet of somebody; `None` where there are too many for one more.
    async fn puppet_if_room(
        self: &Arc<Self>,
        running: &Arc<Running>,
        who: &Author,
    ) -> Result<Option<Arc<Conn>>, RequestError> {
        match self.puppet(running, who).await {
            Ok(conn) => Ok(Some(conn)),
            Err(NoPuppet::Full) => Ok(None),
            Err(error) => Err(RequestError::Unavailable(error.to_string())),
        }
    }

    /// Lets somebody into a channel by what they know themselves: a key that somebody else gave, or a
    /// door that was opened for somebody else, lets nobody in.
    async fn come_in(
        &self,
        conn: &Conn,
        who: &Author,
        room: &RemoteId,
        pass: Option<&str>,
        door: Door,
    ) -> Result<(), RequestFailure> {
        let target = self.target(room)?;
        let used = self.rooms.get(room);
        let member = used.as_ref().is_some_and(|used| used.has(&who.id));
        if !conn.look(|session| session.is_in(target.as_str())) {
            let keys = match pass {
                Some(pass) => vec![Some(pass.to_owned())],
                None if member => self.known_keys(room),
                None => vec![None],
            };
            return join(conn, &target, keys).await;
        }
        if pass.is_none() && (member || door == Door::Own) {
            return Ok(());
        }
        let modes = conn.channel_info(&target).await?.modes;
        let fits = pass.is_some_and(|pass| self.known_keys(room).iter().flatten().any(|known| known == pass));
        if modes.contains('k') && !fits {
            return Err(RequestFailure { kind: FailureKind::BadKey, why: "the key is another one".to_owned() });
        }
        if modes.contains('i') && door == Door::Bots && !member {
            let why = format!(
                "it is for invited people, and the gateway's bot would speak for you; an operator can link it: \
                 `{room} link ADDRESS`, said to {}",
                conn.nick()
            );
            return Err(RequestFailure { kind: FailureKind::Refused, why });
        }
        Ok(())
    }

    async fn decide(
        &self,
        conn: &Conn,
        who: &Author,
        room: &RemoteId,
        entered: Result<(), RequestFailure>,
    ) -> Result<Admission, RequestError> {
        let Err(failure) = entered else {
            self.forget_asked(&who.id, room).await;
            return Ok(Admission::Accepted);
        };
        match failure.kind {
            FailureKind::BadKey => Ok(Admission::WrongPass),
            FailureKind::InviteOnly => {
                self.asked.add(&who.id, room);
                self.save(&asked_key(&who.id, room), Some("1")).await;
                self.knock(conn, who, room).await;
                Ok(Admission::Waiting)
            }
            FailureKind::Later | FailureKind::Timeout | FailureKind::Disconnected => {
                Err(RequestError::Unavailable(failure.why))
            }
            FailureKind::Unknown => Err(RequestError::Unknown(failure.why)),
            _ => Err(RequestError::Refused(why_not_in(room, &failure))),
        }
    }

    async fn knock(&self, conn: &Conn, who: &Author, room: &RemoteId) {
        let Ok(target) = self.names.target(room) else { return };
        let words = format!("{} would like to come in", crate::nick::label_of(&who.name, who.id.as_str()));
        if let Err(error) = conn.knock(&target, &words).await {
            // Without KNOCK the person is told to wait all the same: an operator can invite them.
            tracing::debug!(%room, %error, "the server did not take a knock");
        }
    }

    async fn forget_asked(&self, persona: &PersonaId, room: &RemoteId) {
        if self.asked.remove(persona, room) {
            self.save(&asked_key(persona, room), None).await;
        }
    }

    /// Takes the puppet of somebody who is let in into a room, by the keys that are known, and remembers
    /// that it belongs there.
    pub(crate) async fn enter_room(
        &self,
        conn: &Arc<Conn>,
        persona: &PersonaId,
        room: &RemoteId,
    ) -> Result<(), RequestFailure> {
        let target = self.target(room)?;
        if !conn.look(|session| session.is_in(target.as_str())) {
            join(conn, &target, self.known_keys(room)).await?;
        }
        self.belongs(conn, persona, room).await;
        Ok(())
    }

    /// A puppet that is in a room belongs there from now on.
    async fn belongs(&self, conn: &Arc<Conn>, persona: &PersonaId, room: &RemoteId) {
        self.update_person(persona, |person| person.rooms.insert(room.clone())).await;
        if let Some(room) = self.rooms.get(room) {
            room.puppet_came(conn);
        }
    }

    fn target(&self, room: &RemoteId) -> Result<Target, RequestFailure> {
        let refused = |why: BadParam| RequestFailure { kind: FailureKind::Refused, why: why.to_string() };
        self.names.target(room).map_err(refused)
    }

    /// The keys that may open a room, at least one entry: none, if no key is known.
    fn known_keys(&self, room: &RemoteId) -> Vec<Option<String>> {
        self.rooms.get(room).map_or_else(|| vec![None], |room| room.keys())
    }

    /// Takes somebody out of a room, or closes their conversation with a person.
    pub(crate) async fn dismiss(&self, who: &Author, target: &RemoteId) -> Result<(), RequestError> {
        self.forget_asked(&who.id, target).await;
        if !self.names.is_channel(target) {
            self.close_conversation(&who.id, target).await;
            return Ok(());
        }
        self.update_person(&who.id, |person| person.rooms.remove(target)).await;
        let Some(conn) = self.puppets.conn_of(&who.id) else { return Ok(()) };
        let target = self.names.target(target).map_err(|why| RequestError::Refused(why.to_string()))?;
        if !conn.look(|session| session.is_in(target.as_str())) {
            return Ok(());
        }
        match conn.part(&target, "").await {
            Err(failure) if conn.is_up() => Err(RequestError::Unavailable(failure.why)),
            // Whoever is not connected is in no channel.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A puppet was invited: if it waited for that, it goes in; otherwise the person is told.
    pub(crate) fn invited(
        self: &Arc<Self>,
        running: &Arc<Running>,
        conn: &Arc<Conn>,
        persona: &PersonaId,
        by: &Source,
        channel: &str,
    ) {
        let Ok(room) = self.names.id_of(channel) else { return };
        let (instance, conn, persona, by) = (Arc::clone(self), Arc::clone(conn), persona.clone(), by.nick.clone());
        let task = Arc::clone(running);
        running.spawn("invitation", async move {
            if !instance.asked.remove(&persona, &room) {
                return tell(&task, &persona, &room, EventKind::Notice(format!("{by} invites you to {room}"))).await;
            }
            let kind = match instance.enter_room(&conn, &persona, &room).await {
                Ok(()) => EventKind::Decided(Admission::Accepted),
                Err(failure) => EventKind::Notice(why_not_in(&room, &failure)),
            };
            tell(&task, &persona, &room, kind).await;
            instance.save(&asked_key(&persona, &room), None).await;
        });
    }

    /// The bot was invited: it goes in, and so do those who wait and for whom it speaks there.
    pub(crate) fn bot_invited(self: &Arc<Self>, running: &Arc<Running>, conn: &Arc<Conn>, channel: &str) {
        let Ok(id) = self.names.id_of(channel) else { return };
        let used = self.rooms.get(&id);
        if let Some(room) = &used {
            room.retry();
        }
        if used.and_then(|room| room.posting()).unwrap_or(self.config.mode) == Posting::Puppets {
            return;
        }
        let (instance, task, conn) = (Arc::clone(self), Arc::clone(running), Arc::clone(conn));
        running.spawn("invitation of the bot", async move {
            let waiting = instance.asked.of_room(&id);
            let Ok(target) = instance.target(&id) else { return };
            if waiting.is_empty() || join(&conn, &target, vec![None]).await.is_err() {
                return;
            }
            for persona in waiting {
                tell(&task, &persona, &id, EventKind::Decided(Admission::Accepted)).await;
                instance.forget_asked(&persona, &id).await;
            }
        });
    }

    /// A puppet was removed from a channel: the person is told, and it comes back after a moment,
    /// unless it is banned.
    pub(crate) fn kicked(
        self: &Arc<Self>,
        running: &Arc<Running>,
        conn: &Arc<Conn>,
        persona: &PersonaId,
        channel: &str,
        by: &str,
        reason: Option<&str>,
    ) {
        let Ok(room) = self.names.id_of(channel) else { return };
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let words = format!("{by} removed you from {room}{reason}");
        let pause = self.kicks.pause_after(persona, &room, Instant::now());
        let (instance, conn, persona) = (Arc::clone(self), Arc::clone(conn), persona.clone());
        let task = Arc::clone(running);
        running.spawn("kick", async move {
            tell(&task, &persona, &room, EventKind::Notice(words)).await;
            tokio::time::sleep(pause).await;
            let wanted = instance.people.get(&persona).is_some_and(|person| person.rooms.contains(&room));
            if !wanted || !conn.is_up() {
                return;
            }
            // (It belongs to the room still: this only goes in again.)
            if let Err(failure) = instance.enter_room(&conn, &persona, &room).await {
                instance.update_person(&persona, |person| person.rooms.remove(&room)).await;
                tell(&task, &persona, &room, EventKind::Notice(why_not_in(&room, &failure))).await;
            }
        });
    }
}

/// Tells a person something about a room.
async fn tell(running: &Running, persona: &PersonaId, room: &RemoteId, kind: EventKind) {
    let event = Event {
        id: running.own_id(),
        venue: Venue::Private(persona.clone()),
        author: RemoteUser { id: room.clone(), name: room.to_string(), picture: None },
        at: SystemTime::now(),
        key: None,
        kind,
        persona: None,
        cursor: None,
    };
    // Refused if nobody is concerned; there is nobody else to be told.
    drop(running.accept(event).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_removed_again_and_again_comes_back_more_and_more_slowly() {
        let (kicks, start) = (Kicks::default(), Instant::now());
        let (alice, room) = (PersonaId::new("@alice:gw"), RemoteId::new("#a"));
        let pauses: Vec<_> = (0..20).map(|_| kicks.pause_after(&alice, &room, start)).collect();
        assert_eq!(pauses[..3], [AFTER_KICK, AFTER_KICK * 2, AFTER_KICK * 4]);
        assert_eq!(pauses[19], AFTER_KICKS);
        assert_eq!(kicks.pause_after(&alice, &room, start + KICK_FORGOTTEN), AFTER_KICK);
        assert_eq!(kicks.pause_after(&PersonaId::new("@bob:gw"), &room, start), AFTER_KICK);
    }
}
