//! What would be lost if a standby took the part of a primary that is gone.

use serde::{Deserialize, Serialize};

use super::memory::Remembered;
use crate::cluster::Lsn;

/// By so much the estimates of two consoles may differ, seconds: each looks at its own moments, and what the primary wrote
/// in between is guessed from its pace.
const MARGIN_S: u64 = 5;

/// A bound is a multiple of this, bytes.
const STEP: u64 = 64 * 1024;

/// The most that may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossBound {
    /// Bytes of WAL; none for any amount, because it is not known.
    pub bytes: Option<u64>,
    /// Seconds; none for any time, because it is not known.
    pub seconds: Option<u64>,
}

impl LossBound {
    /// Both, where each is the greater one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let greater = |a: Option<u64>, b: Option<u64>| Some(a?.max(b?));
        Self {
            bytes: greater(self.bytes, other.bytes),
            seconds: greater(self.seconds, other.seconds),
        }
    }
}

impl std::fmt::Display for LossBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.bytes, self.seconds) {
            (Some(bytes), Some(seconds)) => write!(f, "at most {bytes} bytes of WAL and {seconds} s"),
            (Some(bytes), None) => write!(f, "at most {bytes} bytes of WAL, of however long a time"),
            (None, Some(seconds)) => write!(f, "at most {seconds} s"),
            (None, None) => f.write_str("whatever it is"),
        }
    }
}

/// An estimate of what was committed on a primary and is missing on a standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The standby has all that the primary can have written.
    Nothing,
    /// It lacks WAL.
    Some {
        /// About so many bytes.
        bytes: u64,
        /// Of so long a time, seconds, rounded up. None if it is longer than is remembered.
        seconds: Option<u64>,
    },
    /// The primary was never seen.
    Unknown,
}

impl Loss {
    /// Of the primary that is gone, for a standby that has `position`.
    ///
    /// Between the last time it was heard and the first time it was not, the primary went on at its pace, as far as anybody
    /// knows: that is part of the estimate. Both instants are past, so that the estimate stands still once it is gone.
    #[must_use]
    pub fn estimate(gone: Option<&Remembered>, position: Lsn) -> Self {
        let Some((gone, (heard_ms, flushed))) = gone.and_then(|gone| Some((gone, gone.last()?))) else {
            return Self::Unknown;
        };
        let unheard_ms = gone.gone_at_ms.map_or(0, |gone| gone - heard_ms).max(0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, and not negative"
        )]
        let unheard = (gone.pace() * unheard_ms as f64 / 1000.0).ceil() as u64;
        let end = Lsn::from_bytes(flushed.bytes().saturating_add(unheard));
        let bytes = end.since(position);
        if bytes == 0 {
            return Self::Nothing;
        }
        let since = if position >= flushed {
            Some(heard_ms)
        } else {
            gone.had_until(position)
        };
        let seconds = since.map(|since| {
            let ms = heard_ms - since + unheard_ms;
            u64::try_from(ms).unwrap_or(0).div_ceil(1000)
        });
        Self::Some { bytes, seconds }
    }

    /// Whether it is known to be no more than this; what is not known is within no bound but none.
    #[must_use]
    pub fn within(self, bound: LossBound) -> bool {
        let (bytes, seconds) = match self {
            Self::Nothing => return true,
            Self::Some { bytes, seconds } => (Some(bytes), seconds),
            Self::Unknown => (None, None),
        };
        let holds = |value: Option<u64>, most: Option<u64>| {
            most.is_none_or(|most| value.is_some_and(|value| value <= most))
        };
        holds(bytes, bound.bytes) && holds(seconds, bound.seconds)
    }

    /// What somebody who accepts it accepts: room enough that another console, which looked at the primary `gone` at other
    /// moments, comes to no more.
    #[must_use]
    pub fn bound(self, gone: Option<&Remembered>) -> LossBound {
        let (bytes, seconds) = match self {
            Self::Nothing => (0, Some(0)),
            Self::Some { bytes, seconds } => (bytes, seconds),
            Self::Unknown => {
                return LossBound {
                    bytes: None,
                    seconds: None,
                };
            }
        };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate, and not negative"
        )]
        let margin = (gone.map_or(0.0, Remembered::pace) * MARGIN_S as f64).ceil() as u64;
        LossBound {
            bytes: Some(bytes.saturating_add(margin.max(1)).next_multiple_of(STEP)),
            seconds: seconds.map(|seconds| seconds + MARGIN_S),
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Some { bytes, seconds } => {
                write!(f, "about {bytes} bytes of WAL, ")?;
                match seconds {
                    Some(seconds) => write!(f, "the last {seconds} s"),
                    None => f.write_str("longer than the console remembers"),
                }
            }
            Self::Unknown => f.write_str("not known"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::{
        Memory,
        examples::{primary, silent},
    };

    fn gone(positions: &[(i64, u64)], gone_at: i64) -> Memory {
        let mut memory = Memory::default();
        for (at, position) in positions {
            memory.note(*at, &[primary("a", 1, *position)]);
        }
        memory.note(gone_at, &[silent("a")]);
        memory
    }

    #[test]
    fn it_grows_with_what_is_missing_and_with_what_nobody_saw() {
        // 100 bytes a second; heard last at 10 s, missed first at 12 s: it may have come to 1,200.
        let positions: Vec<_> = (0..=10)
            .map(|second| (second * 1000, u64::try_from(second).unwrap() * 100))
            .collect();
        let memory = gone(&positions, 12_000);
        let at = |position| Loss::estimate(memory.of("a"), Lsn::from_bytes(position));
        assert_eq!(at(1_200), Loss::Nothing);
        assert_eq!(
            at(1_000),
            Loss::Some {
                bytes: 200,
                seconds: Some(2)
            }
        );
        assert_eq!(
            at(700),
            Loss::Some {
                bytes: 500,
                seconds: Some(5)
            }
        );
        assert_eq!(
            at(0),
            Loss::Some {
                bytes: 1_200,
                seconds: Some(12)
            }
        );
        assert_eq!(at(0).to_string(), "about 1200 bytes of WAL, the last 12 s");
        assert!(at(700).within(most(500, 5)));
        assert!(!at(700).within(most(499, 5)) && !at(700).within(most(500, 4)));
    }

    #[test]
    fn what_is_accepted_covers_what_another_console_estimates_and_not_much_more() {
        // 10 MB a second, until 10.4 s. One looks at the full second, the other half a second later.
        let mb = |seconds: f64| (seconds * 10e6) as u64;
        let looks = |offset: i64| -> Vec<_> {
            let at = (0..=10).map(|second| second * 1000 + offset);
            at.filter(|at| *at <= 10_400)
                .map(|at| (at, mb(at as f64 / 1000.0)))
                .collect()
        };
        let (one, other) = (gone(&looks(0), 11_000), gone(&looks(500), 10_500));
        for received in [4.0, 9.0, 10.4] {
            let position = Lsn::from_bytes(mb(received));
            let estimates = [&one, &other].map(|memory| Loss::estimate(memory.of("a"), position));
            assert_ne!(estimates[0], estimates[1]);
            let bounds = [estimates[0].bound(one.of("a")), estimates[1].bound(other.of("a"))];
            for bound in bounds {
                assert!(
                    estimates.iter().all(|estimate| estimate.within(bound)),
                    "{bound}: {estimates:?}"
                );
                let most = Lsn::from_bytes(mb(10.4)).since(position) + mb(7.0);
                assert!(bound.bytes.unwrap() <= most, "{bound} at {received}");
            }
        }
        assert_eq!(Loss::Unknown.bound(None), ANY);
        assert_eq!(ANY.to_string(), "whatever it is");
    }

    const ANY: LossBound = LossBound {
        bytes: None,
        seconds: None,
    };

    fn most(bytes: u64, seconds: u64) -> LossBound {
        LossBound {
            bytes: Some(bytes),
            seconds: Some(seconds),
        }
    }

    #[test]
    fn an_idle_primary_loses_nothing_and_one_that_was_never_seen_an_unknown_amount() {
        let memory = gone(&[(0, 500), (60_000, 500), (120_000, 500)], 125_000);
        assert_eq!(
            Loss::estimate(memory.of("a"), Lsn::from_bytes(500)),
            Loss::Nothing
        );
        assert_eq!(
            Loss::estimate(memory.of("b"), Lsn::from_bytes(500)),
            Loss::Unknown
        );
        assert!(!Loss::Unknown.within(most(u64::MAX, u64::MAX)) && Loss::Unknown.within(ANY));
        let older = Loss::estimate(memory.of("a"), Lsn::from_bytes(400));
        assert_eq!(
            older,
            Loss::Some {
                bytes: 100,
                seconds: None
            }
        );
        assert!(!older.within(most(u64::MAX, u64::MAX)), "how long is not known");
    }
}
