//! The call itself: what it is told, by stages. The stages' own rules are in `setup` (until somebody
//! answers), `talk` (afterwards), `watch` (what time and media say) and `ending`.

use crate::side::{Side, Signalling};
use crate::{Action, Devices, Input, Leg, LegState, Options, Outcome, Record};
use monster_bridge_api::{CallId, CallMedia, CallStep, DeviceId};
use std::time::Duration;

/// A call: told what happens, says what is to be done. See the crate's head for the rules.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) options: Options,
    pub(crate) began: Duration,
    pub(crate) now: Duration,
    pub(crate) stage: Stage,
    pub(crate) caller: Side,
    pub(crate) callee: Side,
    /// The callee gives the caller its own media back, and has none itself.
    pub(crate) loops: bool,
    pub(crate) record: Record,
    /// What is to be done about the input at hand.
    pub(crate) actions: Vec<Action>,
}

/// How far the call as a whole has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The caller's offer has not come.
    New,
    /// It has; nobody has answered.
    Calling,
    /// Somebody has.
    Up,
    /// It is over.
    Over,
}

impl Call {
    /// A call that is about to begin: its first input is the caller's offer. `now` and every other
    /// point in time is a duration since the same moment, which may be any.
    pub fn new(id: CallId, media: CallMedia, options: Options, now: Duration) -> Self {
        let record = Record {
            id,
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
        Self {
            // (An offer that was over as soon as it was made would have its time-out come for ever.)
            options: Options { update: options.update.max(Duration::from_secs(1)), ..options },
            began: now,
            now,
            stage: Stage::New,
            caller: Side::new(),
            callee: Side::new(),
            loops: false,
            record,
            actions: Vec::new(),
        }
    }

    /// Tells the call what happened, and says what is to be done about it. Takes any input at any
    /// time; what makes no sense now changes nothing. Time that goes back stands still.
    pub fn handle(&mut self, input: Input, now: Duration) -> Vec<Action> {
        if self.is_over() {
            return Vec::new();
        }
        self.now = self.now.max(now);
        let excused = Leg::BOTH.map(|leg| self.is_excused(leg));
        self.take_in(input);
        self.settle();
        self.watch_again(excused);
        self.note_times();
        std::mem::take(&mut self.actions)
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Step { leg, device, step } => self.take_step(leg, device.as_ref(), step),
            Input::OfferTaken { leg, described } => self.offer_taken(leg, described),
            Input::AnswerTaken { leg, described } => self.answer_taken(leg, described),
            Input::Refused { leg, request, why } => self.refused(leg, request, why),
            Input::Media(event) => self.take_media(event),
            Input::Unreachable { leg, why } => self.unreachable(leg, why),
            Input::DeviceCame { leg, device } => self.device_came(leg, device),
            Input::DeviceGone { leg, device } => self.device_gone(leg, &device),
            Input::Barred { leg, device } => self.barred(leg, device.as_ref()),
            Input::Crossed => self.crossed(),
            Input::Timeout => self.time_out(),
            Input::Stop => self.stop(),
        }
    }

    fn take_step(&mut self, leg: Leg, device: Option<&DeviceId>, step: CallStep) {
        match (self.stage, leg) {
            (Stage::New, Leg::Caller) => self.first_step(device, step),
            (Stage::Calling, Leg::Caller) => self.step_of_waiting_caller(device, step),
            (Stage::Calling, Leg::Callee) if self.is_invited() => self.step_of_called(device, step),
            (Stage::Up, _) => self.step_in_call(leg, device, step),
            _ => self.refuse(leg, device, "there is no such call yet"),
        }
    }

    /// Which call.
    pub fn id(&self) -> &CallId {
        &self.record.id
    }

    /// How far a leg has come.
    pub fn state(&self, leg: Leg) -> LegState {
        let side = self.side(leg);
        match (&side.ended, self.stage) {
            (Some(reason), _) => LegState::Ended(reason.clone()),
            (None, Stage::Up) if side.holds => LegState::Held,
            (None, Stage::Up) if side.was_connected && side.apart_since.is_none() => LegState::Connected,
            (None, Stage::Up) => LegState::Answered,
            (None, _) if side.rings => LegState::Ringing,
            (None, _) => LegState::Inviting,
        }
    }

    /// Whether somebody has answered it.
    pub fn is_answered(&self) -> bool {
        self.record.answered_after.is_some()
    }

    /// Whether it is over; nothing more comes of it then.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What there is to tell of it, so far.
    pub fn record(&self) -> Record {
        self.record.clone()
    }

    pub(crate) fn side(&self, leg: Leg) -> &Side {
        match leg {
            Leg::Caller => &self.caller,
            Leg::Callee => &self.callee,
        }
    }

    pub(crate) fn side_mut(&mut self, leg: Leg) -> &mut Side {
        match leg {
            Leg::Caller => &mut self.caller,
            Leg::Callee => &mut self.callee,
        }
    }

    /// Whether the callee knows of the call.
    pub(crate) fn is_invited(&self) -> bool {
        self.callee.signalling != Signalling::Nothing
    }

    /// How long the call has been there.
    pub(crate) fn age(&self) -> Duration {
        self.now.saturating_sub(self.began)
    }

    /// Whom to send to at a leg: the device that holds it.
    pub(crate) fn holder(&self, leg: Leg) -> Devices {
        self.side(leg).device.clone().map_or(Devices::All, Devices::One)
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Sends a step to the device that holds a leg.
    pub(crate) fn send(&mut self, leg: Leg, step: CallStep) {
        let to = self.holder(leg);
        self.act(Action::Send { leg, to, step });
    }

    pub(crate) fn refuse(&mut self, leg: Leg, device: Option<&DeviceId>, why: impl Into<String>) {
        self.act(Action::Refuse { leg, device: device.cloned(), why: why.into() });
    }
}
