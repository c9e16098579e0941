//! The seam for calls (Jingle, XEP-0166, and Message Initiation, XEP-0353): which stanzas are a call's.
//! `hear` sends them here; nothing else in the bridge looks into them.

use minidom::Element;

const JINGLE: &str = "urn:xmpp:jingle:1";
const MESSAGE_INITIATION: &str = "urn:xmpp:jingle-message:0";

/// Whether a stanza is a step of a call.
pub(crate) fn is_step(stanza: &Element) -> bool {
    let call = |child: &Element| child.has_ns(JINGLE) && child.name() == "jingle" || child.has_ns(MESSAGE_INITIATION);
    stanza.children().any(call)
}
