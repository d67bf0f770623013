//! Keeps the pool at the server that takes writes, where the console's own database may be on several.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::db::{Hosts, Sight};

/// Time between two looks while all is well.
const ROUND: Duration = Duration::from_secs(1);
/// Time between two looks while no server takes writes: everything waits for it.
const SEARCH: Duration = Duration::from_millis(200);

/// Looks once, so that the first statement goes to the right server, and has `workers` look on until `stop`. Does
/// nothing where there is only one server.
pub async fn run(hosts: Arc<Hosts>, pool: PgPool, stop: CancellationToken, workers: &mut JoinSet<()>) {
    if hosts.is_one() {
        return;
    }
    let mut follower = Follower {
        hosts,
        pool,
        sight: Sight::default(),
        lost: false,
    };
    follower.look().await;
    workers.spawn(async move {
        let looking = async {
            loop {
                tokio::time::sleep(if follower.lost { SEARCH } else { ROUND }).await;
                follower.look().await;
            }
        };
        stop.run_until_cancelled(looking).await;
    });
}

struct Follower {
    hosts: Arc<Hosts>,
    pool: PgPool,
    sight: Sight,
    /// Whether no server took writes at the last look.
    lost: bool,
}

impl Follower {
    async fn look(&mut self) {
        match self.hosts.lead(&self.pool, &mut self.sight).await {
            Ok(changed) => {
                if let Some(name) = changed {
                    tracing::info!(server = name, "the console's database takes writes there");
                } else if self.lost {
                    tracing::info!("the console's database takes writes again, where it did before");
                }
                self.lost = false;
            }
            Err(error) => {
                if !self.lost {
                    tracing::warn!(%error, "the console's database takes no writes; looking on");
                }
                self.lost = true;
            }
        }
    }
}
