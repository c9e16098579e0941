//! Sound that goes past the engines: opened, given its place in the receiver's stream and sealed
//! again, with the keys that `engine/keys` has overheard.
//!
//! The engines stay what knows of everything. Each source's first packet goes through them, and one
//! packet every [`PATH_STANDS`] after that: by it we know where the receiver's engine sends to, and
//! the engine knows what its sender reports are to say. What goes past the source's engine it is told
//! later, some packets at once and with the times at which they came, so that its reports are right;
//! what it then gives out has been forwarded and is dropped.
//!
//! Whatever is unusual goes through the engines: other ciphers, sections that are not bundled, TCP,
//! padding, a source, path or payload type that is not known.

use super::{Call, LEGS, Outbox, SOURCES, at};
use crate::Leg;
use crate::MediaKind;
use crate::engine::{Datagram, Mid, Protocol, SharedKeys, Transmit};
use crate::rewrite::Place;
use crate::srtp::{Header, NewHeader, Seen};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long it is believed that an engine still sends to where it sent.
const PATH_STANDS: Duration = Duration::from_millis(200);

/// Packets that an engine is told at once, at most.
const UNTOLD: usize = 32;

/// What is known of a leg for it.
#[derive(Default)]
pub(super) struct Past {
    keys: SharedKeys,
    sources: Vec<Source>,
    path: Option<Path>,
    /// What came past the engine, one packet after the other, and of each its length and how it came.
    untold: Vec<u8>,
    arrivals: Vec<Arrival>,
}

/// One source of the leg's.
struct Source {
    ssrc: u32,
    seen: Seen,
    /// The flow that it belongs to, once a packet has gone there through the engines.
    flow: Option<usize>,
}

/// Where the leg's engine sends to.
#[derive(Clone, Copy)]
struct Path {
    source: SocketAddr,
    destination: SocketAddr,
    until: Instant,
}

struct Arrival {
    length: usize,
    came: Instant,
    from: SocketAddr,
    to: SocketAddr,
}

impl Past {
    /// Where to send to may be another place now.
    pub(super) fn lose_path(&mut self) {
        self.path = None;
    }

    /// The engine has sent a packet there.
    pub(super) fn learn_path(&mut self, transmit: &Transmit, now: Instant) {
        self.path = (transmit.proto == Protocol::Udp).then_some(Path {
            source: transmit.source,
            destination: transmit.destination,
            until: now + PATH_STANDS,
        });
    }

    /// Whether the engine gives out what has been forwarded.
    pub(super) fn has_passed(&self, ssrc: u32, number: u64) -> bool {
        self.sources.iter().any(|source| source.ssrc == ssrc && source.seen.contains(number))
    }

    /// Flows have changed, and perhaps the engine. Of the same one it is still known which packets
    /// have come.
    pub(super) fn forget_flows(&mut self, keys: Option<&SharedKeys>) {
        self.path = None;
        self.sources.iter_mut().for_each(|source| source.flow = None);
        if keys.is_none_or(|keys| !Arc::ptr_eq(keys, &self.keys)) {
            self.sources.clear();
        }
    }

    fn learn(&mut self, ssrc: u32, number: u64, flow: usize) {
        if let Some(source) = self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            source.seen.insert(number);
            source.flow = Some(flow);
        } else if self.sources.len() < SOURCES {
            self.sources.push(Source { ssrc, seen: Seen::from(number), flow: Some(flow) });
        }
    }

    fn keep_untold(&mut self, datagram: &Datagram<'_>, came: Instant) {
        let (_, from, to) = datagram.way();
        self.untold.extend_from_slice(datagram.bytes);
        self.arrivals.push(Arrival { length: datagram.bytes.len(), came, from, to });
    }
}

impl Call {
    /// From its next packet on, a source's sound may go past the engines.
    pub(super) fn let_past(&mut self, leg: Leg, flow: usize, ssrc: u32, number: u64) {
        let (to, from_mid, to_mid) = {
            let flow = &self.ends[at(leg)].flows[flow];
            (flow.to, flow.from, flow.to_mid)
        };
        let mut of =
            |leg: Leg, mid: Mid| self.session.peer(leg).and_then(|peer| Some((peer.keys()?, peer.extensions(mid))));
        let (Some((near_keys, near)), Some((far_keys, far))) = (of(leg, from_mid), of(to, to_mid)) else { return };
        self.ends[at(to)].past.keys = far_keys;
        let end = &mut self.ends[at(leg)];
        end.past.keys = near_keys;
        end.flows[flow].set_extensions([near, far]);
        end.past.learn(ssrc, number, flow);
    }

    /// Forwards a packet of sound past the engines; false if it has to go through them.
    pub(super) fn pass_by(&mut self, leg: Leg, datagram: &Datagram<'_>, now: Instant, out: &mut Outbox) -> bool {
        let Some((to, packet, path)) = self.renewed(leg, datagram, now) else { return false };
        if let Some(packet) = packet {
            let (source, destination) = (path.source, path.destination);
            out.push((to, Transmit { proto: Protocol::Udp, source, destination, contents: packet.into() }));
            self.ends[at(to)].sending.get_or_insert(now);
        }
        let end = &mut self.ends[at(leg)];
        end.past.keep_untold(datagram, now);
        end.received.get_or_insert(now);
        if end.past.arrivals.len() >= UNTOLD {
            end.touched = true;
        }
        true
    }

    /// A packet as its receiver is to get it, and where; `None` if that has to be seen by the engines.
    /// No packet for one that comes too late.
    fn renewed(&mut self, leg: Leg, datagram: &Datagram<'_>, now: Instant) -> Option<(Leg, Option<Vec<u8>>, Path)> {
        let header = Header::read(datagram.bytes)?;
        let end = &self.ends[at(leg)];
        let position = end.past.sources.iter().position(|source| source.ssrc == header.source)?;
        let source = &end.past.sources[position];
        let index = source.seen.index(header.sequence).filter(|index| !source.seen.contains(*index))?;
        let flow = end.flows.get(source.flow?)?;
        let (to, mid, outlet) = (flow.to, flow.to_mid, flow.outlet(header.number)?);
        let far = &self.ends[at(to)];
        let path = far.past.path.filter(|path| now < path.until && !far.broken && !end.broken && far.queued == 0)?;
        let ours = far.past.keys.clone();
        let (theirs, ours) = (&end.past.keys.get()?.theirs, &ours.get()?.ours);

        let [near_numbers, far_numbers] = outlet.extensions;
        let level = near_numbers.level.and_then(|number| header.extension(number));
        let mut new = NewHeader {
            number: outlet.number,
            marker: header.marker,
            sequence: 0,
            time: 0,
            source: outlet.source,
            mid: far_numbers.mid.map(|number| (number, &*mid)),
            level: far_numbers.level.zip(level),
        };
        let (start, length) = (new.length(), header.payload(datagram.bytes)?);
        let mut packet = vec![0; start + length + crate::srtp::TAG];
        packet.truncate(start + length);
        if !theirs.open(datagram.bytes, &header, index, &mut packet[start..]) {
            return None;
        }
        // From here on it is what the source sent, and has come.
        let flow_index = source.flow?;
        let end = &mut self.ends[at(leg)];
        end.past.sources[position].seen.insert(index);
        let was = Place { sequence: index, time: header.time };
        let place = end.flows[flow_index].place(header.source, was, &outlet, length, now);
        let (first, sounding) = end.watch.heard(MediaKind::Audio, now);
        self.tell_heard(leg, MediaKind::Audio, first, sounding);
        let Some(place) = place else { return Some((to, None, path)) };
        let [.., high, low] = place.sequence.to_be_bytes();
        new.sequence = u16::from_be_bytes([high, low]);
        new.time = place.time;
        new.write(&mut packet);
        let sealed = ours.seal(&mut packet, start, outlet.source, place.sequence);
        Some((to, sealed.then_some(packet), path))
    }

    /// Tells a leg's engine of what came past it.
    pub(super) fn tell_engine(&mut self, leg: Leg, now: Instant) {
        if self.ends[at(leg)].past.arrivals.is_empty() {
            return;
        }
        self.tick(leg, now);
        let past = &mut self.ends[at(leg)].past;
        let (mut untold, mut arrivals) = (std::mem::take(&mut past.untold), std::mem::take(&mut past.arrivals));
        let mut rest = &untold[..];
        for Arrival { length, came, from, to } in arrivals.drain(..) {
            let (bytes, after) = rest.split_at(length);
            rest = after;
            let datagram = Datagram::read(Protocol::Udp, from, to, bytes);
            let told = match (datagram, self.session.peer(leg)) {
                (Some(datagram), Some(peer)) => peer.receive_late(came, datagram),
                _ => Ok(()),
            };
            self.judge(leg, told);
        }
        untold.clear();
        let end = &mut self.ends[at(leg)];
        (end.past.untold, end.past.arrivals) = (untold, arrivals);
        end.touched = true;
    }

    /// Packets and bytes that went to a section of a leg's past its engine.
    pub(super) fn past_to(&self, leg: Leg, mid: Mid) -> (u64, u64) {
        let flows = LEGS.iter().flat_map(|from| &self.ends[at(*from)].flows);
        flows
            .filter(|flow| flow.to == leg && flow.to_mid == mid)
            .fold((0, 0), |(packets, bytes), flow| (packets + flow.past().0, bytes + flow.past().1))
    }
}
