//! ICE candidates as lines (RFC 8839 §5.1) and as elements (XEP-0176 §5.5, with XEP-0371's `tcptype`).

use crate::ns;
use crate::xml::{self, Build, is_word, parsed};
use minidom::Element;
use std::fmt::Write as _;

/// The longest address: a name in DNS.
const MAX_ADDRESS: usize = 253;

/// A way to reach a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Candidates of one base and type have the same one; up to 32 letters.
    pub foundation: String,
    /// 1 for RTP, 2 for RTCP.
    pub component: u8,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// The larger, the better.
    pub priority: u32,
    /// An IP address, or a name (mDNS).
    pub address: String,
    /// The port.
    pub port: u16,
    /// `host`, `srflx`, `prflx` or `relay`.
    pub kind: String,
    /// The base or mapped address.
    pub related: Option<(String, u16)>,
    /// `active`, `passive` or `so`.
    pub tcp: Option<String>,
    /// How often ICE was restarted.
    pub generation: u8,
}

impl Candidate {
    /// Reads a line, from `candidate:` on.
    pub fn of_line(line: &str) -> Option<Self> {
        let mut words = line.trim().strip_prefix("candidate:")?.split_whitespace();
        let mut next = || words.next();
        let foundation = next()?.to_owned();
        let (component, protocol, priority) =
            (next()?.parse().ok()?, next()?.to_ascii_lowercase(), next()?.parse().ok()?);
        let (address, port) = (next()?.to_owned(), next()?.parse().ok()?);
        let kind = (next()? == "typ").then(&mut next)??.to_owned();
        let (mut related_address, mut related_port, mut tcp, mut generation) = (None, None, None, 0);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "raddr" => related_address = Some(value.to_owned()),
                "rport" => related_port = value.parse().ok(),
                "tcptype" => tcp = Some(value.to_owned()),
                "generation" => generation = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        let related = related_address.map(|address| (address, related_port.unwrap_or(0)));
        let candidate =
            Self { foundation, component, protocol, priority, address, port, kind, related, tcp, generation };
        candidate.checked()
    }

    /// Reads an element. Generation, id and network may be missing.
    pub fn of_element(element: &Element) -> Option<Self> {
        let related = xml::word(element, "rel-addr").map(|address| (address, parsed(element, "rel-port").unwrap_or(0)));
        let candidate = Self {
            foundation: xml::word(element, "foundation")?,
            component: parsed(element, "component")?,
            protocol: xml::word(element, "protocol").map_or_else(|| "udp".to_owned(), |word| word.to_ascii_lowercase()),
            priority: parsed(element, "priority")?,
            address: xml::word(element, "ip")?,
            port: parsed(element, "port")?,
            kind: xml::word(element, "type").unwrap_or_else(|| "host".to_owned()),
            related,
            tcp: xml::word(element, "tcptype"),
            generation: parsed(element, "generation").unwrap_or(0),
        };
        candidate.checked()
    }

    /// Whatever passes can be written in both forms.
    fn checked(self) -> Option<Self> {
        let is_short = |word: &str| is_word(word) && word.len() <= 32;
        let is_address = |word: &str| is_word(word) && word.len() <= MAX_ADDRESS;
        let kind = matches!(self.kind.as_str(), "host" | "srflx" | "prflx" | "relay");
        let protocol = matches!(self.protocol.as_str(), "udp" | "tcp" | "ssltcp");
        let tcp = self.tcp.as_deref().is_none_or(|kind| matches!(kind, "active" | "passive" | "so"));
        let related = self.related.as_ref().is_none_or(|(address, _)| is_address(address));
        (kind && protocol && tcp && related && is_short(&self.foundation) && is_address(&self.address)).then_some(self)
    }

    /// Writes a line, from `candidate:` on.
    pub fn to_line(&self) -> String {
        let Self { foundation, component, protocol, priority, address, port, kind, .. } = self;
        let mut line = format!("candidate:{foundation} {component} {protocol} {priority} {address} {port} typ {kind}");
        // (Writing to a string cannot fail.)
        if let Some((address, port)) = &self.related {
            let _ = write!(line, " raddr {address} rport {port}");
        }
        if let Some(tcp) = &self.tcp {
            let _ = write!(line, " tcptype {tcp}");
        }
        if self.generation > 0 {
            let _ = write!(line, " generation {}", self.generation);
        }
        line
    }

    /// Writes an element. Its id is the same for the same candidate.
    pub fn to_element(&self) -> Element {
        Element::bare("candidate", ns::ICE)
            .with("component", self.component)
            .with("foundation", &self.foundation)
            .with("generation", self.generation)
            .with("id", self.id())
            .with("ip", &self.address)
            .with("network", 0)
            .with("port", self.port)
            .with("priority", self.priority)
            .with("protocol", &self.protocol)
            .with_some("rel-addr", self.related.as_ref().map(|(address, _)| address))
            .with_some("rel-port", self.related.as_ref().map(|(_, port)| port))
            .with_some("tcptype", self.tcp.as_ref())
            .with("type", &self.kind)
    }

    /// FNV-1a of its line: an id has to tell candidates of one session apart, nothing else.
    fn id(&self) -> String {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("c{:016x}", self.to_line().bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }
}
