//! Contacts: subscriptions to presence (RFC 6121 §3) as Monster's 1001 and 1004, and presences.

use crate::config::Mode;
use crate::instance::{Instance, RESOURCE, Running};
use crate::session::{Gone, Session};
use crate::xml::{Make, attr, el, ns, stanza, text_of};
use jid::BareJid;
use minidom::Element;
use monster_bridge_api::{
    Accepted, Admission, Author, Event, EventKind, Hint, PersonaId, Presence, RemoteId, RequestError, Venue,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// Under which keys contacts are kept.
const KEPT: &str = "contact/";
/// How long a request waits for somebody who answers at once.
const AT_ONCE: Duration = Duration::from_secs(3);

/// One of ours, and one of theirs, by bare address.
pub(super) type Pair = (String, String);

/// How the two stand.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own (RFC 6121, appendix A)")]
pub(super) struct Contact {
    /// They may see our presence.
    from: bool,
    /// We may see theirs, and so they agreed.
    to: bool,
    /// They have asked, and nobody has answered.
    asked_us: bool,
    /// We have asked.
    asked_them: bool,
    decided: watch::Sender<Option<Admission>>,
}

impl Contact {
    fn kept(&self) -> String {
        [(self.from, 'f'), (self.to, 't'), (self.asked_us, 'u'), (self.asked_them, 'a')]
            .iter()
            .filter_map(|(set, letter)| set.then_some(*letter))
            .collect()
    }

    fn of(kept: &str) -> Self {
        Self {
            from: kept.contains('f'),
            to: kept.contains('t'),
            asked_us: kept.contains('u'),
            asked_them: kept.contains('a'),
            decided: watch::Sender::new(None),
        }
    }
}

impl super::People {
    /// The prefix of the keys to load.
    pub(crate) const fn kept() -> &'static str {
        KEPT
    }

    /// Takes over the contacts that were kept.
    pub(crate) fn load(&self, kept: Vec<(String, String)>) {
        let mut contacts = self.contacts.lock();
        for (key, value) in kept {
            if let Some((ours, theirs)) = key.strip_prefix(KEPT).and_then(|pair| pair.split_once(' ')) {
                contacts.insert((ours.to_owned(), theirs.to_owned()), Contact::of(&value));
            }
        }
    }
}

impl Instance {
    async fn change(&self, running: &Running, pair: &Pair, change: impl FnOnce(&mut Contact)) {
        let kept = {
            let mut contacts = self.people.contacts.lock();
            let contact = contacts.entry(pair.clone()).or_default();
            change(contact);
            contact.kept()
        };
        let key = format!("{KEPT}{} {}", pair.0, pair.1);
        running.save(&key, Some(kept.as_str()).filter(|kept| !kept.is_empty())).await;
    }

    fn pair(&self, who: &PersonaId, target: &RemoteId) -> Result<Pair, RequestError> {
        let ours = self.personas.jid_of(who);
        let ours = ours.ok_or_else(|| RequestError::Refused(format!("{who} is too long to be an address of XMPP")))?;
        Ok((ours.to_string(), target.as_str().to_owned()))
    }

    /// Asks somebody to be a contact of one of ours, or agrees to what they asked.
    pub(crate) async fn befriend(
        &self,
        running: &Running,
        who: &Author,
        target: &RemoteId,
        pass: Option<&str>,
    ) -> Result<Admission, RequestError> {
        let away = |_: Gone| RequestError::Unavailable("the XMPP server is not connected".to_owned());
        let session = running.session().ok_or(Gone).map_err(away)?;
        if self.config.mode == Mode::Account {
            // The account speaks for everybody: there is nobody whom they could agree to.
            return Ok(Admission::Accepted);
        }
        let pair = self.pair(&who.id, target)?;
        let (asked_us, mutual) = {
            let contacts = self.people.contacts.lock();
            let contact = contacts.get(&pair);
            (contact.is_some_and(|c| c.asked_us), contact.is_some_and(|c| c.to))
        };
        if asked_us {
            self.agree(running, &session, &pair, who).await.map_err(away)?;
        }
        if mutual {
            return Ok(Admission::Accepted);
        }
        let mut decided = {
            let mut contacts = self.people.contacts.lock();
            let contact = contacts.entry(pair.clone()).or_default();
            contact.decided.send_replace(None);
            contact.decided.subscribe()
        };
        self.change(running, &pair, |contact| contact.asked_them = true).await;
        let mut subscribe = presence(&pair, "subscribe").child(el("nick", ns::NICK).words(who.name.as_str()));
        if let Some(pass) = pass {
            subscribe.append_child(el("status", ns::CLIENT).words(pass));
        }
        session.send(&subscribe).await.map_err(away)?;
        // Who wrote first has agreed by that.
        if asked_us {
            return Ok(Admission::Accepted);
        }
        match tokio::time::timeout(AT_ONCE, decided.wait_for(Option::is_some)).await {
            Ok(Ok(admission)) => Ok(admission.unwrap_or(Admission::Waiting)),
            _ => Ok(Admission::Waiting),
        }
    }

    async fn agree(&self, running: &Running, session: &Session, pair: &Pair, who: &Author) -> Result<(), Gone> {
        self.change(running, pair, |contact| (contact.asked_us, contact.from) = (false, true)).await;
        session.send(&presence(pair, "subscribed")).await?;
        session.send(&available(pair, Some(who.name.as_str()))).await
    }

    /// Ends a contact.
    pub(crate) async fn unfriend(
        &self,
        running: &Running,
        who: &Author,
        target: &RemoteId,
    ) -> Result<(), RequestError> {
        let away = |_: Gone| RequestError::Unavailable("the XMPP server is not connected".to_owned());
        let session = running.session().ok_or(Gone).map_err(away)?;
        if self.config.mode == Mode::Account {
            return Ok(());
        }
        let pair = self.pair(&who.id, target)?;
        if self.people.contacts.lock().remove(&pair).is_some() {
            running.save(&format!("{KEPT}{} {}", pair.0, pair.1), None).await;
        }
        session.send(&presence(&pair, "unsubscribed")).await.map_err(away)?;
        session.send(&presence(&pair, "unsubscribe")).await.map_err(away)
    }

    /// A presence from somebody to one of ours.
    pub(crate) async fn contact_presence(self: &Arc<Self>, running: &Arc<Running>, presence_: &Element) {
        let address = |name: &'static str| attr(presence_, name).and_then(|jid| jid::Jid::new(jid).ok());
        let (Some(from), Some(to)) = (address("from"), address("to")) else { return };
        let (from, to) = (from.into_bare(), to.into_bare());
        let Some(session) = running.session() else { return };
        let pair = (to.to_string(), from.to_string());
        let nick = text_of(presence_, "nick", ns::NICK).filter(|nick| !nick.trim().is_empty());
        self.people.note(&RemoteId::new(from.as_str()), |known| {
            if nick.is_some() {
                known.nick = nick;
            }
        });
        let Some(persona) = self.personas.persona_of(&to) else {
            return self.bot_presence(&session, presence_, &pair).await;
        };
        match presence_.attr("type") {
            None | Some("unavailable") => {
                if let Some(device) = attr(presence_, "from").and_then(|jid| jid::Jid::new(jid).ok()) {
                    self.calls.presence(&device, presence_.attr("type").is_none());
                }
                self.seen(running, &from, presence_);
            }
            Some("probe") if self.people.contacts.lock().get(&pair).is_some_and(|contact| contact.from) => {
                let _ = session.send(&available(&pair, None)).await;
            }
            Some("subscribe") => self.asked(running, &session, &pair, &from, persona, presence_).await,
            Some("subscribed") => {
                self.change(running, &pair, |contact| (contact.to, contact.asked_them) = (true, false)).await;
                self.decided(running, &pair, &from, persona, Admission::Accepted).await;
            }
            Some("unsubscribed") => {
                let asked = self.people.contacts.lock().get(&pair).is_some_and(|contact| contact.asked_them);
                let had = self.people.contacts.lock().get(&pair).is_some_and(|contact| contact.to);
                self.change(running, &pair, |contact| (contact.to, contact.asked_them) = (false, false)).await;
                if asked {
                    self.decided(running, &pair, &from, persona, Admission::Refused).await;
                } else if had {
                    let event = self.private_event(running, &from, persona, EventKind::Closed);
                    running.accept(event).await;
                }
            }
            Some("unsubscribe") => {
                self.change(running, &pair, |contact| (contact.from, contact.asked_us) = (false, false)).await;
                let _ = session.send(&presence(&pair, "unsubscribed")).await;
            }
            _ => {}
        }
    }

    /// The gateway itself is everybody's contact who asks.
    async fn bot_presence(&self, session: &Session, presence_: &Element, pair: &Pair) {
        let answers = match presence_.attr("type") {
            Some("subscribe") => {
                vec![presence(pair, "subscribed"), available(pair, Some(&self.config.nick))]
            }
            Some("probe") => vec![available(pair, None)],
            _ => Vec::new(),
        };
        for answer in answers {
            let _ = session.send(&answer).await;
        }
    }

    async fn asked(
        self: &Arc<Self>,
        running: &Arc<Running>,
        session: &Session,
        pair: &Pair,
        from: &BareJid,
        persona: PersonaId,
        subscribe: &Element,
    ) {
        self.change(running, pair, |contact| contact.asked_us = true).await;
        let pass = text_of(subscribe, "status", ns::CLIENT).filter(|words| !words.is_empty());
        let event = self.private_event(running, from, persona, EventKind::Request { pass });
        let Some(outcomes) = running.accept_all(vec![event]).await else { return };
        match outcomes.into_iter().next() {
            // They are in touch already: nobody needs to be asked.
            Some(Ok(Accepted::Unconcerned)) => {
                self.change(running, pair, |contact| (contact.asked_us, contact.from) = (false, true)).await;
                let _ = session.send(&presence(pair, "subscribed")).await;
                let _ = session.send(&available(pair, None)).await;
            }
            Some(Err(_)) => {
                self.change(running, pair, |contact| contact.asked_us = false).await;
                let _ = session.send(&presence(pair, "unsubscribed")).await;
            }
            _ => {}
        }
    }

    async fn decided(&self, running: &Running, pair: &Pair, from: &BareJid, persona: PersonaId, admission: Admission) {
        let waited_for = {
            let contacts = self.people.contacts.lock();
            let sender = contacts.get(pair).map(|contact| contact.decided.clone());
            sender.is_some_and(|decided| {
                decided.send_replace(Some(admission));
                decided.receiver_count() > 0
            })
        };
        // Whoever waits in `befriend` gives the answer there.
        if !waited_for {
            let event = self.private_event(running, from, persona, EventKind::Decided(admission));
            running.accept(event).await;
        }
    }

    fn seen(&self, running: &Running, from: &BareJid, presence_: &Element) {
        let status = text_of(presence_, "status", ns::CLIENT).filter(|words| !words.is_empty());
        let show = text_of(presence_, "show", ns::CLIENT);
        let now = match (presence_.attr("type"), show.as_deref()) {
            (Some(_), _) => Presence::Offline,
            (None, Some("away" | "xa" | "dnd")) => Presence::Away,
            (None, _) => Presence::Online,
        };
        let mut changed = false;
        self.people.note(&RemoteId::new(from.as_str()), |known| {
            changed = known.presence.replace(now) != Some(now);
            known.status = status;
        });
        if changed {
            running.host.hint(Hint::Presence { user: self.user(from), presence: now });
        }
    }

    /// Something that somebody did towards one of ours.
    pub(super) fn private_event(
        &self,
        running: &Running,
        from: &BareJid,
        persona: PersonaId,
        kind: EventKind,
    ) -> Event {
        Event {
            id: running.own_id(),
            venue: Venue::Private(persona),
            author: self.user(from),
            persona: None,
            at: SystemTime::now(),
            key: None,
            kind,
            cursor: None,
        }
    }

    /// One of ours is here, or is not: everybody who may know is told.
    pub(crate) fn tell_presence(&self, who: &Author, to: &RemoteId, now: Presence) {
        let (Some(session), Ok(pair)) = (self.session(), self.pair(&who.id, to)) else { return };
        if !self.people.contacts.lock().get(&pair).is_some_and(|contact| contact.from) {
            return;
        }
        let presence = available(&pair, Some(who.name.as_str()));
        session.send_if_room(&match now {
            Presence::Online => presence,
            Presence::Away => presence.child(el("show", ns::CLIENT).words("away")),
            Presence::Offline => presence.with("type", "unavailable"),
        });
    }
}

/// The presence of one of ours who is here.
fn available(pair: &Pair, name: Option<&str>) -> Element {
    let presence = stanza("presence", &format!("{}/{RESOURCE}", pair.0), &pair.1).child(crate::info::caps());
    match name {
        Some(name) => presence.child(el("nick", ns::NICK).words(name)),
        None => presence,
    }
}

fn presence(pair: &Pair, kind: &str) -> Element {
    stanza("presence", &pair.0, &pair.1).with("type", kind)
}
