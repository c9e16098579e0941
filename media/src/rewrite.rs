//! Sequence numbers and times of what is forwarded: from many sources, one stream without a step
//! backwards. A receiver's replay protection (RFC 3711 §3.3.2) drops for ever what goes back.
//!
//! One [`Rewriter`] for each line and direction; `forward` owns them. No I/O, no clock.

use std::time::{Duration, Instant};

/// Where a packet stands in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The sequence number, extended.
    pub(crate) sequence: u64,
    /// The RTP time.
    pub(crate) time: u32,
}

/// Continues one stream through changes of source and pauses.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// The source, by SSRC; none before the first packet.
    source: Option<u32>,
    /// What came before this sequence number of the source belongs to an earlier life of it.
    floor: u64,
    /// Added to the source's numbers, wrapping.
    sequence_shift: u64,
    time_shift: u32,
    /// The furthest that went out, and when.
    last: Place,
    last_at: Option<Instant>,
    paused: bool,
}

impl Rewriter {
    /// A stream that begins with this sequence number.
    pub(crate) fn new(first: u16) -> Rewriter {
        Rewriter {
            source: None,
            floor: 0,
            sequence_shift: 0,
            time_shift: 0,
            last: Place { sequence: u64::from(first), time: 0 },
            last_at: None,
            paused: false,
        }
    }

    /// Nothing is forwarded for a while: what the source sends meanwhile must not look lost.
    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    /// The place in the stream of a packet of a source, whose clock runs at `clock` Hz; `None` for a
    /// late one from before the last change.
    pub(crate) fn place(&mut self, source: u32, at: Place, clock: u32, now: Instant) -> Option<Place> {
        if self.source != Some(source) {
            if let Some(last_at) = self.last_at {
                let passed = ticks(now.saturating_duration_since(last_at), clock).max(1);
                self.time_shift = self.last.time.wrapping_add(passed).wrapping_sub(at.time);
            }
            self.source = Some(source);
            self.continue_with(at.sequence);
        } else if self.paused {
            self.continue_with(at.sequence);
        }
        if at.sequence < self.floor {
            return None;
        }
        let place = Place {
            sequence: at.sequence.wrapping_add(self.sequence_shift),
            time: at.time.wrapping_add(self.time_shift),
        };
        if place.sequence > self.last.sequence {
            self.last = place;
            self.last_at = Some(now);
        }
        Some(place)
    }

    fn continue_with(&mut self, sequence: u64) {
        self.floor = sequence;
        self.sequence_shift = self.last.sequence.wrapping_add(1).wrapping_sub(sequence);
        self.paused = false;
    }
}

fn ticks(passed: Duration, clock: u32) -> u32 {
    let ticks = passed.as_micros().saturating_mul(u128::from(clock)) / 1_000_000;
    u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(sequence: u64, time: u32) -> Place {
        Place { sequence, time }
    }

    #[test]
    fn a_change_of_source_goes_on_where_the_last_one_was() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(1000);
        assert_eq!(rewriter.place(1, at(60_000, 5_000), 48_000, start), Some(at(1001, 5_000)));
        assert_eq!(rewriter.place(1, at(60_001, 5_960), 48_000, start), Some(at(1002, 5_960)));
        let later = start + Duration::from_millis(20);
        assert_eq!(rewriter.place(2, at(7, 100), 48_000, later), Some(at(1003, 6_920)));
        assert_eq!(rewriter.place(2, at(8, 1_060), 48_000, later), Some(at(1004, 7_880)));
    }

    #[test]
    fn a_pause_leaves_no_hole_and_time_goes_on() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0);
        assert_eq!(rewriter.place(1, at(10, 1000), 8_000, now), Some(at(1, 1000)));
        rewriter.pause();
        assert_eq!(rewriter.place(1, at(500, 9000), 8_000, now), Some(at(2, 9000)));
        assert_eq!(rewriter.place(1, at(499, 8900), 8_000, now), None);
    }

    #[test]
    fn packets_out_of_order_keep_their_order() {
        let now = Instant::now();
        let mut rewriter = Rewriter::new(0);
        assert_eq!(rewriter.place(1, at(10, 0), 8_000, now), Some(at(1, 0)));
        assert_eq!(rewriter.place(1, at(12, 320), 8_000, now), Some(at(3, 320)));
        assert_eq!(rewriter.place(1, at(11, 160), 8_000, now), Some(at(2, 160)));
    }

    proptest! {
        /// No number is given twice, whatever the sources do, and every change goes forward.
        #[test]
        fn no_sequence_number_is_given_twice(steps in prop::collection::vec((0..3_u32, 0..5_u64, any::<bool>()), 1..200)) {
            let now = Instant::now();
            let mut rewriter = Rewriter::new(77);
            let mut next = [1_000_u64, 50, 9_000_000];
            let mut given = std::collections::HashSet::new();
            for (source, skip, pause) in steps {
                if pause {
                    rewriter.pause();
                }
                let index = source as usize;
                next[index] += skip + 1;
                if let Some(place) = rewriter.place(source, at(next[index], 0), 90_000, now) {
                    prop_assert!(given.insert(place.sequence), "{} given twice", place.sequence);
                }
            }
        }
    }
}
