//! Acts on a node of the watched PostgreSQL cluster: checkpoint, read-only, promotion. Each act has a connection of its own,
//! by a role that is no superuser.

use std::{fmt, time::Duration};

use quarterdeck_domain::{cluster::Lsn, database::CONSOLE_APPLICATION, failover::Control};
use sqlx::{ConnectOptions, Executor, PgConnection, Row, postgres::PgConnectOptions};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::node_connection::{NodeError, from_sqlx};
use crate::config::{
    failover::steps::SESSIONS,
    postgres::{PostgresNodeConfig, PostgresNodeConfigError},
};

/// Time between two looks whether a setting has come about.
const LOOK: Duration = Duration::from_millis(50);
/// Advisory lock of whoever may promote a node.
const PROMOTER: i64 = 0x7175_6172_7465_7270;

/// What the role lacks, as the statements that would grant it.
const MISSING: &str = "
SELECT grant_it FROM (VALUES
    (pg_has_role(current_user, 'pg_monitor', 'USAGE'),
     format('GRANT pg_monitor TO %I', current_user)),
    (pg_has_role(current_user, 'pg_signal_backend', 'USAGE'),
     format('GRANT pg_signal_backend TO %I', current_user)),
    ((SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR
     coalesce((SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles WHERE rolname = 'pg_checkpoint'), false),
     format('GRANT pg_checkpoint TO %I', current_user)),
    (has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE'),
     format('GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO %I', current_user)),
    (has_function_privilege('pg_reload_conf()', 'EXECUTE'),
     format('GRANT EXECUTE ON FUNCTION pg_reload_conf() TO %I', current_user)),
    (has_parameter_privilege('default_transaction_read_only', 'ALTER SYSTEM'),
     format('GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO %I', current_user))
) AS needed (there, grant_it) WHERE NOT there";

/// Ends the sessions that began before `$1`, but this one. Those of superusers can't be ended by a role that is none; they are
/// counted, and those of them that are writing.
const END_SESSIONS: &str = "
WITH me AS MATERIALIZED (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
others AS MATERIALIZED (
    SELECT a.pid, a.backend_xid IS NOT NULL AS writing, coalesce(r.rolsuper, false) AND NOT me.rolsuper AS beyond
      FROM pg_stat_activity AS a CROSS JOIN me LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
     WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND a.backend_start < $1
)
SELECT count(*) FILTER (WHERE NOT beyond AND pg_terminate_backend(pid)) AS ended,
       count(*) FILTER (WHERE beyond) AS beyond,
       count(*) FILTER (WHERE beyond AND writing) AS beyond_writing
  FROM others";

/// What a node is, to whoever acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Whether the server makes transactions read-only by default.
    pub read_only: bool,
    /// Identifies its cluster. None if the role may not ask.
    pub system_identifier: Option<i64>,
}

/// Sessions that were ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// So many.
    pub ended: i64,
    /// So many are a superuser's, and go on.
    pub beyond: i64,
    /// So many of those have a transaction open that writes.
    pub beyond_writing: i64,
}

/// What only an old primary has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surplus {
    /// Bytes of WAL after the place at which the new primary began. A restart adds some of its own.
    pub bytes: i64,
    /// Transactions that were committed there; none where `pg_walinspect` can't be asked.
    pub transactions: Option<i64>,
}

/// Keeps others from promoting a node, for as long as it lives.
#[derive(Debug)]
pub struct Hold {
    connection: PgConnection,
}

/// What came of an attempt to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteAttempt {
    /// It was refused, as read-only or in recovery.
    Refused,
    /// It was taken.
    Taken,
}

/// One node, for acting on it.
#[derive(Clone)]
pub struct NodeControl {
    name: String,
    options: Option<PgConnectOptions>,
    timeout: Duration,
}

/// Without the address: the driver's options print their password.
impl fmt::Debug for NodeControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeControl")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl NodeControl {
    /// Prepares; no connection is made yet.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError`].
    pub fn new(config: &PostgresNodeConfig) -> Result<Self, PostgresNodeConfigError> {
        // Whoever waits has a limit of its own; one of the server's would cut off the wait for a promotion that goes on.
        let options = config.control_options()?.map(|options| {
            options
                .application_name(CONSOLE_APPLICATION)
                .options([("statement_timeout", "0")])
                .disable_statement_logging()
        });
        Ok(Self {
            name: config.name.clone(),
            options,
            timeout: config.timeout(),
        })
    }

    /// The node's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a connection to act by.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        self.options.is_some()
    }

    async fn connect(&self) -> Result<PgConnection, NodeError> {
        let Some(options) = &self.options else {
            return Err(NodeError::Refused {
                reason: "it has no control_url in its [[postgres]] section".to_owned(),
            });
        };
        within(self.timeout, options.connect()).await
    }

    /// Runs one statement that answers one value.
    async fn ask<T>(&self, statement: &'static str, limit: Duration) -> Result<T, NodeError>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let mut connection = self.connect().await?;
        within(limit, sqlx::query_scalar(statement).fetch_one(&mut connection)).await
    }

    /// Whether the role may do all that is needed.
    pub async fn control(&self) -> Control {
        if self.options.is_none() {
            return Control::NotConfigured;
        }
        let missing = async {
            let mut connection = self.connect().await?;
            within(
                self.timeout,
                sqlx::query_scalar(MISSING).fetch_all(&mut connection),
            )
            .await
        };
        match missing.await {
            Ok(missing) if missing.is_empty() => Control::Sufficient,
            Ok(missing) => Control::Missing(missing),
            Err(error) => Control::Unreachable(error.to_string()),
        }
    }

    /// What it is now.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn present(&self) -> Result<Present, NodeError> {
        const STATEMENT: &str = "
            SELECT pg_is_in_recovery() AS in_recovery,
                   (SELECT reset_val::bool FROM pg_settings WHERE name = 'default_transaction_read_only') AS read_only,
                   CASE WHEN has_function_privilege('pg_control_system()', 'EXECUTE')
                        THEN (SELECT system_identifier FROM pg_control_system()) END AS system_identifier";
        let mut connection = self.connect().await?;
        let row = within(self.timeout, sqlx::query(STATEMENT).fetch_one(&mut connection)).await?;
        let read = || -> Result<Present, sqlx::Error> {
            Ok(Present {
                in_recovery: row.try_get("in_recovery")?,
                read_only: row.try_get("read_only")?,
                system_identifier: row.try_get("system_identifier")?,
            })
        };
        read().map_err(from_sqlx)
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn checkpoint(&self, limit: Duration) -> Result<(), NodeError> {
        let mut connection = self.connect().await?;
        within(limit, connection.execute("CHECKPOINT")).await.map(|_| ())
    }

    /// Makes transactions read-only by default, or lets them write, for every session that begins from now on; and waits
    /// until that holds.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn set_read_only(&self, on: bool) -> Result<(), NodeError> {
        let statement = if on {
            "ALTER SYSTEM SET default_transaction_read_only = on"
        } else {
            "ALTER SYSTEM RESET default_transaction_read_only"
        };
        let mut connection = self.connect().await?;
        within(self.timeout, connection.execute(statement)).await?;
        within(self.timeout, connection.execute("SELECT pg_reload_conf()")).await?;
        let begun = Instant::now();
        // A session that begins now shows whether the postmaster has read it.
        while self.present().await?.read_only != on {
            if begun.elapsed() >= self.timeout {
                return Err(NodeError::Refused {
                    reason: format!(
                        "default_transaction_read_only is set, and not in force after {} ms: something else sets it",
                        self.timeout.as_millis()
                    ),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends everybody's sessions that are there now, but those of WAL senders, and waits until they are gone.
    ///
    /// # Errors
    /// [`NodeError`], also when some are not gone in time.
    pub async fn end_sessions(&self) -> Result<Ended, NodeError> {
        let mut connection = self.connect().await?;
        let now = sqlx::query_scalar::<_, OffsetDateTime>("SELECT clock_timestamp()");
        let now = within(self.timeout, now.fetch_one(&mut connection)).await?;
        let begun = Instant::now();
        let mut most = 0;
        loop {
            let ending = sqlx::query(END_SESSIONS).bind(now).fetch_one(&mut connection);
            let row = within(self.timeout, ending).await?;
            let read = || -> Result<Ended, sqlx::Error> {
                Ok(Ended {
                    ended: row.try_get("ended")?,
                    beyond: row.try_get("beyond")?,
                    beyond_writing: row.try_get("beyond_writing")?,
                })
            };
            let left = read().map_err(from_sqlx)?;
            most = most.max(left.ended);
            if left.ended == 0 {
                return Ok(Ended { ended: most, ..left });
            }
            if begun.elapsed() >= SESSIONS {
                return Err(NodeError::Refused {
                    reason: format!(
                        "{} sessions did not end within {} s",
                        left.ended,
                        SESSIONS.as_secs()
                    ),
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Keeps others from promoting it for as long as the answer lives, and its session: the one that promotes. None if
    /// somebody else does. It is given back by itself when this process dies or is cut off from the node.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn hold(&self) -> Result<Option<Hold>, NodeError> {
        let mut connection = self.connect().await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(PROMOTER);
        let got: bool = within(self.timeout, lock.fetch_one(&mut connection)).await?;
        Ok(got.then_some(Hold { connection }))
    }

    /// How far its WAL is on disk, as a primary.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn flushed(&self) -> Result<Lsn, NodeError> {
        let statement = "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint";
        self.ask::<i64>(statement, self.timeout).await.map(lsn)
    }

    /// How far it has replayed, as a standby; none if it has not begun.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn replayed(&self) -> Result<Option<Lsn>, NodeError> {
        let statement = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint";
        self.ask::<Option<i64>>(statement, self.timeout)
            .await
            .map(|bytes| bytes.map(lsn))
    }

    /// Promotes it in the session that keeps others from it, and waits until it is a primary. Answers whether it became one
    /// within `limit`.
    ///
    /// # Errors
    /// [`NodeError::Refused`] only where it is sure that nothing was begun; with any other it may still come about.
    pub async fn promote(&self, hold: &mut Hold, limit: Duration) -> Result<bool, NodeError> {
        /// `insufficient_privilege`, and `object_not_in_prerequisite_state`: it is no standby.
        const NOT_BEGUN: [&str; 2] = ["42501", "55000"];
        let seconds = i32::try_from(limit.as_secs()).unwrap_or(60);
        let promote = sqlx::query_scalar("SELECT pg_promote(true, $1)")
            .bind(seconds)
            .fetch_one(&mut hold.connection);
        match timeout(limit + self.timeout, promote).await {
            Ok(Ok(promoted)) => Ok(promoted),
            Ok(Err(sqlx::Error::Database(error)))
                if error.code().is_none_or(|code| !NOT_BEGUN.contains(&&*code)) =>
            {
                Err(NodeError::Unreachable {
                    reason: error.message().to_owned(),
                })
            }
            Ok(Err(error)) => Err(from_sqlx(error)),
            Err(_) => Err(NodeError::Timeout { limit }),
        }
    }

    /// When its server was started: tells it from any other.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn started_at(&self) -> Result<String, NodeError> {
        self.ask("SELECT pg_postmaster_start_time()::text", self.timeout)
            .await
    }

    /// What it has after the place at which another node became the primary.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn surplus(&self, since: Lsn) -> Result<Surplus, NodeError> {
        const COUNT: &str = "
            SELECT count(*) FROM pg_get_wal_records_info($1::pg_lsn, pg_current_wal_flush_lsn())
             WHERE resource_manager = 'Transaction' AND record_type LIKE 'COMMIT%'";
        let flushed = self.flushed().await?;
        let bytes = i64::try_from(flushed.since(since)).unwrap_or(i64::MAX);
        if bytes == 0 {
            return Ok(Surplus {
                bytes,
                transactions: Some(0),
            });
        }
        let mut connection = self.connect().await?;
        let counted = sqlx::query_scalar(COUNT)
            .bind(since.to_string())
            .fetch_one(&mut connection);
        match within(self.timeout.max(Duration::from_secs(30)), counted).await {
            Ok(transactions) => Ok(Surplus {
                bytes,
                transactions: Some(transactions),
            }),
            // The extension is not there, may not be asked, or the WAL is gone.
            Err(NodeError::Refused { reason }) => {
                tracing::info!(node = self.name, reason, "lost transactions can't be counted");
                Ok(Surplus {
                    bytes,
                    transactions: None,
                })
            }
            Err(error) => Err(error),
        }
    }

    /// Tries to write. What is written goes with the session.
    ///
    /// # Errors
    /// [`NodeError`] when it could not even be tried.
    pub async fn try_to_write(&self) -> Result<WriteAttempt, NodeError> {
        /// `read_only_sql_transaction`.
        const READ_ONLY: &str = "25006";
        let mut connection = self.connect().await?;
        match timeout(
            self.timeout,
            connection.execute("CREATE TEMP TABLE quarterdeck_attempt (x int)"),
        )
        .await
        {
            Ok(Ok(_)) => Ok(WriteAttempt::Taken),
            Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some(READ_ONLY) => {
                Ok(WriteAttempt::Refused)
            }
            Ok(Err(error)) => Err(from_sqlx(error)),
            Err(_) => Err(NodeError::Timeout { limit: self.timeout }),
        }
    }
}

fn lsn(bytes: i64) -> Lsn {
    Lsn::from_bytes(u64::try_from(bytes).unwrap_or(0))
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, NodeError> {
    match timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(from_sqlx),
        Err(_) => Err(NodeError::Timeout { limit }),
    }
}
