//! What one leg sends on one line, forwarded to the other leg.
//!
//! A [`Flow`] knows, for one line and one direction, what a packet's payload type becomes, where it
//! stands in the receiver's stream (`rewrite`), and when its sender may be asked for a whole
//! picture again. `call` makes flows from what was agreed and runs packets through them.

use crate::engine::{ExtensionValues, Extensions, Mid, Packet, RtpPacket, Ssrc};
use crate::format::Key;
use crate::rewrite::{Place, Rewriter};
use crate::transports::{Sender, Transports};
use crate::{Leg, MediaKind};
use std::time::{Duration, Instant, SystemTime};

/// The least time between two requests for a whole picture.
const BETWEEN_PICTURES: Duration = Duration::from_millis(500);

/// A limit is told again when it has moved by this share (one in so many), or after this time.
const LIMIT_MOVES: u64 = 16;
const LIMIT_STANDS: Duration = Duration::from_secs(1);

/// The least that a sender of video is limited to, in bits per second.
const LEAST: u64 = 60_000;

/// How far the times that a source states may be from ours before they are not believed.
const BELIEVABLE: Duration = Duration::from_secs(5);

/// One line in one direction.
pub(crate) struct Flow {
    pub(crate) line: usize,
    pub(crate) kind: MediaKind,
    /// The section it comes from.
    pub(crate) from: Mid,
    /// Where it goes.
    pub(crate) to: Leg,
    pub(crate) to_mid: Mid,
    sender: Option<Sender>,
    /// The numbers of its header extensions where it comes from and where it goes, once asked for.
    extensions: Option<[Extensions; 2]>,
    /// Packets and bytes that went past the engines.
    past: (u64, u64),
    /// By payload type of the source: that of the receiver, and the clock rate.
    numbers: Box<[Option<(u8, u32)>; 128]>,
    rewriter: Rewriter,
    on: bool,
    picture: Picture,
    limit: Option<(u64, Instant)>,
    count: Count,
}

/// What a packet becomes that goes past the engines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlet {
    pub(crate) number: u8,
    rate: u32,
    pub(crate) source: u32,
    /// Where it comes from, and where it goes.
    pub(crate) extensions: [Extensions; 2],
}

/// How many packets of a source there should have been, and were.
#[derive(Debug, Default)]
struct Count {
    source: Option<Ssrc>,
    first: u64,
    last: u64,
    came: u64,
    /// Lost of earlier sources.
    before: u64,
}

/// Requests for a whole picture.
#[derive(Debug, Default)]
struct Picture {
    asked_at: Option<Instant>,
    wanted: bool,
}

impl Flow {
    pub(crate) fn new(line: usize, kind: MediaKind, first: u16) -> Flow {
        Flow {
            line,
            kind,
            from: Mid::from(""),
            to: Leg::Callee,
            to_mid: Mid::from(""),
            sender: None,
            extensions: None,
            past: (0, 0),
            numbers: Box::new([None; 128]),
            rewriter: Rewriter::new(first),
            on: false,
            picture: Picture::default(),
            limit: None,
            count: Count::default(),
        }
    }

    /// Goes on (or begins) between these sections.
    pub(crate) fn connect(&mut self, from: Mid, to: (Leg, Mid), numbers: [&[(u8, Key)]; 2]) {
        let [source, receiver] = numbers;
        self.from = from;
        (self.to, self.to_mid) = to;
        self.sender = None;
        self.extensions = None;
        *self.numbers = [None; 128];
        for (number, key) in source {
            let matching = receiver.iter().find(|(_, other)| other == key);
            if let (Some(slot), Some((to, _))) = (self.numbers.get_mut(usize::from(*number)), matching) {
                *slot = Some((*to, key.clock));
            }
        }
        self.on = true;
    }

    /// Stops for now.
    pub(crate) fn pause(&mut self) {
        if std::mem::replace(&mut self.on, false) {
            self.rewriter.pause();
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// Packets that were lost on the way here and not repaired.
    pub(crate) fn lost(&self) -> u64 {
        self.count.lost()
    }

    /// Hands a packet to the receiver's engine. False where it cannot be forwarded.
    pub(crate) fn pass(
        &mut self,
        packet: RtpPacket,
        clock: &mut Clock,
        receiver: &mut Transports,
        now: Instant,
    ) -> bool {
        self.count.came(packet.header.ssrc, *packet.seq_no);
        let number = usize::from(*packet.header.payload_type);
        let Some((number, rate)) = self.numbers.get(number).copied().flatten().filter(|_| self.on) else {
            return false;
        };
        let Some(sender) = self.sender.or_else(|| receiver.sender(self.to_mid)) else { return false };
        self.sender = Some(sender);
        let at = Place { sequence: *packet.seq_no, time: packet.header.timestamp };
        let Some(place) = self.rewriter.place(*packet.header.ssrc, at, rate, now) else { return false };
        let taken_at = clock.taken_at(&packet, rate, now);
        let seen = &packet.header.ext_vals;
        receiver.write(
            sender,
            Packet {
                number,
                sequence: place.sequence.into(),
                time: place.time,
                taken_at,
                marker: packet.header.marker,
                repairable: self.kind == MediaKind::Video,
                extensions: ExtensionValues {
                    audio_level: seen.audio_level,
                    voice_activity: seen.voice_activity,
                    video_orientation: seen.video_orientation,
                    play_delay_min: seen.play_delay_min,
                    play_delay_max: seen.play_delay_max,
                    ..ExtensionValues::default()
                },
                payload: packet.payload,
            },
        );
        true
    }

    /// What a packet becomes that goes past the engines: its payload type and SSRC on the other side,
    /// and the clock rate. `None` where it cannot.
    pub(crate) fn outlet(&self, number: u8) -> Option<Outlet> {
        let (number, rate) = self.numbers.get(usize::from(number)).copied().flatten()?;
        let source = self.sender.filter(|_| self.on && self.kind == MediaKind::Audio)?.of_main()?;
        Some(Outlet { number, rate, source, extensions: self.extensions? })
    }

    /// The numbers of its header extensions, of those that `outlet` tells.
    pub(crate) fn set_extensions(&mut self, extensions: [Extensions; 2]) {
        self.extensions = Some(extensions);
    }

    /// Its place in the receiver's stream, for a packet that goes past the engines.
    pub(crate) fn place(
        &mut self,
        source: u32,
        at: Place,
        outlet: &Outlet,
        bytes: usize,
        now: Instant,
    ) -> Option<Place> {
        self.count.came(source.into(), at.sequence);
        let place = self.rewriter.place(source, at, outlet.rate, now)?;
        self.past.0 += 1;
        self.past.1 += u64::try_from(bytes).unwrap_or(0);
        Some(place)
    }

    /// Packets and bytes that went past the engines.
    pub(crate) fn past(&self) -> (u64, u64) {
        self.past
    }

    /// The receiver wants a whole picture: its sender is asked, now or as soon as it may be.
    pub(crate) fn want_picture(&mut self, source: &mut Transports, now: Instant) {
        if self.kind != MediaKind::Video {
            return;
        }
        if self.picture.asked_at.is_some_and(|at| now < at + BETWEEN_PICTURES) {
            self.picture.wanted = true;
            return;
        }
        self.picture = Picture { asked_at: Some(now), wanted: false };
        source.want_picture(self.from);
    }

    /// When a request for a whole picture is due.
    pub(crate) fn picture_due(&self) -> Option<Instant> {
        self.picture.asked_at.filter(|_| self.picture.wanted).map(|at| at + BETWEEN_PICTURES)
    }

    /// The receiver's path carries this much: its sender is told, if that is news.
    pub(crate) fn limit(&mut self, bits: u64, source: &mut Transports, now: Instant) {
        let bits = bits.max(LEAST);
        let stands =
            self.limit.is_some_and(|(told, at)| told.abs_diff(bits) < told / LIMIT_MOVES && now < at + LIMIT_STANDS);
        if self.kind == MediaKind::Video && !stands {
            self.limit = Some((bits, now));
            source.limit(self.from, bits);
        }
    }
}

impl Count {
    fn came(&mut self, source: Ssrc, sequence: u64) {
        if self.source != Some(source) {
            *self = Count { source: Some(source), first: sequence, last: sequence, came: 0, before: self.lost() };
        }
        self.last = self.last.max(sequence);
        self.came += 1;
    }

    fn lost(&self) -> u64 {
        let due = if self.source.is_some() { self.last.saturating_sub(self.first) + 1 } else { 0 };
        self.before + due.saturating_sub(self.came)
    }
}

/// When a leg's packets were taken, by its sender reports: one clock for all of its lines, so that
/// sound and picture stay in step on the other side (RFC 3550 §6.4.1).
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// A moment here, and what the leg's clock said then.
    base: Option<(Instant, SystemTime)>,
}

impl Clock {
    fn taken_at(&mut self, packet: &RtpPacket, rate: u32, now: Instant) -> Instant {
        self.stated(packet, rate, now).unwrap_or(now)
    }

    fn stated(&mut self, packet: &RtpPacket, rate: u32, now: Instant) -> Option<Instant> {
        let report = packet.last_sender_info.as_ref()?;
        let since = i64::try_from(packet.time.numer()).ok()? - i64::try_from(report.rtp_time.numer()).ok()?;
        let since_us = since.checked_mul(1_000_000)? / i64::from(rate.max(1));
        let passed = Duration::from_micros(since_us.unsigned_abs());
        let taken =
            if since_us < 0 { report.ntp_time.checked_sub(passed)? } else { report.ntp_time.checked_add(passed)? };
        let (here, there) = *self.base.get_or_insert((now, taken));
        let at = match taken.duration_since(there) {
            Ok(later) => here.checked_add(later)?,
            Err(earlier) => here.checked_sub(earlier.duration())?,
        };
        let apart = now.saturating_duration_since(at).max(at.saturating_duration_since(now));
        if apart > BELIEVABLE {
            self.base = None;
            return None;
        }
        Some(at)
    }
}
