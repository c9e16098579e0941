//! Two people who call each other at the same moment: which of the two calls goes on. Asked by
//! `src/calls` when a call begins between two people of whom the other is calling already.

/// Which of two crossing calls goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glare {
    /// The first one.
    First,
    /// The second one.
    Second,
}

/// Which of two calls that cross goes on, by their ids as one and the same side of them knows them:
/// the one whose id is less, byte by byte, as Matrix and XEP-0353 have it; so everybody who sees both
/// decides alike, whichever came first. The other is told
/// [`Input::Crossed`](crate::Input::Crossed), or does not begin.
///
/// Calls between the same two people, in opposite directions, cross while neither is answered.
pub fn glare(first: &str, second: &str) -> Glare {
    if first <= second { Glare::First } else { Glare::Second }
}
