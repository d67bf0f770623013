//! Which replica polls.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::db::{Hosts, leadership::PollerLock};

/// What this replica is to the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leadership {
    /// It holds the lock: it polls for all, stores transitions and publishes.
    Leader,
    /// Another one does.
    Follower,
    /// The database can't be asked. It polls for itself, so that its viewers still see what is.
    Unelected,
}

/// Keeps trying to hold the poller's lock, and tells what came of it. Ends, and gives the lock back, when `stop`
/// is cancelled.
pub async fn run(
    hosts: Arc<Hosts>,
    every: Duration,
    told: watch::Sender<Leadership>,
    stop: CancellationToken,
) {
    // Longer than a stumble, shorter than a viewer's patience.
    let timeout = (every * 2).max(Duration::from_secs(2));
    let mut lock: Option<PollerLock> = None;
    // The first answer is told even if it is what was assumed: the poller waits for it.
    let mut first = true;
    loop {
        let attempt = async {
            let mut held = match lock.take() {
                Some(lock) => lock,
                None => PollerLock::connect(Arc::clone(&hosts), timeout).await?,
            };
            let leads = held.hold().await?;
            Ok::<_, crate::db::DbError>((held, leads))
        };
        let now = match attempt.await {
            Ok((held, leads)) => {
                lock = Some(held);
                if leads {
                    Leadership::Leader
                } else {
                    Leadership::Follower
                }
            }
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the poller's lock can't be asked for"
                );
                Leadership::Unelected
            }
        };
        told.send_if_modified(|before| {
            let changed = *before != now;
            if changed {
                tracing::info!(before = ?*before, now = ?now, "who polls has changed");
            }
            *before = now;
            std::mem::take(&mut first) || changed
        });
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => break,
        }
    }
    if let Some(lock) = lock {
        lock.release().await;
    }
}
