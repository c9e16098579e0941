//! From the caller's offer until somebody answers.

use crate::call::Stage;
use crate::side::Signalling;
use crate::{Action, Blank, Call, Devices, Leg};
use monster_bridge_api::{CallMedia, CallStep, DeviceId, EndReason, IceCandidate, Muted};

impl Call {
    pub(crate) fn first_step(&mut self, device: Option<&DeviceId>, step: CallStep) {
        match step {
            CallStep::Offer { media, sdp } => {
                self.stage = Stage::Calling;
                self.caller.device = device.cloned();
                self.record.media = media;
                self.record.had_video = media == CallMedia::Video;
                match sdp {
                    Some(sdp) => self.take_offer(Leg::Caller, sdp),
                    None => self.invite(),
                }
            }
            CallStep::End(reason) => self.called_off(reason),
            _ => self.refuse(Leg::Caller, device, "there is no such call yet"),
        }
    }

    /// What the caller does while nobody has answered.
    pub(crate) fn step_of_waiting_caller(&mut self, device: Option<&DeviceId>, step: CallStep) {
        if !self.may_speak(Leg::Caller, device, &step) {
            return;
        }
        match step {
            CallStep::End(reason) => self.called_off(reason),
            CallStep::Candidates(candidates) => self.candidates(Leg::Caller, device, candidates),
            // The caller moved to another network while it rings; or, of one that rang first, the
            // description comes before the answer. The same offer again changes nothing.
            CallStep::Offer { sdp: Some(sdp), .. } if self.caller.signalling == Signalling::Nothing => {
                self.take_offer(Leg::Caller, sdp);
            }
            CallStep::Offer { .. } => {}
            CallStep::Update { sdp, muted } => {
                self.caller.muted = muted.or(self.caller.muted);
                match (sdp, self.caller.signalling) {
                    (Some(_), Signalling::Taking) => self.refuse(Leg::Caller, device, STILL_SETTLING),
                    (Some(sdp), _) => self.take_offer(Leg::Caller, sdp),
                    (None, _) => {}
                }
            }
            _ => self.refuse(Leg::Caller, device, "nobody has answered yet"),
        }
    }

    /// What a device of the callee does while nobody has answered.
    pub(crate) fn step_of_called(&mut self, device: Option<&DeviceId>, step: CallStep) {
        match step {
            CallStep::Ringing => self.rings(),
            CallStep::LinkSent => self.link_sent(),
            CallStep::Candidates(candidates) => self.candidates(Leg::Callee, device, candidates),
            CallStep::End(reason) => self.declined(device, reason),
            CallStep::Answer { .. } | CallStep::LoopBack if self.callee.signalling == Signalling::TakingAnswer => {
                self.refuse(Leg::Callee, device, "the call is being answered on another device");
            }
            CallStep::Answer { sdp: Some(sdp) } => {
                self.callee.device = device.cloned();
                self.callee.signalling = Signalling::TakingAnswer;
                self.act(Action::TakeAnswer { leg: Leg::Callee, sdp });
            }
            CallStep::Answer { sdp: None } => {
                self.callee.device = device.cloned();
                self.answered();
            }
            CallStep::LoopBack => {
                self.callee.device = device.cloned();
                self.callee.signalling = Signalling::Stable;
                self.loops = true;
                self.answered();
            }
            _ => self.refuse(Leg::Callee, device, "the call is not answered yet"),
        }
    }

    fn rings(&mut self) {
        if self.callee.rings {
            return;
        }
        self.callee.rings = true;
        self.caller.rings = true;
        self.record.ringing_after = Some(self.age());
        self.send(Leg::Caller, CallStep::Ringing);
    }

    /// Somebody has to open a link first, which takes longer than picking up. (Said once: nobody is
    /// waited for without end.)
    fn link_sent(&mut self) {
        if self.callee.link_sent || self.callee.rings {
            return;
        }
        self.callee.link_sent = true;
        self.options.no_answer = self.age().saturating_add(self.options.by_link);
        self.send(Leg::Caller, CallStep::LinkSent);
    }

    /// Offers the call to every device of the callee.
    pub(crate) fn invite(&mut self) {
        let media = self.record.media;
        self.callee.signalling = Signalling::Ours(None);
        self.act(Action::Offer { leg: Leg::Callee, to: Devices::All, media, step: Blank::Offer(media) });
    }

    /// A device of the callee has picked up: from now on the call is between it and the caller.
    pub(crate) fn answered(&mut self) {
        self.stage = Stage::Up;
        self.record.answered_after = Some(self.age());
        self.callee.ours.clear();
        if let Some(device) = self.callee.device.clone() {
            let step = CallStep::End(EndReason::AnsweredElsewhere);
            self.act(Action::Send { leg: Leg::Callee, to: Devices::AllBut(device), step });
        }
        if self.caller.signalling == Signalling::Nothing {
            self.send(Leg::Caller, CallStep::Answer { sdp: None });
        }
        for leg in Leg::BOTH {
            self.begin_watch(leg);
        }
        if let Some(muted) = self.caller.muted {
            self.tell_muted(Leg::Callee, muted);
        }
    }

    /// A device of the callee can be reached now: it rings too.
    pub(crate) fn device_came(&mut self, leg: Leg, device: DeviceId) {
        let side = self.side_mut(leg);
        if side.device.as_ref() == Some(&device) {
            side.gone_since = None;
        }
        if self.stage != Stage::Calling || leg == Leg::Caller || !matches!(self.callee.signalling, Signalling::Ours(_))
        {
            return;
        }
        self.act(Action::OfferAgain { device: device.clone() });
        if !self.callee.ours.is_empty() {
            let step = CallStep::Candidates(self.callee.ours.clone());
            self.act(Action::Send { leg, to: Devices::One(device), step });
        }
    }

    /// Candidates of a leg: to the relay, or kept until it takes them.
    pub(crate) fn candidates(&mut self, leg: Leg, device: Option<&DeviceId>, candidates: Vec<IceCandidate>) {
        let side = self.side_mut(leg);
        let (candidates, too_many) = side.admit(candidates);
        if !side.negotiated {
            side.keep(device, candidates);
        } else if !candidates.is_empty() {
            self.act(Action::AddCandidates { leg, candidates });
        }
        if too_many {
            self.refuse(leg, device, format!("a leg may have {} candidates", crate::side::MAX_CANDIDATES));
        }
    }

    pub(crate) fn tell_muted(&mut self, leg: Leg, muted: Muted) {
        if !(self.loops && leg == Leg::Callee) {
            self.send(leg, CallStep::Update { sdp: None, muted: Some(muted) });
        }
    }
}

/// What somebody is told who offers again before the last offer is done with.
pub(crate) const STILL_SETTLING: &str = "an earlier offer of this call is still being settled";
