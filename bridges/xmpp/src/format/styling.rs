//! Message styling (XEP-0393): `*strong*`, `_emphasis_`, `~strike~`, `` `mono` ``, `> quotes` and
//! blocks of code between lines of three backticks.

use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};

/// Quotes within quotes beyond this are words.
const DEPTH: u8 = 8;
const FENCE: &str = "```";

/// Words with their styling as text.
pub(crate) fn read(body: &str) -> Text {
    let mut text = Text::default();
    let mut lines = body.split('\n').map(|line| line.trim_end_matches('\r')).peekable();
    let mut paragraph: Option<(u8, String)> = None;
    while let Some(line) = lines.next() {
        let (depth, words) = unquote(line);
        if let Some(language) = words.strip_prefix(FENCE) {
            end(&mut text, paragraph.take());
            let mut code = Vec::new();
            while let Some(next) = lines.next_if(|next| unquote(next).0 >= depth) {
                let next = strip(next, depth);
                if next == FENCE {
                    break;
                }
                code.push(next.to_owned());
            }
            let language = Some(language.trim()).filter(|language| !language.is_empty()).map(str::to_owned);
            text.blocks.push(Block { quote: depth, kind: BlockKind::Code { language, text: code.join("\n") } });
            continue;
        }
        match &mut paragraph {
            Some((before, lines)) if *before == depth => {
                lines.push('\n');
                lines.push_str(words);
            }
            _ => {
                end(&mut text, paragraph.take());
                paragraph = Some((depth, words.to_owned()));
            }
        }
    }
    end(&mut text, paragraph);
    text
}

fn end(text: &mut Text, paragraph: Option<(u8, String)>) {
    let Some((quote, words)) = paragraph else { return };
    let mut spans = Vec::new();
    for (index, line) in words.split('\n').enumerate() {
        if index > 0 {
            push(&mut spans, "\n", &SpanStyle::default());
        }
        read_line(line, &SpanStyle::default(), &mut spans);
    }
    text.blocks.push(Block { quote, kind: BlockKind::Paragraph(spans) });
}

/// How deep a line is quoted, and what is quoted.
fn unquote(line: &str) -> (u8, &str) {
    let (mut depth, mut rest) = (0, line);
    while depth < DEPTH
        && let Some(inside) = rest.strip_prefix('>')
    {
        depth += 1;
        rest = inside.strip_prefix(' ').unwrap_or(inside);
    }
    (depth, rest)
}

fn strip(line: &str, depth: u8) -> &str {
    let mut rest = line;
    for _ in 0..depth {
        rest = rest.strip_prefix('>').unwrap_or(rest);
        rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    rest
}

/// One line's spans, without recursion beyond the four styles that there are.
fn read_line(line: &str, style: &SpanStyle, spans: &mut Vec<Span>) {
    let mut rest = line;
    let mut plain = 0;
    let mut before: Option<char> = None;
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        let opens = before.is_none_or(|b| b.is_whitespace() || is_mark(b));
        if opens
            && is_mark(c)
            && let Some(inside) = closed(&rest[at + 1..], c)
            && let Some(styled) = with_mark(style, c)
        {
            push(spans, &rest[plain..at], style);
            if c == '`' {
                push(spans, inside, &styled);
            } else {
                read_line(inside, &styled, spans);
            }
            let after = at + 2 + inside.len();
            rest = &rest[after..];
            (plain, at, before) = (0, 0, Some(c));
            continue;
        }
        before = Some(c);
        at += c.len_utf8();
    }
    push(spans, &rest[plain..], style);
}

const fn is_mark(c: char) -> bool {
    matches!(c, '*' | '_' | '~' | '`')
}

/// What stands before the mark that closes a span: something, with no space at either end.
fn closed(after: &str, mark: char) -> Option<&str> {
    let first = after.chars().next()?;
    if first.is_whitespace() {
        return None;
    }
    let at = after.match_indices(mark).map(|(at, _)| at).find(|at| {
        let inside = &after[..*at];
        !inside.is_empty() && !inside.ends_with(char::is_whitespace)
    })?;
    Some(&after[..at])
}

/// The style with one more mark; `None` if it has it already.
fn with_mark(style: &SpanStyle, mark: char) -> Option<SpanStyle> {
    let mut styled = style.clone();
    let flag = match mark {
        '*' => &mut styled.bold,
        '_' => &mut styled.italic,
        '~' => &mut styled.strike,
        _ => &mut styled.mono,
    };
    (!std::mem::replace(flag, true)).then_some(styled)
}

pub(super) fn push(spans: &mut Vec<Span>, words: &str, style: &SpanStyle) {
    if words.is_empty() {
        return;
    }
    match spans.last_mut() {
        Some(last) if last.style == *style => last.text.push_str(words),
        _ => spans.push(Span { text: words.to_owned(), style: style.clone() }),
    }
}

/// Text as words with styling; and whether the words are to be read as styling. (Where they are not,
/// the message says so, so that a stray `*` stays one.)
pub(crate) fn write(text: &Text) -> (String, bool) {
    let (mut out, mut styled) = (String::new(), false);
    for block in &text.blocks {
        let mut words = String::new();
        match &block.kind {
            BlockKind::Paragraph(spans) => {
                for span in spans {
                    styled |= write_span(span, &mut words);
                }
            }
            BlockKind::Code { language, text } => {
                styled = true;
                words = format!("{FENCE}{}\n{text}\n{FENCE}", language.as_deref().unwrap_or_default());
            }
        }
        if !out.is_empty() {
            out.push('\n');
        }
        if block.quote == 0 {
            out.push_str(&words);
        } else {
            styled = true;
            let marks = format!("{} ", ">".repeat(usize::from(block.quote.min(DEPTH))));
            let quoted: Vec<String> = words.split('\n').map(|line| format!("{marks}{line}")).collect();
            out.push_str(&quoted.join("\n"));
        }
    }
    (out, styled)
}

fn write_span(span: &Span, out: &mut String) -> bool {
    let (style, words) = (&span.style, &span.text);
    let marks: String = [(style.bold, '*'), (style.italic, '_'), (style.strike, '~'), (style.mono, '`')]
        .iter()
        .filter_map(|(set, mark)| set.then_some(*mark))
        .collect();
    let core = words.trim();
    let fits = !marks.is_empty() && !core.is_empty() && !core.contains('\n');
    if fits {
        let start = words.len() - words.trim_start().len();
        out.push_str(&words[..start]);
        out.push_str(&marks);
        out.push_str(core);
        out.extend(marks.chars().rev());
        out.push_str(&words[start + core.len()..]);
    } else {
        out.push_str(words);
    }
    if let Some(link) = style.link.as_deref().filter(|link| *link != words.as_str()) {
        out.push_str(" (");
        out.push_str(link);
        out.push(')');
    }
    fits
}
