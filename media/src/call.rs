//! One call: its descriptions (`negotiate`), its packets (`forward`), and what it tells of itself.
//!
//! A call does no I/O: the worker that carries it feeds datagrams and the time, and takes datagrams
//! out of an [`Outbox`]. Everything about a call happens on one thread.

mod past;

use crate::engine::{Broken, Datagram, Mid, Output, RtpPacket, Ssrc, Transmit};
use crate::figures::Meter;
use crate::forward::{Clock, Flow};
use crate::negotiate::{Session, Setting};
use crate::relay::Request;
use crate::transports::Transports;
use crate::watch::Watch;
use crate::{Event, Figures, Leg, MediaKind, stun};
use past::Past;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Both legs, in the order in which things of theirs are kept.
pub(crate) const LEGS: [Leg; 2] = [Leg::Caller, Leg::Callee];

/// How many sources of a leg are remembered.
const SOURCES: usize = 16;

/// As often as packets can go to and fro within one turn before the rest waits for the next.
const ROUNDS: usize = 8;

/// As often as an engine is told the time in one turn: once for each packet it sends.
const TICKS: usize = 64;

/// An engine that only carries sound is told the time with each packet that it sends, and is
/// emptied only so often: what it has to say meanwhile is a report or two in half a second.
const SOUND_WAITS: Duration = Duration::from_millis(100);

/// How long what an engine with pictures has to say of what it received may wait.
const PICTURES_WAIT: Duration = Duration::from_millis(10);

/// What a call wants sent.
pub(crate) type Outbox = Vec<(Leg, Transmit)>;

/// What is to be answered.
pub(crate) type Reply = Box<dyn FnOnce()>;

/// A call.
pub(crate) struct Call {
    session: Session,
    ends: [End; 2],
    events: mpsc::Sender<Event>,
}

/// What is kept of a leg beside its descriptions.
#[derive(Default)]
struct End {
    flows: Vec<Flow>,
    /// The flow of each source.
    sources: Vec<(Ssrc, usize)>,
    clock: Clock,
    watch: Watch,
    meter: Meter,
    /// When its engine is to be woken, as it said when it was last emptied.
    wake: Option<Instant>,
    /// Since when it has packets that it received and was not emptied after.
    received: Option<Instant>,
    /// Packets that were written to its engine.
    queued: usize,
    /// What goes past its engine.
    past: Past,
    /// Something else was done with it: it is to be emptied.
    touched: bool,
    /// It sends packets on, and carries no pictures either way.
    sound: bool,
    /// Since when it sends packets, is told the time with them, and was not emptied after.
    sending: Option<Instant>,
    broken: bool,
}

/// How far an engine is emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Until it has given a received packet.
    Packet,
    /// Until it has sent a packet that was written to it.
    Sent,
    Empty,
}

impl End {
    /// When its engine is to be emptied.
    fn due(&self) -> Option<Instant> {
        let wait = if self.sound { SOUND_WAITS } else { PICTURES_WAIT };
        let received = self.received.map(|since| since + wait);
        let wake = match self.sending.filter(|_| self.sound) {
            Some(since) => self.wake.map(|wake| wake.max(since + SOUND_WAITS)),
            None => self.wake,
        };
        [wake, received].into_iter().flatten().min().filter(|_| !self.broken)
    }
}

fn at(leg: Leg) -> usize {
    usize::from(leg == Leg::Callee)
}

fn reply<T: 'static>(to: oneshot::Sender<T>, what: T) -> Reply {
    Box::new(move || drop(to.send(what)))
}

impl Call {
    pub(crate) fn new(setting: Arc<Setting>, events: mpsc::Sender<Event>) -> Call {
        Call { session: Session::new(setting), ends: [End::default(), End::default()], events }
    }

    /// Does what was asked. The reply is to be sent once the call can be reached by the names that
    /// it has now; whoever asked may have gone meanwhile.
    pub(crate) fn handle(&mut self, request: Request, now: Instant) -> Reply {
        for leg in LEGS {
            self.tell_engine(leg, now);
        }
        let reply = match request {
            Request::TakeOffer(leg, sdp, to) => reply(to, self.session.take_offer(leg, &sdp)),
            Request::Offer(leg, video, to) => reply(to, self.session.offer(leg, video, now)),
            Request::TakeAnswer(leg, sdp, to) => reply(to, self.session.take_answer(leg, &sdp, now)),
            Request::Answer(leg, to) => reply(to, self.session.answer(leg, now)),
            Request::LoopBack(leg, to) => reply(to, self.session.loop_back(leg, now)),
            Request::Restart(leg, to) => reply(to, self.session.restart(leg, now)),
            Request::Candidates(leg, candidates, to) => reply(to, self.session.candidates(leg, &candidates)),
            Request::Figures(to) => return reply(to, self.figures()),
        };
        self.reconnect(now);
        self.ends.iter_mut().for_each(|end| end.touched = true);
        reply
    }

    /// The ICE user names that the call's legs are addressed by.
    pub(crate) fn names(&mut self) -> Vec<(String, Leg)> {
        LEGS.iter().flat_map(|leg| self.session.names(*leg).into_iter().map(|name| (name, *leg))).collect()
    }

    /// Gives a datagram back if it is for a leg by its integrity.
    pub(crate) fn accepts<'a>(&mut self, leg: Leg, datagram: Datagram<'a>, now: Instant) -> Option<Datagram<'a>> {
        self.session.peer(leg)?.accepts(now, datagram)
    }

    /// A datagram for a leg.
    pub(crate) fn receive(&mut self, leg: Leg, datagram: Datagram<'_>, now: Instant, out: &mut Outbox) {
        let (media, path) = (datagram.is_media(), stun::is_stun(datagram.bytes));
        if media && self.pass_by(leg, &datagram, now, out) {
            return;
        }
        // The engine is told in order.
        self.tell_engine(leg, now);
        let Some(peer) = self.session.peer(leg).filter(|_| !self.ends[at(leg)].broken) else { return };
        let received = peer.receive(now, datagram);
        self.judge(leg, received);
        let end = &mut self.ends[at(leg)];
        if media {
            end.received.get_or_insert(now);
            self.pump(leg, now, out, Goal::Packet);
        } else {
            if path {
                end.past.lose_path();
            }
            end.touched = true;
        }
    }

    /// Lets everything happen that is due. To be called after anything else.
    pub(crate) fn turn(&mut self, now: Instant, out: &mut Outbox) {
        for leg in LEGS {
            self.look_after(leg, now);
        }
        for _ in 0..ROUNDS {
            let mut quiet = true;
            for leg in LEGS {
                let end = &self.ends[at(leg)];
                if end.queued > 0 || end.touched || end.due().is_some_and(|due| due <= now) {
                    quiet = false;
                    self.serve(leg, now, out);
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Has a leg's engine send what was written to it, and do what is due.
    fn serve(&mut self, leg: Leg, now: Instant, out: &mut Outbox) {
        let end = &self.ends[at(leg)];
        let empty = end.touched || !end.sound || end.due().is_some_and(|due| due <= now);
        if empty {
            self.tell_engine(leg, now);
        }
        let end = &mut self.ends[at(leg)];
        let mut left = std::mem::take(&mut end.queued);
        end.touched = false;
        for _ in 0..TICKS {
            let goal = if left > 0 { Goal::Sent } else { Goal::Empty };
            if goal == Goal::Empty && !empty {
                return;
            }
            self.tick(leg, now);
            if self.pump(leg, now, out, goal) {
                left = left.saturating_sub(usize::from(goal == Goal::Sent));
                // (What is to be sent at once is sent at the next tick.)
                if goal == Goal::Empty && self.ends[at(leg)].wake.is_none_or(|wake| wake > now) {
                    return;
                }
            } else if self.ends[at(leg)].wake.is_none_or(|wake| wake > now) {
                return;
            }
        }
        self.ends[at(leg)].touched = true;
    }

    /// When [`Call::turn`] is to be called again at the latest.
    pub(crate) fn wake(&self) -> Option<Instant> {
        let of = |end: &End| {
            let pictures = end.flows.iter().filter_map(Flow::picture_due).min();
            [end.due(), end.watch.due(), pictures].into_iter().flatten().min()
        };
        self.ends.iter().filter_map(of).min()
    }

    /// Takes leave of both legs.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Outbox) {
        for leg in LEGS {
            if let Some(peer) = self.session.peer(leg) {
                peer.close();
                self.tick(leg, now);
                self.pump(leg, now, out, Goal::Empty);
            }
        }
    }

    /// Tells that neither leg can carry media any more.
    pub(crate) fn fail(&self) {
        for leg in LEGS {
            self.tell(Event::Failed { leg, why: "the media relay could not go on with this call".to_owned() });
        }
    }

    fn figures(&self) -> Figures {
        let lost = |end: &End| end.flows.iter().map(Flow::lost).sum();
        let [near, far] = &self.ends;
        Figures::of([&near.meter, &far.meter], [lost(near), lost(far)])
    }

    fn tick(&mut self, leg: Leg, now: Instant) {
        if self.ends[at(leg)].broken {
            return;
        }
        let ticked = self.session.peer(leg).map_or(Ok(()), |peer| peer.tick(now));
        self.judge(leg, ticked);
    }

    fn judge(&mut self, leg: Leg, result: Result<(), Broken>) {
        let end = &mut self.ends[at(leg)];
        if result.is_err() && !std::mem::replace(&mut end.broken, true) {
            end.wake = None;
            end.watch.stop();
            self.tell(Event::Failed { leg, why: "the media connection could not be secured, or broke".to_owned() });
        }
    }

    /// Takes out of a leg's engine what it has, as far as the goal; false if it was empty before.
    fn pump(&mut self, leg: Leg, now: Instant, out: &mut Outbox, goal: Goal) -> bool {
        while !self.ends[at(leg)].broken {
            let Some(peer) = self.session.peer(leg) else { return false };
            match peer.poll() {
                Ok(Output::Until(wake)) => {
                    let end = &mut self.ends[at(leg)];
                    (end.wake, end.received, end.sending) = (Some(wake), None, None);
                    return goal == Goal::Empty;
                }
                Ok(Output::Transmit(transmit)) => {
                    let sent = goal == Goal::Sent && peer.is_forwarded(&transmit.contents);
                    if sent {
                        let end = &mut self.ends[at(leg)];
                        end.sending.get_or_insert(now);
                        end.past.learn_path(&transmit, now);
                    }
                    out.push((leg, transmit));
                    if sent {
                        return true;
                    }
                }
                Ok(Output::Packet(packet)) => {
                    self.forward(leg, packet, now);
                    if goal == Goal::Packet {
                        return true;
                    }
                }
                Ok(output) => self.hear(leg, output, now),
                Err(Broken) => self.judge(leg, Err(Broken)),
            }
        }
        false
    }

    fn forward(&mut self, leg: Leg, packet: RtpPacket, now: Instant) {
        let (source, number) = (packet.header.ssrc, *packet.seq_no);
        if self.ends[at(leg)].past.has_passed(*source, number) {
            return;
        }
        let Some(index) = self.flow_of(leg, source) else { return };
        let to = self.ends[at(leg)].flows[index].to;
        let end = &mut self.ends[at(leg)];
        let flow = &mut end.flows[index];
        let (first, sounding) = end.watch.heard(flow.kind, now);
        let kind = flow.kind;
        let Some(receiver) = self.session.peer(to) else { return };
        if flow.pass(packet, &mut end.clock, receiver, now) {
            self.ends[at(to)].queued += 1;
            if kind == MediaKind::Audio {
                self.let_past(leg, index, *source, number);
            }
        }
        self.tell_heard(leg, kind, first, sounding);
    }

    fn tell_heard(&self, leg: Leg, kind: MediaKind, first: bool, sounding: bool) {
        if first {
            self.tell(Event::FirstMedia { leg, kind });
        }
        if sounding {
            self.tell(Event::Sounding { leg });
        }
    }

    /// The flow that a source's packets belong to.
    fn flow_of(&mut self, leg: Leg, source: Ssrc) -> Option<usize> {
        let end = &mut self.ends[at(leg)];
        if let Some((_, index)) = end.sources.iter().find(|(known, _)| *known == source) {
            return Some(*index);
        }
        let mid = self.session.peer(leg)?.section_of(source)?;
        let index = end.flows.iter().position(|flow| flow.from == mid)?;
        if end.sources.len() == SOURCES {
            end.sources.clear();
        }
        end.sources.push((source, index));
        Some(index)
    }

    fn hear(&mut self, leg: Leg, output: Output, now: Instant) {
        match output {
            Output::Connected => {
                if self.ends[at(leg)].watch.connected(now) {
                    self.tell(Event::Connected { leg });
                }
                self.want_pictures(leg, now);
            }
            Output::Reachable => {
                if self.ends[at(leg)].watch.reachable(now) {
                    self.tell(Event::Connected { leg });
                    self.want_pictures(leg, now);
                }
            }
            Output::Unreachable | Output::Closed => {
                if self.ends[at(leg)].watch.unreachable() {
                    self.tell(Event::Lost { leg });
                }
            }
            Output::WantsPicture(mid) => self.with_flow_to(leg, mid, |flow, source| flow.want_picture(source, now)),
            Output::Carries(bits) => self.limit(leg, bits, now),
            Output::Received(stats) => {
                let clock = self.clock_of(leg, stats.mid);
                self.ends[at(leg)].meter.received(&stats, clock);
            }
            Output::Sent(mut stats) => {
                let clock = self.clock_of(leg, stats.mid);
                let (packets, bytes) = self.past_to(leg, stats.mid);
                stats.packets += packets;
                stats.bytes += bytes;
                self.ends[at(leg)].meter.sent(&stats, clock);
            }
            Output::RoundTrip(time) => self.ends[at(leg)].meter.round_trip(time),
            Output::Transmit(_) | Output::Packet(_) | Output::Until(_) => {}
        }
    }

    /// Kind and clock rate of a section's media, for its figures.
    fn clock_of(&self, leg: Leg, mid: Mid) -> Option<(MediaKind, u32)> {
        let lines = self.session.lines().len();
        (0..lines).find_map(|line| {
            let end = self.session.agreed(leg, line).filter(|end| Mid::from(end.mid.as_str()) == mid)?;
            let format = end.formats.iter().find(|format| format.key.codec.carries_media())?;
            Some((self.session.lines()[line].kind, format.key.clock))
        })
    }

    /// All that is sent to a leg begins with a whole picture: what was sent before it was there to
    /// see is of no use to it.
    fn want_pictures(&mut self, leg: Leg, now: Instant) {
        let mids: Vec<Mid> =
            self.ends.iter().flat_map(|end| &end.flows).filter(|flow| flow.to == leg).map(|flow| flow.to_mid).collect();
        for mid in mids {
            self.with_flow_to(leg, mid, |flow, source| flow.want_picture(source, now));
        }
    }

    /// A leg's path carries so much, which its pictures share.
    fn limit(&mut self, leg: Leg, bits: u64, now: Instant) {
        let to: Vec<Mid> = self
            .ends
            .iter()
            .flat_map(|end| &end.flows)
            .filter(|flow| flow.is_on() && flow.to == leg && flow.kind == MediaKind::Video)
            .map(|flow| flow.to_mid)
            .collect();
        let share = bits / u64::try_from(to.len().max(1)).unwrap_or(1);
        for mid in to {
            self.with_flow_to(leg, mid, |flow, source| flow.limit(share, source, now));
        }
    }

    fn with_flow_to(&mut self, leg: Leg, mid: Mid, act: impl FnOnce(&mut Flow, &mut Transports)) {
        for from in LEGS {
            let end = &mut self.ends[at(from)];
            let flow = end.flows.iter_mut().find(|flow| flow.is_on() && flow.to == leg && flow.to_mid == mid);
            if let (Some(flow), Some(source)) = (flow, self.session.peer(from)) {
                act(flow, source);
                end.touched = true;
                return;
            }
        }
    }

    /// What is due of a leg beside its engine.
    fn look_after(&mut self, leg: Leg, now: Instant) {
        let end = &mut self.ends[at(leg)];
        for flow in &mut end.flows {
            if flow.picture_due().is_some_and(|due| due <= now)
                && let Some(source) = self.session.peer(leg)
            {
                flow.want_picture(source, now);
                end.touched = true;
            }
        }
        if let Some(silence) = end.watch.check(now) {
            let for_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
            self.tell(Event::Silent { leg, for_ms });
        }
    }

    /// Makes the flows what was agreed.
    fn reconnect(&mut self, now: Instant) {
        for leg in LEGS {
            for line in 0..self.session.lines().len() {
                self.reconnect_line(leg, line, now);
            }
            let keys = self.session.peer(leg).and_then(|peer| peer.keys());
            let end = &mut self.ends[at(leg)];
            end.sources.clear();
            end.past.forget_flows(keys.as_ref());
            end.watch.expect(end.flows.iter().any(Flow::is_on), now);
        }
        for leg in LEGS {
            let flows = || self.ends.iter().flat_map(|end| end.flows.iter().filter(|flow| flow.is_on()));
            let sends = flows().any(|flow| flow.to == leg);
            let pictures = flows().any(|flow| flow.kind == MediaKind::Video);
            self.ends[at(leg)].sound = sends && !pictures;
        }
    }

    fn reconnect_line(&mut self, leg: Leg, line: usize, now: Instant) {
        let to = self.session.destination(leg);
        let agreed = self
            .session
            .flows(leg, line)
            .map(|(line, near, far)| (line.kind, Mid::from(near.mid.as_str()), Mid::from(far.mid.as_str())));
        let end = &mut self.ends[at(leg)];
        let flow = end.flows.iter().position(|flow| flow.line == line);
        let Some((kind, from, to_mid)) = agreed else {
            if let Some(index) = flow {
                end.flows[index].pause();
            }
            return;
        };
        let index = flow.unwrap_or_else(|| {
            end.flows.push(Flow::new(line, kind, rand::random::<u16>() & 0x3fff));
            end.flows.len() - 1
        });
        let source = self.session.peer(leg).map(|peer| peer.numbers(from)).unwrap_or_default();
        let receiver = self.session.peer(to).map(|peer| peer.numbers(to_mid)).unwrap_or_default();
        let flow = &mut end.flows[index];
        let began = !flow.is_on();
        flow.connect(from, (to, to_mid), [&source, &receiver]);
        if let Some(peer) = self.session.peer(leg).filter(|_| began) {
            flow.want_picture(peer, now);
        }
    }

    /// A driver that does not read its events misses some.
    fn tell(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            tracing::debug!("an event of a call found no place");
        }
    }
}
