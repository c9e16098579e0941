//! Reading: lines to blocks. What stands within a line is `inline`'s.

use super::inline;
use super::{GLUE, fence, is_language, quotation};
use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};
use std::collections::HashMap;

/// Reads Markdown-flavoured text. Every text can be read; what is no formatting is literal.
///
/// ```
/// use monster_gateway::core::markdown::parse;
///
/// assert_eq!(parse("a **b** snake_case").to_plain(), "a b snake_case");
/// ```
pub fn parse(text: &str) -> Text {
    if text.is_empty() {
        return Text::default();
    }
    if is_plain(text) {
        return Text::plain(text);
    }
    let text = if text.contains('\r') { &*text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    let lines: Vec<&str> = text.split('\n').collect();
    let mut reader = Reader { lines: &lines, fails: HashMap::new(), blocks: Vec::new() };
    reader.read();
    Text { blocks: reader.blocks }
}

/// True if there is nothing in it that could mean something else than itself.
fn is_plain(text: &str) -> bool {
    !text.bytes().any(|byte| b"\\*_~|`[@>\r".contains(&byte)) && !text.contains("://") && !text.contains(GLUE)
}

struct Reader<'t> {
    lines: &'t [&'t str],
    /// For (depth, length) of a fence: it is known not to be closed before this line.
    fails: HashMap<(usize, usize), usize>,
    blocks: Vec<Block>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let mut at = 0;
        let mut joins = false;
        while at < self.lines.len() {
            let (depth, line) = depth_of(self.lines[at]);
            if let Some((length, info)) = fence(line)
                && (info.is_empty() || is_language(info))
                && let Some(end) = self.closing(at, depth, length)
            {
                let code = self.lines[at + 1..end].iter().map(|line| unquoted(line, depth).unwrap_or_default());
                let text = code.collect::<Vec<_>>().join("\n");
                let language = (!info.is_empty()).then(|| info.to_owned());
                self.blocks.push(Block { quote: depth_mark(depth), kind: BlockKind::Code { language, text } });
                (at, joins) = (end + 1, false);
                continue;
            }
            self.paragraph_line(depth_mark(depth), line, joins);
            (at, joins) = (at + 1, true);
        }
    }

    /// The line that closes the fence of line `at`.
    fn closing(&mut self, at: usize, depth: usize, length: usize) -> Option<usize> {
        if self.fails.get(&(depth, length)).is_some_and(|until| at < *until) {
            return None;
        }
        let mut next = at + 1;
        while let Some(line) = self.lines.get(next).and_then(|line| unquoted(line, depth)) {
            if fence(line) == Some((length, "")) {
                return Some(next);
            }
            next += 1;
        }
        self.fails.insert((depth, length), next);
        None
    }

    fn paragraph_line(&mut self, quote: u8, line: &str, joins: bool) {
        match self.blocks.last_mut() {
            Some(Block { quote: above, kind: BlockKind::Paragraph(spans) }) if joins && *above == quote => {
                inline::push(spans, "\n", &SpanStyle::default());
                inline::parse(line, spans);
            }
            _ => {
                let mut spans: Vec<Span> = Vec::new();
                inline::parse(line, &mut spans);
                self.blocks.push(Block { quote, kind: BlockKind::Paragraph(spans) });
            }
        }
    }
}

/// Depth of a line, also where the marks have spaces between them (`> > a`).
fn depth_of(line: &str) -> (usize, &str) {
    let (mut depth, mut rest) = quotation(line);
    while depth > 0 && u8::try_from(depth).is_ok() {
        let (more, inner) = quotation(rest);
        if more == 0 {
            break;
        }
        (depth, rest) = (depth + more, inner);
    }
    (depth, rest)
}

/// The line without exactly so many marks of quotation.
fn unquoted(line: &str, depth: usize) -> Option<&str> {
    if depth == 0 {
        return Some(line);
    }
    let marks = line.get(..depth)?;
    let rest = &line[depth..];
    if !marks.bytes().all(|byte| byte == b'>') {
        return None;
    }
    rest.strip_prefix(' ').or_else(|| rest.is_empty().then_some(""))
}

fn depth_mark(depth: usize) -> u8 {
    u8::try_from(depth).unwrap_or(u8::MAX)
}
