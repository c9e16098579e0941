//! The URL of a STUN or TURN server (RFC 7064, RFC 7065).

use std::str::FromStr;

/// Where a STUN or TURN server is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// Whether it relays (`turn`, `turns`), or only tells addresses (`stun`, `stuns`).
    pub relays: bool,
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port; 3478, or 5349 with TLS, where the URL has none.
    pub port: u16,
    /// How it is spoken to.
    pub transport: Transport,
}

/// How a STUN or TURN server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// A TCP connection with TLS.
    Tls,
}

impl FromStr for ServerUrl {
    type Err = String;

    /// The error is for the person who wrote it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let (relays, secure) = match scheme {
            "stun" => (false, false),
            "stuns" => (false, true),
            "turn" => (true, false),
            "turns" => (true, true),
            _ => return Err(format!("`{text}` does not start with `stun:`, `stuns:`, `turn:` or `turns:`")),
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let asked = match query {
            None => None,
            Some("transport=udp") if relays => Some(Transport::Udp),
            Some("transport=tcp") if relays => Some(Transport::Tcp),
            Some(query) => return Err(format!("`?{query}` is not `?transport=udp` or `?transport=tcp` of a TURN URL")),
        };
        let transport = match (asked, secure) {
            (None | Some(Transport::Tcp), true) => Transport::Tls,
            (Some(_), true) => {
                return Err(format!("`{text}` asks for TLS over UDP, which few servers and callers have"));
            }
            (asked, false) => asked.unwrap_or(Transport::Udp),
        };
        let (host, port) = host_and_port(place).ok_or_else(|| format!("`{text}` has no host, or a wrong port"))?;
        let port = port.unwrap_or(if secure { 5349 } else { 3478 });
        Ok(Self { relays, host, port, transport })
    }
}

fn host_and_port(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
        _ => (place, None),
    };
    let host = match host.strip_prefix('[') {
        Some(bare) => bare.strip_suffix(']').filter(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok())?,
        None => host,
    };
    let fits = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '#'));
    let lone = place.starts_with('[') || !host.contains(':');
    (fits && lone).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<(bool, String, u16, Transport)> {
        url.parse::<ServerUrl>().ok().map(|url| (url.relays, url.host, url.port, url.transport))
    }

    #[test]
    fn host_port_and_transport_are_read_or_usual() {
        let at = |relays, host: &str, port, transport| Some((relays, host.to_owned(), port, transport));
        assert_eq!(read("stun:stun.example.org"), at(false, "stun.example.org", 3478, Transport::Udp));
        assert_eq!(read("turn:t.example.org:99?transport=tcp"), at(true, "t.example.org", 99, Transport::Tcp));
        assert_eq!(read("turns:t.example.org?transport=tcp"), at(true, "t.example.org", 5349, Transport::Tls));
        assert_eq!(read("turn:[2001:db8::1]:99?transport=udp"), at(true, "2001:db8::1", 99, Transport::Udp));
        assert_eq!(read("turn:[2001:db8::1]"), at(true, "2001:db8::1", 3478, Transport::Udp));
    }

    #[test]
    fn what_no_caller_could_use_is_refused() {
        for url in [
            "",
            "stun:",
            "turn:host:0",
            "turn:host:x",
            "turn:a b",
            "https://turn.example.org",
            "turn://host",
            "turn:[::1",
            "turn:2001:db8::1:3478",
            "stun:host?transport=udp",
            "turn:host?transport=sctp",
            "turns:host?transport=udp",
            "turn:user@host",
        ] {
            assert!(read(url).is_none(), "{url}");
        }
    }
}
