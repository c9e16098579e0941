//! Both directions, and hostile events.

use super::*;
use monster_bridge_api::{Attachment, AttachmentShape, Content, ContentStyle, EventId, Membership, MessageKey, Text};
use proptest::prelude::*;
use serde_json::json;

fn nobody(_: &str) -> Option<String> {
    None
}

fn event(kind: &str, content: impl Into<Value>) -> Value {
    let content = content.into();
    json!({ "event_id": "$e", "room_id": "!r:x.org", "sender": "@bob:x.org", "type": kind,
            "origin_server_ts": 1_700_000_000_000_u64, "content": content })
}

fn what(raw: &Value) -> What {
    read(raw, &nobody).expect("an event").what
}

fn said(content: impl Into<Value>) -> Said {
    match what(&event("m.room.message", content)) {
        What::Message(said) => said,
        other => panic!("not a message: {other:?}"),
    }
}

#[test]
fn words_have_their_style() {
    for (msgtype, style) in
        [("m.text", ContentStyle::Said), ("m.emote", ContentStyle::Emote), ("m.notice", ContentStyle::Notice)]
    {
        let said = said(json!({ "msgtype": msgtype, "body": "hello" }));
        assert_eq!((said.content.text, said.content.style), (Text::plain("hello"), style));
    }
}

#[test]
fn an_answer_loses_the_copy_of_what_it_answers() {
    let reply = json!({ "m.in_reply_to": { "event_id": "$old" } });
    let plain = said(json!({ "msgtype": "m.text", "body": "> <@a:x.org> one\n> two\n\nyes", "m.relates_to": reply }));
    assert_eq!(plain.content.text, Text::plain("yes"));
    assert_eq!(plain.content.reply_to, Some(EventId::new("$old")));
    let html = said(json!({ "msgtype": "m.text", "body": "x", "format": "org.matrix.custom.html",
        "formatted_body": "<mx-reply><blockquote>one</blockquote></mx-reply>yes", "m.relates_to": reply }));
    assert_eq!(html.content.text, Text::plain("yes"));
    let quote = said(json!({ "msgtype": "m.text", "body": "> a quote\nof mine" }));
    assert_eq!(quote.content.text, Text::plain("> a quote\nof mine"));
}

#[test]
fn a_thread_is_a_row_of_answers() {
    let thread = |falls_back: bool| {
        json!({ "rel_type": "m.thread", "event_id": "$root", "is_falling_back": falls_back,
                "m.in_reply_to": { "event_id": "$last" } })
    };
    let by =
        |relates: Value| said(json!({ "msgtype": "m.text", "body": "a", "m.relates_to": relates })).content.reply_to;
    assert_eq!(by(thread(true)), Some(EventId::new("$root")));
    assert_eq!(by(thread(false)), Some(EventId::new("$last")));
}

#[test]
fn a_file_has_a_name_a_size_and_perhaps_a_caption() {
    let file =
        said(json!({ "msgtype": "m.image", "body": "look", "filename": "../a/cat.png", "url": "mxc://x.org/abc",
        "info": { "mimetype": "image/png", "size": 12 } }));
    assert_eq!(file.content.text, Text::plain("look"));
    let heard = file.file.unwrap();
    let attachment = heard.attachment(&|media| format!("link:{}", media.reference));
    assert_eq!((attachment.name.as_str(), attachment.url.as_str()), ("cat.png", "link:mxc://x.org/abc"));
    assert_eq!(attachment.size, Some(12));

    let voice =
        said(json!({ "msgtype": "m.audio", "body": "v.ogg", "url": "mxc://x.org/v", "org.matrix.msc3245.voice": {} }));
    assert_eq!(voice.file.unwrap().shape, AttachmentShape::Voice);
    assert!(voice.content.text.is_blank());
    let sticker = what(&event("m.sticker", json!({ "body": "wave", "url": "mxc://x.org/s", "info": {} })));
    let What::Message(sticker) = sticker else { panic!("{sticker:?}") };
    assert_eq!(sticker.file.unwrap().shape, AttachmentShape::Sticker);
}

#[test]
fn an_edit_names_what_it_replaces() {
    let raw = event(
        "m.room.message",
        json!({ "msgtype": "m.text", "body": "* new", "m.new_content": { "msgtype": "m.text", "body": "new" },
                "m.relates_to": { "rel_type": "m.replace", "event_id": "$old" } }),
    );
    let What::Edit { target, said } = what(&raw) else { panic!("not an edit") };
    assert_eq!((target, said.content.text), (EventId::new("$old"), Text::plain("new")));
}

#[test]
fn a_redaction_is_read_in_both_of_its_forms() {
    let mut old = event("m.room.redaction", json!({ "reason": "spam" }));
    old["redacts"] = json!("$gone");
    let new = event("m.room.redaction", json!({ "redacts": "$gone", "reason": "spam" }));
    for raw in [old, new] {
        let expected = What::Redaction { target: EventId::new("$gone"), reason: Some("spam".to_owned()) };
        assert_eq!(what(&raw), expected);
    }
}

#[test]
fn members_come_go_and_are_renamed() {
    let member = |now: &str, before: &str, sender: &str| {
        let mut raw = event("m.room.member", json!({ "membership": now, "displayname": "Bob", "reason": "why" }));
        raw["sender"] = json!(sender);
        raw["state_key"] = json!("@bob:x.org");
        raw["unsigned"] = json!({ "prev_content": { "membership": before, "displayname": "Rob" } });
        let What::Member(member) = what(&raw) else { panic!("not a member") };
        membership(&member, (sender, "Op"))
    };
    let (bob, op) = ("@bob:x.org", "@op:x.org");
    assert_eq!(member("join", "leave", bob), Some(Membership::Joined));
    assert_eq!(member("join", "join", bob), Some(Membership::Renamed { from: "Rob".to_owned() }));
    assert_eq!(member("leave", "join", bob), Some(Membership::Left(Some("why".to_owned()))));
    let removed = Some(Membership::Removed { by: "Op".to_owned(), reason: Some("why".to_owned()) });
    assert_eq!(member("ban", "join", op), removed);
    assert_eq!(member("leave", "join", op), removed);
    assert_eq!(member("leave", "invite", bob), None);
    assert_eq!(member("invite", "leave", op), None);
}

#[test]
fn nonsense_means_nothing_and_breaks_nothing() {
    for content in [
        json!({ "msgtype": 7, "body": "x" }),
        json!({ "msgtype": ["m.text"], "body": "x" }),
        json!({ "msgtype": "m.text", "body": { "a": 1 } }),
        json!({ "msgtype": "m.image", "body": "x", "url": "https://evil.example/x.png" }),
        json!({ "msgtype": "m.image", "body": "x", "url": "mxc://x.org/../../etc" }),
        json!("text"),
        json!(null),
    ] {
        assert!(matches!(what(&event("m.room.message", content.clone())), What::Other(_)), "{content}");
    }
    assert!(read(&json!({ "event_id": 1, "sender": "@bob:x.org", "type": "m.room.message" }), &nobody).is_none());
    assert!(read(&json!({ "event_id": "$e", "sender": "bob", "type": "m.room.message" }), &nobody).is_none());
    assert!(parse(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))).is_none());
}

#[test]
fn power_levels_say_who_may_link_and_whether_members_may_speak() {
    let levels = PowerLevels::new(json!({ "users": { "@op:x.org": 100, "@old:x.org": "50" }, "events": { LINK: 50 },
        "events_default": 10 }));
    assert!(levels.may_link("@op:x.org") && levels.may_link("@old:x.org") && !levels.may_link("@bob:x.org"));
    assert_eq!(levels.place_kind(), PlaceKind::Channel);
    assert_eq!(PowerLevels::default().place_kind(), PlaceKind::Group);
    assert!(!PowerLevels::default().may_link("@bob:x.org"));
    let create = |version: &str| json!({ "sender": "@bob:x.org", "content": { "room_version": version, "additional_creators": ["@eve:x.org"] } });
    let levels = PowerLevels::default().created_by(&create("12"));
    assert!(levels.may_link("@bob:x.org") && levels.may_link("@eve:x.org") && !levels.may_link("@al:x.org"));
    assert!(!PowerLevels::default().created_by(&create("11")).may_link("@bob:x.org"));
}

#[test]
fn a_room_is_open_to_links_if_its_levels_say_so_or_everybody_may_take_part() {
    let plain = PowerLevels::new(json!({ "users_default": 0, "events": {} }));
    assert!(open_to_links(&plain, true, false).is_ok());
    assert!(open_to_links(&plain, false, false).is_err());
    assert!(open_to_links(&plain, true, true).is_err());
    assert!(open_to_links(&PowerLevels::new(json!({ "events_default": 10 })), true, false).is_err());
    let says = |needed: i64| PowerLevels::new(json!({ "events": { LINK: needed } }));
    assert!(open_to_links(&says(0), false, true).is_ok());
    assert!(open_to_links(&says(50), true, false).is_err());
}

fn uploaded(shape: AttachmentShape) -> Uploaded {
    let attachment = Attachment {
        name: "cat.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: None,
        url: "https://gw.example.org/media/x".to_owned(),
        shape,
    };
    Uploaded { attachment, uri: "mxc://x.org/abc".to_owned(), size: Some(5), encrypted: None }
}

#[test]
fn what_is_sent_is_heard_as_it_was_meant() {
    let mut content = Content { text: Text::plain("hello"), ..Content::default() };
    let files = [uploaded(AttachmentShape::File)];
    let mut events = parts(&content, Some(&EventId::new("$old")), &files, &nobody);
    assert_eq!(events.len(), 1, "one file with a caption");
    mark(&mut events[0], &MessageKey::new("mg-1"), 0);
    let heard = read(&event(events[0].kind, events[0].content.clone()), &nobody).unwrap();
    assert_eq!(heard.key, Some(MessageKey::new("mg-1")));
    let What::Message(said) = heard.what else { panic!("not a message") };
    content.reply_to = Some(EventId::new("$old"));
    assert_eq!(said.content, content);
    assert_eq!(said.file.unwrap().media.reference, "mxc://x.org/abc");

    let several = parts(&content, None, &[uploaded(AttachmentShape::Sticker), files[0].clone()], &nobody);
    let kinds: Vec<_> = several.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["m.room.message", "m.sticker", "m.room.message"]);

    let edited = edit(&EventId::new("$old"), several[0].clone());
    assert!(matches!(what(&event(edited.kind, edited.content)), What::Edit { .. }));
    let put = reaction(&EventId::new("$old"), "👍");
    let expected = What::Reaction { target: EventId::new("$old"), emoji: "👍".to_owned() };
    assert_eq!(what(&event(put.kind, put.content)), expected);
}

#[test]
fn a_relayed_message_begins_with_its_author() {
    let content = Content { text: Text::plain("hi"), ..Content::default() };
    assert_eq!(relayed(&content, "al\u{202e}ice").text.to_plain(), "alice: hi");
    let content = Content { style: ContentStyle::Emote, ..content };
    assert_eq!(relayed(&content, "alice").text.to_plain(), "alice hi");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "[$@!#]?[a-z:.]{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["m.text", "m.image", "m.replace", "m.thread", "mxc://a/b", "$e", "join"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let keys = prop::sample::select(vec![
            "msgtype",
            "body",
            "m.relates_to",
            "rel_type",
            "event_id",
            "m.new_content",
            "url",
            "info",
            "membership",
            "m.in_reply_to",
            "formatted_body",
            "format",
            "key",
            "redacts",
            "file",
            "unsigned",
            "prev_content",
            "name",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_event_is_too_strange_to_be_read(content in values(), state in any::<bool>(), kind in prop::sample::select(vec![
        "m.room.message", "m.sticker", "m.reaction", "m.room.redaction", "m.room.member", "m.room.name",
        "m.room.tombstone", "m.call.invite",
    ])) {
        let mut raw = event(kind, content);
        if state {
            raw["state_key"] = json!("@x:x.org");
        }
        prop_assert!(read(&raw, &nobody).is_some());
    }
}
