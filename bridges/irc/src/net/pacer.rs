//! How often a server is connected to: one pacer for all connections of this process to it, so that
//! a netsplit of a thousand puppets, or a restart, is no storm.
//!
//! The pacer hands out turns at the configured rate, urgent ones first, and stops for everybody when
//! the server says that connections come too fast. One connection's own growing pause is its `Backoff`.

use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Who may go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody waits for it: the listening bot, or a puppet with something to say.
    Urgent,
    /// It would only be nice to be there again.
    Calm,
}

/// Hands out turns to connect to one server.
#[derive(Debug)]
pub(crate) struct Pacer {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    /// Turns that may be taken at once.
    burst: f64,
    /// Turns a second.
    rate: f64,
    turns: f64,
    at: Instant,
    urgent_waiting: usize,
    /// Nobody before then: the server asked for it.
    not_before: Option<Instant>,
    /// How often in a row the server has complained.
    complaints: u32,
}

const FIRST_COMPLAINT: Duration = Duration::from_secs(15);
const LONGEST_COMPLAINT: Duration = Duration::from_mins(10);

impl Pacer {
    /// A pacer for so many connections a minute, the first few of them at once.
    pub(crate) fn new(per_minute: u32) -> Self {
        let burst = f64::from(per_minute.div_ceil(4).max(1));
        let rate = f64::from(per_minute) / 60.0;
        let state =
            State { burst, rate, turns: burst, at: Instant::now(), urgent_waiting: 0, not_before: None, complaints: 0 };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits for a turn. Dropping the future gives it up.
    pub(crate) async fn turn(&self, urgency: Urgency) {
        let _waiting = (urgency == Urgency::Urgent).then(|| Waiting::new(self));
        loop {
            let changed = self.changed.notified();
            let Err(wait) = self.state.lock().take(urgency, Instant::now()) else { return };
            // Jitter, so that those who wait together do not come together.
            let wait = wait + wait.mul_f64(rand::random_range(0.0..0.2)) + Duration::from_millis(1);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = changed => {}
            }
        }
    }

    /// The server said that connections come too fast (or that there are too many): everybody
    /// pauses, longer with each complaint. Returns the pause.
    pub(crate) fn complained(&self) -> Duration {
        let mut state = self.state.lock();
        let now = Instant::now();
        if let Some(until) = state.not_before.filter(|until| *until > now) {
            return until - now;
        }
        let pause = FIRST_COMPLAINT.saturating_mul(1 << state.complaints.min(10)).min(LONGEST_COMPLAINT);
        let pause = pause.mul_f64(rand::random_range(1.0..1.3));
        state.complaints = state.complaints.saturating_add(1);
        state.not_before = Some(now + pause);
        state.turns = state.turns.min(0.0);
        pause
    }

    /// A connection was let in.
    pub(crate) fn welcomed(&self) {
        self.state.lock().complaints = 0;
    }

    /// How long a further urgent turn would have to wait now.
    pub(crate) fn delay(&self) -> Duration {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.refill(now);
        let ahead = f64::from(u32::try_from(state.urgent_waiting).unwrap_or(u32::MAX));
        let short = 1.0 + ahead - state.turns;
        let queue = Duration::try_from_secs_f64((short / state.rate).max(0.0)).unwrap_or(Duration::MAX);
        let closed = state.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        queue.max(closed)
    }
}

impl State {
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.turns = self.burst.min(self.turns + passed * self.rate);
        self.at = now;
    }

    fn take(&mut self, urgency: Urgency, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        if let Some(until) = self.not_before.filter(|until| *until > now) {
            return Err(until - now);
        }
        let one = Duration::from_secs_f64(1.0 / self.rate);
        if urgency == Urgency::Calm && self.urgent_waiting > 0 {
            return Err(one);
        }
        if self.turns < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.turns) / self.rate));
        }
        self.turns -= 1.0;
        Ok(())
    }
}

/// Counts an urgent one while it waits.
struct Waiting<'a>(&'a Pacer);

impl<'a> Waiting<'a> {
    fn new(pacer: &'a Pacer) -> Self {
        pacer.state.lock().urgent_waiting += 1;
        Self(pacer)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().urgent_waiting -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::task::JoinSet;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_connections_come_at_the_rate_and_not_at_once() {
        let pacer = Arc::new(Pacer::new(60));
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..1000 {
            let pacer = Arc::clone(&pacer);
            tasks.spawn(async move {
                pacer.turn(Urgency::Calm).await;
                start.elapsed().as_secs()
            });
        }
        let times = tasks.join_all().await;
        assert!(times.iter().filter(|at| **at < 60).count() <= 60 + 15, "no storm in the first minute");
        assert!(*times.iter().max().expect("some") >= 900, "the last one waited its turn");
    }

    #[tokio::test(start_paused = true)]
    async fn an_urgent_connection_goes_before_those_that_only_come_back() {
        let pacer = Arc::new(Pacer::new(60));
        for _ in 0..15 {
            pacer.turn(Urgency::Calm).await;
        }
        let mut calm = JoinSet::new();
        for _ in 0..50 {
            let pacer = Arc::clone(&pacer);
            calm.spawn(async move { pacer.turn(Urgency::Calm).await });
        }
        let start = Instant::now();
        pacer.turn(Urgency::Urgent).await;
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_complaint_of_the_server_stops_everybody_and_longer_each_time() {
        let pacer = Pacer::new(60);
        let first = pacer.complained();
        let start = Instant::now();
        pacer.turn(Urgency::Urgent).await;
        assert!(start.elapsed() >= FIRST_COMPLAINT);
        let second = pacer.complained();
        assert!(second > first.mul_f64(1.3), "{first:?} then {second:?}");
    }
}
