//! Offers and answers of a call's two legs (RFC 8829), each against the gateway alone.
//!
//! A [`Session`] keeps what each leg has said, as [`Line`]s: a line is one medium of the call (its
//! sound, a camera, a screen), which stands in a section of its own in each leg's descriptions.
//! `side` is what is kept of one leg, `compose` puts descriptions together, `apart` has those
//! sections that are not bundled, `early` keeps candidates until they can be used. `call` calls in
//! here, and forwards packets by what was agreed.
//!
//! Every method either does all of what it says or refuses and changes nothing.

mod apart;
mod compose;
mod early;
mod side;

use crate::engine::{self, Change, Way};
use crate::format::Format;
use crate::sdp::{Description, Direction, Section, Setup};
use crate::transports::Transports;
use crate::{Codec, Described, Leg, MediaKind, Refused};
use side::{Ours, Side, Slot, Theirs};
use std::sync::Arc;
use std::time::Instant;

/// How many media a call may have had, those it no longer has included.
const MAX_LINES: usize = 64;

/// What all calls of a relay have in common.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) codecs: Vec<Codec>,
    pub(crate) addresses: crate::address::Addresses,
}

/// One medium of a call.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) kind: MediaKind,
    /// At each leg, as it was last agreed.
    ends: [Option<End>; 2],
    /// A leg did not want it; it is not offered it again.
    refused: [bool; 2],
}

/// A line as it stands in a leg's descriptions.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) mid: String,
    /// As the leg sees it.
    pub(crate) direction: Direction,
    pub(crate) formats: Vec<Format>,
    stream: Option<String>,
}

/// A call's descriptions.
pub(crate) struct Session {
    setting: Arc<Setting>,
    sides: [Side; 2],
    lines: Vec<Line>,
    /// The leg that gets its own media back.
    echo: Option<Leg>,
}

const LEGS: [Leg; 2] = [Leg::Caller, Leg::Callee];

fn at(leg: Leg) -> usize {
    match leg {
        Leg::Caller => 0,
        Leg::Callee => 1,
    }
}

impl Session {
    pub(crate) fn new(setting: Arc<Setting>) -> Session {
        Session { setting, sides: [Side::new(), Side::new()], lines: Vec::new(), echo: None }
    }

    /// A leg's engines, once it has any.
    pub(crate) fn peer(&mut self, leg: Leg) -> Option<&mut Transports> {
        self.sides[at(leg)].peer.as_mut()
    }

    /// The ICE user names by which a leg's far side addresses us: that in force, and that of an
    /// offer of ours that is not answered yet.
    pub(crate) fn names(&mut self, leg: Leg) -> Vec<String> {
        let side = &mut self.sides[at(leg)];
        let offered = side.ours.iter().flat_map(|ours| ours.offer.transports().map(|of| of.ufrag.clone()));
        let offered: Vec<String> = offered.collect();
        let mut names = side.peer.as_mut().map(Transports::names).unwrap_or_default();
        names.extend(offered);
        names.sort();
        names.dedup();
        names
    }

    /// The call's media.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Where what a leg sends is forwarded to.
    pub(crate) fn destination(&self, leg: Leg) -> Leg {
        if self.echo == Some(leg) { leg } else { leg.other() }
    }

    /// Takes an offer, to be answered by [`Session::answer`].
    pub(crate) fn take_offer(&mut self, leg: Leg, text: &str) -> Result<Described, Refused> {
        let mut offer = Description::read(text)?;
        self.keep_usable(&mut offer);
        let side = &self.sides[at(leg)];
        side.fits(&offer)?;
        let numbers = side.numbers.with(&offer)?;
        let first = side.slots.is_empty();
        let usable = |section: &Section| section.live().is_some_and(carries_media);
        if first && !offer.sections.iter().any(usable) {
            return Err(Refused::NoCodec);
        }
        let new = offer.sections.iter().enumerate().filter(|(index, section)| !side.knows(*index) && usable(section));
        if self.lines.len() + new.count() > MAX_LINES {
            return Err(Refused::Unsupported("more media sections than a call can have"));
        }
        // From here on nothing can fail.
        self.withdraw(leg);
        let mut lines = Vec::with_capacity(offer.sections.len());
        for (index, section) in offer.sections.iter().enumerate() {
            lines.push(match self.sides[at(leg)].slots.get(index).filter(|slot| slot.known) {
                Some(slot) => slot.line,
                None => section.live().filter(|rtp| carries_media(rtp)).map(|rtp| self.line_for(leg, rtp.kind, &lines)),
            });
        }
        let restart_only = !first && self.changes_nothing(leg, &offer, &lines);
        let described = described(&offer, restart_only, false);
        self.sides[at(leg)].numbers = numbers;
        self.sides[at(leg)].early.expect(&offer.generation());
        self.sides[at(leg)].theirs = Some(Theirs { offer, lines });
        Ok(described)
    }

    /// Makes an offer for a leg, of what the other leg has or is asking for. While that has said
    /// nothing, the offer is one of sound, and of pictures if `video`.
    pub(crate) fn offer(&mut self, leg: Leg, video: bool, now: Instant) -> Result<String, Refused> {
        if self.echo.is_some() {
            return Err(Refused::OutOfOrder("the call has no other side"));
        }
        let open = !self.sides[at(leg.other())].has_spoken();
        if open && self.lines.is_empty() {
            let kinds = [Some(MediaKind::Audio), video.then_some(MediaKind::Video)];
            self.lines.extend(kinds.into_iter().flatten().map(Line::new));
        }
        let mut changes = Vec::new();
        let mut added = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let stated = self.stated(leg.other(), index);
            let way = stated.as_ref().map_or(Way { send: open, receive: open }, |end| end.direction.into());
            match &line.ends[at(leg)] {
                Some(end) => changes.push(Change::Turn(end.mid.as_str().into(), way)),
                None if (open || stated.is_some()) && !line.refused[at(leg)] => {
                    changes.push(Change::Add(line.kind, way));
                    added.push(index);
                }
                _ => {}
            }
        }
        self.describe_offer(leg, &changes, &added, now)
    }

    /// Makes an offer that restarts ICE and changes nothing else.
    pub(crate) fn restart(&mut self, leg: Leg, now: Instant) -> Result<String, Refused> {
        if !self.sides[at(leg)].is_agreed() {
            return Err(Refused::OutOfOrder("nothing has been agreed that could be restarted"));
        }
        self.describe_offer(leg, &[Change::Restart], &[], now)
    }

    /// Takes the answer to our last offer.
    pub(crate) fn take_answer(&mut self, leg: Leg, text: &str, now: Instant) -> Result<Described, Refused> {
        let mut answer = Description::read(text)?;
        self.keep_usable(&mut answer);
        let side = &self.sides[at(leg)];
        let (Some(ours), true) = (side.ours.as_ref(), side.peer.is_some()) else {
            return Err(Refused::OutOfOrder("there is no offer that this could answer"));
        };
        ours.narrow(&mut answer)?;
        let numbers = side.numbers.with(&answer)?;
        if side.slots.is_empty() && !answer.sections.iter().any(|section| section.live().is_some_and(carries_media)) {
            return Err(Refused::NoCodec);
        }
        // Who does not say which end it takes of DTLS is the client (RFC 5763 §5).
        if !matches!(answer.transport.setup, Some(Setup::Passive)) {
            answer.transport.setup = Some(Setup::Active);
        }
        let described = described(&answer, false, ours.leaves_out_first(&answer));
        side.keeps_transports(&answer)?;
        let regular = compose::for_engine(&answer.bundled(), &ours.order);
        let parted = self.take_apart(leg, &answer, now)?;
        let side = &mut self.sides[at(leg)];
        let (Some(ours), Some(peer)) = (side.ours.take(), side.peer.as_mut()) else { return Ok(described) };
        if peer.main().accept_answer(&regular).is_err() {
            side.ours = Some(ours);
            return Err(Refused::Malformed("it does not fit the offer"));
        }
        for parted in parted {
            peer.part(&parted.mid, parted.peer);
        }
        if side.slots.is_empty() || ours.restart {
            side.early.expect(&answer.generation());
        }
        side.numbers = numbers;
        side.order.clone_from(&ours.order);
        self.agree(leg, &answer, &ours.lines);
        self.begin(leg);
        Ok(described)
    }

    /// Answers the offer taken from a leg: what the other leg has agreed to of it.
    pub(crate) fn answer(&mut self, leg: Leg, now: Instant) -> Result<String, Refused> {
        let Some(theirs) = self.sides[at(leg)].theirs.take() else {
            return Err(Refused::OutOfOrder("there is no offer to answer"));
        };
        let described = self.describe_answer(leg, &theirs, now);
        if described.is_err() {
            self.sides[at(leg)].theirs = Some(theirs);
        }
        described
    }

    /// Answers the offer taken from a leg, and gives it its own media back from now on.
    pub(crate) fn loop_back(&mut self, leg: Leg, now: Instant) -> Result<String, Refused> {
        if self.echo.is_none() && !self.sides[at(leg.other())].slots.is_empty() {
            return Err(Refused::OutOfOrder("the call has another side"));
        }
        let before = self.echo.replace(leg);
        let answer = self.answer(leg, now);
        if answer.is_err() {
            self.echo = before;
        }
        answer
    }

    /// A line's end at a leg, as it was last agreed.
    pub(crate) fn agreed(&self, leg: Leg, line: usize) -> Option<&End> {
        self.lines.get(line)?.ends[at(leg)].as_ref()
    }

    /// Forgets offers that concern a leg and were not answered.
    fn withdraw(&mut self, leg: Leg) {
        let side = &mut self.sides[at(leg)];
        side.ours = None;
        side.theirs = None;
        if let Some(peer) = &mut side.peer {
            peer.withdraw();
        }
        while let Some(last) = self.lines.len().checked_sub(1) {
            if LEGS.iter().any(|leg| self.sides[at(*leg)].names_line(last)) {
                break;
            }
            self.lines.pop();
        }
    }

    /// The line of a new section: one that the other leg has or is offered and this leg has not,
    /// or else a new one.
    fn line_for(&mut self, leg: Leg, kind: MediaKind, taken: &[Option<usize>]) -> usize {
        let (near, far) = (&self.sides[at(leg)], &self.sides[at(leg.other())]);
        let free = |index: &usize| {
            self.lines[*index].kind == kind
                && !taken.contains(&Some(*index))
                && !near.names_line(*index)
                && far.names_line(*index)
        };
        (0..self.lines.len()).find(free).unwrap_or_else(|| {
            self.lines.push(Line::new(kind));
            self.lines.len() - 1
        })
    }

    /// Leaves of a description what is configured and can be carried.
    fn keep_usable(&self, description: &mut Description) {
        for rtp in description.sections.iter_mut().filter_map(|section| section.rtp.as_mut()) {
            rtp.formats.retain(|format| self.setting.codecs.contains(&format.key.codec) && engine::carries(format.key));
        }
        for transport in description.transports_mut() {
            transport.candidates.retain(|line| matches!(engine::Remote::read(line), Ok(Some(_))));
        }
    }

    /// What a leg says of a line: what it asks for now, or else what was agreed.
    fn stated(&self, leg: Leg, line: usize) -> Option<End> {
        let side = &self.sides[at(leg)];
        let asked = side.theirs.as_ref().and_then(|theirs| {
            let index = theirs.lines.iter().position(|of| *of == Some(line))?;
            Some(End::of(&theirs.offer.sections[index]))
        });
        asked.unwrap_or_else(|| self.agreed(leg, line).cloned())
    }

    /// Whether an offer says of every line what was agreed before.
    fn changes_nothing(&self, leg: Leg, offer: &Description, lines: &[Option<usize>]) -> bool {
        lines.iter().zip(&offer.sections).all(|(line, section)| match line {
            None => true,
            Some(line) => match (self.agreed(leg, *line), section.live()) {
                (Some(end), Some(rtp)) => end.direction == rtp.direction,
                (None, None) => true,
                _ => false,
            },
        })
    }

    /// Writes down what a leg has agreed to.
    fn agree(&mut self, leg: Leg, description: &Description, lines: &[Option<usize>]) {
        let mut slots = Vec::with_capacity(description.sections.len());
        for (section, line) in description.sections.iter().zip(lines) {
            let known = self.sides[at(leg)].has_engine_for(&section.mid);
            let end = section.live().filter(|_| known).and_then(|_| End::of(section));
            if let Some(line) = line.and_then(|line| self.lines.get_mut(line)) {
                line.refused[at(leg)] = end.is_none();
                line.ends[at(leg)] = end;
            }
            slots.push(Slot {
                media: section.media.clone(),
                mid: section.mid.clone(),
                protocol: section.protocol.clone(),
                numbers: section.numbers.clone(),
                line: *line,
                known,
                on: section.on,
            });
        }
        self.sides[at(leg)].slots = slots;
    }

    /// Lets a leg's checks begin, with the candidates that came early.
    fn begin(&mut self, leg: Leg) {
        let side = &mut self.sides[at(leg)];
        if let Some(peer) = &mut side.peer {
            let slots = &side.slots;
            side.early.release().for_each(|named| add_remote(peer, slots, named));
            if self.lines.iter().any(|line| line.kind == MediaKind::Video) {
                peer.expect_video();
            }
        }
    }
}

impl Line {
    fn new(kind: MediaKind) -> Line {
        Line { kind, ends: [None, None], refused: [false; 2] }
    }
}

impl End {
    fn of(section: &Section) -> Option<End> {
        section.live().map(|rtp| End {
            mid: section.mid.clone(),
            direction: rtp.direction,
            formats: rtp.formats.clone(),
            stream: rtp.stream.clone(),
        })
    }
}

impl From<Direction> for Way {
    /// The gateway does towards one leg what the other leg does towards it.
    fn from(direction: Direction) -> Way {
        Way { send: direction.send, receive: direction.receive }
    }
}

fn described(description: &Description, restart_only: bool, narrowed: bool) -> Described {
    Described {
        video: description.any(|rtp| rtp.kind == MediaKind::Video),
        sends: description.any(|rtp| rtp.direction.send),
        receives: description.any(|rtp| rtp.direction.receive),
        restart_only,
        narrowed,
    }
}

/// Gives an engine a candidate, that of the section which it is for.
fn add_remote(peer: &mut Transports, slots: &[Slot], named: early::Named) {
    let by_index = named.index.and_then(|index| slots.get(usize::from(index))).map(|slot| slot.mid.as_str());
    peer.add_remote(named.mid.as_deref().or(by_index), named.remote);
}

/// Whether a section has a format that a call can consist of.
fn carries_media(rtp: &crate::sdp::Rtp) -> bool {
    rtp.formats.iter().any(|format| format.key.codec.carries_media())
}
