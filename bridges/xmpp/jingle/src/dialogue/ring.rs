//! Until somebody answers: invitations by message and by session, either way.

use super::{Asked, Dialogue, MAX_DEVICES, Replied, Stage, bare, media_of};
use crate::content::{Part, contents_of};
use crate::error::Refused;
use crate::jingle::{Action, Info, Jingle};
use crate::message::{Ending, MessageKind};
use crate::model::{Content, Kind, Rtp, Senders, Session, Side};
use crate::reason::{Condition, Reason};
use monster_bridge_api::{CallStep, EndReason};

impl Dialogue {
    // -- the user is called ----------------------------------------------------------------------

    /// Calls the user: by a message to all devices, and those that do not know it by a session each.
    pub(super) fn invite(&mut self, sdp: &str) -> Result<(), String> {
        let session = Session::of_sdp(sdp, Side::Initiator).map_err(|error| error.to_string())?;
        let mut kinds: Vec<Kind> = session.live().map(|content| content.media.kind).collect();
        kinds.dedup();
        if kinds.is_empty() {
            return Err("the offer has neither sound nor pictures".to_owned());
        }
        self.local = session;
        self.align();
        self.stage = Stage::Calling;
        self.by_message = self.reach.by_message;
        if self.by_message {
            let peer = self.peer.clone();
            self.say(&peer, MessageKind::Propose(kinds));
        }
        for device in self.reach.devices.clone().into_iter().take(MAX_DEVICES) {
            self.initiate(&device);
        }
        Ok(())
    }

    fn initiate(&mut self, device: &str) {
        let mut jingle = Jingle::new(Action::SessionInitiate, &self.sid).with_parts(contents_of(&self.local));
        jingle.initiator = Some(self.us.clone());
        jingle.groups.clone_from(&self.local.groups);
        self.invited.push(device.to_owned());
        self.iq(device, &jingle, Asked::Initiate(device.to_owned()));
    }

    pub(super) fn rings(&mut self, from: &str) {
        if self.stage == Stage::Calling {
            self.tell(from, CallStep::Ringing);
        }
    }

    /// A device takes the call: the session begins with it.
    pub(super) fn may_proceed(&mut self, from: &str) {
        if self.stage != Stage::Calling || !self.by_message || self.proceeded || !from.contains('/') {
            return;
        }
        self.proceeded = true;
        self.device = Some(from.to_owned());
        self.leave_invited(from);
        if !self.invited.iter().any(|invited| invited == from) {
            self.initiate(from);
        }
    }

    /// Ends the sessions with all devices but this one.
    fn leave_invited(&mut self, but: &str) {
        let (kept, left): (Vec<_>, Vec<_>) = self.invited.drain(..).partition(|device| device == but);
        self.invited = kept;
        for device in left {
            let reason = Reason::from(&EndReason::AnsweredElsewhere);
            let jingle = Jingle::new(Action::SessionTerminate, &self.sid).because(reason);
            self.iq(&device, &jingle, Asked::Within);
        }
    }

    /// A device answers.
    pub(super) fn accepted(&mut self, from: &str, jingle: &Jingle) -> Result<(), Refused> {
        if self.device.as_deref().is_some_and(|device| device != from) {
            return Err(Refused::out_of_order("another device has taken the call"));
        }
        let mut remote = self.remote.clone();
        for part in &jingle.parts {
            let known =
                remote.content_mut(&part.name).ok_or(Refused::bad("nobody has offered one of these contents"))?;
            if let Some(content) = part.clone().into_content() {
                *known = Content { creator: known.creator, ..content };
            }
        }
        remote.groups.clone_from(&jingle.groups);
        if remote.live().next().is_none() {
            return Err(Refused::bad("an answer without sound or pictures"));
        }
        self.remote = remote;
        self.described = true;
        self.stage = Stage::Up;
        self.device = Some(from.to_owned());
        self.leave_invited(from);
        let sdp = Some(self.their_answer());
        self.tell(from, CallStep::Answer { sdp });
        let muted = std::mem::take(&mut self.told_muted);
        self.tell_muted(muted);
        Ok(())
    }

    /// A device does not take a session-initiate.
    pub(super) fn not_initiated(&mut self, device: &str, replied: &Replied) {
        self.invited.retain(|invited| invited != device);
        let why = match replied {
            // (The user's own call goes on; the end of this one comes from the gateway too.)
            Replied::TieBreak => EndReason::Cancelled,
            Replied::Refused(why) => EndReason::Failed(why.clone()),
            Replied::Done | Replied::UnknownSession => {
                EndReason::Failed("the other client does not know this session".to_owned())
            }
        };
        self.fewer_devices(device, why);
    }

    /// One device less that could answer; the last one ends the call.
    pub(super) fn fewer_devices(&mut self, device: &str, why: EndReason) {
        let others = !self.invited.is_empty() || (self.by_message && !self.proceeded);
        if self.stage == Stage::Calling && !others {
            self.over(Some((device, why)));
        }
    }

    // -- the user calls --------------------------------------------------------------------------

    /// The user calls, and describes it later.
    pub(super) fn proposed(&mut self, from: &str, kinds: &[Kind]) {
        if self.stage != Stage::New || self.role != Side::Responder || !from.contains('/') {
            return;
        }
        self.by_message = true;
        if kinds.is_empty() {
            let reason = Reason::new(Condition::UnsupportedApplications);
            self.say(from, MessageKind::Reject(Ending::of(reason)));
            self.stage = Stage::Over;
            return;
        }
        self.stage = Stage::Called;
        self.device = Some(from.to_owned());
        self.tell(from, CallStep::Offer { media: media_of(kinds), sdp: None });
    }

    /// The user's client describes the session: at once, or once it may.
    pub(super) fn initiated(&mut self, jingle: &Jingle) -> Result<(), Refused> {
        let waits = matches!(self.stage, Stage::New | Stage::Called | Stage::Picked) && !self.described;
        if self.role != Side::Responder || !waits {
            return Err(Refused::out_of_order("this session has begun"));
        }
        if jingle.parts.is_empty() {
            return Err(Refused::bad("a session without contents"));
        }
        let mut remote = Session { groups: jingle.groups.clone(), contents: Vec::new() };
        for part in &jingle.parts {
            match part.clone().into_content() {
                Some(content) => remote.contents.push(Content { creator: Side::Initiator, ..content }),
                None => self.unwanted.push(Part { media: None, transport: None, senders: None, ..part.clone() }),
            }
        }
        let was = std::mem::replace(&mut self.stage, Stage::Called);
        self.remote = remote;
        self.described = true;
        self.align();
        if self.remote.live().next().is_none() {
            self.end_with(Reason::new(Condition::UnsupportedApplications));
            self.over(Some((&jingle.initiator.clone().unwrap_or_default(), EndReason::Failed(NO_MEDIA.to_owned()))));
            return Ok(());
        }
        let sdp = Some(self.their_offer());
        let step = if was == Stage::New {
            let media = media_of(&self.remote.live().map(|content| content.media.kind).collect::<Vec<_>>());
            CallStep::Offer { media, sdp }
        } else {
            self.stage = was;
            CallStep::Update { sdp, muted: None }
        };
        self.tell_own(step);
        Ok(())
    }

    /// Somebody rings at the other end.
    pub(super) fn ring(&mut self) {
        if self.described {
            let ringing = Jingle { infos: vec![Info::Ringing], ..Jingle::new(Action::SessionInfo, &self.sid) };
            self.within(&ringing, Asked::Within);
        } else if let Some(device) = self.device.clone() {
            self.say(&device, MessageKind::Ringing);
        }
    }

    /// Somebody has picked up: the user's client may describe the session.
    pub(super) fn proceed(&mut self) {
        if let Some(device) = self.device.clone().filter(|_| self.by_message) {
            self.stage = Stage::Picked;
            self.proceeded = true;
            self.say(&device, MessageKind::Proceed);
        }
    }

    /// Answers the user's session.
    pub(super) fn accept(&mut self, sdp: &str) -> Result<(), String> {
        if !self.described {
            return Err("the other client has not described the session yet".to_owned());
        }
        let local = self.read_ours(sdp).map_err(|error| error.to_string())?;
        let Some(way) = local.live().next().map(|content| content.transport.clone()) else {
            return Err("the answer has neither sound nor pictures".to_owned());
        };
        self.local = local;
        let way = crate::model::Transport { candidates: Vec::new(), ..way };
        let bundled = self.remote.is_bundled();
        let mut parts = Vec::new();
        for theirs in self.remote.contents.iter_mut().filter(|content| content.live) {
            match self.local.content(&theirs.name).filter(|ours| ours.live) {
                Some(ours) => parts.push(Part::whole(ours)),
                // Some clients end a session if the answer lacks what they have offered: it is there, and
                // nobody sends.
                None if bundled => parts.push(silent(theirs, &way)),
                // (There is no way for it.)
                None => {
                    self.unwanted.push(Part::bare(theirs));
                    *theirs = Content::off(theirs.name.clone(), theirs.creator, theirs.media.kind);
                }
            }
        }
        let mut accept = Jingle::new(Action::SessionAccept, &self.sid).with_parts(parts);
        accept.responder = Some(self.us.clone());
        // A client that has not said BUNDLE is not answered with it.
        let bundle = self.remote.groups.iter().find(|group| group.is_bundle());
        accept.groups = bundle.cloned().into_iter().collect();
        for group in &mut accept.groups {
            group.names.retain(|name| self.remote.content(name).is_some_and(|content| content.live));
        }
        self.stage = Stage::Up;
        self.within(&accept, Asked::Within);
        let unwanted = std::mem::take(&mut self.unwanted);
        if !unwanted.is_empty() {
            let reason = Reason::new(Condition::UnsupportedApplications);
            let jingle = Jingle::new(Action::ContentRemove, &self.sid).with_parts(unwanted).because(reason);
            self.within(&jingle, Asked::Within);
        }
        let muted = std::mem::take(&mut self.told_muted);
        self.tell_muted(muted);
        Ok(())
    }

    // -- invitations that come to nothing --------------------------------------------------------

    /// A device of the user's does not take the call: none does.
    pub(super) fn rejected(&mut self, from: &str, ending: &Ending) {
        if self.stage == Stage::Calling && self.by_message && !self.proceeded {
            let reason = match ending.reason.as_ref().map(Reason::end) {
                _ if ending.tie_break => EndReason::Cancelled,
                None | Some(EndReason::HungUp | EndReason::Cancelled) => EndReason::Declined,
                Some(reason) => reason,
            };
            self.leave_invited("");
            self.over(Some((from, reason)));
        }
    }

    /// The user gives up.
    pub(super) fn retracted(&mut self, from: &str) {
        if matches!(self.stage, Stage::Called | Stage::Picked) && bare(from) == self.peer {
            self.over(Some((from, EndReason::Cancelled)));
        }
    }
}

/// What a client is told whose session has nothing that a call can carry.
const NO_MEDIA: &str = "the session has neither sound nor pictures";

/// A content of the user's in which nobody sends: what they offered, by our way.
fn silent(theirs: &Content, way: &crate::model::Transport) -> Part {
    let media = Rtp { sources: Vec::new(), source_groups: Vec::new(), msid: None, ..theirs.media.clone() };
    Part { senders: Some(Senders::None), media: Some(media), transport: Some(way.clone()), ..Part::bare(theirs) }
}
