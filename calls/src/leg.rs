//! The legs of a call: which there are, and how far each has come.

use monster_bridge_api::EndReason;

/// One of the two sides of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

impl Leg {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Caller, Self::Callee];

    /// The side opposite.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    /// The word for it in metrics, rows and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// How far a leg has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegState {
    /// The callee is invited, no device rings yet.
    Inviting,
    /// A device of the callee rings (and the caller knows).
    Ringing,
    /// It is answered; the leg's media is not connected (any more).
    Answered,
    /// The leg's media is connected.
    Connected,
    /// The leg has put the call on hold.
    Held,
    /// It is over for this leg.
    Ended(EndReason),
}
