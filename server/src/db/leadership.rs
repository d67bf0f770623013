//! Who polls: the holder of a PostgreSQL advisory lock.
//!
//! The lock belongs to a connection of its own. PostgreSQL releases it when that connection ends, so a console
//! that dies hands over within a second; one whose machine vanishes within the keepalive time.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{DbError, pool::connect_options};

/// The key of the lock: "qdpoller" in ASCII.
const POLLER_LOCK: i64 = i64::from_be_bytes(*b"qdpoller");

/// A connection that holds, or tries to hold, the poller's lock.
#[derive(Debug)]
pub struct PollerLock {
    connection: PgConnection,
    held: bool,
    timeout: Duration,
}

impl PollerLock {
    /// Connects; does not take the lock yet. Each step may take `timeout`.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when the database can't be reached in time.
    pub async fn connect(url: &str, timeout: Duration) -> Result<Self, DbError> {
        let options = connect_options(url, "database.url")?.application_name("quarterdeck-poller");
        let connection = within(timeout, options.connect()).await?;
        Ok(Self {
            connection,
            held: false,
            timeout,
        })
    }

    /// Takes the lock if nobody has it, or makes sure that it is still held. Returns whether it is held now.
    ///
    /// # Errors
    /// [`DbError`] when the database does not answer in time: the lock must then be taken for lost, and the
    /// connection be given up.
    pub async fn hold(&mut self) -> Result<bool, DbError> {
        if self.held {
            // The session holds the lock as long as it lives: any answer proves it.
            within(self.timeout, self.connection.ping()).await?;
            return Ok(true);
        }
        let query = sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1)").bind(POLLER_LOCK);
        self.held = within(self.timeout, query.fetch_one(&mut self.connection)).await?;
        Ok(self.held)
    }

    /// Gives the lock back at once, for an orderly stop.
    pub async fn release(self) {
        let _ = tokio::time::timeout(self.timeout, self.connection.close()).await;
    }
}

async fn within<T>(
    timeout: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, DbError> {
    match tokio::time::timeout(timeout, work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
    }
}
