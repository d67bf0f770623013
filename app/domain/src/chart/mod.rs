//! From series to geometry: scales, ticks, steps and gaps. What is drawn, not how.

mod range;
mod scale;
mod series;
mod ticks;

pub use range::{RangeError, RangePreset, TimeRange};
pub use scale::ValueScale;
pub use series::{Point, Segment, segments};
pub use ticks::{TimeTick, time_ticks, value_ticks};
