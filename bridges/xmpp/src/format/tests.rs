use super::{read, read_xhtml, write};
use monster_bridge_api::{Block, BlockKind, Text};
use proptest::prelude::*;

fn spans(text: &Text) -> Vec<(String, String)> {
    let BlockKind::Paragraph(spans) = &text.blocks[0].kind else { return Vec::new() };
    let marks = |span: &monster_bridge_api::Span| {
        let style = &span.style;
        [(style.bold, 'b'), (style.italic, 'i'), (style.strike, 's'), (style.mono, 'm'), (style.underline, 'u')]
            .iter()
            .filter_map(|(set, mark)| set.then_some(*mark))
            .collect::<String>()
    };
    spans.iter().map(|span| (span.text.clone(), marks(span))).collect()
}

fn pair(text: &str, marks: &str) -> (String, String) {
    (text.to_owned(), marks.to_owned())
}

#[test]
fn the_four_marks_are_read() {
    let text = read("*strong* _soft_ ~gone~ `code *x*` *a _b_*");
    assert_eq!(
        spans(&text),
        [
            pair("strong", "b"),
            pair(" ", ""),
            pair("soft", "i"),
            pair(" ", ""),
            pair("gone", "s"),
            pair(" ", ""),
            pair("code *x*", "m"),
            pair(" ", ""),
            pair("a ", "b"),
            pair("b", "bi"),
        ]
    );
}

#[test]
fn marks_that_are_none_stay() {
    for plain in ["2 * 3 * 4", "snake_case_name", "* item", "a ~ b", "**", "5*3*2=30", "*open", "漢*字*"] {
        assert_eq!(spans(&read(plain)), [pair(plain, "")], "{plain}");
    }
}

#[test]
fn quotes_and_code_are_blocks() {
    let text = read("> she said\n>> deeper\nme\n```rust\nlet *x*;\n```\nend");
    let quotes: Vec<u8> = text.blocks.iter().map(|block| block.quote).collect();
    assert_eq!(quotes, [1, 2, 0, 0, 0]);
    let code = BlockKind::Code { language: Some("rust".into()), text: "let *x*;".into() };
    assert_eq!(text.blocks[3], Block { quote: 0, kind: code });
    assert_eq!(write(&text), ("> she said\n>> deeper\nme\n```rust\nlet *x*;\n```\nend".to_owned(), true));
}

#[test]
fn plain_words_say_that_they_have_no_styling() {
    assert_eq!(write(&Text::plain("2 *3* 4")), ("2 *3* 4".to_owned(), false));
    assert_eq!(write(&read("say *it*")), ("say *it*".to_owned(), true));
}

#[test]
fn xhtml_becomes_text() {
    let html = "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>\
                <p>a <strong>b</strong><br/><a href='javascript:x'>c</a></p>\
                <blockquote>q</blockquote><ul><li>one</li></ul></body></html>";
    let text = read_xhtml(&html.parse().unwrap()).unwrap();
    assert_eq!(text.to_plain(), "a b\nc\n> q\n• one");
}

proptest! {
    #[test]
    fn no_words_are_lost(body in "[a-z*_~` \n>é]{0,60}") {
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
        let fenced = body.contains("```");
        let text = read(&body);
        if !fenced {
            prop_assert_eq!(letters(&text.to_plain()), letters(&body));
        }
        let (again, _) = write(&text);
        if !fenced {
            prop_assert_eq!(letters(&again), letters(&body));
        }
    }
}
