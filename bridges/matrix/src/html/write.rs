//! [`Text`] → HTML, and the plain text beside it.

use super::Naming;
use crate::id;
use monster_bridge_api::{Block, BlockKind, Span, Text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// A text as Matrix messages hold it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// `body`.
    pub plain: String,
    /// `formatted_body`; `None` where it would say nothing more.
    pub html: Option<String>,
    /// The users who are named, for `m.mentions`.
    pub mentions: Vec<String>,
}

/// The text as Matrix messages hold it.
pub fn from_text(text: &Text, naming: Naming<'_>) -> Written {
    let mut mentions = Vec::new();
    let html = is_formatted(text).then(|| {
        let mut writer = Writer { naming, out: String::new(), mentions: &mut mentions };
        writer.text(text);
        writer.out
    });
    Written { plain: text.to_plain(), html, mentions }
}

/// True if the plain text alone would lose something.
fn is_formatted(text: &Text) -> bool {
    text.blocks.len() > 1
        || text.blocks.iter().any(|block| match &block.kind {
            BlockKind::Code { .. } => true,
            BlockKind::Paragraph(spans) => {
                block.quote > 0 || spans.iter().any(|span| span.style != monster_bridge_api::SpanStyle::default())
            }
        })
}

struct Writer<'a> {
    naming: Naming<'a>,
    out: String,
    mentions: &'a mut Vec<String>,
}

impl Writer<'_> {
    fn text(&mut self, text: &Text) {
        let mut depth = 0;
        let alone = text.blocks.len() == 1 && text.blocks[0].quote == 0;
        for block in &text.blocks {
            self.quote(depth, block.quote);
            depth = block.quote;
            self.block(block, alone);
        }
        self.quote(depth, 0);
    }

    fn quote(&mut self, from: u8, to: u8) {
        for _ in to..from {
            self.out.push_str("</blockquote>");
        }
        for _ in from..to {
            self.out.push_str("<blockquote>");
        }
    }

    fn block(&mut self, block: &Block, alone: bool) {
        match &block.kind {
            BlockKind::Code { language, text } => {
                self.out.push_str("<pre><code");
                if let Some(language) = language {
                    self.out.push_str(" class=\"language-");
                    escape(language, &mut self.out);
                    self.out.push('"');
                }
                self.out.push('>');
                escape(text, &mut self.out);
                self.out.push_str("\n</code></pre>");
            }
            BlockKind::Paragraph(spans) => {
                self.out.push_str(if alone { "" } else { "<p>" });
                for span in spans {
                    self.span(span);
                }
                self.out.push_str(if alone { "" } else { "</p>" });
            }
        }
    }

    fn span(&mut self, span: &Span) {
        let style = &span.style;
        let mut closing = Vec::new();
        let mut element = |out: &mut String, on: bool, name: &'static str| {
            if on {
                let _ = write!(out, "<{name}>");
                closing.push(name);
            }
        };
        element(&mut self.out, style.bold, "strong");
        element(&mut self.out, style.italic, "em");
        element(&mut self.out, style.underline, "u");
        element(&mut self.out, style.strike, "del");
        if style.spoiler || style.colour.is_some() {
            self.out.push_str("<span");
            if style.spoiler {
                self.out.push_str(" data-mx-spoiler=\"\"");
            }
            if let Some(colour) = style.colour {
                let _ = write!(self.out, " data-mx-color=\"#{:02x}{:02x}{:02x}\"", colour.0, colour.1, colour.2);
            }
            self.out.push('>');
            closing.push("span");
        }
        let target = match &style.mention {
            Some(person) => (self.naming)(person).map(|user| self.mention(user)),
            None => style.link.clone(),
        };
        if let Some(target) = target {
            self.out.push_str("<a href=\"");
            escape(&target, &mut self.out);
            self.out.push_str("\">");
            closing.push("a");
        }
        if style.mono {
            self.out.push_str("<code>");
            closing.push("code");
        }
        for (at, line) in span.text.split('\n').enumerate() {
            self.out.push_str(if at == 0 { "" } else { "<br>" });
            escape(line, &mut self.out);
        }
        for name in closing.iter().rev() {
            let _ = write!(self.out, "</{name}>");
        }
    }

    fn mention(&mut self, user: String) -> String {
        debug_assert!(id::is_user(&user), "people are named by user ids");
        let link = format!("https://matrix.to/#/{}", utf8_percent_encode(&user, NON_ALPHANUMERIC));
        if !self.mentions.contains(&user) {
            self.mentions.push(user);
        }
        link
    }
}

/// The characters that mean something in HTML.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}
