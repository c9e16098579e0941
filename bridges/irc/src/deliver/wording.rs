//! The words of what is sent: formatted text as mIRC codes, and in plain words what this server has
//! no means for.

use super::{is_blank, name_of};
use crate::format;
use crate::instance::Instance;
use monster_bridge_api::{Content, ContentStyle, Reference};

/// A message's words, `\n` between its lines.
pub(super) fn words(instance: &Instance, content: &Content) -> String {
    let mut lines = Vec::new();
    if !is_blank(&content.text) {
        lines.push(format::from_text(&content.text, &|mention| name_of(instance, mention)));
    }
    for attachment in &content.attachments {
        lines.push(format!("{}: {}", one_line(&attachment.name), one_line(&attachment.url)));
    }
    lines.join("\n")
}

/// What stands before an answer to a message that the server cannot name.
pub(super) fn answers(to: &Reference) -> String {
    format!("> {}: {}", one_line(&to.author_name), one_line(&to.excerpt))
}

/// That a message is withdrawn.
pub(super) fn withdrawn(target: &Reference, reason: Option<&str>) -> String {
    let reason = reason.map(|reason| format!(" ({})", one_line(reason))).unwrap_or_default();
    format!("[withdrawn: “{}”{reason}]", one_line(&target.excerpt))
}

/// That somebody put an emoji to a message, or took it back.
pub(super) fn reacted(target: &Reference, emoji: &str, remove: bool) -> String {
    let (emoji, excerpt, author) = (one_line(emoji), one_line(&target.excerpt), one_line(&target.author_name));
    if remove {
        format!("[no longer {emoji} to “{excerpt}” of {author}]")
    } else {
        format!("[{emoji} to “{excerpt}” of {author}]")
    }
}

/// The lines as the bot says them for somebody.
pub(super) fn relayed(words: &str, prefix: &str, label: &str, style: ContentStyle) -> String {
    let mut lines = words.split('\n');
    let mut out = Vec::new();
    if style == ContentStyle::Emote
        && let Some(first) = lines.next()
    {
        out.push(format!("* {label} {first}"));
    }
    out.extend(lines.filter(|line| !line.trim().is_empty()).map(|line| format!("{prefix}{line}")));
    out.join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use monster_bridge_api::{EventId, MessageKey};

    #[test]
    fn a_crafted_excerpt_stays_on_its_line() {
        let target = Reference {
            ids: vec![EventId::new("x")],
            key: MessageKey::new("mg-1"),
            author: None,
            author_name: "al\nice".to_owned(),
            excerpt: "hi\r\nQUIT :bye".to_owned(),
        };
        assert_eq!(withdrawn(&target, Some("a\nb")), "[withdrawn: “hi QUIT :bye” (a b)]");
        assert_eq!(reacted(&target, "👍", false), "[👍 to “hi QUIT :bye” of al ice]");
        assert_eq!(answers(&target), "> al ice: hi QUIT :bye");
    }

    #[test]
    fn every_relayed_line_says_who_speaks() {
        assert_eq!(relayed("one\n\ntwo", "<alice> ", "alice", ContentStyle::Said), "<alice> one\n<alice> two");
        assert_eq!(relayed("waves", "<alice> ", "alice", ContentStyle::Emote), "* alice waves");
    }
}
