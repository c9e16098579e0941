//! What can be set about calls: `[calls]` of the configuration. `app` fills it in.

use std::time::Duration;

/// How calls are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long it rings before nobody has answered (`calls.ring_seconds`).
    pub ring: Duration,
    /// The same for a call that was announced by a link (`calls.link_seconds`).
    pub link: Duration,
    /// Calls at a time (`calls.max_calls`).
    pub max_calls: usize,
    /// Calls that one account or user may be in at a time (`calls.max_calls_per_account`).
    pub max_calls_per_account: usize,
    /// The gateway's own URL without a `/` at its end, which links begin with.
    pub public_url: String,
}

impl Settings {
    /// The defaults, for a gateway at this URL.
    pub fn new(public_url: &str) -> Self {
        Self {
            ring: Duration::from_mins(1),
            link: Duration::from_mins(3),
            max_calls: 1000,
            max_calls_per_account: 5,
            public_url: public_url.trim_end_matches('/').to_owned(),
        }
    }
}
