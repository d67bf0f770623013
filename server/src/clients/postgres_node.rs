//! Asks a node of the watched PostgreSQL cluster what it is: primary or standby, and how far.
//!
//! The SQL stands here and not in `db`, which is the console's own database: these servers belong to someone
//! else, and the console only looks.

use std::sync::Arc;

use sqlx::{Connection, PgConnection, Row, postgres::PgRow};

pub use super::node_connection::NodeError;
use super::node_connection::{NodeConnection, from_sqlx};
use crate::config::postgres::{PostgresNodeConfig, PostgresNodeConfigError};

/// What a node says of itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Identifies the cluster: all its nodes have the same. `None` if the role may not ask.
    pub system_identifier: Option<i64>,
    /// The timeline it writes or follows; goes up with each promotion.
    pub timeline: Option<i32>,
    /// Its part, and how far it is.
    pub part: NodePart,
}

/// A node's part. Positions in the WAL are bytes from its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodePart {
    /// Takes writes.
    Primary {
        /// Where it writes.
        wal_position: i64,
        /// Standbys that stream from it now; base backups and archivers are not counted.
        streaming_standbys: u32,
    },
    /// In recovery.
    Standby {
        /// Received and on disk; `None` if it never streamed.
        received: Option<i64>,
        /// Replayed.
        replayed: Option<i64>,
        /// Age of the primary's last message on the standby's own clock, ms; `None` while it does not stream.
        last_message_age_ms: Option<i64>,
    },
}

/// One watched node.
#[derive(Debug, Clone)]
pub struct PostgresNode {
    connection: Arc<NodeConnection>,
}

/// One row, whatever the node is. Functions that only one kind of node may call stand in branches that are
/// not evaluated on the other.
const FACTS: &str = "
SELECT pg_is_in_recovery() AS in_recovery,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see,
       current_user::text AS role,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint END AS written,
       CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
            ELSE (SELECT received_tli FROM pg_stat_wal_receiver) END AS timeline,
       CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint END AS received,
       CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END AS replayed,
       (SELECT (extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000)::bigint
          FROM pg_stat_wal_receiver WHERE status = 'streaming') AS last_message_age_ms,
       (SELECT count(*) FROM pg_stat_replication
         WHERE state = 'streaming' AND application_name NOT IN ('pg_basebackup', 'pg_receivewal')) AS streaming_standbys";

/// By itself, because a role may be kept from it, and the rest is worth having without it.
const SYSTEM_IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

/// SQLSTATE insufficient_privilege.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl PostgresNode {
    /// Prepares to ask; no connection is made yet.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`] when the address cannot be read.
    pub fn new(config: &PostgresNodeConfig) -> Result<Self, PostgresNodeConfigError> {
        Ok(Self {
            connection: Arc::new(NodeConnection::new(config)?),
        })
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.connection.name()
    }

    /// The connection, for whatever else is asked there.
    #[must_use]
    pub fn connection(&self) -> Arc<NodeConnection> {
        Arc::clone(&self.connection)
    }

    /// Asks what it is.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn ask(&self) -> Result<NodeFacts, NodeError> {
        let report = self
            .connection
            .run(|connection| Box::pin(facts(connection)))
            .await?;
        report.ok_or_permission()
    }

    /// The node's clock, Unix ms, and its major version.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn clock_and_version(&self) -> Result<(i64, i32), NodeError> {
        let mut connection = self.connection.fresh().await?;
        let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms, current_setting('server_version_num')::int AS version";
        let row = self
            .connection
            .within(sqlx::query(query).fetch_one(&mut connection))
            .await?;
        let answer = (|| Ok((row.try_get("ms")?, row.try_get::<i32, _>("version")? / 10_000)))();
        let _ = self.connection.within(connection.close()).await;
        answer.map_err(from_sqlx)
    }
}

/// Facts, with what is needed to doubt them.
struct Report {
    may_see: bool,
    role: String,
    facts: NodeFacts,
}

impl Report {
    /// To a role without `pg_monitor` PostgreSQL shows rows without their content: no standby would seem to
    /// stream.
    fn ok_or_permission(self) -> Result<NodeFacts, NodeError> {
        if self.may_see {
            Ok(self.facts)
        } else {
            Err(NodeError::NotPermitted { role: self.role })
        }
    }
}

async fn facts(connection: &mut PgConnection) -> Result<Report, sqlx::Error> {
    let row = sqlx::query(FACTS).fetch_one(&mut *connection).await?;
    let system_identifier = system_identifier(connection).await?;
    read(&row, system_identifier)
}

/// The cluster's identifier; `None` if the role may not ask.
pub(super) async fn system_identifier(connection: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    permitted(sqlx::query_scalar(SYSTEM_IDENTIFIER).fetch_one(connection).await)
}

/// What a role may not ask is not known.
pub(super) fn permitted<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_permission(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(row: &PgRow, system_identifier: Option<i64>) -> Result<Report, sqlx::Error> {
    let part = if row.try_get("in_recovery")? {
        NodePart::Standby {
            received: row.try_get("received")?,
            replayed: row.try_get("replayed")?,
            last_message_age_ms: row.try_get("last_message_age_ms")?,
        }
    } else {
        let standbys: i64 = row.try_get("streaming_standbys")?;
        NodePart::Primary {
            wal_position: row.try_get("written")?,
            streaming_standbys: u32::try_from(standbys).unwrap_or(u32::MAX),
        }
    };
    let facts = NodeFacts {
        system_identifier,
        timeline: row.try_get("timeline")?,
        part,
    };
    Ok(Report {
        may_see: row.try_get("may_see")?,
        role: row.try_get("role")?,
        facts,
    })
}

fn is_permission(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|e| e.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE))
}
