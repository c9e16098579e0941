//! The tokens with which the gateway vouches for itself: `GET /check/<token>` on our side of
//! `contract.md` "Who is speaking".
//!
//! The dialer issues one for each socket it opens; the other side redeems it over HTTP, which ends
//! it. `http` serves [`Vouches::redeem`]. Checking other servers' tokens is `identity`'s.

use crate::token::hash;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use monster_protocol::Address;
use parking_lot::Mutex;
use rand::RngExt as _;
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// How long a token can be redeemed.
const LIFE: Duration = Duration::from_mins(1);
/// How many may wait at a time; more are not issued.
const AT_MOST: usize = 16_384;

/// 256 random bits that speak for an account once. Does not print itself.
pub(super) struct Token(String);

impl Token {
    /// The token as it stands in a URL.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What `/check/<token>` answers: who opened the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// The account, as an address.
    pub account: String,
    /// The name in its address.
    pub username: String,
    /// What people call it.
    pub nickname: String,
}

impl Vouched {
    /// Vouches for `account`, called `nickname`.
    pub fn new(account: &Address, nickname: &str) -> Self {
        Self { account: account.to_string(), username: account.name().into_owned(), nickname: nickname.to_owned() }
    }
}

/// The tokens that were issued and not redeemed.
#[derive(Debug, Default)]
pub(super) struct Vouches {
    table: Mutex<Table>,
}

/// Tokens by their SHA-256, so that the time of a look-up tells nothing about a token.
#[derive(Debug, Default)]
struct Table {
    issued: HashMap<[u8; 32], Vouched>,
    /// When each ends, oldest first: all live equally long.
    ends: VecDeque<(Instant, [u8; 32])>,
}

impl Table {
    fn forget_ended(&mut self, now: Instant) {
        while let Some((end, hash)) = self.ends.front()
            && (*end <= now || !self.issued.contains_key(hash))
        {
            self.issued.remove(hash);
            self.ends.pop_front();
        }
    }
}

impl Vouches {
    /// A token for one socket; `None` while too many wait to be redeemed.
    pub(super) fn issue(&self, vouched: Vouched) -> Option<Token> {
        let token = URL_SAFE_NO_PAD.encode(rand::rng().random::<[u8; 32]>());
        let hash = hash(&token);
        let now = Instant::now();
        let mut table = self.table.lock();
        table.forget_ended(now);
        if table.ends.len() >= AT_MOST {
            return None;
        }
        table.issued.insert(hash, vouched);
        table.ends.push_back((now + LIFE, hash));
        Some(Token(token))
    }

    /// Whom the token vouches for, once.
    pub(super) fn redeem(&self, token: &str) -> Option<Vouched> {
        let hash = hash(token);
        let mut table = self.table.lock();
        table.forget_ended(Instant::now());
        table.issued.remove(&hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Vouched {
        Vouched::new(&"@alice:gw.example.org".parse().unwrap(), "Alice")
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_redeemed_once() {
        let vouches = Vouches::default();
        let token = vouches.issue(alice()).unwrap();
        assert_eq!(vouches.redeem(token.as_str()), Some(alice()));
        assert_eq!(vouches.redeem(token.as_str()), None);
        assert_eq!(vouches.redeem(""), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_ends_after_a_minute() {
        let vouches = Vouches::default();
        let (first, second) = (vouches.issue(alice()).unwrap(), vouches.issue(alice()).unwrap());
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(vouches.redeem(first.as_str()).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(vouches.redeem(second.as_str()).is_none());
        assert!(vouches.table.lock().issued.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_makes_room_again() {
        let vouches = Vouches::default();
        for _ in 0..AT_MOST {
            assert!(vouches.issue(alice()).is_some());
        }
        assert!(vouches.issue(alice()).is_none());
        tokio::time::advance(LIFE).await;
        assert!(vouches.issue(alice()).is_some());
        assert_eq!(vouches.table.lock().ends.len(), 1);
    }

    #[test]
    fn a_token_has_256_bits_and_does_not_print_itself() {
        let token = Vouches::default().issue(alice()).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(token.as_str()).unwrap().len(), 32);
        assert!(!format!("{token:?}").contains(token.as_str()));
    }
}
