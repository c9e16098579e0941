//! Both directions of the translation, and that one undoes the other.

use super::*;
use monster_bridge_api::{Block, BlockKind, Colour, Span, SpanStyle, Text};
use proptest::prelude::*;

fn nobody(_: &str) -> Option<String> {
    None
}

fn read(message: &str) -> Text {
    to_text(message, &|word| (word == "alice" || word == "bob_").then(|| format!("id-of-{word}")))
}

/// A text as something a person can compare.
fn show(text: &Text) -> String {
    serde_json::to_string_pretty(text).unwrap()
}

#[test]
fn codes_become_styles() {
    insta::assert_snapshot!(show(&read(
        "plain \x02bold \x1dboth\x02 italic\x0f \x1funder\x1f \x1estrike\x1e \x11mono\x11 \x034red\x03 \x0301,01hidden"
    )));
}

#[test]
fn lines_become_quotes_code_links_and_mentions() {
    insta::assert_snapshot!(show(&read(
        "> what she said\n>> deeper\nalice: see (https://example.org/a_(b)). @bob_!\n\x11fn main() {\n\x11}"
    )));
}

#[test]
fn styles_become_codes() {
    let span = |text: &str, style: SpanStyle| Span { text: text.into(), style };
    let text = Text {
        blocks: vec![
            Block {
                quote: 1,
                kind: BlockKind::Paragraph(vec![
                    Span::plain("look "),
                    span(
                        "here",
                        SpanStyle { link: Some("https://example.org".into()), bold: true, ..Default::default() },
                    ),
                ]),
            },
            Block {
                quote: 0,
                kind: BlockKind::Paragraph(vec![
                    span("one\ntwo", SpanStyle { italic: true, ..Default::default() }),
                    Span::plain(" 3 "),
                    span("Alice", SpanStyle { mention: Some("@alice:gw".into()), ..Default::default() }),
                    span("4", SpanStyle { colour: Some(Colour(255, 0, 0)), ..Default::default() }),
                    span("5", SpanStyle { mono: true, ..Default::default() }),
                    span("secret", SpanStyle { spoiler: true, ..Default::default() }),
                ]),
            },
            Block { quote: 0, kind: BlockKind::Code { language: Some("rust".into()), text: "a();\nb();".into() } },
        ],
    };
    let name = |id: &str| (id == "@alice:gw").then(|| "alice_".to_owned());
    insta::assert_debug_snapshot!(from_text(&text, &name).split('\n').collect::<Vec<_>>());
}

#[test]
fn nobody_writes_codes_or_a_ctcp_or_a_line_through_words() {
    let text = Text::plain("\x01VERSION\x01 \x02bold\x03\x04 a\rQUIT\0 tab\there");
    assert_eq!(from_text(&text, &nobody), "VERSION bold aQUIT tab here");
}

#[test]
fn links_end_before_the_punctuation_around_them() {
    for (message, link) in [
        ("see https://example.org/.", "https://example.org/"),
        ("<https://example.org/?a=b&c>", "https://example.org/?a=b&c"),
        ("(http://example.org)", "http://example.org"),
        ("https://en.example.org/wiki/A_(b)", "https://en.example.org/wiki/A_(b)"),
        ("https://example.org,", "https://example.org"),
    ] {
        let text = read(message);
        let BlockKind::Paragraph(spans) = &text.blocks[0].kind else { panic!("a paragraph") };
        let links: Vec<_> = spans.iter().filter_map(|span| span.style.link.as_deref()).collect();
        assert_eq!(links, [link], "{message}");
        assert_eq!(text.to_plain(), message);
    }
    for message in ["https://", "http://.", "ftp://x"] {
        assert_eq!(read(message), Text::plain(message));
    }
}

prop_compose! {
    fn style()(bits in any::<[bool; 5]>(), spoiler in prop::bool::weighted(0.1), colour in prop::option::of(0u8..99)) -> SpanStyle {
        let [bold, italic, underline, strike, mono] = bits;
        let colour = colour.filter(|_| !spoiler).and_then(palette::colour_of);
        SpanStyle { bold, italic, underline, strike, mono, spoiler, colour, ..SpanStyle::default() }
    }
}

/// Paragraphs as reading makes them: neighbours differ in style, and no line begins with a mark.
fn paragraph() -> impl Strategy<Value = Vec<Span>> {
    prop::collection::vec((style(), "[a-z0-9,é你]{1,5}( [a-z0-9,é你]{1,5}){0,2}"), 1..5).prop_map(|spans| {
        let mut out: Vec<Span> = Vec::new();
        for (style, text) in spans {
            if out.last().is_none_or(|last| last.style != style) {
                out.push(Span { text, style });
            }
        }
        out
    })
}

proptest! {
    #[test]
    fn writing_and_reading_gives_the_same_text(
        first in paragraph(), quoted in paragraph(), depth in 1u8..9, code in "[a-z]{1,8}( ?[a-z]{1,8})\n[a-z]{1,8}",
    ) {
        let block = |quote, kind| Block { quote, kind };
        let mono = |spans: &[Span]| spans.iter().all(|span| span.style.mono);
        prop_assume!(!mono(&first) && !mono(&quoted));
        let text = Text { blocks: vec![
            block(0, BlockKind::Paragraph(first)),
            block(depth, BlockKind::Paragraph(quoted)),
            block(0, BlockKind::Code { language: None, text: code }),
        ] };
        prop_assert_eq!(to_text(&from_text(&text, &nobody), &nobody), text);
    }

    #[test]
    fn reading_loses_no_letter_and_never_fails(message in "[\\x00-\\x1f]{0,3}\\PC{0,20}[\\x00-\\x1f0-9,]{0,6}\\PC{0,20}") {
        let text = read(&message);
        let again = from_text(&text, &|id| id.strip_prefix("id-of-").map(str::to_owned));
        prop_assert_eq!(text.to_plain().replace('\t', " "), to_text(&again, &nobody).to_plain());
        prop_assert!(!text.to_plain().chars().any(|c| c.is_control() && c != '\n' && c != '\t') );
    }
}
