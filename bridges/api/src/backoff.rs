//! The pauses between attempts to connect: growing, and never the same for everybody. Used by bridges
//! that keep a connection to their network.

use crate::ConfigError;
use serde::Deserialize;
use std::time::Duration;

/// Pauses between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconnect {
    /// The first pause, in milliseconds. Default 1000.
    pub min_ms: u64,
    /// The longest pause, in milliseconds. Default 300000.
    pub max_ms: u64,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { min_ms: 1000, max_ms: 300_000 }
    }
}

impl Reconnect {
    /// Whether there is a pause at all, and its bounds are in order; the error names `reconnect`.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.min_ms == 0 || self.max_ms < self.min_ms {
            return Err(ConfigError { key: "reconnect".to_owned(), why: "expected 0 < min_ms ≤ max_ms".to_owned() });
        }
        Ok(())
    }
}

/// The growing, jittered pause of one connection between its attempts.
#[derive(Debug)]
pub struct Backoff {
    bounds: Reconnect,
    next_ms: u64,
}

impl Backoff {
    /// A backoff that starts at its shortest pause.
    pub fn new(bounds: Reconnect) -> Self {
        Self { bounds, next_ms: bounds.min_ms }
    }

    /// The pause to make now; the next one is twice as long.
    pub fn pause(&mut self) -> Duration {
        let ms = self.next_ms;
        self.next_ms = ms.saturating_mul(2).min(self.bounds.max_ms);
        Duration::from_millis(rand::random_range(ms / 2..=ms))
    }

    /// All is well again.
    pub fn reset(&mut self) {
        self.next_ms = self.bounds.min_ms;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_start_over() {
        let mut backoff = Backoff::new(Reconnect { min_ms: 100, max_ms: 1000 });
        let last = (0..10).map(|_| backoff.pause()).last().expect("some");
        assert!(last >= Duration::from_millis(500) && last <= Duration::from_secs(1));
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }

    #[test]
    fn pauses_that_make_no_sense_are_refused() {
        assert!(Reconnect::default().check().is_ok());
        assert!(Reconnect { min_ms: 0, max_ms: 1 }.check().is_err());
        assert!(Reconnect { min_ms: 2, max_ms: 1 }.check().is_err());
    }
}
