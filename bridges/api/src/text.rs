//! The one neutral model of formatted text, between the networks' own: mIRC codes, HTML,
//! XEP-0393 styling and the Markdown of Monster messages.
//!
//! It is flat on purpose. Text from outside can nest a thousand quotes; a depth is a number here,
//! not a stack.

use serde::{Deserialize, Serialize};

/// Formatted text: blocks, one below the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text {
    /// The blocks in reading order.
    pub blocks: Vec<Block>,
}

/// A paragraph or a block of code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// How many levels of quotation it stands in; 0 is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub quote: u8,
    /// What it holds.
    #[serde(flatten)]
    pub kind: BlockKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(depth: &u8) -> bool {
    *depth == 0
}

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// Running text; a `\n` inside a span is a line break.
    Paragraph(Vec<Span>),
    /// Text shown as it is, in a fixed-width face.
    Code {
        /// The language, where one was named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// The lines, without a final `\n`.
        text: String,
    },
}

/// A stretch of text in one style.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The words.
    pub text: String,
    /// How they look.
    #[serde(flatten)]
    pub style: SpanStyle,
}

/// How a stretch of text looks. The default is plain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "styles are independent of each other")]
pub struct SpanStyle {
    /// Bold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bold: bool,
    /// Italic.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub italic: bool,
    /// Underlined.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub underline: bool,
    /// Struck through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strike: bool,
    /// In a fixed-width face.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mono: bool,
    /// Hidden until the reader asks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spoiler: bool,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whom it names: the person's id as the core knows them (their Monster address), or for what
    /// comes from a bridge, the network's own id of the user. The text is the name people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mention: Option<String>,
    /// Colour of the letters, where the network has colours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
}

/// A colour as red, green and blue, 0–255 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Text {
    /// Text without any formatting.
    pub fn plain(words: impl Into<String>) -> Self {
        let span = Span { text: words.into(), style: SpanStyle::default() };
        Self { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(vec![span]) }] }
    }

    /// The words alone, blocks and line breaks as `\n`: for excerpts, logs of lengths and networks
    /// that have nothing else. A link whose text is not its target keeps the target in brackets.
    pub fn to_plain(&self) -> String {
        let mut out = String::new();
        for block in &self.blocks {
            if !out.is_empty() {
                out.push('\n');
            }
            let start = out.len();
            match &block.kind {
                BlockKind::Paragraph(spans) => spans.iter().for_each(|span| span.push_plain(&mut out)),
                BlockKind::Code { text, .. } => out.push_str(text),
            }
            if block.quote > 0 {
                let marks = format!("{} ", ">".repeat(usize::from(block.quote)));
                let quoted = out[start..].replace('\n', &format!("\n{marks}"));
                out.truncate(start);
                out.push_str(&marks);
                out.push_str(&quoted);
            }
        }
        out
    }

    /// True if nothing would be seen.
    pub fn is_blank(&self) -> bool {
        self.to_plain().chars().all(is_invisible)
    }

    /// The first words, on one line, at most `characters_at_most` characters with an ellipsis where
    /// something was left out: for naming a message in words.
    pub fn excerpt(&self, characters_at_most: usize) -> String {
        let plain = self.to_plain();
        let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= characters_at_most {
            return line;
        }
        let mut cut: String = line.chars().take(characters_at_most.saturating_sub(1)).collect();
        cut.truncate(cut.trim_end().len());
        cut.push('…');
        cut
    }
}

/// True for spaces, control characters, and what Unicode has to steer the others without being seen
/// (`Default_Ignorable_Code_Point`, as far as it is used alone; U+2800 and U+3164 look like spaces).
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}')
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
        || matches!(c, '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

impl Span {
    /// A stretch without any style.
    pub fn plain(words: impl Into<String>) -> Self {
        Self { text: words.into(), style: SpanStyle::default() }
    }

    fn push_plain(&self, out: &mut String) {
        out.push_str(&self.text);
        if let Some(link) = &self.style.link
            && *link != self.text
        {
            out.push_str(" (");
            out.push_str(link);
            out.push(')');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_and_says_when_it_was_cut() {
        assert_eq!(Text::plain("one\ntwo  three").excerpt(40), "one two three");
        assert_eq!(Text::plain("one two three").excerpt(8), "one two…");
    }

    #[test]
    fn what_nobody_can_see_is_blank_and_any_letter_or_sign_is_not() {
        for blank in ["", " \t\n", "\u{a0}\u{3000}", "\u{200b}\u{feff}", "\u{0}\u{2}\u{f}", "\u{2066}\u{2069}\u{fe0f}"]
        {
            assert!(Text::plain(blank).is_blank(), "{blank:?}");
        }
        for seen in ["a", "\u{200b}.", "\u{202e}x", "👍", "—", "\u{fffd}"] {
            assert!(!Text::plain(seen).is_blank(), "{seen:?}");
        }
    }

    #[test]
    fn a_quote_keeps_its_marks_on_every_line() {
        let mut text = Text::plain("a\nb");
        text.blocks[0].quote = 2;
        assert_eq!(text.to_plain(), ">> a\n>> b");
    }
}
