//! A section's media as an element: codecs (XEP-0167), feedback (XEP-0293), header extensions
//! (XEP-0294) and sources (XEP-0339).

use crate::model::{Extension, Feedback, Kind, MAX_ITEMS, Msid, Parameter, Payload, Rtp, Senders, Source, SourceGroup};
use crate::ns;
use crate::xml::{self, Build, attr, children, is_line, is_word, parsed};
use minidom::Element;

/// Payload types that need no name (RFC 3551 §6).
const STATIC: [(u8, &str, u32); 5] =
    [(0, "PCMU", 8000), (3, "GSM", 8000), (8, "PCMA", 8000), (9, "G722", 8000), (13, "CN", 8000)];

/// What a payload type without a name is.
pub(crate) fn of_static(id: u8) -> Option<Payload> {
    let (_, name, clock) = STATIC.iter().find(|(known, ..)| *known == id)?;
    let name = (*name).to_owned();
    Some(Payload { id, name, clock: *clock, channels: 1, parameters: Vec::new(), feedback: Vec::new() })
}

impl Rtp {
    /// Reads a `description` of RTP. What is wrong in it is passed over; none if it is not of sound or
    /// pictures.
    pub(crate) fn of_element(element: &Element) -> Option<Self> {
        let kind = Kind::of(&attr(element, "media")?.to_ascii_lowercase())?;
        let mut rtp = Self { mux: element.has_child("rtcp-mux", ns::RTP), ..Self::new(kind) };
        for child in children(element, "payload-type", ns::RTP).take(MAX_ITEMS) {
            let Some(payload) = payload(child) else { continue };
            if rtp.payloads.iter().all(|other| other.id != payload.id) {
                rtp.ptime = rtp.ptime.or(parsed(child, "ptime"));
                rtp.max_ptime = rtp.max_ptime.or(parsed(child, "maxptime"));
                rtp.payloads.push(payload);
            }
        }
        rtp.feedback = feedback(element);
        rtp.extensions =
            children(element, "rtp-hdrext", ns::EXTENSIONS).filter_map(extension).take(MAX_ITEMS).collect();
        rtp.mixed = element.has_child("extmap-allow-mixed", ns::EXTENSIONS);
        rtp.sources = children(element, "source", ns::SOURCES).filter_map(source).take(MAX_ITEMS).collect();
        rtp.source_groups = children(element, "ssrc-group", ns::SOURCES).filter_map(group).take(MAX_ITEMS).collect();
        rtp.msid = children(element, "stream", ns::STREAMS)
            .find_map(|stream| Some(Msid { stream: xml::word(stream, "id")?, track: xml::word(stream, "track") }));
        rtp.settle_msid();
        Some(rtp)
    }

    /// Writes it.
    pub(crate) fn to_element(&self) -> Element {
        let mut element = Element::bare("description", ns::RTP).with("media", self.kind.as_str());
        element = element.with_some("ssrc", self.sources.first().map(|source| source.ssrc));
        for payload in &self.payloads {
            let payload = payload.to_element().with_some("ptime", self.ptime).with_some("maxptime", self.max_ptime);
            element.append_child(payload);
        }
        for child in self.feedback.iter().map(Feedback::to_element).chain(self.extensions.iter().map(of_extension)) {
            element.append_child(child);
        }
        if self.mixed {
            element.append_child(Element::bare("extmap-allow-mixed", ns::EXTENSIONS));
        }
        for group in &self.source_groups {
            let of = |ssrc| Element::bare("source", ns::SOURCES).with("ssrc", ssrc);
            let bare = Element::bare("ssrc-group", ns::SOURCES).with("semantics", &group.semantics);
            element.append_child(group.sources.iter().fold(bare, |group, ssrc| group.child(of(ssrc))));
        }
        for source in &self.sources {
            element.append_child(of_source(source, self.msid.as_ref()));
        }
        if let Some(Msid { stream, track }) = &self.msid {
            let stream = Element::bare("stream", ns::STREAMS).with("id", stream);
            element.append_child(stream.with_some("track", track.as_ref()));
        }
        if self.mux {
            element.append_child(Element::bare("rtcp-mux", ns::RTP));
        }
        element
    }

    /// The section's `msid` is said once: by the section, or by its first source that has one.
    pub(crate) fn settle_msid(&mut self) {
        let said = |(name, value): &(String, Option<String>)| {
            let mut words = value.as_deref().filter(|_| name == "msid")?.split_whitespace();
            let (stream, track) = (words.next()?.to_owned(), words.next().map(str::to_owned));
            Some(Msid { stream, track })
        };
        let of_source = || self.sources.iter().flat_map(|source| &source.parameters).find_map(said);
        self.msid = self.msid.take().or_else(of_source);
        let Some(msid) = self.msid.clone() else { return };
        for source in &mut self.sources {
            source.parameters.retain(|parameter| said(parameter).as_ref() != Some(&msid));
        }
    }
}

impl Msid {
    /// `stream track`.
    pub(crate) fn words(&self) -> String {
        match &self.track {
            Some(track) => format!("{} {track}", self.stream),
            None => self.stream.clone(),
        }
    }
}

fn payload(element: &Element) -> Option<Payload> {
    let id = parsed(element, "id").filter(|id| *id < 128)?;
    let named = || {
        let name = xml::word(element, "name").filter(|name| !name.contains('/'))?;
        let (clock, channels) = (parsed(element, "clockrate")?, parsed(element, "channels").unwrap_or(1));
        Some(Payload { id, name, clock, channels, parameters: Vec::new(), feedback: Vec::new() })
    };
    let mut payload = named().or_else(|| of_static(id))?;
    payload.parameters = children(element, "parameter", ns::RTP).filter_map(parameter).take(MAX_ITEMS).collect();
    payload.feedback = feedback(element);
    Some(payload)
}

/// `name` and `value`; of a value alone one of them is missing, which one depends on the client.
fn parameter(element: &Element) -> Option<Parameter> {
    let fits = |text: &&str| is_line(text) && !text.contains(';');
    let (name, value) = (attr(element, "name").filter(fits), attr(element, "value").filter(fits));
    match (name, value) {
        (Some(name), Some(value)) if is_word(name) && !name.contains('=') => {
            Some(Parameter { name: Some(name.to_owned()), value: value.to_owned() })
        }
        // (With an `=` in it, it would be read as a name and a value.)
        (Some(alone), None) | (None, Some(alone)) if !alone.contains('=') => {
            Some(Parameter { name: None, value: alone.to_owned() })
        }
        _ => None,
    }
}

fn feedback(element: &Element) -> Vec<Feedback> {
    let is_sub = |text: &&str| is_line(text);
    let of = |child: &Element| match child.name() {
        "rtcp-fb" => {
            let sub = attr(child, "subtype").filter(is_sub).map(spaced);
            Some(Feedback { kind: xml::word(child, "type")?, sub })
        }
        "rtcp-fb-trr-int" => {
            Some(Feedback { kind: "trr-int".to_owned(), sub: Some(parsed::<u32>(child, "value")?.to_string()) })
        }
        _ => None,
    };
    element.children().filter(|child| child.has_ns(ns::FEEDBACK)).filter_map(of).take(MAX_ITEMS).collect()
}

/// Words with one space between them.
pub(crate) fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn extension(element: &Element) -> Option<Extension> {
    let senders = attr(element, "senders").and_then(Senders::of).unwrap_or(Senders::Both);
    Some(Extension { id: parsed(element, "id")?, uri: xml::word(element, "uri")?, senders })
}

fn of_extension(extension: &Extension) -> Element {
    let Extension { id, uri, senders } = extension;
    let element = Element::bare("rtp-hdrext", ns::EXTENSIONS).with("id", id).with("uri", uri);
    element.with_some("senders", Some(senders.as_str()).filter(|_| *senders != Senders::Both))
}

fn source(element: &Element) -> Option<Source> {
    let parameter = |child: &Element| {
        let name = xml::word(child, "name").filter(|name| !name.contains(':'))?;
        Some((name, attr(child, "value").filter(|value| is_line(value)).map(str::to_owned)))
    };
    let parameters = element.children().filter(|child| child.name() == "parameter").filter_map(parameter);
    let parameters = parameters.take(MAX_ITEMS).collect();
    Some(Source { ssrc: parsed(element, "ssrc")?, parameters })
}

fn of_source(source: &Source, msid: Option<&Msid>) -> Element {
    let parameter = |name: &str, value: Option<&str>| {
        Element::bare("parameter", ns::SOURCES).with("name", name).with_some("value", value)
    };
    let mut element = Element::bare("source", ns::SOURCES).with("ssrc", source.ssrc);
    for (name, value) in &source.parameters {
        element.append_child(parameter(name, value.as_deref()));
    }
    if let Some(msid) = msid.filter(|_| !source.has_msid()) {
        element.append_child(parameter("msid", Some(&msid.words())));
    }
    element
}

fn group(element: &Element) -> Option<SourceGroup> {
    let sources = children(element, "source", ns::SOURCES).filter_map(|child| parsed(child, "ssrc"));
    let sources: Vec<u32> = sources.take(MAX_ITEMS).collect();
    Some(SourceGroup { semantics: xml::word(element, "semantics")?, sources }).filter(|group| !group.sources.is_empty())
}

impl Source {
    /// Whether it has a stream and a track that are not its section's.
    pub(crate) fn has_msid(&self) -> bool {
        self.parameters.iter().any(|(name, _)| name == "msid")
    }
}

impl Payload {
    fn to_element(&self) -> Element {
        let mut element = Element::bare("payload-type", ns::RTP)
            .with("id", self.id)
            .with("name", &self.name)
            .with("clockrate", self.clock)
            .with_some("channels", Some(self.channels).filter(|channels| *channels != 1));
        for Parameter { name, value } in &self.parameters {
            // (Conversations ends a session over a parameter without `value`, not over one without a name.)
            let name = name.as_deref().unwrap_or_default();
            element.append_child(Element::bare("parameter", ns::RTP).with("name", name).with("value", value));
        }
        self.feedback.iter().map(Feedback::to_element).fold(element, Element::child)
    }
}

impl Feedback {
    fn to_element(&self) -> Element {
        match (self.kind.as_str(), &self.sub) {
            ("trr-int", Some(interval)) => Element::bare("rtcp-fb-trr-int", ns::FEEDBACK).with("value", interval),
            (kind, sub) => Element::bare("rtcp-fb", ns::FEEDBACK).with("type", kind).with_some("subtype", sub.as_ref()),
        }
    }
}
