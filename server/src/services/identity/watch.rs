//! Keeping what is in memory up to date: revocations as they are announced, keys as they are made.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use super::revocations::{Announcement, CHANNEL};
use super::{DB_LIMIT, Identity, IdentityError};
use crate::db::{self, DbError};

/// How often the database is asked even if it announces nothing: a connection may be dead without a word.
const ROUND: Duration = Duration::from_secs(5);

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_secs(1);

/// After how many rounds old tokens and sessions are removed (an hour).
const ROUNDS_PER_PRUNING: u32 = 720;

/// How long sessions stay in the table after their end.
const SESSIONS_KEPT: time::Duration = time::Duration::days(90);

impl Identity {
    /// Loads keys and revocations once, so that the first request is answered rightly.
    ///
    /// # Errors
    /// That the database is away: [`run`](Self::run) then goes on trying.
    pub async fn load(&self) -> Result<(), IdentityError> {
        let now = self.now();
        self.within(async {
            self.keys.load(&self.pool, now).await?;
            self.keys
                .rotate_if_due(&self.pool, &self.events, &*self.entropy, now, &self.config)
                .await?;
            let tokens_live = i64::from(self.config.access_ttl_s) + i64::from(self.config.outage_grace_s);
            // Twice as long as any token lives, for clocks that differ.
            let since = now - time::Duration::seconds(2 * tokens_live);
            self.revocations.load(&self.pool, since).await?;
            Ok(())
        })
        .await
    }

    /// Keeps keys and revocations up to date until `stop`. While the database is away it tries again each second.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            match stop.run_until_cancelled(self.listen()).await {
                None => return,
                Some(error) => {
                    self.revocations.set_current(false);
                    tracing::warn!(
                        %error,
                        "revocations can't be heard of; those who are signed in can look on, and change nothing"
                    );
                }
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(PAUSE))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Listens until something goes wrong.
    async fn listen(&self) -> IdentityError {
        match self.listen_and_load().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn listen_and_load(&self) -> Result<std::convert::Infallible, IdentityError> {
        // Listen first, load then: what is announced in between is heard.
        let mut listener = db::within(DB_LIMIT, async {
            let mut listener = PgListener::connect_with(&self.pool).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        })
        .await?;
        self.load().await?;
        self.revocations.set_current(true);
        tracing::info!("hearing of revocations");
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut round = 0_u32;
        loop {
            tokio::select! {
                heard = listener.try_recv() => match heard? {
                    Some(notification) => self.hear(notification.payload()).await?,
                    None => return Err(DbError::Unavailable(sqlx::Error::WorkerCrashed).into()),
                },
                _ = rounds.tick() => {
                    db::still_hears(&mut listener, &self.pool).await?;
                    self.load().await?;
                    if round.is_multiple_of(ROUNDS_PER_PRUNING) {
                        self.prune().await?;
                    }
                    round = round.wrapping_add(1);
                }
            }
        }
    }

    async fn hear(&self, payload: &str) -> Result<(), IdentityError> {
        match serde_json::from_str(payload) {
            Ok(Announcement::User { id, epoch }) => self.revocations.raise_epoch(id, epoch),
            Ok(Announcement::Session { id } | Announcement::ApiToken { id }) => {
                self.revocations.end(id, self.now())
            }
            Ok(Announcement::Keys) => {
                self.within(async { Ok(self.keys.load(&self.pool, self.now()).await?) })
                    .await?;
            }
            // From a newer console, or from somebody at psql: the next round reads what there is to know.
            Err(error) => tracing::warn!(%error, "the database announced something unknown"),
        }
        Ok(())
    }

    async fn prune(&self) -> Result<(), IdentityError> {
        let now = self.now();
        self.within(async {
            let mut connection = self.pool.acquire().await?;
            Ok(db::sessions::prune(&mut connection, now, now - SESSIONS_KEPT).await?)
        })
        .await
    }
}
