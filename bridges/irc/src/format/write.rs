//! From the neutral text to mIRC codes. Every line stands for itself: it opens what it needs, since
//! others receive it alone.

use super::{
    codes::{Ink, State},
    palette,
};
use monster_bridge_api::{BlockKind, Span, SpanStyle, Text};

/// Writes text with mIRC codes, `\n` between lines. `name` gives the nick under which the person of
/// a mention is known here; without one the words of the mention stand. Control characters in the
/// words are left out, so nobody writes codes or a CTCP through the gateway.
pub fn from_text(text: &Text, name: &dyn Fn(&str) -> Option<String>) -> String {
    let mut writer = Writer::default();
    for (index, block) in text.blocks.iter().enumerate() {
        if index > 0 {
            writer.end_line();
        }
        writer.begin_block(block.quote);
        match &block.kind {
            BlockKind::Paragraph(spans) => spans.iter().for_each(|span| writer.span(span, name)),
            BlockKind::Code { text, .. } => {
                let style = SpanStyle { mono: true, ..SpanStyle::default() };
                writer.words(text, &style);
            }
        }
        // A quoted line without words keeps its mark.
        writer.begin_line();
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    state: State,
    marks: String,
    line_is_new: bool,
}

impl Writer {
    fn begin_block(&mut self, quote: u8) {
        self.marks = if quote == 0 { String::new() } else { format!("{} ", ">".repeat(usize::from(quote))) };
        self.line_is_new = true;
    }

    fn end_line(&mut self) {
        self.begin_line();
        self.out.push('\n');
        self.state = State::default();
        self.line_is_new = true;
    }

    fn begin_line(&mut self) {
        if std::mem::take(&mut self.line_is_new) {
            self.out.push_str(&self.marks);
        }
    }

    fn span(&mut self, span: &Span, name: &dyn Fn(&str) -> Option<String>) {
        let nick = span.style.mention.as_deref().and_then(name);
        let words = nick.as_deref().unwrap_or(&span.text);
        let Some(link) = &span.style.link else { return self.words(words, &span.style) };
        if words.trim().is_empty() || words == link {
            return self.words(link, &span.style);
        }
        self.words(words, &span.style);
        self.words(&format!(" ({link})"), &SpanStyle::default());
    }

    fn words(&mut self, words: &str, style: &SpanStyle) {
        for (index, line) in words.split('\n').enumerate() {
            if index > 0 {
                self.end_line();
            }
            let line: String = line.chars().filter_map(printable).collect();
            if line.is_empty() {
                continue;
            }
            self.begin_line();
            let wanted = state_of(style);
            self.state.write_change(&wanted, &line, &mut self.out);
            self.state = wanted;
            self.out.push_str(&line);
        }
    }
}

fn printable(c: char) -> Option<char> {
    match c {
        '\t' => Some(' '),
        _ if c.is_control() => None,
        _ => Some(c),
    }
}

fn state_of(style: &SpanStyle) -> State {
    let black = Ink::Palette(1);
    let colour = style.colour.map(|colour| Ink::Palette(palette::nearest(colour)));
    State {
        bold: style.bold,
        italic: style.italic,
        underline: style.underline,
        strike: style.strike,
        mono: style.mono,
        reverse: false,
        ink: if style.spoiler { Some(black) } else { colour },
        ground: style.spoiler.then_some(black),
    }
}
