//! Where the cursor of a chart stands.

use crate::components::chart::{ChartInput, PlotArea};

/// Where the cursor stands: the same scales as in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Geometry {
    /// Where the lines are drawn.
    pub(super) plot: PlotArea,
    low: f64,
    high: f64,
    /// Width of one step, CSS pixels.
    step_px: f64,
}

impl Geometry {
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn of(input: &ChartInput<'_>) -> Self {
        let (plot, scale, r) = (input.plot(), input.scale(), input.range);
        let seconds = (r.to_s - r.from_s).max(1) as f64;
        Self {
            plot,
            low: scale.low(),
            high: scale.high(),
            step_px: (plot.right - plot.left) * r.step_s as f64 / seconds,
        }
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn x(&self, index: usize) -> f64 {
        (index as f64).mul_add(self.step_px, self.plot.left)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let fraction = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        fraction.mul_add(self.plot.top - self.plot.bottom, self.plot.bottom)
    }

    pub(super) fn height(&self) -> f64 {
        self.plot.bottom - self.plot.top
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn index_at(&self, x: f64, points: usize) -> usize {
        let index = ((x - self.plot.left) / self.step_px).round().max(0.0) as usize;
        index.min(points.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_finds_the_value_under_it() {
        let g = Geometry {
            plot: PlotArea {
                left: 50.0,
                top: 10.0,
                right: 650.0,
                bottom: 210.0,
            },
            low: 0.0,
            high: 100.0,
            step_px: 10.0,
        };
        assert_eq!(g.index_at(50.0, 61), 0);
        assert_eq!(g.index_at(54.9, 61), 0);
        assert_eq!(g.index_at(55.1, 61), 1);
        assert_eq!(g.index_at(9_999.0, 61), 60);
        assert_eq!(g.index_at(-5.0, 61), 0);
        assert!((g.x(60) - 650.0).abs() < f64::EPSILON);
        assert!((g.y(100.0) - 10.0).abs() < f64::EPSILON && (g.y(0.0) - 210.0).abs() < f64::EPSILON);
    }
}
