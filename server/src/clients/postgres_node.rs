//! A node of the watched PostgreSQL cluster: its connection, its clock and its version. What it is asks
//! [`ClusterNode`](super::cluster_node::ClusterNode).
//!
//! The SQL stands here and not in `db`, which is the console's own database: these servers belong to someone
//! else, and the console only looks.

use std::sync::Arc;

use sqlx::{Connection, PgConnection, Row};

pub use super::node_connection::NodeError;
use super::node_connection::{NodeConnection, from_sqlx};
use crate::config::postgres::{PostgresNodeConfig, PostgresNodeConfigError};

/// One watched node.
#[derive(Debug, Clone)]
pub struct PostgresNode {
    connection: Arc<NodeConnection>,
}

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

fn is_permission(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|e| e.code().as_deref() == Some(INSUFFICIENT_PRIVILEGE))
}
