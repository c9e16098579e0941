//! Which addresses lead to the relay: the machine's own (`interfaces`), and those told by the
//! administrator. Made once, when the ports are open.

use crate::{BindError, Options};
use std::net::{IpAddr, SocketAddr};

/// As many of the machine's addresses as are told to callers: each is tried against each of theirs.
const MOST: usize = 8;

/// Addresses told to callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    /// The machine's own, for UDP.
    pub(crate) udp: Vec<SocketAddr>,
    /// The machine's own, for TCP.
    pub(crate) tcp: Vec<SocketAddr>,
    /// Those that lead here from outside.
    external: Vec<IpAddr>,
}

impl Addresses {
    /// The addresses of ports that are open.
    pub(crate) fn find(options: &Options, udp: SocketAddr, tcp: Option<SocketAddr>) -> Result<Addresses, BindError> {
        let found = Addresses {
            udp: own(udp, options.loopback)?,
            tcp: tcp.map_or(Ok(Vec::new()), |tcp| own(tcp, options.loopback))?,
            external: options.external_ips.clone(),
        };
        if found.udp.is_empty() {
            return Err(BindError::NoAddress(udp));
        }
        Ok(found)
    }

    /// The address of ours that a packet came to, where the socket did not say.
    pub(crate) fn likely(&self, family: SocketAddr) -> Option<SocketAddr> {
        self.udp.iter().copied().find(|own| own.is_ipv4() == family.is_ipv4())
    }

    /// Candidate lines for the addresses outside: reflexive ones, whose base is an address of the
    /// same family here (RFC 8445 §5.1.1).
    pub(crate) fn outside(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, external) in self.external.iter().enumerate() {
            let base = |own: &&SocketAddr| own.is_ipv4() == external.is_ipv4() && own.ip() != *external;
            if let Some(own) = self.udp.iter().find(base) {
                let priority = (100_u32 << 24) | (u32::from(u16::MAX) - low(index)) << 8 | 255;
                lines.push(format!(
                    "candidate:x{index} 1 udp {priority} {external} {port} typ srflx raddr {raddr} rport {port}",
                    port = own.port(),
                    raddr = own.ip(),
                ));
            }
            if let Some(own) = self.tcp.iter().find(base) {
                let priority = (90_u32 << 24) | (u32::from(u16::MAX) - low(index)) << 8 | 255;
                lines.push(format!(
                    "candidate:y{index} 1 tcp {priority} {external} {port} typ host tcptype passive",
                    port = own.port(),
                ));
            }
        }
        lines
    }
}

fn low(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX).min(1000)
}

/// The addresses that a bound one stands for.
fn own(bound: SocketAddr, loopback: bool) -> Result<Vec<SocketAddr>, BindError> {
    if !bound.ip().is_unspecified() {
        return Ok(vec![bound]);
    }
    let mut addresses: Vec<IpAddr> = if_addrs::get_if_addrs()
        .map_err(BindError::Interfaces)?
        .into_iter()
        .filter(if_addrs::Interface::is_oper_up)
        .map(|interface| interface.ip())
        .filter(|ip| is_useful(*ip, loopback) && (ip.is_ipv4() || bound.is_ipv6()))
        .collect();
    addresses.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    addresses.dedup();
    addresses.truncate(MOST);
    Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, bound.port())).collect())
}

fn is_useful(ip: IpAddr, loopback: bool) -> bool {
    match ip {
        _ if ip.is_loopback() => loopback,
        _ if ip.is_unspecified() || ip.is_multicast() => false,
        IpAddr::V4(ip) => !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    }
}
