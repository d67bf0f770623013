//! The server that a backup is made of, as programs and the driver are told of it.

use std::{collections::BTreeMap, ffi::OsString, fmt};

use quarterdeck_domain::backup::Server;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use url::Url;

use super::BackupError;
use crate::{
    clients::node_connection::from_sqlx,
    config::postgres::{PostgresNodeConfig, PostgresNodeConfigError},
};

/// A node and the role that backups are made as there.
#[derive(Clone)]
pub struct Target {
    node: String,
    address: String,
    password: Option<SecretString>,
    options: PgConnectOptions,
    timeout: std::time::Duration,
}

/// Without the driver's options, which print their password.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("node", &self.node)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Of a node, in the database `database`; none where it has no `backup_url`.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`] when the address can't be read.
    pub fn new(config: &PostgresNodeConfig, database: &str) -> Result<Option<Self>, PostgresNodeConfigError> {
        let (Some(url), Some(options)) = (&config.backup_url, config.backup_options()?) else {
            return Ok(None);
        };
        let mut url = Url::parse(url.expose_secret()).map_err(|_| PostgresNodeConfigError::Url {
            name: config.name.clone(),
            key: "backup_url",
        })?;
        let mut password = url.password().and_then(percent_decoded);
        // Where there is no host there is no password either.
        let _ = url.set_password(None);
        let settings: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.set_query(None);
        for (key, value) in settings {
            if key == "password" {
                password = Some(value);
            } else {
                url.query_pairs_mut().append_pair(&key, &value);
            }
        }
        url.set_path(&format!("/{database}"));
        Ok(Some(Self {
            node: config.name.clone(),
            address: url.to_string(),
            password: password.map(SecretString::from),
            options: options
                .database(database)
                .application_name("quarterdeck backup")
                .disable_statement_logging(),
            timeout: config.timeout(),
        }))
    }

    /// The node's name in the configuration.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The address for a command line: without the password.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// What programs need in their environment.
    pub(super) fn environment(&self) -> BTreeMap<String, OsString> {
        let seconds = self.timeout.as_secs().max(2).to_string();
        let mut environment = BTreeMap::from([("PGCONNECT_TIMEOUT".to_owned(), seconds.into())]);
        if let Some(password) = &self.password {
            environment.insert("PGPASSWORD".to_owned(), password.expose_secret().into());
        }
        environment
    }

    /// The same, of which nothing goes on at the server when the program is ended, though it waits for a lock there.
    pub(super) fn ending_environment(&self, server: &Server) -> BTreeMap<String, OsString> {
        let mut environment = self.environment();
        if server.version_num >= 140_000 {
            let check = "-c client_connection_check_interval=5s";
            environment.insert("PGOPTIONS".to_owned(), check.into());
        }
        environment
    }

    /// A connection of its own, on which nothing runs out of time.
    pub(crate) async fn connect(&self) -> Result<PgConnection, BackupError> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            sqlx::raw_sql(
                "SET statement_timeout = 0; SET lock_timeout = '60s'; SET idle_in_transaction_session_timeout = 0;
                 SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'client_connection_check_interval';",
            )
            .execute(&mut connection)
            .await?;
            Ok(connection)
        };
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| self.error(error)),
            Err(_) => Err(BackupError::of_server(
                &self.node,
                "the connection failed: no answer in time",
            )),
        }
    }

    /// The server itself.
    pub(super) async fn server(&self, connection: &mut PgConnection) -> Result<Server, BackupError> {
        let (system_identifier, version_num): (i64, i32) = sqlx::query_as(
            "SELECT (SELECT system_identifier FROM pg_control_system()), current_setting('server_version_num')::int",
        )
        .fetch_one(connection)
        .await
        .map_err(|error| self.error(error))?;
        Ok(Server {
            node: self.node.clone(),
            system_identifier,
            version_num,
        })
    }

    pub(super) fn error(&self, error: sqlx::Error) -> BackupError {
        BackupError::of_server(&self.node, &from_sqlx(error).to_string())
    }
}

pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_leaves_the_address_and_goes_by_the_environment() {
        let mut config = PostgresNodeConfig::new("db-1", "postgres://w@db-1/postgres");
        assert!(Target::new(&config, "app").unwrap().is_none());
        config.backup_url = Some("postgres://backup:p%40ss+w@db-1:5433/other?sslmode=require".into());
        let target = Target::new(&config, "app").unwrap().unwrap();
        assert_eq!(
            target.address(),
            "postgres://backup@db-1:5433/app?sslmode=require"
        );
        assert_eq!(target.environment()["PGPASSWORD"], "p@ss+w");
        config.backup_url = Some("postgres://backup@db-1/other?password=x%20y".into());
        let target = Target::new(&config, "app").unwrap().unwrap();
        assert_eq!(target.address(), "postgres://backup@db-1/app");
        assert_eq!(target.environment()["PGPASSWORD"], "x y");
    }
}
