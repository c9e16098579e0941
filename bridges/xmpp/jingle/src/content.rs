//! A `content` of a Jingle element (XEP-0166 §7.3): whole, or as much of one as an action needs.

use crate::error::Refused;
use crate::model::{Content, MAX_CONTENTS, Rtp, Senders, Session, Side, Transport};
use crate::ns;
use crate::xml::{Build, attr, children};
use minidom::Element;

/// The longest name of a content, in bytes.
const MAX_NAME: usize = 256;

/// A content, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Who brought it into the session.
    pub creator: Side,
    /// Its name.
    pub name: String,
    /// Who sends, where it is said.
    pub senders: Option<Senders>,
    /// What.
    pub media: Option<Rtp>,
    /// Which way.
    pub transport: Option<Transport>,
    /// What or which way is nothing that a call has (files, in-band bytes).
    pub foreign: bool,
}

impl Part {
    /// A name alone.
    pub fn bare(content: &Content) -> Self {
        let (creator, name) = (content.creator, content.name.clone());
        Self { creator, name, senders: None, media: None, transport: None, foreign: false }
    }

    /// All of a content.
    pub fn whole(content: &Content) -> Self {
        let (media, transport) = (Some(content.media.clone()), Some(content.transport.clone()));
        Self { senders: Some(content.senders), media, transport, ..Self::bare(content) }
    }

    /// The content that it is all of.
    pub fn into_content(self) -> Option<Content> {
        let Self { creator, name, senders, media: Some(media), transport: Some(transport), .. } = self else {
            return None;
        };
        let senders = senders.unwrap_or(Senders::Both);
        Some(Content { name, creator, senders, live: true, media, transport })
    }

    fn of_element(element: &Element) -> Result<Self, Refused> {
        let name = attr(element, "name").filter(|name| name.len() <= MAX_NAME && !name.chars().any(char::is_control));
        let name = name.ok_or(Refused::bad("a content has no name"))?.to_owned();
        // (Some leave the creator out, or have always the same one.)
        let creator = attr(element, "creator").and_then(Side::of).unwrap_or(Side::Initiator);
        let senders = match attr(element, "senders") {
            Some(word) => Some(Senders::of(word).ok_or(Refused::bad("nobody knows who these senders are"))?),
            None => None,
        };
        let description = element.children().find(|child| child.name() == "description");
        let transport = element.children().find(|child| child.name() == "transport");
        let media = description.filter(|child| child.has_ns(ns::RTP)).and_then(Rtp::of_element);
        let ice = transport.filter(|child| child.has_ns(ns::ICE)).map(Transport::of_element);
        let foreign = description.is_some() != media.is_some() || transport.is_some() != ice.is_some();
        Ok(Self { creator, name, senders, media, transport: ice, foreign })
    }

    /// Writes it.
    pub fn to_element(&self) -> Element {
        let mut element = Element::bare("content", ns::JINGLE)
            .with("creator", self.creator.as_str())
            .with("name", &self.name)
            .with_some("senders", self.senders.map(Senders::as_str));
        let media = self.media.as_ref().map(Rtp::to_element);
        for child in media.into_iter().chain(self.transport.as_ref().map(Transport::to_element)) {
            element.append_child(child);
        }
        element
    }

    /// Reads the contents of a `jingle` element.
    pub(crate) fn all_in(jingle: &Element) -> Result<Vec<Self>, Refused> {
        let mut parts: Vec<Self> = Vec::new();
        for element in children(jingle, "content", ns::JINGLE) {
            if parts.len() == MAX_CONTENTS {
                return Err(Refused::too_much("a session of more than 16 contents"));
            }
            let part = Self::of_element(element)?;
            if parts.iter().any(|other| other.name == part.name) {
                return Err(Refused::bad("two contents have the same name"));
            }
            parts.push(part);
        }
        Ok(parts)
    }
}

/// The parts of all live sections of a session, as a first offer or answer has them.
pub fn contents_of(session: &Session) -> Vec<Part> {
    session.live().map(Part::whole).collect()
}
