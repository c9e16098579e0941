//! How things are put into words, as snapshots: whoever changes a wording sees all of it here.

use super::*;
use crate::core::body::Wording;
use monster_bridge_api::{EventId, MessageKey};

fn quote(excerpt: &str) -> Quote {
    Quote {
        message: 1,
        key: "mg-key".to_owned(),
        venue: "@#rust:libera:gw.example".to_owned(),
        author: "@bob:libera:gw.example".to_owned(),
        author_name: "Bob".to_owned(),
        origin_id: "m1".to_owned(),
        excerpt: excerpt.to_owned(),
    }
}

fn file() -> Attachment {
    Attachment {
        name: "cat.png".to_owned(),
        media_type: "image/png".to_owned(),
        size: Some(1),
        url: "https://files.example/abc".to_owned(),
        shape: monster_bridge_api::AttachmentShape::File,
    }
}

/// Everything that can be said, by name.
fn everything() -> Vec<(&'static str, Said)> {
    let words = || Words::markdown("**new** words for @carol:other.example");
    let target = || quote("first words of it");
    let emote = Words { style: ContentStyle::Emote, ..Words::markdown("waves") };
    let with_file = Words { attachments: vec![file()], ..Words::markdown("look") };
    let formatted = Words { text: Wording::Formatted(Text::plain("a*b*c `d`")), ..Words::markdown("") };
    vec![
        ("message", Said::Send { words: words(), reply: None }),
        ("message from a network", Said::Send { words: formatted, reply: None }),
        ("emote", Said::Send { words: emote, reply: None }),
        ("file", Said::Send { words: with_file, reply: None }),
        ("reply", Said::Send { words: words(), reply: Some(target()) }),
        ("reply to nothing to quote", Said::Send { words: words(), reply: Some(quote("")) }),
        ("edit", Said::Edit { target: target(), words: words() }),
        ("recall", Said::Recall { target: target(), reason: None }),
        ("recall with a reason", Said::Recall { target: target(), reason: Some("spam\nmore".to_owned()) }),
        ("reaction", Said::React { target: target(), emoji: "👍".to_owned() }),
        ("reaction taken back", Said::Unreact { target: target(), emoji: "👍".to_owned(), reaction: None }),
        ("joined", Said::Membership(Membership::Joined)),
        ("left", Said::Membership(Membership::Left(Some("bye".to_owned())))),
        ("removed", Said::Membership(Membership::Removed { by: "op".to_owned(), reason: None })),
        ("renamed", Said::Membership(Membership::Renamed { from: "Al".to_owned() })),
        (
            "room",
            Said::RoomProfile(RoomProfile { name: Some("Tea\u{202e}".to_owned()), topic: Some("green".to_owned()) }),
        ),
        ("no topic", Said::RoomProfile(RoomProfile { name: None, topic: Some(String::new()) })),
        ("notice", Said::Notice("the topic is now: tea".to_owned())),
        ("waiting", Said::Decided(Admission::Waiting)),
        ("request", Said::Request { pass: None }),
    ]
}

fn all(support: Support) -> Capabilities {
    Capabilities {
        edit: support,
        recall: support,
        reply: support,
        reaction: support,
        attachment: support,
        membership: support,
        room_profile: support,
        ..Capabilities::text_only()
    }
}

fn shown(action: Option<&Action>) -> String {
    match action {
        None => "-".to_owned(),
        Some(Action::Send { content, reply_to }) => {
            let files = content.attachments.len();
            format!("{:?} {:?} reply={} files={files}", content.style, content.text.to_plain(), reply_to.is_some())
        }
        Some(Action::Edit { content, .. }) => format!("Edit {:?}", content.text.to_plain()),
        Some(Action::Recall { reason, .. }) => format!("Recall {reason:?}"),
        Some(Action::React { emoji, remove, .. }) => format!("React {emoji} remove={remove}"),
        Some(other) => format!("{other:?}"),
    }
}

#[test]
fn networks_get_what_they_can_and_words_for_the_rest() {
    let reference = Reference {
        ids: vec![EventId::new("m1")],
        key: MessageKey::new("mg-key"),
        author: None,
        author_name: "Bob".to_owned(),
        excerpt: "first words of it".to_owned(),
    };
    let mut lines = Vec::new();
    for (name, said) in everything() {
        for support in [Support::Full, Support::Words, Support::Dropped] {
            let action = for_bridge(&said, &all(support), Some(&reference));
            lines.push(format!("{name} / {support:?}: {}", shown(action.as_ref())));
        }
        let unknown = for_bridge(&said, &all(Support::Full), None);
        lines.push(format!("{name} / the message is not known there: {}", shown(unknown.as_ref())));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn monster_peers_that_know_only_the_published_protocol_get_words() {
    let mut lines = Vec::new();
    for (name, said) in everything() {
        let group = for_plain_peer(&said, &super::name("Alice\u{202e}\nof\u{200b} Wonderland"), true);
        let private = for_plain_peer(&said, "Alice", false);
        lines.push(format!("{name}: {group:?} / {private:?}"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_name_is_one_visible_line_of_bounded_length() {
    assert_eq!(name("a\r\nb"), "a b");
    assert_eq!(name("\u{202e}evil\u{2066}"), "evil");
    assert_eq!(name(" \u{200b} "), "somebody");
    assert_eq!(name(&"x".repeat(1_000)).chars().count(), NAME);
}
