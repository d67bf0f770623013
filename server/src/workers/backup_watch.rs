//! Looks at backups all the time, on the replica that leads: how far back one could return is written down while nobody looks.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::leadership::Leadership;
use crate::{services::backups::watch::BackupWatch, telemetry::recoverability::Recoverability};

/// How often the primary is asked where it is.
const POSITION_EVERY: Duration = Duration::from_secs(5);
/// How often everything is looked at: what goes wrong has to be in the figure within a minute.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Looks until `stop`, and has each look shown in `/metrics`.
pub async fn run(
    backups: Arc<BackupWatch>,
    shown: Arc<Recoverability>,
    leadership: watch::Receiver<Leadership>,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(POSITION_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut looked: Option<Instant> = None;
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        if *leadership.borrow() != Leadership::Leader {
            shown.clear();
            continue;
        }
        let noted = if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            looked = Some(Instant::now());
            let noted = backups.look_and_note().await.map(drop);
            shown.show(backups.figures().await);
            noted
        } else {
            backups.note_position().await
        };
        if let Err(error) = noted {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "what was seen of backups can't be noted"
            );
        }
    }
}
