//! Escaping of local parts (XEP-0106), and beyond it, so that every name of another network has an
//! address that servers do not change.

use jid::NodePart;
use std::fmt::Write as _;

/// The characters that a local part cannot hold, with their escapes.
const ESCAPES: [(char, &str); 10] = [
    (' ', "\\20"),
    ('"', "\\22"),
    ('&', "\\26"),
    ('\'', "\\27"),
    ('/', "\\2f"),
    (':', "\\3a"),
    ('<', "\\3c"),
    ('>', "\\3e"),
    ('@', "\\40"),
    ('\\', "\\5c"),
];

/// A local part as somebody typed it: escaped where it must be; escapes that are there stay.
pub(super) fn typed(local: &str) -> String {
    let mut out = String::with_capacity(local.len());
    for (at, c) in local.char_indices() {
        match escape_of(c) {
            // A backslash that begins no escape stands for itself.
            Some(_) if c == '\\' => out.push(c),
            Some(escape) => out.push_str(escape),
            None => out.push(c),
        }
        debug_assert!(at < local.len());
    }
    out
}

/// The characters that escapes stand for. What is no escape stays.
pub(super) fn unescape(local: &str) -> String {
    let mut out = String::with_capacity(local.len());
    let mut rest = local;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((c, escape)) = ESCAPES.iter().find(|(_, escape)| rest.starts_with(escape)) {
            out.push(*c);
            rest = &rest[escape.len()..];
        } else {
            out.push('\\');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

fn escape_of(c: char) -> Option<&'static str> {
    ESCAPES.iter().find(|(escaped, _)| *escaped == c).map(|(_, escape)| *escape)
}

/// Any text as (a piece of) a local part that no server changes: XEP-0106's escapes, and `=` with two
/// hexadecimal digits for each byte of what would be folded or refused. [`decode`] is its inverse.
pub(super) fn encode(text: &str) -> String {
    let encoded = encode_where(text, |c| !is_stable(c));
    // Characters that are stable alone may compose, or stand in a direction that forbids others.
    if is_stable_as_whole(&encoded) { encoded } else { encode_where(text, |c| !c.is_ascii() || !is_stable(c)) }
}

fn encode_where(text: &str, must: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        // No local part begins or ends with an escaped space; one that begins with an escaped `@` is
        // a whole address.
        let edge = (c == ' ' && (index == 0 || index == last)) || (c == '@' && index == 0);
        match escape_of(c) {
            Some(escape) if !edge => out.push_str(escape),
            None if !matches!(c, '=' | '%') && !must(c) => out.push(c),
            _ => push_bytes(c, &mut out),
        }
    }
    out
}

fn push_bytes(c: char, out: &mut String) {
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let _ = write!(out, "={byte:02x}");
    }
}

fn is_stable(c: char) -> bool {
    if c.is_ascii_lowercase() || c.is_ascii_digit() {
        return true;
    }
    let mut buffer = [0; 4];
    is_stable_as_whole(c.encode_utf8(&mut buffer))
}

fn is_stable_as_whole(text: &str) -> bool {
    NodePart::new(text).is_ok_and(|part| part.as_str() == text)
}

/// What [`encode`] made of it; `None` for what it did not make.
pub(super) fn decode(local: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(local.len());
    let mut rest = local;
    while let Some(c) = rest.chars().next() {
        match c {
            '=' => {
                bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
                rest = &rest[3..];
            }
            '\\' => {
                let (character, escape) = ESCAPES.iter().find(|(_, escape)| rest.starts_with(escape))?;
                bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[escape.len()..];
            }
            _ => {
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    String::from_utf8(bytes).ok().filter(|text| encode(text) == local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_backslash_at_the_end_is_a_backslash() {
        assert_eq!(unescape("a\\"), "a\\");
        assert_eq!(unescape("a\\2"), "a\\2");
        assert_eq!(unescape("d\\27a\\5c20"), "d'a\\20");
    }

    #[test]
    fn names_stay_readable() {
        assert_eq!(encode("alice"), "alice");
        assert_eq!(encode("Alice"), "=41lice");
        assert_eq!(encode("#rust"), "#rust");
        assert_eq!(encode("bob@matrix.org"), "bob\\40matrix.org");
        assert_eq!(encode(" x "), "=20x=20");
        assert_eq!(encode("漢字"), "漢字");
    }

    proptest! {
        #[test]
        fn every_name_has_a_local_part_that_servers_leave_alone(name in "\\PC{1,30}") {
            let encoded = encode(&name);
            prop_assert!(is_stable_as_whole(&encoded), "{encoded}");
            prop_assert_eq!(decode(&encoded), Some(name));
        }

        #[test]
        fn what_is_decoded_is_encoded_the_same(local in "[a-z=\\\\%0-9@#]{0,12}") {
            if let Some(name) = decode(&local) {
                prop_assert_eq!(encode(&name), local);
            }
        }
    }
}
