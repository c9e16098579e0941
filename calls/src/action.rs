//! What a call wants done. Who does it: `src/calls`.
//!
//! Actions are done in the order in which they stand. One that asks something of the relay and is
//! refused becomes [`Input::Refused`](crate::Input::Refused); [`Action::TakeOffer`] and
//! [`Action::TakeAnswer`] become `OfferTaken` and `AnswerTaken`. These results are the call's next
//! inputs once all actions at hand are done, before anything else that happened: no action stands
//! behind one on whose success it depends.

use crate::{Leg, Record};
use monster_bridge_api::{CallMedia, CallStep, DeviceId, Devices, IceCandidate};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send a step. What has nobody to go to is an [`Input::Unreachable`](crate::Input::Unreachable).
    Send {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        to: Devices,
        /// What.
        step: CallStep,
    },
    /// Ask the relay for an offer of what the other leg has, and send it. One that still waits for
    /// its answer is replaced.
    Offer {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        to: Devices,
        /// What to offer if the other leg has not described itself yet.
        media: CallMedia,
        /// The step that takes it there.
        step: Blank,
    },
    /// Send the first offer again, as it was, to a device of the callee that has just come.
    OfferAgain {
        /// Which.
        device: DeviceId,
    },
    /// Ask the relay for the answer to the offer that it took last from this leg, and send it.
    Answer {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        to: Devices,
        /// The step that takes it there.
        step: Blank,
    },
    /// As [`Answer`](Self::Answer), with the leg's own media to come back.
    LoopBack {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        to: Devices,
        /// The step that takes it there.
        step: Blank,
    },
    /// Ask the relay for an offer with new ICE credentials, and send it.
    Restart {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        to: Devices,
        /// The step that takes it there.
        step: Blank,
    },
    /// Give the relay an offer of this leg. An offer of the relay's to this leg that waits for its
    /// answer is withdrawn.
    TakeOffer {
        /// Whose.
        leg: Leg,
        /// It.
        sdp: String,
    },
    /// Give the relay the answer of this leg to the relay's offer.
    TakeAnswer {
        /// Whose.
        leg: Leg,
        /// It.
        sdp: String,
    },
    /// Give the relay ways to reach this leg.
    AddCandidates {
        /// Whose.
        leg: Leg,
        /// They.
        candidates: Vec<IceCandidate>,
    },
    /// What this device did was not taken, and has changed nothing: tell whoever did it. Concerns
    /// the step that is being handled, if that came from this leg; else there may be no way left to
    /// tell, and nothing has to be done.
    Refuse {
        /// Which side.
        leg: Leg,
        /// Which of its devices.
        device: Option<DeviceId>,
        /// Why, for a person.
        why: String,
    },
    /// Let go of everything the relay has of this call.
    CloseMedia,
    /// The call is over. The last action of every call, and the only one of its kind.
    Ended(Record),
}

/// A step that lacks its session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// [`CallStep::Offer`].
    Offer(CallMedia),
    /// [`CallStep::Answer`].
    Answer,
    /// [`CallStep::Update`].
    Update,
}

impl Blank {
    /// The step with its session description.
    pub fn fill(self, sdp: String) -> CallStep {
        let sdp = Some(sdp);
        match self {
            Self::Offer(media) => CallStep::Offer { media, sdp },
            Self::Answer => CallStep::Answer { sdp },
            Self::Update => CallStep::Update { sdp, muted: None },
        }
    }
}
