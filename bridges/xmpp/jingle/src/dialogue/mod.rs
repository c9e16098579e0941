//! One call with one XMPP user: the steps that the gateway takes become stanza payloads, the payloads
//! that come from the user's clients become steps. Pure: whoever drives it sends what comes out and
//! says what came in, and how it was answered.
//!
//! `ring` has what happens until somebody answers, `theirs` the changes that the user's client asks for
//! within the call, `ours` those that the gateway asks for, `end` how it ends. Jingle tells of changes
//! piece by piece, a session description all of it: so both sides' sessions are kept whole here, section
//! by section in the same order.

mod end;
mod ours;
mod ring;
mod theirs;
mod view;

use crate::error::Refused;
use crate::jingle::{Action, Info, Jingle};
use crate::message::{Message, MessageKind};
use crate::model::{Kind, Session, Side};
use minidom::Element;
use monster_bridge_api::{CallMedia, CallStep, DeviceId, Muted};
use std::collections::VecDeque;

/// The most devices that are called at once.
const MAX_DEVICES: usize = 16;
/// The most answers that are waited for.
const MAX_ASKED: usize = 64;

/// How somebody is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// All devices at once by a message to the bare address (XEP-0353).
    pub by_message: bool,
    /// Devices that know sessions but not those messages, by full address.
    pub devices: Vec<String>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send an IQ of type `set`; say by the token how it was answered.
    Iq {
        /// The full address.
        to: String,
        /// The `jingle` element.
        payload: Element,
        /// What the answer is told by ([`Dialogue::replied`]).
        token: u64,
    },
    /// Send a message of type `chat` with this payload, to be stored (XEP-0353 §3, XEP-0334).
    Message {
        /// The bare or full address.
        to: String,
        /// The payload.
        payload: Element,
    },
    /// Tell the gateway. If it refuses, say so ([`Dialogue::declined`]).
    Step {
        /// On which of the user's devices.
        device: Option<DeviceId>,
        /// What.
        step: CallStep,
    },
}

/// How an IQ was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replied {
    /// With a result.
    Done,
    /// The other side's action of the same kind goes first.
    TieBreak,
    /// The other side knows no such session.
    UnknownSession,
    /// With another error, or not in time; in words.
    Refused(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has happened.
    New,
    /// The user is called.
    Calling,
    /// The user calls; nobody has answered.
    Called,
    /// The user calls and was told to go on; their description is waited for.
    Picked,
    /// Both sides are described.
    Up,
    /// It is over.
    Over,
}

/// What an IQ was about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Initiate(String),
    Add(Vec<String>),
    Restart,
    Within,
}

/// One call with one user.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that go in any combination")]
pub struct Dialogue {
    sid: String,
    /// Our full address.
    us: String,
    /// The user's bare address.
    peer: String,
    /// Which side of the session we are.
    role: Side,
    reach: Reach,
    stage: Stage,
    /// The full address of the device that the session is with.
    device: Option<String>,
    /// Those that have a session-initiate of ours.
    invited: Vec<String>,
    /// By which messages it began.
    by_message: bool,
    /// Somebody said that the session may begin.
    proceeded: bool,
    /// The user's side has been described.
    described: bool,
    /// The other one's call goes first.
    outrun: bool,
    local: Session,
    remote: Session,
    /// Contents that are left out of a session that is accepted.
    unwanted: Vec<crate::content::Part>,
    ours: Option<ours::Ours>,
    theirs: Option<theirs::Theirs>,
    deferred: VecDeque<theirs::Change>,
    /// The user has put the call on hold.
    held: bool,
    /// What the user has muted, and what the user was told of the other side.
    muted: Muted,
    told_muted: Muted,
    versions: u64,
    tokens: u64,
    asked: VecDeque<(u64, Asked)>,
    out: Vec<Output>,
}

impl Dialogue {
    fn new(sid: &str, us: &str, peer: &str, role: Side) -> Self {
        Self {
            sid: sid.to_owned(),
            us: us.to_owned(),
            peer: bare(peer).to_owned(),
            role,
            reach: Reach::default(),
            stage: Stage::New,
            device: None,
            invited: Vec::new(),
            by_message: false,
            proceeded: false,
            described: false,
            outrun: false,
            local: Session::default(),
            remote: Session::default(),
            unwanted: Vec::new(),
            ours: None,
            theirs: None,
            deferred: VecDeque::new(),
            held: false,
            muted: Muted::default(),
            told_muted: Muted::default(),
            versions: 0,
            tokens: 0,
            asked: VecDeque::new(),
            out: Vec::new(),
        }
    }

    /// A call to a user. `us` is the full address that calls, `peer` the user's bare one. Its first step
    /// is an offer.
    pub fn to(peer: &str, us: &str, sid: &str, reach: Reach) -> Self {
        Self { reach, ..Self::new(sid, us, peer, Side::Initiator) }
    }

    /// A call by a user. `us` is the full address that answers, `from` the user's full one. It begins
    /// with a message or a session-initiate of this id.
    pub fn by(from: &str, us: &str, sid: &str) -> Self {
        Self { device: Some(from.to_owned()), ..Self::new(sid, us, from, Side::Responder) }
    }

    /// The id of the session.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The user's bare address.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The full address of the device that the session is with, once it is known.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Whether the call is over: nothing more comes out.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Whether it is a call to the user that nobody has answered: one that the user's own may cross.
    pub fn is_calling(&self) -> bool {
        matches!(self.stage, Stage::New | Stage::Calling) && self.role == Side::Initiator
    }

    /// The user's own call goes first ([`lower_wins`]): the end of this one, which comes, is told as that.
    pub fn outrun(&mut self) {
        self.outrun = true;
    }

    /// A step of the gateway's.
    ///
    /// # Errors
    /// In words for the person at the other end, if it cannot be taken; nothing has changed then.
    pub fn step(&mut self, step: CallStep) -> Result<Vec<Output>, String> {
        match (self.stage, step) {
            (Stage::Over, _) => {}
            (Stage::New, CallStep::Offer { sdp: Some(sdp), .. }) if self.role == Side::Initiator => {
                self.invite(&sdp)?;
            }
            (_, CallStep::End(reason)) => self.end(&reason),
            (Stage::New, _) => return Err("this call has not begun".to_owned()),
            (Stage::Called, CallStep::Ringing) => self.ring(),
            (Stage::Called, CallStep::Answer { sdp: None }) => self.proceed(),
            (Stage::Called | Stage::Picked, CallStep::Answer { sdp: Some(sdp) }) => self.accept(&sdp)?,
            (Stage::Up, CallStep::Answer { sdp: Some(sdp) }) => self.answer(&sdp)?,
            (_, CallStep::Candidates(candidates)) => self.candidates(&candidates),
            (Stage::Up, CallStep::Update { sdp, muted }) => {
                if let Some(sdp) = sdp {
                    self.offer(&sdp)?;
                }
                self.tell_muted(muted.unwrap_or(self.told_muted));
            }
            (_, CallStep::Update { sdp: None, muted: Some(muted) }) => self.told_muted = muted,
            (Stage::Up, CallStep::Dtmf(keys)) => {
                let infos = keys.chars().map(Info::Key).collect();
                self.within(&Jingle { infos, ..Jingle::new(Action::SessionInfo, &self.sid) }, Asked::Within);
            }
            (_, CallStep::Ringing | CallStep::Update { sdp: None, .. }) => {}
            _ => return Err("the other client cannot take this now".to_owned()),
        }
        Ok(self.take_out())
    }

    /// A `jingle` element of a client's, which is answered with a result, and then what comes out is
    /// done.
    ///
    /// # Errors
    /// With what it is answered instead; nothing has changed then.
    pub fn jingle(&mut self, from: &str, jingle: &Jingle) -> Result<Vec<Output>, Refused> {
        let taken = self.take(from, jingle);
        let out = self.take_out();
        taken.map(|()| out)
    }

    fn take(&mut self, from: &str, jingle: &Jingle) -> Result<(), Refused> {
        let is_known = self.device.as_deref() == Some(from) || self.invited.iter().any(|invited| invited == from);
        if jingle.sid != self.sid || !is_known || self.stage == Stage::Over {
            return Err(Refused::unknown_session());
        }
        match (jingle.action, self.stage) {
            (Action::SessionInitiate, _) => self.initiated(jingle)?,
            (_, Stage::New) => return Err(Refused::unknown_session()),
            (Action::SessionAccept, Stage::Calling) => self.accepted(from, jingle)?,
            (Action::SessionTerminate, _) => self.terminated(from, jingle),
            (Action::SessionInfo, _) => self.told(from, &jingle.infos)?,
            (Action::TransportInfo, _) => self.transport_info(from, &jingle.parts)?,
            (Action::DescriptionInfo | Action::SecurityInfo, _) => {}
            (Action::ContentAdd, Stage::Up) => self.content_add(jingle)?,
            (Action::ContentAccept, Stage::Up) => self.content_accept(jingle)?,
            (Action::ContentReject, Stage::Up) => self.content_reject(&jingle.parts)?,
            (Action::ContentModify, Stage::Up) => self.content_modify(&jingle.parts)?,
            (Action::ContentRemove, Stage::Up) => self.content_remove(&jingle.parts)?,
            (Action::TransportReplace, _) => {
                let refusal = Jingle::new(Action::TransportReject, &self.sid).with_parts(jingle.parts.clone());
                self.iq(from, &refusal, Asked::Within);
            }
            _ => return Err(Refused::out_of_order("this has no place at this point of the session")),
        }
        Ok(())
    }

    /// A message about this call (XEP-0353) from a device of the user's.
    pub fn message(&mut self, from: &str, message: &Message) -> Vec<Output> {
        if message.id == self.sid && bare(from) == self.peer {
            match &message.kind {
                MessageKind::Propose(kinds) => self.proposed(from, kinds),
                MessageKind::Ringing => self.rings(from),
                MessageKind::Proceed => self.may_proceed(from),
                MessageKind::Reject(ending) => self.rejected(from, ending),
                MessageKind::Retract(_) => self.retracted(from),
                MessageKind::Finish(ending) => self.finished(from, ending),
                MessageKind::Accept => {}
            }
        }
        self.take_out()
    }

    /// How an IQ was answered.
    pub fn replied(&mut self, token: u64, replied: &Replied) -> Vec<Output> {
        let asked = self.asked.iter().position(|(asked, _)| *asked == token);
        if let Some((_, asked)) = asked.and_then(|index| self.asked.remove(index)) {
            match (asked, replied) {
                (_, Replied::Done) => {}
                (Asked::Initiate(device), _) => self.not_initiated(&device, replied),
                (Asked::Add(names), _) => self.not_added(&names),
                (Asked::Restart, _) => self.ours = None,
                (Asked::Within, Replied::UnknownSession) if self.stage == Stage::Up => self.lost(),
                (Asked::Within, _) => {}
            }
        }
        self.take_out()
    }

    // -- what comes out ------------------------------------------------------------------------

    fn take_out(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// Sends an action to a device.
    fn iq(&mut self, to: &str, jingle: &Jingle, asked: Asked) {
        self.tokens += 1;
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((self.tokens, asked));
        self.out.push(Output::Iq { to: to.to_owned(), payload: jingle.to_element(), token: self.tokens });
    }

    /// Sends an action to the device that the session is with.
    fn within(&mut self, jingle: &Jingle, asked: Asked) {
        if let Some(device) = self.device.clone() {
            self.iq(&device, jingle, asked);
        }
    }

    fn say(&mut self, to: &str, kind: MessageKind) {
        let payload = Message { id: self.sid.clone(), kind }.to_element();
        self.out.push(Output::Message { to: to.to_owned(), payload });
    }

    /// Tells the gateway.
    fn tell(&mut self, from: &str, step: CallStep) {
        let device = from.split_once('/').map(|(_, resource)| DeviceId::new(resource));
        self.out.push(Output::Step { device, step });
    }

    /// Tells the gateway, of the device that the session is with.
    fn tell_own(&mut self, step: CallStep) {
        let device = self.device.clone().unwrap_or_default();
        self.tell(&device, step);
    }

    // -- what is told within a session -----------------------------------------------------------

    fn told(&mut self, from: &str, infos: &[Info]) -> Result<(), Refused> {
        if infos.contains(&Info::Unknown) {
            return Err(Refused::unsupported_info());
        }
        let mut keys = String::new();
        for info in infos {
            match info {
                Info::Ringing => self.rings(from),
                Info::Key(key) => keys.push(*key),
                Info::Hold => self.hold(true)?,
                Info::Unhold | Info::Active => self.hold(false)?,
                Info::Mute(name) => self.mutes(name.as_deref(), true),
                Info::Unmute(name) => self.mutes(name.as_deref(), false),
                Info::Unknown => {}
            }
        }
        if !keys.is_empty() && self.stage == Stage::Up {
            self.tell(from, CallStep::Dtmf(keys));
        }
        Ok(())
    }

    fn mutes(&mut self, name: Option<&str>, muted: bool) {
        let kind = name.and_then(|name| self.remote.content(name)).map(|content| content.media.kind);
        let before = self.muted;
        if kind != Some(Kind::Video) {
            self.muted.audio = muted;
        }
        if kind != Some(Kind::Audio) {
            self.muted.video = muted;
        }
        if before != self.muted && self.stage != Stage::Calling {
            self.tell_own(CallStep::Update { sdp: None, muted: Some(self.muted) });
        }
    }

    fn tell_muted(&mut self, muted: Muted) {
        let before = std::mem::replace(&mut self.told_muted, muted);
        let changes = [(Kind::Audio, before.audio, muted.audio), (Kind::Video, before.video, muted.video)];
        for (kind, _, now) in changes.into_iter().filter(|(_, before, now)| before != now) {
            let Some(content) = self.local.live().find(|content| content.media.kind == kind) else { continue };
            let name = Some(content.name.clone());
            let info = if now { Info::Mute(name) } else { Info::Unmute(name) };
            self.within(&Jingle { infos: vec![info], ..Jingle::new(Action::SessionInfo, &self.sid) }, Asked::Within);
        }
    }
}

/// Of two calls between the same two people that cross: whether ours goes on, as the id of its session
/// is less (XEP-0353 §4.1, XEP-0166 §7.2.16).
pub fn lower_wins(ours: &str, theirs: &str) -> bool {
    ours <= theirs
}

/// An address without its resource.
fn bare(address: &str) -> &str {
    address.split_once('/').map_or(address, |(bare, _)| bare)
}

fn media_of(kinds: &[Kind]) -> CallMedia {
    if kinds.contains(&Kind::Video) { CallMedia::Video } else { CallMedia::Voice }
}
