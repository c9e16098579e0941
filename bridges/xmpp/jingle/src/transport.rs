//! A section's transport as an element: ICE (XEP-0176) and DTLS (XEP-0320).

use crate::candidate::Candidate;
use crate::model::{Credentials, Fingerprint, MAX_CANDIDATES, Setup, Transport};
use crate::ns;
use crate::xml::{self, Build, attr, children};
use minidom::Element;

/// The most fingerprints of one section.
const MAX_FINGERPRINTS: usize = 4;

impl Transport {
    /// Reads a `transport` of ICE. What is wrong in it is passed over.
    pub(crate) fn of_element(element: &Element) -> Self {
        let credentials = credentials(xml::word(element, "ufrag"), xml::word(element, "pwd"));
        let mut transport = Self { credentials, ..Self::default() };
        for child in children(element, "fingerprint", ns::DTLS).take(MAX_FINGERPRINTS) {
            let setup = attr(child, "setup").and_then(Setup::of);
            let hash = xml::word(child, "hash").map(|hash| hash.to_ascii_lowercase());
            let value = Some(child.text().trim().to_ascii_uppercase()).filter(|value| is_hex_pairs(value));
            if let (Some(hash), Some(value)) = (hash, value) {
                transport.fingerprints.push(Fingerprint { hash, value });
                transport.setup = transport.setup.or(setup);
            }
        }
        let candidates = children(element, "candidate", ns::ICE).filter_map(Candidate::of_element);
        transport.candidates = candidates.take(MAX_CANDIDATES).collect();
        transport.trickle = element.children().any(|child| child.name() == "trickle");
        transport
    }

    /// Writes it.
    pub(crate) fn to_element(&self) -> Element {
        let mut element = Element::bare("transport", ns::ICE);
        if let Some(Credentials { ufrag, pwd }) = &self.credentials {
            element = element.with("ufrag", ufrag).with("pwd", pwd);
        }
        if self.trickle {
            element.append_child(Element::bare("trickle", ns::ICE_OPTION));
        }
        for Fingerprint { hash, value } in &self.fingerprints {
            let fingerprint = Element::bare("fingerprint", ns::DTLS).with("hash", hash);
            element.append_child(fingerprint.with_some("setup", self.setup.map(Setup::as_str)).words(value));
        }
        for candidate in &self.candidates {
            element.append_child(candidate.to_element());
        }
        element
    }

    /// ICE user and password alone, with what else a later description needs.
    pub(crate) fn restarted(&self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), candidates: Vec::new(), ..self.clone() }
    }
}

/// ICE user and password, if they can stand in a session description (RFC 8839 §5.4).
pub(crate) fn credentials(ufrag: Option<String>, pwd: Option<String>) -> Option<Credentials> {
    let is_ice = |text: &str| {
        text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
    };
    let credentials = Credentials { ufrag: ufrag?, pwd: pwd? };
    (is_ice(&credentials.ufrag) && is_ice(&credentials.pwd)).then_some(credentials)
}

/// `AB:CD:…`.
pub(crate) fn is_hex_pairs(text: &str) -> bool {
    text.len() <= 256
        && text.split(':').all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
