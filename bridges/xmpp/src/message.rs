//! What a message stanza means, and how something said becomes one: bodies, corrections, replies,
//! reactions, retractions, files, markers. Pure translations; who said it, where, and under which id
//! others know it is the caller's business (`rooms`, `people`, `service`).

use crate::format;
use crate::xml::{self, Make, attr, el, ns, text_of};
use minidom::Element;
use monster_bridge_api::{Attachment, AttachmentShape, Content, ContentStyle, EventId, Reference, Text};

/// The most emoji of one reaction stanza.
const EMOJI: usize = 32;
const STYLING: &str = "urn:xmpp:styling:0";

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Saying {
    /// Words, files.
    Message(Content),
    /// An earlier message of the author, by its own id, says something else (XEP-0308).
    Correction { id: String, content: Content },
    /// An earlier message of the author is withdrawn (XEP-0424).
    Retraction { id: String, reason: Option<String> },
    /// Somebody's message was removed by a moderator (XEP-0425).
    Moderation { id: String, by: Option<String>, reason: Option<String> },
    /// All the emoji that the author puts to a message (XEP-0444).
    Reactions { id: String, emoji: Vec<String> },
}

/// Reads what a message says; `None` if it says nothing.
pub(crate) fn read(message: &Element) -> Option<Saying> {
    for (namespace, moderated) in [(ns::RETRACT, ns::MODERATE), (ns::RETRACT_0, ns::MODERATE_0)] {
        if let Some(retract) = message.get_child("retract", namespace) {
            let id = attr(retract, "id")?.to_owned();
            let reason = text_of(retract, "reason", namespace);
            return Some(match retract.get_child("moderated", moderated) {
                Some(by) => Saying::Moderation { id, by: attr(by, "by").map(str::to_owned), reason },
                None => Saying::Retraction { id, reason },
            });
        }
    }
    if let Some(apply) = message.get_child("apply-to", ns::FASTEN) {
        return read_fastened(apply);
    }
    if let Some(reactions) = message.get_child("reactions", ns::REACTIONS) {
        let id = attr(reactions, "id")?.to_owned();
        let mut emoji: Vec<String> = Vec::new();
        for reaction in reactions.children().filter(|child| child.name() == "reaction").take(EMOJI) {
            let one = reaction.text();
            if !one.trim().is_empty() && one.len() <= 64 && !emoji.contains(&one) {
                emoji.push(one);
            }
        }
        return Some(Saying::Reactions { id, emoji });
    }
    let content = read_content(message)?;
    match message.get_child("replace", ns::CORRECT).and_then(|replace| attr(replace, "id")) {
        Some(id) => Some(Saying::Correction { id: id.to_owned(), content }),
        None => Some(Saying::Message(content)),
    }
}

/// Retraction and moderation as they were before 2023.
fn read_fastened(apply: &Element) -> Option<Saying> {
    let id = attr(apply, "id")?.to_owned();
    if let Some(moderated) = apply.get_child("moderated", ns::MODERATE_0) {
        let reason = text_of(moderated, "reason", ns::MODERATE_0);
        return Some(Saying::Moderation { id, by: attr(moderated, "by").map(str::to_owned), reason });
    }
    apply.get_child("retract", ns::RETRACT_0).map(|_| Saying::Retraction { id, reason: None })
}

fn read_content(message: &Element) -> Option<Content> {
    let body = text_of(message, "body", ns::CLIENT);
    let attachments: Vec<Attachment> =
        message.children().filter(|x| x.is("x", ns::OOB)).filter_map(attachment).take(10).collect();
    let reply_to = message.get_child("reply", ns::REPLY).and_then(|reply| attr(reply, "id")).map(EventId::new);
    let mut words = body.unwrap_or_default();
    if reply_to.is_some() {
        words = without_fallback(message, &words);
    }
    // Clients repeat the address of a file as the body.
    if attachments.iter().any(|file| file.url == words.trim()) {
        words.clear();
    }
    let html = message.get_child("html", ns::XHTML_IM).filter(|_| reply_to.is_none() && !words.is_empty());
    let (style, words) = match words.strip_prefix("/me ") {
        Some(done) => (ContentStyle::Emote, done.to_owned()),
        None => (ContentStyle::Said, words),
    };
    let unstyled = message.has_child("unstyled", STYLING);
    let text = match html.filter(|_| style == ContentStyle::Said).and_then(format::read_xhtml) {
        Some(text) => text,
        None if words.is_empty() => Text::default(),
        None if unstyled => Text::plain(words),
        None => format::read(&words),
    };
    (!text.is_blank() || !attachments.is_empty()).then_some(Content { text, style, reply_to, attachments })
}

fn attachment(oob: &Element) -> Option<Attachment> {
    let url = text_of(oob, "url", ns::OOB)?.trim().to_owned();
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.len() > 2048 {
        return None;
    }
    let path = url.split(['?', '#']).next().unwrap_or(&url);
    let encoded = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("file");
    let name = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy().into_owned();
    let media_type = media_type(&name).to_owned();
    Some(Attachment { name, media_type, size: None, url, shape: AttachmentShape::File })
}

/// The media type that a file's name suggests.
pub(crate) fn media_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("svg") => "image/svg+xml",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("mp3") => "audio/mpeg",
        Some("ogg" | "oga" | "opus") => "audio/ogg",
        Some("m4a") => "audio/mp4",
        Some("pdf") => "application/pdf",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// The words without those that repeat what is answered (XEP-0428); positions count characters.
fn without_fallback(message: &Element, words: &str) -> String {
    let fallback =
        message.children().find(|child| child.is("fallback", ns::FALLBACK) && child.attr("for") == Some(ns::REPLY));
    let Some(fallback) = fallback else { return words.to_owned() };
    let characters: Vec<char> = words.chars().collect();
    let number = |body: &Element, name: &str| body.attr(name).and_then(|text| text.parse::<usize>().ok());
    let Some(body) = fallback.get_child("body", ns::FALLBACK) else { return words.to_owned() };
    let start = number(body, "start").unwrap_or(0).min(characters.len());
    let end = number(body, "end").unwrap_or(characters.len()).clamp(start, characters.len());
    characters[..start].iter().chain(&characters[end..]).collect()
}

/// A chat state (XEP-0085): whether the author is typing.
pub(crate) fn typing(message: &Element) -> Option<bool> {
    let state = message.children().find(|child| child.ns() == ns::CHAT_STATES)?;
    Some(state.name() == "composing")
}

/// The message up to which the author has read (XEP-0333).
pub(crate) fn displayed(message: &Element) -> Option<&str> {
    message.get_child("displayed", ns::MARKERS).and_then(|marker| marker.attr("id")).filter(|id| !id.is_empty())
}

/// The id that a room or server gave a message (XEP-0359).
pub(crate) fn stanza_id<'a>(message: &'a Element, by: &str) -> Option<&'a str> {
    let given = |child: &&Element| {
        child.is("stanza-id", ns::STANZA_ID) && child.attr("by").is_some_and(|who| who.eq_ignore_ascii_case(by))
    };
    message.children().find(given).and_then(|child| child.attr("id")).filter(|id| !id.is_empty())
}

/// The id that the author gave it.
pub(crate) fn own_id(message: &Element) -> Option<&str> {
    let origin = message.get_child("origin-id", ns::STANZA_ID).and_then(|origin| origin.attr("id"));
    message.attr("id").or(origin).filter(|id| !id.is_empty())
}

/// Puts something said into a message: its words, its files' links, what it answers. `name` stands
/// before the words where one occupant speaks for several.
pub(crate) fn write(message: Element, content: &Content, reply: Option<&Reply<'_>>, name: Option<&str>) -> Element {
    let (mut words, styled) = format::write(&content.text);
    for file in &content.attachments {
        if !words.is_empty() {
            words.push('\n');
        }
        words.push_str(&file.url);
    }
    words = match (name, content.style) {
        (Some(name), ContentStyle::Emote) => format!("* {name} {words}"),
        (Some(name), _) => format!("{name}: {words}"),
        (None, ContentStyle::Emote) => format!("/me {words}"),
        (None, _) => words,
    };
    let mut message = message;
    if let Some(reply) = reply {
        message = message.child(el("reply", ns::REPLY).with_some("to", reply.to.clone()).with("id", reply.id));
        let quoted: Vec<String> = reply.excerpt.lines().take(3).map(|line| format!("> {line}")).collect();
        if !quoted.is_empty() {
            let quoted = format!("{}\n", quoted.join("\n"));
            let range = el("body", ns::FALLBACK).with("start", "0").with("end", quoted.chars().count().to_string());
            message = message.child(el("fallback", ns::FALLBACK).with("for", ns::REPLY).child(range));
            words.insert_str(0, &quoted);
        }
    }
    if let ([file], true) = (content.attachments.as_slice(), content.text.is_blank() && name.is_none()) {
        message = message.child(el("x", ns::OOB).child(el("url", ns::OOB).words(file.url.as_str())));
    }
    if !styled && reply.is_none() && words.contains(['*', '_', '~', '`', '>']) {
        message = message.child(el("unstyled", STYLING));
    }
    message.child(el("body", ns::CLIENT).words(words))
}

/// What a message answers.
pub(crate) struct Reply<'a> {
    /// Its id there.
    pub(crate) id: &'a str,
    /// Who wrote it, as an address there.
    pub(crate) to: Option<String>,
    /// Its first words.
    pub(crate) excerpt: &'a str,
}

impl<'a> Reply<'a> {
    /// What a reference says; `None` if it has no id.
    pub(crate) fn to(reference: &'a Reference) -> Option<Self> {
        let id = bare_id(reference.ids.first()?);
        let to = reference.author.as_ref().map(|author| author.as_str().to_owned());
        Some(Self { id, to, excerpt: &reference.excerpt })
    }
}

/// A message of ours: with our id, twice, so that it is known again however it comes back.
pub(crate) fn begin(from: &str, to: &str, kind: &str, id: &str) -> Element {
    let message = xml::stanza("message", from, to).with("type", kind).with("id", id);
    message.child(el("origin-id", ns::STANZA_ID).with("id", id))
}

/// A retraction of a message, with words for clients that don't know it.
pub(crate) fn retraction(message: Element, id: &str, reason: Option<&str>) -> Element {
    let retract = el("retract", ns::RETRACT).with("id", id);
    let retract = match reason {
        Some(reason) => retract.child(el("reason", ns::RETRACT).words(reason)),
        None => retract,
    };
    message
        .child(retract)
        .child(el("fallback", ns::FALLBACK).with("for", ns::RETRACT))
        .child(el("body", ns::CLIENT).words("This person withdrew a message."))
        .child(el("store", ns::HINTS))
}

/// All emoji that somebody puts to a message.
pub(crate) fn reactions<'a>(message: Element, id: &str, emoji: impl Iterator<Item = &'a String>) -> Element {
    let all = emoji.map(|one| el("reaction", ns::REACTIONS).words(one.as_str()));
    message.child(el("reactions", ns::REACTIONS).with("id", id).all(all)).child(el("store", ns::HINTS))
}

/// The ids of authors that count instead of being random are told apart by a time behind them.
const COUNTED: char = '\u{1f}';

/// The event id of a message that only its author gave an id.
pub(crate) fn event_id(own: &str, at_ms: u128) -> EventId {
    if own.chars().count() >= 10 { EventId::new(own) } else { EventId::new(format!("{own}{COUNTED}{at_ms}")) }
}

/// The network's part of an event id.
pub(crate) fn bare_id(id: &EventId) -> &str {
    id.as_str().split(COUNTED).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(inside: &str) -> Element {
        format!("<message xmlns='jabber:client' id='m1'>{inside}</message>").parse().unwrap()
    }

    fn plain(saying: &Saying) -> String {
        match saying {
            Saying::Message(content) | Saying::Correction { content, .. } => content.text.to_plain(),
            _ => String::new(),
        }
    }

    #[test]
    fn a_reply_loses_the_words_that_it_repeats() {
        let said = message(
            "<body>&gt; höw?\nfine</body><reply xmlns='urn:xmpp:reply:0' to='a@b' id='o1'/>\
             <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='7'/></fallback>",
        );
        let Some(Saying::Message(content)) = read(&said) else { panic!() };
        assert_eq!((content.text.to_plain().as_str(), content.reply_to), ("fine", Some(EventId::new("o1"))));
    }

    #[test]
    fn a_fallback_with_wild_positions_loses_no_more_than_it_names() {
        for range in ["start='5' end='2'", "start='x'", "start='0' end='99999999999999999999999'", ""] {
            let said = message(&format!(
                "<body>hello</body><reply xmlns='urn:xmpp:reply:0' id='o1'/>\
                 <fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body {range}/></fallback>"
            ));
            let _ = read(&said);
        }
    }

    #[test]
    fn corrections_retractions_and_moderations_name_their_message() {
        let said = read(&message("<body>new</body><replace xmlns='urn:xmpp:message-correct:0' id='o1'/>")).unwrap();
        assert!(matches!(&said, Saying::Correction { id, .. } if id == "o1") && plain(&said) == "new");
        let said = read(&message("<retract xmlns='urn:xmpp:message-retract:1' id='o2'/><body>gone</body>"));
        assert_eq!(said, Some(Saying::Retraction { id: "o2".into(), reason: None }));
        let said = read(&message(
            "<retract xmlns='urn:xmpp:message-retract:1' id='o3'><moderated xmlns='urn:xmpp:message-moderate:1' by='r@c/x'/>\
             <reason>spam</reason></retract>",
        ));
        let moderation = Saying::Moderation { id: "o3".into(), by: Some("r@c/x".into()), reason: Some("spam".into()) };
        assert_eq!(said, Some(moderation));
        let said = read(&message(
            "<apply-to xmlns='urn:xmpp:fasten:0' id='o4'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to>",
        ));
        assert_eq!(said, Some(Saying::Retraction { id: "o4".into(), reason: None }));
    }

    #[test]
    fn a_file_is_no_words() {
        let url = "https://files.example/a/cat%20one.png?x=1";
        let said = message(&format!("<body>{url}</body><x xmlns='jabber:x:oob'><url>{url}</url></x>"));
        let Some(Saying::Message(content)) = read(&said) else { panic!() };
        assert!(content.text.is_blank());
        let file = &content.attachments[0];
        assert_eq!((file.name.as_str(), file.media_type.as_str()), ("cat one.png", "image/png"));
        let local = message("<x xmlns='jabber:x:oob'><url>file:///etc/passwd</url></x>");
        assert_eq!(read(&local), None);
    }

    #[test]
    fn what_is_written_is_read_the_same() {
        let content = Content { text: Text::plain("2 *3* 4"), style: ContentStyle::Emote, ..Content::default() };
        let written = write(begin("a@x", "b@y", "chat", "k1"), &content, None, None);
        assert_eq!(read(&written), Some(Saying::Message(content.clone())));
        let reply = Reply { id: "o1", to: None, excerpt: "what?" };
        let said = Content { text: Text::plain("this"), ..Content::default() };
        let written = write(begin("a@x", "b@y", "chat", "k1"), &said, Some(&reply), None);
        assert_eq!(text_of(&written, "body", ns::CLIENT).as_deref(), Some("> what?\nthis"));
        let Some(Saying::Message(read)) = read(&written) else { panic!() };
        assert_eq!((read.text.to_plain().as_str(), read.reply_to), ("this", Some(EventId::new("o1"))));
    }

    #[test]
    fn counted_ids_are_told_apart() {
        assert_eq!(event_id("0d1f9e3c-aaaa", 5).as_str(), "0d1f9e3c-aaaa");
        assert_ne!(event_id("7", 5), event_id("7", 6));
        assert_eq!(bare_id(&event_id("7", 6)), "7");
    }
}
