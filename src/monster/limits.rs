//! Rate limits per account and per address of origin, and how many sockets, upgrades and
//! identifications an origin may have (`contract.md` `[limits]`).
//!
//! A frame over the limit is not refused: the socket it came on is read later, so nothing is lost
//! and the sender's own TCP slows it down. Called by `upgrade` (sockets), `identity`
//! (identifications) and `session` (frames).

use super::keyed::Keyed;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// An origin may be another server, or many people behind one address: it has this many accounts'
/// worth of frames.
const ACCOUNTS_PER_ORIGIN: u32 = 20;
/// How many seconds' worth of upgrades an origin may ask for at once: after a restart of the
/// gateway, everybody behind it comes back.
const UPGRADE_BURST_SECONDS: u32 = 10;
/// How many identifications of one origin run at a time.
const IDENTIFICATIONS_PER_ORIGIN: usize = 16;
/// One second, in nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// The limits, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// False: no limits but the one on all sockets together.
    pub enabled: bool,
    /// Frames a second of one account; an origin has twenty times as many.
    pub frames_per_second: u32,
    /// Frames of one account at once, before the rate counts.
    pub frames_burst: u32,
    /// Sockets open at a time, all together.
    pub sockets: usize,
    /// Sockets open at a time from one origin (an IPv4 address, an IPv6 /64).
    pub sockets_per_origin: usize,
    /// Upgrades a second that one origin may ask for.
    pub upgrades_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            frames_per_second: 50,
            frames_burst: 200,
            sockets: 50_000,
            sockets_per_origin: 1000,
            upgrades_per_second: 100,
        }
    }
}

/// An origin has too much already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooMany {
    /// Upgrades a second.
    #[error("too many connections in a short time from your address; try again in a moment")]
    Upgrades,
    /// Its own sockets.
    #[error("too many sockets are open from your address; close one, or try again later")]
    OfOrigin,
    /// Everybody's sockets.
    #[error("too many sockets are open on this server; try again later")]
    InAll,
}

/// Counts frames and sockets.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Shared,
    open: Arc<AtomicUsize>,
    start: Instant,
    accounts: Keyed<String, Bucket>,
    origins: Keyed<IpAddr, Origin>,
}

/// The limits in force; a rate of 0 is none.
#[derive(Debug, Default)]
struct Shared {
    frames: AtomicU32,
    burst: AtomicU32,
    upgrades: AtomicU32,
    sockets: AtomicUsize,
    sockets_per_origin: AtomicUsize,
}

impl Limiter {
    /// Starts counting.
    pub(super) fn new(limits: Limits) -> Self {
        let limiter = Self {
            limits: Shared::default(),
            open: Arc::default(),
            start: Instant::now(),
            accounts: Keyed::default(),
            origins: Keyed::default(),
        };
        limiter.set(limits);
        limiter
    }

    /// Changes the limits, for open sockets too.
    pub(super) fn set(&self, limits: Limits) {
        let on = |rate: u32| if limits.enabled { rate.max(1) } else { 0 };
        self.limits.frames.store(on(limits.frames_per_second), Ordering::Relaxed);
        self.limits.burst.store(limits.frames_burst, Ordering::Relaxed);
        self.limits.upgrades.store(on(limits.upgrades_per_second), Ordering::Relaxed);
        self.limits.sockets.store(limits.sockets, Ordering::Relaxed);
        let of_origin = if limits.enabled { limits.sockets_per_origin } else { usize::MAX };
        self.limits.sockets_per_origin.store(of_origin, Ordering::Relaxed);
    }

    /// Lets one more socket of this origin in, or says why not.
    pub(super) fn enter(&self, ip: IpAddr) -> Result<Entered, TooMany> {
        let origin = self.origins.get(network_of(ip), |origin| origin.owes(self.now()));
        let rate = self.limits.upgrades.load(Ordering::Relaxed);
        if !origin.upgrades.take_if_there(self.now(), rate, rate.saturating_mul(UPGRADE_BURST_SECONDS)) {
            return Err(TooMany::Upgrades);
        }
        // Counted before it is compared; dropping it counts back.
        let entered = Entered { open: Arc::clone(&self.open), origin };
        let all = entered.open.fetch_add(1, Ordering::Relaxed);
        let of_origin = entered.origin.sockets.fetch_add(1, Ordering::Relaxed);
        if of_origin >= self.limits.sockets_per_origin.load(Ordering::Relaxed) {
            return Err(TooMany::OfOrigin);
        }
        if all >= self.limits.sockets.load(Ordering::Relaxed) {
            return Err(TooMany::InAll);
        }
        Ok(entered)
    }

    /// The bucket of an account, by its address.
    pub(super) fn account(&self, address: &str) -> Arc<Bucket> {
        self.accounts.get(address.to_owned(), |bucket| bucket.owes(self.now()))
    }

    /// Counts one frame, and tells how long to wait before the next one is read. All of an origin of
    /// whom it is not known who they are count as one account.
    pub(super) fn frame(&self, origin: Option<&Entered>, account: Option<&Bucket>) -> Duration {
        let rate = self.limits.frames.load(Ordering::Relaxed);
        if rate == 0 {
            return Duration::ZERO;
        }
        let burst = self.limits.burst.load(Ordering::Relaxed);
        let now = self.now();
        let many = |number: u32| number.saturating_mul(ACCOUNTS_PER_ORIGIN);
        let of_origin = origin.map_or(0, |entered| entered.origin.frames.take(now, many(rate), many(burst)));
        let account = account.or_else(|| origin.map(|entered| &entered.origin.strangers));
        let of_account = account.map_or(0, |bucket| bucket.take(now, rate, burst));
        Duration::from_nanos(of_origin.max(of_account))
    }

    /// Nanoseconds since the start.
    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A socket that was let in; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Entered {
    open: Arc<AtomicUsize>,
    origin: Arc<Origin>,
}

impl Entered {
    /// Where identifications of this origin queue.
    pub(super) fn identifications(&self) -> Arc<Semaphore> {
        Arc::clone(&self.origin.identifications)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.origin.sockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Origin {
    sockets: AtomicUsize,
    identifications: Arc<Semaphore>,
    frames: Bucket,
    strangers: Bucket,
    upgrades: Bucket,
}

impl Origin {
    fn owes(&self, now: u64) -> bool {
        self.frames.owes(now) || self.strangers.owes(now) || self.upgrades.owes(now)
    }
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            sockets: AtomicUsize::new(0),
            identifications: Arc::new(Semaphore::new(IDENTIFICATIONS_PER_ORIGIN)),
            frames: Bucket::default(),
            strangers: Bucket::default(),
            upgrades: Bucket::default(),
        }
    }
}

/// A token bucket, kept as the time at which it will be full again (nanoseconds since the start).
#[derive(Debug, Default)]
pub(super) struct Bucket(AtomicU64);

impl Bucket {
    /// Takes one token of `rate` a second, also where none is left, and tells how many nanoseconds
    /// it was taken too early.
    fn take(&self, now: u64, rate: u32, burst: u32) -> u64 {
        let cost = SECOND / u64::from(rate.max(1));
        let full_after = |full: u64| full.max(now).saturating_add(cost);
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| Some(full_after(full)));
        let owed = full_after(before.unwrap_or_else(|same| same)) - now;
        owed.saturating_sub(cost.saturating_mul(u64::from(burst.max(1))))
    }

    /// Takes one token of `rate` a second (0 is no limit) if there is one.
    fn take_if_there(&self, now: u64, rate: u32, burst: u32) -> bool {
        if rate == 0 {
            return true;
        }
        let cost = SECOND / u64::from(rate);
        let most = cost.saturating_mul(u64::from(burst.max(1)));
        let take = |full: u64| {
            let full = full.max(now).saturating_add(cost);
            (full - now <= most).then_some(full)
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    fn owes(&self, now: u64) -> bool {
        self.0.load(Ordering::Relaxed) > now
    }
}

/// What counts as one origin: an IPv4 address, or the /64 that one IPv6 customer has.
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyed::LOOK_THROUGH_AT;
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(Limits {
            frames_per_second: 10,
            frames_burst: 40,
            sockets: 3,
            sockets_per_origin: 2,
            upgrades_per_second: 1,
            ..Limits::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_free_and_what_follows_waits_as_long_as_the_rate_says() {
        let limiter = limiter();
        let origin = limiter.enter(ip("192.0.2.1")).unwrap();
        let alice = limiter.account("@alice:gw");
        let waits: Vec<_> = (0..42).map(|_| limiter.frame(Some(&origin), Some(&alice)).as_millis()).collect();
        assert!(waits[..40].iter().all(|wait| *wait == 0), "{waits:?}");
        assert_eq!(waits[40..], [100, 200]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limiter.frame(Some(&origin), Some(&alice)), Duration::ZERO);
        // Another account is not held up.
        assert_eq!(limiter.frame(Some(&origin), Some(&limiter.account("@bob:gw"))), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn two_sockets_of_an_account_share_its_limit() {
        let limiter = limiter();
        let (one, two) = (limiter.account("@alice:gw"), limiter.account("@alice:gw"));
        let waited = (0..41).map(|turn| limiter.frame(None, Some(if turn % 2 == 0 { &one } else { &two })));
        assert_eq!(waited.last(), Some(Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_of_one_origin_share_the_limit_of_one_account() {
        let limiter = limiter();
        let (one, two) = (limiter.enter(ip("192.0.2.1")).unwrap(), limiter.enter(ip("192.0.2.1")).unwrap());
        let waited = (0..41).map(|turn| limiter.frame(Some(if turn % 2 == 0 { &one } else { &two }), None));
        assert_eq!(waited.last(), Some(Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_has_only_so_many_sockets_and_gets_them_back() {
        let limiter = limiter();
        let one = limiter.enter(ip("2001:db8::1")).unwrap();
        let _two = limiter.enter(ip("2001:db8::ffff:0:0:1")).unwrap();
        assert_eq!(limiter.enter(ip("2001:db8::2")).unwrap_err(), TooMany::OfOrigin);
        let _three = limiter.enter(ip("2001:db8:0:1::2")).unwrap();
        assert_eq!(limiter.enter(ip("192.0.2.1")).unwrap_err(), TooMany::InAll);
        drop(one);
        limiter.enter(ip("2001:db8::2")).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_origin_that_connects_again_and_again_has_to_wait() {
        let limiter = limiter();
        let refused = |_| limiter.enter(ip("192.0.2.1")).is_err();
        assert_eq!((0..20).map(refused).filter(|refused| *refused).count(), 10);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((0..20).map(refused).filter(|refused| *refused).count(), 18);
    }

    #[tokio::test(start_paused = true)]
    async fn limits_can_be_switched_off_while_running() {
        let limiter = limiter();
        let _origins = [limiter.enter(ip("192.0.2.1")).unwrap(), limiter.enter(ip("192.0.2.1")).unwrap()];
        assert!(limiter.enter(ip("192.0.2.1")).is_err());
        limiter.set(Limits { enabled: false, ..Limits::default() });
        let origin = limiter.enter(ip("192.0.2.1")).unwrap();
        assert!((0..1000).all(|_| limiter.frame(Some(&origin), None).is_zero()));
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_that_left_are_forgotten_once_they_owe_nothing() {
        let limiter = limiter();
        let kept = limiter.account("@kept:gw");
        for number in 0..LOOK_THROUGH_AT * 3 {
            limiter.account(&format!("@{number}:gw"));
        }
        assert!(limiter.accounts.len() <= LOOK_THROUGH_AT);
        assert!(Arc::ptr_eq(&kept, &limiter.account("@kept:gw")));
    }
}
