//! What holds for any sequence of inputs to a call; the tests of `calls` replay the seeds of the
//! target with it, and generate sequences of their own.
//!
//! Bytes become inputs, three each: what happens, to whom, and how much later. A relay of sorts
//! does what actions ask of it, or refuses, or says nothing. A witness sees inputs and actions, and
//! knows nothing of the call's own state.

use monster_bridge_api::{CallId, CallMedia, CallStep, DeviceId, EndReason, IceCandidate, Muted};
use monster_calls::{Action, Blank, Call, Described, Devices, Input, Leg, LegState, MediaEvent, Options, Request};
use std::collections::VecDeque;
use std::time::Duration;

/// However the sequence goes, nobody is left ringing or talking, and nobody is told what makes no
/// sense to them.
pub(crate) fn check(data: &[u8]) {
    let Some((begin, data)) = data.split_first() else { return };
    let mut play = Play::new();
    for op in PRELUDE.iter().take([0, 2, 3, 7][usize::from(begin % 4)]) {
        play.op(*op);
    }
    for op in data.chunks_exact(3) {
        play.op([op[0], op[1], op[2]]);
    }
    play.run_out();
}

/// Offer, ringing, answer, both connected and heard.
const PRELUDE: [[u8; 3]; 7] = [[0, 2, 1], [2, 3, 1], [3, 3, 1], [16, 0, 1], [16, 1, 0], [17, 0, 0], [17, 1, 0]];

/// The most that one input may cause.
const MAX_ACTIONS: usize = 12;

struct Play {
    call: Call,
    now: Duration,
    witness: Witness,
}

impl Play {
    fn new() -> Self {
        let now = Duration::from_secs(1000);
        let call = Call::new(CallId::new("call"), CallMedia::Voice, Options::default(), now);
        Self { call, now, witness: Witness::default() }
    }

    fn op(&mut self, [what, arg, later]: [u8; 3]) {
        self.now += Duration::from_millis(u64::from(later) * 100);
        let op = Op { leg: leg(arg), device: device(arg >> 1), arg, later };
        let Some(input) = op.input(what, &self.call) else { return };
        if what % OPS == TIMEOUT_WHEN_DUE {
            self.now = self.now.max(self.call.next_timeout().unwrap_or_default());
        }
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in self.tell(input) {
                inputs.extend(op.relay(&action));
            }
        }
    }

    fn tell(&mut self, input: Input) -> Vec<Action> {
        self.witness.heard(&input);
        let is_timeout = input == Input::Timeout;
        let actions = self.call.handle(input, self.now);
        assert!(actions.len() <= MAX_ACTIONS, "{} actions for one input: {actions:?}", actions.len());
        for action in &actions {
            self.witness.saw(action);
        }
        assert_eq!(self.call.is_over(), self.witness.over, "it is over when it has said so");
        if self.call.is_over() {
            assert_eq!(self.call.next_timeout(), None, "no timer is left");
            for leg in Leg::BOTH {
                assert!(matches!(self.call.state(leg), LegState::Ended(_)), "{leg:?} is {:?}", self.call.state(leg));
            }
        } else if is_timeout {
            assert!(
                self.call.next_timeout().is_none_or(|at| at > self.now),
                "a time-out that is over does not come again"
            );
        }
        actions
    }

    /// Nothing more happens but time, and then the gateway stops.
    fn run_out(mut self) {
        let mut rounds = 0;
        while let Some(at) = self.call.next_timeout() {
            self.now = self.now.max(at);
            self.tell(Input::Timeout);
            rounds += 1;
            assert!(rounds < 10, "a call that nothing happens to comes to rest");
        }
        assert!(self.call.is_over() || self.call.is_answered(), "nobody rings for ever");
        self.tell(Input::Stop);
        assert!(self.call.is_over());
        assert!(self.tell(Input::Stop).is_empty(), "nothing comes of a call that is over");
    }
}

/// What the witness knows of a leg.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "facts that go in any combination")]
struct Known {
    /// It has called, or was called.
    is_there: bool,
    /// It rings, or was told so.
    rings: bool,
    /// Its offer is at the relay.
    taking: bool,
    /// Its offer was taken and is to be answered.
    open: bool,
    /// The relay takes its candidates.
    negotiated: bool,
    /// Candidates given to the relay of this description.
    candidates: usize,
    /// It knows that the call is over.
    ended: bool,
    /// It was told that somebody picked up who describes the session later.
    picked_up: bool,
}

#[derive(Default)]
struct Witness {
    legs: [Known; 2],
    /// A device of the callee has answered.
    answered: bool,
    /// Who says by the input at hand that the call is over, or cannot be told.
    out: Option<Leg>,
    /// The input at hand is that the relay refuses this leg's offer.
    refused: Option<Leg>,
    closed: bool,
    over: bool,
}

impl Witness {
    fn of(&mut self, leg: Leg) -> &mut Known {
        &mut self.legs[usize::from(leg == Leg::Callee)]
    }

    fn heard(&mut self, input: &Input) {
        (self.out, self.refused) = (None, None);
        match input {
            _ if self.over => {}
            Input::Step { leg: Leg::Caller, step: CallStep::Offer { .. }, .. } => self.of(Leg::Caller).is_there = true,
            Input::Step { leg, step: CallStep::End(_), .. } | Input::Unreachable { leg, .. } => self.out = Some(*leg),
            Input::Step { leg: Leg::Callee, step: CallStep::Answer { .. } | CallStep::LoopBack, .. } => {
                self.answered |= self.legs[1].is_there;
            }
            Input::OfferTaken { leg, .. } if self.of(*leg).taking => {
                let leg = self.of(*leg);
                (leg.taking, leg.open) = (false, true);
            }
            Input::Refused { leg, request: Request::TakeOffer, .. } => {
                self.of(*leg).taking = false;
                self.refused = Some(*leg);
            }
            _ => {}
        }
    }

    fn saw(&mut self, action: &Action) {
        assert!(!self.over, "{action:?} after the end");
        match action {
            Action::Refuse { leg, .. } => {
                // Whose offer of a call is refused knows that there is none.
                let is_first = *leg == Leg::Caller && !self.legs[1].is_there;
                self.out = self.out.or(self.refused.filter(|refused| is_first && refused == leg));
                return;
            }
            Action::CloseMedia => {
                assert!(!self.closed);
                self.closed = true;
                return;
            }
            Action::Ended(record) => {
                assert!(self.closed && record.reason.is_some() && record.ended_after.is_some());
                self.over = true;
                self.nobody_is_left();
                return;
            }
            _ => assert!(!self.closed, "{action:?} after the media was let go"),
        }
        self.saw_relay(action);
        match action {
            Action::Send { leg, to, step } => self.saw_step(*leg, to, step),
            Action::Offer { leg, step, .. } => {
                assert_eq!(*step == Blank::Offer(CallMedia::Voice), !self.of(*leg).is_there, "{action:?}");
                assert!(*leg == Leg::Callee || self.answered, "{action:?}");
                self.of(*leg).is_there = true;
            }
            Action::OfferAgain { .. } => assert!(self.legs[1].is_there && !self.legs[1].ended),
            Action::Restart { leg, .. } => assert!(self.answered && self.of(*leg).negotiated, "{action:?}"),
            _ => {}
        }
    }

    fn saw_relay(&mut self, action: &Action) {
        match action {
            Action::Offer { leg, .. } | Action::Restart { leg, .. } | Action::TakeAnswer { leg, .. } => {
                self.of(*leg).candidates = 0;
                self.of(*leg).negotiated |= matches!(action, Action::TakeAnswer { .. });
            }
            Action::TakeOffer { leg, .. } => {
                let leg = self.of(*leg);
                (leg.taking, leg.candidates) = (true, 0);
            }
            Action::Answer { leg, .. } | Action::LoopBack { leg, .. } => {
                assert!(self.answered, "{action:?} before anybody has answered");
                let leg = self.of(*leg);
                assert!(leg.open && !leg.ended, "{action:?} without an offer");
                (leg.open, leg.negotiated) = (false, true);
            }
            Action::AddCandidates { leg, candidates } => {
                assert!(self.answered, "candidates before anybody has answered");
                let leg = self.of(*leg);
                leg.candidates += candidates.len();
                assert!(leg.negotiated && (1..=64).contains(&leg.candidates), "{action:?}");
            }
            _ => {}
        }
    }

    fn saw_step(&mut self, leg: Leg, to: &Devices, step: &CallStep) {
        let answered = self.answered;
        let to_some = matches!(to, Devices::AllBut(_)) || matches!(step, CallStep::End(EndReason::AnsweredElsewhere));
        let known = self.of(leg);
        assert!(known.is_there && !known.ended, "{step:?} to the {}", leg.as_str());
        match step {
            CallStep::LinkSent => assert!(leg == Leg::Caller && !known.negotiated && !known.rings),
            CallStep::Ringing => {
                assert!(leg == Leg::Caller && !known.negotiated && !known.picked_up && !known.rings);
                known.rings = true;
            }
            CallStep::Answer { sdp } => {
                assert!(sdp.is_none() && leg == Leg::Caller && answered && !known.picked_up && !known.negotiated);
                known.picked_up = true;
            }
            CallStep::Candidates(candidates) => {
                assert!(!candidates.is_empty() && (leg == Leg::Callee || known.negotiated));
            }
            CallStep::Update { sdp, muted } => assert!(answered && sdp.is_none() && muted.is_some()),
            CallStep::Dtmf(_) => assert!(answered),
            CallStep::End(_) => known.ended = !to_some,
            other => panic!("{other:?} is sent by nobody"),
        }
    }

    fn nobody_is_left(&self) {
        for (leg, known) in Leg::BOTH.into_iter().zip(&self.legs) {
            let knows = !known.is_there || known.ended || self.out == Some(leg);
            assert!(knows, "the {} is left in the call", leg.as_str());
        }
    }
}

/// One input in bytes.
struct Op {
    leg: Leg,
    device: Option<DeviceId>,
    arg: u8,
    later: u8,
}

const OPS: u8 = 30;
const TIMEOUT_WHEN_DUE: u8 = 27;

impl Op {
    fn input(&self, what: u8, call: &Call) -> Option<Input> {
        // (What ends a call comes less often, or no sequence would be long.)
        let rare = matches!(what % OPS, 11 | 21 | 22 | 25 | 28) && !self.later.is_multiple_of(4);
        let leg = self.leg;
        let step = |step| Some(Input::Step { leg, device: self.device.clone(), step });
        let media = |event| Some(Input::Media(event));
        match what % OPS {
            _ if rare => Some(Input::Timeout),
            0 => step(CallStep::Offer { media: CallMedia::Voice, sdp: Some(sdp()) }),
            1 => step(CallStep::Offer { media: CallMedia::Voice, sdp: None }),
            2 => step(CallStep::Ringing),
            3 => step(CallStep::Answer { sdp: Some(sdp()) }),
            4 => step(CallStep::Answer { sdp: None }),
            5 => step(CallStep::LoopBack),
            6 => step(CallStep::Candidates(vec![candidate(); usize::from(self.later % 50)])),
            7 => step(CallStep::Update { sdp: Some(sdp()), muted: None }),
            8 => step(CallStep::Update { sdp: None, muted: Some(self.muted()) }),
            9 => step(CallStep::Update { sdp: Some(sdp()), muted: Some(self.muted()) }),
            10 => step(CallStep::Dtmf("5".repeat(usize::from(self.later % 3)))),
            11 => step(CallStep::End(self.reason())),
            12 => Some(Input::OfferTaken { leg, described: self.described() }),
            13 => Some(Input::AnswerTaken { leg, described: self.described() }),
            14 => Some(Input::Refused { leg, request: self.request(), why: why() }),
            15 => media(MediaEvent::Candidate { leg, candidate: candidate() }),
            16 => media(MediaEvent::Connected { leg }),
            17 => media(MediaEvent::FirstMedia { leg }),
            18 => media(MediaEvent::Silent { leg, lasting: Duration::from_millis(u64::from(self.arg) * 100) }),
            19 => media(MediaEvent::Sounding { leg }),
            20 => media(MediaEvent::Lost { leg }),
            21 => media(MediaEvent::Failed { leg, why: why() }),
            22 => Some(Input::Unreachable { leg, why: why() }),
            23 => self.device.clone().map(|device| Input::DeviceCame { leg, device }),
            24 if self.later % 64 == 63 => Some(Input::Barred { leg, device: self.device.clone() }),
            24 => self.device.clone().map(|device| Input::DeviceGone { leg, device }),
            25 => Some(Input::Crossed),
            26 => Some(Input::Timeout),
            TIMEOUT_WHEN_DUE => call.next_timeout().map(|_| Input::Timeout),
            28 => Some(Input::Stop),
            _ => step(CallStep::LinkSent),
        }
    }

    /// What the relay says to what is asked of it: mostly yes, sometimes no, sometimes nothing.
    fn relay(&self, action: &Action) -> Option<Input> {
        let (leg, request) = match action {
            Action::TakeOffer { leg, .. } => (*leg, Request::TakeOffer),
            Action::TakeAnswer { leg, .. } => (*leg, Request::TakeAnswer),
            Action::Offer { leg, .. } => (*leg, Request::Offer),
            Action::Answer { leg, .. } => (*leg, Request::Answer),
            Action::LoopBack { leg, .. } => (*leg, Request::LoopBack),
            Action::Restart { leg, .. } => (*leg, Request::Restart),
            Action::AddCandidates { leg, .. } => (*leg, Request::AddCandidates),
            _ => return None,
        };
        match ((self.arg >> 3) % 8, request) {
            (6, _) => Some(Input::Refused { leg, request, why: why() }),
            (7, _) => None,
            (_, Request::TakeOffer) => Some(Input::OfferTaken { leg, described: self.described() }),
            (_, Request::TakeAnswer) => Some(Input::AnswerTaken { leg, described: self.described() }),
            _ => None,
        }
    }

    fn described(&self) -> Described {
        let bit = |bit: u8| self.later & (1 << bit) != 0;
        Described { video: bit(4), sends: !bit(5), receives: !bit(6), restart_only: bit(7), narrowed: bit(4) && bit(7) }
    }

    fn muted(&self) -> Muted {
        Muted { audio: self.later & 1 != 0, video: self.later & 2 != 0 }
    }

    fn reason(&self) -> EndReason {
        match self.arg >> 3 {
            0 => EndReason::Declined,
            1 => EndReason::Busy,
            2 => EndReason::Cancelled,
            3 => EndReason::NoAnswer,
            4 => EndReason::AnsweredElsewhere,
            5 => EndReason::Gone,
            6 => EndReason::NoMedia,
            7 => EndReason::GatewayStopped,
            8 => EndReason::Failed("é".repeat(usize::from(self.later) * 2)),
            _ => EndReason::HungUp,
        }
    }

    fn request(&self) -> Request {
        use Request as R;
        let all = [R::TakeOffer, R::Offer, R::TakeAnswer, R::Answer, R::LoopBack, R::Restart, R::AddCandidates];
        all[usize::from(self.arg >> 3) % all.len()]
    }
}

fn leg(arg: u8) -> Leg {
    if arg & 1 == 0 { Leg::Caller } else { Leg::Callee }
}

fn device(arg: u8) -> Option<DeviceId> {
    ["", "a", "b", "c"].into_iter().nth(usize::from(arg % 4)).filter(|name| !name.is_empty()).map(DeviceId::new)
}

fn sdp() -> String {
    "v=0".to_owned()
}

fn why() -> String {
    "no".to_owned()
}

fn candidate() -> IceCandidate {
    IceCandidate { line: "candidate:1".to_owned(), mid: None, index: None }
}
