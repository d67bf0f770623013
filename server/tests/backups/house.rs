//! What is backed up, and the part of a console that does it.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use quarterdeck::{
    clients::{PostgresNode, backup_programs::Progress, cluster_node::ClusterNode, store::Store},
    clock::{Clock, SystemClock},
    config::{backups::BackupsConfig, postgres::PostgresNodeConfig},
    db::backups::runs::{self, RunRow},
    entropy::SystemEntropy,
    services::{
        actions::Asking,
        audit::Origin,
        backups::{
            runs::{RunError, Runs, RunsParts, Wanted},
            verification::{Verification, Verifications},
            watch::BackupWatch,
        },
        cluster::WatchedCluster,
    },
};
use quarterdeck_domain::{
    access::{Assurance, Credential, Role, Subject},
    backup::{Manifest, Method, manifest},
};
use quarterdeck_estate::parts::{Postgres, PostgresOptions, Redis, RedisOptions, program};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::TestDatabase;

/// What is dumped: enough that the middle of a dump is data, and of each type whose text depends on settings.
const TABLES: &str = "
CREATE SCHEMA \"Odd One\";
CREATE TABLE courses (id bigint PRIMARY KEY, title text NOT NULL, rating float8, at timestamptz, took interval, body bytea);
INSERT INTO courses SELECT n, md5(n::text) || repeat(md5((n * 7)::text), 4), 1.0 / n, '2026-11-29 02:00+03'::timestamptz + n * interval '1 s',
       n * interval '1 min', decode(md5(n::text), 'hex') FROM generate_series(1, 20000) n;
CREATE TABLE \"Odd One\".\"quoted \"\"table\" (id int);
INSERT INTO \"Odd One\".\"quoted \"\"table\" VALUES (1), (NULL), (1);
CREATE TABLE empty_one (id int);";

/// The password of the role that backups are made as.
const PASSWORD: &str = "s3cret%word";

/// A PostgreSQL and a Redis that are backed up.
pub struct House {
    pub watched: Postgres,
    pub redis: Redis,
    pub console: TestDatabase,
    pub pool: PgPool,
    pub directory: tempfile::TempDir,
}

/// One console's part.
pub struct Worker {
    pub runs: Arc<Runs>,
    pub verifications: Verifications,
    pub stop: CancellationToken,
}

impl House {
    pub async fn start() -> Self {
        let (directory, watched, redis) = tokio::task::block_in_place(Self::start_parts);
        let console = TestDatabase::migrated().await;
        Self {
            pool: console.pool(),
            console,
            directory,
            watched,
            redis,
        }
    }

    /// As [`Self::start`], with a PostgreSQL that archives its WAL into [`Self::archive_directory`].
    pub async fn archiving() -> Self {
        let (directory, watched, redis) = tokio::task::block_in_place(|| Self::parts(true));
        let console = TestDatabase::migrated().await;
        Self {
            pool: console.pool(),
            console,
            directory,
            watched,
            redis,
        }
    }

    fn start_parts() -> (tempfile::TempDir, Postgres, Redis) {
        Self::parts(false)
    }

    fn parts(archives: bool) -> (tempfile::TempDir, Postgres, Redis) {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let archive = directory.path().join("wal");
        std::fs::create_dir(&archive).unwrap();
        std::fs::set_permissions(&archive, std::fs::Permissions::from_mode(0o777)).unwrap();
        let watched = Postgres::start_with(&PostgresOptions {
            // Whoever makes backups has to show a password.
            hba: vec![
                "host all backup 127.0.0.1/32 scram-sha-256".into(),
                "host replication backup 127.0.0.1/32 scram-sha-256".into(),
            ],
            settings: if archives { archiving(&archive) } else { Vec::new() },
            ..PostgresOptions::default()
        })
        .unwrap();
        let role = format!(
            "CREATE ROLE backup LOGIN REPLICATION PASSWORD '{PASSWORD}' IN ROLE pg_monitor, pg_read_all_data"
        );
        watched.sql("postgres", &role).unwrap();
        watched.create_database("app", "postgres").unwrap();
        watched.sql("app", TABLES).unwrap();
        let redis = Redis::start_with(&RedisOptions {
            settings: vec![("appendonly".into(), "yes".into())],
            ..RedisOptions::default()
        })
        .unwrap();
        lock_redis(&redis);
        (directory, watched, redis)
    }

    /// Its address, with the password.
    pub fn redis_url(&self) -> String {
        format!("redis://:cache@127.0.0.1:{}/", self.redis.port())
    }

    /// Starts Redis again.
    pub fn restart_redis(&self) {
        tokio::task::block_in_place(|| {
            self.redis.restart().unwrap();
            lock_redis(&self.redis);
        });
    }

    /// Gives Redis some keys.
    pub async fn fill_redis(&self, keys: u32) {
        let client = redis::Client::open(self.redis_url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut pipe = redis::pipe();
        for key in 0..keys {
            pipe.set(format!("key:{key}"), "value".repeat(20)).ignore();
        }
        pipe.query_async::<()>(&mut connection).await.unwrap();
    }

    pub fn store_directory(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    /// Where its WAL is archived.
    pub fn archive_directory(&self) -> PathBuf {
        self.directory.path().join("wal")
    }

    /// Who PostgreSQL runs as here: root can't be.
    pub fn server_user(&self) -> Option<String> {
        let pid = self.watched.pid().unwrap();
        let owner = std::process::Command::new("stat")
            .args(["-c", "%U", &format!("/proc/{pid}")])
            .output()
            .unwrap();
        let user = String::from_utf8(owner.stdout).unwrap().trim().to_owned();
        rustix::process::geteuid().is_root().then_some(user)
    }

    /// Waits until the archive reaches beyond an instant.
    pub async fn archived_until(&self, watch: &BackupWatch, at: OffsetDateTime) {
        let waiting = async {
            loop {
                let look = watch.look_now().await;
                if let Some(Ok(archive)) = &look.archive
                    && archive
                        .wal
                        .segments()
                        .iter()
                        .any(|segment| segment.last_commit_at > Some(at))
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), waiting)
            .await
            .expect("the WAL is archived");
    }

    /// Loses the newest segment that was archived before an instant, and gives its name.
    pub fn lose_segment_before(&self, at: OffsetDateTime) -> String {
        let mut segments: Vec<(std::time::SystemTime, PathBuf)> = std::fs::read_dir(self.archive_directory())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().len() == 24)
            .map(|path| (std::fs::metadata(&path).unwrap().modified().unwrap(), path))
            .filter(|(stored, _)| OffsetDateTime::from(*stored) < at)
            .collect();
        segments.sort();
        let (_, path) = segments.pop().unwrap();
        std::fs::remove_file(&path).unwrap();
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    pub fn work_directory(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// The configuration, with `change` made to it.
    pub fn config(&self, change: impl FnOnce(&mut BackupsConfig)) -> BackupsConfig {
        let programs = program("pg_dump").unwrap();
        let programs = Path::new(&programs).parent().unwrap();
        let text = format!(
            "name = 'app'\ndirectory = '{}'\nprograms = '{}'\ndatabase = 'app'\nstore = {{ url = 'file://{}' }}\n[dump]\n[base]\n[redis_rdb]\nurl = '{url}'\n[redis_aof]\nurl = '{url}'\ndirectory = '{}'\n",
            self.work_directory().display(),
            programs.display(),
            self.store_directory().display(),
            self.redis.dir().join("appendonlydir").display(),
            url = self.redis_url(),
        );
        let mut config: BackupsConfig = toml::from_str(&text).unwrap();
        change(&mut config);
        config
    }

    /// A console's part with the usual configuration.
    pub fn worker(&self) -> Worker {
        self.worker_with(|_| {}, "backup", Arc::new(SystemClock))
    }

    /// A console's part with connections of its own.
    pub fn worker_on(&self, pool: PgPool) -> Worker {
        self.worker_of(pool, |_| {}, "backup", Arc::new(SystemClock))
    }

    /// A console's part.
    pub fn worker_with(
        &self,
        change: impl FnOnce(&mut BackupsConfig),
        role: &str,
        clock: Arc<dyn Clock>,
    ) -> Worker {
        self.worker_of(self.pool.clone(), change, role, clock)
    }

    fn worker_of(
        &self,
        pool: PgPool,
        change: impl FnOnce(&mut BackupsConfig),
        role: &str,
        clock: Arc<dyn Clock>,
    ) -> Worker {
        let config = self.config(change);
        let mut node = PostgresNodeConfig::new("db-1", self.watched.url("postgres"));
        let password = PASSWORD.replace('%', "%25");
        let url = format!(
            "postgres://{role}:{password}@127.0.0.1:{}/postgres",
            self.watched.port()
        );
        node.backup_url = Some(url.into());
        let sight = ClusterNode::new(PostgresNode::new(&node).unwrap().connection());
        let stop = CancellationToken::new();
        let entropy = Arc::new(SystemEntropy);
        let runs = Runs::new(RunsParts {
            config: config.clone(),
            nodes: &[node],
            cluster: Arc::new(WatchedCluster::new(vec![sight], Arc::clone(&clock))),
            pool: pool.clone(),
            clock: Arc::clone(&clock),
            entropy: entropy.clone(),
            stop: stop.clone(),
        })
        .unwrap();
        Worker {
            runs: Arc::new(runs),
            verifications: Verifications::new(config, pool, clock, entropy, stop.clone()).unwrap(),
            stop,
        }
    }

    /// A run as it is written down.
    pub async fn row(&self, id: Uuid) -> RunRow {
        runs::by_id(&self.pool, id).await.unwrap().unwrap()
    }

    /// A run when it is over.
    pub async fn ended(&self, id: Uuid) -> RunRow {
        self.until(id, |row| row.state != "running").await
    }

    /// A run when it is as it should be.
    pub async fn until(&self, id: Uuid, is: impl Fn(&RunRow) -> bool) -> RunRow {
        let waiting = async {
            loop {
                let row = self.row(id).await;
                if is(&row) {
                    return row;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(120), waiting).await {
            Ok(row) => row,
            Err(_) => panic!("it does not come: {:?}", self.row(id).await),
        }
    }

    /// What is in the store.
    pub async fn stored(&self) -> Vec<String> {
        let config = self.config(|_| {});
        let store = Store::new(&config.store).unwrap();
        let mut paths: Vec<_> = store
            .list("")
            .await
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        paths.sort();
        paths
    }

    /// What is left in the directory for backups that are being made.
    pub fn left(&self) -> Vec<String> {
        std::fs::read_dir(self.work_directory())
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "quarterdeck-work.lock")
            .collect()
    }

    /// What the audit log says of runs: action and outcome.
    pub async fn audited(&self) -> Vec<String> {
        let rows: Vec<String> = sqlx::query_scalar(
            "select canonical::jsonb ->> 'action' from quarterdeck.audit_events where canonical::jsonb ->> 'action' like 'backup.%' order by seq",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows
    }

    /// The manifest of a copy.
    pub fn manifest(&self, name: &str) -> Manifest {
        let path = self.store_directory().join(format!("{name}{}", manifest::SUFFIX));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}

fn archiving(archive: &Path) -> Vec<(String, String)> {
    let set = |name: &str, value: String| (name.to_owned(), value);
    vec![
        set("wal_level", "replica".into()),
        set("archive_mode", "on".into()),
        set("archive_command", format!("cp %p '{}/%f'", archive.display())),
    ]
}

/// Has Redis ask for a password; not in its file, so that the estate can see it start.
fn lock_redis(redis: &Redis) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("cache")
        .exec(&mut connection)
        .unwrap();
}

/// Somebody who may.
pub fn ada() -> Subject {
    Subject {
        user_id: Uuid::from_u128(1),
        username: "ada".into(),
        display_name: "Ada".into(),
        role: Role::Operator,
        credential: Credential::Session(Uuid::from_u128(2)),
        assurance: Assurance::Current,
    }
}

impl Worker {
    /// Begins a run as ada wants it.
    pub async fn begin(&self, method: Method) -> Result<Uuid, RunError> {
        let (subject, origin) = (ada(), Origin::default());
        let by = Asking {
            subject: &subject,
            origin: &origin,
        };
        self.runs.begin(method, Wanted::Request(by)).await
    }

    /// Has ada cancel a run.
    pub async fn cancel(&self, id: Uuid) -> Result<(), RunError> {
        let (subject, origin) = (ada(), Origin::default());
        let by = Asking {
            subject: &subject,
            origin: &origin,
        };
        self.runs.cancel(by, id).await
    }

    /// Reads a copy again.
    pub async fn verify(&self, name: &str) -> Verification {
        self.verifications
            .look_into(name, Arc::new(Progress::default()), self.stop.clone())
            .await
    }
}
