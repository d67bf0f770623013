//! The section `[poller]`: how often sources are asked.

use std::time::Duration;

use serde::Deserialize;

/// How often sources are asked, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollerConfig {
    /// Time between two polls, in milliseconds.
    pub interval_ms: u32,
    /// Longest time between two polls while Prometheus does not answer, in milliseconds.
    pub backoff_max_ms: u32,
    /// How often a replica that does not poll tries to take over, in milliseconds.
    pub election_ms: u32,
    /// After how many intervals without a snapshot from the polling replica a replica polls for itself.
    pub solo_after_intervals: u32,
}

impl Default for PollerConfig {
    fn default() -> Self {
        Self {
            interval_ms: 5_000,
            backoff_max_ms: 15_000,
            election_ms: 1_000,
            solo_after_intervals: 3,
        }
    }
}

impl PollerConfig {
    /// Time between two polls.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(u64::from(self.interval_ms))
    }

    /// Longest time between two polls while Prometheus does not answer.
    #[must_use]
    pub fn backoff_max(&self) -> Duration {
        Duration::from_millis(u64::from(self.backoff_max_ms)).max(self.interval())
    }

    /// How often leadership is tried and checked.
    #[must_use]
    pub fn election(&self) -> Duration {
        Duration::from_millis(u64::from(self.election_ms.max(100)))
    }
}
