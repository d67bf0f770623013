//! The console's own database: the only place with SQL.
//!
//! Each file is one noun. Functions that write take a connection, so that the caller decides what shares a
//! transaction; an audit row always shares the one of what it records.

pub mod actions;
pub mod api_tokens;
pub mod audit;
pub mod backups;
pub mod fences;
pub mod health_transitions;
mod hosts;
pub mod inspection;
pub mod journals;
pub mod leadership;
pub mod maintenance;
mod migrate;
mod pool;
pub mod sessions;
pub mod signing_keys;
pub mod splits;
pub mod users;

pub use hosts::{Hosts, Sight};
pub use migrate::{MigrateError, Migrated, migrate, migrations, pending};
pub use pool::{owner_connection, pool_of, runtime_hosts, runtime_pool, still_hears};

/// Why the database didn't do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// It can't be reached, or has no connection to spare. What was asked was not done, except for a commit whose
    /// answer was lost: then it may have been.
    #[error(
        "the console's database can't be reached; check that PostgreSQL runs and that database.url is right"
    )]
    Unavailable(#[source] sqlx::Error),
    /// None of several servers takes writes. What was asked was not done.
    #[error("none of the servers of {setting} takes writes: {reasons}")]
    NoPrimary {
        /// Which setting names them.
        setting: &'static str,
        /// Each with its reason.
        reasons: String,
    },
    /// It answered and refused.
    #[error("the console's database refused the request")]
    Refused(#[source] sqlx::Error),
    /// A row holds what the console never writes.
    #[error("the console's database holds a value that the console never writes: {0}")]
    Unreadable(String),
    /// The connection settings are wrong.
    #[error("the setting {setting} is no PostgreSQL URL (postgres://user:password@host:port/database)")]
    Url {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        #[source]
        source: sqlx::Error,
    },
}

impl DbError {
    /// Whether it is worth asking again later, because the database was away rather than unwilling.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::NoPrimary { .. } => true,
            Self::Refused(_) | Self::Unreadable(_) | Self::Url { .. } => false,
        }
    }

    /// Whether a unique constraint refused it: something of that name is there already.
    pub fn is_duplicate(&self) -> bool {
        match self {
            Self::Refused(sqlx::Error::Database(error)) => error.is_unique_violation(),
            Self::Refused(_)
            | Self::Unavailable(_)
            | Self::NoPrimary { .. }
            | Self::Unreadable(_)
            | Self::Url { .. } => false,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        let away = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            // Connection trouble, server shutting down or starting, too many connections, statement timeout; and a server
            // that takes no writes any more, because another one does or will.
            sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
                ["08", "57", "53"].iter().any(|class| code.starts_with(class))
                    || ["55000", "25006"].contains(&&*code)
            }),
            // A foreign enum that grows: whatever else it says, the database answered.
            _ => false,
        };
        if away {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Gives a piece of work on the database a limit: a server that has stopped answering counts as away.
///
/// # Errors
/// What the work says, or [`DbError::Unavailable`] when the limit is over. The work is then dropped, which rolls its
/// transaction back.
pub async fn within<T>(
    limit: std::time::Duration,
    work: impl Future<Output = Result<T, DbError>>,
) -> Result<T, DbError> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(DbError::Unavailable(sqlx::Error::PoolTimedOut)),
    }
}
