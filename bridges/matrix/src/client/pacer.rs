//! Not more than so many a second: for requests that a homeserver limits (joins, registrations).

use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// How many may go at once after a pause.
const BURST: u32 = 10;

/// Makes whoever comes too early wait.
#[derive(Debug)]
pub(crate) struct Pacer {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    /// So many a second.
    pub(crate) fn new(per_second: f64) -> Self {
        Self { gap: Duration::from_secs_f64(1.0 / per_second), next: Mutex::default() }
    }

    /// Returns when it is one's turn; first come, first served.
    pub(crate) async fn turn(&self) {
        let at = {
            let now = Instant::now();
            let mut next = self.next.lock();
            let earliest = now.checked_sub(self.gap * BURST).unwrap_or(now);
            let at = next.map_or(earliest, |next| next.max(earliest)) + self.gap;
            *next = Some(at);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_waits() {
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (pacer, began) = (Pacer::new(2.0), Instant::now());
        for _ in 0..BURST {
            pacer.turn().await;
        }
        assert!(began.elapsed() < Duration::from_millis(10));
        for _ in 0..4 {
            pacer.turn().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(1_900), "{:?}", began.elapsed());
    }
}
