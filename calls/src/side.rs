//! What a call knows of one of its legs. What follows from it is in `setup`, `talk` and `watch`.

use monster_bridge_api::{DeviceId, EndReason, IceCandidate, Muted};
use std::time::Duration;

use crate::Described;

/// The most ICE candidates of one leg, until it describes itself anew.
pub(crate) const MAX_CANDIDATES: usize = 64;

/// How far a leg's negotiation with the relay has come (RFC 8829 §3.2, seen from the relay).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signalling {
    /// Nobody has described anything.
    Nothing,
    /// The leg's offer is at the relay.
    Taking,
    /// The relay took the leg's offer; the leg waits for the answer.
    Theirs,
    /// The leg was offered something, and is to answer by then (the first offer: while it rings).
    Ours(Option<Duration>),
    /// The leg's answer is at the relay.
    TakingAnswer,
    /// Nothing is open.
    Stable,
}

/// One leg.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts that go in any combination")]
pub(crate) struct Side {
    /// The device that holds the leg; `None` before one does, and where devices cannot be told apart.
    pub(crate) device: Option<DeviceId>,
    /// A device rings, or it was said that one does.
    pub(crate) rings: bool,
    /// It was sent a link to the call.
    pub(crate) link_sent: bool,
    /// Why it is over for this leg.
    pub(crate) ended: Option<EndReason>,

    pub(crate) signalling: Signalling,
    /// What it said of itself last.
    pub(crate) described: Option<Described>,
    /// Offer and answer were exchanged once: the relay takes its candidates.
    pub(crate) negotiated: bool,
    /// It is to be offered what the other leg has, as soon as nothing is open.
    pub(crate) offer_due: bool,
    /// It has narrowed an offer, and is to be offered what it took once the other leg is done too.
    pub(crate) narrowed: bool,
    /// What is offered to it now is what it took of an earlier offer. (That is done once: who narrows
    /// it further would be offered for ever.)
    pub(crate) narrowing: bool,
    /// Its candidates that the relay does not take yet, by device.
    early: Vec<(Option<DeviceId>, IceCandidate)>,
    /// How many candidates it has told since it described itself last.
    told: usize,
    /// The relay's candidates that it may not know.
    pub(crate) ours: Vec<IceCandidate>,

    /// Its last offer put the call on hold.
    pub(crate) holds: bool,
    pub(crate) muted: Option<Muted>,

    /// ICE and DTLS were through once.
    pub(crate) was_connected: bool,
    /// Since when it is not connected, though it should be.
    pub(crate) apart_since: Option<Duration>,
    /// Media came once.
    pub(crate) has_sounded: bool,
    /// Since when no media comes.
    pub(crate) quiet_since: Option<Duration>,
    /// Since when media is expected of it.
    pub(crate) expected_from: Duration,
    /// Since when nobody can be told anything at it.
    pub(crate) gone_since: Option<Duration>,
    /// The relay has offered to restart ICE since it was connected last.
    pub(crate) restarted: bool,
}

impl Side {
    pub(crate) fn new() -> Self {
        Self {
            device: None,
            rings: false,
            link_sent: false,
            ended: None,
            signalling: Signalling::Nothing,
            described: None,
            negotiated: false,
            offer_due: false,
            narrowed: false,
            narrowing: false,
            early: Vec::new(),
            told: 0,
            ours: Vec::new(),
            holds: false,
            muted: None,
            was_connected: false,
            apart_since: None,
            has_sounded: false,
            quiet_since: None,
            expected_from: Duration::ZERO,
            gone_since: None,
            restarted: false,
        }
    }

    /// Whether this device may speak for the leg. One that comes while the leg's own cannot be
    /// reached takes its place: it is the same person, on a new connection.
    pub(crate) fn is_spoken_for_by(&mut self, device: Option<&DeviceId>) -> bool {
        let same = match (&self.device, device) {
            (Some(own), Some(device)) => own == device,
            _ => true,
        };
        if !same && self.gone_since.is_none() {
            return false;
        }
        if let Some(device) = device {
            self.device = Some(device.clone());
        }
        self.gone_since = None;
        true
    }

    /// Takes candidates in: those that are not too many.
    pub(crate) fn admit(&mut self, mut candidates: Vec<IceCandidate>) -> (Vec<IceCandidate>, bool) {
        let room = MAX_CANDIDATES.saturating_sub(self.told);
        let too_many = candidates.len() > room;
        candidates.truncate(room);
        self.told += candidates.len();
        (candidates, too_many)
    }

    /// Keeps candidates until the relay takes them.
    pub(crate) fn keep(&mut self, device: Option<&DeviceId>, candidates: Vec<IceCandidate>) {
        self.early.extend(candidates.into_iter().map(|candidate| (device.cloned(), candidate)));
    }

    /// The kept candidates of the device that holds the leg; the others are of no use any more.
    pub(crate) fn take_early(&mut self) -> Vec<IceCandidate> {
        let own = self.device.clone();
        let of_own = |device: &Option<DeviceId>| device.is_none() || own.is_none() || *device == own;
        self.early.drain(..).filter(|(device, _)| of_own(device)).map(|(_, candidate)| candidate).collect()
    }

    /// Forgets what a device told.
    pub(crate) fn forget(&mut self, device: &DeviceId) {
        self.early.retain(|(of, _)| of.as_ref() != Some(device));
        self.told = self.early.len();
    }

    /// New candidates will come, the old ones are void.
    pub(crate) fn begin_generation(&mut self) {
        self.early.clear();
        self.told = 0;
    }

    /// Takes note of what it said of itself.
    pub(crate) fn describe(&mut self, described: Described, in_offer: bool) {
        self.described = Some(described);
        if described.receives {
            self.holds = false;
        } else if in_offer {
            self.holds = true;
        }
    }

    /// From now on it has the whole time again to be connected and heard.
    pub(crate) fn begin_wait(&mut self, now: Duration) {
        self.apart_since = self.apart_since.map(|_| now);
        self.quiet_since = self.quiet_since.map(|_| now);
        self.expected_from = now;
    }

    /// It has muted all that it could send.
    pub(crate) fn is_mute(&self) -> bool {
        let video = self.described.is_some_and(|described| described.video);
        self.muted.is_some_and(|muted| muted.audio && (muted.video || !video))
    }
}
