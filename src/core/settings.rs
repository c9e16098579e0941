//! What can be set about the router: `[delivery]` and `[media]` of the configuration. `config` fills
//! it in.

use super::files::FileSettings;
use std::time::Duration;

/// How the router delivers and how long it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a delivery is tried before its sender is told that it failed (`delivery.keep_days`).
    pub keep: Duration,
    /// How long delivered messages and their ids are remembered, for later edits, recalls and
    /// repetitions (`delivery.retention_days`).
    pub retention: Duration,
    /// The first pause after a failed try; each further one doubles it.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long [`super::Core::stop`] waits for deliveries in flight where its caller does not say.
    pub grace: Duration,
    /// The longest time one try of one delivery may take.
    pub try_for: Duration,
    /// The most lanes that work through what was waiting at the start at the same time.
    pub lanes_at_start: usize,
    /// Files of bridged networks.
    pub files: FileSettings,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            keep: 7 * DAY,
            retention: 30 * DAY,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(5),
            grace: Duration::from_secs(5),
            try_for: Duration::from_mins(2),
            lanes_at_start: 1_024,
            files: FileSettings::default(),
        }
    }
}
