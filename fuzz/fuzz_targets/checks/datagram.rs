//! What holds for any input of the target `datagram`; the tests of `media` replay its seeds with it.

use monster_media::fuzzing;

/// An offer as a browser makes it.
const OFFER: &str = include_str!("../../seeds/description/chromium");

/// Datagrams, one after the other (each behind its length in one byte), do no harm, and the name in
/// one is a part of it.
pub(crate) fn check(data: &[u8]) {
    let mut datagrams = Vec::new();
    let mut rest = data;
    while let [length, after @ ..] = rest {
        let (datagram, behind) = after.split_at(usize::from(*length).min(after.len()));
        datagrams.push(datagram);
        rest = behind;
    }
    let named = fuzzing::datagrams(OFFER, &datagrams).expect("an offer that is taken");
    if let Some(name) = named {
        assert!(!name.contains(':') && name.len() <= 513);
    }
}
