//! The call itself.

use crate::{Action, Devices, Input, Leg, LegState, Options, Outcome, Record};
use monster_bridge_api::{CallId, CallMedia, CallStep, EndReason};
use std::time::Duration;

/// A call: told what happens, says what is to be done. See the crate's head for the rules.
#[derive(Debug, Clone)]
pub struct Call {
    id: CallId,
    options: Options,
    began: Duration,
    caller: LegState,
    callee: LegState,
    record: Record,
}

impl Call {
    /// A call that is about to begin: its first input is the caller's offer. `now` and every other
    /// point in time is a duration since the same moment, which may be any.
    pub fn new(id: CallId, media: CallMedia, options: Options, now: Duration) -> Self {
        let record = Record {
            id: id.clone(),
            media,
            had_video: false,
            outcome: Outcome::Missed,
            reason: None,
            ended_by: None,
            ringing_after: None,
            answered_after: None,
            connected_after: None,
            media_after: None,
            ended_after: None,
        };
        Self { id, options, began: now, caller: LegState::Inviting, callee: LegState::Inviting, record }
    }

    /// Tells the call what happened, and says what is to be done about it. Takes any input at any
    /// time; what makes no sense now changes nothing.
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Action> {
        match input {
            _ if self.is_over() => Vec::new(),
            Input::Unreachable { why, .. } => self.end(&EndReason::Failed(why), now),
            Input::Stop => self.end(&EndReason::GatewayStopped, now),
            Input::Timeout if self.next_timeout().is_some_and(|at| at <= now) => self.end(&EndReason::NoAnswer, now),
            _ => Vec::new(),
        }
    }

    /// When [`Input::Timeout`] is due; `None` once the call is over.
    pub fn next_timeout(&self) -> Option<Duration> {
        (!self.is_over()).then(|| self.began.saturating_add(self.options.no_answer))
    }

    /// Which call.
    pub fn id(&self) -> &CallId {
        &self.id
    }

    /// How far a leg has come.
    pub fn state(&self, leg: Leg) -> &LegState {
        match leg {
            Leg::Caller => &self.caller,
            Leg::Callee => &self.callee,
        }
    }

    /// Whether somebody has answered it.
    pub fn is_answered(&self) -> bool {
        self.record.answered_after.is_some()
    }

    /// Whether it is over; nothing more comes of it then.
    pub fn is_over(&self) -> bool {
        self.record.ended_after.is_some()
    }

    /// What there is to tell of it, so far.
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    fn end(&mut self, reason: &EndReason, now: Duration) -> Vec<Action> {
        self.caller = LegState::Ended(reason.clone());
        self.callee = LegState::Ended(reason.clone());
        self.record.ended_after = Some(now.saturating_sub(self.began));
        self.record.reason = Some(reason.clone());
        let tell = |leg| Action::Send { leg, to: Devices::All, step: CallStep::End(reason.clone()) };
        vec![tell(Leg::Caller), tell(Leg::Callee), Action::CloseMedia, Action::Ended(self.record())]
    }
}
