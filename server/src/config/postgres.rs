//! The nodes of the watched PostgreSQL cluster: `[[postgres]]`.

use std::{str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

use super::failover::host_and_port;

/// One node that is asked for its role and its sessions. The role that signs in needs `pg_monitor`, and
/// `pg_signal_backend` if sessions are to be ended from the console; it need not be a superuser.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresNodeConfig {
    /// Name shown to a person, unique: `primary`, `standby`, or a host name. It is only a name: which node is
    /// the primary is asked, not configured.
    pub name: String,
    /// `postgres://user:password@host:port/database`, straight to the node and not through a pooler.
    pub url: SecretString,
    /// Longest time to wait for a connection, and again for an answer; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// The same node for a role that may change the primary: see `[failover]`.
    pub control_url: Option<SecretString>,
    /// The same node for the role that backups are made as: see `[backups]`.
    pub backup_url: Option<SecretString>,
    /// Where clients are sent when this node is the primary: `host:port`. Without it the one of `url`.
    pub client_address: Option<String>,
    /// PromQL that is 1 while the node's exporter reaches it and 0 while it does not.
    pub exporter_up: Option<String>,
    /// Program and arguments that take the node down for good, so that it can't take writes. It is also run when the node is
    /// down already. `{primary}`, `{host}` and `{port}` stand for the node that takes its place: its name, and where it is.
    #[serde(default)]
    pub fence: Vec<String>,
    /// Program and arguments that make the node a standby of the present primary: `{primary}`, `{host}` and `{port}`.
    #[serde(default)]
    pub rejoin: Vec<String>,
}

const fn default_timeout_s() -> f64 {
    3.0
}

impl PostgresNodeConfig {
    /// A node with the default time limit.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            url: SecretString::from(url.into()),
            timeout_s: default_timeout_s(),
            control_url: None,
            backup_url: None,
            client_address: None,
            exporter_up: None,
            fence: Vec::new(),
            rejoin: Vec::new(),
        }
    }

    /// Longest time to wait for a connection, and again for an answer.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(3))
    }

    /// The address in the form that the driver takes.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`], which does not repeat the address, as it may hold a password.
    pub fn connect_options(&self) -> Result<PgConnectOptions, PostgresNodeConfigError> {
        self.options(&self.url, "url")
    }

    /// The address for the role that may change the primary, if there is one.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`].
    pub fn control_options(&self) -> Result<Option<PgConnectOptions>, PostgresNodeConfigError> {
        let url = self.control_url.as_ref();
        url.map(|url| self.options(url, "control_url")).transpose()
    }

    /// The address for the role that backups are made as, if there is one.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`].
    pub fn backup_options(&self) -> Result<Option<PgConnectOptions>, PostgresNodeConfigError> {
        let url = self.backup_url.as_ref();
        url.map(|url| self.options(url, "backup_url")).transpose()
    }

    /// Where clients are sent when this node is the primary.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError`].
    pub fn address(&self) -> Result<(String, u16), PostgresNodeConfigError> {
        match &self.client_address {
            None => self.own_address(),
            Some(text) => host_and_port(text).ok_or_else(|| PostgresNodeConfigError::ClientAddress {
                name: self.name.clone(),
            }),
        }
    }

    /// Where the node is itself, for other nodes: host and port of `url`.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError::Url`].
    pub fn own_address(&self) -> Result<(String, u16), PostgresNodeConfigError> {
        let options = self.connect_options()?;
        Ok((options.get_host().to_owned(), options.get_port()))
    }

    fn options(
        &self,
        url: &SecretString,
        key: &'static str,
    ) -> Result<PgConnectOptions, PostgresNodeConfigError> {
        let text = url.expose_secret();
        let wrong = || PostgresNodeConfigError::Url {
            name: self.name.clone(),
            key,
        };
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(wrong());
        }
        PgConnectOptions::from_str(text).map_err(|_| wrong())
    }

    /// Finds what cannot be used in a list of nodes.
    ///
    /// # Errors
    /// [`PostgresNodeConfigError`], the first that is found.
    pub fn check_all(nodes: &[Self]) -> Result<(), PostgresNodeConfigError> {
        for (index, node) in nodes.iter().enumerate() {
            if node.name.trim().is_empty() {
                return Err(PostgresNodeConfigError::NoName { number: index + 1 });
            }
            if nodes.iter().take(index).any(|other| other.name == node.name) {
                return Err(PostgresNodeConfigError::Duplicate {
                    name: node.name.clone(),
                });
            }
            if !(node.timeout_s.is_finite() && (0.05..=60.0).contains(&node.timeout_s)) {
                return Err(PostgresNodeConfigError::Timeout {
                    name: node.name.clone(),
                });
            }
            node.connect_options()?;
            node.control_options()?;
            node.backup_options()?;
            node.address()?;
        }
        Ok(())
    }
}

/// A `[[postgres]]` entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostgresNodeConfigError {
    /// An entry without a name.
    #[error("[[postgres]] number {number} has no name: give it one, such as its host name")]
    NoName {
        /// Which entry, from 1.
        number: usize,
    },
    /// Two entries with one name.
    #[error("[[postgres]] {name:?} is there twice: give each node a name of its own")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A time limit that makes no sense.
    #[error("[[postgres]] {name:?}: timeout_s must lie between 0.05 and 60 seconds")]
    Timeout {
        /// The node.
        name: String,
    },
    /// An address that cannot be read.
    #[error(
        "[[postgres]] {name:?}: {key} cannot be read (it is not repeated here, as it may hold a password); write postgres://user:password@host:port/database, with special characters percent-encoded"
    )]
    Url {
        /// The node.
        name: String,
        /// Which of its addresses.
        key: &'static str,
    },
    /// No host with a port.
    #[error("[[postgres]] {name:?}: client_address must be host:port")]
    ClientAddress {
        /// The node.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_address_is_named_without_its_password() {
        for url in [
            "mysql://u:hunter2@h/d",
            "postgres://u:hunter2@h:port/d",
            "hunter2",
        ] {
            let node = PostgresNodeConfig::new("a", url);
            let error = PostgresNodeConfig::check_all(std::slice::from_ref(&node)).unwrap_err();
            assert_eq!(
                error,
                PostgresNodeConfigError::Url {
                    name: "a".into(),
                    key: "url",
                }
            );
            assert!(!format!("{error} {error:?} {node:?}").contains("hunter2"));
        }
    }

    #[test]
    fn names_are_unique_and_there() {
        let node = |name: &str| PostgresNodeConfig::new(name, "postgres://monitor@127.0.0.1/postgres");
        PostgresNodeConfig::check_all(&[node("a"), node("b")]).unwrap();
        let twice = PostgresNodeConfig::check_all(&[node("a"), node("a")]).unwrap_err();
        assert_eq!(twice, PostgresNodeConfigError::Duplicate { name: "a".into() });
        let unnamed = PostgresNodeConfig::check_all(&[node("a"), node(" ")]).unwrap_err();
        assert_eq!(unnamed, PostgresNodeConfigError::NoName { number: 2 });
    }
}
