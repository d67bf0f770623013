//! Asks a watched PostgreSQL node for its backends, and signals them.

mod rows;
mod signal;

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::database::{
    Backend, BackendId, BackendState, Capacity, ProtectionRules, Signaller, Snapshot,
};
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

pub use self::signal::{Signal, SignalOutcome};
use super::node_connection::{NodeConnection, NodeError};

/// Who is connected to a node, read at one moment, and what it takes to judge them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionsReport {
    /// Every backend that the console's role may see.
    pub snapshot: Snapshot,
    /// How many backends it may not see: they belong to other roles, and it lacks `pg_read_all_stats`.
    pub hidden: u32,
    /// How many clients can be connected.
    pub capacity: Capacity,
    /// The console's role, and what it may do.
    pub signaller: Signaller,
}

/// The backends of one node, over the connection that everything else is asked through.
#[derive(Debug, Clone)]
pub struct DatabaseSessions {
    connection: Arc<NodeConnection>,
}

/// What the node says of itself and of the console's role there.
const CIRCUMSTANCES: &str = "
SELECT current_user::text AS role,
       coalesce((SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), false) AS superuser,
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS may_signal,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
       current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int AS superuser_reserved,
       coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity
         WHERE backend_start IS NULL AND usesysid IS NOT NULL) AS hidden";

impl DatabaseSessions {
    /// Over a node's connection.
    #[must_use]
    pub fn new(connection: Arc<NodeConnection>) -> Self {
        Self { connection }
    }

    /// The node's name in the configuration.
    #[must_use]
    pub fn node(&self) -> &str {
        self.connection.name()
    }

    /// Everybody who is connected now.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn read(&self) -> Result<SessionsReport, NodeError> {
        self.connection
            .run(|connection| Box::pin(report(connection)))
            .await
    }

    /// Signals a backend, if at this very moment it is the one that is meant, does (to be cancelled) what it is meant to
    /// be doing, is not protected, and the console may: all this is checked by the statement that signals.
    ///
    /// To be signalled is not to be gone: see [`DatabaseSessions::wait_until_gone`].
    ///
    /// # Errors
    /// [`NodeError`]. After a time-out or a lost connection it is not known whether the signal was sent.
    pub async fn signal(
        &self,
        id: BackendId,
        signal: Signal,
        rules: &ProtectionRules,
    ) -> Result<SignalOutcome, NodeError> {
        signal::signal(&self.connection, id, signal, rules).await
    }

    /// Those of `ids` that are still there.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn still_there(&self, ids: &[BackendId]) -> Result<Vec<BackendId>, NodeError> {
        let pids: Vec<i32> = ids.iter().map(|id| id.pid()).collect();
        let query = "SELECT pid, backend_start FROM pg_catalog.pg_stat_activity
                      WHERE pid = ANY($1) AND backend_start IS NOT NULL";
        let present = self
            .connection
            .run(|connection| {
                let pids = pids.clone();
                Box::pin(async move {
                    let rows = sqlx::query(query).bind(pids).fetch_all(connection).await?;
                    rows.iter()
                        .map(|row| Ok(BackendId::new(row.try_get("pid")?, row.try_get("backend_start")?)))
                        .collect::<Result<Vec<BackendId>, sqlx::Error>>()
                })
            })
            .await?;
        Ok(ids.iter().copied().filter(|id| present.contains(id)).collect())
    }

    /// Waits until all of `ids` are gone, and gives those that are still there after `patience`.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn wait_until_gone(
        &self,
        ids: &[BackendId],
        patience: Duration,
    ) -> Result<Vec<BackendId>, NodeError> {
        let end = tokio::time::Instant::now() + patience;
        // A backend that is free to go is gone within a few milliseconds.
        let mut pause = Duration::from_millis(5);
        loop {
            let left = self.still_there(ids).await?;
            if left.is_empty() || tokio::time::Instant::now() + pause > end {
                return Ok(left);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// Waits until a cancelled query is over, and says whether it is: the backend is gone, or runs no query, or another
    /// one.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn wait_until_cancelled(
        &self,
        id: BackendId,
        query_started_at: OffsetDateTime,
        patience: Duration,
    ) -> Result<bool, NodeError> {
        let end = tokio::time::Instant::now() + patience;
        let mut pause = Duration::from_millis(5);
        loop {
            let runs = self.find(id).await?.is_some_and(|backend| {
                matches!(backend.state, BackendState::Active | BackendState::FastPath)
                    && backend.query_started_at == Some(query_started_at)
            });
            if !runs || tokio::time::Instant::now() + pause > end {
                return Ok(!runs);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// One backend as it is now; `None` when it is gone.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn find(&self, id: BackendId) -> Result<Option<Backend>, NodeError> {
        let found = self
            .connection
            .run(|connection| {
                Box::pin(async move {
                    let row = sqlx::query(rows::OF_PID)
                        .bind(id.pid())
                        .fetch_optional(connection)
                        .await?;
                    row.as_ref().map(rows::backend).transpose()
                })
            })
            .await?;
        Ok(found.filter(|backend| backend.id == id))
    }

    /// Backends that connected after `since` (by the node's clock) as `user`, under the same application: what comes
    /// back after it was ended.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn came_back(
        &self,
        application: &str,
        user: &str,
        since: OffsetDateTime,
    ) -> Result<Vec<Backend>, NodeError> {
        self.connection
            .run(|connection| {
                let (application, user) = (application.to_owned(), user.to_owned());
                Box::pin(async move {
                    let rows = sqlx::query(rows::COME_SINCE)
                        .bind(application)
                        .bind(user)
                        .bind(since)
                        .fetch_all(connection)
                        .await?;
                    rows.iter().map(rows::backend).collect()
                })
            })
            .await
    }
}

async fn report(connection: &mut PgConnection) -> Result<SessionsReport, sqlx::Error> {
    let row = sqlx::query(CIRCUMSTANCES).fetch_one(&mut *connection).await?;
    let natural = |name: &str| {
        row.try_get::<i32, _>(name)
            .map(|n| u32::try_from(n).unwrap_or_default())
    };
    let capacity = Capacity {
        max_connections: natural("max_connections")?,
        superuser_reserved: natural("superuser_reserved")?,
        reserved: natural("reserved")?,
    };
    let hidden: i64 = row.try_get("hidden")?;
    let backends = sqlx::query(rows::ALL).fetch_all(connection).await?;
    let at = backends
        .first()
        // The console's own connection is one of them.
        .ok_or(sqlx::Error::RowNotFound)?
        .try_get("at")?;
    Ok(SessionsReport {
        snapshot: Snapshot {
            at,
            backends: backends.iter().map(rows::backend).collect::<Result<_, _>>()?,
        },
        hidden: u32::try_from(hidden).unwrap_or(u32::MAX),
        capacity,
        signaller: rows::signaller(&row)?,
    })
}
