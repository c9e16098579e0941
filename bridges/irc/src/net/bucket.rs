//! A token bucket: how many lines a connection may send, and when the next one may go.

use crate::config::Flood;
use std::time::Duration;
use tokio::time::Instant;

/// Counts lines. Time is a parameter: the bucket never looks at a clock.
#[derive(Debug)]
pub(crate) struct Bucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(flood: Flood, now: Instant) -> Self {
        let burst = f64::from(flood.burst.max(1));
        Self { burst, per_second: flood.per_second, tokens: burst, at: now }
    }

    /// Whether a line may go now, or how long none may.
    pub(crate) fn ready(&mut self, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens >= 1.0 {
            return Ok(());
        }
        let seconds = (1.0 - self.tokens) / self.per_second;
        // A millisecond more than the sum says, so that rounding never makes a second round.
        Err(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).saturating_add(Duration::from_millis(1)))
    }

    /// So many lines went in one piece, once [`Bucket::ready`] allowed one. A piece of more lines
    /// than a burst costs a burst: it is one message to the server, too.
    pub(crate) fn spend(&mut self, lines: usize) {
        self.tokens -= f64::from(u32::try_from(lines).unwrap_or(u32::MAX)).min(self.burst);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = self.burst.min(self.tokens + passed * self.per_second);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Bucket {
        fn take(&mut self, now: Instant) -> Result<(), Duration> {
            self.ready(now)?;
            self.spend(1);
            Ok(())
        }
    }

    #[test]
    fn a_message_of_many_lines_costs_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Flood { burst: 2, per_second: 1.0 }, start);
        bucket.spend(50);
        assert!(bucket.take(start + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Flood { burst: 3, per_second: 2.0 }, start);
        assert!((0..3).all(|_| bucket.take(start).is_ok()));
        let wait = bucket.take(start).expect_err("the bucket is empty");
        assert!(wait > Duration::from_millis(499) && wait < Duration::from_millis(510), "{wait:?}");
        assert!(bucket.take(start + wait).is_ok());
        assert!(bucket.take(start + wait).is_err());
    }

    #[test]
    fn tokens_never_add_up_beyond_the_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Flood { burst: 2, per_second: 10.0 }, start);
        let later = start + Duration::from_hours(1);
        assert!(bucket.take(later).is_ok() && bucket.take(later).is_ok() && bucket.take(later).is_err());
    }
}
