//! One metric: its chart, its history, what it is made from.

mod chart;
mod facts;
mod geometry;
mod live;
pub mod metric;
mod range;
mod refresh;

pub use chart::MetricChart;
pub use live::MetricLive;
