//! The words of the relay ⇄ those of the state machine. The two crates know nothing of each other.
//! Called by `driver`.

use monster_bridge_api::IceCandidate;
use monster_calls::{Described, Input, Leg, MediaEvent, Request};
use monster_media::{Candidate, Event, Refused};
use std::time::Duration;

/// What the relay gives.
pub(super) type Relayed<T> = Result<T, Refused>;

pub(super) fn leg(leg: Leg) -> monster_media::Leg {
    match leg {
        Leg::Caller => monster_media::Leg::Caller,
        Leg::Callee => monster_media::Leg::Callee,
    }
}

fn of(leg: monster_media::Leg) -> Leg {
    match leg {
        monster_media::Leg::Caller => Leg::Caller,
        monster_media::Leg::Callee => Leg::Callee,
    }
}

pub(super) fn candidate(candidate: IceCandidate) -> Candidate {
    let IceCandidate { line, mid, index } = candidate;
    Candidate { line, mid, index }
}

pub(super) fn described(described: monster_media::Described) -> Described {
    let monster_media::Described { video, sends, receives, restart_only, narrowed } = described;
    Described { video, sends, receives, restart_only, narrowed }
}

/// What the machine is told of a refusal.
pub(super) fn refused(leg: Leg, request: Request, why: &Refused) -> Input {
    Input::Refused { leg, request, why: why.to_string() }
}

/// What the machine is told of an event; `None` for what does not concern it.
pub(super) fn told(event: Event) -> Option<MediaEvent> {
    Some(match event {
        Event::Candidate { leg, candidate: Candidate { line, mid, index } } => {
            MediaEvent::Candidate { leg: of(leg), candidate: IceCandidate { line, mid, index } }
        }
        Event::Connected { leg } => MediaEvent::Connected { leg: of(leg) },
        Event::FirstMedia { leg, .. } => MediaEvent::FirstMedia { leg: of(leg) },
        Event::Silent { leg, for_ms } => MediaEvent::Silent { leg: of(leg), lasting: Duration::from_millis(for_ms) },
        Event::Sounding { leg } => MediaEvent::Sounding { leg: of(leg) },
        Event::Lost { leg } => MediaEvent::Lost { leg: of(leg) },
        Event::Failed { leg, why } => MediaEvent::Failed { leg: of(leg), why },
        _ => return None,
    })
}
