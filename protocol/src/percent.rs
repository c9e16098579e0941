//! Percent-encoding of names and path segments, in addresses and in URLs. Called by `address` only.

use crate::AddressError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// What a URL path segment needs encoded: everything but the unreserved characters, the
/// sub-delimiters and `@` of RFC 3986 §3.3. `:` would be allowed there, and is encoded all the same,
/// as it is in an address.
const URL_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// Appends a name or segment in the spelling of URLs.
pub(crate) fn push_url_segment(out: &mut String, segment: &str) {
    out.extend(utf8_percent_encode(segment, URL_SEGMENT));
}

/// Appends a name or segment in the spelling of addresses, which stays readable beyond ASCII.
pub(crate) fn push_address_segment(out: &mut String, segment: &str) {
    let mut rest = segment;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_special(*c)) {
        let (plain, tail) = rest.split_at(at);
        let (special, tail) = tail.split_at(c.len_utf8());
        out.push_str(plain);
        out.extend(utf8_percent_encode(special, NON_ALPHANUMERIC));
        rest = tail;
    }
    out.push_str(rest);
}

/// What separates, escapes or cannot be seen.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, ':' | '/' | '%')
}

/// Decodes a name or segment, of an address or a URL, and checks that it can stand in both: not
/// empty, and not one of the segments that URL parsers resolve away.
pub(crate) fn decode_segment(encoded: &str) -> Result<Cow<'_, str>, AddressError> {
    if encoded.chars().any(char::is_control) {
        return Err(AddressError::Control);
    }
    let decoded = if encoded.contains('%') {
        check_escapes(encoded)?;
        percent_decode_str(encoded).decode_utf8().map_err(|_| AddressError::NotUtf8)?
    } else {
        Cow::Borrowed(encoded)
    };
    check_segment(&decoded)?;
    Ok(decoded)
}

/// Checks a decoded name or segment.
pub(crate) fn check_segment(segment: &str) -> Result<(), AddressError> {
    match segment {
        "" => Err(AddressError::EmptySegment),
        "." | ".." => Err(AddressError::DotSegment),
        _ => Ok(()),
    }
}

/// `percent_decode_str` takes a `%` without two hex digits as itself; then two spellings would mean
/// one name.
fn check_escapes(encoded: &str) -> Result<(), AddressError> {
    let mut after = encoded.split('%');
    after.next();
    let good = |s: &str| s.len() >= 2 && s.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if after.all(good) { Ok(()) } else { Err(AddressError::BadEscape) }
}
