//! What the relay is told when it is made.

use std::net::{IpAddr, SocketAddr};

/// How the relay is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The one UDP address of all media. With an unspecified address, all of the machine's are told
    /// to callers; with `[::]`, those of both families.
    pub udp_listen: SocketAddr,
    /// The one TCP address for ICE over TCP (RFC 6544), for those whose network lets no UDP out.
    pub tcp_listen: Option<SocketAddr>,
    /// Addresses that lead here from outside (a router's), told beside the machine's own.
    pub external_ips: Vec<IpAddr>,
    /// Also tell loopback addresses, for callers on this machine. Always so when `udp_listen` is one.
    pub loopback: bool,
    /// What is passed through, in the order of preference of our own offers.
    pub codecs: Vec<Codec>,
    /// Threads that carry packets; 0 for one less than the machine has cores, at least one.
    pub workers: usize,
    /// Calls at once.
    pub max_calls: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            udp_listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            tcp_listen: None,
            external_ips: Vec::new(),
            loopback: false,
            codecs: Codec::ALL.to_vec(),
            workers: 0,
            max_calls: 1000,
        }
    }
}

/// A codec that can be passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Opus (RFC 7587).
    Opus,
    /// G.722 (RFC 3551).
    G722,
    /// G.711 μ-law (RFC 3551).
    Pcmu,
    /// G.711 A-law (RFC 3551).
    Pcma,
    /// Keys pressed (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 (RFC 9628).
    Vp9,
    /// H.264 (RFC 6184).
    H264,
    /// AV1.
    Av1,
}

impl Codec {
    /// Every one, in the order of preference.
    pub const ALL: [Codec; 10] = [
        Codec::Opus,
        Codec::G722,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::TelephoneEvent,
        Codec::ComfortNoise,
        Codec::Vp8,
        Codec::Vp9,
        Codec::H264,
        Codec::Av1,
    ];

    /// Its name in session descriptions, which is also its name in the configuration (in any case).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Opus => "opus",
            Codec::G722 => "G722",
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::TelephoneEvent => "telephone-event",
            Codec::ComfortNoise => "CN",
            Codec::Vp8 => "VP8",
            Codec::Vp9 => "VP9",
            Codec::H264 => "H264",
            Codec::Av1 => "AV1",
        }
    }

    /// The codec of a name.
    pub fn named(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name))
    }
}
