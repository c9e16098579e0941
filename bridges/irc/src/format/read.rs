//! From mIRC codes to the neutral text: styles, links, mentions, quotes, blocks of code.

use super::{
    codes::{Ink, State, code_at},
    palette,
};
use monster_bridge_api::{Block, BlockKind, Colour, Span, SpanStyle, Text};

/// Deeper quotes are shown at this depth.
const MAX_QUOTE: usize = 9;

/// Reads a message with mIRC codes (`\n` between its lines). `mention` gives the user's network id
/// for a word that is the nick of somebody present. Control characters that are no codes are left
/// out; the ground colour is not kept, except that letters of the ground's colour are a spoiler.
pub fn to_text(message: &str, mention: &dyn Fn(&str) -> Option<String>) -> Text {
    let mut lines = message.split('\n').map(|line| unquote(styled(line))).peekable();
    let mut blocks: Vec<Block> = Vec::new();
    while let Some((quote, spans)) = lines.next() {
        if is_code(&spans) {
            let mut code = join(&spans);
            let mut is_block = false;
            while let Some((_, more)) = lines.next_if(|(depth, more)| *depth == quote && is_code(more)) {
                is_block = true;
                code.push('\n');
                code.push_str(&join(&more));
            }
            if is_block {
                blocks.push(Block { quote, kind: BlockKind::Code { language: None, text: code } });
                continue;
            }
        }
        let spans = spans.into_iter().flat_map(|span| detect(span, mention)).collect();
        add_line(&mut blocks, quote, spans);
    }
    Text { blocks }
}

/// True for a line that stands wholly in a fixed-width face; two or more of them are a block of code.
fn is_code(spans: &[Span]) -> bool {
    let mono = SpanStyle { mono: true, ..SpanStyle::default() };
    !spans.is_empty() && spans.iter().all(|span| span.style == mono)
}

fn join(spans: &[Span]) -> String {
    spans.iter().map(|span| span.text.as_str()).collect()
}

/// Takes one line apart where its style changes.
fn styled(line: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut state = State::default();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some((code, length)) = code_at(rest) {
            state.apply(code);
            rest = &rest[length..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        if first.is_control() && first != '\t' {
            continue;
        }
        let style = style_of(&state);
        match spans.last_mut().filter(|span| span.style == style) {
            Some(span) => span.text.push(first),
            None => spans.push(Span { text: first.to_string(), style }),
        }
    }
    spans
}

fn style_of(state: &State) -> SpanStyle {
    let spoiler = state.ink.is_some() && state.ink == state.ground;
    let shown = if state.reverse { state.ground } else { state.ink };
    SpanStyle {
        bold: state.bold,
        italic: state.italic,
        underline: state.underline,
        strike: state.strike,
        mono: state.mono,
        spoiler,
        colour: shown.filter(|_| !spoiler).and_then(colour_of),
        ..SpanStyle::default()
    }
}

fn colour_of(ink: Ink) -> Option<Colour> {
    match ink {
        Ink::Palette(number) => palette::colour_of(number),
        Ink::Rgb(red, green, blue) => Some(Colour(red, green, blue)),
    }
}

/// Takes the marks of a quotation (`> `, `>> `) from the front of a line. (A tab is written as a
/// space, so it is read as one here.)
fn unquote(mut spans: Vec<Span>) -> (u8, Vec<Span>) {
    let Some(first) = spans.first_mut().filter(|span| span.style == SpanStyle::default()) else { return (0, spans) };
    let depth = first.text.bytes().take_while(|byte| *byte == b'>').count();
    if depth == 0 || depth > MAX_QUOTE || !matches!(first.text.as_bytes().get(depth), Some(b' ' | b'\t')) {
        return (0, spans);
    }
    first.text.drain(..=depth);
    if first.text.is_empty() {
        spans.remove(0);
    }
    (u8::try_from(depth).unwrap_or(0), spans)
}

/// Takes links and mentions out of a span. In a fixed-width face only links are looked for.
fn detect(span: Span, mention: &dyn Fn(&str) -> Option<String>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    let mut plain = String::new();
    for word in words(&span.text) {
        let found = link_in(word).map(|(at, link)| (at, link, true)).or_else(|| {
            let (at, nick) = nick_in(word).filter(|_| !span.style.mono)?;
            mention(nick).map(|_| (at, nick, false))
        });
        let Some((at, found, is_link)) = found else {
            plain.push_str(word);
            continue;
        };
        plain.push_str(&word[..at]);
        if !plain.is_empty() {
            out.push(Span { text: std::mem::take(&mut plain), style: span.style.clone() });
        }
        let mut style = span.style.clone();
        if is_link {
            style.link = Some(found.to_owned());
        } else {
            style.mention = mention(found);
        }
        out.push(Span { text: found.to_owned(), style });
        plain.push_str(&word[at + found.len()..]);
    }
    if !plain.is_empty() {
        out.push(Span { text: plain, style: span.style });
    }
    out
}

/// The words of a text, each with the white space after it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// A web address in a word, without the punctuation around it.
fn link_in(word: &str) -> Option<(usize, &str)> {
    let start = ["https://", "http://"].iter().filter_map(|scheme| word.find(scheme)).min()?;
    let mut link = word[start..].trim_end();
    if let Some(end) = link.find(['<', '>', '"']) {
        link = &link[..end];
    }
    loop {
        let shorter = link.strip_suffix(['.', ',', ';', ':', '!', '?', '\'', '*', '…']);
        let shorter = shorter.or_else(|| unbalanced(link, '(', ')')).or_else(|| unbalanced(link, '[', ']'));
        match shorter {
            Some(shorter) => link = shorter,
            None => break,
        }
    }
    let host = link.split_once("://").map_or("", |(_, rest)| rest);
    host.starts_with(|c: char| c.is_alphanumeric() || c == '[').then_some((start, link))
}

fn unbalanced(link: &str, open: char, close: char) -> Option<&str> {
    let shorter = link.strip_suffix(close)?;
    (link.matches(open).count() < link.matches(close).count()).then_some(shorter)
}

/// What could be a nick in a word: the word without an `@` in front and punctuation behind.
fn nick_in(word: &str) -> Option<(usize, &str)> {
    let trimmed = word.trim_end();
    let name = trimmed.strip_prefix('@').unwrap_or(trimmed);
    let start = trimmed.len() - name.len();
    let name = name.trim_end_matches([':', ',', '.', '!', '?', ';', ')']);
    (name.len() >= 2).then_some((start, name))
}

/// Puts a line below the ones before: into the same paragraph if it stands at the same depth.
fn add_line(blocks: &mut Vec<Block>, quote: u8, spans: Vec<Span>) {
    if let Some(Block { quote: depth, kind: BlockKind::Paragraph(open) }) = blocks.last_mut()
        && *depth == quote
    {
        let joined = open.last_mut().filter(|last| last.style.link.is_none() && last.style.mention.is_none());
        match joined {
            Some(last) => last.text.push('\n'),
            None => open.push(Span::plain("\n")),
        }
        let mut spans = spans.into_iter();
        if let Some(first) = spans.next() {
            match open.last_mut().filter(|last| last.style == first.style) {
                Some(last) => last.text.push_str(&first.text),
                None => open.push(first),
            }
        }
        open.extend(spans);
        return;
    }
    blocks.push(Block { quote, kind: BlockKind::Paragraph(spans) });
}
