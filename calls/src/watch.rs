//! What time, the media and lost connections do to a call.

use crate::call::Stage;
use crate::side::{MAX_CANDIDATES, Signalling};
use crate::{Action, Call, Leg, MediaEvent, Outcome};
use monster_bridge_api::{CallStep, DeviceId, EndReason, IceCandidate};
use std::time::Duration;

/// What is over when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// Waiting for somebody to answer.
    NoAnswer,
    /// Waiting for a leg's answer to an offer within the call.
    Update(Leg),
    /// Waiting for a leg to be connected, or to be again.
    Apart(Leg),
    /// Waiting for a leg's media.
    Quiet(Leg),
    /// Waiting for a leg to be reachable again.
    Gone(Leg),
}

impl Call {
    /// When [`Input::Timeout`](crate::Input::Timeout) is due; `None` once the call is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        self.due().map(|(at, _)| at).min()
    }

    /// Everything that the call waits for, and until when.
    fn due(&self) -> impl Iterator<Item = (Duration, Due)> {
        let waits = matches!(self.stage, Stage::New | Stage::Calling);
        let no_answer = waits.then(|| (self.began.saturating_add(self.options.no_answer), Due::NoAnswer));
        let legs: &[Leg] = if self.stage == Stage::Up { &Leg::BOTH } else { &[] };
        no_answer.into_iter().chain(legs.iter().flat_map(|leg| self.due_of(*leg)))
    }

    fn due_of(&self, leg: Leg) -> impl Iterator<Item = (Duration, Due)> {
        let (side, options) = (self.side(leg), &self.options);
        let patience = |knows: bool| if knows { options.silence } else { options.first_media };
        let apart = side.apart_since.map(|since| (since, patience(side.was_connected), Due::Apart(leg)));
        let quiet = side.quiet_since.filter(|_| !self.is_excused(leg));
        let quiet = quiet.map(|since| (since, patience(side.has_sounded), Due::Quiet(leg)));
        let is_heard = side.quiet_since.is_none() && side.apart_since.is_none();
        let patience = if is_heard { options.gone } else { options.silence };
        let gone = side.gone_since.map(|since| (since, patience, Due::Gone(leg)));
        let update = match side.signalling {
            Signalling::Ours(Some(until)) => Some((until, Due::Update(leg))),
            _ => None,
        };
        let ends = [apart, quiet, gone].into_iter().flatten();
        ends.map(|(since, patience, due)| (since.saturating_add(patience), due)).chain(update)
    }

    pub(crate) fn time_out(&mut self) {
        // (An offer that is given up leaves nothing that is due now, all else ends the call.)
        while let Some((_, due)) = self.due().filter(|(at, _)| *at <= self.now).min_by_key(|(at, _)| *at) {
            match due {
                Due::NoAnswer => self.not_answered(),
                Due::Update(leg) => self.put_back(leg),
                Due::Apart(leg) if self.side(leg).was_connected => self.lost(leg),
                Due::Apart(_) | Due::Quiet(_) => self.broke(None, EndReason::NoMedia, Outcome::Failed),
                Due::Gone(leg) => self.lost(leg),
            }
        }
    }

    /// Whether nothing has to be heard of a leg now: it is not to send, has muted itself, or the call
    /// is on hold.
    pub(crate) fn is_excused(&self, leg: Leg) -> bool {
        let side = self.side(leg);
        let receives = |leg: Leg| self.side(leg).described.is_none_or(|described| described.receives);
        let on_hold = Leg::BOTH.into_iter().any(|leg| self.side(leg).holds) || !receives(leg.other());
        on_hold || side.is_mute() || side.described.is_some_and(|described| !described.sends)
    }

    /// A leg that was excused and is no longer has the whole time to be heard.
    pub(crate) fn watch_again(&mut self, excused: [bool; 2]) {
        let now = self.now;
        for (leg, was_excused) in Leg::BOTH.into_iter().zip(excused) {
            if was_excused && !self.is_excused(leg) {
                let side = self.side_mut(leg);
                side.quiet_since = side.quiet_since.map(|_| now);
                side.expected_from = now;
            }
        }
    }

    /// From now on a leg has to be connected and heard.
    pub(crate) fn begin_watch(&mut self, leg: Leg) {
        if self.loops && leg == Leg::Callee {
            return;
        }
        let now = self.now;
        let side = self.side_mut(leg);
        side.apart_since = (!side.was_connected).then_some(now);
        side.quiet_since = (!side.has_sounded).then_some(now);
        side.expected_from = now;
    }

    /// Takes note of when the call was first connected and heard.
    pub(crate) fn note_times(&mut self) {
        if self.stage != Stage::Up {
            return;
        }
        let age = self.age();
        let has_media = |leg: Leg| !(self.loops && leg == Leg::Callee);
        let mut legs = Leg::BOTH.into_iter().filter(|leg| has_media(*leg));
        if self.record.connected_after.is_none() && legs.clone().all(|leg| self.side(leg).was_connected) {
            self.record.connected_after = Some(age);
        }
        let any = legs.clone().any(|leg| self.side(leg).has_sounded);
        if self.record.media_after.is_none()
            && any
            && legs.all(|leg| self.side(leg).has_sounded || self.is_excused(leg))
        {
            self.record.media_after = Some(age);
        }
    }

    pub(crate) fn take_media(&mut self, event: MediaEvent) {
        let now = self.now;
        match event {
            MediaEvent::Candidate { leg, candidate } => self.own_candidate(leg, candidate),
            MediaEvent::Connected { leg } => {
                let side = self.side_mut(leg);
                side.was_connected = true;
                side.apart_since = None;
                side.restarted = false;
            }
            MediaEvent::FirstMedia { leg } | MediaEvent::Sounding { leg } => {
                let side = self.side_mut(leg);
                side.has_sounded = true;
                side.quiet_since = None;
            }
            MediaEvent::Silent { leg, lasting } if self.has_media(leg) => {
                let side = self.side_mut(leg);
                let since = now.saturating_sub(lasting).max(side.expected_from);
                side.quiet_since = side.quiet_since.or(Some(since));
            }
            MediaEvent::Lost { leg } if self.has_media(leg) => {
                let side = self.side_mut(leg);
                side.apart_since = side.apart_since.or(Some(now));
                let may = side.negotiated && side.signalling == Signalling::Stable && side.gone_since.is_none();
                if may && !side.restarted {
                    self.restart(leg);
                }
            }
            MediaEvent::Failed { leg, why } if self.has_media(leg) => self.failed(why),
            MediaEvent::Silent { .. } | MediaEvent::Lost { .. } | MediaEvent::Failed { .. } => {}
        }
    }

    /// Whether a leg has media of its own in an answered call.
    fn has_media(&self, leg: Leg) -> bool {
        self.stage == Stage::Up && !(self.loops && leg == Leg::Callee)
    }

    /// A candidate of the relay's: to a leg that has our description, else kept until it has.
    fn own_candidate(&mut self, leg: Leg, candidate: IceCandidate) {
        if self.loops && leg == Leg::Callee {
            return;
        }
        let is_told = self.side(leg).negotiated || (leg == Leg::Callee && self.is_invited());
        let rings = self.stage != Stage::Up;
        let side = self.side_mut(leg);
        if rings || !is_told {
            if side.ours.len() >= MAX_CANDIDATES {
                return;
            }
            side.ours.push(candidate.clone());
        }
        if is_told {
            let to = self.holder(leg);
            self.act(Action::Send { leg, to, step: CallStep::Candidates(vec![candidate]) });
        }
    }

    /// A leg's line failed.
    pub(crate) fn unreachable(&mut self, leg: Leg, why: String) {
        match (self.stage, leg) {
            (Stage::Up, _) => self.nobody_there(leg),
            (_, Leg::Caller) => self.caller_vanished(),
            (_, Leg::Callee) => self.not_reached(why),
        }
    }

    pub(crate) fn device_gone(&mut self, leg: Leg, device: &DeviceId) {
        let holds = self.side(leg).device.as_ref() == Some(device);
        match (self.stage, leg) {
            (Stage::Up, _) if holds => self.nobody_there(leg),
            (Stage::Calling, Leg::Caller) if holds => self.caller_vanished(),
            (Stage::Calling, Leg::Callee) => self.callee.forget(device),
            _ => {}
        }
    }

    /// Nobody may come back to a leg: not on this device, or not at all.
    pub(crate) fn barred(&mut self, leg: Leg, device: Option<&DeviceId>) {
        let holds = device.is_none_or(|device| self.side(leg).device.as_ref() == Some(device));
        match (self.stage, leg, device) {
            (Stage::Up, ..) if holds => {
                self.nobody_there(leg);
                self.lost(leg);
            }
            (Stage::New | Stage::Calling, Leg::Caller, _) if holds => self.caller_vanished(),
            (Stage::New | Stage::Calling, Leg::Callee, Some(device)) => self.callee.forget(device),
            (Stage::New | Stage::Calling, Leg::Callee, None) => self.lost(leg),
            _ => {}
        }
    }

    fn nobody_there(&mut self, leg: Leg) {
        let now = self.now;
        let side = self.side_mut(leg);
        side.gone_since = side.gone_since.or(Some(now));
    }

    /// A leg did not come back.
    fn lost(&mut self, leg: Leg) {
        self.broke(Some(leg), EndReason::Gone, Outcome::Failed);
    }
}
