//! What a call's media tells of itself, and the words it is told in.

/// One of the two ends of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
}

impl Leg {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Leg {
        match self {
            Leg::Caller => Leg::Callee,
            Leg::Callee => Leg::Caller,
        }
    }
}

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// One ICE candidate (RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The candidate line, beginning with `candidate:`; empty at the end of candidates.
    pub line: String,
    /// The media section it is for, by its `a=mid`.
    pub mid: Option<String>,
    /// The media section it is for, by its place.
    pub index: Option<u16>,
}

/// What a session description that was taken says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five facts that go in any combination")]
pub struct Described {
    /// It has a section for video that is not turned off.
    pub video: bool,
    /// Some section says that the leg sends (`sendrecv`, `sendonly`).
    pub sends: bool,
    /// Some section says that the leg receives (`sendrecv`, `recvonly`): it has not put the call on
    /// hold.
    pub receives: bool,
    /// Of an offer: it restarts ICE, or says again what was agreed, and nothing else: it is answered
    /// at once and does not concern the other leg.
    pub restart_only: bool,
    /// Of an answer: it leaves out what was offered first. Some who narrow an offer go on sending
    /// that (Chromium goes by the offer, whatever it answers), so the leg has to be offered what is
    /// left as soon as nothing is open.
    pub narrowed: bool,
}

/// What happened to a call's media.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A way to reach the relay that the leg's session description does not have yet. (The relay
    /// knows its addresses from the start, so today they all stand in the description.)
    Candidate {
        /// The leg to tell.
        leg: Leg,
        /// The way.
        candidate: Candidate,
    },
    /// ICE and DTLS are done: media can flow. Told once a leg, and again after [`Event::Lost`].
    Connected {
        /// Which leg.
        leg: Leg,
    },
    /// The first packet of a kind has come from a leg.
    FirstMedia {
        /// Which leg.
        leg: Leg,
        /// What kind.
        kind: MediaKind,
    },
    /// Nothing has come from a connected leg that is to send, for this long; told after about
    /// 1.5 seconds and then about every second.
    Silent {
        /// Which leg.
        leg: Leg,
        /// For how long, in milliseconds.
        for_ms: u64,
    },
    /// After [`Event::Silent`]: something came again.
    Sounding {
        /// Which leg.
        leg: Leg,
    },
    /// The leg no longer answers at all (ICE consent, RFC 7675). It may come back by an ICE restart.
    Lost {
        /// Which leg.
        leg: Leg,
    },
    /// The leg can no longer carry media.
    Failed {
        /// Which leg.
        leg: Leg,
        /// Why, for a person.
        why: String,
    },
}
