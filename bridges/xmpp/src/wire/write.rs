//! From stanzas to bytes. What XML cannot hold (most control characters) is left out, whatever
//! network it came from.

use crate::xml::ns;
use minidom::{Element, Node};

/// The header of our stream.
pub(crate) fn open(stanzas: &str, to: &str) -> Vec<u8> {
    let mut out = format!("<?xml version='1.0'?><stream:stream xmlns='{stanzas}' xmlns:stream='{}' to='", ns::STREAM);
    escape(to, &mut out);
    out.push('\'');
    if stanzas == ns::CLIENT {
        out.push_str(" version='1.0'");
    }
    out.push('>');
    out.into_bytes()
}

/// The end of our stream.
pub(crate) const fn close() -> &'static [u8] {
    b"</stream:stream>"
}

/// Appends an element of a stream whose stanzas stand in `stanzas`.
pub(crate) fn write(element: &Element, stanzas: &str, out: &mut String) {
    let namespace = element.ns();
    // A stanza takes the stream's namespace, and with it those of its elements that are its own.
    let around = if namespace == ns::CLIENT { ns::CLIENT } else { stanzas };
    push(element, &namespace, around, out);
}

fn push(element: &Element, namespace: &str, around: &str, out: &mut String) {
    out.push('<');
    out.push_str(element.name());
    if namespace != around {
        out.push_str(" xmlns='");
        escape(namespace, out);
        out.push('\'');
    }
    for ((attribute_ns, name), value) in element.attrs() {
        out.push(' ');
        // The only prefixed attribute of XMPP is `xml:lang`.
        if attribute_ns.as_str() == rxml::Namespace::xml().as_str() {
            out.push_str("xml:");
        } else if !attribute_ns.as_str().is_empty() {
            out.pop();
            continue;
        }
        out.push_str(name.as_str());
        out.push_str("='");
        escape(value, out);
        out.push('\'');
    }
    let mut nodes = element.nodes().peekable();
    if nodes.peek().is_none() {
        out.push_str("/>");
        return;
    }
    out.push('>');
    for node in nodes {
        match node {
            Node::Text(text) => escape(text, out),
            Node::Element(child) => push(child, &child.ns(), namespace, out),
        }
    }
    out.push_str("</");
    out.push_str(element.name());
    out.push('>');
}

/// Appends text for between tags or between quotes.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => out.push(c),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Incoming, Reader};
    use crate::xml::{Make, el, stanza};
    use proptest::prelude::*;

    fn through(element: &Element, stanzas: &'static str) -> Element {
        let mut text = String::from_utf8(open(stanzas, "x")).unwrap();
        write(element, stanzas, &mut text);
        let mut reader = Reader::new(stanzas);
        let mut bytes = text.as_bytes();
        let _header = reader.read(&mut bytes).unwrap();
        match reader.read(&mut bytes).unwrap() {
            Some(Incoming::Element(element)) => element,
            other => panic!("{other:?} of {text}"),
        }
    }

    #[test]
    fn what_is_forwarded_keeps_its_namespace() {
        let inner = el("message", ns::CLIENT).child(el("body", ns::CLIENT).words("hi"));
        let outer = stanza("message", "a", "b").child(el("forwarded", ns::FORWARD).child(inner));
        for stanzas in [ns::CLIENT, ns::COMPONENT] {
            assert_eq!(through(&outer, stanzas), outer);
        }
        let mut text = String::new();
        write(&outer, ns::COMPONENT, &mut text);
        assert!(text.starts_with("<message "), "a stanza of the stream names no namespace: {text}");
        assert!(text.contains("<message xmlns='jabber:client'><body>hi</body>"), "{text}");
    }

    #[test]
    fn what_xml_cannot_hold_is_left_out() {
        let mut text = String::new();
        write(&el("body", ns::CLIENT).words("a\0b\u{1b}c\u{ffff}d\re\n"), ns::CLIENT, &mut text);
        assert_eq!(text, "<body>abcd&#13;e\n</body>");
    }

    proptest! {
        #[test]
        fn text_and_attributes_arrive_as_they_are(text in "[ -~äß漢👍\n\r\t]{1,60}", value in "[ -~äß漢]{0,30}") {
            let element = stanza("message", "a@b", "c@d").with("id", value).child(el("body", ns::CLIENT).words(text));
            prop_assert_eq!(through(&element, ns::COMPONENT), element);
        }
    }
}
