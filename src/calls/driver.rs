//! One call: its state machine is told what happens, and what it wants done is done, one action
//! after the other, by the relay, the lines and the record. One task for each call; it ends with it.
//! Started by `desk`.

use super::Calls;
use super::guests::GuestOut;
use super::line::{Ends, Line, Way};
use super::link;
use super::media::{self, Relayed};
use super::record::{self, Remains};
use super::registry::{Handle, Told};
use crate::core::{Party, Reach};
use crate::store::CallRow;
use monster_bridge_api::{CallMedia, CallStep};
use monster_calls::{Action, Blank, Call, Devices, Input, Leg, MediaEvent, Options, Record, Request};
use monster_media::{Event, Figures, Media};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long what is still to be sent at the end of a call may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long the relay may take to tell a call's figures.
const FIGURES: Duration = Duration::from_secs(1);

/// How long after a leg's media has failed its signalling may still say why: who hangs up ends both, and
/// packets are faster.
const HANGUP: Duration = Duration::from_secs(2);

/// A call that is about to begin.
pub(super) struct Beginning {
    pub(super) handle: Arc<Handle>,
    pub(super) caller: Party,
    pub(super) callee: Party,
    pub(super) media: CallMedia,
    /// By which link the caller came, if by one.
    pub(super) guest: Option<GuestOut>,
    pub(super) relayed: Media,
    pub(super) row: CallRow,
}

/// One call at work.
pub(super) struct Driver {
    pub(super) calls: Arc<Calls>,
    pub(super) handle: Arc<Handle>,
    call: Call,
    began: Instant,
    relayed: Media,
    lines: [Line; 2],
    line_tasks: TaskTracker,
    pub(super) caller: Party,
    pub(super) callee: Party,
    pub(super) media: CallMedia,
    /// The guest on the callee's leg, if it is reached by a link.
    guest: Arc<Mutex<Option<GuestOut>>>,
    /// What that guest is called.
    guest_name: Arc<Mutex<Option<String>>>,
    /// Ends the link to the callee's leg.
    pub(super) link: Option<CancellationToken>,
    /// The first offer to the callee.
    offered: Option<CallStep>,
    /// Whether the callee has been told of the call.
    announced: bool,
    /// Whether the caller's offer was one.
    taken: bool,
    /// The call's row, as it was written last.
    row: CallRow,
    figures: Figures,
    over: Option<Record>,
}

impl Driver {
    /// A call that has not begun.
    pub(super) fn new(calls: &Arc<Calls>, beginning: Beginning) -> Self {
        let Beginning { handle, caller, callee, media, guest, relayed, row } = beginning;
        let line_tasks = TaskTracker::new();
        let waiting = Arc::<Mutex<Option<GuestOut>>>::default();
        let guest_name = Arc::<Mutex<Option<String>>>::default();
        let caller_way = match guest {
            Some(out) => Way::Guest(Arc::new(Mutex::new(Some(out)))),
            None => Way::to(&caller.reach).unwrap_or(Way::Home),
        };
        let callee_way = Way::to(&callee.reach).unwrap_or_else(|| Way::Guest(Arc::clone(&waiting)));
        let ends = |leg: Leg| {
            let (here, other, wire) = match leg {
                Leg::Caller => (&caller, &callee, &handle.wire),
                Leg::Callee => (&callee, &caller, &handle.id),
            };
            // Of a guest only the caller is told.
            let guest = if leg == Leg::Caller { Arc::clone(&guest_name) } else { Arc::default() };
            Ends { leg, here: here.clone(), other: other.clone(), guest, media, wire: wire.clone() }
        };
        let open = |way, leg| Line::open(way, ends(leg), &calls.core, &handle, &line_tasks);
        let lines = [open(caller_way, Leg::Caller), open(callee_way, Leg::Callee)];
        let settings = &calls.settings;
        let options = Options { no_answer: settings.ring, by_link: settings.link, ..Options::default() };
        let id = monster_bridge_api::CallId::new(handle.id.clone());
        Self {
            calls: Arc::clone(calls),
            call: Call::new(id, media, options, Duration::ZERO),
            began: Instant::now(),
            relayed,
            lines,
            line_tasks,
            caller,
            callee,
            media,
            guest: waiting,
            guest_name,
            link: None,
            offered: None,
            announced: false,
            taken: false,
            row,
            figures: Figures::default(),
            over: None,
            handle,
        }
    }

    /// Runs the call to its end.
    pub(super) async fn run(mut self, mut told: mpsc::Receiver<Told>, mut events: mpsc::Receiver<Event>) {
        let mut relay_lives = true;
        let mut failed: Option<(Instant, MediaEvent)> = None;
        while self.over.is_none() {
            let due = self.call.next_timeout().map(|after| self.began + after);
            tokio::select! {
                Some(told) = told.recv() => self.take(told).await,
                event = events.recv(), if relay_lives => match event.map(media::told) {
                    Some(Some(event @ MediaEvent::Failed { .. })) => {
                        failed.get_or_insert((Instant::now() + HANGUP, event));
                    }
                    Some(Some(event)) => drop(self.handle(Input::Media(event)).await),
                    Some(None) => {}
                    None => relay_lives = false,
                },
                () = at(failed.as_ref().map(|(at, _)| *at)) => {
                    if let Some((_, event)) = failed.take() {
                        self.handle(Input::Media(event)).await;
                    }
                }
                () = at(due) => drop(self.handle(Input::Timeout).await),
            }
        }
        drop(told);
        self.finish().await;
    }

    async fn take(&mut self, told: Told) {
        match told {
            Told::Input(input) => drop(self.handle(input).await),
            Told::Steps { leg, device, steps, answer } => {
                let mut outcome = Ok(());
                for step in steps {
                    let refused = self.handle(Input::Step { leg, device: device.clone(), step }).await;
                    if let Some((_, why)) = refused.into_iter().find(|(of, _)| *of == leg) {
                        outcome = outcome.and(Err(why));
                    }
                }
                // Whoever asked may be gone.
                let _ = answer.send(outcome);
            }
            Told::Guest { device, name, out } => {
                *self.guest.lock() = Some(out);
                *self.guest_name.lock() = Some(name);
                self.handle(Input::DeviceCame { leg: Leg::Callee, device }).await;
            }
            Told::NoCalls => self.call_by_link().await,
            Told::Unsaid(why) => {
                let why = format!("{} could not be sent a link: {why}", self.callee.name);
                self.handle(Input::Unreachable { leg: Leg::Callee, why }).await;
            }
        }
    }

    /// The callee's network has no calls for them: they get a link instead.
    async fn call_by_link(&mut self) {
        let ends = Ends {
            leg: Leg::Callee,
            here: self.callee.clone(),
            other: self.caller.clone(),
            guest: Arc::default(),
            media: self.media,
            wire: self.handle.id.clone(),
        };
        let way = Way::Guest(Arc::clone(&self.guest));
        self.lines[1] = Line::open(way, ends, &self.calls.core, &self.handle, &self.line_tasks);
        self.callee.reach = Reach::Link { room: false };
        let announced = self.announce().await;
        self.handle(announced).await;
    }

    /// Sends the callee a link. Gives what the machine has to know of it.
    async fn announce(&mut self) -> Input {
        match link::announce(self).await {
            Ok(()) => Input::Step { leg: Leg::Callee, device: None, step: CallStep::LinkSent },
            Err(why) => Input::Unreachable { leg: Leg::Callee, why },
        }
    }

    /// Tells the machine, does what it wants, and tells it what came of that. Gives what was
    /// refused, and to whom.
    async fn handle(&mut self, input: Input) -> Vec<(Leg, String)> {
        let mut inputs = VecDeque::from([input]);
        let mut refused = Vec::new();
        while let Some(input) = inputs.pop_front() {
            let actions = self.call.handle(input, self.began.elapsed());
            for action in actions {
                if let Action::Refuse { leg, why, .. } = action {
                    refused.push((leg, why));
                } else if let Some(result) = self.act(action).await {
                    inputs.push_back(result);
                }
            }
        }
        if self.call.is_answered() && !self.handle.is_answered() {
            self.handle.set_answered();
            self.write_row().await;
        }
        refused
    }

    /// Writes down how far the call has come, for a start after a crash.
    async fn write_row(&mut self) {
        record::fill(&mut self.row, &self.call.record());
        if let Err(error) = self.calls.store.put_call(self.row.clone()).await {
            tracing::warn!(call = %self.handle.id, %error, "a call was not written down");
        }
    }

    /// Does one thing. Gives what the machine has to know of it.
    async fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Send { leg, to, step } => self.send(leg, to, step).await,
            Action::Offer { leg, to, media, step } => {
                let sdp = self.relayed.offer(media::leg(leg), media == CallMedia::Video).await;
                self.described(sdp, (leg, Request::Offer), to, step).await
            }
            Action::OfferAgain { device } => {
                let step = self.offered.clone()?;
                self.send(Leg::Callee, Devices::One(device), step).await
            }
            Action::Answer { leg, to, step } => {
                let sdp = self.relayed.answer(media::leg(leg)).await;
                self.described(sdp, (leg, Request::Answer), to, step).await
            }
            Action::LoopBack { leg, to, step } => {
                let sdp = self.relayed.loop_back(media::leg(leg)).await;
                self.described(sdp, (leg, Request::LoopBack), to, step).await
            }
            Action::Restart { leg, to, step } => {
                let sdp = self.relayed.restart(media::leg(leg)).await;
                self.described(sdp, (leg, Request::Restart), to, step).await
            }
            Action::TakeOffer { leg, sdp } => Some(match self.relayed.take_offer(media::leg(leg), &sdp).await {
                Ok(described) => {
                    self.taken = true;
                    Input::OfferTaken { leg, described: media::described(described) }
                }
                Err(why) => media::refused(leg, Request::TakeOffer, &why),
            }),
            Action::TakeAnswer { leg, sdp } => Some(match self.relayed.take_answer(media::leg(leg), &sdp).await {
                Ok(described) => Input::AnswerTaken { leg, described: media::described(described) },
                Err(why) => media::refused(leg, Request::TakeAnswer, &why),
            }),
            Action::AddCandidates { leg, candidates } => {
                let candidates: Vec<_> = candidates.into_iter().map(media::candidate).collect();
                let taken = self.relayed.candidates(media::leg(leg), &candidates).await;
                taken.err().map(|why| media::refused(leg, Request::AddCandidates, &why))
            }
            Action::CloseMedia => {
                self.figures = tokio::time::timeout(FIGURES, self.relayed.figures()).await.unwrap_or_default();
                self.relayed.close();
                None
            }
            Action::Ended(record) => {
                self.over = Some(record);
                None
            }
            Action::Refuse { .. } => None,
        }
    }

    /// Sends the step that carries a description, if there is one.
    async fn described(
        &mut self,
        sdp: Relayed<String>,
        (leg, request): (Leg, Request),
        to: Devices,
        step: Blank,
    ) -> Option<Input> {
        match sdp {
            Ok(sdp) => self.send(leg, to, step.fill(sdp)).await,
            Err(why) => Some(media::refused(leg, request, &why)),
        }
    }

    async fn send(&mut self, leg: Leg, to: Devices, step: CallStep) -> Option<Input> {
        let line = match leg {
            Leg::Caller => &self.lines[0],
            Leg::Callee => &self.lines[1],
        };
        let first = leg == Leg::Callee && !self.announced;
        if first {
            if matches!(step, CallStep::End(_)) {
                // Who was never told of a call need not be told that it is over.
                return None;
            }
            self.announced = true;
        }
        if leg == Leg::Callee && matches!(step, CallStep::Offer { .. }) && to == Devices::All {
            self.offered = Some(step.clone());
        }
        if !line.send(to, step) {
            let why = format!("{} does not take what it is sent", self.party(leg).name);
            return Some(Input::Unreachable { leg, why });
        }
        if first && matches!(self.callee.reach, Reach::Link { .. }) {
            return Some(self.announce().await);
        }
        None
    }

    fn party(&self, leg: Leg) -> &Party {
        match leg {
            Leg::Caller => &self.caller,
            Leg::Callee => &self.callee,
        }
    }

    /// The call is over: it is taken out, written down, and what is still to be sent is sent.
    async fn finish(self) {
        let Self { calls, handle, lines, line_tasks, link, over, figures, caller, callee, guest_name, .. } = self;
        let (row, due) = (self.row, self.taken || self.announced);
        let unheard = matches!(callee.reach, Reach::Link { .. }) && link.is_none();
        calls.registry.leave(&handle);
        if let Some(link) = link {
            link.cancel();
        }
        drop(lines);
        line_tasks.close();
        if let Some(record) = over {
            tracing::debug!(call = %handle.id, outcome = record.outcome.as_str(), "a call is over");
            let guest = guest_name.lock().clone();
            let guest = guest.as_deref();
            let (caller, callee) = (&caller, &callee);
            let remains = Remains { caller, callee, guest, figures: &figures, row, lines: due, unheard };
            record::write(&calls, &record, remains).await;
        }
        if tokio::time::timeout(FAREWELL, line_tasks.wait()).await.is_err() {
            tracing::debug!(call = %handle.id, "somebody could not be told in time that a call is over");
        }
    }
}

/// Returns then; never if there is no such time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
