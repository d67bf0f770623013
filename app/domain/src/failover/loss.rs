//! What would be lost if a standby took the part of a primary that is gone.

use super::memory::Remembered;
use crate::cluster::Lsn;

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

    /// Whether it is known to be no more than this.
    #[must_use]
    pub fn within(self, max_bytes: u64, max_s: u64) -> bool {
        match self {
            Self::Nothing => true,
            Self::Some { bytes, seconds } => {
                bytes <= max_bytes && seconds.is_some_and(|seconds| seconds <= max_s)
            }
            Self::Unknown => false,
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
        assert!(at(700).within(500, 5) && !at(700).within(499, 5) && !at(700).within(500, 4));
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
        assert!(!Loss::Unknown.within(u64::MAX, u64::MAX));
        let older = Loss::estimate(memory.of("a"), Lsn::from_bytes(400));
        assert_eq!(
            older,
            Loss::Some {
                bytes: 100,
                seconds: None
            }
        );
        assert!(!older.within(u64::MAX, u64::MAX), "how long is not known");
    }
}
