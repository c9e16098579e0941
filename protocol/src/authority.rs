//! The server part of an address: host and port. Called by `address`, and by whoever asks which
//! server somebody is on.

use crate::AddressError;
use crate::from_text::FromText;
use idna::AsciiDenyList;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::sync::Arc;

/// The longest host, in bytes of its ASCII form (RFC 1035 §2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// A host and perhaps a port, e.g. `gw.example.org`, `localhost:7580`, `[2001:db8::1]:8080`.
///
/// The host is lower-case and in its IDNA ASCII form, an IPv6 address is compressed and in
/// brackets; so equality of the text is equality of the server as it was named. A missing port and
/// the default port written out are different authorities ([`Authority::port_or_default`]). A clone
/// costs a reference count.
#[derive(Clone)]
pub struct Authority {
    /// Ends with this authority; an address shares its whole text.
    text: Arc<str>,
    start: u16,
    host_end: u16,
    port: Option<u16>,
}

impl Authority {
    /// An authority from its parts; `host` may be in any spelling (Unicode, upper case), and an IPv6
    /// address with or without brackets.
    ///
    /// # Errors
    /// [`AddressError::Host`] if the host cannot be one, [`AddressError::Port`] for port 0.
    pub fn new(host: &str, port: Option<u16>) -> Result<Self, AddressError> {
        let canonical = match host.parse::<Ipv6Addr>() {
            Ok(ip) => Cow::Owned(format!("[{ip}]")),
            Err(_) => canonical_host(host)?,
        };
        Self::from_canonical(String::new(), &canonical, port)
    }

    /// `prefix` followed by the authority, as one text that both share.
    pub(crate) fn from_canonical(prefix: String, host: &str, port: Option<u16>) -> Result<Self, AddressError> {
        if port == Some(0) {
            return Err(AddressError::Port("0".into()));
        }
        let mut text = prefix;
        let too_long = |_| AddressError::TooLong;
        let start = u16::try_from(text.len()).map_err(too_long)?;
        text.push_str(host);
        let host_end = u16::try_from(text.len()).map_err(too_long)?;
        if let Some(port) = port {
            use fmt::Write as _;
            let _ = write!(text, ":{port}");
        }
        Ok(Self { text: text.into(), start, host_end, port })
    }

    /// `host[:port]`.
    pub fn as_str(&self) -> &str {
        &self.text[usize::from(self.start)..]
    }

    /// The host as it stands in an address or URL: an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.text[usize::from(self.start)..usize::from(self.host_end)]
    }

    /// The host as a resolver takes it: an IPv6 address without brackets.
    pub fn bare_host(&self) -> &str {
        let host = self.host();
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port to connect to: the one written, or 443 with TLS and 80 without.
    pub fn port_or_default(&self, tls: bool) -> u16 {
        self.port.unwrap_or(if tls { 443 } else { 80 })
    }

    /// True for port 443, where `wss` is spoken unless configured otherwise.
    pub fn is_tls_by_default(&self) -> bool {
        self.port == Some(443)
    }

    /// All digits: in an address with a path, such a host would read as a port.
    pub(crate) fn reads_as_port(&self) -> bool {
        self.port.is_none() && is_digits(self.host())
    }

    /// The text that an address shares, and where the authority begins in it.
    pub(crate) fn shared_text(&self) -> (&str, usize) {
        (&self.text, usize::from(self.start))
    }
}

/// Not empty, and ASCII digits only.
pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A port from its digits.
pub(crate) fn parse_port(digits: &str) -> Result<u16, AddressError> {
    match digits.parse() {
        Ok(port) if port > 0 && is_digits(digits) => Ok(port),
        _ => Err(AddressError::Port(digits.chars().take(16).collect())),
    }
}

/// The form in which hosts compare. Whether such a host exists is found out when it is dialled.
pub(crate) fn canonical_host(host: &str) -> Result<Cow<'_, str>, AddressError> {
    let bad = |why| AddressError::Host { host: host.chars().take(64).collect(), why };
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(|| bad("a bracket is missing"))?;
        let ip: Ipv6Addr = inner.parse().map_err(|_| bad("what stands in brackets must be an IPv6 address"))?;
        return Ok(Cow::Owned(format!("[{ip}]")));
    }
    if host.len() > MAX_HOST_BYTES * 4 {
        return Err(bad("it is too long"));
    }
    let ascii = idna::domain_to_ascii_cow(host.as_bytes(), AsciiDenyList::URL)
        .map_err(|_| bad("it has characters that a host name cannot have"))?;
    if ascii.len() > MAX_HOST_BYTES {
        return Err(bad("it is longer than 253 bytes"));
    }
    if ascii.split('.').any(str::is_empty) {
        return Err(bad("it is empty, or has an empty part"));
    }
    Ok(ascii)
}

impl FromStr for Authority {
    type Err = AddressError;

    /// Reads `host[:port]`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(parse_port(port)?)),
            _ => (text, None),
        };
        Self::from_canonical(String::new(), &canonical_host(host)?, port)
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.as_str())
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Authority {}

impl Hash for Authority {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialOrd for Authority {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Authority {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Serialize for Authority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Authority {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText::new("a Monster server, `host[:port]`"))
    }
}
