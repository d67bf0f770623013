//! What a drill does, step by step.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use quarterdeck_domain::backup::{
    Manifest, SegmentSize, Source, TableFigures, Timeline,
    drill::{Check, DrillStep, StepTaken, same_tables, tables_between},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::super::watch::{BackupWatch, Look};
use crate::{
    clients::{
        backup_programs::{Target, figures},
        scratch_cluster::{self, RecoveryTarget, ScratchCluster},
        wal_segment,
    },
    clock::Clock,
    config::backups::{DrillConfig, FiguresTaken},
};

/// How long one start, and with it all of replay, may take at most; the drill's own limit is usually shorter.
const START: Duration = Duration::from_secs(24 * 3600);
/// Memory that has to be available, bytes: PostgreSQL's default buffers and what index builds take.
const MEMORY: u64 = 512 * 1024 * 1024;
/// So many times larger than a compressed backup what is restored of it may be, where nothing tells.
const UNPACKED_TIMES: u64 = 8;
/// The end of the server's log that is kept, bytes.
const LOG: usize = 32 * 1024;

/// How far a drill is; shared with who tells that it goes on.
#[derive(Debug)]
pub struct Course {
    clock: Arc<dyn Clock>,
    steps: Mutex<Vec<StepTaken>>,
}

impl Course {
    /// Before the first step.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            steps: Mutex::default(),
        }
    }

    /// The steps that are done.
    pub fn steps(&self) -> Vec<StepTaken> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does a step and times it. The work answers with what it is worth, the bytes it went through, and a note.
    async fn step<T>(
        &self,
        step: DrillStep,
        work: impl Future<Output = Result<(T, Option<u64>, String), String>>,
    ) -> Result<T, String> {
        let (began_at, begin) = (self.clock.now(), Instant::now());
        let done = work.await;
        let took_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (result, bytes, note) = match done {
            Ok((result, bytes, note)) => (Ok(result), bytes, note),
            Err(error) => (Err(error.clone()), None, error),
        };
        let taken = StepTaken {
            step,
            began_at,
            took_ms,
            bytes,
            note,
        };
        self.steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(taken);
        result
    }
}

/// What a drill restored.
#[derive(Debug)]
pub struct Restored {
    /// What was asked of it.
    pub checks: Vec<Check>,
    /// Bytes of the backup.
    pub backup_bytes: Option<u64>,
    /// Bytes of WAL that were fetched.
    pub wal_bytes: Option<u64>,
    /// Bytes of the restored database or cluster.
    pub cluster_bytes: Option<u64>,
    /// The end of the server's log.
    pub log: String,
}

/// A drill that is being done.
#[derive(Debug)]
pub struct Restore<'a> {
    /// What is kept, and where.
    pub watch: &'a BackupWatch,
    /// How much of the machine it may take.
    pub config: &'a DrillConfig,
    /// The nodes, for what is there now.
    pub targets: &'a [Target],
    /// What was found when it was begun.
    pub look: &'a Look,
    /// Its own directory.
    pub work: &'a Path,
    /// How far it is.
    pub course: &'a Course,
}

impl Restore<'_> {
    /// Restores a dump into an empty cluster, and holds it against what was noted in its snapshot.
    pub async fn dump(&self, manifest: &Manifest) -> Result<Restored, String> {
        let Source::Database { database, tables, .. } = &manifest.source else {
            return Err("Its manifest is not that of a dump.".to_owned());
        };
        self.room(manifest.bytes().saturating_mul(UNPACKED_TIMES)).await?;
        let files = self.fetch(manifest).await?;
        let [dump] = files.as_slice() else {
            return Err(format!("A dump is one file, and this one has {}.", files.len()));
        };
        let mut cluster = self.cluster().await?;
        self.course
            .step(DrillStep::Prepare, async {
                cluster.init().await.map_err(said)?;
                cluster.configure(None).await.map_err(said)?;
                cluster.start(START).await.map_err(said)?;
                let mut connection = cluster.connect("postgres").await.map_err(asked)?;
                // The name is made safe by the server.
                let create: String =
                    sqlx::query_scalar("select format('create database %I template template0', $1::text)")
                        .bind(database)
                        .fetch_one(&mut connection)
                        .await
                        .map_err(asked)?;
                sqlx::raw_sql(AssertSqlSafe(create))
                    .execute(&mut connection)
                    .await
                    .map_err(asked)?;
                Ok((
                    (),
                    None,
                    "An empty cluster with the database was made.".to_owned(),
                ))
            })
            .await?;
        let jobs = self.config.jobs.to_string();
        self.course
            .step(DrillStep::Restore, async {
                let mut restore = cluster.postgres_command("pg_restore");
                restore
                    .envs(cluster.environment(database))
                    // Roles are not in a dump.
                    .args([
                        "--no-owner",
                        "--no-privileges",
                        "--exit-on-error",
                        "--jobs",
                        &jobs,
                        "--dbname",
                        database,
                    ])
                    .arg(dump);
                scratch_cluster::run("pg_restore", &mut restore)
                    .await
                    .map_err(said)?;
                Ok((
                    (),
                    Some(manifest.bytes()),
                    format!("pg_restore with {jobs} jobs."),
                ))
            })
            .await?;
        let checks = self
            .course
            .step(DrillStep::Check, async {
                let taken = if tables.iter().all(|table| table.checksum.is_some()) {
                    FiguresTaken::Checksums
                } else {
                    FiguresTaken::Counts
                };
                let found = figures_of(&cluster, database, taken).await?;
                let mut checks = same_tables(tables, &found);
                checks.extend(self.asked(&cluster, database).await?);
                let note = format!("{} checks.", checks.len());
                Ok((checks, None, note))
            })
            .await?;
        self.finished(cluster, database, checks, manifest.bytes(), None)
            .await
    }

    /// Recovers a base backup with WAL, to the end of a timeline or to `target`, and holds it against what was counted at the
    /// source before and after.
    pub async fn base(
        &self,
        manifest: &Manifest,
        timeline: Timeline,
        target: Option<OffsetDateTime>,
        certain_to: OffsetDateTime,
    ) -> Result<Restored, String> {
        let Source::Cluster {
            start,
            unpacked_bytes,
            ..
        } = &manifest.source
        else {
            return Err("Its manifest is not that of a base backup.".to_owned());
        };
        let wal = self.wal(timeline, *start, target)?;
        let wal_bytes: u64 = wal.iter().map(|(_, bytes)| bytes).sum();
        let unpacked = unpacked_bytes.unwrap_or_else(|| manifest.bytes().saturating_mul(UNPACKED_TIMES));
        self.room(
            unpacked
                .saturating_add(manifest.bytes())
                .saturating_add(wal_bytes),
        )
        .await?;
        let files = self.fetch(manifest).await?;
        let file = |name: &str| {
            files
                .iter()
                .find(|file| file.file_name().is_some_and(|of| of == name))
                .ok_or_else(|| format!("The backup has no {name}."))
        };
        let (base, own_wal) = (file("base.tar.gz")?, file("pg_wal.tar.gz")?);
        let mut cluster = self.cluster().await?;
        self.course
            .step(DrillStep::Prepare, async {
                cluster.unpack(base, own_wal).await.map_err(said)?;
                Ok((
                    (),
                    Some(manifest.bytes()),
                    "The base backup was unpacked.".to_owned(),
                ))
            })
            .await?;
        let segments = self.work.join("wal");
        self.course
            .step(DrillStep::FetchWal, async {
                let store = self
                    .watch
                    .wal_store()
                    .ok_or("backups.wal_archive is not configured.")?;
                std::fs::create_dir(&segments).map_err(|error| error.to_string())?;
                for (path, _) in &wal {
                    wal_segment::fetch(store, path, &segments).await.map_err(said)?;
                }
                Ok(((), Some(wal_bytes), format!("{} files.", wal.len())))
            })
            .await?;
        self.course
            .step(DrillStep::Replay, async {
                let recovery = RecoveryTarget {
                    wal_directory: segments.clone(),
                    timeline: timeline.to_string(),
                    time: target,
                };
                cluster.configure(Some(&recovery)).await.map_err(said)?;
                cluster.start(START).await.map_err(said)?;
                Ok(((), Some(wal_bytes), "It recovered, and takes writes.".to_owned()))
            })
            .await?;
        let database = &self.watch.config().database;
        let checks = self
            .course
            .step(DrillStep::Check, async {
                let mut checks = vec![self.reached(&cluster, target, certain_to).await?];
                let found = figures_of(&cluster, database, FiguresTaken::Counts).await?;
                let instant = target.unwrap_or(certain_to);
                let before = self.noted_before(instant);
                let after = self.counted_now().await;
                match (&after, before.is_empty()) {
                    (Ok(after), _) => checks.extend(tables_between(&before, after, &found)),
                    (Err(_), false) => checks.extend(tables_between(&before, &before, &found)),
                    (Err(error), true) => checks.push(Check {
                        name: "Tables and rows".to_owned(),
                        expected: "as many as at the source".to_owned(),
                        found: format!(
                            "there is no dump to hold it against, and the source can't be asked: {error}"
                        ),
                        passed: false,
                    }),
                }
                checks.extend(self.asked(&cluster, database).await?);
                let note = format!("{} checks.", checks.len());
                Ok((checks, None, note))
            })
            .await?;
        self.finished(cluster, database, checks, manifest.bytes(), Some(wal_bytes))
            .await
    }

    async fn room(&self, needed: u64) -> Result<(), String> {
        let work = self.work;
        self.course
            .step(DrillStep::Room, async {
                let disk = rustix::fs::statvfs(work).map_err(|error| format!("The disk can't be asked for its room: {error}."))?;
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let wanted = needed.saturating_add(self.config.keep_free_bytes);
                if free < wanted {
                    return Err(format!(
                        "There is not enough room on the disk of {}: {free} bytes are free, and up to {needed} are needed besides the {} that \
                         have to stay free (backups.drill.keep_free_bytes). Nothing was restored.",
                        self.watch.config().directory.display(),
                        self.config.keep_free_bytes
                    ));
                }
                let memory = available_memory().await;
                if memory.is_some_and(|memory| memory < MEMORY) {
                    return Err(format!(
                        "There is not enough memory: {} bytes are available, and {MEMORY} are needed. Nothing was restored.",
                        memory.unwrap_or_default()
                    ));
                }
                Ok(((), None, format!("{free} bytes of disk are free, up to {needed} are needed.")))
            })
            .await
    }

    /// Fetches the files of a backup, and holds their checksums against the manifest.
    async fn fetch(&self, manifest: &Manifest) -> Result<Vec<PathBuf>, String> {
        self.course
            .step(DrillStep::Fetch, async {
                let mut files = Vec::new();
                for file in &manifest.files {
                    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
                    let local = self.work.join(name);
                    let fetched = self
                        .watch
                        .store()
                        .fetch(&file.path, &local, &AtomicU64::new(0))
                        .await
                        .map_err(said)?;
                    if fetched.sha256 != file.sha256 {
                        return Err(format!(
                            "{} is not what was stored: its SHA-256 is {}, and its manifest says {}. This backup is damaged.",
                            file.path, fetched.sha256, file.sha256
                        ));
                    }
                    files.push(local);
                }
                let note = format!("{} files, as their manifest says.", files.len());
                Ok((files, Some(manifest.bytes()), note))
            })
            .await
    }

    async fn cluster(&self) -> Result<ScratchCluster, String> {
        let config = self.watch.config();
        let programs = config.programs.clone().unwrap_or_default();
        ScratchCluster::new(self.work, &programs, config.run_as.as_deref())
            .await
            .map_err(said)
    }

    /// The files of the archive that recovery from `start` to `target` along a timeline needs, with their sizes.
    fn wal(
        &self,
        timeline: Timeline,
        start: quarterdeck_domain::cluster::Lsn,
        target: Option<OffsetDateTime>,
    ) -> Result<Vec<(String, u64)>, String> {
        let archive = match &self.look.archive {
            Some(Ok(archive)) => archive,
            Some(Err(error)) => return Err(format!("The archive of WAL can't be looked into: {error}.")),
            None => return Err("No archive of WAL is configured (backups.wal_archive).".to_owned()),
        };
        let size: SegmentSize = archive.wal.size();
        let first = size.number_of(start);
        let mut files: Vec<(String, u64)> = archive
            .histories
            .iter()
            .map(|file| (file.path.clone(), file.bytes))
            .collect();
        for stretch in &archive.wal.line(timeline).stretches {
            let stored = archive
                .wal
                .stored(stretch.timeline, stretch.first.max(first), stretch.end);
            for segment in stored {
                if let Some(file) = archive.files.get(&segment.name) {
                    files.push((file.path.clone(), file.bytes));
                }
                // What was stored after the target has commits after it: recovery stops at the first of them.
                if target.is_some_and(|target| after(segment.stored_at, target)) {
                    return Ok(files);
                }
            }
        }
        Ok(files)
    }

    /// Whether it came as far as it should.
    async fn reached(
        &self,
        cluster: &ScratchCluster,
        target: Option<OffsetDateTime>,
        certain_to: OffsetDateTime,
    ) -> Result<Check, String> {
        let mut connection = cluster.connect("postgres").await.map_err(asked)?;
        let at: Option<OffsetDateTime> = sqlx::query_scalar("select pg_last_xact_replay_timestamp()")
            .fetch_one(&mut connection)
            .await
            .map_err(asked)?;
        let words = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
        let found = at.map_or_else(
            || "nothing was replayed".to_owned(),
            |at| format!("the last is of {}", words(at)),
        );
        Ok(match target {
            Some(target) => Check {
                name: "Recovered to the instant".to_owned(),
                expected: format!("commits up to {} and none after it", words(target)),
                found,
                passed: at.is_none_or(|at| at <= target),
            },
            None => Check {
                name: "Recovered to the newest commit".to_owned(),
                expected: format!("the commit of {}", words(certain_to)),
                found,
                // The base backup may be the newest there is.
                passed: at.is_none_or(|at| at >= certain_to)
                    || self
                        .look
                        .map
                        .newest_span()
                        .is_some_and(|span| span.from >= certain_to),
            },
        })
    }

    /// What was in the tables when the newest dump before an instant was made.
    fn noted_before(&self, instant: OffsetDateTime) -> Vec<TableFigures> {
        let manifests = self
            .look
            .inventory
            .iter()
            .flat_map(|inventory| &inventory.copies)
            .filter_map(|copy| copy.manifest.as_ref());
        manifests
            .filter_map(|manifest| match &manifest.source {
                Source::Database {
                    snapshot_at, tables, ..
                } if *snapshot_at <= instant => Some((snapshot_at, tables)),
                Source::Database { .. } | Source::Cluster { .. } | Source::Redis { .. } => None,
            })
            .max_by_key(|(at, _)| **at)
            .map(|(_, tables)| tables.clone())
            .unwrap_or_default()
    }

    /// What is in the tables of the primary now.
    async fn counted_now(&self) -> Result<Vec<TableFigures>, String> {
        let primary = self.look.primary.as_ref().map_err(Clone::clone)?;
        let target = self
            .targets
            .iter()
            .find(|target| target.node() == primary.node)
            .ok_or_else(|| format!("{} has no backup_url", primary.node))?;
        let mut connection = target.connect().await.map_err(|error| error.to_string())?;
        sqlx::raw_sql("begin isolation level repeatable read read only")
            .execute(&mut connection)
            .await
            .map_err(asked)?;
        let counted = figures::figures(&mut connection, FiguresTaken::Counts, &|_| {})
            .await
            .map_err(asked)?;
        let _ = connection.close().await;
        Ok(counted)
    }

    /// What every restored database is asked: whether its tables and indexes are sound, and the configured questions.
    async fn asked(&self, cluster: &ScratchCluster, database: &str) -> Result<Vec<Check>, String> {
        let mut amcheck = cluster.postgres_command("pg_amcheck");
        amcheck.envs(cluster.environment(database)).args([
            "--install-missing",
            "--heapallindexed",
            "--database",
            database,
        ]);
        let sound = scratch_cluster::run("pg_amcheck", &mut amcheck)
            .await
            .map_err(said);
        let mut checks = vec![Check {
            name: "Tables and indexes are sound (pg_amcheck)".to_owned(),
            expected: "no complaint".to_owned(),
            passed: sound.is_ok(),
            found: sound.err().unwrap_or_else(|| "no complaint".to_owned()),
        }];
        let mut connection = cluster.connect(database).await.map_err(asked)?;
        for query in &self.config.queries {
            checks.push(answered(&mut connection, &query.name, &query.sql, query.at_least).await);
        }
        Ok(checks)
    }

    async fn finished(
        &self,
        mut cluster: ScratchCluster,
        database: &str,
        checks: Vec<Check>,
        backup_bytes: u64,
        wal_bytes: Option<u64>,
    ) -> Result<Restored, String> {
        let mut connection = cluster.connect(database).await.map_err(asked)?;
        let cluster_bytes: i64 =
            sqlx::query_scalar("select sum(pg_database_size(oid))::bigint from pg_database")
                .fetch_one(&mut connection)
                .await
                .map_err(asked)?;
        let _ = connection.close().await;
        let log = tokio::fs::read(cluster.log()).await.unwrap_or_default();
        let end = log.get(log.len().saturating_sub(LOG)..).unwrap_or_default();
        let log = String::from_utf8_lossy(end).into_owned();
        cluster.stop().await;
        Ok(Restored {
            checks,
            backup_bytes: Some(backup_bytes),
            wal_bytes,
            cluster_bytes: u64::try_from(cluster_bytes).ok(),
            log,
        })
    }
}

/// Whether something was stored so long after an instant that clocks can't be the reason.
fn after(stored_at: OffsetDateTime, target: OffsetDateTime) -> bool {
    stored_at > target + time::Duration::minutes(10)
}

async fn figures_of(
    cluster: &ScratchCluster,
    database: &str,
    taken: FiguresTaken,
) -> Result<Vec<TableFigures>, String> {
    let mut connection = cluster.connect(database).await.map_err(asked)?;
    figures::figures(&mut connection, taken, &|_| {})
        .await
        .map_err(asked)
}

async fn answered(connection: &mut PgConnection, name: &str, sql: &str, at_least: i64) -> Check {
    // Configured by whoever runs the console.
    let answer = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(format!("select ({sql})::bigint")))
        .fetch_one(connection)
        .await;
    Check {
        name: name.to_owned(),
        expected: format!("at least {at_least}"),
        passed: matches!(answer, Ok(Some(answer)) if answer >= at_least),
        found: match answer {
            Ok(Some(answer)) => answer.to_string(),
            Ok(None) => "nothing".to_owned(),
            Err(error) => asked(error),
        },
    }
}

/// What is available to new programs, bytes; none where the operating system does not say.
async fn available_memory() -> Option<u64> {
    let text = tokio::fs::read_to_string("/proc/meminfo").await.ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn said(error: impl std::error::Error) -> String {
    format!("{error}.")
}

fn asked(error: sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => format!("The restored server says: {}.", error.message()),
        other => format!("The restored server can't be asked: {other}."),
    }
}
