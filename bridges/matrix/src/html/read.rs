//! HTML → [`Text`].

use super::Naming;
use html5gum::{StartTag, Token, Tokenizer};
use monster_bridge_api::{Block, BlockKind, Colour, Span, SpanStyle, Text};
use percent_encoding::percent_decode_str;

/// How deep styles, quotes and lists count; what is deeper looks like this depth.
const DEEPEST: usize = 64;
/// The deepest quotation that is told.
const DEEPEST_QUOTE: u8 = 20;
/// The most spans that a text may have: a link in each second letter would be more spans than letters.
const MOST_SPANS: usize = 4_000;

/// The text that HTML stands for. Styles, links, quotes, lists, code and mentions survive; everything
/// else leaves its words. What is inside `<mx-reply>`, `<script>` or `<style>` is left out.
pub fn to_text(html: &str, naming: Naming<'_>) -> Text {
    let mut reader = Reader::new(naming);
    for token in Tokenizer::new(html) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.open(&tag),
            Token::EndTag(tag) => reader.close(&String::from_utf8_lossy(&tag.name)),
            Token::String(text) => reader.say(&String::from_utf8_lossy(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    reader.finish()
}

/// What an open element changes.
struct Open {
    name: String,
    style: SpanStyle,
}

/// A list that is open.
struct List {
    /// The number of the next entry; `None` without numbers.
    next: Option<u64>,
}

struct Reader<'a> {
    naming: Naming<'a>,
    blocks: Vec<Block>,
    spans: Vec<Span>,
    spans_made: usize,
    style: SpanStyle,
    open: Vec<Open>,
    lists: Vec<List>,
    quote: u8,
    /// How many elements are open that are left out.
    hidden: usize,
    /// What is inside `<pre>`, with the language where one was named.
    code: Option<(Option<String>, String)>,
}

impl<'a> Reader<'a> {
    fn new(naming: Naming<'a>) -> Self {
        Self {
            naming,
            blocks: Vec::new(),
            spans: Vec::new(),
            spans_made: 0,
            style: SpanStyle::default(),
            open: Vec::new(),
            lists: Vec::new(),
            quote: 0,
            hidden: 0,
            code: None,
        }
    }

    fn open(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        if self.hidden > 0 || matches!(name.as_str(), "mx-reply" | "script" | "style" | "title") {
            self.hidden += usize::from(matches!(name.as_str(), "mx-reply" | "script" | "style" | "title"));
            return;
        }
        match name.as_str() {
            "br" => return self.line_break(),
            "hr" => {
                self.end_block();
                self.word("———");
                return self.end_block();
            }
            "img" => return self.picture(tag),
            "p" | "div" | "table" | "tr" | "details" | "summary" | "dl" | "dt" | "dd" => self.end_block(),
            "td" | "th" if !self.spans.is_empty() => self.word("  "),
            "blockquote" => {
                self.end_block();
                self.quote = (self.quote + 1).min(DEEPEST_QUOTE);
            }
            "ul" | "ol" => {
                self.end_block();
                if self.lists.len() < DEEPEST {
                    let start = attribute(tag, "start").and_then(|start| start.parse().ok()).unwrap_or(1);
                    self.lists.push(List { next: (name == "ol").then_some(start) });
                }
            }
            "li" => self.entry(),
            "pre" => {
                self.end_block();
                self.code = Some((None, String::new()));
            }
            "code" if self.code.is_some() => self.language(tag),
            _ => {}
        }
        self.style_on(name, tag);
    }

    fn style_on(&mut self, name: String, tag: &StartTag<()>) {
        let before = self.style.clone();
        match name.as_str() {
            "b" | "strong" => self.style.bold = true,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_block();
                self.style.bold = true;
            }
            "i" | "em" => self.style.italic = true,
            "u" | "ins" => self.style.underline = true,
            "s" | "del" | "strike" => self.style.strike = true,
            "code" | "tt" if self.code.is_none() => self.style.mono = true,
            "a" => self.link(tag),
            "span" | "font" => {
                self.style.spoiler |= attribute(tag, "data-mx-spoiler").is_some();
                let named = attribute(tag, "data-mx-color").or_else(|| attribute(tag, "color"));
                if let Some(colour) = named.as_deref().and_then(colour_of) {
                    self.style.colour = Some(colour);
                }
            }
            _ => return,
        }
        if self.open.len() < DEEPEST {
            self.open.push(Open { name, style: before });
        }
    }

    fn link(&mut self, tag: &StartTag<()>) {
        let Some(target) = attribute(tag, "href") else { return };
        // As in browsers, a link within a link ends the outer one: words lead to one place.
        (self.style.link, self.style.mention) = (None, None);
        if let Some(user) = mentioned(&target)
            && let Some(person) = (self.naming)(&user)
        {
            self.style.mention = Some(person);
        } else if ["http://", "https://", "mailto:", "magnet:", "ftp://", "matrix:"].iter().any(|scheme| {
            target.len() > scheme.len()
                && target.is_char_boundary(scheme.len())
                && target[..scheme.len()].eq_ignore_ascii_case(scheme)
        }) && !target.contains(char::is_control)
        {
            self.style.link = Some(target);
        }
    }

    /// A picture within the text (an emoji of one's own): what it stands for.
    fn picture(&mut self, tag: &StartTag<()>) {
        let words = attribute(tag, "alt").or_else(|| attribute(tag, "title"));
        if let Some(words) = words {
            self.say(&words);
        }
    }

    fn language(&mut self, tag: &StartTag<()>) {
        let class = attribute(tag, "class").unwrap_or_default();
        let named = class.split_whitespace().find_map(|class| class.strip_prefix("language-")).map(str::to_owned);
        if let Some((language, _)) = &mut self.code {
            *language = named.filter(|name| name.len() <= 32 && !name.contains(char::is_control));
        }
    }

    fn entry(&mut self) {
        self.end_block();
        let depth = self.lists.len().saturating_sub(1);
        let mark = match self.lists.last_mut() {
            Some(List { next: Some(number) }) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "• ".to_owned(),
        };
        let mark = format!("{}{mark}", "  ".repeat(depth));
        self.push(&mark, SpanStyle::default());
    }

    fn close(&mut self, name: &str) {
        if matches!(name, "mx-reply" | "script" | "style" | "title") {
            self.hidden = self.hidden.saturating_sub(1);
            return;
        }
        if self.hidden > 0 {
            return;
        }
        match name {
            "p" | "div" | "li" | "table" | "tr" | "details" | "summary" | "dl" | "dt" | "dd" | "h1" | "h2" | "h3"
            | "h4" | "h5" | "h6" => self.end_block(),
            "blockquote" => {
                self.end_block();
                self.quote = self.quote.saturating_sub(1);
            }
            "ul" | "ol" => {
                self.end_block();
                self.lists.pop();
            }
            "pre" => self.end_code(),
            _ => {}
        }
        // The nearest of that name, and what was left open within it.
        if let Some(at) = self.open.iter().rposition(|open| open.name == name) {
            self.style = std::mem::take(&mut self.open[at].style);
            self.open.truncate(at);
        }
    }

    fn say(&mut self, text: &str) {
        if self.hidden > 0 {
            return;
        }
        if let Some((_, code)) = &mut self.code {
            code.push_str(text);
            return;
        }
        // White space is one space, and none at the edges of a block or line.
        let mut words = String::new();
        for c in text.chars() {
            if !matches!(c, ' ' | '\n' | '\t' | '\r' | '\u{c}') {
                words.push(c);
            } else if !ends_blank(&words, &self.spans) {
                words.push(' ');
            }
        }
        self.word(&words);
    }

    fn word(&mut self, words: &str) {
        let style = self.style.clone();
        self.push(words, style);
    }

    fn push(&mut self, words: &str, style: SpanStyle) {
        if words.is_empty() {
            return;
        }
        match self.spans.last_mut() {
            Some(last) if last.style == style || self.spans_made >= MOST_SPANS => last.text.push_str(words),
            _ => {
                self.spans_made += 1;
                self.spans.push(Span { text: words.to_owned(), style });
            }
        }
    }

    fn line_break(&mut self) {
        if let Some((_, code)) = &mut self.code {
            return code.push('\n');
        }
        if let Some(last) = self.spans.last_mut() {
            last.text.truncate(last.text.trim_end_matches(' ').len());
        }
        self.word("\n");
    }

    fn end_block(&mut self) {
        if self.code.is_some() {
            return;
        }
        trim(&mut self.spans);
        if !self.spans.is_empty() {
            let spans = std::mem::take(&mut self.spans);
            self.blocks.push(Block { quote: self.quote, kind: BlockKind::Paragraph(spans) });
        }
    }

    fn end_code(&mut self) {
        if let Some((language, text)) = self.code.take() {
            let text = text.strip_prefix('\n').unwrap_or(&text).trim_end_matches('\n').to_owned();
            self.blocks.push(Block { quote: self.quote, kind: BlockKind::Code { language, text } });
        }
    }

    fn finish(mut self) -> Text {
        self.end_code();
        self.end_block();
        Text { blocks: self.blocks }
    }
}

/// True where a space would begin a line, or follow another one.
fn ends_blank(words: &str, spans: &[Span]) -> bool {
    let before = if words.is_empty() { spans.last().map(|span| span.text.as_str()) } else { Some(words) };
    before.is_none_or(|before| before.ends_with(['\n', ' ']))
}

/// No line breaks at the end of a block.
fn trim(spans: &mut Vec<Span>) {
    while let Some(last) = spans.last_mut() {
        last.text.truncate(last.text.trim_end_matches(['\n', ' ']).len());
        if !last.text.is_empty() {
            break;
        }
        spans.pop();
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    tag.attributes.get(name.as_bytes()).map(|value| String::from_utf8_lossy(value).into_owned())
}

/// The user whom a `matrix.to` link or a `matrix:` URI names.
fn mentioned(target: &str) -> Option<String> {
    let user = if let Some(rest) = target.strip_prefix("https://matrix.to/#/") {
        percent_decode_str(rest.split('?').next()?).decode_utf8().ok()?.into_owned()
    } else {
        let rest = target.strip_prefix("matrix:u/")?;
        format!("@{}", percent_decode_str(rest.split(['?', '/']).next()?).decode_utf8().ok()?)
    };
    crate::id::is_user(&user).then_some(user)
}

fn colour_of(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).ok();
    Some(Colour(part(0)?, part(2)?, part(4)?))
}
