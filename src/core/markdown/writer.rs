//! Writes a text as Markdown. Marks are escaped only where they would be read as marks: most
//! people read the text as it stands.

use super::DEEPEST_QUOTE;
use super::marks::{Mark, is_special};
use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};

/// Writes a text as Markdown. Styles that Markdown has no marks for are left out, words never are.
pub fn write(text: &Text) -> String {
    let mut out = String::new();
    for block in joined(text) {
        if !out.is_empty() {
            out.push('\n');
        }
        let body = match &block.kind {
            BlockKind::Paragraph(spans) => paragraph(spans, block.quote),
            BlockKind::Code { language, text } => code(language.as_deref(), text),
        };
        push_quoted(&mut out, &body, block.quote);
    }
    out
}

/// The blocks as Markdown tells them apart: cleaned, neighbouring paragraphs of one depth as one.
fn joined(text: &Text) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for block in &text.blocks {
        let quote = block.quote.min(DEEPEST_QUOTE);
        match (&block.kind, blocks.last_mut()) {
            (BlockKind::Code { language, text }, _) => {
                let kind = BlockKind::Code { language: language.clone(), text: super::clean(text) };
                blocks.push(Block { quote, kind });
            }
            (BlockKind::Paragraph(spans), Some(Block { quote: same, kind: BlockKind::Paragraph(before) }))
                if *same == quote =>
            {
                before.push(Span::plain("\n"));
                before.extend(spans.iter().map(writable));
            }
            (BlockKind::Paragraph(spans), _) => {
                blocks.push(Block { quote, kind: BlockKind::Paragraph(spans.iter().map(writable).collect()) });
            }
        }
    }
    blocks.iter_mut().for_each(merge);
    blocks
}

/// The span without what Markdown cannot say: colours, and who is mentioned (the name stays).
fn writable(span: &Span) -> Span {
    let style = SpanStyle { colour: None, mention: None, ..span.style.clone() };
    Span { text: super::clean(&span.text), style }
}

/// Makes neighbouring spans of one style one.
fn merge(block: &mut Block) {
    if let BlockKind::Paragraph(spans) = &mut block.kind {
        let mut merged: Vec<Span> = Vec::new();
        for span in spans.drain(..).filter(|span| !span.text.is_empty()) {
            match merged.last_mut() {
                Some(last) if last.style == span.style && span.style.link.is_none() => last.text.push_str(&span.text),
                _ => merged.push(span),
            }
        }
        *spans = merged;
    }
}

fn push_quoted(out: &mut String, body: &str, depth: u8) {
    if depth == 0 {
        out.push_str(body);
        return;
    }
    let marks = format!("{} ", ">".repeat(usize::from(depth)));
    out.push_str(&marks);
    out.push_str(&body.replace('\n', &format!("\n{marks}")));
}

fn code(language: Option<&str>, text: &str) -> String {
    let longest = text.split('\n').map(|line| line.len() - line.trim_start_matches('`').len()).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    let language = language.filter(|language| super::is_language(language)).unwrap_or_default();
    format!("{fence}{language}\n{text}\n{fence}")
}

/// Writes a paragraph in the plainest way that is read back as it is; if there is none, keeps the
/// words and lets go of styles.
fn paragraph(spans: &[Span], quote: u8) -> String {
    for escape in [false, true] {
        let written = spell(spans, escape);
        if reads_back(&written, spans, quote) {
            return written;
        }
    }
    let fewer: Vec<Span> = spans.iter().map(without_marks).collect();
    let mut block = Block { quote, kind: BlockKind::Paragraph(fewer) };
    merge(&mut block);
    let BlockKind::Paragraph(fewer) = block.kind else { return String::new() };
    let written = spell(&fewer, true);
    if reads_back(&written, &fewer, quote) { written } else { words_alone(spans) }
}

fn reads_back(written: &str, spans: &[Span], quote: u8) -> bool {
    let mut quoted = String::new();
    push_quoted(&mut quoted, written, quote);
    match &super::parse(&quoted).blocks[..] {
        [] => spans.is_empty(),
        [Block { quote: depth, kind: BlockKind::Paragraph(read) }] => *depth == quote && read == spans,
        _ => false,
    }
}

/// The span with its link and nothing else.
fn without_marks(span: &Span) -> Span {
    let style = SpanStyle { link: span.style.link.clone(), ..SpanStyle::default() };
    Span { text: span.text.clone(), style }
}

/// The words with every mark escaped, and where links lead in brackets behind their labels.
fn words_alone(spans: &[Span]) -> String {
    let text = Text { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(spans.to_vec()) }] };
    let mut out = String::new();
    push_escaped(&mut out, &super::clean(&text.to_plain()), true);
    out
}

fn spell(spans: &[Span], escape: bool) -> String {
    let mut out = String::new();
    let mut open: Vec<Mark> = Vec::new();
    for span in spans {
        let kept = open.iter().take_while(|mark| mark.is_on(&span.style)).count();
        open.drain(kept..).rev().for_each(|mark| out.push_str(mark.spelled()));
        for mark in Mark::ALL {
            if mark.is_on(&span.style) && !open.contains(&mark) {
                out.push_str(mark.spelled());
                open.push(mark);
            }
        }
        push_words(&mut out, span, escape);
    }
    open.into_iter().rev().for_each(|mark| out.push_str(mark.spelled()));
    out
}

fn push_words(out: &mut String, span: &Span, escape: bool) {
    match &span.style {
        SpanStyle { mono: true, .. } => out.push_str(&mono(&span.text)),
        SpanStyle { link: Some(link), .. } if *link == span.text => out.push_str(link),
        SpanStyle { link: Some(link), .. } => {
            out.push('[');
            push_escaped(out, &span.text, true);
            out.push_str("](");
            out.push_str(link);
            out.push(')');
        }
        _ => push_escaped(out, &span.text, escape),
    }
}

fn push_escaped(out: &mut String, text: &str, escape: bool) {
    for character in text.chars() {
        if escape && is_special(character) {
            out.push('\\');
        }
        out.push(character);
    }
}

fn mono(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']);
    if pad { format!("{fence} {text} {fence}") } else { format!("{fence}{text}{fence}") }
}
