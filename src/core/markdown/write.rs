//! Writing: the neutral model to text. A line is written as simply as it can be, and read again to
//! see that it means the same; only where it does not, its marks are escaped.

use super::inline::{self, Kind};
use super::{ESCAPABLE, GLUE, fence, is_language, is_wordy, quotation};
use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};

/// Writes text for the Monster side; see the module's head for what survives.
pub fn write(text: &Text) -> String {
    let mut out = String::new();
    for (at, block) in text.blocks.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        match &block.kind {
            BlockKind::Paragraph(spans) => {
                let lines = lines_of(spans).into_iter().map(|line| write_line(&line));
                push_lines(&mut out, block, lines);
            }
            BlockKind::Code { language, text } => {
                let fence = "`".repeat(longest_row(text).max(2) + 1);
                let language = language.as_deref().filter(|language| is_language(language)).unwrap_or_default();
                let text = text.replace("\r\n", "\n").replace('\r', "\n");
                let code = text.split('\n').map(str::to_owned);
                let first = std::iter::once(format!("{fence}{language}"));
                push_lines(&mut out, block, first.chain(code).chain(std::iter::once(fence.clone())));
            }
        }
    }
    out
}

fn push_lines(out: &mut String, block: &Block, lines: impl Iterator<Item = String>) {
    for (at, line) in lines.enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if block.quote > 0 {
            out.extend(std::iter::repeat_n('>', usize::from(block.quote)));
            out.push(' ');
        }
        out.push_str(&line);
    }
}

fn longest_row(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or_default()
}

/// The spans of each line, as Markdown can have them.
fn lines_of(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut lines = vec![Vec::new()];
    for span in spans {
        let text = span.text.replace("\r\n", "\n").replace('\r', "\n");
        for (at, part) in text.split('\n').enumerate() {
            if at > 0 {
                lines.push(Vec::new());
            }
            if let Some(line) = lines.last_mut() {
                push_writable(line, part, &span.style);
            }
        }
    }
    lines
}

fn push_writable(line: &mut Vec<Span>, text: &str, style: &SpanStyle) {
    let text: String = text.chars().filter(|c| *c != GLUE).collect();
    let mut style = SpanStyle { underline: false, colour: None, ..style.clone() };
    let target = style.link.take();
    style.mention = style.mention.filter(|_| !style.mono && inline::mention_in(&text) == Some(&text));
    match target {
        Some(target) if inline::leads_somewhere(&target) && !target.contains(is_unwritable) => {
            style.link = Some(target);
            style.mention = None;
            inline::push(line, &text, &style);
        }
        Some(target) if target != text => {
            inline::push(line, &text, &style);
            let target: String = target.chars().filter(|c| !c.is_control()).collect();
            inline::push(line, &format!(" ({target})"), &SpanStyle::default());
        }
        _ => inline::push(line, &text, &style),
    }
}

fn is_unwritable(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == GLUE
}

fn write_line(spans: &[Span]) -> String {
    let simple = Writer::new(false).line(spans);
    let mut read = Vec::new();
    inline::parse(&simple, &mut read);
    if !begins_a_block(&simple) && means(&read, spans) {
        return simple;
    }
    let mut careful = Writer::new(true).line(spans);
    if begins_a_block(&careful) {
        careful.insert(0, if careful.starts_with('>') { '\\' } else { GLUE });
    }
    careful
}

fn begins_a_block(line: &str) -> bool {
    quotation(line).0 > 0 || fence(line).is_some()
}

/// True if what was read is what was meant, but for links and mentions that were found in it.
fn means(read: &[Span], meant: &[Span]) -> bool {
    let special = |span: &Span| span.style.link.is_some() || span.style.mention.is_some();
    let times = |spans: &[Span], wanted: &Span| spans.iter().filter(|span| *span == wanted).count();
    let mut specials = meant.iter().filter(|span| special(span));
    let kept = specials.all(|span| times(read, span) >= times(meant, span));
    kept && without_found(read) == without_found(meant)
}

fn without_found(spans: &[Span]) -> Vec<Span> {
    let mut out = Vec::new();
    for span in spans {
        let mut style = span.style.clone();
        style.link = style.link.filter(|link| *link != span.text);
        style.mention = None;
        inline::push(&mut out, &span.text, &style);
    }
    out
}

/// What was written last.
#[derive(Clone, Copy)]
enum Last {
    Text,
    Opened(char),
    Closed(char),
    /// A link or an address, which goes on with whatever stands beside it.
    Found,
}

struct Writer {
    out: String,
    open: Vec<Kind>,
    last: Last,
    careful: bool,
}

impl Writer {
    fn new(careful: bool) -> Self {
        Self { out: String::new(), open: Vec::new(), last: Last::Text, careful }
    }

    fn line(mut self, spans: &[Span]) -> String {
        for span in spans {
            let kept = self.open.iter().take_while(|kind| kind.is_in(&span.style)).count();
            self.close_down_to(kept);
            for kind in Kind::ALL {
                if kind.is_in(&span.style) && !self.open.contains(&kind) {
                    self.mark(kind, true);
                    self.open.push(kind);
                }
            }
            self.span(span);
        }
        self.close_down_to(0);
        self.out
    }

    fn close_down_to(&mut self, kept: usize) {
        while self.open.len() > kept {
            if let Some(kind) = self.open.pop() {
                self.mark(kind, false);
            }
        }
    }

    fn mark(&mut self, kind: Kind, opening: bool) {
        let c = kind.mark().chars().next().unwrap_or('*');
        self.before(c);
        let misread = match self.out.chars().next_back() {
            None | Some(GLUE) => false,
            Some(last) if last == c => true,
            Some(last) if opening => is_wordy(last),
            Some(last) => last.is_whitespace(),
        };
        if misread {
            self.out.push(GLUE);
        }
        self.out.push_str(kind.mark());
        self.last = if opening { Last::Opened(c) } else { Last::Closed(c) };
    }

    /// Sees to it that what begins with this character can follow.
    fn before(&mut self, first: char) {
        let misread = match self.last {
            Last::Text => false,
            Last::Opened(mark) => first.is_whitespace() || first == mark,
            Last::Closed(mark) => is_wordy(first) || first == mark,
            Last::Found => self.careful && !first.is_whitespace(),
        };
        if misread {
            self.out.push(GLUE);
        }
        self.last = Last::Text;
    }

    fn span(&mut self, span: &Span) {
        if let Some(target) = &span.style.link {
            return self.link(span, target);
        }
        if span.style.mention.is_some() {
            self.separate();
            self.before('@');
            self.out.push_str(&span.text);
            self.last = Last::Found;
        } else if span.style.mono {
            self.before('`');
            self.code(&span.text);
        } else {
            self.before(span.text.chars().next().unwrap_or(' '));
            self.words(&span.text, self.careful);
        }
    }

    /// Ends a word that what follows would otherwise belong to.
    fn separate(&mut self) {
        if self.careful && self.out.chars().next_back().is_some_and(|c| !c.is_whitespace()) {
            self.out.push(GLUE);
        }
    }

    fn link(&mut self, span: &Span, target: &str) {
        let bare = *target == span.text && !span.style.mono && inline::url_in(target) == Some(target);
        if bare {
            self.separate();
            self.before('h');
            self.out.push_str(target);
            self.last = Last::Found;
            return;
        }
        self.before('[');
        self.out.push('[');
        if span.style.mono {
            self.code(&span.text);
        } else {
            for c in span.text.chars() {
                let marks = if self.careful { ESCAPABLE } else { "[]\\" };
                if marks.contains(c) {
                    self.out.push('\\');
                }
                self.out.push(c);
            }
        }
        self.out.push_str("](");
        for c in target.chars() {
            if "()\\".contains(c) {
                self.out.push('\\');
            }
            self.out.push(c);
        }
        self.out.push(')');
    }

    fn code(&mut self, text: &str) {
        let mut length = 1;
        while text.split(|c| c != '`').any(|row| row.len() == length) {
            length += 1;
        }
        if self.out.ends_with('`') {
            self.out.push(GLUE);
        }
        let ticks = "`".repeat(length);
        let spaced = text.starts_with(' ') && text.ends_with(' ') && !text.trim_matches(' ').is_empty();
        let pad = if spaced || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
        for part in [&*ticks, pad, text, pad, &*ticks] {
            self.out.push_str(part);
        }
    }

    fn words(&mut self, text: &str, escape: bool) {
        if !escape {
            self.out.push_str(text);
            return;
        }
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            let next = characters.peek().copied();
            let special = match c {
                '`' | '[' | ']' => true,
                '\\' => next.is_none_or(|next| ESCAPABLE.contains(next)),
                '*' | '_' | '~' | '|' => {
                    // What stands around the whole row decides; inside a row each is escaped.
                    let before = self.out.chars().next_back();
                    before == Some(c) || next == Some(c) || next.is_none() || {
                        inline::opens(before, next) || inline::closes(before, next)
                    }
                }
                _ => false,
            };
            if special {
                self.out.push('\\');
            }
            self.out.push(c);
        }
    }
}
