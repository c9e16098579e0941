//! Text from others, fit for a terminal: nothing in it can move the cursor, change colours, or make
//! one line look like several people's.

/// One line of it: names, addresses, errors.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) || c == '\t' { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Several lines of it, those after the first indented.
pub(super) fn lines(text: &str) -> String {
    let kept: String = text.chars().filter(|c| *c == '\n' || !is_harmful(*c)).collect();
    kept.trim_end().replace('\n', "\n      ")
}

/// Controls (escape sequences begin with one) and what turns the direction of writing.
fn is_harmful(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_escape() {
        assert_eq!(lines("a\u{1b}[2Jb\u{9b}c\u{7}\rd"), "a[2Jbcd");
        assert_eq!(one_line("bob\n[1] alice: hi\u{202e}"), "bob [1] alice: hi");
    }

    #[test]
    fn further_lines_are_indented_so_that_nobody_speaks_for_another() {
        assert_eq!(lines("one\n[2] alice: two\n"), "one\n      [2] alice: two");
    }

    #[test]
    fn letters_of_all_scripts_and_emoji_stay() {
        assert_eq!(lines("héllo 世界 👩‍👩‍👧"), "héllo 世界 👩‍👩‍👧");
    }
}
