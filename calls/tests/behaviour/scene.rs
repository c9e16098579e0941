//! A call between the caller's `desk` and the callee's `phone` and `tablet`, told in words: what
//! somebody does, and what the call wants done about it. The scene does what the driver does with
//! the relay: it answers what the call asks of it.

use monster_bridge_api::{CallId, CallMedia, CallStep, DeviceId, EndReason, IceCandidate, Muted};
use monster_calls::{Action, Blank, Call, Described, Devices, Input, Leg, MediaEvent, Options, Request};
use std::time::Duration;

/// Voice in both directions.
pub(crate) const VOICE: Described =
    Described { video: false, sends: true, receives: true, restart_only: false, narrowed: false };
/// Voice and video in both directions.
pub(crate) const VIDEO: Described = Described { video: true, ..VOICE };
/// On hold, with music.
pub(crate) const HOLD: Described = Described { receives: false, ..VOICE };
/// New ICE credentials and nothing else.
pub(crate) const RESTART: Described = Described { restart_only: true, ..VOICE };
/// An answer that leaves out what was offered first.
pub(crate) const NARROWED: Described = Described { narrowed: true, ..VOICE };

pub(crate) struct Scene {
    pub(crate) call: Call,
    /// Since the call began.
    pub(crate) now: Duration,
    /// What the relay finds in the next description it takes.
    relay_finds: Described,
    /// What the relay refuses, and why.
    pub(crate) refuses: Option<(Request, &'static str)>,
}

impl Scene {
    /// Before anything has happened.
    pub(crate) fn new() -> Self {
        let call = Call::new(CallId::new("call"), CallMedia::Voice, Options::default(), Duration::ZERO);
        Self { call, now: Duration::ZERO, relay_finds: VOICE, refuses: None }
    }

    /// The caller has offered, the phone rings.
    pub(crate) fn ringing() -> Self {
        let mut scene = Self::new();
        scene.caller(offer("c"));
        scene.phone(CallStep::Ringing);
        scene
    }

    /// The phone has answered, one second after the offer. No media yet.
    pub(crate) fn answered() -> Self {
        let mut scene = Self::ringing();
        scene.later(1);
        scene.phone(answer("p"));
        scene
    }

    /// Both talk.
    pub(crate) fn talking() -> Self {
        let mut scene = Self::answered();
        for leg in Leg::BOTH {
            scene.media(MediaEvent::Connected { leg });
            scene.media(MediaEvent::FirstMedia { leg });
        }
        scene
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Lets time pass, with every time-out on the way; says what was wanted, and when.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<String> {
        let until = self.now + Duration::from_secs(seconds);
        let mut told = Vec::new();
        while let Some(at) = self.call.next_timeout().filter(|at| *at <= until) {
            self.now = at;
            let done = self.input(Input::Timeout);
            told.extend(done.into_iter().map(|action| format!("{} s: {action}", at.as_secs())));
        }
        self.now = until;
        told
    }

    pub(crate) fn caller(&mut self, step: CallStep) -> Vec<String> {
        self.step(Leg::Caller, "desk", step)
    }

    pub(crate) fn phone(&mut self, step: CallStep) -> Vec<String> {
        self.step(Leg::Callee, "phone", step)
    }

    pub(crate) fn tablet(&mut self, step: CallStep) -> Vec<String> {
        self.step(Leg::Callee, "tablet", step)
    }

    pub(crate) fn step(&mut self, leg: Leg, device: &str, step: CallStep) -> Vec<String> {
        self.input(Input::Step { leg, device: Some(DeviceId::new(device)), step })
    }

    pub(crate) fn media(&mut self, event: MediaEvent) -> Vec<String> {
        self.input(Input::Media(event))
    }

    pub(crate) fn gone(&mut self, leg: Leg, device: &str) -> Vec<String> {
        self.input(Input::DeviceGone { leg, device: DeviceId::new(device) })
    }

    pub(crate) fn barred(&mut self, leg: Leg, device: Option<&str>) -> Vec<String> {
        self.input(Input::Barred { leg, device: device.map(DeviceId::new) })
    }

    /// What the relay finds in what it takes from now on.
    pub(crate) fn relay_finds(&mut self, described: Described) -> &mut Self {
        self.relay_finds = described;
        self
    }

    /// Tells the call, and then what the relay says to what the call asks of it.
    pub(crate) fn input(&mut self, input: Input) -> Vec<String> {
        let mut told = Vec::new();
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for action in self.call.handle(input, self.now) {
                told.push(words(&action));
                inputs.extend(self.relay(&action));
            }
        }
        told
    }

    fn relay(&self, action: &Action) -> Option<Input> {
        let (leg, request) = match action {
            Action::TakeOffer { leg, .. } => (*leg, Request::TakeOffer),
            Action::TakeAnswer { leg, .. } => (*leg, Request::TakeAnswer),
            Action::Offer { leg, .. } => (*leg, Request::Offer),
            Action::Answer { leg, .. } => (*leg, Request::Answer),
            Action::AddCandidates { leg, .. } => (*leg, Request::AddCandidates),
            _ => return None,
        };
        match self.refuses {
            Some((refused, why)) if refused == request => Some(Input::Refused { leg, request, why: why.to_owned() }),
            _ => match request {
                Request::TakeOffer => Some(Input::OfferTaken { leg, described: self.relay_finds }),
                Request::TakeAnswer => {
                    let described = Described { restart_only: false, ..self.relay_finds };
                    Some(Input::AnswerTaken { leg, described })
                }
                _ => None,
            },
        }
    }
}

pub(crate) fn offer(sdp: &str) -> CallStep {
    CallStep::Offer { media: CallMedia::Voice, sdp: Some(sdp.to_owned()) }
}

pub(crate) fn answer(sdp: &str) -> CallStep {
    CallStep::Answer { sdp: Some(sdp.to_owned()) }
}

pub(crate) fn update(sdp: &str) -> CallStep {
    CallStep::Update { sdp: Some(sdp.to_owned()), muted: None }
}

pub(crate) fn mute(audio: bool, video: bool) -> CallStep {
    CallStep::Update { sdp: None, muted: Some(Muted { audio, video }) }
}

pub(crate) fn end(reason: EndReason) -> CallStep {
    CallStep::End(reason)
}

pub(crate) fn candidates(lines: &[&str]) -> CallStep {
    CallStep::Candidates(lines.iter().map(|line| candidate(line)).collect())
}

pub(crate) fn candidate(line: &str) -> IceCandidate {
    IceCandidate { line: line.to_owned(), mid: None, index: None }
}

/// An action in words.
fn words(action: &Action) -> String {
    match action {
        Action::Send { leg, to, step } => format!("{} {}", whom(*leg, to), step_words(step)),
        Action::Offer { leg, to, step, .. } => format!("{} {} of the relay's", whom(*leg, to), blank_words(*step)),
        Action::OfferAgain { device } => format!("callee {device}: the offer again"),
        Action::Answer { leg, to, .. } => format!("{} answer of the relay's", whom(*leg, to)),
        Action::LoopBack { leg, to, .. } => format!("{} answer of the relay's that gives back", whom(*leg, to)),
        Action::Restart { leg, to, .. } => format!("{} restart of the relay's", whom(*leg, to)),
        Action::TakeOffer { leg, sdp } => format!("relay: take the {}'s offer {sdp}", leg.as_str()),
        Action::TakeAnswer { leg, sdp } => format!("relay: take the {}'s answer {sdp}", leg.as_str()),
        Action::AddCandidates { leg, candidates } => format!("relay: {} of the {}", lines(candidates), leg.as_str()),
        Action::Refuse { leg, why, .. } => format!("refused to the {}: {why}", leg.as_str()),
        Action::CloseMedia => "relay: close".to_owned(),
        Action::Ended(record) => format!("over: {}", record.outcome.as_str()),
    }
}

fn whom(leg: Leg, to: &Devices) -> String {
    match to {
        Devices::All => format!("{}, all:", leg.as_str()),
        Devices::One(device) => format!("{} {device}:", leg.as_str()),
        Devices::AllBut(device) => format!("{}, all but {device}:", leg.as_str()),
    }
}

fn blank_words(step: Blank) -> &'static str {
    match step {
        Blank::Offer(_) => "offer",
        Blank::Answer => "answer",
        Blank::Update => "update",
    }
}

fn step_words(step: &CallStep) -> String {
    match step {
        CallStep::Offer { .. } => "offer".to_owned(),
        CallStep::Ringing => "ringing".to_owned(),
        CallStep::Answer { sdp } => format!("answer {sdp:?}"),
        CallStep::Candidates(candidates) => lines(candidates),
        CallStep::Update { muted: Some(muted), .. } => format!("muted audio {}, video {}", muted.audio, muted.video),
        CallStep::Dtmf(keys) => format!("keys {keys}"),
        CallStep::End(reason) => format!("end, {reason:?}"),
        other => format!("{other:?}"),
    }
}

fn lines(candidates: &[IceCandidate]) -> String {
    let lines: Vec<&str> = candidates.iter().map(|candidate| candidate.line.as_str()).collect();
    format!("candidates {}", lines.join(" "))
}
