//! The Markdown-flavoured text of Monster messages ⇄ the neutral model. Pure, and linear in the
//! length of the text, whatever it holds. Used by `body` and `words`; fuzzed as `formatting`.
//!
//! Reading is conservative: what people type without meaning it as formatting stays as typed
//! (`snake_case`, `2*3*4`, a lone `*`). A mark opens before something that is no space and not
//! right after a letter; it closes after something that is no space and not right before a letter.
//! Scripts without spaces between words (中文) know no such borders. Formatting ends with its line.
//!
//! | written | means |
//! | --- | --- |
//! | `**a**`, `*a*` or `_a_`, `~~a~~`, `\|\|a\|\|` | bold, italic, struck through, spoiler |
//! | `` `a` `` | fixed width; more backticks where the text holds some |
//! | a line of ` ``` `, and a further one | code block, with a language after the first |
//! | `[label](url)`, `https://…` | link |
//! | `@name:host` | mention |
//! | `> a`, `>> a` | quotation |
//! | `\*` | the character itself |
//!
//! Writing is the inverse: `parse(&write(text))` has the same words and formatting as `text`, but
//! for what Markdown lacks (underline, colour, names of mentions) and formatting of line breaks.
//! Where two marks would be misread beside each other, U+2060 (which nobody sees) stands between
//! them; it is never part of a text.

mod blocks;
mod inline;
mod write;

pub use blocks::parse;
pub use write::write;

/// Stands between marks; has no width and no meaning.
const GLUE: char = '\u{2060}';

/// Characters that a backslash makes literal.
const ESCAPABLE: &str = "\\*_~|`[]()>";

/// The longest row of backticks that begins a code block.
const LONGEST_FENCE: usize = 64;

/// True for letters and digits of scripts that write spaces between words.
fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() && !writes_no_spaces(c)
}

fn writes_no_spaces(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}

/// How deep a line is quoted, and the rest of it: `>` marks count where a space or the end follows.
fn quotation(line: &str) -> (usize, &str) {
    let rest = line.trim_start_matches('>');
    let depth = line.len() - rest.len();
    match rest.strip_prefix(' ') {
        _ if depth == 0 => (0, line),
        Some(rest) => (depth, rest),
        None if rest.is_empty() => (depth, rest),
        None => (0, line),
    }
}

/// The row of backticks that a line begins with, and what follows.
fn fence(line: &str) -> Option<(usize, &str)> {
    let rest = line.trim_start_matches('`');
    let length = line.len() - rest.len();
    ((3..=LONGEST_FENCE).contains(&length) && !rest.contains('`')).then_some((length, rest.trim()))
}

/// A word that names a language.
fn is_language(word: &str) -> bool {
    !word.is_empty() && word.len() <= 32 && word.chars().all(|c| c.is_ascii_alphanumeric() || "+-#._".contains(c))
}

#[cfg(test)]
mod tests;
