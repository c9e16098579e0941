//! What a call is told in: packets, loss and jitter of what comes (RFC 3550 §6.4.1, appendix A.3 and
//! A.8), and the report at the end. No I/O; time is passed in.

use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// How a call went.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its id in every frame.
    pub call_id: String,
    /// Address of the other side.
    pub with: String,
    /// How it ended.
    pub end: End,
    /// What the other side or the engine said about the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// From the offer to the first ringing, in ms.
    pub ringing_ms: Option<f64>,
    /// From the offer to the answer, in ms.
    pub answered_ms: Option<f64>,
    /// From the offer to ICE and DTLS being done, in ms.
    pub connected_ms: Option<f64>,
    /// Set-up time: from the offer to the first media packet, in ms.
    pub setup_ms: Option<f64>,
    /// From the first media packet to the end, in ms.
    pub talked_ms: Option<f64>,
    /// The way that media took.
    pub path: Option<Path>,
    /// Round trip to whoever answers our RTCP or STUN, in ms.
    pub round_trip_ms: Option<f64>,
    /// Sound.
    pub audio: Option<Flow>,
    /// Picture.
    pub video: Option<Flow>,
    /// What was recorded.
    pub recorded: Vec<PathBuf>,
}

impl Report {
    /// Whether the other side's media came.
    pub fn media_came(&self) -> bool {
        self.setup_ms.is_some()
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// This side hung up: told to stop, or the time was over.
    HungUp,
    /// The other side hung up, or called it off.
    HungUpThere,
    /// The other side did not want it.
    Declined,
    /// The other side is in another call.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// It was answered, and no media came, or it stopped.
    NoMedia,
    /// ICE or DTLS failed.
    NoPath,
}

/// A way of media: the types of the two ICE candidates (`host`, `srflx`, `prflx`, `relay`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    /// This side's.
    pub local: String,
    /// The gateway's.
    pub remote: String,
}

/// One kind of media in both directions.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Flow {
    /// What it came in, e.g. `opus`.
    pub codec: String,
    /// Packets that were sent.
    pub sent: u64,
    /// Bytes of payload that were sent.
    pub sent_bytes: u64,
    /// How many of them the other end of our leg missed, where it told.
    pub lost_there: Option<i64>,
    /// Packets that came.
    pub received: u64,
    /// Bytes of payload that came.
    pub received_bytes: u64,
    /// Packets that did not come.
    pub lost: u64,
    /// In percent of what was expected.
    pub lost_percent: f64,
    /// Interarrival jitter, in ms.
    pub jitter_ms: f64,
}

/// What comes of one kind of media, as it comes.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The codec, lower case, without `audio/`.
    pub(crate) codec: String,
    clock: f64,
    began: Instant,
    packets: u64,
    bytes: u64,
    /// Of sources that came before the present one.
    expected_before: u64,
    source: Option<Source>,
    jitter: f64,
    /// When the last packet came.
    pub(crate) last: Instant,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    first: u64,
    highest: u64,
    transit: f64,
}

impl Incoming {
    /// Nothing has come yet. `clock` in Hz.
    pub(crate) fn new(codec: &str, clock: u32, now: Instant) -> Self {
        let codec = codec.rsplit('/').next().unwrap_or(codec).to_ascii_lowercase();
        Self {
            codec,
            clock: f64::from(clock.max(1)),
            began: now,
            packets: 0,
            bytes: 0,
            expected_before: 0,
            source: None,
            jitter: 0.0,
            last: now,
        }
    }

    /// A packet came.
    pub(crate) fn packet(&mut self, ssrc: u32, sequence: u16, timestamp: u32, bytes: usize, now: Instant) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.last = now;
        // In units of the timestamp; only differences count, and they wrap as it does.
        let arrival = now.saturating_duration_since(self.began).as_secs_f64() * self.clock;
        let transit = arrival - f64::from(timestamp);
        match &mut self.source {
            Some(source) if source.ssrc == ssrc => {
                let step = sequence.wrapping_sub(low(source.highest));
                if step < 0x8000 {
                    source.highest += u64::from(step);
                }
                let change = wrapped(transit - source.transit);
                self.jitter += (change.abs() - self.jitter) / 16.0;
                source.transit = transit;
            }
            before => {
                let expected = before.take().map_or(0, |source| source.highest + 1 - source.first);
                self.expected_before += expected;
                // Room below, for packets that overtook the first one.
                let first = 0x1_0000 + u64::from(sequence);
                *before = Some(Source { ssrc, first, highest: first, transit });
            }
        }
    }

    /// Writes what came into `flow`.
    pub(crate) fn tell(&self, flow: &mut Flow) {
        let expected =
            self.expected_before + self.source.as_ref().map_or(0, |source| source.highest + 1 - source.first);
        flow.codec.clone_from(&self.codec);
        flow.received = self.packets;
        flow.received_bytes = self.bytes;
        flow.lost = expected.saturating_sub(self.packets);
        flow.lost_percent = if expected == 0 { 0.0 } else { as_f64(flow.lost) / as_f64(expected) * 100.0 };
        flow.jitter_ms = self.jitter / self.clock * 1000.0;
    }
}

fn low(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or_default()
}

/// A difference of timestamps that may have wrapped.
fn wrapped(difference: f64) -> f64 {
    let turn = f64::from(u32::MAX) + 1.0;
    let rest = difference.rem_euclid(turn);
    if rest > turn / 2.0 { rest - turn } else { rest }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people have a few digits")]
pub(crate) fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Packets of 20 ms at 48 kHz with these sequence numbers, each 20 ms after the one before.
    fn told(packets: &[(u32, u16)]) -> Flow {
        let began = Instant::now();
        let mut incoming = Incoming::new("audio/opus", 48_000, began);
        for (n, (ssrc, sequence)) in (0_u32..).zip(packets) {
            let at = began + Duration::from_millis(20) * n;
            incoming.packet(*ssrc, *sequence, u32::MAX.wrapping_add(960 * n), 80, at);
        }
        let mut flow = Flow::default();
        incoming.tell(&mut flow);
        flow
    }

    #[test]
    fn a_steady_stream_has_neither_loss_nor_jitter() {
        let flow = told(&[(1, 65_534), (1, 65_535), (1, 0), (1, 1)]);
        assert_eq!((flow.received, flow.received_bytes, flow.lost), (4, 320, 0));
        assert!(flow.jitter_ms < 0.01, "{}", flow.jitter_ms);
        assert_eq!(flow.codec, "opus");
    }

    #[test]
    fn what_is_missing_is_counted_and_what_comes_late_is_not() {
        let flow = told(&[(1, 10), (1, 12), (1, 11), (1, 15)]);
        assert_eq!((flow.received, flow.lost), (4, 2));
        assert!((flow.lost_percent - 33.33).abs() < 0.01);
    }

    #[test]
    fn another_source_begins_to_count_anew() {
        let flow = told(&[(1, 10), (1, 12), (2, 900), (2, 901)]);
        assert_eq!((flow.received, flow.lost), (4, 1));
    }

    #[test]
    fn unsteady_packets_have_jitter() {
        let began = Instant::now();
        let mut incoming = Incoming::new("audio/opus", 48_000, began);
        for n in 0..200_u16 {
            let late = if n % 2 == 0 { 0 } else { 5 };
            let at = began + Duration::from_millis(20 * u64::from(n) + late);
            incoming.packet(1, n, 960 * u32::from(n), 80, at);
        }
        let mut flow = Flow::default();
        incoming.tell(&mut flow);
        assert!((flow.jitter_ms - 5.0).abs() < 0.1, "{}", flow.jitter_ms);
    }
}
