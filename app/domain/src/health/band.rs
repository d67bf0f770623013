//! The four bands of health.

use serde::{Deserialize, Serialize};

use super::{Direction, Thresholds};

/// Where a metric stands. `Unknown` is a state of its own: it is never counted as healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Band {
    /// Meets its target (or, where there is no target, does not reach its alert threshold).
    Ok,
    /// Misses its target, but has not crossed its alert threshold.
    Degraded,
    /// Crossed its alert threshold.
    Alert,
    /// No reading that may be believed: none, not a number, stale, or its source is down.
    Unknown,
}

impl Band {
    /// All bands, the most urgent first: the order in which a person should look at them.
    pub const BY_URGENCY: [Self; 4] = [Self::Alert, Self::Unknown, Self::Degraded, Self::Ok];

    /// Rank for sorting "worst first": alert 3, unknown 2, degraded 1, ok 0. An unknown outranks a degraded
    /// reading, because nobody can say that it is not an alert.
    #[must_use]
    pub const fn urgency(self) -> u8 {
        match self {
            Self::Alert => 3,
            Self::Unknown => 2,
            Self::Degraded => 1,
            Self::Ok => 0,
        }
    }

    /// The word shown to a person beside the shape and the colour.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Degraded => "Degraded",
            Self::Alert => "Alert",
            Self::Unknown => "Unknown",
        }
    }

    /// The stable name used in the database, in CSS classes and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Alert => "alert",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the stable name back; `None` for anything else.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::BY_URGENCY.into_iter().find(|band| band.as_str() == name)
    }
}

/// Places a finite value between the thresholds, or says `Unknown` for NaN and infinities.
///
/// The handbook's bounds are strict: a target of `< 50` is missed at exactly 50, an alert of `> 100` is not
/// yet reached at exactly 100.
#[must_use]
pub fn assess_value(value: f64, thresholds: &Thresholds) -> Band {
    if !value.is_finite() {
        return Band::Unknown;
    }
    let (beyond_alert, meets_target) = match thresholds.direction() {
        Direction::LowerIsBetter => (
            value > thresholds.alert(),
            thresholds.target().is_none_or(|t| value < t),
        ),
        Direction::HigherIsBetter => (
            value < thresholds.alert(),
            thresholds.target().is_none_or(|t| value > t),
        ),
    };
    match (beyond_alert, meets_target) {
        (true, _) => Band::Alert,
        (false, true) => Band::Ok,
        (false, false) => Band::Degraded,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lower(target: Option<f64>, alert: f64) -> Thresholds {
        Thresholds::new(target, alert, Direction::LowerIsBetter).unwrap()
    }

    #[test]
    fn bounds_are_strict_as_the_handbook_writes_them() {
        let t = lower(Some(50.0), 100.0);
        assert_eq!(assess_value(49.9, &t), Band::Ok);
        assert_eq!(assess_value(50.0, &t), Band::Degraded);
        assert_eq!(assess_value(100.0, &t), Band::Degraded);
        assert_eq!(assess_value(100.1, &t), Band::Alert);
        let rate = Thresholds::new(Some(90.0), 80.0, Direction::HigherIsBetter).unwrap();
        assert_eq!(assess_value(90.1, &rate), Band::Ok);
        assert_eq!(assess_value(90.0, &rate), Band::Degraded);
        assert_eq!(assess_value(80.0, &rate), Band::Degraded);
        assert_eq!(assess_value(79.9, &rate), Band::Alert);
    }

    #[test]
    fn without_a_target_there_is_no_degraded_band() {
        let t = lower(None, 5_000.0);
        assert_eq!(assess_value(5_000.0, &t), Band::Ok);
        assert_eq!(assess_value(5_000.1, &t), Band::Alert);
    }

    proptest! {
        #[test]
        fn worse_values_never_look_better(a in -1e6f64..1e6, b in -1e6f64..1e6, target in 0f64..1e3, gap in 0f64..1e3) {
            let (better, worse) = if a < b { (a, b) } else { (b, a) };
            let t = lower(Some(target), target + gap);
            prop_assert!(assess_value(better, &t).urgency() <= assess_value(worse, &t).urgency());
            let t = Thresholds::new(Some(target + gap), target, Direction::HigherIsBetter).unwrap();
            prop_assert!(assess_value(worse, &t).urgency() <= assess_value(better, &t).urgency());
        }

        #[test]
        fn what_is_not_a_number_is_never_healthy(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let band = assess_value(value, &lower(Some(1.0), 2.0));
            prop_assert_eq!(value.is_finite(), band != Band::Unknown);
        }

        #[test]
        fn names_read_back(index in 0usize..4) {
            let band = Band::BY_URGENCY[index];
            prop_assert_eq!(Band::parse(band.as_str()), Some(band));
        }
    }
}
