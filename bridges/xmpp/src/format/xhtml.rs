//! XHTML-IM (XEP-0071) as text. What it says of fonts and sizes is left out.

use super::styling::push;
use crate::xml::ns;
use minidom::{Element, Node};
use monster_bridge_api::{Block, BlockKind, Colour, Span, SpanStyle, Text};

/// Elements within elements beyond this are words only.
const DEPTH: usize = 40;

/// The text of an `<html xmlns='http://jabber.org/protocol/xhtml-im'>`; `None` if there is none.
pub(crate) fn read(html: &Element) -> Option<Text> {
    let body = html.get_child("body", ns::XHTML)?;
    let mut reading = Reading::default();
    reading.inside(body, &SpanStyle::default(), 0, 0);
    reading.end();
    let text = Text { blocks: reading.blocks };
    (!text.is_blank()).then_some(text)
}

#[derive(Default)]
struct Reading {
    blocks: Vec<Block>,
    spans: Vec<Span>,
    quote: u8,
}

impl Reading {
    fn end(&mut self) {
        let spans = std::mem::take(&mut self.spans);
        if spans.iter().any(|span| !span.text.trim().is_empty()) {
            self.blocks.push(Block { quote: self.quote, kind: BlockKind::Paragraph(spans) });
        }
    }

    fn inside(&mut self, element: &Element, style: &SpanStyle, quote: u8, depth: usize) {
        for node in element.nodes() {
            match node {
                Node::Text(text) => {
                    self.quote = quote;
                    push(&mut self.spans, &text.replace(['\n', '\r', '\t'], " "), style);
                }
                Node::Element(child) if depth < DEPTH => self.element(child, style, quote, depth + 1),
                Node::Element(child) => push(&mut self.spans, &child.text(), style),
            }
        }
    }

    fn element(&mut self, element: &Element, style: &SpanStyle, quote: u8, depth: usize) {
        let mut styled = style.clone();
        read_css(element.attr("style").unwrap_or_default(), &mut styled);
        match element.name() {
            "br" => return push(&mut self.spans, "\n", style),
            "img" => return push(&mut self.spans, element.attr("alt").unwrap_or("[picture]"), style),
            "strong" | "b" => styled.bold = true,
            "em" | "i" | "cite" => styled.italic = true,
            "u" => styled.underline = true,
            "s" | "del" => styled.strike = true,
            "code" | "kbd" | "tt" => styled.mono = true,
            "a" => {
                let web = |href: &&str| {
                    ["http://", "https://", "mailto:", "xmpp:"].iter().any(|scheme| href.starts_with(scheme))
                };
                styled.link = element.attr("href").filter(web).map(str::to_owned);
            }
            "pre" => {
                self.end();
                let text = element.text().trim_end_matches('\n').to_owned();
                return self.blocks.push(Block { quote, kind: BlockKind::Code { language: None, text } });
            }
            "p" | "div" | "li" | "ul" | "ol" | "blockquote" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end();
                let quote = quote + u8::from(element.name() == "blockquote" && quote < 8);
                if element.name() == "li" {
                    self.quote = quote;
                    push(&mut self.spans, "• ", &styled);
                }
                self.inside(element, &styled, quote, depth);
                return self.end();
            }
            _ => {}
        }
        self.inside(element, &styled, quote, depth);
    }
}

fn read_css(css: &str, style: &mut SpanStyle) {
    for rule in css.split(';') {
        let Some((name, value)) = rule.split_once(':') else { continue };
        let value = value.trim();
        match name.trim() {
            "font-weight" => style.bold |= value == "bold",
            "font-style" => style.italic |= matches!(value, "italic" | "oblique"),
            "text-decoration" => {
                style.underline |= value.contains("underline");
                style.strike |= value.contains("line-through");
            }
            "color" => style.colour = colour(value).or(style.colour),
            _ => {}
        }
    }
}

fn colour(value: &str) -> Option<Colour> {
    let hex = value.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii())?;
    let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).ok();
    Some(Colour(part(0)?, part(2)?, part(4)?))
}
