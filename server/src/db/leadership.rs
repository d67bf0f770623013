//! Who polls: the holder of a PostgreSQL advisory lock.
//!
//! The lock belongs to a connection of its own. PostgreSQL releases it when that connection ends, so a console
//! that dies hands over within a second; one whose machine vanishes within the keepalive time.

use std::{sync::Arc, time::Duration};

use sqlx::{Connection, PgConnection};

use super::{DbError, Hosts, within};

/// The key of the lock: "qdpoller" in ASCII.
const POLLER_LOCK: i64 = i64::from_be_bytes(*b"qdpoller");

/// A connection that holds, or tries to hold, the poller's lock.
#[derive(Debug)]
pub struct PollerLock {
    connection: PgConnection,
    held: bool,
    timeout: Duration,
    hosts: Arc<Hosts>,
}

impl PollerLock {
    /// Connects; does not take the lock yet. Each step may take `timeout`.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when the database can't be reached in time.
    pub async fn connect(hosts: Arc<Hosts>, timeout: Duration) -> Result<Self, DbError> {
        let connection = within(timeout, hosts.connect("quarterdeck-poller")).await?;
        Ok(Self {
            connection,
            held: false,
            timeout,
            hosts,
        })
    }

    /// Takes the lock if nobody has it, or makes sure that it is still held. Returns whether it is held now.
    ///
    /// # Errors
    /// [`DbError`] when the database does not answer in time: the lock must then be taken for lost, and the
    /// connection be given up.
    pub async fn hold(&mut self) -> Result<bool, DbError> {
        if self.held {
            // The session holds the lock as long as it lives: any answer proves it. But on a server that is no primary any
            // more it means nothing.
            let answer = self.hosts.still_leads(&mut self.connection);
            within(self.timeout, async { Ok(answer.await?) }).await?;
            return Ok(true);
        }
        let query = sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1)").bind(POLLER_LOCK);
        let answer = query.fetch_one(&mut self.connection);
        self.held = within(self.timeout, async { Ok(answer.await?) }).await?;
        Ok(self.held)
    }

    /// Gives the lock back at once, for an orderly stop.
    pub async fn release(self) {
        let _ = tokio::time::timeout(self.timeout, self.connection.close()).await;
    }
}
