//! A real write and a real read through the clients' address.

use std::fmt;

use sqlx::{AssertSqlSafe, ConnectOptions, Row, postgres::PgConnectOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::node_connection::from_sqlx;
use crate::config::failover::{FailoverConfig, FailoverConfigError, steps::PROBE};

/// Writes and reads as a client does.
pub struct WriteProbe {
    options: PgConnectOptions,
    table: String,
}

/// Without the address: the driver's options print their password.
impl fmt::Debug for WriteProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteProbe")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

impl WriteProbe {
    /// By the clients' address of the configuration.
    ///
    /// # Errors
    /// [`FailoverConfigError::Url`].
    pub fn new(config: &FailoverConfig) -> Result<Self, FailoverConfigError> {
        Ok(Self {
            options: config.probe_options()?.disable_statement_logging(),
            // It was checked to be the name of a table, and nothing else.
            table: config.probe_table.clone(),
        })
    }

    /// Writes a row and reads it back. Answers which server it was, `host:port`, and when that was started.
    ///
    /// # Errors
    /// Why it was not so, in words without a full stop.
    pub async fn write_and_read(&self, token: Uuid) -> Result<(String, String), String> {
        let table = &self.table;
        // Only the last ones are kept. The simple protocol: between clients and server a pooler may stand that gives each
        // transaction another server.
        let writing = format!(
            "BEGIN; DELETE FROM {table} WHERE at < now() - interval '1 day'; \
             INSERT INTO {table} (token) VALUES ('{token}') ON CONFLICT (token) DO UPDATE SET at = now(); COMMIT"
        );
        let reading = format!(
            "SELECT coalesce(host(inet_server_addr()), 'its socket') || coalesce(':' || inet_server_port(), '') AS server, \
                    pg_postmaster_start_time()::text AS started_at \
               FROM {table} WHERE token = '{token}'"
        );
        let work = async {
            let mut connection = self.options.connect().await?;
            sqlx::raw_sql(AssertSqlSafe(writing))
                .execute(&mut connection)
                .await?;
            let row = sqlx::raw_sql(AssertSqlSafe(reading))
                .fetch_one(&mut connection)
                .await?;
            Ok((row.try_get("server")?, row.try_get("started_at")?))
        };
        match timeout(PROBE, work).await {
            Ok(Ok(seen)) => Ok(seen),
            Ok(Err(sqlx::Error::RowNotFound)) => Err("what was written is not there".to_owned()),
            Ok(Err(error)) => Err(format!("the clients' address {}", from_sqlx(error))),
            Err(_) => Err(format!(
                "the clients' address does not answer within {} s",
                PROBE.as_secs()
            )),
        }
    }
}
