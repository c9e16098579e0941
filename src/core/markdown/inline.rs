//! Reading: one line to spans. A first pass finds what stands for itself (escapes, code, links,
//! addresses) and the marks; a second one pairs the marks, each at most once.

use super::{ESCAPABLE, GLUE, is_wordy};
use monster_bridge_api::{Span, SpanStyle};
use monster_protocol::Address;
use std::collections::HashMap;

/// The longest address that is looked for in a text, in bytes.
const LONGEST_MENTION: usize = 512;
/// What links may lead to.
const SCHEMES: [&str; 14] =
    ["http", "https", "mailto", "irc", "ircs", "xmpp", "matrix", "tel", "geo", "ws", "wss", "ftp", "sip", "magnet"];

/// A formatting that a pair of marks gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Spoiler,
    Strike,
    Bold,
    Italic,
}

impl Kind {
    /// The order in which they are opened.
    pub(super) const ALL: [Self; 4] = [Self::Spoiler, Self::Strike, Self::Bold, Self::Italic];

    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Spoiler => "||",
            Self::Strike => "~~",
            Self::Bold => "**",
            Self::Italic => "*",
        }
    }

    pub(super) fn is_in(self, style: &SpanStyle) -> bool {
        match self {
            Self::Spoiler => style.spoiler,
            Self::Strike => style.strike,
            Self::Bold => style.bold,
            Self::Italic => style.italic,
        }
    }

    fn set(self, style: &mut SpanStyle, on: bool) {
        match self {
            Self::Spoiler => style.spoiler = on,
            Self::Strike => style.strike = on,
            Self::Bold => style.bold = on,
            Self::Italic => style.italic = on,
        }
    }
}

enum Token<'t> {
    Text(&'t str),
    Spans(Vec<Span>),
    Mark { text: &'t str, kinds: &'static [Kind], opens: bool, closes: bool },
}

/// Reads a line and puts its spans behind those that are there.
pub(super) fn parse(line: &str, spans: &mut Vec<Span>) {
    emit(&tokens(line, false), spans);
}

/// Puts text behind, into the last span if it looks the same.
pub(super) fn push(spans: &mut Vec<Span>, text: &str, style: &SpanStyle) {
    if text.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.style == *style && style.mention.is_none() => last.text.push_str(text),
        _ => spans.push(Span { text: text.to_owned(), style: style.clone() }),
    }
}

struct Scanner<'t> {
    line: &'t str,
    at: usize,
    /// Where the text begins that is in no token yet.
    literal: usize,
    tokens: Vec<Token<'t>>,
    ticks: Ticks,
    /// No link's target ends before this.
    no_target_before: usize,
    in_label: bool,
}

/// The rows of backticks of a line, by length.
struct Ticks(HashMap<usize, Vec<usize>>);

impl Ticks {
    fn of(line: &str) -> Self {
        let mut rows: HashMap<usize, Vec<usize>> = HashMap::new();
        let (bytes, mut at) = (line.as_bytes(), 0);
        while at < bytes.len() {
            let length = bytes[at..].iter().take_while(|byte| **byte == b'`').count();
            if length > 0 {
                rows.entry(length).or_default().push(at);
            }
            at += length.max(1);
        }
        Self(rows)
    }

    /// Where the next row of exactly this length begins.
    fn next(&self, length: usize, from: usize) -> Option<usize> {
        let rows = self.0.get(&length)?;
        rows.get(rows.partition_point(|at| *at < from)).copied()
    }
}

fn tokens(line: &str, in_label: bool) -> Vec<Token<'_>> {
    let ticks = Ticks::of(line);
    let mut scanner = Scanner { line, at: 0, literal: 0, tokens: Vec::new(), ticks, no_target_before: 0, in_label };
    while let Some(c) = line[scanner.at..].chars().next() {
        if !scanner.special(c) {
            scanner.at += c.len_utf8();
        }
    }
    scanner.end_literal();
    scanner.tokens
}

impl<'t> Scanner<'t> {
    /// Takes what begins here, if it is more than a character; false if not.
    fn special(&mut self, c: char) -> bool {
        match c {
            '\\' => self.escape(),
            '`' => self.code(),
            '*' | '_' | '~' | '|' => self.mark(c),
            '[' if !self.in_label => self.link(),
            '@' if !self.in_label => self.mention(),
            'h' | 'H' if !self.in_label => self.bare_link(),
            GLUE => {
                self.end_literal();
                self.skip(c.len_utf8());
                true
            }
            _ => false,
        }
    }

    fn rest(&self) -> &'t str {
        &self.line[self.at..]
    }

    fn before(&self) -> Option<char> {
        self.line[..self.at].chars().next_back()
    }

    fn end_literal(&mut self) {
        if self.literal < self.at {
            self.tokens.push(Token::Text(&self.line[self.literal..self.at]));
        }
        self.literal = self.at;
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
        self.literal = self.at;
    }

    fn spans(&mut self, bytes: usize, spans: Vec<Span>) -> bool {
        self.end_literal();
        self.tokens.push(Token::Spans(spans));
        self.skip(bytes);
        true
    }

    fn escape(&mut self) -> bool {
        let Some(next) = self.rest()[1..].chars().next().filter(|next| ESCAPABLE.contains(*next)) else { return false };
        self.end_literal();
        // The character begins the next literal and is not looked at again.
        self.skip(1);
        self.at += next.len_utf8();
        true
    }

    fn code(&mut self) -> bool {
        let length = row_of(self.rest(), '`');
        let begin = self.at + length;
        let Some(end) = self.ticks.next(length, begin).filter(|end| *end > begin) else {
            self.at += length;
            return true;
        };
        let mut text = &self.line[begin..end];
        let padded = text.strip_prefix(' ').and_then(|text| text.strip_suffix(' '));
        if let Some(inner) = padded.filter(|inner| !inner.trim_matches(' ').is_empty()) {
            text = inner;
        }
        let text: String = text.chars().filter(|c| *c != GLUE).collect();
        let style = SpanStyle { mono: true, ..SpanStyle::default() };
        self.spans(end + length - self.at, vec![Span { text, style }])
    }

    fn mark(&mut self, c: char) -> bool {
        let length = row_of(self.rest(), c);
        let kinds: &'static [Kind] = match (c, length) {
            ('*' | '_', 1) => &[Kind::Italic],
            ('*', 2) => &[Kind::Bold],
            ('*', 3) => &[Kind::Bold, Kind::Italic],
            ('~', 2) => &[Kind::Strike],
            ('|', 2) => &[Kind::Spoiler],
            _ => &[],
        };
        let text = &self.rest()[..length];
        let (before, after) = (self.before(), self.rest()[length..].chars().next());
        let opens = !kinds.is_empty() && opens(before, after);
        let closes = !kinds.is_empty() && closes(before, after);
        if !opens && !closes {
            self.at += length;
            return true;
        }
        self.end_literal();
        self.tokens.push(Token::Mark { text, kinds, opens, closes });
        self.skip(length);
        true
    }

    /// `[label](target)`.
    fn link(&mut self) -> bool {
        let Some(label_end) = self.label_end() else { return false };
        let begin = label_end + 1;
        if !self.line[begin..].starts_with('(') || begin < self.no_target_before {
            return false;
        }
        let mut target = String::new();
        let mut characters = self.line[begin + 1..].char_indices();
        let end = loop {
            match characters.next() {
                Some((at, ')')) => break begin + 1 + at,
                Some((_, '\\')) => match characters.next() {
                    Some((_, c)) if ESCAPABLE.contains(c) => target.push(c),
                    Some((_, c)) if !c.is_whitespace() => target.extend(['\\', c]),
                    _ => return false,
                },
                Some((_, c)) if !c.is_whitespace() && !c.is_control() => target.push(c),
                found => {
                    self.no_target_before = found.map_or(self.line.len(), |(at, _)| begin + 1 + at);
                    return false;
                }
            }
        };
        if !leads_somewhere(&target) {
            return false;
        }
        let mut spans = Vec::new();
        emit(&tokens(&self.line[self.at + 1..label_end], true), &mut spans);
        if spans.is_empty() {
            return false;
        }
        for span in &mut spans {
            span.style.link = Some(target.clone());
        }
        self.spans(end + 1 - self.at, spans)
    }

    /// Where the label that begins here ends. It holds no other bracket outside of code, so that
    /// no stretch of the line is searched more than twice.
    fn label_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        while let Some(c) = self.line[at..].chars().next() {
            match c {
                ']' => return Some(at),
                '[' => return None,
                '\\' => {
                    let escaped = self.line[at + 1..].chars().next().filter(|next| ESCAPABLE.contains(*next));
                    at += 1 + escaped.map_or(0, char::len_utf8);
                }
                '`' => {
                    let length = row_of(&self.line[at..], '`');
                    at = self.ticks.next(length, at + length).map_or(at, |end| end) + length;
                }
                _ => at += c.len_utf8(),
            }
        }
        None
    }

    /// `@name:host`, where nothing but a space or an opening mark stands before it.
    fn mention(&mut self) -> bool {
        let begins = self.before().is_none_or(|c| c.is_whitespace() || c == GLUE || "([{*~|\"'".contains(c));
        let Some(text) = begins.then(|| mention_in(self.rest())).flatten() else { return false };
        let Ok(address) = text.parse::<Address>() else { return false };
        let style = SpanStyle { mention: Some(address.as_str().to_owned()), ..SpanStyle::default() };
        self.spans(text.len(), vec![Span { text: text.to_owned(), style }])
    }

    fn bare_link(&mut self) -> bool {
        if self.before().is_some_and(is_wordy) {
            return false;
        }
        let Some(url) = url_in(self.rest()) else { return false };
        let style = SpanStyle { link: Some(url.to_owned()), ..SpanStyle::default() };
        self.spans(url.len(), vec![Span { text: url.to_owned(), style }])
    }
}

fn row_of(text: &str, c: char) -> usize {
    text.len() - text.trim_start_matches(c).len()
}

/// True if a mark between these two can open.
pub(super) fn opens(before: Option<char>, after: Option<char>) -> bool {
    after.is_some_and(|c| !c.is_whitespace()) && !before.is_some_and(is_wordy)
}

/// True if a mark between these two can close.
pub(super) fn closes(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(|c| !c.is_whitespace()) && !after.is_some_and(is_wordy)
}

/// True for what a link may lead to.
pub(super) fn leads_somewhere(target: &str) -> bool {
    let Some((scheme, rest)) = target.split_once(':') else { return false };
    !rest.is_empty() && SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// The URL that a text begins with, without the punctuation behind it.
pub(super) fn url_in(text: &str) -> Option<&str> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))?;
    let mut end = scheme.len();
    let mut tilde = false;
    let (mut round, mut square) = (0_i64, 0_i64);
    for c in text[end..].chars() {
        if c.is_whitespace() || c.is_control() || "<>\"`*|\\".contains(c) || c == GLUE || (tilde && c == '~') {
            break;
        }
        tilde = c == '~';
        match c {
            '(' => round += 1,
            ')' => round -= 1,
            '[' => square += 1,
            ']' => square -= 1,
            _ => {}
        }
        end += c.len_utf8();
    }
    while let Some(c) = text[scheme.len()..end].chars().next_back() {
        match c {
            ')' if round < 0 => round += 1,
            ']' if square < 0 => square += 1,
            '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '_' | '~' | '。' | '，' | '）' => {}
            _ => break,
        }
        end -= c.len_utf8();
    }
    (end > scheme.len()).then(|| &text[..end])
}

/// The address that a text begins with, if its host looks like one.
pub(super) fn mention_in(text: &str) -> Option<&str> {
    let mut end = 0;
    for c in text.chars() {
        if c.is_whitespace() || c.is_control() || "<>()[]{}\"'|,;!?*~`\\".contains(c) || c == GLUE {
            break;
        }
        end += c.len_utf8();
        if end > LONGEST_MENTION {
            return None;
        }
    }
    let text = text[..end].trim_end_matches(['.', ':', '_']);
    let address: Address = text.parse().ok()?;
    let host = address.authority();
    let looks_like_one = host.host().contains('.') || (host.host() == "localhost" && host.port().is_some());
    looks_like_one.then_some(text)
}

/// Pairs the marks and makes spans.
fn emit(tokens: &[Token<'_>], spans: &mut Vec<Span>) {
    let paired = pair(tokens);
    let mut style = SpanStyle::default();
    for (token, changes) in tokens.iter().zip(paired) {
        match token {
            Token::Text(text) => push(spans, text, &style),
            Token::Spans(inner) => {
                for span in inner {
                    push(spans, &span.text, &within(&style, &span.style));
                }
            }
            Token::Mark { text, kinds, .. } => {
                for kind in *kinds {
                    match changes.iter().find(|(changed, _)| changed == kind) {
                        Some((kind, on)) => kind.set(&mut style, *on),
                        None => push(spans, if kinds.len() == 1 { text } else { kind.mark() }, &style),
                    }
                }
            }
        }
    }
}

/// A style inside of another.
fn within(outer: &SpanStyle, inner: &SpanStyle) -> SpanStyle {
    SpanStyle {
        bold: outer.bold || inner.bold,
        italic: outer.italic || inner.italic,
        strike: outer.strike || inner.strike,
        spoiler: outer.spoiler || inner.spoiler,
        ..inner.clone()
    }
}

/// For each token, the formattings that it begins (true) or ends (false).
fn pair(tokens: &[Token<'_>]) -> Vec<Vec<(Kind, bool)>> {
    let mut changes: Vec<Vec<(Kind, bool)>> = tokens.iter().map(|_| Vec::new()).collect();
    let mut open: Vec<(Kind, usize)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Mark { kinds, opens, closes, .. } = token else { continue };
        let lowest = kinds.iter().map(|kind| open.iter().position(|(known, _)| known == kind)).min().flatten();
        let all_open = kinds.iter().all(|kind| open.iter().any(|(known, _)| known == kind));
        if *closes
            && all_open
            && let Some(lowest) = lowest
        {
            // What was opened in between and not closed is literal.
            for (kind, began) in open.drain(lowest..) {
                if kinds.contains(&kind) {
                    changes[began].push((kind, true));
                    changes[at].push((kind, false));
                }
            }
        } else if *opens && !kinds.iter().any(|kind| open.iter().any(|(known, _)| known == kind)) {
            open.extend(kinds.iter().map(|kind| (*kind, at)));
        }
    }
    changes
}
