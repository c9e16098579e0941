//! From bytes to stanzas.

use crate::xml::{self, ns};
use minidom::Element;
use rxml::error::EndOrError;
use rxml::{Event, Options, Parse, Parser, WithOptions};

/// The most bytes of one stanza: names, attributes and text together.
const STANZA_BYTES: usize = 1 << 20;
/// The most elements that one stands within another.
const DEPTH: usize = 64;
/// The most elements of one stanza.
const ELEMENTS: usize = 20_000;
/// The longest attribute, in bytes. (Longer text comes in pieces.)
const TOKEN_BYTES: usize = 512 << 10;

/// What came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Incoming {
    /// The other side's stream header, with the id it gave.
    Header {
        /// The stream's id.
        id: Option<String>,
    },
    /// A stanza or another element of the stream.
    Element(Element),
    /// The head of a stanza whose rest was too much.
    TooMuch(Element),
    /// The end of the stream.
    End,
}

/// The stream cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("what came is not XML as XMPP has it: {0}")]
pub(crate) struct WireError(String);

/// Reads one stream.
pub(crate) struct Reader {
    parser: Parser,
    /// The namespace of stanzas on this stream.
    stanzas: &'static str,
    begun: bool,
    open: Vec<Element>,
    /// How many elements are open beyond what is kept of the stanza.
    beyond: usize,
    too_much: bool,
    bytes: usize,
    elements: usize,
}

impl Reader {
    /// For a stream whose stanzas stand in this namespace.
    pub(crate) fn new(stanzas: &'static str) -> Self {
        let options = Options { max_token_length: TOKEN_BYTES, ..Options::default() };
        Self {
            parser: Parser::with_options(options),
            stanzas,
            begun: false,
            open: Vec::new(),
            beyond: 0,
            too_much: false,
            bytes: 0,
            elements: 0,
        }
    }

    /// Takes bytes from the front of `bytes` until something is whole; `None` if more are needed.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Incoming>, WireError> {
        loop {
            // Between stanzas a space is a sign of life, and is not to wait for what follows.
            self.parser.set_text_buffering(!self.open.is_empty());
            match self.parser.parse(bytes, false) {
                Ok(Some(event)) => {
                    if let Some(incoming) = self.take(event)? {
                        return Ok(Some(incoming));
                    }
                }
                Ok(None) => return Ok(Some(Incoming::End)),
                Err(EndOrError::NeedMoreData) => return Ok(None),
                Err(EndOrError::Error(error)) => return Err(WireError(error.to_string())),
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<Option<Incoming>, WireError> {
        match event {
            Event::XmlDeclaration(..) => Ok(None),
            Event::StartElement(_, (namespace, name), attributes) if !self.begun => {
                if namespace.as_str() != ns::STREAM || name.as_str() != "stream" {
                    return Err(WireError("a stream was expected".to_owned()));
                }
                self.begun = true;
                let id = attributes.iter().find(|((_, name), _)| name.as_str() == "id");
                Ok(Some(Incoming::Header { id: id.map(|(_, value)| value.clone()) }))
            }
            Event::StartElement(_, (namespace, name), attributes) => {
                let size =
                    name.len() + attributes.iter().map(|((_, name), value)| name.len() + value.len()).sum::<usize>();
                if self.grow(size, 1) && self.open.len() < DEPTH {
                    let namespace = if namespace.as_str() == self.stanzas { ns::CLIENT } else { namespace.as_str() };
                    let mut element = xml::el(name.as_str(), namespace);
                    for ((namespace, name), value) in attributes {
                        element.set_attr(namespace, name, value);
                    }
                    self.open.push(element);
                } else {
                    self.too_much = true;
                    self.beyond += 1;
                }
                Ok(None)
            }
            Event::Text(_, text) => {
                if let (true, Some(element)) = (self.beyond == 0 && self.grow(text.len(), 0), self.open.last_mut()) {
                    element.append_text(text);
                }
                Ok(None)
            }
            Event::EndElement(_) => Ok(self.end()),
        }
    }

    /// Counts what came; false once it is too much.
    fn grow(&mut self, bytes: usize, elements: usize) -> bool {
        self.bytes += bytes;
        self.elements += elements;
        self.too_much |= self.bytes > STANZA_BYTES || self.elements > ELEMENTS;
        // The head is always kept: an error needs somebody to go to.
        !self.too_much || self.open.is_empty() && self.beyond == 0
    }

    fn end(&mut self) -> Option<Incoming> {
        if self.beyond > 0 {
            self.beyond -= 1;
            return None;
        }
        let Some(element) = self.open.pop() else { return Some(Incoming::End) };
        if let Some(parent) = self.open.last_mut() {
            parent.append_child(element);
            return None;
        }
        (self.bytes, self.elements) = (0, 0);
        if std::mem::take(&mut self.too_much) {
            let mut head = xml::el(element.name(), &element.ns());
            for name in ["from", "to", "id", "type"] {
                if let Some(value) = element.attr(name) {
                    xml::set(&mut head, name, value);
                }
            }
            return Some(Incoming::TooMuch(head));
        }
        Some(Incoming::Element(element))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' \
                        xmlns='jabber:component:accept' id='s1'>";

    fn read_all(text: &str) -> Vec<Incoming> {
        let mut reader = Reader::new(ns::COMPONENT);
        let mut bytes = text.as_bytes();
        let mut all = Vec::new();
        while let Some(incoming) = reader.read(&mut bytes).unwrap() {
            all.push(incoming);
        }
        all
    }

    #[test]
    fn a_stream_is_a_header_and_stanzas() {
        let all =
            read_all(&format!("{OPEN}<message from='a@x' id='1'><body>one &amp; two</body></message> <presence/>"));
        assert_eq!(all[0], Incoming::Header { id: Some("s1".to_owned()) });
        let Incoming::Element(message) = &all[1] else { panic!("{all:?}") };
        assert!(message.is("message", ns::CLIENT), "a component's stanzas are in one namespace with all others");
        assert_eq!(xml::text_of(message, "body", ns::CLIENT).as_deref(), Some("one & two"));
        assert!(matches!(&all[2], Incoming::Element(element) if element.name() == "presence"));
    }

    #[test]
    fn a_stanza_that_is_too_deep_or_too_long_is_given_up_and_the_stream_goes_on() {
        let deep = format!("<iq id='9' from='m@x'>{}{}</iq>", "<a xmlns='d'>".repeat(50_000), "</a>".repeat(50_000));
        let long = format!("<message id='8'><body>{}</body></message>", "x".repeat(STANZA_BYTES + 1));
        let all = read_all(&format!("{OPEN}{deep}{long}<presence/>"));
        assert!(
            matches!(&all[1], Incoming::TooMuch(head) if head.attr("id") == Some("9") && head.attr("from") == Some("m@x"))
        );
        assert!(matches!(&all[2], Incoming::TooMuch(head) if head.attr("id") == Some("8")));
        assert!(matches!(&all[3], Incoming::Element(element) if element.name() == "presence"));
    }

    #[test]
    fn a_long_attribute_is_read() {
        let all = read_all(&format!("{OPEN}<message id='{}'/>", "i".repeat(100_000)));
        assert!(
            matches!(&all[1], Incoming::Element(element) if element.attr("id").is_some_and(|id| id.len() == 100_000))
        );
    }

    #[test]
    fn what_is_no_xml_ends_the_stream() {
        let mut reader = Reader::new(ns::COMPONENT);
        let text = format!("{OPEN}<message></presence>");
        let mut bytes = text.as_bytes();
        assert!(reader.read(&mut bytes).is_ok());
        assert!(reader.read(&mut bytes).is_err());
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let mut reader = Reader::new(ns::COMPONENT);
        let text = format!("{OPEN}<message><body>漢字</body></message></stream:stream>");
        let mut all = Vec::new();
        for byte in text.bytes() {
            let one = [byte];
            let mut bytes = &one[..];
            while let Some(incoming) = reader.read(&mut bytes).unwrap() {
                let ends = incoming == Incoming::End;
                all.push(incoming);
                if ends {
                    break;
                }
            }
        }
        assert!(
            matches!(&all[1], Incoming::Element(element) if xml::text_of(element, "body", ns::CLIENT).as_deref() == Some("漢字"))
        );
        assert_eq!(all[2], Incoming::End);
    }
}
