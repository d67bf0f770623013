//! Watches the cluster whose primary may have to be changed: once it is gone, only what was seen before tells what it had, and
//! when it returns it must not take writes.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::services::failover::Failover;

/// Time between two looks: what is written in between is part of what may be lost without being seen.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until `stop`.
pub async fn run(failover: Arc<Failover>, stop: CancellationToken) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        failover.watch().await;
    }
}
