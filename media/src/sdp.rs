//! Session descriptions as the relay understands them (RFC 8866, RFC 8829), read from text that
//! anybody may have written.
//!
//! Whatever is not understood is passed over, so what comes out is regular: one direction for each
//! section, known codecs only, one transport. `print` writes a description; what is done with it
//! is `negotiate`'s business. The engine sees nothing that did not go through here.

mod numbers;
pub(crate) mod print;
mod read;

use crate::MediaKind;
use crate::format::Format;
pub(crate) use numbers::Numbers;

/// As many media sections as a description may have.
pub(crate) const MAX_SECTIONS: usize = 16;

/// As many of them as need not be bundled with the first.
pub(crate) const MAX_APART: usize = 3;

/// A session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) transport: Transport,
    pub(crate) sections: Vec<Section>,
}

/// How to reach and recognise who described the session; the same for all sections that are bundled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transport {
    /// `a=ice-ufrag`.
    pub(crate) ufrag: String,
    /// `a=ice-pwd`.
    pub(crate) pwd: String,
    /// `a=fingerprint`, of SHA-256.
    pub(crate) fingerprint: String,
    /// `a=setup`.
    pub(crate) setup: Option<Setup>,
    /// `a=ice-lite`.
    pub(crate) lite: bool,
    /// `a=candidate` lines, from `candidate:` on.
    pub(crate) candidates: Vec<String>,
}

/// `a=setup` (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
    Either,
}

/// A media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// The first word of the `m=` line.
    pub(crate) media: String,
    /// Its protocol.
    pub(crate) protocol: String,
    /// Its formats as written.
    pub(crate) numbers: Vec<String>,
    /// It is not turned off (port 0 outside of the bundle).
    pub(crate) on: bool,
    /// The transport of a section that is not bundled with the first one that is on.
    pub(crate) transport: Option<Transport>,
    /// `a=mid`, or one of ours where there was none.
    pub(crate) mid: String,
    /// The media of a section that the relay can carry.
    pub(crate) rtp: Option<Rtp>,
}

/// What a section says of its media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rtp {
    pub(crate) kind: MediaKind,
    pub(crate) direction: Direction,
    pub(crate) formats: Vec<Format>,
    /// `a=extmap`: number and URI.
    pub(crate) extensions: Vec<(u8, String)>,
    /// `a=ssrc` and `a=ssrc-group` lines, without `a=`.
    pub(crate) sources: Vec<String>,
    /// The first part of `a=msid`: sections with the same one are played in step.
    pub(crate) stream: Option<String>,
}

/// Which way media may flow, as seen by who wrote the description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) send: bool,
    pub(crate) receive: bool,
}

impl Direction {
    /// Both ways.
    pub(crate) const BOTH: Direction = Direction { send: true, receive: true };

    /// Neither way.
    pub(crate) const NONE: Direction = Direction { send: false, receive: false };

    /// The attribute.
    pub(crate) fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }
}

impl Description {
    /// All transports, that of the bundle first.
    pub(crate) fn transports(&self) -> impl Iterator<Item = &Transport> {
        std::iter::once(&self.transport).chain(self.sections.iter().filter_map(|section| section.transport.as_ref()))
    }

    /// The same, to be changed.
    pub(crate) fn transports_mut(&mut self) -> impl Iterator<Item = &mut Transport> {
        let apart = self.sections.iter_mut().filter_map(|section| section.transport.as_mut());
        std::iter::once(&mut self.transport).chain(apart)
    }

    /// What is another after each restart of ICE.
    pub(crate) fn generation(&self) -> String {
        self.transports().map(|transport| transport.ufrag.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Whether something is true of a section that is not turned off.
    pub(crate) fn any(&self, is: impl Fn(&Rtp) -> bool) -> bool {
        self.sections.iter().filter_map(Section::live).any(is)
    }
}

impl Section {
    /// The media, if it is not turned off.
    pub(crate) fn live(&self) -> Option<&Rtp> {
        self.rtp.as_ref().filter(|_| self.on)
    }
}
