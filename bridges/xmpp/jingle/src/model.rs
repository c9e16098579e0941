//! A session as both forms describe it: what there is in a WebRTC session description and in Jingle
//! elements alike. `sdp`, `content`, `rtp` and `transport` read and write it.

use crate::candidate::Candidate;
use crate::group::Group;
use crate::xml::words;

/// The most media sections of a session.
pub(crate) const MAX_CONTENTS: usize = 16;
/// The most items of one kind (payload types, extensions, sources) in one section.
pub(crate) const MAX_ITEMS: usize = 128;
/// The most candidates of one section.
pub(crate) const MAX_CANDIDATES: usize = 64;
/// The longest `a=mid`, in bytes; what packets can carry.
const MAX_MID: usize = 16;

words! {
    /// The two parties of a session (XEP-0166 §3).
    Side {
        /// Who began it.
        Initiator = "initiator",
        /// The other one.
        Responder = "responder",
    }
}

impl Side {
    /// The side opposite.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

words! {
    /// Who sends in a section (XEP-0166 §7.3). In a session description this is a direction, seen by
    /// whoever wrote it.
    Senders {
        /// Both.
        Both = "both",
        /// The initiator of the session.
        Initiator = "initiator",
        /// The responder.
        Responder = "responder",
        /// Nobody.
        None = "none",
    }
}

impl Senders {
    /// Of who sends.
    pub fn new(initiator: bool, responder: bool) -> Self {
        match (initiator, responder) {
            (true, true) => Self::Both,
            (true, false) => Self::Initiator,
            (false, true) => Self::Responder,
            (false, false) => Self::None,
        }
    }

    /// Whether this side sends.
    pub fn include(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Initiator => side == Side::Initiator,
            Self::Responder => side == Side::Responder,
            Self::None => false,
        }
    }

    /// Who sends by both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |side| self.include(side) && other.include(side);
        Self::new(both(Side::Initiator), both(Side::Responder))
    }

    /// The attribute of a section that `by` describes.
    pub fn direction(self, by: Side) -> &'static str {
        match (self.include(by), self.include(by.other())) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    /// What the attribute says in a section that `by` describes.
    pub fn of_direction(direction: &str, by: Side) -> Option<Self> {
        let (own, other) = match direction {
            "sendrecv" => (true, true),
            "sendonly" => (true, false),
            "recvonly" => (false, true),
            "inactive" => (false, false),
            _ => return None,
        };
        Some(if by == Side::Initiator { Self::new(own, other) } else { Self::new(other, own) })
    }
}

words! {
    /// What is sent.
    Kind {
        /// Sound.
        Audio = "audio",
        /// Pictures.
        Video = "video",
    }
}

words! {
    /// Who begins DTLS (RFC 8842).
    Setup {
        /// This side.
        Active = "active",
        /// The other one.
        Passive = "passive",
        /// As the answer says.
        ActPass = "actpass",
        /// Nobody yet.
        HoldConn = "holdconn",
    }
}

/// A session, as one side describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Sections that go together (BUNDLE, LS).
    pub groups: Vec<Group>,
    /// The sections, in the order of the `m=` lines.
    pub contents: Vec<Content>,
}

/// A media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its name, `a=mid`.
    pub name: String,
    /// Who brought it into the session.
    pub creator: Side,
    /// Who sends.
    pub senders: Senders,
    /// It is not turned off (`m=` with port 0; no longer or not in the Jingle session).
    pub live: bool,
    /// What.
    pub media: Rtp,
    /// Which way.
    pub transport: Transport,
}

/// What a section carries (XEP-0167).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rtp {
    /// Sound or pictures.
    pub kind: Kind,
    /// Codecs.
    pub payloads: Vec<Payload>,
    /// Feedback for all of them (`a=rtcp-fb:*`).
    pub feedback: Vec<Feedback>,
    /// Header extensions.
    pub extensions: Vec<Extension>,
    /// `a=extmap-allow-mixed`.
    pub mixed: bool,
    /// Sources.
    pub sources: Vec<Source>,
    /// How sources belong together.
    pub source_groups: Vec<SourceGroup>,
    /// `a=msid`.
    pub msid: Option<Msid>,
    /// RTP and RTCP share a port.
    pub mux: bool,
    /// `a=ptime`, in ms.
    pub ptime: Option<u32>,
    /// `a=maxptime`, in ms.
    pub max_ptime: Option<u32>,
}

impl Rtp {
    /// Nothing but its kind.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            payloads: Vec::new(),
            feedback: Vec::new(),
            extensions: Vec::new(),
            mixed: false,
            sources: Vec::new(),
            source_groups: Vec::new(),
            msid: None,
            mux: true,
            ptime: None,
            max_ptime: None,
        }
    }
}

/// A codec (`a=rtpmap`, `a=fmtp`, `a=rtcp-fb`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The payload type, up to 127.
    pub id: u8,
    /// Its encoding name.
    pub name: String,
    /// Its clock rate in Hz.
    pub clock: u32,
    /// Its channels.
    pub channels: u8,
    /// `a=fmtp`.
    pub parameters: Vec<Parameter>,
    /// `a=rtcp-fb`.
    pub feedback: Vec<Feedback>,
}

/// One parameter of a codec: `name=value`, or a value alone (RED, telephone-event).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; none of a value alone.
    pub name: Option<String>,
    /// Its value.
    pub value: String,
}

/// A kind of feedback (XEP-0293): `nack`, `nack pli`, `trr-int 100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The first word.
    pub kind: String,
    /// The others.
    pub sub: Option<String>,
}

/// A header extension (XEP-0294).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Its number.
    pub id: u16,
    /// Its URI.
    pub uri: String,
    /// Who sends it.
    pub senders: Senders,
}

/// A source (XEP-0339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its SSRC.
    pub ssrc: u32,
    /// Its attributes (`cname`), each with its value if it has one. `msid` is here only where it is not
    /// the section's.
    pub parameters: Vec<(String, Option<String>)>,
}

/// Sources that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceGroup {
    /// How: `FID`, `SIM`.
    pub semantics: String,
    /// Which, by SSRC.
    pub sources: Vec<u32>,
}

/// The stream and the track of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Msid {
    /// The stream.
    pub stream: String,
    /// The track.
    pub track: Option<String>,
}

/// How to reach a side (XEP-0176, XEP-0320).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// ICE user and password; none in sections that go with another one's.
    pub credentials: Option<Credentials>,
    /// Certificates.
    pub fingerprints: Vec<Fingerprint>,
    /// Who begins DTLS.
    pub setup: Option<Setup>,
    /// Candidates.
    pub candidates: Vec<Candidate>,
    /// Candidates may follow.
    pub trickle: bool,
}

/// ICE user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub ufrag: String,
    /// `a=ice-pwd`.
    pub pwd: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// A certificate's fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The hash.
    pub hash: String,
    /// Its value, in hexadecimal pairs.
    pub value: String,
}

impl Content {
    /// A section that is turned off.
    pub(crate) fn off(name: String, creator: Side, kind: Kind) -> Self {
        let (media, transport) = (Rtp::new(kind), Transport::default());
        Self { name, creator, senders: Senders::None, live: false, media, transport }
    }
}

impl Session {
    /// The sections that are not turned off.
    pub fn live(&self) -> impl Iterator<Item = &Content> {
        self.contents.iter().filter(|content| content.live)
    }

    /// A section by its name.
    pub fn content(&self, name: &str) -> Option<&Content> {
        self.contents.iter().find(|content| content.name == name)
    }

    /// A section by its name.
    pub(crate) fn content_mut(&mut self, name: &str) -> Option<&mut Content> {
        self.contents.iter_mut().find(|content| content.name == name)
    }

    /// `a=mid` of a section: its name, where that can be one.
    pub fn mid(&self, index: usize) -> String {
        match self.contents.get(index) {
            Some(content) if is_mid(&content.name) => content.name.clone(),
            _ => {
                let taken = |mid: &String| self.contents.iter().any(|content| content.name == *mid);
                let mut mid = format!("x{index}");
                while taken(&mid) {
                    mid.push('-');
                }
                mid
            }
        }
    }

    /// The name of the section with this `a=mid`.
    pub fn name_of(&self, mid: &str) -> Option<&str> {
        (0..self.contents.len()).find(|index| self.mid(*index) == mid).map(|index| self.contents[index].name.as_str())
    }

    /// Whether a section that is not turned off is of this kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.live().any(|content| content.media.kind == kind)
    }

    /// Whether all live sections share one way (`share_a_way`), or there is but one.
    pub fn is_bundled(&self) -> bool {
        let mut live = self.live();
        let Some(first) = live.next() else { return true };
        live.all(|other| self.share_a_way(first, other))
    }

    /// Whether two sections share one way: by BUNDLE, or as the other has no ICE user of its own, or the
    /// same one and the session knows BUNDLE. (Who does not may have one user and a way for each.)
    pub(crate) fn share_a_way(&self, one: &Content, other: &Content) -> bool {
        let mut bundles = self.groups.iter().filter(|group| group.is_bundle()).peekable();
        let (user, own) = (&one.transport.credentials, &other.transport.credentials);
        let same = user.is_some() && (own.is_none() || (user == own && bundles.peek().is_some()));
        same || bundles.any(|group| group.has(&one.name) && group.has(&other.name))
    }
}

/// Whether a name can be an `a=mid` (RFC 5888 §4: a token; RFC 8843: short).
fn is_mid(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    !name.is_empty() && name.len() <= MAX_MID && name.bytes().all(is_token)
}
