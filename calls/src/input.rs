//! What a call is told. What it does about it is not here; `src/calls` makes these.

use crate::Leg;
use monster_bridge_api::{CallStep, DeviceId, IceCandidate};
use std::time::Duration;

/// Something that happened to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A side did something.
    Step {
        /// Which side.
        leg: Leg,
        /// On which of its devices, where that is known. It should stay the same when a device
        /// loses its connection and comes back.
        device: Option<DeviceId>,
        /// What.
        step: CallStep,
    },
    /// The relay took an offer: what came of [`Action::TakeOffer`](crate::Action::TakeOffer).
    OfferTaken {
        /// Whose.
        leg: Leg,
        /// What it says.
        described: Described,
    },
    /// The relay took an answer: what came of [`Action::TakeAnswer`](crate::Action::TakeAnswer).
    AnswerTaken {
        /// Whose.
        leg: Leg,
        /// What it says.
        described: Described,
    },
    /// The relay refused what an action asked; nothing has changed there.
    Refused {
        /// The leg that the action was about.
        leg: Leg,
        /// What was asked.
        request: Request,
        /// Why, for the person concerned.
        why: String,
    },
    /// Something happened to the media.
    Media(MediaEvent),
    /// A leg cannot be told anything: its line failed, or there is none.
    Unreachable {
        /// Which.
        leg: Leg,
        /// Why, for the person at the other end.
        why: String,
    },
    /// A device of a leg can be reached now.
    DeviceCame {
        /// Whose.
        leg: Leg,
        /// Which.
        device: DeviceId,
    },
    /// A device of a leg cannot be reached any more.
    DeviceGone {
        /// Whose.
        leg: Leg,
        /// Which.
        device: DeviceId,
    },
    /// Whoever is at a leg may not speak for it any more.
    Barred {
        /// Which.
        leg: Leg,
        /// On this device; `None`: on any.
        device: Option<DeviceId>,
    },
    /// This call lost against one that the callee made to the caller at the same moment
    /// ([`glare`](crate::glare)).
    Crossed,
    /// The time of [`Call::next_timeout`](crate::Call::next_timeout) has come.
    Timeout,
    /// The gateway stops.
    Stop,
}

/// What the relay found in a session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five facts that go in any combination")]
pub struct Described {
    /// It has a video section that is not turned off.
    pub video: bool,
    /// The leg means to send something (`sendrecv` or `sendonly` in some section).
    pub sends: bool,
    /// The leg means to receive something (`sendrecv` or `recvonly` in some section). A leg that
    /// does not has put the call on hold.
    pub receives: bool,
    /// Nothing in it concerns the other leg: it restarts ICE, or says again what was agreed.
    pub restart_only: bool,
    /// It answers an offer and leaves out what was offered first, which some still send after that:
    /// the leg is to be offered what is left.
    pub narrowed: bool,
}

/// What was asked of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// [`Action::TakeOffer`](crate::Action::TakeOffer).
    TakeOffer,
    /// [`Action::Offer`](crate::Action::Offer).
    Offer,
    /// [`Action::TakeAnswer`](crate::Action::TakeAnswer).
    TakeAnswer,
    /// [`Action::Answer`](crate::Action::Answer).
    Answer,
    /// [`Action::LoopBack`](crate::Action::LoopBack).
    LoopBack,
    /// [`Action::Restart`](crate::Action::Restart).
    Restart,
    /// [`Action::AddCandidates`](crate::Action::AddCandidates).
    AddCandidates,
}

/// Something that happened to a leg's media, as the relay tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaEvent {
    /// A way to reach the relay that the leg has not been told of.
    Candidate {
        /// Whom to tell.
        leg: Leg,
        /// It.
        candidate: IceCandidate,
    },
    /// ICE and DTLS are through.
    Connected {
        /// Whose.
        leg: Leg,
    },
    /// The first packet of media came from this leg.
    FirstMedia {
        /// Whose.
        leg: Leg,
    },
    /// No media has come from this leg for some time.
    Silent {
        /// Whose.
        leg: Leg,
        /// For how long.
        lasting: Duration,
    },
    /// Media comes again.
    Sounding {
        /// Whose.
        leg: Leg,
    },
    /// The leg cannot be reached for media; this may pass.
    Lost {
        /// Which.
        leg: Leg,
    },
    /// The leg's media has failed for good.
    Failed {
        /// Whose.
        leg: Leg,
        /// Why, for a person.
        why: String,
    },
}
