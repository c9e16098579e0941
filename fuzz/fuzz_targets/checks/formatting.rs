//! What holds for any input of the target `formatting`: the first two bytes are the room of a line
//! and the limits of a message, the rest is what somebody wrote with mIRC codes. The tests of
//! `bridges/irc` replay its seeds with it.

use monster_bridge_irc::{
    format::{codes::code_at, from_text, to_text},
    proto::caps::MultilineLimits,
    split::{self, Unit},
};

/// No letter is lost on the way to the neutral text and back, nor by cutting, and every line fits.
pub(crate) fn check(data: &[u8]) {
    let [room, limit, words @ ..] = data else { return };
    let words = String::from_utf8_lossy(words);
    let text = to_text(&words, &|word| word.starts_with('a').then(|| format!("id-of-{word}")));
    let written = from_text(&text, &|id| id.strip_prefix("id-of-").map(str::to_owned));
    assert!(!written.contains(['\r', '\0', '\x01']), "{written:?}");
    let again = to_text(&written, &|_| None);
    assert_eq!(again.to_plain().replace('\t', " "), text.to_plain().replace('\t', " "), "{words:?}");

    let room = usize::from(*room).max(32);
    let limits = MultilineLimits { max_bytes: 300 + usize::from(*limit), max_lines: 2 + usize::from(limit % 9) };
    let lines = split::lines(&words, room);
    assert!(lines.iter().all(|line| line.len() <= room), "{lines:?}");
    assert_eq!(letters(&lines.join("\n")), letters(&words));
    let mut all = String::new();
    for unit in split::plan(&words, room, Some(limits)) {
        all.push('\n');
        match unit {
            Unit::Line(line) => {
                assert!(line.len() <= room);
                all.push_str(&line);
            }
            Unit::Multiline(pieces) => {
                let bytes: usize = pieces.iter().map(|piece| piece.text.len() + usize::from(!piece.concat)).sum();
                assert!(bytes - 1 <= limits.max_bytes && pieces.len() <= limits.max_lines, "{pieces:?}");
                for piece in pieces {
                    assert!(piece.text.len() <= room, "{piece:?}");
                    all.push_str(if piece.concat { "" } else { "\n" });
                    all.push_str(&piece.text);
                }
            }
        }
    }
    assert_eq!(letters(&all), letters(&words));
}

/// What is left without codes, white space and control characters.
fn letters(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = code_at(rest).map_or(first.len_utf8(), |(_, length)| length);
        if code_at(rest).is_none() && !first.is_whitespace() && !first.is_control() {
            out.push(first);
        }
        rest = &rest[length..];
    }
    out
}
