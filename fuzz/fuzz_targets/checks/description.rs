//! What holds for any input of the target `description`; the tests of `media` replay its seeds with it.

use monster_media::{Refused, fuzzing};

/// A session description is refused in few words that name nothing of our insides, or is understood
/// as a regular one that is understood the same again; and nothing panics when it is an offer, an
/// offer again, or an answer.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match fuzzing::regular(text) {
        Ok(regular) => assert_eq!(fuzzing::regular(&regular).as_deref(), Ok(regular.as_str()), "{text}"),
        Err(refused) => in_words(&refused),
    }
    match fuzzing::answered(&[text, text]) {
        Ok(answer) => assert!(fuzzing::regular(&answer).is_ok(), "{text}\n{answer}"),
        Err(refused) => in_words(&refused),
    }
    if let Err(refused) = fuzzing::offered(text) {
        in_words(&refused);
    }
}

fn in_words(refused: &Refused) {
    let words = refused.to_string();
    assert!(words.len() < 200 && !words.contains("0x"), "{words}");
}
