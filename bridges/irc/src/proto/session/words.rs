//! What the server's numerics mean, in kinds and in words for a person.

use super::request::{FailureKind, RequestFailure};
use crate::proto::line::Message;

/// Numerics that say which command went wrong, or nothing, instead of a target.
pub(super) fn names_no_target(numeric: u16) -> bool {
    matches!(numeric, 263 | 411 | 412 | 417 | 421 | 451 | 461)
}

/// Numerics that are errors.
pub(super) fn is_error(numeric: u16) -> bool {
    matches!(numeric, 263 | 400..=599 | 712..=714 | 716)
}

/// Numerics after which a later try may work.
pub(super) fn is_temporary(numeric: u16) -> bool {
    matches!(numeric, 263 | 437 | 439)
}

/// The words of an error, for a person: what it means, and the server's own words.
pub(super) fn explain(numeric: u16, message: &Message) -> String {
    let said = clean(message.last());
    let subject = clean(message.param(1));
    let meaning = match numeric {
        401 | 406 => return format!("there is nobody called {subject} on the network"),
        403 => return format!("there is no channel {subject}"),
        404 => "the channel does not take the message",
        405 => "we are in too many channels",
        407 | 439 => "too many people are written to at once",
        417 => "the line is too long for the server",
        432 => "the server does not allow this nick",
        433 | 436 => "somebody else has this nick",
        437 => "the name is not available for the moment",
        442 => "we are not in the channel",
        470 => "the server sends us on to another channel",
        471 => "the channel is full",
        473 => "the channel is for invited people only",
        474 => "we are banned from the channel",
        475 => "the channel needs a key, or another one",
        477 => "only people who are logged in may do that",
        480 => "the channel cannot be joined for the moment",
        482 => "only operators of the channel may do that",
        486 | 716 => "they take messages only from people they know",
        489 | 490 => "only people whose connection is encrypted may do that",
        520 => "only operators of the network may join",
        531 => "the server does not let us write to them",
        _ => return if said.is_empty() { format!("the server refused (error {numeric})") } else { said },
    };
    if said.is_empty() { meaning.to_owned() } else { format!("{meaning}: {said}") }
}

/// The failure that a numeric is for a request.
pub(super) fn failure(numeric: u16, message: &Message) -> RequestFailure {
    let kind = match numeric {
        401..=403 | 406 => FailureKind::Unknown,
        405 => FailureKind::TooMany,
        433 | 436 => FailureKind::NickInUse,
        263 | 437 | 438 | 480 => FailureKind::Later,
        470 => FailureKind::Forwarded(message.param(2).to_owned()),
        471 => FailureKind::Full,
        473 => FailureKind::InviteOnly,
        474 | 465 => FailureKind::Banned,
        475 => FailureKind::BadKey,
        477 => FailureKind::NeedsAccount,
        489 | 490 => FailureKind::NeedsTls,
        421 => FailureKind::Unsupported,
        _ => FailureKind::Refused,
    };
    RequestFailure { kind, why: explain(numeric, message) }
}

/// The words of a standard reply (`FAIL COMMAND CODE context… :words`).
pub(super) fn explain_fail(message: &Message) -> String {
    let said = clean(message.last());
    if said.is_empty() { format!("the server refused ({})", clean(message.param(1))) } else { said }
}

/// A server's words without codes and control characters, and not longer than a reader wants.
pub(super) fn clean(words: &str) -> String {
    let plain: String = words.chars().filter(|c| !c.is_control()).take(300).collect();
    plain.trim().to_owned()
}

/// What the words of an `ERROR` say about coming back: too fast, and not welcome.
pub(super) fn parse_error(words: &str) -> (bool, bool) {
    let words = words.to_ascii_lowercase();
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    let throttled =
        has(&["throttl", "too fast", "too many", "trying to reconnect", "reconnect too", "try again later"]);
    let banned =
        has(&["banned", "k-line", "g-line", "z-line", "d-line", "k:line", "g:line", "z:line", "klined", "glined"]);
    (throttled, banned && !throttled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        Message::parse(line.as_bytes(), encoding_rs::UTF_8).unwrap()
    }

    #[test]
    fn errors_are_told_in_words() {
        assert_eq!(explain(401, &message(":s 401 me bob :No such nick")), "there is nobody called bob on the network");
        assert_eq!(
            explain(404, &message(":s 404 me #c :Cannot send \x02to\x02 channel (+m)")),
            "the channel does not take the message: Cannot send to channel (+m)"
        );
        assert_eq!(explain(599, &message(":s 599 me :")), "the server refused (error 599)");
        assert_eq!(failure(470, &message(":s 470 me #a ##a :Forwarding")).kind, FailureKind::Forwarded("##a".into()));
    }

    #[test]
    fn a_server_that_asks_to_come_more_slowly_is_understood() {
        for words in [
            "Closing Link: 1.2.3.4 (Throttled)",
            "Trying to reconnect too fast.",
            "Closing link: (x@y) [Too many connections from your IP]",
            "Your connection has been throttled; you are banned for 60 seconds",
        ] {
            assert_eq!(parse_error(words), (true, false), "{words}");
        }
        assert_eq!(parse_error("Closing Link: x (K-Lined)"), (false, true));
        assert_eq!(parse_error("Closing Link: x (Quit: bye)"), (false, false));
    }
}
