//! Watches over one leg: is it there, does it send, and what of that is news. No I/O, no clock.

use crate::MediaKind;
use std::time::{Duration, Instant};

/// After this long without a packet a leg is silent. Opus sends every 400 ms even of silence
/// (RFC 7587 §3.1.3).
const SILENCE: Duration = Duration::from_millis(1500);

/// And it is told again this often.
const AGAIN: Duration = Duration::from_secs(1);

/// A leg's state.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Watch {
    /// ICE and DTLS have been up.
    secured: bool,
    there: bool,
    expected: bool,
    /// When the last packet came, or could first have come.
    last: Option<Instant>,
    silent: bool,
    due: Option<Instant>,
    heard: [bool; 2],
}

impl Watch {
    /// The session is up; whether that is news.
    pub(crate) fn connected(&mut self, now: Instant) -> bool {
        self.secured = true;
        self.come(now)
    }

    /// ICE is up; whether the leg has come back by that.
    pub(crate) fn reachable(&mut self, now: Instant) -> bool {
        self.secured && self.come(now)
    }

    /// ICE has given up; whether the leg is lost by that.
    pub(crate) fn unreachable(&mut self) -> bool {
        self.due = None;
        self.secured && std::mem::replace(&mut self.there, false)
    }

    /// It will not come back.
    pub(crate) fn stop(&mut self) {
        self.there = false;
        self.due = None;
    }

    /// The leg is to send, or is not.
    pub(crate) fn expect(&mut self, expected: bool, now: Instant) {
        if expected != self.expected {
            self.expected = expected;
            self.last = Some(now);
            self.arm(now + SILENCE);
        }
    }

    /// A packet came: is it the first of its kind, and was the leg silent before?
    pub(crate) fn heard(&mut self, kind: MediaKind, now: Instant) -> (bool, bool) {
        self.last = Some(now);
        let index = usize::from(kind == MediaKind::Video);
        let first = !std::mem::replace(&mut self.heard[index], true);
        (first, std::mem::replace(&mut self.silent, false))
    }

    /// When [`Watch::check`] is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// For how long the leg has been silent, if that is to be told now.
    pub(crate) fn check(&mut self, now: Instant) -> Option<Duration> {
        self.due.filter(|due| *due <= now)?;
        let last = self.last.unwrap_or(now);
        let silence = now.saturating_duration_since(last);
        if silence < SILENCE {
            self.arm(last + SILENCE);
            return None;
        }
        self.silent = true;
        self.arm(now + AGAIN);
        Some(silence)
    }

    fn come(&mut self, now: Instant) -> bool {
        self.last = Some(now);
        let news = !std::mem::replace(&mut self.there, true);
        self.arm(now + SILENCE);
        news
    }

    fn arm(&mut self, at: Instant) {
        self.due = (self.expected && self.there).then_some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn silence_is_told_after_a_while_then_every_second_until_something_comes() {
        let start = Instant::now();
        let mut watch = Watch::default();
        watch.expect(true, start);
        assert!(watch.connected(start));
        assert_eq!(watch.heard(MediaKind::Audio, after(start, 100)), (true, false));
        assert_eq!(watch.check(after(start, 1500)), None);
        assert_eq!(watch.due(), Some(after(start, 1600)));
        assert_eq!(watch.check(after(start, 1600)), Some(Duration::from_millis(1500)));
        assert_eq!(watch.check(after(start, 2000)), None);
        assert_eq!(watch.check(after(start, 2600)), Some(Duration::from_millis(2500)));
        assert_eq!(watch.heard(MediaKind::Audio, after(start, 2700)), (false, true));
        assert_eq!(watch.heard(MediaKind::Video, after(start, 2700)), (true, false));
    }

    #[test]
    fn a_leg_that_is_not_to_send_is_not_silent() {
        let start = Instant::now();
        let mut watch = Watch::default();
        assert!(watch.connected(start));
        assert_eq!(watch.due(), None);
        watch.expect(true, after(start, 5000));
        assert_eq!(watch.due(), Some(after(start, 6500)));
        watch.expect(false, after(start, 5100));
        assert_eq!(watch.due(), None);
    }

    #[test]
    fn a_leg_is_lost_once_and_comes_back_once() {
        let start = Instant::now();
        let mut watch = Watch::default();
        assert!(!watch.unreachable(), "it was never there");
        assert!(!watch.reachable(start), "it is not secured yet");
        assert!(watch.connected(start));
        assert!(!watch.reachable(start));
        assert!(watch.unreachable());
        assert!(!watch.unreachable());
        assert!(watch.reachable(start));
    }
}
