//! The ids that the core gives and keeps: message keys, and the form in which the ids of Monster
//! peers are stored beside those of the bridges.

use super::environment::Environment;
use monster_protocol::Address;

/// What every key begins with.
const PREFIX: &str = "mg-";
/// How many characters follow.
const LENGTH: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A new key: the time first, so that keys of one time lie beside each other in an index, and 80
/// random bits.
pub(crate) fn new_key(environment: &Environment) -> String {
    let mut random = [0; 16];
    environment.random.fill(&mut random);
    let mut bits = u128::from_be_bytes(random) & ((1 << 80) - 1);
    bits |= u128::from(environment.now_ms().max(0).unsigned_abs() & 0xffff_ffff_ffff) << 80;
    let mut key = String::with_capacity(PREFIX.len() + LENGTH);
    key.push_str(PREFIX);
    for place in (0..LENGTH).rev() {
        let index = usize::try_from((bits >> (5 * place)) & 31).unwrap_or_default();
        key.push(char::from(ALPHABET[index]));
    }
    key
}

/// True for what [`new_key`] can have made, here or in another gateway.
pub(crate) fn is_key(text: &str) -> bool {
    text.strip_prefix(PREFIX)
        .is_some_and(|rest| rest.len() == LENGTH && rest.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// The stored form of a Monster peer's `messageId`. It never equals an id of a bridge's network,
/// and an id that another account's socket brought is never taken for the author's own.
pub(crate) fn stored_id(brought_by: Option<&Address>, message_id: &str) -> String {
    match brought_by {
        None => format!("own:{message_id}"),
        Some(account) => format!("by:{account}\n{message_id}"),
    }
}

/// The `messageId` in a stored form; `None` for the id of a bridge's network.
pub(crate) fn peers_id(stored: &str) -> Option<&str> {
    stored.strip_prefix("own:").or_else(|| Some(stored.strip_prefix("by:")?.split_once('\n')?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_like_keys_and_differ() {
        let environment = Environment::system();
        let (one, other) = (new_key(&environment), new_key(&environment));
        assert!(is_key(&one) && is_key(&other) && one != other, "{one} {other}");
        assert!(!is_key("mg-short") && !is_key(&one.to_uppercase()) && !is_key(&one[3..]));
    }

    #[test]
    fn an_id_brought_by_another_account_is_not_the_authors_own() {
        let by: Address = "@room:other.org".parse().expect("address");
        let (own, brought) = (stored_id(None, "by:@room:other.org\n1"), stored_id(Some(&by), "1"));
        assert_ne!(own, brought);
        assert_eq!(peers_id(&brought), Some("1"));
        assert_eq!(peers_id(&stored_id(None, "a\nb")), Some("a\nb"));
        assert_eq!(peers_id("msgid-of-irc"), None);
    }
}
