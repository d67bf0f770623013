//! How far a maintenance is, by its expected end.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// How far a maintenance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Stage {
    /// There is time.
    InTime,
    /// The expected end is near.
    NearsEnd,
    /// The expected end is over.
    Overrun,
}

impl Stage {
    /// Its stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InTime => "in_time",
            Self::NearsEnd => "nears_end",
            Self::Overrun => "overrun",
        }
    }

    /// How far it is `now`, if it counts as near its end for `remind_before`.
    pub fn at(now: OffsetDateTime, expected_end: OffsetDateTime, remind_before: Duration) -> Self {
        if now >= expected_end {
            Self::Overrun
        } else if now + remind_before >= expected_end {
            Self::NearsEnd
        } else {
            Self::InTime
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_end_is_announced_and_then_over() {
        let end = datetime!(2026-11-25 03:30 UTC);
        let at = |minutes| Stage::at(end - Duration::minutes(minutes), end, Duration::minutes(5));
        assert_eq!(at(6), Stage::InTime);
        assert_eq!(at(5), Stage::NearsEnd);
        assert_eq!(at(0), Stage::Overrun);
        assert_eq!(at(-60), Stage::Overrun);
    }
}
