//! What happens within a call that is answered: offers in either direction, and what else a side
//! does. Holds for both legs alike, but for one rule: of two offers that cross, the caller's beats
//! the gateway's, and the gateway's beats the callee's.

use crate::call::Stage;
use crate::setup::STILL_SETTLING;
use crate::side::Signalling;
use crate::{Action, Blank, Call, Described, Devices, Leg, Request};
use monster_bridge_api::{CallStep, DeviceId, EndReason};

/// The most keys in one step.
const MAX_KEYS: usize = 64;

impl Call {
    /// Whether a device may do this at a leg; tells it if not. Who comes with an offer takes the leg
    /// over, as somebody does who moves from one device, or one connection, to the next.
    pub(crate) fn may_speak(&mut self, leg: Leg, device: Option<&DeviceId>, step: &CallStep) -> bool {
        if self.side_mut(leg).is_spoken_for_by(device) {
            return true;
        }
        match step {
            CallStep::Update { sdp: Some(_), .. } => {
                let before = std::mem::replace(&mut self.side_mut(leg).device, device.cloned());
                if let Some(before) = before {
                    let step = CallStep::End(EndReason::AnsweredElsewhere);
                    self.act(Action::Send { leg, to: Devices::One(before), step });
                }
                true
            }
            // It crossed the news that another device has answered.
            CallStep::End(_) | CallStep::Ringing | CallStep::LinkSent | CallStep::Candidates(_) => false,
            _ => {
                self.refuse(leg, device, "this call is on another device");
                false
            }
        }
    }

    pub(crate) fn step_in_call(&mut self, leg: Leg, device: Option<&DeviceId>, step: CallStep) {
        if !self.may_speak(leg, device, &step) {
            return;
        }
        match step {
            CallStep::End(reason) => self.hung_up(leg, reason),
            _ if self.loops && leg == Leg::Callee => self.refuse(leg, device, "an echo only gives back"),
            CallStep::Candidates(candidates) => self.candidates(leg, device, candidates),
            CallStep::Update { sdp: None, muted: None } => self.refuse(leg, device, "an update without a change"),
            CallStep::Update { sdp, muted } => {
                if let Some(muted) = muted {
                    self.side_mut(leg).muted = Some(muted);
                    self.tell_muted(leg.other(), muted);
                }
                if let Some(sdp) = sdp {
                    self.update(leg, device, sdp);
                }
            }
            // Some clients spell every offer the same.
            CallStep::Offer { sdp: Some(sdp), .. } if !self.is_settling(leg) => self.update(leg, device, sdp),
            CallStep::Answer { sdp: Some(sdp) } => match self.side(leg).signalling {
                Signalling::Ours(_) => {
                    self.side_mut(leg).signalling = Signalling::TakingAnswer;
                    self.act(Action::TakeAnswer { leg, sdp });
                }
                _ => self.refuse(leg, device, "nothing waits for this answer"),
            },
            CallStep::Dtmf(keys) => self.keys(leg, device, keys),
            CallStep::Offer { .. } | CallStep::Answer { sdp: None } | CallStep::Ringing | CallStep::LinkSent => {}
            _ => self.refuse(leg, device, "this has no place within a call"),
        }
    }

    fn keys(&mut self, leg: Leg, device: Option<&DeviceId>, keys: String) {
        let are_keys = keys.chars().all(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D'));
        if keys.is_empty() || keys.len() > MAX_KEYS || !are_keys {
            self.refuse(leg, device, "these are no telephone keys");
        } else if !self.loops {
            self.send(leg.other(), CallStep::Dtmf(keys));
        }
    }

    /// A new offer of a leg within the call.
    fn update(&mut self, leg: Leg, device: Option<&DeviceId>, sdp: String) {
        let side = self.side(leg);
        match side.signalling {
            _ if self.is_settling(leg) => self.refuse(leg, device, STILL_SETTLING),
            // Picked up without a description, and offers one instead of answering.
            Signalling::Ours(_) if !side.negotiated => self.take_offer(leg, sdp),
            Signalling::Ours(_) if leg == Leg::Callee => {
                self.refuse(leg, device, "an offer is on its way to you: answer that one first");
            }
            Signalling::Ours(_) => self.give_way(leg, sdp),
            _ => self.take_offer(leg, sdp),
        }
    }

    /// Whether something that this leg has said is not done with.
    fn is_settling(&self, leg: Leg) -> bool {
        matches!(self.side(leg).signalling, Signalling::Taking | Signalling::Theirs | Signalling::TakingAnswer)
    }

    /// The caller's offer beats ours. What ours was about is offered again once the caller's is done.
    fn give_way(&mut self, leg: Leg, sdp: String) {
        self.side_mut(leg).offer_due = true;
        self.take_offer(leg, sdp);
    }

    /// Gives the relay a leg's offer.
    pub(crate) fn take_offer(&mut self, leg: Leg, sdp: String) {
        let side = self.side_mut(leg);
        side.signalling = Signalling::Taking;
        side.begin_generation();
        self.act(Action::TakeOffer { leg, sdp });
    }

    pub(crate) fn offer_taken(&mut self, leg: Leg, described: Described) {
        if self.side(leg).signalling != Signalling::Taking {
            return;
        }
        let now = self.now;
        let side = self.side_mut(leg);
        side.signalling = Signalling::Theirs;
        side.describe(described, true);
        side.begin_wait(now);
        let concerns_other = side.negotiated && !described.restart_only;
        self.record.had_video |= described.video;
        if self.stage == Stage::Calling {
            if !self.is_invited() {
                self.invite();
            }
        } else if concerns_other && !self.loops && self.side(leg.other()).negotiated {
            self.side_mut(leg.other()).offer_due = true;
        }
    }

    pub(crate) fn answer_taken(&mut self, leg: Leg, described: Described) {
        if self.side(leg).signalling != Signalling::TakingAnswer {
            return;
        }
        let now = self.now;
        let side = self.side_mut(leg);
        side.signalling = Signalling::Stable;
        side.describe(described, false);
        side.narrowed = described.narrowed && !std::mem::take(&mut side.narrowing);
        side.begin_wait(now);
        self.record.had_video |= described.video;
        if self.stage == Stage::Calling {
            self.answered();
        }
        self.negotiated(leg);
    }

    /// Whatever is due now: offers to legs at which nothing is open, answers to legs whose other side
    /// has nothing left to say to their offer, and last what somebody has narrowed, offered again.
    pub(crate) fn settle(&mut self) {
        // (Each round lowers the number of offers due and of legs that wait, so this ends.)
        while self.stage == Stage::Up && self.settle_one() {}
    }

    fn settle_one(&mut self) -> bool {
        for leg in [Leg::Callee, Leg::Caller] {
            let side = self.side(leg);
            if side.offer_due && side.signalling == Signalling::Stable {
                self.offer(leg);
                return true;
            }
        }
        for leg in [Leg::Callee, Leg::Caller] {
            let (side, other) = (self.side(leg), self.side(leg.other()));
            let is_open =
                matches!(other.signalling, Signalling::Ours(_) | Signalling::Taking | Signalling::TakingAnswer);
            // (Of two that wait for each other one is answered by what the other asks for.)
            let is_to_open = other.offer_due && !side.offer_due;
            if side.signalling == Signalling::Theirs && !is_open && !is_to_open {
                self.answer(leg);
                return true;
            }
        }
        // (What was narrowed is known to both once nothing is open at either.)
        let is_quiet = Leg::BOTH.into_iter().all(|leg| self.side(leg).signalling == Signalling::Stable);
        let narrowed = Leg::BOTH.into_iter().find(|leg| is_quiet && self.side(*leg).narrowed);
        narrowed.inspect(|leg| self.offer(*leg)).is_some()
    }

    fn offer(&mut self, leg: Leg) {
        let (to, media) = (self.holder(leg), self.record.media);
        self.await_answer(leg);
        let side = self.side_mut(leg);
        side.offer_due = false;
        side.narrowing = std::mem::take(&mut side.narrowed);
        self.act(Action::Offer { leg, to, media, step: Blank::Update });
    }

    /// Offers a leg new ICE credentials: its way to the relay is lost.
    pub(crate) fn restart(&mut self, leg: Leg) {
        let to = self.holder(leg);
        self.await_answer(leg);
        self.side_mut(leg).restarted = true;
        self.act(Action::Restart { leg, to, step: Blank::Update });
    }

    fn await_answer(&mut self, leg: Leg) {
        let until = self.now.saturating_add(self.options.update);
        let side = self.side_mut(leg);
        side.signalling = Signalling::Ours(Some(until));
        side.begin_generation();
    }

    fn answer(&mut self, leg: Leg) {
        let (to, step) = (self.holder(leg), Blank::Answer);
        self.side_mut(leg).signalling = Signalling::Stable;
        self.act(if self.loops { Action::LoopBack { leg, to, step } } else { Action::Answer { leg, to, step } });
        self.negotiated(leg);
    }

    /// Offer and answer are exchanged: what was kept until now goes its way.
    fn negotiated(&mut self, leg: Leg) {
        let side = self.side_mut(leg);
        side.negotiated = true;
        let candidates = side.take_early();
        let ours = std::mem::take(&mut side.ours);
        if !candidates.is_empty() {
            self.act(Action::AddCandidates { leg, candidates });
        }
        if !ours.is_empty() {
            self.send(leg, CallStep::Candidates(ours));
        }
    }

    pub(crate) fn refused(&mut self, leg: Leg, request: Request, why: String) {
        let device = self.side(leg).device.clone();
        let signalling = self.side(leg).signalling;
        let is_calling = self.stage != Stage::Up;
        match request {
            Request::TakeOffer if signalling == Signalling::Taking => {
                self.refuse(leg, device.as_ref(), why.clone());
                self.put_back(leg);
                match self.side(leg).signalling {
                    Signalling::Nothing if is_calling && self.is_invited() => self.failed(why),
                    Signalling::Nothing if is_calling => self.not_begun(why),
                    _ => {}
                }
            }
            Request::TakeAnswer if signalling == Signalling::TakingAnswer => {
                self.refuse(leg, device.as_ref(), why);
                self.put_back(leg);
                if is_calling {
                    self.callee.device = None;
                }
            }
            Request::Offer if is_calling && signalling == Signalling::Ours(None) => self.failed(why),
            Request::Offer | Request::Restart if !is_calling && matches!(signalling, Signalling::Ours(_)) => {
                self.put_back(leg);
            }
            Request::Answer | Request::LoopBack if !is_calling && !self.side(leg).was_connected => self.failed(why),
            Request::Answer | Request::LoopBack | Request::AddCandidates => self.refuse(leg, device.as_ref(), why),
            _ => {}
        }
    }

    /// What a leg's negotiation was before the relay refused the leg's words, or ours came to nothing.
    pub(crate) fn put_back(&mut self, leg: Leg) {
        let invited = self.is_invited();
        let side = self.side_mut(leg);
        side.signalling = if side.negotiated {
            Signalling::Stable
        } else if side.described.is_some() {
            Signalling::Theirs
        } else if leg == Leg::Callee && invited {
            Signalling::Ours(None)
        } else {
            Signalling::Nothing
        };
    }
}
