//! The console's own small PostgreSQL.

use super::EstateConfig;
use super::ports::Ports;
use super::roles::{ensure_database, role};
use crate::error::PartError;
use crate::parts::{Postgres, PostgresOptions};

/// Starts it, with its database and its two roles.
pub(super) fn start(config: &EstateConfig, ports: &Ports) -> Result<Postgres, PartError> {
    let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let database = Postgres::start_with(&PostgresOptions {
        name: "console-db".into(),
        dir: Some(config.dir.join("console-db")),
        port: Some(ports.console_db),
        durable: true,
        settings: vec![
            setting("cluster_name", "console-db"),
            setting("max_connections", "60"),
        ],
        hba: Vec::new(),
    })?;
    database.sql(
        "postgres",
        &[role("quarterdeck_owner", "LOGIN"), role("quarterdeck", "LOGIN")].concat(),
    )?;
    ensure_database(&database, "quarterdeck", "quarterdeck_owner")?;
    Ok(database)
}
