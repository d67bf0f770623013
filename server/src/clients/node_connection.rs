//! The connection to a watched PostgreSQL node: one, made when it is needed, kept while it works, and shared by
//! everything that asks there. Where no place is left for a new connection, the one that is kept still asks, and ends
//! those who took them all.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use quarterdeck_domain::database::CONSOLE_APPLICATION;
use sqlx::{ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::{sync::Mutex, time::timeout};

use crate::config::postgres::{PostgresNodeConfig, PostgresNodeConfigError};

/// Why a node could not be asked. No text holds an address or a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// It does not answer in time.
    #[error("does not answer within {} ms", limit.as_millis())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// No connection, or it broke off.
    #[error("cannot be reached: {reason}")]
    Unreachable {
        /// What the network said.
        reason: String,
    },
    /// It answers, and refuses.
    #[error("refuses: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The role may not see what it would have to report; its answers would be zeros.
    #[error("its role may not see replication; GRANT pg_monitor TO {role}")]
    NotPermitted {
        /// The role.
        role: String,
    },
}

/// Keeps the console from writing by mistake. Not an option of the connection: as such it would hide whether the server
/// itself is kept read-only, which `pg_settings.reset_val` tells.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

/// The kept connection to one node.
pub struct NodeConnection {
    name: String,
    options: PgConnectOptions,
    timeout: Duration,
    kept: Mutex<Option<PgConnection>>,
}

/// Without the address: the driver's options print their password.
impl fmt::Debug for NodeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConnection")
            .field("name", &self.name)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl NodeConnection {
    /// Prepares to ask; no connection is made yet. Nothing can be written through it: signals to backends are no
    /// writes.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`] when the address cannot be read.
    pub fn new(config: &PostgresNodeConfig) -> Result<Self, PostgresNodeConfigError> {
        let timeout = config.timeout();
        let options = config
            .connect_options()?
            .application_name(CONSOLE_APPLICATION)
            .options([("statement_timeout", format!("{}ms", timeout.as_millis()))])
            .disable_statement_logging();
        Ok(Self {
            name: config.name.clone(),
            options,
            timeout,
            kept: Mutex::new(None),
        })
    }

    /// The node's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` on the kept connection. One that turns out to be broken, as after a restart of the server, is replaced
    /// at once and the work begun again: it must be such that this does no harm. Each step has the time limit: to get
    /// hold of the connection, to work on it, to connect, and to work again.
    ///
    /// # Errors
    /// [`NodeError`]. After a [`NodeError::Timeout`] or a [`NodeError::Unreachable`] it is not known how far the work got.
    pub async fn run<T>(
        &self,
        work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, NodeError> {
        let mut kept = timeout(self.timeout, self.kept.lock())
            .await
            .map_err(|_| NodeError::Timeout { limit: self.timeout })?;
        // Taken out: if this future is dropped half-way, a connection with an answer under way is not used
        // again.
        if let Some(mut connection) = kept.take() {
            match self.within(work(&mut connection)).await {
                Ok(done) => {
                    *kept = Some(connection);
                    return Ok(done);
                }
                // A server that is frozen would be so on a new connection, too.
                Err(error @ NodeError::Timeout { .. }) => return Err(error),
                Err(
                    NodeError::Unreachable { .. }
                    | NodeError::Refused { .. }
                    | NodeError::NotPermitted { .. },
                ) => {}
            }
        }
        let mut connection = self.fresh().await?;
        let done = self.within(work(&mut connection)).await?;
        *kept = Some(connection);
        Ok(done)
    }

    /// A connection by itself, which is not kept.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) async fn fresh(&self) -> Result<PgConnection, NodeError> {
        self.within(async {
            let mut connection = self.options.connect().await?;
            connection.execute(READ_ONLY).await?;
            Ok(connection)
        })
        .await
    }

    /// Waits no longer than the node's time limit.
    ///
    /// # Errors
    /// [`NodeError`].
    pub(super) async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, NodeError> {
        match timeout(self.timeout, work).await {
            Ok(outcome) => outcome.map_err(from_sqlx),
            Err(_) => Err(NodeError::Timeout { limit: self.timeout }),
        }
    }
}

/// What the driver says, in words that hold no address and no password: only what the server or the operating
/// system said.
pub(super) fn from_sqlx(error: sqlx::Error) -> NodeError {
    match error {
        sqlx::Error::Database(error) => NodeError::Refused {
            reason: error.message().to_owned(),
        },
        sqlx::Error::Io(error) => NodeError::Unreachable {
            reason: error.to_string(),
        },
        sqlx::Error::Tls(error) => NodeError::Unreachable {
            reason: format!("TLS: {error}"),
        },
        sqlx::Error::Protocol(_) => NodeError::Unreachable {
            reason: "it does not speak PostgreSQL's protocol".to_owned(),
        },
        _ => NodeError::Unreachable {
            reason: "the connection failed".to_owned(),
        },
    }
}
