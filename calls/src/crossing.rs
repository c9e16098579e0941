//! Two people who call each other at the same moment: which of the two calls goes on. Asked by
//! `src/calls` when a call begins between two people of whom the other is calling already.

use crate::Call;

/// Which of two crossing calls goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glare {
    /// The first one.
    First,
    /// The second one.
    Second,
}

/// Which of two calls between the same two people, in opposite directions, goes on: the one whose
/// id is less, byte by byte, as Matrix and XEP-0353 have it; so every gateway and client that sees
/// both decides alike, whichever it saw first. The other is told
/// [`Input::Crossed`](crate::Input::Crossed).
///
/// `None` if they do not cross: one of them is answered or over, and the other is a call like any
/// other. Calls with the same id are for the caller to keep apart.
pub fn glare(first: &Call, second: &Call) -> Option<Glare> {
    let waits = |call: &Call| !call.is_answered() && !call.is_over();
    if !waits(first) || !waits(second) {
        return None;
    }
    Some(if first.id().as_str() <= second.id().as_str() { Glare::First } else { Glare::Second })
}
