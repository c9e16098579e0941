//! Puts descriptions together: for the engine, of what a leg said; for a leg, of what the engine
//! said and what the other leg wants.

use super::apart::apart;
use super::{End, Line, Ours, Session, Slot, Theirs, at, carries_media};
use crate::engine::{Change, Login, Mid, Peer, Protocol};
use crate::sdp::print::Origin;
use crate::sdp::{Description, Direction, Rtp, Section};
use crate::transports::Transports;
use crate::{Leg, Refused};
use std::time::Instant;

/// The stream of sections that do not say to which one they belong.
const STREAM: &str = "call";

/// The engine said something that the relay does not understand.
pub(super) const UNEXPECTED: Refused = Refused::Unsupported("the media engine cannot describe it");

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
            None => Transports::new(self.new_peer(None, now)),
        };
        let offered = peer.offer(changes);
        self.sides[at(leg)].peer = Some(peer);
        let offered = offered.map_err(|_| UNEXPECTED)?;
        let mut raw = Description::read(&offered.main).map_err(|_| UNEXPECTED)?;
        let order: Vec<String> = raw.sections.iter().map(|section| section.mid.clone()).collect();
        raw.sections.retain(|section| !self.sides[at(leg)].is_apart(&section.mid));
        for text in &offered.apart {
            let Description { transport, sections } = Description::read(text).map_err(|_| UNEXPECTED)?;
            raw.sections.extend(sections.into_iter().map(|section| apart(section, &transport)));
        }

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
        for (line, mid) in added.iter().zip(&offered.added) {
            let section = raw.sections.iter().find(|section| Mid::from(section.mid.as_str()) == *mid);
            let section = section.ok_or(UNEXPECTED)?;
            sections.push(self.offered(leg, *line, section, &Slot::of(section)));
            lines.push(Some(*line));
        }
        let offer = self.reachable(Description { transport: raw.transport, sections });
        let restart = matches!(changes, [Change::Restart]);
        let side = &mut self.sides[at(leg)];
        side.origin.version += 1;
        let text = offer.print_offer(side.origin);
        side.ours = Some(Ours { offer, lines, order, restart });
        Ok(text)
    }

    /// Has the engine answer an offer, and writes the answer for the leg.
    pub(super) fn describe_answer(&mut self, leg: Leg, theirs: &Theirs, now: Instant) -> Result<String, Refused> {
        let mut narrowed = self.narrowed(leg, theirs);
        let side = &self.sides[at(leg)];
        if side.peer.is_none() {
            narrowed.root();
        }
        let mut order = side.order.clone();
        let joint = |section: &&Section| section.live().is_some() && section.transport.is_none();
        for section in narrowed.sections.iter().filter(joint) {
            if !order.contains(&section.mid) {
                order.push(section.mid.clone());
            }
        }
        if order.is_empty() {
            return Err(Refused::NoCodec);
        }
        let regular = for_engine(&narrowed.bundled(), &order);
        let mut peer = match self.sides[at(leg)].peer.take() {
            Some(peer) => peer,
            None => Transports::new(self.new_peer(None, now)),
        };
        let by_themselves = self.answer_apart(&mut peer, &narrowed, now);
        let answered = by_themselves.and_then(|others| {
            let text = peer.main().accept_offer(&regular).map_err(|_| Refused::Malformed("it cannot be answered"))?;
            Ok((others, text))
        });
        let mut raw = Err(UNEXPECTED);
        if let Ok(((sections, parted), text)) = answered {
            for parted in parted {
                peer.part(&parted.mid, parted.peer);
            }
            raw = Description::read(&text).map_err(|_| UNEXPECTED).map(|mut raw| {
                raw.sections.retain(|section| !peer.is_apart(&section.mid));
                raw.sections.extend(sections);
                raw
            });
        } else if let Err(why) = answered {
            raw = Err(why);
        }
        let side = &mut self.sides[at(leg)];
        side.peer = Some(peer);
        let raw = raw?;
        side.order = order;
        self.agree(leg, &narrowed, &theirs.lines);
        let side = &mut self.sides[at(leg)];
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
        self.reachable(Description { transport: raw.transport, sections }).print(origin)
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

    /// A description of ours with the addresses that lead here from outside.
    fn reachable(&self, mut description: Description) -> Description {
        for transport in description.transports_mut() {
            transport.candidates.extend(self.setting.addresses.outside());
        }
        description
    }

    pub(super) fn new_peer(&self, login: Option<Login>, now: Instant) -> Peer {
        let mut peer = Peer::new(&self.setting.codecs, login, now);
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
            for named in usable {
                super::add_remote(peer, &side.slots, named);
            }
        }
        Ok(())
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
        if section.live().is_none() {
            // The engine wants to know what each number stands for, also of what is turned off.
            section.numbers.clear();
        }
        for format in section.rtp.iter_mut().flat_map(|rtp| &mut rtp.formats) {
            format.parameters = format.key.parameters();
        }
        regular.sections.push(section);
    }
    regular.print(Origin { session: 1, version: 1 })
}
