//! How long a call waits for what.

use std::time::Duration;

/// How long a call waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// From the caller's offer until somebody answers.
    pub no_answer: Duration,
    /// The same from when the callee was sent a link, and nothing rings.
    pub by_link: Duration,
    /// From the answer until a leg is connected and its first media has come.
    pub first_media: Duration,
    /// How long a leg that is neither on hold nor muted may send nothing, or be lost to the relay.
    pub silence: Duration,
    /// How long a leg that nobody can be told anything at may stay so, while its media flows.
    pub gone: Duration,
    /// How long a leg may take to answer an offer within the call, before the call goes on without
    /// the change.
    pub update: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            no_answer: Duration::from_mins(1),
            by_link: Duration::from_mins(3),
            first_media: Duration::from_secs(10),
            silence: Duration::from_secs(10),
            gone: Duration::from_secs(30),
            update: Duration::from_secs(15),
        }
    }
}
