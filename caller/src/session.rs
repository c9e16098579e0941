//! The course of a call, from the offer to the report: which step leads to what, and how long
//! anything may take. Called by the users of this crate; steps are in `signals`, media in `peer`.

use crate::figures::{End, Report};
use crate::peer::{Peer, PeerEvent};
use crate::play::Programme;
use crate::signals::{Heard, Signals, Wire, one_line};
use crate::{CallError, Options, Progress};
use monster_protocol::{Address, CallSignal, CallStep, Candidate, MAX_CANDIDATES};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Calls `to`, and tells how it was once it is over.
///
/// # Errors
/// If the gateway refuses the call, the wire ends before it is over, a file cannot be used, or the
/// WebRTC engine does not do what it must.
pub async fn call(
    wire: &mut dyn Wire,
    to: &Address,
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, CallError> {
    let programme = Programme::load(options)?;
    let talk = options.talk.or(programme.files);
    let signals = Signals::outgoing(wire, to.as_str(), options.media);
    let (peer, events) = Peer::new(options, programme).await?;
    let mut session = Session::new(signals, peer, events, options, talk, progress);
    let offer = session.peer.offer().await?;
    session.offered = Instant::now();
    session.signals.send(CallStep::Offer(offer), Vec::new(), None).await;
    session.run().await
}

/// Waits for a call, from `from` if given, answers it, and tells how it was once it is over.
///
/// # Errors
/// As for [`call`].
pub async fn answer(
    wire: &mut dyn Wire,
    from: Option<&Address>,
    options: &Options,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, CallError> {
    let mut programme = Programme::load(options)?;
    let talk = options.talk.or(programme.files);
    let mut signals = Signals::incoming(wire);
    progress(Progress::Waiting);
    let Some(offer) = wait(&mut signals, from, options).await? else {
        return Ok(Report::unbegun(from.map_or("", Address::as_str), End::HungUp));
    };
    progress(Progress::Called(signals.to.clone()));
    programme.fit(&offer.sdp);
    let offered = Instant::now();
    signals.send(CallStep::Ringing, Vec::new(), None).await;
    let (mut peer, events) = Peer::new(options, programme).await?;
    let answer = peer.answer(&offer.sdp).await?;
    peer.candidates(offer.candidates).await;
    let mut session = Session::new(signals, peer, events, options, talk, progress);
    session.offered = offered;
    session.signals.send(CallStep::Answer(answer), Vec::new(), None).await;
    session.has_answered();
    session.run().await
}

/// An offer that somebody made.
struct Offer {
    sdp: String,
    candidates: Vec<Candidate>,
}

/// Waits for an offer; `None` if told to stop first.
async fn wait(
    signals: &mut Signals<'_>,
    from: Option<&Address>,
    options: &Options,
) -> Result<Option<Offer>, CallError> {
    loop {
        let frame = tokio::select! {
            frame = signals.next() => frame?,
            () = options.stop.cancelled() => return Ok(None),
        };
        let Heard::Step { from: by, media, signal } = signals.understand(&frame).await else { continue };
        let wanted = from.is_none_or(|from| by.parse::<Address>().is_ok_and(|by| by == *from));
        if let CallStep::Offer(sdp) = signal.step
            && wanted
        {
            signals.take_up(&signal.call_id, &by, media);
            return Ok(Some(Offer { sdp, candidates: signal.candidates }));
        }
    }
}

impl Report {
    /// Of a call that came to nothing.
    pub fn unbegun(with: &str, end: End) -> Self {
        Self {
            call_id: String::new(),
            with: with.to_owned(),
            end,
            why: None,
            ringing_ms: None,
            answered_ms: None,
            connected_ms: None,
            setup_ms: None,
            talked_ms: None,
            path: None,
            round_trip_ms: None,
            audio: None,
            video: None,
            recorded: Vec::new(),
        }
    }
}

/// A call in progress.
struct Session<'a> {
    signals: Signals<'a>,
    peer: Peer,
    events: mpsc::Receiver<PeerEvent>,
    options: &'a Options,
    talk: Option<Duration>,
    progress: &'a mut (dyn FnMut(Progress) + Send),
    offered: Instant,
    ringing: Option<Instant>,
    answered: Option<Instant>,
    connected: Option<Instant>,
    first_media: Option<Instant>,
    /// Candidates that were told to the other side.
    told: usize,
}

/// How a call ends: how, why, and whether the other side is to be told.
struct Ending {
    end: End,
    why: Option<String>,
    tell: bool,
}

impl Ending {
    fn here(end: End, why: Option<&str>) -> Self {
        Self { end, why: why.map(str::to_owned), tell: true }
    }

    fn there(end: End, why: Option<String>) -> Self {
        Self { end, why: why.map(|why| one_line(&why)), tell: false }
    }
}

impl<'a> Session<'a> {
    fn new(
        signals: Signals<'a>,
        peer: Peer,
        events: mpsc::Receiver<PeerEvent>,
        options: &'a Options,
        talk: Option<Duration>,
        progress: &'a mut (dyn FnMut(Progress) + Send),
    ) -> Self {
        Self {
            signals,
            peer,
            events,
            options,
            talk,
            progress,
            offered: Instant::now(),
            ringing: None,
            answered: None,
            connected: None,
            first_media: None,
            told: 0,
        }
    }

    async fn run(mut self) -> Result<Report, CallError> {
        let ended = self.until_end().await;
        if !matches!(&ended, Ok(Ending { tell: false, .. }) | Err(CallError::WireLost | CallError::Refused(_))) {
            let why = ended.as_ref().ok().and_then(|ending| ending.why.clone());
            self.signals.send(CallStep::Hangup, Vec::new(), why.as_deref()).await;
        }
        let report = self.report(&ended).await;
        let recorded = self.peer.close().await;
        ended?;
        Ok(Report { recorded: recorded?, ..report })
    }

    async fn until_end(&mut self) -> Result<Ending, CallError> {
        loop {
            let deadline = self.deadline();
            let ending = tokio::select! {
                frame = self.signals.next() => self.frame(&frame?).await?,
                Some(event) = self.events.recv() => self.event(event).await?,
                () = sleep_until(deadline) => self.overdue(),
                () = self.options.stop.cancelled() => Some(Ending::here(End::HungUp, None)),
            };
            if let Some(ending) = ending {
                return Ok(ending);
            }
        }
    }

    /// When something will have taken too long, or long enough.
    fn deadline(&self) -> Option<Instant> {
        let (ring, patience) = (self.options.ring, self.options.patience);
        match (self.answered, self.first_media) {
            (None, _) => Some(self.offered + ring),
            (Some(answered), None) => Some(answered + patience),
            (Some(_), Some(first)) => {
                let silent = self.peer.last_heard().map(|last| last + patience);
                self.talk.map(|talk| first + talk).into_iter().chain(silent).min()
            }
        }
    }

    fn overdue(&self) -> Option<Ending> {
        let now = Instant::now();
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        Some(match (self.answered, self.first_media) {
            (None, _) => Ending::here(End::NoAnswer, Some("nobody answered")),
            (Some(_), None) => Ending::here(End::NoMedia, Some(self.missing())),
            (Some(_), Some(first)) if self.talk.is_some_and(|talk| first + talk <= now) => {
                Ending::here(End::HungUp, None)
            }
            _ => Ending::here(End::NoMedia, Some("no more media came")),
        })
    }

    fn missing(&self) -> &'static str {
        if self.connected.is_some() { "no media came" } else { "no way for media was found" }
    }

    async fn frame(&mut self, frame: &Value) -> Result<Option<Ending>, CallError> {
        match self.signals.understand(frame).await {
            Heard::Step { signal, .. } if signal.call_id == self.signals.call_id => self.step(signal).await,
            Heard::Refused { first: true, why } if self.ringing.is_none() && self.answered.is_none() => {
                Err(CallError::Refused(why))
            }
            // Also what crosses the end of the call, which says why.
            Heard::Refused { why, .. } => {
                tracing::debug!(%why, "a step of the call was refused");
                Ok(None)
            }
            Heard::Step { .. } | Heard::Taken | Heard::Nothing => Ok(None),
        }
    }

    async fn step(&mut self, signal: CallSignal) -> Result<Option<Ending>, CallError> {
        match signal.step {
            CallStep::Ringing if self.ringing.is_none() => {
                self.ringing = Some(Instant::now());
                (self.progress)(Progress::Ringing);
            }
            CallStep::LinkSent => (self.progress)(Progress::LinkSent),
            CallStep::Dtmf(keys) => (self.progress)(Progress::Keys(one_line(&keys))),
            CallStep::Answer(sdp) if self.answered.is_none() => {
                self.has_answered();
                self.peer.take_answer(&sdp).await?;
            }
            CallStep::Update { sdp, muted } => {
                if let Some(muted) = muted {
                    (self.progress)(Progress::Muted(muted.audio, muted.video));
                }
                if let Some(sdp) = sdp {
                    let answer = self.peer.answer(&sdp).await?;
                    self.signals.send(CallStep::Answer(answer), Vec::new(), None).await;
                }
            }
            CallStep::Hangup => return Ok(Some(Ending::there(End::HungUpThere, signal.reason))),
            CallStep::Reject => return Ok(Some(Ending::there(End::Declined, signal.reason))),
            CallStep::Busy => return Ok(Some(Ending::there(End::Busy, signal.reason))),
            CallStep::Ringing | CallStep::Answer(_) | CallStep::Candidates | CallStep::Offer(_) => {}
        }
        self.peer.candidates(signal.candidates).await;
        Ok(None)
    }

    fn has_answered(&mut self) {
        self.answered = Some(Instant::now());
        (self.progress)(Progress::Answered);
    }

    async fn event(&mut self, event: PeerEvent) -> Result<Option<Ending>, CallError> {
        match event {
            PeerEvent::Candidate(candidate) => self.tell_candidate(candidate).await,
            PeerEvent::Connected => {
                if self.connected.is_none() {
                    self.connected = Some(Instant::now());
                    (self.progress)(Progress::Connected);
                }
                self.peer.play().await?;
            }
            PeerEvent::Failed => return Ok(Some(Ending::here(End::NoPath, Some("the way of media was lost")))),
            PeerEvent::Track(track) => self.peer.listen(track).await,
            PeerEvent::FirstMedia(at) => {
                if self.first_media.is_none() {
                    self.first_media = Some(at);
                    (self.progress)(Progress::FirstMedia(at - self.offered));
                }
            }
            PeerEvent::RecordFailed(why) => return Err(why),
        }
        Ok(None)
    }

    /// Tells a way to reach this side, as long as there are not too many.
    async fn tell_candidate(&mut self, candidate: Candidate) {
        self.told += 1;
        if self.told <= MAX_CANDIDATES {
            self.signals.send(CallStep::Candidates, vec![candidate], None).await;
        }
    }

    async fn report(&self, ended: &Result<Ending, CallError>) -> Report {
        let since = |at: Option<Instant>| at.map(|at| ms(at.saturating_duration_since(self.offered)));
        let (audio, video, round_trip_ms, path) = self.peer.figures().await;
        Report {
            call_id: self.signals.call_id.clone(),
            with: self.signals.to.clone(),
            end: ended.as_ref().map_or(End::NoPath, |ending| ending.end),
            why: ended.as_ref().ok().and_then(|ending| ending.why.clone()),
            ringing_ms: since(self.ringing),
            answered_ms: since(self.answered),
            connected_ms: since(self.connected),
            setup_ms: since(self.first_media),
            talked_ms: self.first_media.map(|first| ms(first.elapsed())),
            path,
            round_trip_ms,
            audio,
            video,
            recorded: Vec::new(),
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
