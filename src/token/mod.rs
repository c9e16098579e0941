//! Tokens: what shows that somebody is the owner of a local account, or the gateway's administrator.
//!
//! The one place that makes and recognises them, so that the commands, the provisioning API
//! (`http::api`) and home sockets (`monster`) agree. The store keeps hashes of accounts' tokens
//! only; the administrator's is a file.

mod admin;

pub use admin::{AdminToken, FILE_NAME, TokenError};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Bytes of randomness in a token.
const RANDOM_BYTES: usize = 32;

/// Fills bytes with what nobody can guess (`core::Environment` has it).
pub type Random<'a> = &'a dyn Fn(&mut [u8]);

/// A new token of a local account. It does not print itself.
#[derive(Clone)]
pub struct AccountToken(String);

impl AccountToken {
    /// Makes one up.
    pub fn make(random: Random<'_>) -> Self {
        Self(make_up(random))
    }

    /// The token, for the account's owner; nobody can be told it again.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps of it.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl fmt::Debug for AccountToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountToken(…)")
    }
}

/// What the store keeps of a token that somebody presents: its SHA-256. (A token has 256 bits of
/// randomness, so a slow hash would protect nothing; and a look-up by hash tells nothing by its
/// duration.)
pub fn hash(presented: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, presented.as_bytes()).as_ref());
    hash
}

fn make_up(random: Random<'_>) -> String {
    let mut bytes = [0; RANDOM_BYTES];
    random(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_by_its_hash_and_does_not_print_itself() {
        let token = AccountToken::make(&|bytes| bytes.fill(7));
        assert_eq!(token.reveal().len(), 43);
        assert_eq!(hash(token.reveal()), token.hash());
        assert_ne!(hash(""), token.hash());
        assert!(!format!("{token:?}").contains(token.reveal()));
    }
}
