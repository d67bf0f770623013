//! Changing the primary of the watched cluster: planned while it is healthy, unplanned when it is gone. What is known of the
//! cluster and of the means to act on it is a [`Situation`]; the gates judge it, and nothing else.

mod commits;
mod loss;
mod memory;
mod others;
mod patroni;
mod planned;
mod situation;
mod unplanned;

#[cfg(test)]
pub(crate) mod examples;

pub use loss::{Loss, LossBound};
pub use memory::{Memory, Remembered};
pub use patroni::{
    PatroniCluster, PatroniMember, PatroniRole, patroni_failover_gates, patroni_switchover_gates,
};
pub use planned::switchover_gates;
pub use situation::{Control, ExporterWord, Holding, Limits, NodeMeans, Routed, Routes, Routing, Situation};
pub use unplanned::{failover_gates, gone_primary};
