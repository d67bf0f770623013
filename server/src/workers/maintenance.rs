//! Looks regularly whether maintenance mode is on: the replica that leads looks for all, the others take over what it
//! saw.

use std::{sync::Arc, time::Duration};

use quarterdeck_app::view::maintenance::EVENT;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use crate::services::{health::hub::Hub, maintenance::Maintenance};

/// How often a replica that does not look takes over what is known.
const FOLLOW: Duration = Duration::from_secs(2);

/// How long the first look waits to know who is to do it.
const ELECTION_PATIENCE: Duration = Duration::from_secs(3);

/// Looks until `stop`.
pub async fn run(
    maintenance: Arc<Maintenance>,
    hub: Arc<Hub>,
    mut leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    let every = Duration::from_secs(maintenance.config().look_every_s);
    // Who leads is settled first where it can be: what is seen before that can't be written down.
    let _ = stop
        .run_until_cancelled(tokio::time::timeout(ELECTION_PATIENCE, leadership.changed()))
        .await;
    let mut suspected = None;
    let mut shown = None;
    loop {
        let role = *leadership.borrow();
        let pause = match role {
            Leadership::Leader => {
                let look = maintenance.look().await;
                suspected = match maintenance.conclude(look.clone(), suspected).await {
                    Ok(suspect) => suspect,
                    Err(error) => {
                        tracing::debug!(%error, "what was seen of maintenance mode can't be written down");
                        maintenance.glance(look);
                        None
                    }
                };
                every
            }
            Leadership::Follower => {
                suspected = None;
                if let Err(error) = maintenance.refresh().await {
                    tracing::debug!(%error, "what is known of maintenance mode can't be read");
                }
                FOLLOW.min(every)
            }
            Leadership::Unelected => {
                suspected = None;
                // Without the table nobody could say who brought it about, but that it is on is shown.
                maintenance.glance(maintenance.look().await);
                every.min(FOLLOW)
            }
        };
        // Those who watch here ask again when something came out differently.
        let told = maintenance.told();
        if shown.replace(told.clone()).is_some_and(|before| before != told) {
            hub.announce_action(EVENT);
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
    }
}
