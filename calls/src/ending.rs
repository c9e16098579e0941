//! The ways in which a call ends, and who is told what.

use crate::call::Stage;
use crate::{Action, Call, Devices, Leg, Outcome};
use monster_bridge_api::{CallStep, DeviceId, EndReason};

/// The longest explanation that is passed on, in bytes.
const MAX_WORDS: usize = 256;

/// One end.
struct Ending {
    outcome: Outcome,
    by: Option<Leg>,
    reason: EndReason,
    /// What each is told; `None` if it knows.
    caller: Option<EndReason>,
    callee: Option<EndReason>,
}

impl Call {
    /// The end: whoever does not know is told, the media is let go, the record is closed.
    fn end(&mut self, ending: Ending) {
        let Ending { outcome, by, reason, caller, callee } = ending;
        let is_known = [self.stage != Stage::New, self.is_invited()];
        for ((leg, told), is_known) in Leg::BOTH.into_iter().zip([caller, callee]).zip(is_known) {
            if let Some(reason) = told.clone().filter(|_| is_known) {
                let to = self.who_hears(leg);
                self.act(Action::Send { leg, to, step: CallStep::End(reason) });
            }
            self.side_mut(leg).ended = Some(told.unwrap_or_else(|| reason.clone()));
        }
        self.stage = Stage::Over;
        self.record.outcome = outcome;
        self.record.reason = Some(reason);
        self.record.ended_by = by;
        self.record.ended_after = Some(self.age());
        self.act(Action::CloseMedia);
        self.act(Action::Ended(self.record.clone()));
    }

    /// Who hears of the end: the device that holds the leg; all, if it is gone (it may be back under
    /// another name) or there is none yet.
    fn who_hears(&self, leg: Leg) -> Devices {
        let is_held = self.stage == Stage::Up || leg == Leg::Caller;
        if is_held && self.side(leg).gone_since.is_none() { self.holder(leg) } else { Devices::All }
    }

    /// The caller gives up before anybody has answered.
    pub(crate) fn called_off(&mut self, reason: EndReason) {
        let (outcome, reason) = match reason {
            EndReason::Failed(why) => (Outcome::Failed, EndReason::Failed(shortened(why))),
            EndReason::GatewayStopped => (Outcome::Cancelled, EndReason::GatewayStopped),
            _ => (Outcome::Cancelled, EndReason::Cancelled),
        };
        let (by, callee) = (Some(Leg::Caller), Some(EndReason::Cancelled));
        self.end(Ending { outcome, by, reason, caller: None, callee });
    }

    /// The caller is no longer there, and nobody has answered.
    pub(crate) fn caller_vanished(&mut self) {
        self.caller.gone_since = Some(self.now);
        self.end(Ending {
            outcome: Outcome::Cancelled,
            by: Some(Leg::Caller),
            reason: EndReason::Gone,
            caller: Some(EndReason::Gone),
            callee: Some(EndReason::Cancelled),
        });
    }

    /// A device of the callee ends it before it is answered: for all of them.
    pub(crate) fn declined(&mut self, device: Option<&DeviceId>, reason: EndReason) {
        let (outcome, reason) = match reason {
            EndReason::Busy => (Outcome::Busy, EndReason::Busy),
            EndReason::NoAnswer => (Outcome::Missed, EndReason::NoAnswer),
            EndReason::Failed(why) => (Outcome::Failed, EndReason::Failed(shortened(why))),
            EndReason::Gone | EndReason::NoMedia | EndReason::GatewayStopped => (Outcome::Failed, reason),
            _ => (Outcome::Declined, EndReason::Declined),
        };
        if let Some(device) = device {
            let (to, step) = (Devices::AllBut(device.clone()), CallStep::End(EndReason::AnsweredElsewhere));
            self.act(Action::Send { leg: Leg::Callee, to, step });
        }
        let (by, caller) = (Some(Leg::Callee), Some(reason.clone()));
        self.end(Ending { outcome, by, reason, caller, callee: None });
    }

    /// The callee's line fails before anybody has answered.
    pub(crate) fn not_reached(&mut self, why: String) {
        let reason = EndReason::Failed(shortened(why));
        self.end(Ending {
            outcome: Outcome::Failed,
            by: None,
            caller: Some(reason.clone()),
            // (Other lines of the callee may have rung.)
            callee: Some(EndReason::Cancelled).filter(|_| self.callee.rings),
            reason,
        });
    }

    /// The call gives way to the one that came the other way.
    pub(crate) fn crossed(&mut self) {
        if self.stage != Stage::Up {
            self.broke(None, EndReason::Cancelled, Outcome::Crossed);
        }
    }

    /// A side ends the call that both were in.
    pub(crate) fn hung_up(&mut self, leg: Leg, reason: EndReason) {
        let reason = match reason {
            EndReason::Failed(why) => EndReason::Failed(shortened(why)),
            EndReason::Gone | EndReason::NoMedia | EndReason::GatewayStopped => reason,
            _ => EndReason::HungUp,
        };
        let tell = |other: Leg| Some(reason.clone()).filter(|_| other != leg);
        self.end(Ending {
            outcome: self.outcome_of_talk(&reason),
            by: Some(leg),
            caller: tell(Leg::Caller),
            callee: tell(Leg::Callee),
            reason,
        });
    }

    pub(crate) fn not_answered(&mut self) {
        self.broke(None, EndReason::NoAnswer, Outcome::Missed);
    }

    /// It cannot be done, or go on.
    pub(crate) fn failed(&mut self, why: String) {
        self.broke(None, EndReason::Failed(shortened(why)), Outcome::Failed);
    }

    /// The offer that would have begun it was refused, of which the caller has been told.
    pub(crate) fn not_begun(&mut self, why: String) {
        let reason = EndReason::Failed(shortened(why));
        let by = Some(Leg::Caller);
        self.end(Ending { outcome: Outcome::Failed, by, reason, caller: None, callee: None });
    }

    pub(crate) fn stop(&mut self) {
        self.broke(None, EndReason::GatewayStopped, Outcome::Missed);
    }

    /// It ends although neither side has said so: both are told the same. `by`: whose leg it was;
    /// `unanswered`: what the call was if nobody has answered it.
    pub(crate) fn broke(&mut self, by: Option<Leg>, reason: EndReason, unanswered: Outcome) {
        let outcome = if self.is_answered() { self.outcome_of_talk(&reason) } else { unanswered };
        let told = Some(reason.clone());
        self.end(Ending { outcome, by, reason, caller: told.clone(), callee: told });
    }

    /// What an answered call was: a talk, unless it broke before anybody was heard.
    fn outcome_of_talk(&self, reason: &EndReason) -> Outcome {
        let heard = Leg::BOTH.into_iter().any(|leg| self.side(leg).has_sounded);
        let broke = matches!(reason, EndReason::Failed(_) | EndReason::NoMedia | EndReason::Gone);
        if heard || !broke { Outcome::Answered } else { Outcome::Failed }
    }
}

/// Words of somebody else, at a length that fits anywhere.
fn shortened(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(MAX_WORDS));
    words
}
