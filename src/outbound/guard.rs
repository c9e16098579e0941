//! Which machines the gateway may connect to on somebody else's word.
//!
//! Check URLs and the accounts people write to name hosts, and whoever names a host could name one
//! inside the private network. [`Guard::permits`] decides about the address that is actually
//! connected to. It does not resolve or connect: its parent does, and is the only one to ask.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What may be reached although it is private: one entry of `identity.allow_private`
/// (`contract.md` "Outward contract of the program").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// Whatever this host resolves to.
    Host {
        /// The host, in lower case, an IPv6 address without its brackets.
        host: String,
        /// On this port only.
        port: Option<u16>,
    },
    /// Every address of this network.
    Net(IpNet),
}

/// An entry of `identity.allow_private` that is neither a host nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a host, a host with a port, nor a network such as `10.0.0.0/8`")]
pub struct BadAllow(pub String);

impl FromStr for Allow {
    type Err = BadAllow;

    fn from_str(text: &str) -> Result<Self, BadAllow> {
        let bad = || BadAllow(text.to_owned());
        if let Ok(net) = text.parse::<IpNet>() {
            return Ok(Self::Net(net));
        }
        if let Ok(ip) = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(ip)));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plausible = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || port == Some(0) || !host.chars().all(plausible) {
            return Err(bad());
        }
        Ok(Self::Host { host: host.to_lowercase(), port })
    }
}

/// Decides about addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    allowed: Vec<Allow>,
}

impl Guard {
    /// A guard that lets these through although they are private.
    pub(crate) fn new(allowed: Vec<Allow>) -> Self {
        Self { allowed }
    }

    /// Whether `address`, which `host` was resolved to, may be connected to on `port`. `host` is
    /// without the brackets of an IPv6 address.
    pub(crate) fn permits(&self, host: &str, port: u16, address: IpAddr) -> bool {
        is_global(address)
            || self.allowed.iter().any(|allow| match allow {
                Allow::Net(net) => net.contains(&address),
                Allow::Host { host: allowed, port: on } => {
                    allowed.eq_ignore_ascii_case(host) && on.is_none_or(|on| on == port)
                }
            })
    }
}

/// True for an address that is somewhere on the public internet, by the IANA registries of
/// special-purpose addresses. What embeds an IPv4 address (mapped, 6to4, Teredo, NAT64) is not:
/// it would reach that address past the check of it.
fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, private, loopback, multicast, reserved, broadcast.
        [0 | 10 | 127 | 224..=255, ..]
        // Link-local, private.
        | [169, 254, ..] | [192, 168, ..]
        // Protocol assignments, documentation, AMT, 6to4 relays.
        | [192, 0, 0 | 2, _] | [192, 52, 193, _] | [192, 88, 99, _]
        // Documentation.
        | [198, 51, 100, _] | [203, 0, 113, _]
        // Benchmarks.
        | [198, 18 | 19, ..] => true,
        // Shared by customers behind a carrier's NAT.
        [100, second, ..] => second & 0xc0 == 64,
        [172, second, ..] => second & 0xf0 == 16,
        _ => false,
    };
    !special
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Protocol assignments (Teredo, benchmarks, ORCHID), documentation, 6to4.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] => false,
        // Documentation.
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Everything else that is given out stands in 2000::/3.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allow(entries: &[&str]) -> Guard {
        Guard::new(entries.iter().map(|entry| entry.parse().unwrap()).collect())
    }

    fn permits(guard: &Guard, host: &str, port: u16, address: &str) -> bool {
        guard.permits(host, port, address.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_refused() {
        let guard = Guard::default();
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!permits(&guard, "evil.example", 80, address), "{address} was let through");
        }
    }

    #[test]
    fn public_addresses_are_let_through() {
        let guard = Guard::default();
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.1.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00:1450::1",
            "3fff:1000::1",
        ] {
            assert!(permits(&guard, "good.example", 80, address), "{address} was refused");
        }
    }

    #[test]
    fn an_allowed_host_is_reached_on_its_port_only() {
        let guard = allow(&["LocalHost:9090", "lab.internal"]);
        assert!(permits(&guard, "localhost", 9090, "127.0.0.1"));
        assert!(!permits(&guard, "localhost", 9091, "127.0.0.1"));
        assert!(!permits(&guard, "other", 9090, "127.0.0.1"));
        assert!(permits(&guard, "LAB.internal", 1, "10.1.2.3"));
    }

    #[test]
    fn an_allowed_network_is_reached_by_any_name() {
        let guard = allow(&["10.0.0.0/8", "fd00::/8", "127.0.0.1", "[::1]"]);
        assert!(permits(&guard, "x", 1, "10.255.0.1"));
        assert!(permits(&guard, "x", 1, "fd00::5"));
        assert!(permits(&guard, "x", 1, "127.0.0.1"));
        assert!(permits(&guard, "x", 1, "::1"));
        assert!(!permits(&guard, "x", 1, "127.0.0.2"));
        assert!(!permits(&guard, "x", 1, "::ffff:10.0.0.1"));
    }

    #[test]
    fn an_allowed_address_with_a_port_is_a_host() {
        let guard = allow(&["127.0.0.1:9090", "[::1]:9090"]);
        assert!(permits(&guard, "127.0.0.1", 9090, "127.0.0.1"));
        assert!(!permits(&guard, "127.0.0.1", 80, "127.0.0.1"));
        assert!(permits(&guard, "::1", 9090, "::1"));
    }

    #[test]
    fn nonsense_is_not_an_entry() {
        for entry in ["", ":80", "host:", "host:0", "host:99999", "10.0.0.0/40", "http://host", "a b"] {
            assert!(entry.parse::<Allow>().is_err(), "`{entry}` was taken");
        }
    }

    proptest! {
        #[test]
        fn no_address_that_embeds_an_ipv4_address_is_let_through(v4: [u8; 4]) {
            let [a, b, c, d] = v4;
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for embedding in [
                Ipv4Addr::from(v4).to_ipv6_mapped(),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            ] {
                prop_assert!(!is_global(IpAddr::V6(embedding)));
            }
        }
    }
}
