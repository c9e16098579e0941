//! What is kept of one leg's descriptions: its sections, the offers that wait for an answer, and what
//! a later description must not change. No engine is told anything here; `negotiate` does that.

use super::carries_media;
use super::early::Early;
use crate::Refused;
use crate::sdp::print::Origin;
use crate::sdp::{Description, Numbers, Section};
use crate::transports::Transports;

/// A leg's descriptions.
pub(super) struct Side {
    pub(super) peer: Option<Transports>,
    pub(super) slots: Vec<Slot>,
    pub(super) theirs: Option<Theirs>,
    pub(super) ours: Option<Ours>,
    /// Mids in the engine's order, which a section keeps when it is turned off.
    pub(super) order: Vec<String>,
    pub(super) origin: Origin,
    pub(super) early: Early,
    /// What the leg's payload types stand for, in all that it has said.
    pub(super) numbers: Numbers,
}

/// A section of a leg's descriptions.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) media: String,
    pub(super) mid: String,
    pub(super) protocol: String,
    pub(super) numbers: Vec<String>,
    pub(super) line: Option<usize>,
    /// The engine knows it. Sections that never were agreed upon it never sees.
    pub(super) known: bool,
    /// It was not turned off.
    pub(super) on: bool,
}

/// An offer taken and not yet answered; the line of each of its sections.
pub(super) struct Theirs {
    pub(super) offer: Description,
    pub(super) lines: Vec<Option<usize>>,
}

/// An offer of ours that is not yet answered.
pub(super) struct Ours {
    pub(super) offer: Description,
    pub(super) lines: Vec<Option<usize>>,
    pub(super) order: Vec<String>,
    pub(super) restart: bool,
}

impl Side {
    pub(super) fn new() -> Side {
        Side {
            peer: None,
            slots: Vec::new(),
            theirs: None,
            ours: None,
            order: Vec::new(),
            origin: Origin { session: u64::from(rand::random::<u32>()) + 1, version: 0 },
            early: Early::default(),
            numbers: Numbers::default(),
        }
    }

    /// Whether the leg has described anything yet.
    pub(super) fn has_spoken(&self) -> bool {
        self.theirs.is_some() || self.is_agreed()
    }

    /// Whether a line stands in one of the leg's descriptions.
    pub(super) fn names_line(&self, line: usize) -> bool {
        let slots = self.slots.iter().map(|slot| slot.line);
        let asked = self.theirs.iter().flat_map(|theirs| theirs.lines.iter().copied());
        let offered = self.ours.iter().flat_map(|ours| ours.lines.iter().copied());
        slots.chain(asked).chain(offered).any(|named| named == Some(line))
    }

    pub(super) fn is_agreed(&self) -> bool {
        !self.slots.is_empty()
    }

    /// Whether a section has a transport of its own.
    pub(super) fn is_apart(&self, mid: &str) -> bool {
        self.peer.as_ref().is_some_and(|transports| transports.is_apart(mid))
    }

    /// Whether an engine was told of a section.
    pub(super) fn has_engine_for(&self, mid: &str) -> bool {
        self.order.iter().any(|known| known == mid) || self.is_apart(mid)
    }

    /// Whether a description leaves sections that were agreed upon with the transport that they have.
    pub(super) fn keeps_transports(&self, description: &Description) -> Result<(), Refused> {
        let changes = |(section, slot): (&Section, &Slot)| {
            slot.known
                && slot.on
                && section.live().is_some()
                && section.transport.is_some() != self.is_apart(&section.mid)
        };
        if description.sections.iter().zip(&self.slots).any(changes) {
            return Err(Refused::Unsupported("a media section that joins or leaves the bundle"));
        }
        Ok(())
    }

    /// Whether a section is one that the engine knows.
    pub(super) fn knows(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| slot.known)
    }

    /// Whether a later offer has the sections of those before it (RFC 8829 §5.2.2).
    pub(super) fn fits(&self, offer: &Description) -> Result<(), Refused> {
        if offer.sections.len() < self.slots.len() {
            return Err(Refused::Malformed("it has fewer media sections than before"));
        }
        let same = |(section, slot): (&Section, &Slot)| {
            !slot.known || (section.media == slot.media && section.mid == slot.mid && section.rtp.is_some())
        };
        if !offer.sections.iter().zip(&self.slots).all(same) {
            return Err(Refused::Malformed("its media sections are not those of before"));
        }
        self.keeps_transports(offer)
    }
}

impl Ours {
    /// Narrows an answer to what was offered, and gives its sections their names.
    pub(super) fn narrow(&self, answer: &mut Description) -> Result<(), Refused> {
        if answer.sections.len() != self.offer.sections.len() {
            return Err(Refused::Malformed("it has not as many media sections as the offer"));
        }
        for (section, offered) in answer.sections.iter_mut().zip(&self.offer.sections) {
            if section.media != offered.media {
                return Err(Refused::Malformed("its media sections are not those of the offer"));
            }
            section.mid.clone_from(&offered.mid);
            section.on &= offered.on;
            let Some(rtp) = &mut section.rtp else {
                section.on = false;
                continue;
            };
            if let Some(offered) = offered.live() {
                rtp.formats.retain(|format| offered.formats.iter().any(|known| known.key == format.key));
                section.on &= carries_media(rtp);
            }
        }
        Ok(())
    }

    /// Whether an answer, already narrowed, has a section that lacks the format that was offered first.
    pub(super) fn leaves_out_first(&self, answer: &Description) -> bool {
        let first = |offered: &Section| {
            offered.live()?.formats.iter().map(|format| format.key).find(|key| key.codec.carries_media())
        };
        answer.sections.iter().zip(&self.offer.sections).any(|(section, offered)| {
            let (Some(rtp), Some(first)) = (section.live(), first(offered)) else { return false };
            !rtp.formats.iter().any(|format| format.key == first)
        })
    }
}

impl Slot {
    pub(super) fn of(section: &Section) -> Slot {
        Slot {
            media: section.media.clone(),
            mid: section.mid.clone(),
            protocol: section.protocol.clone(),
            numbers: section.numbers.clone(),
            line: None,
            known: false,
            on: true,
        }
    }

    pub(super) fn turned_off(&self) -> Section {
        Section {
            media: self.media.clone(),
            protocol: self.protocol.clone(),
            numbers: self.numbers.clone(),
            on: false,
            transport: None,
            mid: self.mid.clone(),
            rtp: None,
        }
    }
}
