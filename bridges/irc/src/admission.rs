//! Getting into channels and conversations, and out of them: JOIN with its many refusals, KNOCK and
//! the invitation that follows, kicks.

use crate::conn::Conn;
use crate::instance::{Instance, Running};
use crate::proto::session::{FailureKind, RequestFailure};
use crate::proto::{Middle, Source};
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

    fn remove(&self, persona: &PersonaId, room: &RemoteId) -> bool {
        self.0.lock().remove(&(persona.clone(), room.clone()))
    }
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
        if !self.names.is_channel(target) {
            let conn = match posting {
                Posting::Puppets => self.puppet_or_bot(running, who).await?,
                Posting::Relay => self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable)?,
            };
            return self.open_conversation(&conn, &who.id, target).await.map(|()| Admission::Accepted);
        }
        let pass = pass.filter(|pass| !pass.is_empty());
        if pass.is_some_and(|pass| Middle::new(pass).is_err() || pass.contains(',')) {
            return Ok(Admission::WrongPass);
        }
        self.bot.need();
        match posting {
            Posting::Puppets => {
                let conn = self.puppet_or_bot(running, who).await?;
                let entered = self.enter_room(&conn, &who.id, target, pass).await;
                self.decide(&conn, who, target, entered).await
            }
            Posting::Relay => {
                let conn = self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable)?;
                let entered = self.join(&conn, target, pass).await;
                self.decide(&conn, who, target, entered).await
            }
        }
    }

    async fn puppet_or_bot(self: &Arc<Self>, running: &Arc<Running>, who: &Author) -> Result<Arc<Conn>, RequestError> {
        match self.puppet(running, who).await {
            Ok(conn) => Ok(conn),
            Err(NoPuppet::Full) => self.bot.ready(PATIENCE).await.map_err(RequestError::Unavailable),
            Err(error) => Err(RequestError::Unavailable(error.to_string())),
        }
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

    /// Takes somebody's puppet into a room, and remembers that it belongs there.
    pub(crate) async fn enter_room(
        &self,
        conn: &Arc<Conn>,
        persona: &PersonaId,
        room: &RemoteId,
        pass: Option<&str>,
    ) -> Result<(), RequestFailure> {
        self.join(conn, room, pass).await?;
        self.update_person(persona, |person| person.rooms.insert(room.clone())).await;
        if let Some(room) = self.rooms.get(room) {
            room.puppet_came(conn);
        }
        Ok(())
    }

    /// Takes a connection into a room, with the pass or else with the keys that are known.
    async fn join(&self, conn: &Conn, room: &RemoteId, pass: Option<&str>) -> Result<(), RequestFailure> {
        let refused = |why: String| RequestFailure { kind: FailureKind::Refused, why };
        let target = self.names.target(room).map_err(|why| refused(why.to_string()))?;
        if conn.look(|session| session.is_in(target.as_str())) {
            return Ok(());
        }
        let keys = match pass {
            Some(pass) => vec![Some(pass.to_owned())],
            None => self.rooms.get(room).map_or_else(|| vec![None], |room| room.keys()),
        };
        let mut outcome = Err(refused("no key is known".to_owned()));
        for key in keys {
            outcome = conn.join(&target, key.as_deref()).await;
            if !matches!(&outcome, Err(failure) if failure.kind == FailureKind::BadKey) {
                break;
            }
        }
        outcome
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
            let kind = match instance.enter_room(&conn, &persona, &room, None).await {
                Ok(()) => EventKind::Decided(Admission::Accepted),
                Err(failure) => EventKind::Notice(why_not_in(&room, &failure)),
            };
            tell(&task, &persona, &room, kind).await;
            instance.save(&asked_key(&persona, &room), None).await;
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
            if let Err(failure) = instance.enter_room(&conn, &persona, &room, None).await {
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
