//! The value axis.

use crate::health::Thresholds;

use super::value_ticks;

/// The stretch of values that a chart shows: `low < high`, both round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueScale {
    low: f64,
    high: f64,
}

impl ValueScale {
    /// A scale that holds zero (unless all values lie far above it), every finite value, and the thresholds, so
    /// that a person sees how far it is to them. Thresholds of which the alert lies more than `reach` times beyond the largest value
    /// would flatten the line to the floor: then none is inside, and the drawing says so at the edge.
    #[must_use]
    pub fn fit(
        values: impl IntoIterator<Item = f64>,
        thresholds: &Thresholds,
        range_max: Option<f64>,
        reach: f64,
    ) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values.into_iter().filter(|v| v.is_finite()) {
            low = low.min(v);
            high = high.max(v);
        }
        if low > high {
            (low, high) = (0.0, 0.0);
        }
        let alert = thresholds.alert();
        let inside = high == 0.0 || alert.abs() <= high.abs() * reach;
        if inside {
            for t in thresholds.target().into_iter().chain([alert]) {
                low = low.min(t);
                high = high.max(t);
            }
        }
        low = low.min(0.0);
        if high <= low {
            high = low + 1.0;
        }
        // Head room, so that a line at its peak does not touch the frame, nor what is said there of thresholds outside.
        let padded = high + (high - low) * if inside { 0.06 } else { 0.25 };
        let high = range_max
            .filter(|max| high <= *max && padded > *max)
            .unwrap_or(padded);
        Self { low, high }
    }

    /// Smallest value shown.
    #[must_use]
    pub const fn low(&self) -> f64 {
        self.low
    }

    /// Largest value shown.
    #[must_use]
    pub const fn high(&self) -> f64 {
        self.high
    }

    /// Where a value stands: 0 at the bottom, 1 at the top, clamped.
    #[must_use]
    pub fn fraction(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Whether a value is inside.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        value >= self.low && value <= self.high
    }

    /// Round values to label, at most `max` of them, inside the scale.
    #[must_use]
    pub fn ticks(&self, max: usize) -> Vec<f64> {
        value_ticks(self.low, self.high, max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::health::Direction;

    #[test]
    fn thresholds_in_reach_are_shown_and_those_far_beyond_are_not() {
        let t = Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap();
        let scale = ValueScale::fit([20.0, 30.0], &t, None, 10.0);
        assert!(scale.contains(100.0) && scale.contains(0.0));
        let scale = ValueScale::fit([1.0, 6.0], &t, None, 10.0);
        assert!(
            !scale.contains(100.0) && !scale.contains(50.0) && scale.contains(6.0),
            "both or none"
        );
    }

    #[test]
    fn a_percentage_does_not_go_beyond_a_hundred() {
        let t = Thresholds::new(Some(90.0), 80.0, Direction::HigherIsBetter).unwrap();
        let scale = ValueScale::fit([99.0], &t, Some(100.0), 10.0);
        assert!((scale.high() - 100.0).abs() < f64::EPSILON);
    }

    proptest! {
        #[test]
        fn every_value_fits(values in proptest::collection::vec(prop_oneof![-1e9f64..1e9, Just(f64::NAN)], 0..50)) {
            let t = Thresholds::new(Some(50.0), 100.0, Direction::LowerIsBetter).unwrap();
            let scale = ValueScale::fit(values.clone(), &t, None, 10.0);
            prop_assert!(scale.low() < scale.high());
            for v in values.into_iter().filter(|v| v.is_finite()) {
                prop_assert!(scale.contains(v));
            }
        }
    }
}
