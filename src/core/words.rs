//! The one place where features are put into words: for networks that lack them, and for Monster
//! peers that know only the published protocol. Pure; `deliver` calls it.

use super::body::{EXCERPT, Quote, Said, Words};
use super::markdown;
use monster_bridge_api::{
    Action, Admission, Attachment, Block, BlockKind, Capabilities, Content, ContentStyle, Membership, Reference,
    RoomProfile, Span, Support, Text, is_shown,
};

/// The most characters of a name.
const NAME: usize = 64;
/// The most characters of what a room is about.
const TOPIC: usize = 300;

/// What a bridge is asked to do, with everything put into words that it cannot do there; `None` if
/// it is left out. `reference`: the message that `said` names, as the network knows it, if it does.
pub(crate) fn for_bridge(said: &Said, capabilities: &Capabilities, reference: Option<&Reference>) -> Option<Action> {
    let native = |support: Support| reference.filter(|_| support == Support::Full).cloned();
    match said {
        Said::Send { words, reply } => {
            let mut content = content_for(words, capabilities);
            let reply_to = native(capabilities.reply);
            if let Some(quote) = reply
                && reply_to.is_none()
                && capabilities.reply != Support::Dropped
            {
                prefix(&mut content, &answer_to(quote));
            }
            Some(Action::Send { content, reply_to })
        }
        Said::Edit { target, words } => {
            let mut content = content_for(words, capabilities);
            if let Some(target) = native(capabilities.edit) {
                return Some(Action::Edit { target, content });
            }
            prefix(&mut content, &edited(target));
            (capabilities.edit != Support::Dropped).then_some(Action::Send { content, reply_to: None })
        }
        Said::Recall { target, reason } => match native(capabilities.recall) {
            Some(target) => Some(Action::Recall { target, reason: reason.clone() }),
            None => told(capabilities.recall, withdrew(target, reason.as_deref())),
        },
        Said::React { target, emoji } => match native(capabilities.reaction) {
            Some(target) => Some(Action::React { target, emoji: emoji.clone(), remove: false }),
            None => told(capabilities.reaction, reacted(target, emoji)),
        },
        Said::Unreact { target, emoji, .. } => match native(capabilities.reaction) {
            Some(target) => Some(Action::React { target, emoji: emoji.clone(), remove: true }),
            None => told(capabilities.reaction, took_back(target, emoji)),
        },
        Said::Membership(change) => match capabilities.membership {
            Support::Full => Some(Action::Membership(change.clone())),
            support => told(support, membership(change)),
        },
        Said::RoomProfile(change) => match capabilities.room_profile {
            Support::Full => Some(Action::RoomProfile(change.clone())),
            support => told(support, room_profile(change)),
        },
        Said::Notice(notice) => Some(send(notice.clone(), ContentStyle::Notice)),
        Said::Decided(admission) => Some(send(decided(*admission)?.to_owned(), ContentStyle::Emote)),
        Said::Request { .. } | Said::Closed => None,
    }
}

/// A decision that is told in words, as no network has a form for it.
fn decided(admission: Admission) -> Option<&'static str> {
    match admission {
        Admission::Waiting => Some("has to approve your request"),
        Admission::WrongPass => Some("did not accept the pass"),
        Admission::Accepted | Admission::Refused => None,
    }
}

/// A line that tells what its author did.
fn told(support: Support, words: String) -> Option<Action> {
    (support != Support::Dropped).then(|| send(words, ContentStyle::Emote))
}

fn send(words: String, style: ContentStyle) -> Action {
    Action::Send { content: Content { text: Text::plain(words), style, ..Content::default() }, reply_to: None }
}

fn content_for(words: &Words, capabilities: &Capabilities) -> Content {
    let mut content = words.content();
    for span in spans_mut(&mut content.text) {
        if let Some(mention) = &span.style.mention
            && span.text == *mention
            && let Ok(address) = mention.parse::<monster_protocol::Address>()
        {
            // People see names, never addresses.
            span.text = address.name().into_owned();
        }
    }
    match capabilities.attachment {
        Support::Full => {}
        Support::Dropped => content.attachments.clear(),
        Support::Words => {
            for attachment in std::mem::take(&mut content.attachments) {
                append_attachment(&mut content.text, &attachment);
            }
        }
    }
    content
}

fn spans_mut(text: &mut Text) -> impl Iterator<Item = &mut Span> {
    text.blocks.iter_mut().flat_map(|block| match &mut block.kind {
        BlockKind::Paragraph(spans) => spans.iter_mut(),
        BlockKind::Code { .. } => [].iter_mut(),
    })
}

/// Puts plain words before a content's own.
fn prefix(content: &mut Content, words: &str) {
    let span = Span::plain(words);
    match content.text.blocks.first_mut() {
        Some(Block { quote: 0, kind: BlockKind::Paragraph(spans) }) => spans.insert(0, span),
        _ => content.text.blocks.insert(0, Block { quote: 0, kind: BlockKind::Paragraph(vec![span]) }),
    }
}

/// A file as a line of its own: its name, and where it is.
fn append_attachment(text: &mut Text, attachment: &Attachment) {
    let mut spans = Vec::new();
    if !attachment.name.is_empty() && !attachment.url.ends_with(&attachment.name) {
        spans.push(Span::plain(format!("{}: ", name(&attachment.name))));
    }
    let mut link = Span::plain(attachment.url.clone());
    link.style.link = Some(attachment.url.clone());
    spans.push(link);
    text.blocks.push(Block { quote: 0, kind: BlockKind::Paragraph(spans) });
}

/// The Markdown of what is said, for a Monster peer that reads the optional fields.
pub(crate) fn markdown_of(words: &Words, author_name: &str) -> String {
    let mut text = match &words.text {
        super::body::Wording::Markdown(text) => text.clone(),
        super::body::Wording::Formatted(text) => markdown::write(text),
    };
    if words.style == ContentStyle::Emote {
        text = format!("* {} {text}", name(author_name));
    }
    for attachment in &words.attachments {
        let mut formatted = Text::default();
        append_attachment(&mut formatted, attachment);
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&markdown::write(&formatted));
    }
    text
}

/// The text for a Monster peer that knows only the published protocol; `None` where the frame is
/// one that every peer knows. `author_name`: as it can stand in a line. `in_group`: its readers
/// cannot see otherwise who the author is.
pub(crate) fn for_plain_peer(said: &Said, author_name: &str, in_group: bool) -> Option<String> {
    let says = |text: String| if in_group { format!("{author_name}: {text}") } else { text };
    let does = |text: String| if in_group { format!("{author_name} {text}") } else { text };
    match said {
        Said::Send { words, reply } => {
            let text = markdown_of(words, author_name);
            let text = match reply {
                Some(quote) => format!("{}{text}", answer_to(quote)),
                None => text,
            };
            Some(if words.style == ContentStyle::Emote { text } else { says(text) })
        }
        Said::Edit { target, words } => Some(says(format!("{}{}", edited(target), markdown_of(words, author_name)))),
        Said::React { target, emoji } => Some(does(reacted(target, emoji))),
        Said::Unreact { reaction: None, target, emoji } => Some(does(took_back(target, emoji))),
        Said::Membership(change) => Some(format!("{author_name} {}", membership(change))),
        Said::Notice(notice) => Some(notice.clone()),
        Said::RoomProfile(change) => Some(format!("{author_name} {}", room_profile(change))),
        Said::Decided(admission) => Some(does(decided(*admission)?.to_owned())),
        Said::Recall { .. } | Said::Unreact { .. } | Said::Request { .. } | Said::Closed => None,
    }
}

/// What the sender of a message is told when it could not be delivered.
pub(crate) fn undelivered(excerpt: &str, to: &str, why: &str) -> String {
    let what = if excerpt.is_empty() { String::new() } else { format!(" “{excerpt}”") };
    format!("Your message{what} could not be delivered to {to}: {}", line(why, 300))
}

fn answer_to(quote: &Quote) -> String {
    match quote.excerpt.as_str() {
        "" => format!("{}: ", name(&quote.author_name)),
        excerpt => format!("{} (“{excerpt}”): ", name(&quote.author_name)),
    }
}

fn edited(target: &Quote) -> String {
    format!("edited {}: ", quoted(target))
}

fn withdrew(target: &Quote, reason: Option<&str>) -> String {
    let reason = reason.map(|reason| format!(" ({})", line(reason, 200))).unwrap_or_default();
    format!("withdrew: {}{reason}", quoted(target))
}

fn reacted(target: &Quote, emoji: &str) -> String {
    format!("reacted with {} to {}", name(emoji), quoted(target))
}

fn took_back(target: &Quote, emoji: &str) -> String {
    format!("took back {} from {}", name(emoji), quoted(target))
}

fn quoted(target: &Quote) -> String {
    match target.excerpt.as_str() {
        "" => "a message".to_owned(),
        excerpt => format!("“{}”", line(excerpt, EXCERPT)),
    }
}

fn membership(change: &Membership) -> String {
    let because = |reason: &Option<String>| {
        reason.as_deref().map(|reason| format!(" ({})", line(reason, 200))).unwrap_or_default()
    };
    match change {
        Membership::Joined => "joined".to_owned(),
        Membership::Left(reason) => format!("left{}", because(reason)),
        Membership::Removed { by, reason } => format!("was removed by {}{}", name(by), because(reason)),
        Membership::Renamed { from } => format!("was called {} before", name(from)),
    }
}

fn room_profile(change: &RoomProfile) -> String {
    let name = change.name.as_deref().map(|name| format!("called this room “{}”", line(name, TOPIC)));
    let topic = change.topic.as_deref().map(|topic| match topic.trim() {
        "" => "removed the topic".to_owned(),
        topic => format!("changed the topic to “{}”", line(topic, TOPIC)),
    });
    let changes: Vec<String> = name.into_iter().chain(topic).collect();
    if changes.is_empty() { "changed this room".to_owned() } else { changes.join(" and ") }
}

/// A name as it can stand in a line: nothing that breaks the line, is invisible, or turns the
/// direction of writing, and not without end.
pub(crate) fn name(text: &str) -> String {
    line(text, NAME)
}

/// Somebody's words as a part of a line, so long at most.
pub(crate) fn line(text: &str, characters: usize) -> String {
    let visible: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| is_shown(*c)).collect();
    let line = Text::plain(visible).excerpt(characters);
    if line.is_empty() { "somebody".to_owned() } else { line }
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
