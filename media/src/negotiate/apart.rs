//! Sections that have a transport of their own, because who described them does not bundle
//! (RFC 9143 §7.3.3): each is described to an engine of its own. Two ways lead here: an offer without
//! BUNDLE, and an answer that takes our bundled offer apart.

use super::{Ours, Session, at, compose};
use crate::engine::{Login, Peer};
use crate::sdp::{Description, Section, Setup, Transport};
use crate::transports::Transports;
use crate::{Leg, Refused};
use std::time::Instant;

/// A section that has just been given a transport of its own, and what its engine answered.
pub(super) struct Parted {
    pub(super) mid: String,
    pub(super) peer: Peer,
}

impl Session {
    /// Has the engines of the sections apart answer what a leg offers of them. Gives their sections as
    /// answered, and the engines that are new.
    pub(super) fn answer_apart(
        &self,
        transports: &mut Transports,
        narrowed: &Description,
        now: Instant,
    ) -> Result<(Vec<Section>, Vec<Parted>), Refused> {
        let (mut sections, mut parted) = (Vec::new(), Vec::new());
        for section in narrowed.sections.iter().filter(|section| section.transport.is_some()) {
            let known = transports.apart(&section.mid);
            if known.is_none() && section.live().is_none() {
                continue;
            }
            let (text, transport) = alone(section, &narrowed.transport);
            let cannot = |_| Refused::Malformed("it cannot be answered");
            let answered = if let Some(peer) = transports.apart(&section.mid) {
                peer.accept_offer(&text).map_err(cannot)?
            } else {
                let mut peer = self.new_peer(None, now);
                let answered = peer.accept_offer(&text).map_err(cannot)?;
                parted.push(Parted { mid: section.mid.clone(), peer });
                answered
            };
            let raw = Description::read(&answered).map_err(|_| compose::UNEXPECTED)?;
            let transport = Transport { setup: raw.transport.setup.or(transport.setup), ..raw.transport };
            sections.extend(raw.sections.into_iter().map(|section| apart(section, &transport)));
        }
        Ok((sections, parted))
    }

    /// Takes an answer to our offer for the sections that are apart, and parts those that the answer
    /// takes out of the bundle. Gives the engines that are new.
    pub(super) fn take_apart(&mut self, leg: Leg, answer: &Description, now: Instant) -> Result<Vec<Parted>, Refused> {
        let mut parted = Vec::new();
        for (index, section) in answer.sections.iter().enumerate() {
            let is_known = self.sides[at(leg)].is_apart(&section.mid);
            let (text, _) = alone(section, &answer.transport);
            if is_known {
                let peer = self.sides[at(leg)].peer.as_mut().and_then(|transports| transports.apart(&section.mid));
                let taken = peer.map(|peer| peer.accept_answer(&text));
                if !matches!(taken, Some(Ok(()))) {
                    return Err(Refused::Malformed("it does not fit the offer"));
                }
            } else if section.transport.is_some() && section.live().is_some() {
                let Some(ours) = self.sides[at(leg)].ours.as_ref() else { continue };
                parted.push(self.part(ours, index, &text, now)?);
            }
        }
        Ok(parted)
    }

    /// An engine for a section that was offered in the bundle and is answered outside of it. It has the
    /// name and password, and the sources, that stand in the offer.
    fn part(&self, ours: &Ours, index: usize, text: &str, now: Instant) -> Result<Parted, Refused> {
        let offered = &ours.offer.sections[index];
        let Transport { ufrag, pwd, .. } = offered.transport.as_ref().unwrap_or(&ours.offer.transport).clone();
        let mut peer = self.new_peer(Some(Login { ufrag, pwd }), now);
        // (To this engine the answer is an offer, and it is the one that offered.)
        peer.accept_offer(text).map_err(|_| Refused::Malformed("it does not fit the offer"))?;
        peer.control();
        if let Some((main, repair)) = offered.rtp.as_ref().and_then(|rtp| sources(&rtp.sources)) {
            peer.send_as(offered.mid.as_str().into(), main, repair);
        }
        Ok(Parted { mid: offered.mid.clone(), peer })
    }
}

/// A section as the description of a session that consists of it, and its transport.
fn alone(section: &Section, shared: &Transport) -> (String, Transport) {
    let mut transport = section.transport.as_ref().unwrap_or(shared).clone();
    // Who does not say which end it takes of DTLS is the client (RFC 5763 §5).
    transport.setup = transport.setup.or(Some(Setup::Active));
    let sections = vec![Section { transport: None, ..section.clone() }];
    let description = Description { transport: transport.clone(), sections };
    let order = [section.mid.clone()];
    (compose::for_engine(&description, &order), transport)
}

/// A section with this transport.
pub(super) fn apart(section: Section, transport: &Transport) -> Section {
    Section { transport: Some(transport.clone()), ..section }
}

/// The source of a section that was described with one, and that of its repairs.
fn sources(lines: &[String]) -> Option<(u32, Option<u32>)> {
    let pair = lines.iter().find_map(|line| {
        let (main, repair) = line.strip_prefix("ssrc-group:FID ")?.split_once(' ')?;
        Some((main.parse().ok()?, repair.parse().ok()?))
    });
    let single = || {
        let number = lines.iter().find_map(|line| line.strip_prefix("ssrc:")?.split_once(' ')?.0.parse().ok())?;
        Some((number, None))
    };
    pair.map(|(main, repair)| (main, Some(repair))).or_else(single)
}

impl Description {
    /// The same without what is apart, for the engine of the bundle.
    pub(super) fn bundled(&self) -> Description {
        let mut bundled = self.clone();
        for section in &mut bundled.sections {
            section.on &= section.transport.take().is_none();
        }
        bundled
    }

    /// Makes the first section that is on the one that the main transport is of.
    pub(super) fn root(&mut self) {
        let has_main = |section: &Section| section.live().is_some() && section.transport.is_none();
        if self.sections.iter().any(has_main) {
            return;
        }
        let first = self.sections.iter_mut().find(|section| section.live().is_some());
        if let Some(transport) = first.and_then(|section| section.transport.take()) {
            self.transport = transport;
        }
    }
}
