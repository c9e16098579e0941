//! Namespaces, and the features that a party to calls announces (XEP-0030).

/// XEP-0166.
pub const JINGLE: &str = "urn:xmpp:jingle:1";
/// The conditions of Jingle in stanza errors (XEP-0166 §10).
pub const ERRORS: &str = "urn:xmpp:jingle:errors:1";
/// XEP-0167.
pub const RTP: &str = "urn:xmpp:jingle:apps:rtp:1";
/// XEP-0167 §9: ringing, mute, hold.
pub const RTP_INFO: &str = "urn:xmpp:jingle:apps:rtp:info:1";
/// XEP-0293.
pub const FEEDBACK: &str = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
/// XEP-0294.
pub const EXTENSIONS: &str = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
/// XEP-0339.
pub const SOURCES: &str = "urn:xmpp:jingle:apps:rtp:ssma:0";
/// Streams and tracks as stanza.js has them.
pub const STREAMS: &str = "urn:xmpp:jingle:apps:rtp:msid:0";
/// XEP-0338.
pub const GROUPING: &str = "urn:xmpp:jingle:apps:grouping:0";
/// XEP-0176.
pub const ICE: &str = "urn:xmpp:jingle:transports:ice-udp:1";
/// `a=ice-options`, as Conversations has them.
pub const ICE_OPTION: &str = "http://gultsch.de/xmpp/drafts/jingle/transports/ice-udp/option";
/// XEP-0320.
pub const DTLS: &str = "urn:xmpp:jingle:apps:dtls:0";
/// XEP-0181.
pub const DTMF: &str = "urn:xmpp:jingle:dtmf:0";
/// XEP-0353.
pub const MESSAGE: &str = "urn:xmpp:jingle-message:0";
/// XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// Conditions of stanza errors (RFC 6120 §8.3.3).
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// What somebody who can be called announces.
pub const FEATURES: [&str; 13] = [
    JINGLE,
    RTP,
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:rtp:video",
    RTP_INFO,
    FEEDBACK,
    EXTENSIONS,
    SOURCES,
    GROUPING,
    ICE,
    DTLS,
    DTMF,
    MESSAGE,
];
