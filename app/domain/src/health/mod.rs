//! Health: what a reading means against its thresholds, and since when.
//!
//! A metric is described by a [`MetricSpec`]. Each poll yields a [`Reading`]; [`assess`] places it in a
//! [`Band`]; a [`Tracker`] debounces bands into [`Transition`]s; [`verdict`] sums up the whole estate.
//! Nothing here reads a clock: every function takes `now`.

mod band;
mod metric;
mod reading;
mod tracker;
mod verdict;

pub use band::{Band, assess_value};
pub use metric::{
    Debounce, Direction, MetricGroup, MetricId, MetricKind, MetricSpec, Profile, ProfileError, Thresholds,
    Unit,
};
pub use reading::{Assessment, Measured, Reading, UnknownReason, assess, reduce_worst};
pub use tracker::{Observation, Tracker, Transition};
pub use verdict::{Verdict, verdict};
