use super::{parse, write};
use monster_bridge_api::{Block, BlockKind, Span, SpanStyle, Text};
use proptest::prelude::*;

fn shown(text: &str) -> String {
    let mut out = String::new();
    for block in &parse(text).blocks {
        out.push_str(&">".repeat(usize::from(block.quote)));
        match &block.kind {
            BlockKind::Code { language, text } => {
                out.extend(["code(", language.as_deref().unwrap_or_default(), "){", text, "}"]);
            }
            BlockKind::Paragraph(spans) => spans.iter().for_each(|span| out.push_str(&shown_span(span))),
        }
        out.push('\n');
    }
    out
}

fn shown_span(span: &Span) -> String {
    let style = &span.style;
    let flags = [
        (style.bold, "b"),
        (style.italic, "i"),
        (style.strike, "s"),
        (style.mono, "m"),
        (style.spoiler, "h"),
        (style.mention.is_some(), "@"),
    ];
    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
    let link = style.link.as_ref().map(|link| format!("->{link}")).unwrap_or_default();
    if flags.is_empty() && link.is_empty() { span.text.clone() } else { format!("<{flags}{link}|{}>", span.text) }
}

#[test]
fn what_people_type_without_meaning_it_stays_as_typed() {
    for text in [
        "snake_case_name",
        "2*3*4 = 24",
        "a * b * c",
        "*",
        "**",
        "5 > 3",
        ">_<",
        ">:(",
        "a || b",
        "x|y||z",
        "~5 minutes",
        "C:\\new\\table",
        "`",
        "it's `half",
        "[not a link]",
        "[a](javascript:alert)",
        "a@example.org",
        "@bob hi",
        "12:30",
        "* item\n* other",
        "# heading",
        "__init__",
        "```not closed",
        "char *p",
    ] {
        assert_eq!(shown(text), format!("{text}\n"));
    }
}

#[test]
fn the_marks_that_are_meant_are_read() {
    for (text, expected) in [
        ("**bold** *it* _it_ ~~no~~ ||psst|| `mono`", "<b|bold> <i|it> <i|it> <s|no> <h|psst> <m|mono>\n"),
        ("**bold *both***", "<b|bold ><bi|both>\n"),
        ("***both***", "<bi|both>\n"),
        ("这是**重点**内容", "这是<b|重点>内容\n"),
        ("(*a*), *b*!", "(<i|a>), <i|b>!\n"),
        ("`a*b*` `` x`y ``", "<m|a*b*> <m|x`y>\n"),
        ("[the *site*](https://a.b/c_d)", "<->https://a.b/c_d|the ><i->https://a.b/c_d|site>\n"),
        ("see https://a.b/x_(y). ok", "see <->https://a.b/x_(y)|https://a.b/x_(y)>. ok\n"),
        ("(https://a.b)", "(<->https://a.b|https://a.b>)\n"),
        ("hi @#rust:libera:gw.example.org!", "hi <@|@#rust:libera:gw.example.org>!\n"),
        ("\\*not\\* \\\\", "*not* \\\n"),
        ("> a\n> > b\n>> c\nd", ">a\n>>b\nc\nd\n"),
        ("```rust\nfn a() {}\n> b\n```\nx", "code(rust){fn a() {}\n> b}\nx\n"),
        ("> ```\n> a\n> ```", ">code(){a}\n"),
        ("**a\nb**", "**a\nb**\n"),
        ("*a **b* c**", "<i|a **b> c**\n"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_comes_from_other_networks_is_written_without_needless_escapes() {
    for text in ["a_b_c", "2 * 3 * 4", "*sigh", "see https://a.b/c_d.", "100% [sic]", "a | b"] {
        let written = write(&Text::plain(text));
        assert_eq!(written, text);
    }
    assert_eq!(write(&Text::plain("*sigh*")), "\\*sigh\\*");
    assert_eq!(write(&Text::plain("> x")), "\\> x");
}

#[test]
fn hostile_text_is_read_in_linear_time() {
    let patterns = ["[", "[a](", "`", "``a", "**a ", "*_", "@-", "http://", "> ", "```a\n", "||~~**_", "\\", "![a]("];
    for pattern in patterns {
        let text = pattern.repeat(262_144 / pattern.len());
        let began = std::time::Instant::now();
        let read = parse(&text);
        let written = write(&read);
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{pattern:?} took {:?}", began.elapsed());
        drop(written);
    }
}

/// The model as Markdown can have it: what `write` promises to keep.
fn normal(text: &Text) -> Text {
    let mut blocks: Vec<Block> = Vec::new();
    for block in &text.blocks {
        let BlockKind::Paragraph(spans) = &block.kind else {
            blocks.push(block.clone());
            continue;
        };
        let mut own: Vec<Span> = Vec::new();
        for span in spans {
            for (at, part) in span.text.split('\n').enumerate() {
                if at > 0 {
                    super::inline::push(&mut own, "\n", &SpanStyle::default());
                }
                super::inline::push(&mut own, part, &span.style);
            }
        }
        match blocks.last_mut() {
            Some(Block { quote, kind: BlockKind::Paragraph(above) }) if *quote == block.quote => {
                super::inline::push(above, "\n", &SpanStyle::default());
                for span in &own {
                    super::inline::push(above, &span.text, &span.style);
                }
            }
            _ => blocks.push(Block { quote: block.quote, kind: BlockKind::Paragraph(own) }),
        }
    }
    let empty = |block: &Block| block.quote == 0 && block.kind == BlockKind::Paragraph(Vec::new());
    if blocks.len() == 1 && empty(&blocks[0]) { Text::default() } else { Text { blocks } }
}

fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-c é中0-9]{1,4}",
        3 => prop::sample::select(vec![
            "*", "**", "***", "_", "~", "~~", "|", "||", "`", "``", "```", "[", "]", "(", ")", "](", "\\", ">", "> ",
            "@", ":", " ", "\n", "a", ".", "\\*", "-", "#", "!",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

fn span() -> impl Strategy<Value = Span> {
    let link = prop::option::weighted(
        0.15,
        prop::sample::select(vec!["https://a.b/c", "https://a.b/(x)_y*", "mailto:a@b.c", "irc://x/#y"]),
    );
    let plain = (words(), any::<[bool; 5]>(), link).prop_map(|(text, [bold, italic, strike, mono, spoiler], link)| {
        let link = link.map(str::to_owned);
        Span { text, style: SpanStyle { bold, italic, strike, mono, spoiler, link, ..SpanStyle::default() } }
    });
    let found = (any::<[bool; 2]>(), any::<bool>()).prop_map(|([bold, italic], mention)| {
        let text = if mention { "@#a_b:c:d.example" } else { "https://a.b/c_d" }.to_owned();
        let (link, mention) = if mention { (None, Some(text.clone())) } else { (Some(text.clone()), None) };
        Span { text, style: SpanStyle { bold, italic, link, mention, ..SpanStyle::default() } }
    });
    prop_oneof![6 => plain, 1 => found]
}

fn block() -> impl Strategy<Value = Block> {
    let kind = prop_oneof![
        4 => prop::collection::vec(span(), 0..6).prop_map(BlockKind::Paragraph),
        1 => (prop::option::of("[a-z+#]{1,5}"), words()).prop_map(|(language, text)| BlockKind::Code { language, text }),
    ];
    (prop_oneof![3 => Just(0_u8), 1 => 0_u8..4], kind).prop_map(|(quote, kind)| Block { quote, kind })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_as_what_was_meant(blocks in prop::collection::vec(block(), 0..4)) {
        let text = Text { blocks };
        let written = write(&text);
        prop_assert_eq!(parse(&written), normal(&text), "{:?}", written);
    }

    #[test]
    fn what_was_read_is_written_to_read_the_same(typed in "(\\PC|[*_~|`>\\[\\]()\\\\ \n@:.h]){0,40}") {
        let read = parse(&typed);
        let written = write(&read);
        prop_assert_eq!(normal(&parse(&written)), normal(&read), "{:?}", written);
    }
}
