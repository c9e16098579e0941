//! Getting into rooms and out of them: one occupant for each of our people who is there, and the
//! gateway's own.

use super::pump::Item;
use super::{Room, State};
use crate::instance::{Instance, RESOURCE, Running};
use crate::session::Session;
use crate::xml::{Make, StanzaError, attr, el, ns, stanza};
use minidom::Element;
use monster_bridge_api::{Author, Posting, is_shown};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;
use tokio::sync::watch;

/// How many nicks are tried before giving up.
const NICKS: usize = 6;
/// The longest nick, in characters.
const NICK: usize = 60;

/// Somebody of ours in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Speaker {
    /// Their bare address.
    pub(crate) jid: String,
    /// What they are called.
    pub(crate) name: String,
}

impl Speaker {
    /// Their address with its resource.
    pub(crate) fn full(&self) -> String {
        format!("{}/{RESOURCE}", self.jid)
    }
}

/// One of our occupants.
pub(super) struct Ours {
    speaker: Speaker,
    nick: String,
    standing: watch::Sender<Standing>,
}

/// How an occupant of ours stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not there.
    Out,
    /// On the way in.
    Entering,
    /// There.
    In,
    /// Not let in.
    Refused(StanzaError),
}

impl Ours {
    pub(super) fn lost(&mut self) {
        self.standing.send_replace(Standing::Out);
    }
}

/// Somebody could not get in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnterError {
    /// The room does not let them in.
    #[error("{}", .0.text)]
    Refused(StanzaError),
    /// Not now.
    #[error("{0}")]
    NotNow(String),
}

impl Room {
    /// The nick of one of ours who is in.
    pub(crate) fn nick_of(&self, jid: &str) -> Option<String> {
        let state = self.state.lock();
        state.ours.get(jid).filter(|ours| *ours.standing.borrow() == Standing::In).map(|ours| ours.nick.clone())
    }

    /// The pass that one of our people gave for the room, or else anybody's.
    pub(crate) fn pass_of(&self, author: &Author) -> Option<String> {
        let state = self.state.lock();
        let members = &state.usage.as_ref()?.members;
        let own = members.iter().find(|(member, _)| member.id == author.id).and_then(|(_, pass)| pass.clone());
        own.or_else(|| members.iter().find_map(|(_, pass)| pass.clone()))
    }

    /// One of ours has to come in again.
    pub(crate) fn forget(&self, speaker: &Speaker) {
        self.stands(&speaker.jid, None, &Standing::Out);
    }

    /// Whether a nick is one of ours.
    pub(super) fn is_ours(&self, nick: &str) -> bool {
        self.state.lock().ours.values().any(|ours| ours.nick == nick && *ours.standing.borrow() != Standing::Out)
    }

    /// Which of ours hears for all.
    pub(crate) fn listener(&self) -> Option<Speaker> {
        let state = self.state.lock();
        state.listener.as_ref().and_then(|jid| state.ours.get(jid)).map(|ours| ours.speaker.clone())
    }

    /// How one of ours stands has changed, by what the room said.
    pub(super) fn stands(&self, jid: &str, nick: Option<&str>, standing: &Standing) {
        let mut state = self.state.lock();
        let Some(ours) = state.ours.get_mut(jid) else { return };
        if let Some(nick) = nick {
            nick.clone_into(&mut ours.nick);
        }
        ours.standing.send_replace(standing.clone());
        if *standing != Standing::In && state.listener.as_deref() == Some(jid) {
            let mut others = state.ours.iter().filter(|(_, other)| *other.standing.borrow() == Standing::In);
            let next = others.next().map(|(other, _)| other.clone());
            self.listens(&mut state, next);
        }
    }

    /// From now on this one of ours hears for all, or nobody. What was said while it was somebody else, or
    /// nobody, may have been missed: it is read before anything that is heard from now on.
    fn listens(&self, state: &mut State, listener: Option<String>) {
        if listener.is_some() {
            self.missed.store(true, Ordering::Release);
            // If there is no room for it, the pump is awake, and looks.
            let _ = self.pump.try_send(Item::CatchUp);
        }
        state.listener = listener;
    }
}

impl Instance {
    /// The gateway's own occupant.
    pub(crate) fn bot(&self) -> Speaker {
        Speaker { jid: self.personas.domain().to_owned(), name: self.config.nick.clone() }
    }

    /// Who speaks for an author in rooms, and the name to put before the words if it is the bot.
    pub(crate) fn speaker(&self, author: &Author, posting: Option<Posting>) -> (Speaker, Option<String>) {
        let jid = self.personas.jid_of(&author.id);
        match (posting.unwrap_or(self.config.posting), jid) {
            (Posting::Puppets, Some(jid)) => (Speaker { jid: jid.to_string(), name: author.name.clone() }, None),
            _ => (self.bot(), Some(author.name.clone())),
        }
    }

    /// Gets everybody in who is to be there: first who listens, then those who joined by themselves.
    pub(crate) async fn enter_all(self: Arc<Self>, running: Arc<Running>, room: Arc<Room>) {
        let Some(session) = running.session() else { return };
        self.learn_domain(&running, &session, room.jid.domain().as_str()).await;
        let usage = room.state.lock().usage.clone();
        let members = usage.as_ref().map(|usage| usage.members.clone()).unwrap_or_default();
        let pass = members.iter().find_map(|(_, pass)| pass.clone());
        if let Err(error) = self.enter(&running, &room, &self.bot(), pass.as_deref()).await {
            tracing::info!(instance = %self.scope.instance, room = %room.id, %error, "the gateway is not let into a room");
        }
        let posting = usage.and_then(|usage| usage.posting);
        for (author, pass) in &members {
            let (speaker, relayed) = self.speaker(author, posting);
            if relayed.is_none()
                && let Err(error) = self.enter(&running, &room, &speaker, pass.as_deref()).await
            {
                tracing::info!(instance = %self.scope.instance, room = %room.id, %error, "somebody is not let into a room");
            }
        }
    }

    /// Gets one of ours into a room; `Ok` once they are in.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        running: &Arc<Running>,
        room: &Arc<Room>,
        speaker: &Speaker,
        pass: Option<&str>,
    ) -> Result<(), EnterError> {
        let away = || EnterError::NotNow("the XMPP server is not connected".to_owned());
        let session = running.session().ok_or_else(away)?;
        let nick = nick(&speaker.name);
        for attempt in 0..NICKS {
            let nick = if attempt == 0 { nick.clone() } else { format!("{nick} [{}]", attempt + 1) };
            match self.try_enter(&session, room, speaker, &nick, pass).await? {
                Standing::In => {
                    entered(room, speaker);
                    return Ok(());
                }
                Standing::Refused(error) if error.condition == "conflict" => {}
                Standing::Refused(error) => return Err(EnterError::Refused(error)),
                Standing::Out | Standing::Entering => {
                    return Err(EnterError::NotNow(format!("{} did not answer", room.jid)));
                }
            }
        }
        Err(EnterError::NotNow(format!("every name like `{nick}` is taken in {}", room.jid)))
    }

    /// One attempt, or the wait for one that is under way.
    async fn try_enter(
        &self,
        session: &Arc<Session>,
        room: &Room,
        speaker: &Speaker,
        nick: &str,
        pass: Option<&str>,
    ) -> Result<Standing, EnterError> {
        let gone = |_| EnterError::NotNow("the connection to the XMPP server is gone".to_owned());
        let (mut standing, begins) = {
            let mut state = room.state.lock();
            let ours = state.ours.entry(speaker.jid.clone()).or_insert_with(|| Ours {
                speaker: speaker.clone(),
                nick: nick.to_owned(),
                standing: watch::Sender::new(Standing::Out),
            });
            let now = ours.standing.borrow().clone();
            let begins = !matches!(now, Standing::In | Standing::Entering);
            if begins {
                nick.clone_into(&mut ours.nick);
                ours.standing.send_replace(Standing::Entering);
            }
            (ours.standing.subscribe(), begins)
        };
        if begins {
            let presence = stanza("presence", &speaker.full(), &format!("{}/{nick}", room.jid)).child(request(pass));
            session.send(&presence).await.map_err(gone)?;
        }
        let decided = standing.wait_for(|standing| *standing != Standing::Entering);
        if let Ok(Ok(decided)) = tokio::time::timeout(self.config.ack_timeout(), decided).await {
            return Ok(decided.clone());
        }
        room.stands(&speaker.jid, None, &Standing::Out);
        Ok(Standing::Out)
    }

    /// Takes one of ours out of a room.
    pub(crate) async fn leave(&self, room: &Room, speaker: &Speaker) {
        // If they heard for all, somebody else does from now on.
        room.stands(&speaker.jid, None, &Standing::Out);
        let nick = room.state.lock().ours.remove(&speaker.jid).map(|ours| ours.nick);
        let (Some(nick), Some(session)) = (nick, self.session()) else { return };
        let _ = session.send(&leaving(room, speaker, &nick)).await;
    }

    /// Takes all of ours out of a room.
    pub(crate) async fn leave_all(&self, room: &Room) {
        let ours: Vec<(Speaker, String)> =
            room.state.lock().ours.drain().map(|(_, ours)| (ours.speaker, ours.nick)).collect();
        let Some(session) = self.session() else { return };
        for (speaker, nick) in ours {
            let _ = session.send(&leaving(room, &speaker, &nick)).await;
        }
    }
}

impl Room {
    /// A presence error: somebody was not let in.
    pub(super) fn not_let_in(&self, presence: &Element) {
        let Some(to) = attr(presence, "to").and_then(|to| jid::Jid::new(to).ok()) else { return };
        self.stands(to.to_bare().as_str(), None, &Standing::Refused(StanzaError::of(presence)));
    }
}

/// One of ours is in: if nobody hears for all yet, they do.
fn entered(room: &Room, speaker: &Speaker) {
    let mut state = room.state.lock();
    if state.listener.is_none() || (state.listener.as_deref() == Some(&speaker.jid) && !state.live) {
        state.live = true;
        state.since.get_or_insert_with(SystemTime::now);
        room.listens(&mut state, Some(speaker.jid.clone()));
    }
}

fn leaving(room: &Room, speaker: &Speaker, nick: &str) -> Element {
    stanza("presence", &speaker.full(), &format!("{}/{nick}", room.jid)).with("type", "unavailable")
}

/// The request to get in. No history: what was missed comes from the archive, as far as it is ours.
fn request(pass: Option<&str>) -> Element {
    let x = el("x", ns::MUC).child(el("history", ns::MUC).with("maxstanzas", "0"));
    match pass {
        Some(pass) => x.child(el("password", ns::MUC).words(pass)),
        None => x,
    }
}

/// A name as a nick: what is seen of it, not too long, and as rooms compare it.
pub(crate) fn nick(name: &str) -> String {
    let shown: String = name.chars().filter(|c| is_shown(*c)).take(NICK).collect();
    let normal = jid::ResourcePart::new(shown.trim()).map(|nick| nick.as_str().to_owned());
    normal.ok().filter(|nick| !nick.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

/// The room of an occupant's address, and the nick.
pub(super) fn occupant(address: &str) -> Option<(jid::BareJid, String)> {
    let jid = jid::Jid::new(address).ok()?;
    let nick = jid.resource()?.to_string();
    Some((jid.into_bare(), nick))
}

/// An error about the wrong pass is told apart from other refusals.
pub(crate) fn is_about_pass(error: &StanzaError) -> bool {
    error.condition == "not-authorized"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_makes_a_nick() {
        assert_eq!(nick("Alice"), "Alice");
        assert_eq!(nick(" \u{202e}evil\u{0} "), "evil");
        assert_eq!(nick("\u{200b}"), "somebody");
        assert_eq!(nick(&"x".repeat(500)).len(), NICK);
    }

    #[test]
    fn an_occupant_is_a_room_and_a_nick() {
        let (room, nick) = occupant("Room@Conference.example/Bob Two").unwrap();
        assert_eq!((room.as_str(), nick.as_str()), ("room@conference.example", "Bob Two"));
        assert!(occupant("room@conference.example").is_none());
    }
}
