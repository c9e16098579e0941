//! Puts descriptions together: for the engine, of what a leg said; for a leg, of what the engine
//! said and what the other leg wants.

use super::{End, Line, Ours, Session, Slot, Theirs, at, carries_media};
use crate::engine::{Change, Mid, Peer, Protocol};
use crate::sdp::print::Origin;
use crate::sdp::{Description, Direction, Rtp, Section};
use crate::{Leg, Refused};
use std::time::Instant;

/// The stream of sections that do not say to which one they belong.
const STREAM: &str = "call";

/// The engine said something that the relay does not understand.
const UNEXPECTED: Refused = Refused::Unsupported("the media engine cannot describe it");

impl Session {
    /// Has the engine make an offer, and writes it for the leg.
    pub(super) fn describe_offer(
        &mut self,
        leg: Leg,
        changes: &[Change],
        added: &[usize],
        now: Instant,
    ) -> Result<String, Refused> {
        if self.sides[at(leg)].theirs.is_some() {
            return Err(Refused::OutOfOrder("an offer of this side waits for its answer"));
        }
        let mut peer = match self.sides[at(leg)].peer.take() {
            Some(peer) => peer,
            None => self.new_peer(now),
        };
        let offered = peer.offer(changes);
        self.sides[at(leg)].peer = Some(peer);
        let (text, mids) = offered.map_err(|_| UNEXPECTED)?;
        let raw = Description::read(&text).map_err(|_| UNEXPECTED)?;
        let order: Vec<String> = raw.sections.iter().map(|section| section.mid.clone()).collect();

        let side = &self.sides[at(leg)];
        let mut lines: Vec<Option<usize>> = side.slots.iter().map(|slot| slot.line).collect();
        let mut sections: Vec<Section> = Vec::new();
        for slot in &side.slots {
            let known = raw.sections.iter().find(|section| section.mid == slot.mid).filter(|_| slot.known);
            sections.push(match (known, slot.line) {
                (Some(section), Some(line)) => self.offered(leg, line, section, slot),
                _ => slot.turned_off(),
            });
        }
        for (line, mid) in added.iter().zip(&mids) {
            let section = raw.sections.iter().find(|section| Mid::from(section.mid.as_str()) == *mid);
            let section = section.ok_or(UNEXPECTED)?;
            sections.push(self.offered(leg, *line, section, &Slot::of(section)));
            lines.push(Some(*line));
        }
        let offer = Description { transport: self.our_transport(raw.transport), sections };
        let restart = matches!(changes, [Change::Restart]);
        let side = &mut self.sides[at(leg)];
        side.origin.version += 1;
        let text = offer.print(side.origin);
        side.ours = Some(Ours { offer, lines, order, restart });
        Ok(text)
    }

    /// Has the engine answer an offer, and writes the answer for the leg.
    pub(super) fn describe_answer(&mut self, leg: Leg, theirs: &Theirs, now: Instant) -> Result<String, Refused> {
        let narrowed = self.narrowed(leg, theirs);
        let side = &self.sides[at(leg)];
        let mut order = side.order.clone();
        for section in narrowed.sections.iter().filter(|section| section.live().is_some()) {
            if !order.contains(&section.mid) {
                order.push(section.mid.clone());
            }
        }
        if order.is_empty() {
            return Err(Refused::NoCodec);
        }
        let regular = for_engine(&narrowed, &order);
        let mut peer = match self.sides[at(leg)].peer.take() {
            Some(peer) => peer,
            None => self.new_peer(now),
        };
        let answered = peer.accept_offer(&regular);
        self.sides[at(leg)].peer = Some(peer);
        let text = answered.map_err(|_| Refused::Malformed("it cannot be answered"))?;
        let raw = Description::read(&text).map_err(|_| UNEXPECTED)?;

        self.agree(leg, &narrowed, &theirs.lines, &order);
        let side = &mut self.sides[at(leg)];
        side.order = order;
        side.origin.version += 1;
        let origin = side.origin;
        let text = self.write_answer(leg, &narrowed, theirs, raw, origin);
        self.begin(leg);
        Ok(text)
    }

    /// An offer with what nobody at the other end takes left out.
    fn narrowed(&self, leg: Leg, theirs: &Theirs) -> Description {
        let mut narrowed = theirs.offer.clone();
        let echo = self.echo == Some(leg);
        for (index, section) in narrowed.sections.iter_mut().enumerate() {
            let known = self.sides[at(leg)].knows(index);
            let far = theirs.lines[index].filter(|_| !echo).and_then(|line| self.stated(leg.other(), line));
            let Some(rtp) = &mut section.rtp else {
                section.on = false;
                continue;
            };
            if let Some(far) = &far {
                rtp.formats.retain(|format| far.formats.iter().any(|known| known.key == format.key));
            }
            // A section that was there and has nobody to go to any more is held, not taken away.
            section.on &= known || (carries_media(rtp) && (echo || far.is_some()));
        }
        narrowed
    }

    fn write_answer(
        &self,
        leg: Leg,
        narrowed: &Description,
        theirs: &Theirs,
        raw: Description,
        origin: Origin,
    ) -> String {
        let mut sections = Vec::with_capacity(narrowed.sections.len());
        for (index, section) in narrowed.sections.iter().enumerate() {
            let slot = Slot { numbers: theirs.offer.sections[index].numbers.clone(), ..Slot::of(section) };
            let answered = raw.sections.iter().find(|answered| answered.mid == section.mid && section.live().is_some());
            sections.push(match (answered, theirs.lines[index]) {
                (Some(answered), Some(line)) => {
                    let far = self.stated(self.destination(leg), line);
                    let mut written = towards(answered, &slot, far, Direction::NONE);
                    self.narrow_direction(leg, line, &mut written);
                    written
                }
                _ => slot.turned_off(),
            });
        }
        Description { transport: self.our_transport(raw.transport), sections }.print(origin)
    }

    /// A section of an offer of ours.
    fn offered(&self, leg: Leg, line: usize, section: &Section, slot: &Slot) -> Section {
        let other = self.destination(leg);
        let open = !self.sides[at(other)].has_spoken();
        let otherwise = if open { Direction::BOTH } else { Direction::NONE };
        towards(section, slot, self.stated(other, line), otherwise)
    }

    /// Makes the direction of an answer fit what was offered.
    fn narrow_direction(&self, leg: Leg, line: usize, section: &mut Section) {
        let (Some(near), Some(rtp)) = (self.agreed(leg, line), &mut section.rtp) else { return };
        rtp.direction = Direction {
            send: rtp.direction.send && near.direction.receive,
            receive: rtp.direction.receive && near.direction.send,
        };
    }

    /// The engine's transport with the addresses that lead here from outside.
    fn our_transport(&self, mut transport: crate::sdp::Transport) -> crate::sdp::Transport {
        transport.candidates.extend(self.setting.addresses.outside());
        transport
    }

    fn new_peer(&self, now: Instant) -> Box<Peer> {
        let mut peer = Box::new(Peer::new(&self.setting.codecs, now));
        for address in &self.setting.addresses.udp {
            peer.add_local(*address, Protocol::Udp);
        }
        for address in &self.setting.addresses.tcp {
            peer.add_local(*address, Protocol::Tcp);
        }
        peer
    }

    /// Where packets of a line may go: from `leg`, which sends them, to whoever takes them.
    pub(crate) fn flows(&self, leg: Leg, line: usize) -> Option<(&Line, &End, &End)> {
        let near = self.agreed(leg, line).filter(|end| end.direction.send)?;
        let far = self.agreed(self.destination(leg), line).filter(|end| end.direction.receive)?;
        Some((&self.lines[line], near, far))
    }

    /// A leg's candidates; those that can be used now are.
    pub(crate) fn candidates(&mut self, leg: Leg, candidates: &[crate::Candidate]) -> Result<(), Refused> {
        let side = &mut self.sides[at(leg)];
        let usable = side.early.take(candidates)?;
        if let Some(peer) = &mut side.peer {
            for remote in usable {
                peer.add_remote(remote);
            }
        }
        Ok(())
    }
}

impl Slot {
    fn of(section: &Section) -> Slot {
        Slot {
            media: section.media.clone(),
            mid: section.mid.clone(),
            protocol: section.protocol.clone(),
            numbers: section.numbers.clone(),
            line: None,
            known: false,
        }
    }

    fn turned_off(&self) -> Section {
        Section {
            media: self.media.clone(),
            protocol: self.protocol.clone(),
            numbers: self.numbers.clone(),
            on: false,
            mid: self.mid.clone(),
            rtp: None,
        }
    }
}

/// A section of the engine's as a leg is to read it: what the far end of its line wants to be sent.
fn towards(section: &Section, slot: &Slot, far: Option<End>, otherwise: Direction) -> Section {
    let mut section = Section { media: slot.media.clone(), protocol: slot.protocol.clone(), ..section.clone() };
    let Some(rtp) = &mut section.rtp else { return section };
    if let Some(far) = &far {
        narrow_formats(rtp, far);
    }
    rtp.direction = far.as_ref().map_or(otherwise, |far| far.direction);
    rtp.stream = Some(far.and_then(|far| far.stream).unwrap_or_else(|| STREAM.to_owned()));
    section
}

/// Leaves the formats that the far end takes, in its order and with its parameters.
fn narrow_formats(rtp: &mut Rtp, far: &End) {
    let mut formats = Vec::with_capacity(rtp.formats.len());
    for wanted in &far.formats {
        if let Some(mut format) = rtp.formats.iter().find(|format| format.key == wanted.key).cloned() {
            format.parameters.clone_from(&wanted.parameters);
            formats.push(format);
        }
    }
    rtp.formats = formats;
}

/// A description as the engine is to read it: the sections that it knows, in its order, with
/// parameters that it cannot misunderstand.
pub(super) fn for_engine(description: &Description, order: &[String]) -> String {
    let mut regular = Description { transport: description.transport.clone(), sections: Vec::new() };
    for mid in order {
        let Some(section) = description.sections.iter().find(|section| section.mid == *mid) else { continue };
        let mut section = section.clone();
        "UDP/TLS/RTP/SAVPF".clone_into(&mut section.protocol);
        for format in section.rtp.iter_mut().flat_map(|rtp| &mut rtp.formats) {
            format.parameters = format.key.parameters();
        }
        regular.sections.push(section);
    }
    regular.print(Origin { session: 1, version: 1 })
}
