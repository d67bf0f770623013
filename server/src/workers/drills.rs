//! Begins restore drills at their times, on the replica that leads, and gives up those whose console is gone.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::backup::{Method, Schedule};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use crate::services::{
    audit::Origin,
    backups::drills::{AskedBy, DrillError, DrillOf, Drills},
};

/// How often it is looked whether one is due. Of two that are due at the same time the second waits for the first.
const EVERY: Duration = Duration::from_secs(10);
/// A time of the schedule that is longer ago was missed; the next one comes.
const GRACE_S: u32 = 6 * 3600;

/// Looks until `stop`.
pub async fn run(drills: Arc<Drills>, leadership: watch::Receiver<Leadership>, stop: CancellationToken) {
    let Ok(schedule) = Schedule::new(&drills.config().schedule, GRACE_S) else {
        // The configuration was checked.
        return;
    };
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if *leadership.borrow() != Leadership::Leader {
            continue;
        }
        if let Err(error) = drills.lose().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "lost drills can't be given up"
            );
            continue;
        }
        let Some(due) = schedule.due(drills.now()) else {
            continue;
        };
        for (method, of) in [
            (Method::Dump, DrillOf::NewestDump),
            (Method::Base, DrillOf::Base(None)),
        ] {
            match drills.had(method, due).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "it can't be seen whether a drill was done"
                    );
                    break;
                }
            }
            match drills
                .begin(&of, &AskedBy::Schedule(due), &Origin::default())
                .await
            {
                // One at a time.
                Ok(_) | Err(DrillError::Busy) => break,
                Err(
                    error @ (DrillError::Nothing(_) | DrillError::Unrecorded(_) | DrillError::Unaudited(_)),
                ) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no drill was begun");
                }
            }
        }
    }
}
