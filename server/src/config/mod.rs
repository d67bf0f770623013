//! The configuration: one struct a section, its defaults beside it.
//!
//! It is read from a TOML file, and then from the environment: `QUARTERDECK__SECTION__KEY` sets `section.key`.
//! `deploy/quarterdeck.example.toml` documents every setting; a test holds the two against each other.

use std::path::{Path, PathBuf};

use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use quarterdeck_domain::action::{Policy, PolicyError};
use serde::Deserialize;

pub mod backups;
pub mod database;
pub mod database_sessions;
pub mod email;
pub mod failover;
pub mod http_source;
pub mod identity;
pub mod journal;
pub mod log;
pub mod maintenance;
pub mod patroni;
pub mod poller;
pub mod postgres;
pub mod profile;
pub mod redis;
pub mod server;
pub mod webhook;

use self::{
    backups::{BackupsConfig, BackupsConfigError},
    database::DatabaseConfig,
    database_sessions::DatabaseSessionsConfig,
    email::{EmailConfig, EmailConfigError},
    failover::{FailoverConfig, FailoverConfigError},
    http_source::{HttpSourceConfig, HttpSourceConfigError},
    identity::IdentityConfig,
    journal::JournalConfig,
    log::LogConfig,
    maintenance::{MaintenanceConfig, MaintenanceConfigError},
    poller::PollerConfig,
    postgres::{PostgresNodeConfig, PostgresNodeConfigError},
    profile::ProfileConfig,
    redis::{RedisConfig, RedisConfigError},
    server::ServerConfig,
    webhook::{WebhookConfig, WebhookConfigError},
};
use crate::services::health::push::PushConfig;

/// Everything that can be set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address, and what browsers call it.
    #[serde(default)]
    pub server: ServerConfig,
    /// The console's own PostgreSQL.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// The console's own Redis; without it, a single console keeps everything in memory.
    pub redis: Option<RedisConfig>,
    /// Where readings, rules and alerts come from.
    pub prometheus: HttpSourceConfig,
    /// Where silences and inhibitions come from; without it, they are not known.
    pub alertmanager: Option<HttpSourceConfig>,
    /// The nodes of the watched PostgreSQL cluster.
    #[serde(default)]
    pub postgres: Vec<PostgresNodeConfig>,
    /// What is shown of the watched database's sessions, and which are never ended.
    #[serde(default)]
    pub database_sessions: DatabaseSessionsConfig,
    /// Who may ask for which guarded action, and who has to agree.
    #[serde(default)]
    pub policy: Policy,
    /// Where people are told what happens to guarded actions; without it, only in the console.
    pub webhook: Option<WebhookConfig>,
    /// The SMTP server by which those whom it concerns are told of it; without it, they are not written to.
    pub email: Option<EmailConfig>,
    /// How maintenance mode is switched and seen; without it, it is not this console's business.
    pub maintenance: Option<MaintenanceConfig>,
    /// How the primary of the watched cluster is changed; without it, it is not this console's business.
    pub failover: Option<FailoverConfig>,
    /// What is backed up, where and when; without it, backups are not this console's business.
    pub backups: Option<BackupsConfig>,
    /// Where it is written down what is done while the console's own database is away; without it, nothing is done then.
    pub journal: Option<JournalConfig>,
    /// Which metrics are watched.
    #[serde(default)]
    pub profile: ProfileConfig,
    /// Sessions, passwords and sign-in limits.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// How often sources are asked.
    #[serde(default)]
    pub poller: PollerConfig,
    /// When changes are sent to browsers.
    #[serde(default)]
    pub push: PushConfig,
    /// What is logged.
    #[serde(default)]
    pub log: LogConfig,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {source}; give its path with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Something in it is missing, unknown or of the wrong type. The text names the setting.
    #[error("the configuration cannot be used: {0}; deploy/quarterdeck.example.toml documents every setting")]
    Invalid(Box<figment::Error>),
    /// A contradiction in `[prometheus]` or `[alertmanager]`.
    #[error(transparent)]
    HttpSource(#[from] HttpSourceConfigError),
    /// A `[[postgres]]` entry that cannot be used.
    #[error(transparent)]
    Postgres(#[from] PostgresNodeConfigError),
    /// A `[redis]` section that cannot be used.
    #[error(transparent)]
    Redis(#[from] RedisConfigError),
    /// A `[webhook]` section that cannot be used.
    #[error(transparent)]
    Webhook(#[from] WebhookConfigError),
    /// An `[email]` section that cannot be used.
    #[error(transparent)]
    Email(#[from] EmailConfigError),
    /// A `[maintenance]` section that cannot be used.
    #[error(transparent)]
    Maintenance(#[from] MaintenanceConfigError),
    /// A `[failover]` section that cannot be used.
    #[error(transparent)]
    Failover(#[from] FailoverConfigError),
    /// A `[backups]` section that cannot be used.
    #[error(transparent)]
    Backups(#[from] BackupsConfigError),
    /// A `[policy]` that cannot be used.
    #[error("[policy]: {0}")]
    Policy(#[from] PolicyError),
    /// A figure out of bounds.
    #[error("{setting} {problem}")]
    OutOfBounds {
        /// `section.key`.
        setting: &'static str,
        /// What it must be.
        problem: &'static str,
    },
}

impl Config {
    /// Reads a file, then the environment, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting and what to do.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::from_toml(&text)
    }

    /// As [`Config::load`], from the text of a file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting and what to do.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let figment = Figment::new()
            .merge(Toml::string(text))
            .merge(Env::prefixed("QUARTERDECK__").split("__"));
        let config: Self = figment.extract().map_err(|e| ConfigError::Invalid(Box::new(e)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.prometheus.check("prometheus")?;
        if let Some(alertmanager) = &self.alertmanager {
            alertmanager.check("alertmanager")?;
        }
        PostgresNodeConfig::check_all(&self.postgres)?;
        if let Some(redis) = &self.redis {
            redis.client()?;
        }
        if let Some(webhook) = &self.webhook {
            webhook.check()?;
        }
        if let Some(email) = &self.email {
            email.check()?;
        }
        self.policy.check()?;
        if let Some(maintenance) = &self.maintenance {
            maintenance.check()?;
        }
        if let Some(failover) = &self.failover {
            failover.check()?;
            failover.check_steps(&self.postgres)?;
            if let Some(patroni) = &failover.patroni {
                patroni.check_against(&self.postgres)?;
            }
        }
        if let Some(backups) = &self.backups {
            backups.check(
                !self.postgres.is_empty() && self.postgres.iter().all(|node| node.backup_url.is_some()),
            )?;
        }
        let bounds = [
            (
                "database_sessions.long_running_s",
                (1..=86_400).contains(&self.database_sessions.long_running_s),
                "must lie between 1 and 86400",
            ),
            (
                "poller.interval_ms",
                (500..=300_000).contains(&self.poller.interval_ms),
                "must lie between 500 and 300000",
            ),
            (
                "push.deadband_ratio",
                (0.0..=0.5).contains(&self.push.deadband_ratio),
                "must lie between 0 (send every change) and 0.5",
            ),
            (
                "push.heartbeat_s",
                (1..=30).contains(&self.push.heartbeat_s),
                "must lie between 1 and 30: browsers warn after 40 s of silence",
            ),
            (
                "push.queue_events",
                (1..=4096).contains(&self.push.queue_events),
                "must lie between 1 and 4096",
            ),
            (
                "push.replay_events",
                self.push.replay_events <= 4096,
                "must not be over 4096",
            ),
        ];
        match bounds.into_iter().find(|(_, fits, _)| !fits) {
            Some((setting, _, problem)) => Err(ConfigError::OutOfBounds { setting, problem }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::result_large_err,
    reason = "figment's Jail takes closures that return its own error"
)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/quarterdeck.example.toml");

    /// Sections of which only one means may be given.
    const MEANS: [(&str, &[&str]); 2] = [
        ("maintenance", &["http", "command", "redis", "kubernetes"]),
        ("failover", &["pgbouncer", "kubernetes", "command"]),
    ];

    /// The example with every setting that is commented out (`#key = value`, no space after the mark) put in force.
    fn example_in_full() -> String {
        let uncommented = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest.to_owned(),
            Some(_) | None => line.to_owned(),
        };
        EXAMPLE.lines().map(uncommented).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_is_usable_as_it_stands_and_with_every_setting_in_force() {
        Config::from_toml(EXAMPLE).unwrap();
        // Of the ways to sign in at a source, and at the SMTP server, only one may be given; the others are dropped here. So
        // are all but one means in each section that takes one.
        let full: String = example_in_full()
            .lines()
            .filter(|line| !line.starts_with("bearer_token") && !line.starts_with("password_file"))
            .collect::<Vec<_>>()
            .join("\n");
        let most = MEANS.iter().map(|(_, means)| means.len()).max().unwrap_or(0);
        for index in 0..most {
            let mut table: toml::Table = toml::from_str(&full).unwrap();
            for (section, means) in MEANS {
                let kept = means[index % means.len()];
                let section = table[section].as_table_mut().unwrap();
                section.retain(|key, _| key == kept || !means.contains(&key));
            }
            Config::from_toml(&table.to_string()).unwrap();
        }
    }

    #[test]
    fn the_example_documents_every_setting() {
        let table: toml::Table = toml::from_str(&example_in_full()).unwrap();
        let keys = |section: &toml::Value| -> Vec<String> {
            let table = match section {
                toml::Value::Array(list) => list[0].as_table().unwrap(),
                other => other.as_table().unwrap(),
            };
            table.keys().cloned().collect()
        };
        // serde names every field that it knows when it meets one that it doesn't know.
        for section in [
            "server",
            "database",
            "redis",
            "prometheus",
            "alertmanager",
            "postgres",
            "database_sessions",
            "policy",
            "webhook",
            "email",
            "maintenance",
            "maintenance.http",
            "maintenance.command",
            "maintenance.redis",
            "maintenance.kubernetes",
            "failover",
            "failover.pgbouncer",
            "failover.kubernetes",
            "failover.command",
            "failover.patroni",
            "journal",
            "backups",
            "backups.store",
            "backups.wal_archive",
            "backups.dump",
            "backups.base",
            "backups.wal",
            "backups.redis_rdb",
            "backups.redis_aof",
            "backups.drill",
            "profile",
            "identity",
            "poller",
            "push",
            "log",
        ] {
            let mut path = section.split('.');
            let top = path.next().and_then(|name| table.get(name));
            let shown = path
                .fold(top, |table, name| table.and_then(|table| table.get(name)))
                .unwrap_or_else(|| panic!("[{section}] is not in the example"));
            let shown = keys(shown);
            let brackets = if section == "postgres" {
                "[[postgres]]"
            } else {
                &format!("[{section}]")
            };
            let probe = format!(
                "[prometheus]\nurl='http://h'\n{}\nno_such_key = 1",
                if section == "prometheus" { "" } else { brackets }
            );
            let message = Config::from_toml(&probe).unwrap_err().to_string();
            let (_, expected) = message
                .split_once("expected")
                .unwrap_or_else(|| panic!("{message}"));
            // The names stand between quotes of two kinds, and words: "one of `a`, `b`" or "`a` or `b`".
            let list = expected.split(" for key").next().unwrap_or_default();
            let words = list.split(|c: char| !c.is_ascii_lowercase() && c != '_');
            let known: Vec<&str> = words
                .filter(|w| !matches!(*w, "" | "one" | "of" | "or"))
                .collect();
            assert!(!known.is_empty(), "{message}");
            for field in known {
                assert!(
                    shown.iter().any(|k| k == field),
                    "[{section}] {field} is not in the example"
                );
            }
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        figment::Jail::expect_with(|jail| {
            jail.set_env("QUARTERDECK__POLLER__INTERVAL_MS", "2000");
            jail.set_env("QUARTERDECK__PROMETHEUS__URL", "http://other:9090/prefix");
            jail.set_env("QUARTERDECK__DATABASE__URL", "postgres://a@b/c");
            let config = Config::from_toml("[prometheus]\nurl = 'http://h'").unwrap();
            assert_eq!(config.poller.interval_ms, 2_000);
            assert_eq!(config.prometheus.url.as_str(), "http://other:9090/prefix");
            assert_eq!(config.database.url, "postgres://a@b/c");
            Ok(())
        });
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |text: &str| Config::from_toml(text).unwrap_err().to_string();
        assert!(refused("").contains("prometheus"), "{}", refused(""));
        let misspelt = refused("[prometheus]\nurl='http://h'\n[poller]\nintervall_ms=1");
        assert!(
            misspelt.contains("intervall_ms") && misspelt.contains("interval_ms"),
            "{misspelt}"
        );
        let bounds = refused("[prometheus]\nurl='http://h'\n[poller]\ninterval_ms=1");
        assert_eq!(bounds, "poller.interval_ms must lie between 500 and 300000");
        let missing = Config::load(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(
            missing.contains("/no/such/file") && missing.contains("--config"),
            "{missing}"
        );
    }
}
