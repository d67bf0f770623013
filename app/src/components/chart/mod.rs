//! The chart of a metric. [`render_chart`] is the same function on the server and in the browser and gives the same
//! text for the same input, so that the picture of the first HTML is the one that goes on live.

mod backend;
mod draw;

use quarterdeck_domain::{
    chart::ValueScale,
    health::{Thresholds, Unit},
};

pub use draw::render_chart;

use super::moment::Zone;
use crate::view::health::RangeView;

/// So many lines have a colour and a dash of their own; the server sends no more.
pub const MAX_LINES: usize = 12;

/// Everything that a chart's picture depends on.
#[derive(Debug, Clone, Copy)]
pub struct ChartInput<'a> {
    /// Width in CSS pixels.
    pub width: u32,
    /// Height in CSS pixels.
    pub height: u32,
    /// The lines.
    pub range: &'a RangeView,
    /// Unit of the values.
    pub unit: Unit,
    /// Target and alert threshold.
    pub thresholds: &'a Thresholds,
    /// The zone of the time axis.
    pub zone: Zone,
}

/// Where the lines are drawn, in CSS pixels from the top left corner of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlotArea {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Right edge.
    pub right: f64,
    /// Bottom edge.
    pub bottom: f64,
}

impl ChartInput<'_> {
    /// The area inside the axes.
    #[must_use]
    pub fn plot(&self) -> PlotArea {
        let bottom = f64::from(self.height) - 26.0;
        let longest = self
            .value_ticks(bottom - 14.0)
            .iter()
            .map(|v| self.unit.threshold(*v).chars().count())
            .max();
        #[allow(clippy::cast_precision_loss)]
        let labels = longest.unwrap_or_default() as f64 * 6.6;
        PlotArea {
            left: (labels + 14.0).max(46.0),
            top: 14.0,
            right: f64::from(self.width) - 10.0,
            bottom,
        }
    }

    /// The values that are labelled on an axis of this height in CSS pixels.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn value_ticks(&self, height: f64) -> Vec<f64> {
        self.scale().ticks((height / 44.0) as usize)
    }

    /// The value axis.
    #[must_use]
    pub fn scale(&self) -> ValueScale {
        let values = self
            .range
            .lines
            .iter()
            .flat_map(|l| l.values.iter().flatten().copied());
        ValueScale::fit(values, self.thresholds, axis_end(self.unit), REACH)
    }
}

/// How many times beyond the largest value an alert threshold may lie to be inside of a chart.
const REACH: f64 = 40.0;

/// Where an axis ends at most: a share has no more than a hundred percent.
#[must_use]
pub const fn axis_end(unit: Unit) -> Option<f64> {
    match unit {
        Unit::Percent => Some(100.0),
        Unit::Milliseconds | Unit::Count | Unit::PerSecond | Unit::Usd => None,
    }
}
