//! Changing the primary of the watched cluster: `[failover]`. What may be lost and waited for, where clients are sent, and
//! how it is seen that they can write.

pub mod steps;

use std::{net::IpAddr, path::PathBuf, time::Duration};

use quarterdeck_domain::failover::Limits;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

use super::{http_source::HttpSourceConfigError, patroni::PatroniConfig};

/// Everything about switchover and failover. Exactly one of `pgbouncer`, `kubernetes` and `command` is given; with `patroni` none
/// is needed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverConfig {
    /// The most that a failover may lose without somebody accepting it; bytes of WAL.
    #[serde(default = "default_max_loss_bytes")]
    pub max_loss_bytes: u64,
    /// The same in seconds.
    #[serde(default = "default_max_loss_s")]
    pub max_loss_s: u64,
    /// The most that the standby may be behind when a switchover begins; bytes of WAL.
    #[serde(default = "default_max_lag_bytes")]
    pub max_lag_bytes: u64,
    /// A primary that the standby has not heard for so long counts as not heard; seconds. An idle one speaks every half of
    /// its wal_sender_timeout.
    #[serde(default = "default_silence_s")]
    pub silence_s: u32,
    /// A transaction that is open for longer is warned of before a switchover; seconds.
    #[serde(default = "default_long_transaction_s")]
    pub long_transaction_s: u32,
    /// How long a switchover waits for open transactions and for the standby, each; then it lets clients go on. Seconds.
    #[serde(default = "default_patience_s")]
    pub patience_s: u64,
    /// The clients' address, for a role that owns `probe_table`: a row is written and read there afterwards.
    pub probe_url: SecretString,
    /// A table with the columns `token text` and `at timestamptz`.
    #[serde(default = "default_probe_table")]
    pub probe_table: String,
    /// Where the programs `fence` and `rejoin` of the nodes, and those of `[failover.command]`, run.
    #[serde(default = "default_directory")]
    pub directory: PathBuf,
    /// Longest time that `fence` may take; seconds.
    #[serde(default = "default_fence_timeout_s")]
    pub fence_timeout_s: u64,
    /// Longest time that `rejoin` may take: it may copy the whole database. Seconds.
    #[serde(default = "default_rejoin_timeout_s")]
    pub rejoin_timeout_s: u64,
    /// Clients come through PgBouncer.
    pub pgbouncer: Option<PgbouncerConfig>,
    /// Clients come through a Service of Kubernetes without a selector.
    pub kubernetes: Option<KubernetesEndpointsConfig>,
    /// A program sends clients elsewhere: DNS, a floating address, a load balancer.
    pub command: Option<CommandRoutingConfig>,
    /// Patroni runs the cluster, and performs both. Where clients find the leader by asking it, no other means is given.
    pub patroni: Option<PatroniConfig>,
}

/// Clients come through PgBouncer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgbouncerConfig {
    /// Its administration console, as one of its `admin_users`: `postgres://admin:password@host:6432/pgbouncer`.
    pub admin_url: SecretString,
    /// The file with its `[databases]`, which the console rewrites: pgbouncer.ini itself or a file that it includes.
    pub databases_file: PathBuf,
    /// The names in it that lead to the primary.
    pub databases: Vec<String>,
    /// Longest time to wait for a connection, and again for an answer; seconds.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: f64,
}

/// Clients come through a Service of Kubernetes without a selector; its Endpoints are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesEndpointsConfig {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service, and so of its Endpoints.
    pub service: String,
    /// The kubeconfig to use. Without it: `$KUBECONFIG`, `~/.kube/config`, or the pod's own service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; its current one without.
    pub context: Option<String>,
}

/// A program sends clients elsewhere.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRoutingConfig {
    /// Prints a line for each name that clients use: `NAME HOST PORT`.
    pub status: Vec<String>,
    /// Sends clients to `{host}` and `{port}`.
    pub point: Vec<String>,
    /// Holds clients back. Empty if it can't: clients get errors for some seconds then.
    #[serde(default)]
    pub hold: Vec<String>,
    /// Lets them go on.
    #[serde(default)]
    pub release: Vec<String>,
    /// Longest time that one run may take; seconds.
    #[serde(default = "default_command_timeout_s")]
    pub timeout_s: u64,
}

const fn default_max_loss_bytes() -> u64 {
    1024 * 1024
}

const fn default_max_loss_s() -> u64 {
    10
}

const fn default_max_lag_bytes() -> u64 {
    16 * 1024 * 1024
}

const fn default_silence_s() -> u32 {
    35
}

const fn default_long_transaction_s() -> u32 {
    30
}

const fn default_patience_s() -> u64 {
    30
}

fn default_probe_table() -> String {
    "quarterdeck_probe".to_owned()
}

fn default_directory() -> PathBuf {
    "/".into()
}

const fn default_fence_timeout_s() -> u64 {
    60
}

const fn default_rejoin_timeout_s() -> u64 {
    900
}

const fn default_timeout_s() -> f64 {
    5.0
}

const fn default_command_timeout_s() -> u64 {
    20
}

impl FailoverConfig {
    /// The limits that the gates judge by.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_loss_bytes: self.max_loss_bytes,
            max_loss_s: self.max_loss_s,
            max_lag_bytes: self.max_lag_bytes,
            silence_ms: i64::from(self.silence_s) * 1000,
            long_transaction_ms: i64::from(self.long_transaction_s) * 1000,
        }
    }

    /// How long a switchover waits for open transactions and for the standby, each.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_s)
    }

    /// The clients' address in the form that the driver takes.
    ///
    /// # Errors
    /// [`FailoverConfigError::Url`].
    pub fn probe_options(&self) -> Result<PgConnectOptions, FailoverConfigError> {
        // A pooler may refuse this parameter.
        Ok(options(&self.probe_url, "probe_url")?.extra_float_digits(None))
    }

    /// Finds what can't be used.
    ///
    /// # Errors
    /// [`FailoverConfigError`].
    pub fn check(&self) -> Result<(), FailoverConfigError> {
        use FailoverConfigError::{Empty, Means, OutOfBounds, Table, Timeout};
        self.probe_options()?;
        let name = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        if !self.probe_table.split('.').all(name) || self.probe_table.split('.').count() > 2 {
            return Err(Table);
        }
        let bounds = [
            ("silence_s", u64::from(self.silence_s), 1..=3600),
            ("patience_s", self.patience_s, 1..=100),
            ("fence_timeout_s", self.fence_timeout_s, 1..=120),
            ("rejoin_timeout_s", self.rejoin_timeout_s, 1..=1400),
        ];
        if let Some((key, _, range)) = bounds
            .into_iter()
            .find(|(_, value, range)| !range.contains(value))
        {
            return Err(OutOfBounds {
                key,
                from: *range.start(),
                to: *range.end(),
            });
        }
        let means = [
            self.pgbouncer.is_some(),
            self.kubernetes.is_some(),
            self.command.is_some(),
        ];
        let given = means.into_iter().filter(|given| *given).count();
        if given > 1 || (given == 0 && self.patroni.is_none()) {
            return Err(Means);
        }
        if let Some(patroni) = &self.patroni {
            patroni.check()?;
        }
        if let Some(pgbouncer) = &self.pgbouncer {
            pgbouncer.admin_options()?;
            if !(0.05..=60.0).contains(&pgbouncer.timeout_s) {
                return Err(Timeout);
            }
            if pgbouncer.databases.is_empty() {
                return Err(Empty("pgbouncer.databases"));
            }
        }
        if let Some(command) = &self.command {
            if !(1..=60).contains(&command.timeout_s) {
                return Err(OutOfBounds {
                    key: "command.timeout_s",
                    from: 1,
                    to: 60,
                });
            }
            for (key, argv) in [
                ("command.status", &command.status),
                ("command.point", &command.point),
            ] {
                if argv.is_empty() {
                    return Err(Empty(key));
                }
            }
            if command.hold.is_empty() != command.release.is_empty() {
                return Err(Empty(if command.hold.is_empty() {
                    "command.hold"
                } else {
                    "command.release"
                }));
            }
        }
        Ok(())
    }
}

impl PgbouncerConfig {
    /// The administration console's address in the form that the driver takes.
    ///
    /// # Errors
    /// [`FailoverConfigError::Url`].
    pub fn admin_options(&self) -> Result<PgConnectOptions, FailoverConfigError> {
        // PgBouncer refuses this parameter unless it was told to ignore it.
        Ok(options(&self.admin_url, "pgbouncer.admin_url")?.extra_float_digits(None))
    }

    /// Longest time to wait.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(5))
    }
}

fn options(url: &SecretString, key: &'static str) -> Result<PgConnectOptions, FailoverConfigError> {
    let text = url.expose_secret();
    let wrong = || FailoverConfigError::Url { key };
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

/// `host:port`, with an IPv6 address in brackets.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_v6 = bare.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
    (!bare.is_empty() && (is_v6 || !bare.contains(':'))).then(|| (bare.to_owned(), port))
}

/// A `[failover]` section that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FailoverConfigError {
    /// An address that can't be read.
    #[error(
        "failover.{key} cannot be read (it is not repeated here, as it may hold a password); write postgres://user:password@host:port/database, with special characters percent-encoded"
    )]
    Url {
        /// Which.
        key: &'static str,
    },
    /// No table's name.
    #[error(
        "failover.probe_table must be the name of a table, with its schema or without, of small letters, digits and underscores"
    )]
    Table,
    /// A figure out of bounds.
    #[error("failover.{key} must lie between {from} and {to}")]
    OutOfBounds {
        /// Which.
        key: &'static str,
        /// The least.
        from: u64,
        /// The most.
        to: u64,
    },
    /// A time limit that makes no sense.
    #[error("failover.pgbouncer.timeout_s must lie between 0.05 and 60 seconds")]
    Timeout,
    /// A step that could be left in the middle, because what it waits for may take longer than it has.
    #[error(
        "[failover] the step {step} may have to wait for {needs_s} s in all, and has {has_s} s: it would be left in the middle, with an unknown outcome. \
         Lower {settings}"
    )]
    StepTooShort {
        /// Which.
        step: &'static str,
        /// What it may wait for, seconds.
        needs_s: u64,
        /// What it has, seconds.
        has_s: u64,
        /// The settings that count.
        settings: String,
    },
    /// None or several ways to send clients elsewhere.
    #[error(
        "[failover] needs exactly one way to send clients elsewhere: [failover.pgbouncer], [failover.kubernetes] or [failover.command]; none with \
         [failover.patroni] where clients find the leader by asking Patroni"
    )]
    Means,
    /// A list that must not be empty.
    #[error("failover.{0} is empty")]
    Empty(&'static str),
    /// An address of Patroni, or how it is asked.
    #[error(transparent)]
    Patroni(#[from] HttpSourceConfigError),
    /// A node that is no member, or two.
    #[error("[failover.patroni] members: {0:?} has to be there once, as it is one of [[postgres]]")]
    Member(String),
    /// A member that is no node.
    #[error("[failover.patroni] members: {0:?} is none of [[postgres]]")]
    Stranger(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FailoverConfig, String> {
        let config: FailoverConfig = toml::from_str(text).map_err(|error| error.to_string())?;
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    const BOUNCER: &str = "probe_url = 'postgres://probe@h/app'\n[pgbouncer]\nadmin_url = 'postgres://a:hunter2@h:6432/pgbouncer'\ndatabases_file = '/f'\ndatabases = ['app']";

    #[test]
    fn mistakes_are_named_and_no_password_is_repeated() {
        read(BOUNCER).unwrap();
        assert!(
            read("probe_url = 'postgres://probe@h/app'")
                .unwrap_err()
                .contains("exactly one way")
        );
        assert!(
            read(&BOUNCER.replace("['app']", "[]"))
                .unwrap_err()
                .contains("pgbouncer.databases is empty")
        );
        let wrong = read(&BOUNCER.replace(":6432", ":port")).unwrap_err();
        assert!(
            wrong.contains("pgbouncer.admin_url") && !wrong.contains("hunter2"),
            "{wrong}"
        );
        let table = read(&format!("probe_table = 'x; drop table y'\n{BOUNCER}")).unwrap_err();
        assert!(table.contains("probe_table"), "{table}");
        let patience = read(&format!("patience_s = 0\n{BOUNCER}")).unwrap_err();
        assert_eq!(patience, "failover.patience_s must lie between 1 and 100");
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(host_and_port("db-1:5432"), Some(("db-1".into(), 5432)));
        assert_eq!(host_and_port("[::1]:5432"), Some(("::1".into(), 5432)));
        for wrong in ["db-1", ":5432", "db-1:x", "a:b:1"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }
}
