//! Reads a session description.

use super::MAX;
use crate::candidate::Candidate;
use crate::error::Unreadable;
use crate::group::Group;
use crate::model::{
    Content, Extension, Feedback, Fingerprint, Kind, MAX_CANDIDATES, MAX_CONTENTS, MAX_ITEMS, Msid, Parameter, Payload,
    Rtp, Senders, Session, Setup, Side, Source, SourceGroup, Transport,
};
use crate::rtp::{of_static, spaced};
use crate::transport::{credentials, is_hex_pairs};
use crate::xml::is_word;

impl Session {
    /// Reads a session description that `by` has written. Sections are named by their `a=mid`, or by
    /// their place where they have none, and belong to whoever wrote them.
    ///
    /// # Errors
    /// If it is none, is longer than 256 KiB, has more than 16 sections of sound and pictures, or two of
    /// the same name.
    pub fn of_sdp(text: &str, by: Side) -> Result<Self, Unreadable> {
        if text.len() > MAX {
            return Err(Unreadable("it is too long"));
        }
        let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        if lines.next() != Some("v=0") {
            return Err(Unreadable("it does not begin with v=0"));
        }
        let mut head = Vec::new();
        let mut sections: Vec<Section<'_>> = Vec::new();
        for line in lines {
            if line.chars().any(char::is_control) {
                return Err(Unreadable("a line has control characters"));
            }
            if let Some(media) = line.strip_prefix("m=") {
                sections.push(Section { media, attributes: Vec::new() });
            } else if let Some(attribute) = line.strip_prefix("a=") {
                sections.last_mut().map_or(&mut head, |section| &mut section.attributes).push(attribute);
            }
        }
        let mut session = Self {
            groups: values(&head, "group").filter_map(Group::of_line).take(MAX_CONTENTS).collect(),
            contents: Vec::new(),
        };
        for (index, section) in sections.iter().enumerate() {
            let Some(content) = section.content(&head, index, by, &session.groups) else { continue };
            if session.content(&content.name).is_some() {
                return Err(Unreadable("two media sections have the same mid"));
            }
            if session.contents.len() == MAX_CONTENTS {
                return Err(Unreadable("it has more than 16 media sections"));
            }
            session.contents.push(content);
        }
        Ok(session)
    }
}

/// A section's lines.
struct Section<'a> {
    media: &'a str,
    attributes: Vec<&'a str>,
}

fn values<'a>(attributes: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    attributes.iter().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

impl<'a> Section<'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        values(&self.attributes, name)
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.contains(&name)
    }

    /// `a=name:number rest`, of this number.
    fn of(&self, name: &str, number: u8) -> impl Iterator<Item = &'a str> {
        self.all(name).filter_map(move |value| {
            let (head, rest) = value.split_once(' ')?;
            (head.parse() == Ok(number)).then(|| rest.trim())
        })
    }

    fn content(&self, head: &[&str], index: usize, by: Side, groups: &[Group]) -> Option<Content> {
        let mut words = self.media.split_whitespace();
        let kind = Kind::of(words.next()?)?;
        let port: u16 = words.next()?.split('/').next()?.parse().ok()?;
        let is_secure = words.next().is_some_and(|protocol| protocol.contains("RTP/SAVP"));
        let name = self.all("mid").next().filter(|mid| is_word(mid)).map_or_else(|| index.to_string(), str::to_owned);
        let bundled = groups.iter().any(|group| group.is_bundle() && group.has(&name));
        if !is_secure || (port == 0 && !bundled) {
            return Some(Content::off(name, by, kind));
        }
        let direction = |lines: &[&str]| lines.iter().rev().find_map(|line| Senders::of_direction(line, by));
        let senders = direction(&self.attributes).or_else(|| direction(head)).unwrap_or(Senders::Both);
        let numbers: Vec<u8> = words.filter_map(|word| word.parse().ok()).filter(|id| *id < 128).collect();
        let (media, transport) = (self.rtp(kind, &numbers, head, by), self.transport(head));
        Some(Content { name, creator: by, senders, live: true, media, transport })
    }

    fn transport(&self, head: &[&str]) -> Transport {
        let one = |name| self.all(name).next().or_else(|| values(head, name).next());
        let word = |name| one(name).filter(|word| is_word(word)).map(str::to_owned);
        let candidates = self.attributes.iter().filter(|line| line.starts_with("candidate:"));
        let mut fingerprints: Vec<Fingerprint> = self.all("fingerprint").filter_map(fingerprint).take(4).collect();
        if fingerprints.is_empty() {
            fingerprints = values(head, "fingerprint").filter_map(fingerprint).take(4).collect();
        }
        Transport {
            credentials: credentials(word("ice-ufrag"), word("ice-pwd")),
            setup: one("setup").and_then(Setup::of).filter(|_| !fingerprints.is_empty()),
            fingerprints,
            candidates: candidates.filter_map(|line| Candidate::of_line(line)).take(MAX_CANDIDATES).collect(),
            trickle: one("ice-options").is_some_and(|options| options.split_whitespace().any(|word| word == "trickle")),
        }
    }

    fn rtp(&self, kind: Kind, numbers: &[u8], head: &[&str], by: Side) -> Rtp {
        let mut rtp = Rtp { mux: self.has("rtcp-mux") || self.has("rtcp-mux-only"), ..Rtp::new(kind) };
        for number in numbers.iter().take(MAX_ITEMS) {
            let payload =
                self.of("rtpmap", *number).find_map(|map| payload(*number, map)).or_else(|| of_static(*number));
            let Some(mut payload) = payload else { continue };
            if rtp.payloads.iter().any(|other| other.id == *number) {
                continue;
            }
            let fmtp = self.of("fmtp", *number).next().unwrap_or_default();
            payload.parameters = fmtp.split(';').filter_map(parameter).take(MAX_ITEMS).collect();
            payload.feedback = self.of("rtcp-fb", *number).filter_map(feedback).take(MAX_ITEMS).collect();
            rtp.payloads.push(payload);
        }
        let for_all = self.all("rtcp-fb").filter_map(|value| value.strip_prefix("* "));
        rtp.feedback = for_all.filter_map(feedback).take(MAX_ITEMS).collect();
        rtp.extensions = self.all("extmap").filter_map(|value| extension(value, by)).take(MAX_ITEMS).collect();
        rtp.mixed = self.has("extmap-allow-mixed") || head.contains(&"extmap-allow-mixed");
        rtp.msid = self.all("msid").next().and_then(msid);
        rtp.sources = self.sources();
        rtp.source_groups = self.all("ssrc-group").filter_map(group).take(MAX_ITEMS).collect();
        rtp.ptime = self.all("ptime").find_map(|value| value.parse().ok());
        rtp.max_ptime = self.all("maxptime").find_map(|value| value.parse().ok());
        rtp.settle_msid();
        rtp
    }

    fn sources(&self) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for value in self.all("ssrc") {
            let (number, attribute) = value.split_once(' ').unwrap_or((value, ""));
            let Ok(ssrc) = number.parse() else { continue };
            let known = sources.iter().position(|source| source.ssrc == ssrc);
            if known.is_none() && sources.len() == MAX_ITEMS {
                continue;
            }
            let index = known.unwrap_or_else(|| {
                sources.push(Source { ssrc, parameters: Vec::new() });
                sources.len() - 1
            });
            let (name, value) = match attribute.trim().split_once(':') {
                Some((name, value)) => (name, Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
                None => (attribute.trim(), None),
            };
            if is_word(name) && sources[index].parameters.len() < MAX_ITEMS {
                sources[index].parameters.push((name.to_owned(), value));
            }
        }
        sources
    }
}

/// `opus/48000/2`.
fn payload(id: u8, map: &str) -> Option<Payload> {
    let mut parts = map.split('/');
    let (name, clock) = (parts.next().filter(|name| is_word(name))?.to_owned(), parts.next()?.trim().parse().ok()?);
    let channels = parts.next().and_then(|count| count.trim().parse().ok()).unwrap_or(1);
    Some(Payload { id, name, clock, channels, parameters: Vec::new(), feedback: Vec::new() })
}

fn parameter(text: &str) -> Option<Parameter> {
    let text = text.trim();
    match text.split_once('=') {
        Some((name, value)) if is_word(name) && !value.trim().is_empty() => {
            Some(Parameter { name: Some(name.to_owned()), value: value.trim().to_owned() })
        }
        None if !text.is_empty() => Some(Parameter { name: None, value: text.to_owned() }),
        _ => None,
    }
}

fn feedback(text: &str) -> Option<Feedback> {
    let (kind, sub) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let sub = Some(spaced(sub)).filter(|sub| !sub.is_empty());
    // (The interval of `trr-int` is a number in Jingle.)
    let is_right = kind != "trr-int" || sub.as_ref().is_some_and(|sub| sub.parse::<u32>().is_ok());
    (is_word(kind) && is_right).then(|| Feedback { kind: kind.to_owned(), sub })
}

/// `number[/direction] uri [attributes]` (RFC 8285 §5).
fn extension(value: &str, by: Side) -> Option<Extension> {
    let mut words = value.split_whitespace();
    let (number, direction) = words.next().map(|word| word.split_once('/').unwrap_or((word, "sendrecv")))?;
    let senders = Senders::of_direction(direction, by)?;
    Some(Extension { id: number.parse().ok()?, uri: words.next()?.to_owned(), senders })
}

fn msid(value: &str) -> Option<Msid> {
    let mut words = value.split_whitespace();
    Some(Msid { stream: words.next()?.to_owned(), track: words.next().map(str::to_owned) })
}

fn group(value: &str) -> Option<SourceGroup> {
    let mut words = value.split_whitespace();
    let semantics = words.next()?.to_owned();
    let sources: Vec<u32> = words.filter_map(|word| word.parse().ok()).take(MAX_ITEMS).collect();
    Some(SourceGroup { semantics, sources }).filter(|group| !group.sources.is_empty())
}

fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, value) = value.split_once(' ')?;
    let value = value.trim().to_ascii_uppercase();
    is_hex_pairs(&value).then(|| Fingerprint { hash: hash.to_ascii_lowercase(), value })
}
