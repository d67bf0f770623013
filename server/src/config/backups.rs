//! Backups of the watched database and Redis: `[backups]`. Where they are kept, when they are made, how long they stay, and
//! what they have to be good for.

use std::{path::PathBuf, time::Duration};

use quarterdeck_domain::backup::{MalformedSchedule, Method, Retention, Schedule, WalRule};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// Everything about backups. A method without its table is not this console's business.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupsConfig {
    /// What is backed up, in the names of files: letters, digits, `-` and `_`.
    pub name: String,
    /// Where backups are kept.
    pub store: StoreConfig,
    /// Where `archive_command` puts WAL segments.
    pub wal_archive: Option<StoreConfig>,
    /// A directory on this machine, for backups that are being made, and for what is restored to see that it can be.
    pub directory: PathBuf,
    /// Where PostgreSQL's programs are: `pg_dump`, `pg_basebackup`, `pg_restore`, `postgres` and the like. Without it, on the
    /// PATH.
    pub programs: Option<PathBuf>,
    /// The user of the operating system that restored clusters run as: PostgreSQL refuses root. Only root can set it.
    pub run_as: Option<String>,
    /// The database that is dumped, and whose data restored clusters are held against.
    pub database: String,
    /// The most data that may be lost; seconds.
    #[serde(default = "default_rpo_target_s")]
    pub rpo_target_s: u64,
    /// The longest that a recovery may take; seconds.
    #[serde(default = "default_rto_target_s")]
    pub rto_target_s: u64,
    /// What people need before and after a restore: to notice, decide, and let clients back. Seconds.
    #[serde(default = "default_human_steps_s")]
    pub human_steps_s: u64,
    /// `pg_dump -Fc` of the database.
    pub dump: Option<DumpConfig>,
    /// `pg_basebackup` of the cluster.
    pub base: Option<BaseConfig>,
    /// The archive of WAL segments.
    pub wal: Option<WalConfig>,
    /// Redis' `dump.rdb`.
    pub redis_rdb: Option<RedisRdbConfig>,
    /// Redis' append-only file.
    pub redis_aof: Option<RedisAofConfig>,
    /// Restores that are done to see that they can be, and how long they take.
    pub drill: Option<DrillConfig>,
}

/// A place where files are kept: a directory or a bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// `file:///srv/backups` or `s3://bucket/prefix`.
    pub url: Url,
    /// S3: address of the server, when it isn't Amazon's: `https://minio.example.org:9000`.
    pub endpoint: Option<Url>,
    /// S3: region.
    #[serde(default = "default_region")]
    pub region: String,
    /// S3: access key id.
    pub access_key_id: Option<String>,
    /// S3: secret access key.
    pub secret_access_key: Option<SecretString>,
    /// Longest time that one request may take; seconds. A file goes in several.
    #[serde(default = "default_timeout_s")]
    pub timeout_s: u64,
}

/// When dumps are made and how long they stay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DumpConfig {
    /// A cron pattern of five fields, in UTC.
    #[serde(default = "default_dump_schedule")]
    pub schedule: String,
    /// After so many seconds a run that did not begin counts as late.
    #[serde(default = "default_grace_s")]
    pub grace_s: u64,
    /// Longest time that one may take; seconds.
    #[serde(default = "default_limit_s")]
    pub limit_s: u64,
    /// Days.
    #[serde(default = "default_dump_keep_days")]
    pub keep_days: u32,
    /// Whether the rows of each table are counted, and their checksum taken, in the snapshot that is dumped: what a restored
    /// dump is held against.
    #[serde(default)]
    pub figures: FiguresTaken,
}

/// What of a table's rows is noted beside a dump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FiguresTaken {
    /// Number and checksum of the rows: every row is read once more.
    #[default]
    Checksums,
    /// Their number.
    Counts,
}

/// When base backups are taken and how long they stay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseConfig {
    /// A cron pattern of five fields, in UTC.
    #[serde(default = "default_base_schedule")]
    pub schedule: String,
    /// After so many seconds a run that did not begin counts as late.
    #[serde(default = "default_grace_s")]
    pub grace_s: u64,
    /// Longest time that one may take; seconds.
    #[serde(default = "default_limit_s")]
    pub limit_s: u64,
    /// Days.
    #[serde(default = "default_base_keep_days")]
    pub keep_days: u32,
    /// Most bytes a second that it may take from the node, in kB; without it, all that there is.
    pub max_rate_kb: Option<u32>,
}

/// The archive of WAL segments.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalConfig {
    /// Days.
    #[serde(default = "default_wal_keep_days")]
    pub keep_days: u32,
    /// Which WAL goes when it is older than that.
    #[serde(default = "default_wal_delete")]
    pub delete: WalRule,
}

/// When Redis' snapshot is taken and how long it stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisRdbConfig {
    /// The watched Redis: `redis://host:port`.
    pub url: SecretString,
    /// A cron pattern of five fields, in UTC.
    #[serde(default = "default_redis_schedule")]
    pub schedule: String,
    /// After so many seconds a run that did not begin counts as late.
    #[serde(default = "default_redis_grace_s")]
    pub grace_s: u64,
    /// Longest time that one may take; seconds.
    #[serde(default = "default_limit_s")]
    pub limit_s: u64,
    /// Days.
    #[serde(default = "default_redis_rdb_keep_days")]
    pub keep_days: u32,
}

/// Redis' append-only file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisAofConfig {
    /// The watched Redis: `redis://host:port`.
    pub url: SecretString,
    /// Its `appenddirname`, as this machine sees it: copies are made from there. Without it only its state is looked at.
    pub directory: Option<PathBuf>,
    /// Days.
    #[serde(default = "default_redis_aof_keep_days")]
    pub keep_days: u32,
}

/// When the newest dump, and the newest base backup with WAL, are restored into a cluster of the console's own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillConfig {
    /// A cron pattern of five fields, in UTC.
    #[serde(default = "default_drill_schedule")]
    pub schedule: String,
    /// Longest time that one may take; seconds.
    #[serde(default = "default_limit_s")]
    pub limit_s: u64,
    /// After so many days without one that succeeded it is not known any more how long a recovery takes.
    #[serde(default = "default_drill_stale_days")]
    pub stale_days: u32,
    /// How many things a dump is restored at the same time.
    #[serde(default = "default_drill_jobs")]
    pub jobs: u32,
    /// Free space that has to be left on the disk of `backups.directory`, bytes.
    #[serde(default = "default_drill_keep_free_bytes")]
    pub keep_free_bytes: u64,
    /// What the restored database is asked besides.
    #[serde(default)]
    pub queries: Vec<DrillQuery>,
}

/// A question to a restored database: one number comes back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrillQuery {
    /// What is asked, for people: "users with an e-mail address".
    pub name: String,
    /// SQL that answers with one number.
    pub sql: String,
    /// The least that the answer may be.
    pub at_least: i64,
}

fn default_drill_schedule() -> String {
    "0 5 * * *".to_owned()
}

const fn default_drill_stale_days() -> u32 {
    8
}

const fn default_drill_jobs() -> u32 {
    2
}

const fn default_drill_keep_free_bytes() -> u64 {
    1 << 30
}

const fn default_rpo_target_s() -> u64 {
    3600
}

const fn default_rto_target_s() -> u64 {
    4 * 3600
}

const fn default_human_steps_s() -> u64 {
    30 * 60
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

const fn default_timeout_s() -> u64 {
    30
}

fn default_dump_schedule() -> String {
    "0 2 * * *".to_owned()
}

const fn default_grace_s() -> u64 {
    15 * 60
}

const fn default_limit_s() -> u64 {
    6 * 3600
}

const fn default_dump_keep_days() -> u32 {
    30
}

fn default_base_schedule() -> String {
    "0 4 * * SUN".to_owned()
}

const fn default_base_keep_days() -> u32 {
    28
}

const fn default_wal_keep_days() -> u32 {
    7
}

const fn default_wal_delete() -> WalRule {
    WalRule::Needless
}

fn default_redis_schedule() -> String {
    "*/15 * * * *".to_owned()
}

const fn default_redis_grace_s() -> u64 {
    5 * 60
}

const fn default_redis_rdb_keep_days() -> u32 {
    7
}

const fn default_redis_aof_keep_days() -> u32 {
    3
}

/// A `[backups]` section that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupsConfigError {
    /// A name that is no part of a file name.
    #[error("backups.name {0:?} can't be part of a file name: give letters, digits, - and _")]
    Name(String),
    /// A place that is neither a directory nor a bucket.
    #[error("{setting} {url} is no place for backups; write file:///srv/backups or s3://bucket/prefix")]
    Store {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        url: Url,
    },
    /// A bucket and half of what signing in there takes.
    #[error("{0} has an access_key_id or a secret_access_key without the other; give both, or neither")]
    Credentials(&'static str),
    /// A pattern that can't be read.
    #[error(
        "backups.{method}.schedule {cron:?} can't be read: {reason}; write five fields in UTC, 0 2 * * *"
    )]
    Cron {
        /// Whose.
        method: &'static str,
        /// The pattern.
        cron: String,
        /// What is wrong.
        reason: String,
    },
    /// Not kept at all.
    #[error("backups.{0}.keep_days has to be at least 1")]
    Keep(&'static str),
    /// A limit that nothing keeps to.
    #[error("{0} has to be at least 1")]
    Zero(String),
    /// WAL is watched, and it isn't said where it is.
    #[error("backups.wal is given without backups.wal_archive: say where archive_command puts the segments")]
    NoWalArchive,
    /// Nobody to dump as.
    #[error(
        "backups.{0} needs the backup_url of the nodes in [[postgres]]: the role that backups are made as"
    )]
    NoBackupUrl(&'static str),
}

impl StoreConfig {
    /// Longest time that one request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }

    fn check(&self, setting: &'static str) -> Result<(), BackupsConfigError> {
        let usable = match self.url.scheme() {
            "file" => self.url.to_file_path().is_ok(),
            "s3" => self.url.host_str().is_some_and(|bucket| !bucket.is_empty()),
            _ => false,
        };
        if !usable {
            return Err(BackupsConfigError::Store {
                setting,
                url: self.url.clone(),
            });
        }
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            return Err(BackupsConfigError::Credentials(setting));
        }
        if self.timeout_s == 0 {
            return Err(BackupsConfigError::Zero(format!("{setting}.timeout_s")));
        }
        Ok(())
    }
}

impl BackupsConfig {
    /// The pattern by which runs of a method begin; none for what goes on all the time, or isn't configured.
    #[must_use]
    pub fn schedule(&self, method: Method) -> Option<&str> {
        match method {
            Method::Dump => self.dump.as_ref().map(|dump| dump.schedule.as_str()),
            Method::Base => self.base.as_ref().map(|base| base.schedule.as_str()),
            Method::RedisRdb => self.redis_rdb.as_ref().map(|redis| redis.schedule.as_str()),
            Method::Wal | Method::RedisAof => None,
        }
    }

    /// How many days copies of a method stay; none if it isn't configured.
    #[must_use]
    pub fn keep_days(&self, method: Method) -> Option<u32> {
        match method {
            Method::Dump => self.dump.as_ref().map(|dump| dump.keep_days),
            Method::Base => self.base.as_ref().map(|base| base.keep_days),
            Method::Wal => self.wal.as_ref().map(|wal| wal.keep_days),
            Method::RedisRdb => self.redis_rdb.as_ref().map(|redis| redis.keep_days),
            Method::RedisAof => self.redis_aof.as_ref().map(|redis| redis.keep_days),
        }
    }

    /// How long copies of each kind stay.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let days = |method| {
            self.keep_days(method)
                .map(|days| time::Duration::days(days.into()))
        };
        Retention {
            base: days(Method::Base),
            dump: days(Method::Dump),
            wal: days(Method::Wal),
            wal_rule: self.wal.as_ref().map_or(WalRule::Needless, |wal| wal.delete),
            redis_rdb: days(Method::RedisRdb),
            redis_aof: days(Method::RedisAof),
        }
    }

    /// How long a run may begin late, and how long it may take; none for what has no runs.
    #[must_use]
    pub fn patience(&self, method: Method) -> Option<(Duration, Duration)> {
        let (grace_s, limit_s) = match method {
            Method::Dump => self.dump.as_ref().map(|dump| (dump.grace_s, dump.limit_s))?,
            Method::Base => self.base.as_ref().map(|base| (base.grace_s, base.limit_s))?,
            Method::RedisRdb => self
                .redis_rdb
                .as_ref()
                .map(|redis| (redis.grace_s, redis.limit_s))?,
            Method::Wal | Method::RedisAof => return None,
        };
        Some((Duration::from_secs(grace_s), Duration::from_secs(limit_s)))
    }

    /// Finds what cannot be used. `can_back_up` says whether every node of the cluster has a role for it.
    ///
    /// # Errors
    /// [`BackupsConfigError`], the first that is found.
    pub fn check(&self, can_back_up: bool) -> Result<(), BackupsConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.name.is_empty() || !self.name.bytes().all(plain) {
            return Err(BackupsConfigError::Name(self.name.clone()));
        }
        self.store.check("backups.store.url")?;
        match &self.wal_archive {
            Some(archive) => archive.check("backups.wal_archive.url")?,
            None if self.wal.is_some() => return Err(BackupsConfigError::NoWalArchive),
            None => {}
        }
        for method in Method::ALL {
            if let Some(cron) = self.schedule(method) {
                check_schedule(method.key(), cron)?;
            }
            if self.keep_days(method) == Some(0) {
                return Err(BackupsConfigError::Keep(method.key()));
            }
            if self.patience(method).is_some_and(|(_, limit)| limit.is_zero()) {
                return Err(BackupsConfigError::Zero(format!(
                    "backups.{}.limit_s",
                    method.key()
                )));
            }
        }
        if let Some(drill) = &self.drill {
            check_schedule("drill", &drill.schedule)?;
            let least = [
                ("backups.drill.limit_s", drill.limit_s),
                ("backups.drill.stale_days", drill.stale_days.into()),
                ("backups.drill.jobs", drill.jobs.into()),
            ];
            if let Some((setting, _)) = least.into_iter().find(|(_, value)| *value == 0) {
                return Err(BackupsConfigError::Zero(setting.to_owned()));
            }
        }
        let targets = [
            ("backups.rpo_target_s", self.rpo_target_s),
            ("backups.rto_target_s", self.rto_target_s),
        ];
        if let Some((setting, _)) = targets.into_iter().find(|(_, target)| *target == 0) {
            return Err(BackupsConfigError::Zero(setting.to_owned()));
        }
        let needs = [(self.dump.is_some(), "dump"), (self.base.is_some(), "base")];
        match needs.into_iter().find(|(needed, _)| *needed && !can_back_up) {
            Some((_, method)) => Err(BackupsConfigError::NoBackupUrl(method)),
            None => Ok(()),
        }
    }
}

fn check_schedule(method: &'static str, pattern: &str) -> Result<(), BackupsConfigError> {
    match Schedule::new(pattern, 0) {
        Ok(_) => Ok(()),
        Err(MalformedSchedule {
            pattern: cron,
            reason,
        }) => Err(BackupsConfigError::Cron { method, cron, reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USABLE: &str = "name = 'skillquest'
        store = { url = 's3://bucket/backups', access_key_id = 'id', secret_access_key = 'key' }
        wal_archive = { url = 'file:///srv/wal' }
        directory = '/var/lib/quarterdeck/backups'
        database = 'skillquest'
        dump = {}
        base = {}
        wal = {}
        redis_rdb = { url = 'redis://cache' }";

    fn checked(text: &str) -> Result<(), BackupsConfigError> {
        toml::from_str::<BackupsConfig>(text).unwrap().check(true)
    }

    #[test]
    fn the_schedule_and_the_retention_are_the_handbooks_without_others() {
        let config: BackupsConfig = toml::from_str(USABLE).unwrap();
        config.check(true).unwrap();
        let told: Vec<_> = Method::ALL
            .map(|method| (method, config.schedule(method), config.keep_days(method)))
            .into();
        assert_eq!(
            told,
            [
                (Method::Base, Some("0 4 * * SUN"), Some(28)),
                (Method::Wal, None, Some(7)),
                (Method::Dump, Some("0 2 * * *"), Some(30)),
                (Method::RedisRdb, Some("*/15 * * * *"), Some(7)),
                (Method::RedisAof, None, None),
            ]
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (change, to, named) in [
            ("name = 'skillquest'", "name = 'a/b'", "backups.name"),
            ("s3://bucket/backups", "ftp://host/backups", "backups.store.url"),
            ("access_key_id = 'id', ", "", "without the other"),
            (
                "wal_archive = { url = 'file:///srv/wal' }",
                "",
                "backups.wal_archive",
            ),
            (
                "dump = {}",
                "dump = { schedule = 'daily' }",
                "backups.dump.schedule",
            ),
            ("base = {}", "base = { keep_days = 0 }", "backups.base.keep_days"),
            ("dump = {}", "dump = { limit_s = 0 }", "backups.dump.limit_s"),
            ("dump = {}", "dump = {}\nrto_target_s = 0", "backups.rto_target_s"),
            (
                "dump = {}",
                "dump = {}\ndrill = { schedule = 'often' }",
                "backups.drill.schedule",
            ),
            (
                "dump = {}",
                "dump = {}\ndrill = { jobs = 0 }",
                "backups.drill.jobs",
            ),
        ] {
            let error = checked(&USABLE.replace(change, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{to}: {error}");
        }
        let config: BackupsConfig = toml::from_str(USABLE).unwrap();
        assert_eq!(config.check(false), Err(BackupsConfigError::NoBackupUrl("dump")));
    }
}
