//! Connections to the console's own database.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection};

use super::DbError;
use crate::config::database::DatabaseConfig;

/// The pool that the running console works with, as the runtime role.
///
/// It connects when it is first used, so that the console starts while the database is down.
///
/// # Errors
/// [`DbError::Url`] when the setting is no URL.
pub fn runtime_pool(config: &DatabaseConfig) -> Result<PgPool, DbError> {
    let options = connect_options(&config.url, "database.url")?.options([
        ("statement_timeout", config.statement_timeout_ms.to_string()),
        // Nobody waits for a lock longer than for an answer, and no transaction is left open.
        ("idle_in_transaction_session_timeout", "30000".to_owned()),
    ]);
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .idle_timeout(Duration::from_secs(600))
        .max_lifetime(Duration::from_secs(1800))
        .connect_lazy_with(options))
}

/// One connection as the owner of the schema, for migrations and long walks: no statement timeout.
///
/// # Errors
/// [`DbError::Url`] when the setting is no URL, [`DbError::Unavailable`] when the database can't be reached.
pub async fn owner_connection(config: &DatabaseConfig) -> Result<PgConnection, DbError> {
    let options = match &config.owner_url {
        Some(url) => connect_options(url, "database.owner_url")?,
        None => connect_options(&config.url, "database.url")?,
    };
    Ok(options.connect().await?)
}

pub(super) fn connect_options(url: &str, setting: &'static str) -> Result<PgConnectOptions, DbError> {
    let options = PgConnectOptions::from_str(url).map_err(|source| DbError::Url { setting, source })?;
    Ok(options.application_name("quarterdeck").options([
        ("search_path", "quarterdeck"),
        // The server notices within a minute that the console's machine is gone, and frees its locks.
        ("tcp_keepalives_idle", "30"),
        ("tcp_keepalives_interval", "10"),
        ("tcp_keepalives_count", "3"),
    ]))
}
