//! One metric: its chart, its history, what it is made from.

mod chart;
mod facts;
mod live;
pub mod metric;
mod range;

pub use chart::MetricChart;
pub use live::MetricLive;
