//! How a call ends, by whoever ends it.

use super::{Asked, Dialogue, Output, Stage};
use crate::jingle::{Action, Jingle};
use crate::message::{Ending, MessageKind};
use crate::reason::{Condition, Reason};
use monster_bridge_api::{CallStep, EndReason};

impl Dialogue {
    /// The gateway ends it.
    pub(super) fn end(&mut self, why: &EndReason) {
        self.end_with(Reason::from(why));
        self.over(None);
    }

    /// Tells the user's devices that it is over, in the way that they know of it.
    pub(super) fn end_with(&mut self, reason: Reason) {
        let invited = match (self.stage, self.described) {
            (Stage::Calling, _) => std::mem::take(&mut self.invited),
            (Stage::Up, _) | (Stage::Called | Stage::Picked, true) => self.device.clone().into_iter().collect(),
            _ => Vec::new(),
        };
        for device in &invited {
            let jingle = Jingle::new(Action::SessionTerminate, &self.sid).because(reason.clone());
            self.iq(device, &jingle, Asked::Within);
        }
        if !self.by_message || self.proceeded {
            return;
        }
        let peer = self.peer.clone();
        match (self.stage, self.device.clone()) {
            (Stage::Calling, _) if self.outrun => self.say(&peer, MessageKind::Retract(Ending::tie_break())),
            // (Why somebody gives up is nobody's business: XEP-0353 §6.)
            (Stage::Calling, _) => {
                self.say(&peer, MessageKind::Retract(Ending::of(Reason::new(Condition::Cancel))));
            }
            (Stage::Called, Some(device)) if !self.described => {
                let reason = match reason.condition {
                    Condition::Timeout | Condition::Cancel | Condition::Gone => Reason::new(Condition::Expired),
                    _ => reason,
                };
                self.say(&device, MessageKind::Reject(Ending::of(reason)));
            }
            _ => {}
        }
    }

    /// It is over. Where messages began it and somebody answered, one ends it too (XEP-0353 §3.6).
    /// `tell`: what the gateway is told, and of which device.
    pub(super) fn over(&mut self, tell: Option<(&str, EndReason)>) {
        if self.stage == Stage::Over {
            return;
        }
        if self.by_message && self.proceeded {
            let condition = if self.stage == Stage::Up { Condition::Success } else { Condition::Expired };
            let peer = self.peer.clone();
            self.say(&peer, MessageKind::Finish(Ending::of(Reason::new(condition))));
        }
        self.stage = Stage::Over;
        self.asked.clear();
        self.deferred.clear();
        if let Some((device, why)) = tell {
            self.tell(device, CallStep::End(why));
        }
    }

    /// A device ends its session.
    pub(super) fn terminated(&mut self, from: &str, jingle: &Jingle) {
        let why = jingle.reason.as_ref().map_or(EndReason::HungUp, Reason::end);
        if self.stage != Stage::Calling {
            return self.over(Some((from, why)));
        }
        self.invited.retain(|device| device != from);
        let why = if why == EndReason::HungUp { EndReason::Declined } else { why };
        match why {
            // A person has decided: for all devices.
            EndReason::Declined | EndReason::Busy => {
                self.end_with(Reason::new(Condition::Cancel));
                self.over(Some((from, why)));
            }
            _ => self.fewer_devices(from, why),
        }
    }

    /// The user says by message that it is over.
    pub(super) fn finished(&mut self, from: &str, ending: &Ending) {
        if matches!(self.stage, Stage::New | Stage::Over) {
            return;
        }
        let why = match ending.reason.as_ref().map(Reason::end) {
            _ if ending.migrated.is_some() => EndReason::AnsweredElsewhere,
            None | Some(EndReason::NoAnswer) => EndReason::HungUp,
            Some(why) => why,
        };
        self.over(Some((from, why)));
    }

    /// The user's client has lost the session.
    pub(super) fn lost(&mut self) {
        let device = self.device.clone().unwrap_or_default();
        self.over(Some((&device, EndReason::Gone)));
    }

    /// A device of the user's is no longer there.
    pub fn gone(&mut self, device: &str) -> Vec<Output> {
        if self.stage == Stage::Calling && self.device.as_deref() != Some(device) {
            let before = self.invited.len();
            self.invited.retain(|invited| invited != device);
            if self.invited.len() < before {
                self.fewer_devices(device, EndReason::Gone);
            }
        } else if self.device.as_deref() == Some(device) && self.stage != Stage::New {
            self.lost();
        }
        self.take_out()
    }

    /// The invitation came back: it has reached nobody; `why` in words.
    pub fn bounced(&mut self, why: &str) -> Vec<Output> {
        if self.stage == Stage::Calling && self.by_message && !self.proceeded {
            self.by_message = false;
            self.fewer_devices("", EndReason::Failed(why.to_owned()));
        }
        self.take_out()
    }

    /// The gateway does not take a step that it was told; `why` in words.
    pub fn declined(&mut self, step: &CallStep, why: &str) -> Vec<Output> {
        let reason = || Reason::with_words(Condition::FailedApplication, why);
        match step {
            CallStep::Update { sdp: Some(_), .. } if self.stage == Stage::Up => self.change_declined(why),
            CallStep::Offer { .. } | CallStep::Update { sdp: Some(_), .. } => {
                self.end_with(reason());
                self.over(None);
            }
            CallStep::Answer { .. } => {
                self.end_with(reason());
                let device = self.device.clone().unwrap_or_default();
                self.over(Some((&device, EndReason::Failed(why.to_owned()))));
            }
            _ => {}
        }
        self.take_out()
    }
}
