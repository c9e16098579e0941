//! Calls by Jingle (XEP-0166) and the messages before it (XEP-0353), between people of XMPP and people
//! of other networks: which stanzas are a call's, which call they belong to, and who can be called.
//!
//! What a stanza means to a call is the crate `monster-jingle`'s business. `talk` is one call at work, a
//! task each; `devices` knows which of somebody's devices take calls. `hear` hands stanzas over, in
//! their order, and `lib` the steps of the core; nothing else in the bridge looks into either.

mod devices;
mod talk;

use crate::instance::{Instance, RESOURCE, Running};
use crate::names;
use crate::xml::{self, Make, StanzaError, el, ns, stanza};
use devices::Devices;
use jid::Jid;
use minidom::Element;
use monster_bridge_api::{CallDelivery, CallError, CallStep, PersonaId, RemoteId, RemoteUser};
use monster_jingle::{Action, Dialogue, Jingle, Message, MessageKind, Refused, lower_wins};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use talk::{Talk, Told};
use tokio::sync::{mpsc, oneshot};

/// How many calls may go on at once.
const AT_ONCE: usize = 4096;
/// How many stanzas and steps of one call may wait.
const WAITING: usize = 64;

/// All calls.
#[derive(Default)]
pub(crate) struct Calls {
    going: Mutex<HashMap<Key, Going>>,
    devices: Devices,
}

/// Whose call, by bare address, and the id of its session.
type Key = (RemoteId, String);

/// A call, as others see it.
struct Going {
    tell: mpsc::Sender<Told>,
    /// Who is at the other end.
    persona: PersonaId,
    /// It is one to XMPP that nobody has answered.
    calling: Arc<AtomicBool>,
}

/// Whether a stanza is a step of a call.
pub(crate) fn is_step(stanza: &Element) -> bool {
    payload(stanza).is_some()
}

fn payload(stanza: &Element) -> Option<&Element> {
    stanza.children().find(|child| child.is("jingle", monster_jingle::ns::JINGLE) || Message::is(child))
}

impl Calls {
    /// Everything ends.
    pub(crate) fn clear(&self) {
        self.going.lock().clear();
        self.devices.clear();
    }

    fn tell(&self, key: &Key, told: Told) -> Result<(), Told> {
        let tell = self.going.lock().get(key).map(|going| going.tell.clone());
        match tell {
            Some(tell) => tell.try_send(told).map_err(mpsc::error::TrySendError::into_inner),
            None => Err(told),
        }
    }

    /// A device is there, or no longer: then no call goes on with it.
    pub(crate) fn presence(&self, device: &Jid, is_there: bool) {
        if is_there {
            return self.devices.note(device);
        }
        self.devices.forget(device);
        let peer = RemoteId::new(device.to_bare().as_str());
        let going = self.going.lock();
        for going in going.iter().filter(|((whose, _), _)| *whose == peer).map(|(_, going)| going) {
            // (Who has too much to do to hear of it, hears it by what is not answered.)
            let _ = going.tell.try_send(Told::Gone(device.to_string()));
        }
    }

    fn forget(&self, key: &Key) {
        self.going.lock().remove(key);
    }

    /// Of two calls between the same two people that cross, one goes on: `Err` if it is ours.
    fn settle_crossing(&self, peer: &RemoteId, persona: &PersonaId, sid: &str) -> Result<(), ()> {
        let going = self.going.lock();
        let crosses = |(key, going): &(&Key, &Going)| {
            key.0 == *peer && key.1 != sid && going.persona == *persona && going.calling.load(Ordering::Relaxed)
        };
        match going.iter().find(crosses) {
            Some(((_, ours), _)) if lower_wins(ours, sid) => Err(()),
            Some((_, going)) => {
                let _ = going.tell.try_send(Told::Outrun);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Instance {
    /// Takes a stanza of a call.
    pub(crate) fn call_stanza(self: &Arc<Self>, running: &Arc<Running>, from: &Jid, to: &Jid, stanza: &Element) {
        let is_error = stanza.attr("type") == Some("error");
        let Some(payload) = payload(stanza) else { return };
        if stanza.name() == "message" {
            // What was kept for somebody does not ring any more.
            if stanza.has_child("delay", ns::DELAY) || stanza.attr("type") == Some("groupchat") {
                return;
            }
            let Ok(message) = Message::of_element(payload) else { return };
            let told = if is_error {
                Told::Bounced(StanzaError::of(stanza).text)
            } else {
                Told::Message { from: from.to_string(), message }
            };
            return self.call_message(running, from, to, told);
        }
        if stanza.attr("type") == Some("set") {
            self.call_question(running, from, to, stanza, payload);
        }
    }

    fn call_message(self: &Arc<Self>, running: &Arc<Running>, from: &Jid, to: &Jid, told: Told) {
        let Told::Message { message, .. } = &told else { return self.call_bounced(from, told) };
        let key = (RemoteId::new(from.to_bare().as_str()), message.id.clone());
        let begins = matches!(message.kind, MessageKind::Propose(_));
        let Err(told) = self.calls.tell(&key, told) else { return };
        if !begins {
            return;
        }
        let Some(persona) = self.callable(from, to) else { return };
        if self.calls.settle_crossing(&key.0, &persona, &key.1).is_err() {
            let Some(session) = running.session() else { return };
            let refusal = Message::tie_break(&key.1).to_element();
            let message = stanza("message", &ours(to), from.as_str()).with("type", "chat").child(refusal);
            return session.send_if_room(&message.child(el("store", ns::HINTS)));
        }
        self.begin_heard(running, from, to, persona, key, told);
    }

    /// A message of ours came back: it reached nobody.
    fn call_bounced(&self, from: &Jid, told: Told) {
        let peer = RemoteId::new(from.to_bare().as_str());
        let waiting = self.calls.going.lock();
        let calling = |(key, going): &(&Key, &Going)| key.0 == peer && going.calling.load(Ordering::Relaxed);
        if let Some((_, going)) = waiting.iter().find(calling) {
            let _ = going.tell.try_send(told);
        }
    }

    fn call_question(self: &Arc<Self>, running: &Arc<Running>, from: &Jid, to: &Jid, iq: &Element, payload: &Element) {
        let refuse = |refused: &Refused| {
            if let Some(session) = running.session() {
                session.send_if_room(&refusal(iq, refused));
            }
        };
        let jingle = match Jingle::of_element(payload) {
            Ok(jingle) => jingle,
            Err(refused) => return refuse(&refused),
        };
        let key = (RemoteId::new(from.to_bare().as_str()), jingle.sid.clone());
        let begins = jingle.action == Action::SessionInitiate;
        let told = Told::Jingle { from: from.to_string(), jingle: Box::new(jingle), iq: Box::new(head(iq)) };
        let told = match self.calls.tell(&key, told) {
            Ok(()) => return,
            Err(told) => told,
        };
        let persona = self.callable(from, to).filter(|_| begins);
        let Some(persona) = persona else { return refuse(&Refused::unknown_session()) };
        if self.calls.settle_crossing(&key.0, &persona, &key.1).is_err() {
            return refuse(&Refused::tie_break());
        }
        if !self.begin_heard(running, from, to, persona, key, told) {
            refuse(&Refused::too_much("as many calls as are allowed are going on"));
        }
    }

    /// Whom somebody calls by an address of the component's; `None` if that is nobody, or whoever calls
    /// is an occupant of a room, whose real address is not known.
    fn callable(&self, from: &Jid, to: &Jid) -> Option<PersonaId> {
        let caller = from.to_bare();
        let is_person = !self.personas.is_ours(&caller) && self.rooms.at(&caller).is_none();
        self.personas.persona_of(&to.to_bare()).filter(|_| is_person && from.resource().is_some())
    }

    /// A call by somebody of XMPP begins; false if there are too many.
    fn begin_heard(
        self: &Arc<Self>,
        running: &Arc<Running>,
        from: &Jid,
        to: &Jid,
        persona: PersonaId,
        key: Key,
        first: Told,
    ) -> bool {
        let us = ours(to);
        let dialogue = Dialogue::by(from.as_str(), &us, &key.1);
        let user = self.user(&from.to_bare());
        self.begin(running, dialogue, user, persona, us, key, first)
    }

    #[expect(clippy::too_many_arguments, reason = "what a call is made of, taken apart at once")]
    fn begin(
        self: &Arc<Self>,
        running: &Arc<Running>,
        dialogue: Dialogue,
        user: RemoteUser,
        persona: PersonaId,
        us: String,
        key: Key,
        first: Told,
    ) -> bool {
        let (tell, waiting) = mpsc::channel(WAITING);
        let calling = Arc::new(AtomicBool::new(dialogue.is_calling()));
        {
            let mut going = self.calls.going.lock();
            if going.len() >= AT_ONCE || going.contains_key(&key) {
                return false;
            }
            let _ = tell.try_send(first);
            going.insert(key.clone(), Going { tell, persona: persona.clone(), calling: Arc::clone(&calling) });
        }
        let talk = Talk::new(dialogue, user, persona, us, calling);
        let (instance, task) = (Arc::clone(self), Arc::clone(running));
        running.spawn("a call", async move {
            talk.run(&task, waiting).await;
            instance.calls.forget(&key);
        });
        true
    }

    /// Does a step of the core's.
    pub(crate) async fn call(
        self: &Arc<Self>,
        running: &Arc<Running>,
        delivery: CallDelivery,
    ) -> Result<(), CallError> {
        let CallDelivery { call, author, target, to, step } = delivery;
        if matches!(to, monster_bridge_api::Devices::AllBut(_)) {
            // The dialogue has told the user's other devices itself when one of them answered.
            return Ok(());
        }
        let unavailable = |why: &str| CallError::Unavailable(why.to_owned());
        let key = (target.clone(), call.into_string());
        let (answer, answered) = oneshot::channel();
        let (begins, ends) = (matches!(step, CallStep::Offer { .. }), matches!(step, CallStep::End(_)));
        let told = match self.calls.tell(&key, Told::Step { step, answer }) {
            Ok(()) => return answered.await.unwrap_or_else(|_| Err(unavailable(OVER))),
            Err(told) => told,
        };
        if !begins {
            return if ends { Ok(()) } else { Err(unavailable(OVER)) };
        }
        let us = self.personas.jid_of(&author.id);
        let us = us.ok_or_else(|| CallError::Unsupported(format!("{} cannot call on XMPP", author.name)))?;
        let peer = names::jid_of(&target).ok_or_else(|| CallError::Unsupported(format!("`{target}` is nobody")))?;
        let session = running.session().ok_or_else(|| unavailable("the XMPP server is not connected"))?;
        let us = format!("{us}/{RESOURCE}");
        let reach = self.calls.devices.reach(&session, &us, &peer).await;
        let reach = reach.ok_or_else(|| CallError::Unsupported(format!("none of {target}'s devices takes calls")))?;
        let dialogue = Dialogue::to(peer.as_str(), &us, &key.1, reach);
        let user = self.user(&peer);
        if !self.begin(running, dialogue, user, author.id, us, key, told) {
            return Err(unavailable("as many calls as are allowed are going on"));
        }
        answered.await.unwrap_or_else(|_| Err(unavailable(OVER)))
    }
}

/// Our full address in calls.
fn ours(to: &Jid) -> String {
    format!("{}/{RESOURCE}", to.to_bare())
}

const OVER: &str = "there is no such call (any more)";

/// An IQ without what is in it, to be answered later.
fn head(iq: &Element) -> Element {
    stanza("iq", iq.attr("from").unwrap_or_default(), iq.attr("to").unwrap_or_default()).with_some("id", iq.attr("id"))
}

/// The answer to an IQ that is refused.
pub(crate) fn refusal(iq: &Element, refused: &Refused) -> Element {
    let mut answer = xml::result(iq);
    xml::set(&mut answer, "type", "error");
    answer.child(refused.to_element(ns::CLIENT))
}
