//! Both directions, and that one undoes the other.

use super::*;
use monster_bridge_api::{Block, BlockKind, Span, SpanStyle};
use proptest::prelude::*;

fn naming(user: &str) -> Option<String> {
    crate::id::is_user(user).then(|| format!("{}:gw", user.replacen(':', "@", 1)))
}

fn back(person: &str) -> Option<String> {
    person.strip_suffix(":gw").map(|user| {
        let (local, server) = user.rsplit_once('@').unwrap();
        format!("{local}:{server}")
    })
}

fn show(html: &str) -> String {
    serde_json::to_string_pretty(&to_text(html, &naming)).unwrap()
}

fn plain(html: &str) -> String {
    to_text(html, &naming).to_plain()
}

#[test]
fn elements_become_styles_and_blocks() {
    insta::assert_snapshot!(show(
        "<h2>News</h2><p>one <b>bold <i>both</i></b><br/>\n two</p><blockquote><p>she said</p><blockquote>deeper\
         </blockquote></blockquote><pre><code class=\"language-rust\">fn a() {\n  b();\n}\n</code></pre>\
         <p><a href=\"https://example.org/?a=1&amp;b=2\">there</a> <a href=\"https://matrix.to/#/%40bob%3Ax.org\">Bob</a>\
         <del>old</del> <u>u</u> <code>x&lt;y</code> <span data-mx-spoiler>secret</span>\
         <font data-mx-color=\"#ff0000\">red</font></p>"
    ));
}

#[test]
fn lists_keep_their_marks() {
    assert_eq!(
        plain("<ul><li>a</li><li>b<ol start=\"3\"><li>c</li><li>d</li></ol></li></ul>after"),
        "• a\n• b\n  3. c\n  4. d\nafter"
    );
}

#[test]
fn what_is_hidden_or_dangerous_leaves_nothing() {
    assert_eq!(plain("<mx-reply><blockquote>old</blockquote></mx-reply>new"), "new");
    assert_eq!(plain("<script>alert(1)</script><style>p{}</style>a"), "a");
    assert_eq!(plain("<a href=\"javascript:alert(1)\">x</a>"), "x");
    assert_eq!(plain("<img src=\"mxc://a/b\" alt=\":cat:\"> <unknown>word</unknown>"), ":cat: word");
}

#[test]
fn markup_that_never_ends_is_read_in_time() {
    for piece in ["<b>", "<blockquote>", "<ul><li>", "<a href=\"https://x.org/\">a", "</p>", "&amp;", "<", "<pre>"] {
        let text = to_text(&piece.repeat(20_000), &naming);
        assert!(text.blocks.len() < 50_000, "{piece}");
    }
}

#[test]
fn plain_words_need_no_html() {
    let written = from_text(&Text::plain("a < b"), &back);
    assert_eq!((written.plain.as_str(), written.html), ("a < b", None));
}

#[test]
fn a_mention_names_the_user_and_is_told() {
    let mut span = Span::plain("Bob");
    span.style.mention = Some("@bob@x.org:gw".to_owned());
    let text = Text { blocks: vec![Block { quote: 0, kind: BlockKind::Paragraph(vec![span]) }] };
    let written = from_text(&text, &back);
    assert_eq!(written.mentions, ["@bob:x.org"]);
    assert_eq!(written.html.as_deref(), Some("<a href=\"https://matrix.to/#/%40bob%3Ax%2Eorg\">Bob</a>"));
}

fn styles() -> impl Strategy<Value = SpanStyle> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let ends = prop::option::of(prop_oneof![Just(true), Just(false)]);
    (flags, any::<bool>(), ends).prop_map(|((bold, italic, underline, strike, mono), spoiler, end)| SpanStyle {
        bold,
        italic,
        underline,
        strike,
        mono,
        spoiler,
        link: (end == Some(true)).then(|| "https://example.org/?a=1&b=\"2\"".to_owned()),
        mention: (end == Some(false)).then(|| "@bob@x.org:gw".to_owned()),
        colour: None,
    })
}

fn texts() -> impl Strategy<Value = Text> {
    let span = ("[a-z<>&\"'é漢👍]{1,8}( [a-z]{1,4})?(\n[a-z]{1,3})?", styles());
    let spans = prop::collection::vec(span.prop_map(|(text, style)| Span { text, style }), 1..4);
    let paragraph = spans.prop_map(|mut spans| {
        spans.dedup_by(|later, earlier| later.style == earlier.style);
        BlockKind::Paragraph(spans)
    });
    let code = ("[a-z<& ]{1,9}(\n[a-z]{1,4})?", prop::option::of("[a-z]{1,5}"))
        .prop_map(|(text, language)| BlockKind::Code { language, text });
    let block = (0_u8..4, prop_oneof![3 => paragraph, 1 => code]).prop_map(|(quote, kind)| Block { quote, kind });
    prop::collection::vec(block, 1..5).prop_map(|blocks| Text { blocks })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(text in texts()) {
        let written = from_text(&text, &back);
        if let Some(html) = written.html {
            prop_assert_eq!(to_text(&html, &naming), text, "{}", html);
        }
    }

    #[test]
    fn any_html_is_read(html in "(<[a-z/]{0,10}[ =\"a-z]{0,6}>?|&[a-z]{0,5};?|[ -~é\n]{0,5}){0,40}") {
        let text = to_text(&html, &naming);
        let again = from_text(&text, &back);
        prop_assert!(again.html.is_none_or(|html| !html.contains("<script")));
    }
}
