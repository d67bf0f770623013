//! Watches the cluster whose primary may have to be changed: once it is gone, only what was seen before tells what it had, and
//! when it returns it must not take writes. That two nodes take them is told by the replica that leads.

use std::{sync::Arc, time::Duration};

use quarterdeck_app::view::topology::EVENT;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use crate::services::{
    failover::{Failover, Told},
    health::hub::Hub,
};

/// Time between two looks: what is written in between is part of what may be lost without being seen.
const EVERY: Duration = Duration::from_secs(1);

/// Looks until `stop`.
pub async fn run(
    failover: Arc<Failover>,
    hub: Arc<Hub>,
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Told::Unknown;
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let looked = failover.watch().await;
        if failover.note_split(&looked) {
            hub.announce_action(EVENT);
        }
        let role = *leadership.borrow();
        told = match role {
            Leadership::Leader => failover.tell_split(told, looked.at_ms).await,
            Leadership::Follower | Leadership::Unelected => Told::Unknown,
        };
    }
}
