//! Cuts what is said into lines that fit, counted in bytes as other clients will receive them: not
//! inside a grapheme, not inside a formatting code, at spaces where there are any, and with the
//! formatting that a cut would lose opened again. Called by the session, which knows how much room
//! its own prefix leaves.

use crate::{
    format::codes::{Code, RESET, SEPARATOR, State, code_at},
    proto::caps::MultilineLimits,
};
use unicode_segmentation::UnicodeSegmentation;

/// One message on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A line of its own.
    Line(String),
    /// A message of several lines (`draft/multiline`).
    Multiline(Vec<Piece>),
}

/// A line of a message of several lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The words.
    pub text: String,
    /// It goes on where the line before stopped, without a line break.
    pub concat: bool,
}

impl Unit {
    /// How many lines people see.
    pub fn line_count(&self) -> usize {
        match self {
            Self::Line(_) => 1,
            Self::Multiline(pieces) => pieces.len(),
        }
    }
}

/// The least room a line is cut to, whatever the prefix leaves.
const LEAST_ROOM: usize = 32;
/// The most bytes that closing the formatting at a cut takes.
const CLOSING: usize = 1;

/// Cuts a text into messages: one of several lines where `multiline` allows, else one for each line.
/// `room` is what a line has for its words, in bytes.
pub fn plan(text: &str, room: usize, multiline: Option<MultilineLimits>) -> Vec<Unit> {
    let single = lines(text, room);
    match multiline {
        Some(limits) if single.len() > 1 && limits.max_bytes >= room && limits.max_lines > 1 => {
            batches(text, room, limits)
        }
        _ => single.into_iter().map(Unit::Line).collect(),
    }
}

/// Cuts a text into lines of at most `room` bytes. Lines without words are left out: IRC has none.
pub fn lines(text: &str, room: usize) -> Vec<String> {
    let cut = text.split('\n').flat_map(|line| cut_line(line, room, false));
    cut.map(|piece| piece.text).filter(|line| !is_blank(line)).collect()
}

/// How many bytes of a line are left for the words of a message: `line_len` without the sender's
/// prefix (`source_len`, as others see it), the command, the target and what is between them.
pub fn room(line_len: usize, source_len: usize, command: &str, target: &str) -> usize {
    let around =
        ":".len() + source_len + " ".len() + command.len() + " ".len() + target.len() + " :".len() + "\r\n".len();
    line_len.saturating_sub(around).max(LEAST_ROOM)
}

/// True if nothing of the line would be seen.
pub fn is_blank(line: &str) -> bool {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        match code_at(rest) {
            Some((_, length)) => rest = &rest[length..],
            None if first.is_whitespace() || first.is_control() => rest = &rest[first.len_utf8()..],
            None => return false,
        }
    }
    true
}

/// Puts lines into as few messages as the limits allow.
fn batches(text: &str, room: usize, limits: MultilineLimits) -> Vec<Unit> {
    let text = text.trim_matches('\n');
    let mut units = Vec::new();
    let mut open: Vec<Piece> = Vec::new();
    let mut bytes = 0;
    for mut piece in text.split('\n').flat_map(|line| cut_line(line, room, true)) {
        let size = piece.text.len() + usize::from(!piece.concat && !open.is_empty());
        if !open.is_empty() && (bytes + size > limits.max_bytes || open.len() >= limits.max_lines) {
            close(&mut units, &mut open);
            bytes = 0;
        }
        piece.concat &= !open.is_empty();
        bytes += piece.text.len() + usize::from(!piece.concat && !open.is_empty());
        open.push(piece);
    }
    close(&mut units, &mut open);
    units
}

/// Makes a message of the lines; blank ones at its ends, and one that is blank as a whole, are left
/// out (the specification forbids the latter).
fn close(units: &mut Vec<Unit>, open: &mut Vec<Piece>) {
    let mut pieces = std::mem::take(open);
    while pieces.last().is_some_and(|piece| is_blank(&piece.text)) {
        pieces.pop();
    }
    let blank = pieces.iter().take_while(|piece| is_blank(&piece.text)).count();
    pieces.drain(..blank);
    if let Some(first) = pieces.first_mut() {
        first.concat = false;
    }
    match pieces.len() {
        0 => {}
        1 => units.extend(pieces.into_iter().map(|piece| Unit::Line(piece.text))),
        _ => units.push(Unit::Multiline(pieces)),
    }
}

/// Cuts one line. With `whole`, the pieces put together are the line again (a space at a cut stays,
/// and formatting is closed before it); without, a space at a cut is left out.
fn cut_line(line: &str, room: usize, whole: bool) -> Vec<Piece> {
    let line = sendable(line);
    let mut cutter = Cutter {
        room: room.max(LEAST_ROOM) - if whole { CLOSING } else { 0 },
        whole,
        pieces: Vec::new(),
        open: String::new(),
        bare: 0,
        state: State::default(),
    };
    let words = line.split(' ').peekable();
    let mut first = true;
    for word in words {
        if !std::mem::take(&mut first) {
            cutter.space();
        }
        cutter.word(word);
    }
    cutter.finish()
}

/// The line without what ends a line or begins a CTCP. Where that stood between a colour's code and a
/// digit, codes without effect take its place: the digit is no part of the colour.
fn sendable(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut after_colour, mut gap) = (false, false);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let code = code_at(rest);
        let (now, after) = rest.split_at(code.map_or(first.len_utf8(), |(_, length)| length));
        rest = after;
        if matches!(first, '\r' | '\0' | '\x01') {
            gap = true;
            continue;
        }
        let could_be_colour = first == ',' || first.is_ascii_hexdigit();
        if after_colour && gap && could_be_colour {
            out.push_str(SEPARATOR);
            after_colour = false;
        }
        out.push_str(now);
        let is_colour = matches!(code, Some((Code::Colours(..), _)));
        (after_colour, gap) = (is_colour || (after_colour && could_be_colour), false);
    }
    out
}

struct Cutter {
    room: usize,
    whole: bool,
    pieces: Vec<Piece>,
    open: String,
    /// How much of `open` is formatting opened again after a cut.
    bare: usize,
    state: State,
}

impl Cutter {
    fn space(&mut self) {
        if self.open.len() < self.room {
            self.open.push(' ');
        } else if self.whole {
            self.cut("");
            self.open.push(' ');
        }
    }

    fn word(&mut self, word: &str) {
        if self.open.len() + word.len() <= self.room {
            return self.add(word);
        }
        let mut reopened = String::new();
        State::default().write_change(&self.state, word, &mut reopened);
        if self.open.len() > self.bare && reopened.len() + word.len() <= self.room {
            self.drop_space();
            self.cut(word);
            return self.add(word);
        }
        self.fill(word);
    }

    /// Adds what fits, following the codes in it.
    fn add(&mut self, word: &str) {
        let mut rest = word;
        while let Some(first) = rest.chars().next() {
            let length = match code_at(rest) {
                Some((code, length)) => {
                    self.state.apply(code);
                    length
                }
                None => first.len_utf8(),
            };
            rest = &rest[length..];
        }
        self.open.push_str(word);
    }

    /// Cuts a word that is longer than a line between graphemes, or between characters where one
    /// grapheme is longer than a line.
    fn fill(&mut self, word: &str) {
        let mut rest = word;
        while !rest.is_empty() {
            let next = match code_at(rest) {
                Some((_, length)) => &rest[..length],
                None => rest.graphemes(true).next().unwrap_or(rest),
            };
            rest = &rest[next.len()..];
            if self.open.len() + next.len() > self.room && self.open.len() > self.bare {
                self.cut(next);
            }
            if self.open.len() + next.len() <= self.room {
                self.add(next);
                continue;
            }
            for c in next.chars() {
                if self.open.len() + c.len_utf8() > self.room {
                    self.cut(next);
                }
                self.open.push(c);
            }
        }
    }

    /// Ends the piece and opens the next one in the same formatting; `next` is what follows.
    fn cut(&mut self, next: &str) {
        let mut text = std::mem::take(&mut self.open);
        if self.whole && !self.state.is_plain() {
            text.push(RESET);
        }
        let concat = !self.pieces.is_empty();
        self.pieces.push(Piece { text, concat });
        State::default().write_change(&self.state, next, &mut self.open);
        if self.open.len() * 2 > self.room {
            // In so little room the words come first.
            self.open.clear();
            self.state = State::default();
        }
        self.bare = self.open.len();
    }

    /// Leaves the space before a cut out, unless the pieces are to be the whole again.
    fn drop_space(&mut self) {
        if !self.whole && self.open.len() > self.bare && self.open.ends_with(' ') {
            self.open.pop();
        }
    }

    fn finish(mut self) -> Vec<Piece> {
        let concat = !self.pieces.is_empty();
        if !concat || self.open.len() > self.bare {
            self.pieces.push(Piece { text: self.open, concat });
        }
        self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The words without codes and white space.
    fn letters(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((_, length)) = code_at(rest) {
                rest = &rest[length..];
            } else {
                if !first.is_whitespace() && !first.is_control() {
                    out.push(first);
                }
                rest = &rest[first.len_utf8()..];
            }
        }
        out
    }

    #[test]
    fn a_word_of_600_bytes_fills_its_lines() {
        let text = format!("see {}", "x".repeat(600));
        let lines = lines(&text, 400);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [400, 204]);
    }

    #[test]
    fn a_word_that_fits_a_line_is_not_cut() {
        let url = format!("https://example.org/{}", "x".repeat(60));
        assert_eq!(
            lines(&format!("some words before {url} and after"), 86),
            ["some words before", &format!("{url} and"), "after"]
        );
    }

    #[test]
    fn two_hundred_and_fifty_cjk_characters_arrive_whole() {
        let text = "汉字".repeat(125);
        let lines = lines(&text, 410);
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [408, 342]);
        assert_eq!(lines.concat(), text);
    }

    #[test]
    fn a_grapheme_is_not_cut_unless_it_alone_is_longer_than_a_line() {
        let family = "👨‍👩‍👧‍👦";
        for line in lines(&family.repeat(10), 60) {
            assert_eq!(letters(&line).replace(family, ""), "");
        }
        let zalgo = format!("a{}", "\u{301}".repeat(100));
        let cut = lines(&zalgo, 50);
        assert!(cut.iter().all(|line| line.len() <= 50));
        assert_eq!(cut.concat(), zalgo);
    }

    #[test]
    fn formatting_goes_on_after_a_cut() {
        let text = format!("\x02\x0304,01{}\x0f end", "word ".repeat(20));
        let cut = lines(&text, 40);
        assert!(cut[1..].iter().take(cut.len() - 2).all(|line| line.starts_with("\x02\x0304,01word")), "{cut:?}");
        assert!(cut.last().unwrap().ends_with("\x0f end"));
        let cut = lines(&format!("\x0304x{}", ",5".repeat(40)), 40);
        assert_eq!(letters(&cut.concat()), format!("x{}", ",5".repeat(40)));
    }

    #[test]
    fn blank_lines_are_left_out_of_single_lines_and_kept_inside_a_message() {
        assert_eq!(lines("a\n\n \x02 \nb\n", 100), ["a", "b"]);
        let limits = MultilineLimits { max_bytes: 4096, max_lines: 10 };
        let piece = |text: &str| Piece { text: text.into(), concat: false };
        assert_eq!(plan("\na\n\nb\n\n", 100, Some(limits)), [Unit::Multiline(vec![piece("a"), piece(""), piece("b")])]);
        assert_eq!(plan("\n\n\n", 100, Some(limits)), []);
        assert_eq!(plan("a\n\n", 100, Some(limits)), [Unit::Line("a".into())]);
    }

    #[test]
    fn what_does_not_fit_one_message_becomes_several() {
        let limits = MultilineLimits { max_bytes: 300, max_lines: 3 };
        let units = plan("1\n2\n3\n4\n5\n6\n7", 100, Some(limits));
        assert_eq!(units.len(), 3);
        assert_eq!(units[2], Unit::Line("7".into()));
        let units = plan(&"x".repeat(1_000), 100, Some(limits));
        for unit in &units {
            let Unit::Multiline(pieces) = unit else { continue };
            assert!(pieces.len() <= 3 && !pieces[0].concat && pieces[1..].iter().all(|piece| piece.concat));
        }
    }

    #[test]
    fn nothing_that_ends_a_line_or_begins_a_ctcp_stays() {
        assert_eq!(lines("\x01VERSION\x01\r\na\0b\rQUIT", 100), ["VERSION", "abQUIT"]);
        assert_eq!(lines("x\x03\x0004", 100), ["x\x03\x02\x0204"]);
        assert_eq!(lines("x\x04ff880\x000", 100), ["x\x04ff880\x02\x020"]);
        assert_eq!(lines("x\x0304,\x009", 100), ["x\x0304,\x02\x029"]);
    }

    #[test]
    fn room_is_what_other_clients_leave() {
        let line = ":nick!~user@host.example PRIVMSG #chan :\r\n";
        assert_eq!(room(512, "nick!~user@host.example".len(), "PRIVMSG", "#chan"), 512 - line.len());
        assert_eq!(room(10, 100, "PRIVMSG", "#chan"), LEAST_ROOM);
    }

    fn text() -> impl Strategy<Value = String> {
        "([a-zé汉👩🏽‍🔬,5]{0,30}[ \\n\\x02\\x03\\x1d\\x0f]{0,2}(\\x0304,5)?){0,8}"
    }

    proptest! {
        #[test]
        fn lines_fit_and_keep_every_letter(text in text(), room in LEAST_ROOM..120) {
            let cut = lines(&text, room);
            prop_assert!(cut.iter().all(|line| line.len() <= room && !is_blank(line)));
            prop_assert_eq!(letters(&cut.join("\n")), letters(&text));
        }

        #[test]
        fn messages_of_several_lines_fit_and_are_the_text_again(
            text in text(), room in LEAST_ROOM..120, max_bytes in 120usize..600, max_lines in 2usize..9,
        ) {
            let units = plan(&text, room, Some(MultilineLimits { max_bytes, max_lines }));
            let mut all = String::new();
            for unit in &units {
                all.push('\n');
                match unit {
                    Unit::Line(line) => { prop_assert!(line.len() <= room); all.push_str(line); }
                    Unit::Multiline(pieces) => {
                        let bytes: usize = pieces.iter().map(|piece| piece.text.len() + usize::from(!piece.concat)).sum();
                        prop_assert!(bytes - 1 <= max_bytes && pieces.len() <= max_lines && pieces.len() > 1);
                        prop_assert!(pieces.iter().all(|piece| piece.text.len() <= room));
                        for piece in pieces {
                            all.push_str(if piece.concat { "" } else { "\n" });
                            all.push_str(&piece.text);
                        }
                    }
                }
            }
            prop_assert_eq!(letters(&all), letters(&text));
        }

        #[test]
        fn a_plain_line_cut_for_a_message_is_the_line_again(line in "[a-zé汉 ]{0,300}", room in LEAST_ROOM..120) {
            let whole: String = cut_line(&line, room, true).into_iter().map(|piece| piece.text).collect();
            prop_assert_eq!(whole, line);
        }
    }
}
