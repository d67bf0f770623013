//! Connections to the console's own database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};

use super::{DbError, Hosts, within};
use crate::config::database::DatabaseConfig;

/// How long a listener may take to show that it is alive.
const LISTENER_LIMIT: Duration = Duration::from_secs(5);

/// The servers of `database.url`, for connections that work as the runtime role.
///
/// # Errors
/// [`DbError::Url`] when the setting is no URL.
pub fn runtime_hosts(config: &DatabaseConfig) -> Result<Hosts, DbError> {
    let statement_timeout = config.statement_timeout_ms.to_string();
    Hosts::parse(&config.url, "database.url", |options| {
        session(options).options([
            ("statement_timeout", statement_timeout.as_str()),
            // Nobody waits for a lock longer than for an answer, and no transaction is left open.
            ("idle_in_transaction_session_timeout", "30000"),
        ])
    })
}

/// The pool that the running console works with.
///
/// It connects when it is first used, so that the console starts while the database is down. Of several servers it
/// connects to the first until [`Hosts::lead`] has found out which one takes writes; it gives out no connection to
/// another, and finds that out with the same question that asks whether the connection is alive.
pub fn pool_of(hosts: &Arc<Hosts>, config: &DatabaseConfig) -> PgPool {
    let mut options = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .idle_timeout(Duration::from_secs(600))
        .max_lifetime(Duration::from_secs(1800));
    if !hosts.is_one() {
        let (fresh, kept) = (Arc::clone(hosts), Arc::clone(hosts));
        options = options
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let hosts = Arc::clone(&fresh);
                Box::pin(async move { hosts.still_leads(connection).await })
            })
            .before_acquire(move |connection, _| {
                let hosts = Arc::clone(&kept);
                Box::pin(async move { Ok(hosts.still_leads(connection).await.is_ok()) })
            });
    }
    options.connect_lazy_with(hosts.first())
}

/// A pool for one command: nothing follows when the primary changes.
///
/// # Errors
/// [`DbError::Url`] when the setting is no URL; [`DbError::NoPrimary`] when none of several servers takes writes. One
/// server is not asked anything yet.
pub async fn runtime_pool(config: &DatabaseConfig) -> Result<PgPool, DbError> {
    let hosts = Arc::new(runtime_hosts(config)?);
    let pool = pool_of(&hosts, config);
    if !hosts.is_one() {
        hosts.lead(&pool, &mut super::Sight::default()).await?;
    }
    Ok(pool)
}

/// One connection as the owner of the schema, for migrations and long walks: no statement timeout.
///
/// # Errors
/// [`DbError::Url`] when the setting is no URL, [`DbError::Unavailable`] and [`DbError::NoPrimary`] when the database
/// can't be reached.
pub async fn owner_connection(config: &DatabaseConfig) -> Result<PgConnection, DbError> {
    owner_hosts(config)?.connect("quarterdeck").await
}

pub(super) fn owner_hosts(config: &DatabaseConfig) -> Result<Hosts, DbError> {
    match &config.owner_url {
        Some(url) => Hosts::parse(url, "database.owner_url", session),
        None => Hosts::parse(&config.url, "database.url", session),
    }
}

/// What every connection is opened with.
fn session(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("quarterdeck").options([
        ("search_path", "quarterdeck"),
        // The server notices within a minute that the console's machine is gone, and frees its locks.
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
    ])
}

/// Makes sure that a listener is alive, and on the server that the pool works with: on another it would hear nothing,
/// without a word.
///
/// # Errors
/// [`DbError::Unavailable`]: listen anew.
pub async fn still_hears(listener: &mut PgListener, pool: &PgPool) -> Result<(), DbError> {
    const SERVER: &str =
        "select concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time())";
    within(LISTENER_LIMIT, async {
        let theirs: String = sqlx::query_scalar(SERVER).fetch_one(&mut *listener).await?;
        let ours: String = sqlx::query_scalar(SERVER).fetch_one(pool).await?;
        if theirs == ours {
            Ok(())
        } else {
            Err(DbError::Unavailable(sqlx::Error::WorkerCrashed))
        }
    })
    .await
}
