//! How to reach Patroni where it runs the watched cluster: `[failover.patroni]`.

use std::{path::PathBuf, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{
    failover::FailoverConfigError,
    http_source::{BasicAuth, HttpSourceConfig},
    postgres::PostgresNodeConfig,
};

/// The REST API of each member.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatroniConfig {
    /// One a node of `[[postgres]]`.
    pub members: Vec<PatroniMemberConfig>,
    /// As the members' `restapi.authentication`.
    pub basic_auth: Option<BasicAuth>,
    /// PEM file with the certificate authorities that are trusted instead of the system's.
    pub tls_ca_file: Option<PathBuf>,
    /// Longest time that one question may take; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
    /// How long a change of the leader may take until its outcome counts as unknown; seconds.
    #[serde(default = "default_change_timeout_s")]
    pub change_timeout_s: u64,
}

/// One member.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatroniMemberConfig {
    /// The node's name in `[[postgres]]`.
    pub node: String,
    /// Its REST API: `http://db-1:8008`.
    pub url: Url,
    /// Patroni's name for it; without it `node`.
    pub name: Option<String>,
}

const fn default_timeout_s() -> f64 {
    5.0
}

const fn default_change_timeout_s() -> u64 {
    90
}

impl PatroniMemberConfig {
    /// Patroni's name for it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.node)
    }
}

impl PatroniConfig {
    /// How a member is asked.
    #[must_use]
    pub fn source(&self, member: &PatroniMemberConfig) -> HttpSourceConfig {
        HttpSourceConfig {
            basic_auth: self.basic_auth.clone(),
            tls_ca_file: self.tls_ca_file.clone(),
            timeout_s: self.timeout_s,
            ..HttpSourceConfig::at(member.url.clone())
        }
    }

    /// How long a change of the leader may take.
    #[must_use]
    pub const fn change_timeout(&self) -> Duration {
        Duration::from_secs(self.change_timeout_s)
    }

    /// Finds what can't be used.
    ///
    /// # Errors
    /// [`FailoverConfigError::Patroni`] and [`FailoverConfigError::OutOfBounds`].
    pub fn check(&self) -> Result<(), FailoverConfigError> {
        for member in &self.members {
            self.source(member).check("failover.patroni")?;
        }
        // The step that waits for it has 180 s, and looks besides.
        if !(1..=110).contains(&self.change_timeout_s) {
            return Err(FailoverConfigError::OutOfBounds {
                key: "patroni.change_timeout_s",
                from: 1,
                to: 110,
            });
        }
        Ok(())
    }

    /// Finds nodes that are not there once, and members that are none.
    ///
    /// # Errors
    /// [`FailoverConfigError::Member`] and [`FailoverConfigError::Stranger`].
    pub fn check_against(&self, nodes: &[PostgresNodeConfig]) -> Result<(), FailoverConfigError> {
        for node in nodes {
            let of_node = self.members.iter().filter(|member| member.node == node.name);
            if of_node.count() != 1 {
                return Err(FailoverConfigError::Member(node.name.clone()));
            }
        }
        let stranger = self
            .members
            .iter()
            .find(|member| nodes.iter().all(|node| node.name != member.node));
        match stranger {
            Some(member) => Err(FailoverConfigError::Stranger(member.node.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(members: &str) -> Result<(), String> {
        let config: PatroniConfig = toml::from_str(members).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())?;
        let nodes =
            ["db-1", "db-2"].map(|name| PostgresNodeConfig::new(name, "postgres://monitor@h/postgres"));
        config.check_against(&nodes).map_err(|error| error.to_string())
    }

    #[test]
    fn each_node_is_a_member_and_each_member_a_node() {
        let first = "{ node = 'db-1', url = 'http://db-1:8008' }";
        let second = "{ node = 'db-2', url = 'https://db-2:8008', name = 'pg-b' }";
        let third = "{ node = 'db-3', url = 'http://db-3:8008' }";
        check(&format!("members = [{first}, {second}]")).unwrap();
        let missing = check(&format!("members = [{first}]")).unwrap_err();
        assert!(missing.contains("\"db-2\" has to be there once"), "{missing}");
        let twice = check(&format!("members = [{first}, {first}, {second}]")).unwrap_err();
        assert!(twice.contains("\"db-1\" has to be there once"), "{twice}");
        let stranger = check(&format!("members = [{first}, {second}, {third}]")).unwrap_err();
        assert!(stranger.contains("\"db-3\" is none of"), "{stranger}");
        let wrong = check("members = [{ node = 'db-1', url = 'ftp://db-1' }]").unwrap_err();
        assert!(wrong.contains("[failover.patroni] url"), "{wrong}");
    }
}
