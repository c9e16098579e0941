//! What is sent in a call and when, and what is counted of what comes. The same for every relay, so
//! that their figures compare.

use rand::RngExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where in a payload the marks of the measurement are; before it, a codec's own first bytes.
const MARKS: usize = 8;
/// Marks: one byte "counts", eight bytes the time of sending in ns since the epoch.
const END: usize = MARKS + 9;

/// True while packets count.
pub(super) static MEASURING: AtomicBool = AtomicBool::new(false);
/// True until everybody is to be silent.
pub(super) static TALKING: AtomicBool = AtomicBool::new(true);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// As Opus at 40 kbit/s: a packet of 100 bytes each 20 ms.
    Voice,
    /// As 720p at 1.6 Mbit/s: six packets of 1100 bytes 30 times a second.
    Video,
}

impl Kind {
    fn interval(self) -> Duration {
        match self {
            Self::Voice => Duration::from_millis(20),
            Self::Video => Duration::from_nanos(33_333_333),
        }
    }

    fn shape(self) -> (u16, usize, u32) {
        match self {
            Self::Voice => (1, 100, 960),
            Self::Video => (6, 1100, 3000),
        }
    }
}

/// A packet to be sent.
pub(super) struct Outgoing {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
}

/// One stream of packets, in time.
pub(super) struct Flow {
    kind: Kind,
    due: Instant,
    sequence: u64,
    timestamp: u32,
}

impl Flow {
    /// Begins at some point of the first interval, so that not all streams send at once.
    pub(super) fn new(kind: Kind) -> Self {
        let wait = kind.interval().mul_f64(rand::rng().random_range(0.0..1.0));
        Self { kind, due: Instant::now() + wait, sequence: 1, timestamp: 0 }
    }

    /// When the next packets are due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The packets that are due now.
    pub(super) fn take(&mut self, now: Instant, tally: &mut Tally) -> Vec<Outgoing> {
        if now < self.due {
            return Vec::new();
        }
        let late = now.saturating_duration_since(self.due) > 2 * self.kind.interval();
        self.due = if late { now } else { self.due } + self.kind.interval();
        self.timestamp = self.timestamp.wrapping_add(self.kind.shape().2);
        if !TALKING.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let (packets, size, _) = self.kind.shape();
        let counts = MEASURING.load(Ordering::Relaxed);
        (1..=packets)
            .map(|n| {
                self.sequence += 1;
                tally.sent += u64::from(counts);
                let payload = payload(self.kind, size, n == 1, counts);
                Outgoing { sequence: self.sequence, timestamp: self.timestamp, marker: n == packets, payload }
            })
            .collect()
    }
}

fn payload(kind: Kind, size: usize, first: bool, counts: bool) -> Vec<u8> {
    let mut payload = vec![0x5a; size];
    match kind {
        // An Opus packet of 20 ms.
        Kind::Voice => payload[0] = 0xf8,
        // A VP8 descriptor (RFC 7741 §4.2) and the begin of an interframe.
        Kind::Video => payload[..2].copy_from_slice(&[if first { 0x10 } else { 0 }, 0x01]),
    }
    payload[MARKS] = u8::from(counts);
    payload
}

/// Puts the time of sending into a payload, right before it is sent.
pub(super) fn stamp(payload: &mut [u8]) {
    payload[MARKS + 1..END].copy_from_slice(&now_ns().to_be_bytes());
}

/// Nanoseconds since the epoch, the clock of the kernel's packet times.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// What one client counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) received: u64,
    /// From sending to the kernel's having received it.
    pub(super) delays: Vec<Duration>,
    /// When the first media came.
    pub(super) first: Option<Instant>,
}

impl Tally {
    /// A payload came; the kernel received it at `at_ns`.
    pub(super) fn came(&mut self, payload: &[u8], at_ns: u64) {
        if self.first.is_none() {
            self.first = Some(Instant::now());
        }
        if payload.len() < END || payload[MARKS] != 1 {
            return;
        }
        let sent = payload[MARKS + 1..END].try_into().map_or(0, u64::from_be_bytes);
        let at_ns = if at_ns == 0 { now_ns() } else { at_ns };
        self.received += 1;
        self.delays.push(Duration::from_nanos(at_ns.saturating_sub(sent)));
    }
}
