//! Wrong tokens by address of origin: one with too many waits. For whatever is opened by a secret that
//! is presented: the two APIs, and join links.

use crate::monster::network_of;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Wrong tokens of one origin within [`WINDOW`] before it has to wait.
pub(super) const GUESSES: u32 = 10;
/// How long wrong tokens are remembered, from the first of them on.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// How many origins are remembered.
const ORIGINS: usize = 4096;

/// Wrong tokens that were presented lately.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Known>>);

#[derive(Debug, Clone, Copy)]
struct Known {
    since: Instant,
    count: u32,
    /// The SHA-256 of the token that was wrong last, where that was told.
    last: Option<[u8; 32]>,
}

impl Guesses {
    /// How long this origin has to wait; `None` if it may try.
    pub(super) fn must_wait(&self, from: IpAddr) -> Option<Duration> {
        let guesses = self.0.lock();
        let known = guesses.get(&network_of(from)).filter(|known| known.count >= GUESSES)?;
        WINDOW.checked_sub(known.since.elapsed()).filter(|rest| !rest.is_zero())
    }

    /// A token of this origin was wrong.
    pub(super) fn count(&self, from: IpAddr) {
        self.note(from, None);
    }

    /// This token of this origin was wrong. The same one again is no further guess: a page and the
    /// socket that it opens present one token, and whoever loads an old link anew guesses nothing.
    pub(super) fn count_once(&self, from: IpAddr, token: &str) {
        self.note(from, Some(crate::token::hash(token)));
    }

    fn note(&self, from: IpAddr, token: Option<[u8; 32]>) {
        let origin = network_of(from);
        let mut guesses = self.0.lock();
        if guesses.len() >= ORIGINS && !guesses.contains_key(&origin) {
            guesses.retain(|_, known| known.since.elapsed() < WINDOW);
            // A guess from everywhere at once must lock nobody out who has the token: the oldest is
            // forgotten. (What protects a token is its length; the limit keeps the noise down.)
            let oldest = guesses.iter().min_by_key(|(_, known)| known.since).map(|(origin, _)| *origin);
            if let Some(oldest) = oldest.filter(|_| guesses.len() >= ORIGINS) {
                guesses.remove(&oldest);
            }
        }
        let now = Instant::now();
        let known = guesses.entry(origin).or_insert(Known { since: now, count: 0, last: None });
        if now.duration_since(known.since) >= WINDOW {
            *known = Known { since: now, count: 0, last: None };
        }
        if token.is_none() || known.last != token {
            known.count += 1;
        }
        known.last = token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_guesses_too_often_waits_and_others_do_not() {
        let guesses = Guesses::default();
        for _ in 0..GUESSES {
            assert_eq!(guesses.must_wait("2001:db8::1".parse().unwrap()), None);
            guesses.count("2001:db8::1".parse().unwrap());
        }
        assert_eq!(guesses.must_wait("2001:db8::ffff:1".parse().unwrap()), Some(WINDOW));
        assert_eq!(guesses.must_wait("2001:db8:0:1::1".parse().unwrap()), None);
        tokio::time::advance(WINDOW).await;
        assert_eq!(guesses.must_wait("2001:db8::1".parse().unwrap()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_wrong_token_again_is_no_further_guess() {
        let (guesses, from) = (Guesses::default(), "192.0.2.1".parse().unwrap());
        for _ in 0..2 * GUESSES {
            guesses.count_once(from, "an old link");
        }
        assert_eq!(guesses.must_wait(from), None);
        for n in 0..GUESSES {
            guesses.count_once(from, &format!("guess {n}"));
        }
        assert!(guesses.must_wait(from).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_everywhere_cost_bounded_memory_and_lock_nobody_out() {
        let guesses = Guesses::default();
        for number in 0..u32::try_from(2 * ORIGINS).unwrap() {
            guesses.count(IpAddr::V4(number.into()));
        }
        assert_eq!(guesses.0.lock().len(), ORIGINS);
        assert_eq!(guesses.must_wait("192.0.2.1".parse().unwrap()), None);
    }
}
