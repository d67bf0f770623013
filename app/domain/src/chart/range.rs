//! The stretch of time that a chart shows, and the step at which it is asked for.

use serde::{Deserialize, Serialize};

/// A range that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangePreset {
    /// 15 minutes.
    #[serde(rename = "15m")]
    Minutes15,
    /// 1 hour.
    #[serde(rename = "1h")]
    Hour1,
    /// 6 hours.
    #[serde(rename = "6h")]
    Hours6,
    /// 24 hours.
    #[serde(rename = "24h")]
    Hours24,
    /// 7 days.
    #[serde(rename = "7d")]
    Days7,
    /// 30 days.
    #[serde(rename = "30d")]
    Days30,
}

impl RangePreset {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [
        Self::Minutes15,
        Self::Hour1,
        Self::Hours6,
        Self::Hours24,
        Self::Days7,
        Self::Days30,
    ];

    /// The name used in URLs and on buttons.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minutes15 => "15m",
            Self::Hour1 => "1h",
            Self::Hours6 => "6h",
            Self::Hours24 => "24h",
            Self::Days7 => "7d",
            Self::Days30 => "30d",
        }
    }

    /// What a screen reader says.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Minutes15 => "15 minutes",
            Self::Hour1 => "1 hour",
            Self::Hours6 => "6 hours",
            Self::Hours24 => "24 hours",
            Self::Days7 => "7 days",
            Self::Days30 => "30 days",
        }
    }

    /// Reads the name back; `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minutes15 => 900,
            Self::Hour1 => 3_600,
            Self::Hours6 => 21_600,
            Self::Hours24 => 86_400,
            Self::Days7 => 604_800,
            Self::Days30 => 2_592_000,
        }
    }
}

/// From and to, in whole Unix seconds; `from < to`, at most 366 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    from_s: i64,
    to_s: i64,
}

/// Why a range cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// The end is not after the start.
    #[error("the range ends before it starts: choose a later end or an earlier start")]
    Backwards,
    /// Longer than a year.
    #[error("the range is longer than 366 days: choose a shorter one")]
    TooLong,
    /// Shorter than a chart can show.
    #[error("the range is shorter than 10 seconds: choose a longer one")]
    TooShort,
}

impl TimeRange {
    /// Checks and builds a range.
    ///
    /// # Errors
    /// [`RangeError`] when it is backwards, shorter than 10 s or longer than 366 days.
    pub const fn new(from_s: i64, to_s: i64) -> Result<Self, RangeError> {
        let Some(length) = to_s.checked_sub(from_s) else {
            return Err(RangeError::TooLong);
        };
        if length <= 0 {
            Err(RangeError::Backwards)
        } else if length < 10 {
            Err(RangeError::TooShort)
        } else if length > 366 * 86_400 {
            Err(RangeError::TooLong)
        } else {
            Ok(Self { from_s, to_s })
        }
    }

    /// The range of a preset that ends at `now_s`.
    #[must_use]
    pub const fn ending(preset: RangePreset, now_s: i64) -> Self {
        Self {
            from_s: now_s - preset.seconds(),
            to_s: now_s,
        }
    }

    /// Start, Unix seconds.
    #[must_use]
    pub const fn from_s(&self) -> i64 {
        self.from_s
    }

    /// End, Unix seconds.
    #[must_use]
    pub const fn to_s(&self) -> i64 {
        self.to_s
    }

    /// Length in seconds; positive.
    #[must_use]
    pub const fn seconds(&self) -> i64 {
        self.to_s - self.from_s
    }

    /// The step in seconds at which at most `max_points` cover the range: a round number, so that a moving range
    /// asks for the same instants again and its line does not shimmer.
    #[must_use]
    pub fn step_s(&self, max_points: u32) -> i64 {
        const ROUND: [i64; 17] = [
            1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400,
        ];
        let least = self.seconds().div_euclid(i64::from(max_points.max(1))) + 1;
        ROUND.into_iter().find(|step| *step >= least).unwrap_or(least)
    }

    /// The range moved outwards to whole multiples of `step_s`.
    #[must_use]
    pub const fn aligned(&self, step_s: i64) -> Self {
        let down = self.from_s - self.from_s.rem_euclid(step_s);
        let up = self.to_s + (-self.to_s).rem_euclid(step_s);
        Self {
            from_s: down,
            to_s: up,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn presets_read_back() {
        for preset in RangePreset::ALL {
            assert_eq!(RangePreset::parse(preset.as_str()), Some(preset));
            assert_eq!(
                serde_json::to_string(&preset).unwrap(),
                format!("\"{}\"", preset.as_str())
            );
        }
        assert_eq!(RangePreset::parse("1y"), None);
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert_eq!(TimeRange::new(10, 10), Err(RangeError::Backwards));
        assert_eq!(TimeRange::new(10, 15), Err(RangeError::TooShort));
        assert_eq!(TimeRange::new(0, 367 * 86_400), Err(RangeError::TooLong));
        assert_eq!(TimeRange::new(i64::MIN, i64::MAX), Err(RangeError::TooLong));
    }

    proptest! {
        #[test]
        fn the_step_keeps_the_number_of_points(from in -1_000_000_000i64..2_000_000_000, length in 10i64..31_000_000, max in 1u32..2_000) {
            let range = TimeRange::new(from, from + length).unwrap();
            let step = range.step_s(max);
            prop_assert!(range.seconds() / step <= i64::from(max));
            let aligned = range.aligned(step);
            prop_assert!(aligned.from_s() <= from && aligned.to_s() >= from + length);
            prop_assert_eq!((aligned.from_s().rem_euclid(step), aligned.to_s().rem_euclid(step)), (0, 0));
            prop_assert!(aligned.seconds() < range.seconds() + 2 * step);
        }
    }
}
