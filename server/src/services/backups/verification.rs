//! Reads a kept copy again, from the store, as a restore would have to: its manifest, the size and checksum of every file, and then what
//! is in the files.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    backup::{Manifest, Method, Source, manifest},
};
use sqlx::{PgPool, types::Json};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    clients::{
        backup_programs::{
            BackupError, Job, Programs, Progress, WorkDirectory, check_aof, check_base, check_dump, check_rdb,
        },
        store::{Store, StoreError},
    },
    clock::Clock,
    config::backups::BackupsConfig,
    db::{
        self, DbError,
        backups::{
            copies,
            verifications::{self, Finding, VerificationRow},
        },
    },
    entropy::Entropy,
    services::audit::{self, AuditError, EventMaker, Origin},
};

/// Every copy is read again after so long.
const EVERY: time::Duration = time::Duration::days(7);
/// One that could not be read is tried again after so long.
const AGAIN: time::Duration = time::Duration::hours(1);
/// Longest time for one.
const LIMIT: Duration = Duration::from_secs(6 * 3600);
/// How long the console's own database may take for an answer.
const DB_LIMIT: Duration = Duration::from_secs(5);

/// What a verification comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is what it was, and can be read to its end.
    Good,
    /// It is not, or can't.
    Damaged,
    /// It could not be found out: the store, the disk or a program failed.
    Unknown,
}

impl Verdict {
    /// As it is written down.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Damaged => "damaged",
            Self::Unknown => "unknown",
        }
    }
}

/// What was found in a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What it comes to.
    pub verdict: Verdict,
    /// Each check with what it found, in their order.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// What is wrong, in words; none if nothing is.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        let wrong: Vec<&str> = self
            .findings
            .iter()
            .filter_map(|finding| finding.wrong.as_deref())
            .collect();
        (!wrong.is_empty()).then(|| wrong.join(" "))
    }
}

/// Why what was found could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The console's database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// Reads copies again.
#[derive(Debug)]
pub struct Verifications {
    config: BackupsConfig,
    store: Store,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: EventMaker,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Those that are being read because somebody wanted that.
    asked: Mutex<HashSet<String>>,
}

/// Checks as they are made.
#[derive(Default)]
struct Checks {
    findings: Vec<Finding>,
    damaged: bool,
    unknown: bool,
}

impl Checks {
    fn good(&mut self, check: &str) {
        self.findings.push(Finding {
            check: check.to_owned(),
            wrong: None,
        });
    }

    fn damage(&mut self, check: &str, wrong: String) {
        self.damaged = true;
        self.findings.push(Finding {
            check: check.to_owned(),
            wrong: Some(wrong),
        });
    }

    fn note(&mut self, check: &str, outcome: Result<(), BackupError>) {
        match outcome {
            Ok(()) => self.good(check),
            Err(error) if error.blames_content() => self.damage(check, error.to_string()),
            Err(error) => {
                self.unknown = true;
                self.findings.push(Finding {
                    check: check.to_owned(),
                    wrong: Some(format!("It could not be found out. {error}")),
                });
            }
        }
    }

    fn done(self) -> Verification {
        let verdict = match (self.damaged, self.unknown) {
            (true, _) => Verdict::Damaged,
            (false, true) => Verdict::Unknown,
            (false, false) => Verdict::Good,
        };
        Verification {
            verdict,
            findings: self.findings,
        }
    }
}

impl Verifications {
    /// Over the store. What goes on is given up with `stop`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn new(
        config: BackupsConfig,
        pool: PgPool,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            store: Store::new(&config.store)?,
            config,
            pool,
            events: EventMaker::new(Arc::clone(&clock), Arc::clone(&entropy)),
            clock,
            entropy,
            stop,
            tasks: TaskTracker::new(),
            asked: Mutex::default(),
        })
    }

    /// Reads a copy beside, because somebody wants that, and writes down what was found; answers whether that was begun and does not go on
    /// already.
    pub fn begin(self: &Arc<Self>, name: &str, by: &str) -> bool {
        if !lock(&self.asked).insert(name.to_owned()) {
            return false;
        }
        let (verifications, name, by) = (Arc::clone(self), name.to_owned(), by.to_owned());
        self.tasks.spawn(async move {
            let progress = Arc::new(Progress::default());
            let read = verifications.verify(&name, Some(&by), progress).await;
            if let Err(error) = read {
                tracing::warn!(name, %error, "what was found in a kept backup can't be written down");
            }
            lock(&verifications.asked).remove(&name);
        });
        true
    }

    /// Returns when nothing that somebody wanted goes on any more; for the end of the console.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The copy that is to be read next: one that never was, or was longest ago.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn due(&self) -> Result<Option<String>, DbError> {
        let now = self.clock.now();
        db::within(DB_LIMIT, verifications::due(&self.pool, now - EVERY, now - AGAIN)).await
    }

    /// Reads a copy, by its name in the store, and writes down what was found.
    ///
    /// # Errors
    /// [`VerificationError`] when it can't be written down.
    pub async fn verify(
        &self,
        name: &str,
        asked_by: Option<&str>,
        progress: Arc<Progress>,
    ) -> Result<Verification, VerificationError> {
        let began_at = self.clock.now();
        let found = self.look_into(name, progress, self.stop.clone()).await;
        // What was given up half-way says nothing.
        if self.stop.is_cancelled() && found.verdict == Verdict::Unknown {
            return Ok(found);
        }
        self.write_down(name, asked_by, began_at, &found).await?;
        Ok(found)
    }

    /// Reads a copy. Writes nothing down.
    pub async fn look_into(
        &self,
        name: &str,
        progress: Arc<Progress>,
        stop: CancellationToken,
    ) -> Verification {
        let mut checks = Checks::default();
        let Some(method) = name.split('/').next().and_then(Method::from_key) else {
            checks.damage(
                "name",
                format!("{name} names no copy: it has to begin with a method, as dump/ does."),
            );
            return checks.done();
        };
        let id = self.entropy.uuid(self.clock.now());
        let directory = match WorkDirectory::new(&self.config.directory, id) {
            Ok(directory) => directory,
            Err(error) => {
                let path = self.config.directory.display().to_string();
                let reason = error.to_string();
                checks.note("a place to unpack it", Err(BackupError::Disk { path, reason }));
                return checks.done();
            }
        };
        let job = Job {
            directory: directory.path().to_owned(),
            progress,
            stop,
            until: Instant::now() + LIMIT,
            limit: LIMIT,
            programs: Programs::new(self.config.programs.clone()),
        };
        let manifest = match self.manifest(&job, name, method, &mut checks).await {
            Ok(manifest) => manifest,
            Err(error) => {
                checks.note("manifest", Err(error));
                return checks.done();
            }
        };
        let paths = match &manifest {
            Some(manifest) => manifest.files.iter().map(|file| file.path.clone()).collect(),
            // Of a job elsewhere: one file, by its ending.
            None => match method {
                Method::Dump => vec![format!("{name}.dump")],
                Method::RedisRdb => vec![format!("{name}.rdb")],
                Method::Base | Method::RedisAof | Method::Wal => {
                    checks.damage(
                        "manifest",
                        "It has no manifest, so nobody knows which files belong to it.".to_owned(),
                    );
                    return checks.done();
                }
            },
        };
        let files = job.directory.join("files");
        let Some(local) = self
            .fetch(&job, &files, &paths, manifest.as_ref(), &mut checks)
            .await
        else {
            return checks.done();
        };
        let read = read(
            &job,
            method,
            &files,
            &local,
            manifest.as_ref().map(|manifest| &manifest.source),
        )
        .await;
        checks.note("read to its end", read);
        checks.done()
    }

    /// The manifest, if there is one that says something sound.
    async fn manifest(
        &self,
        job: &Job,
        name: &str,
        method: Method,
        checks: &mut Checks,
    ) -> Result<Option<Manifest>, BackupError> {
        const CHECK: &str = "manifest";
        let path = format!("{name}{}", manifest::SUFFIX);
        let text = job.within(async {
            match self.store.get(&path).await {
                Ok(text) => Ok(Some(text)),
                Err(StoreError::NotFound { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        let Some(text) = text.await? else { return Ok(None) };
        let damaged = |what: String| Err(BackupError::Damaged { what });
        let manifest: Manifest = match serde_json::from_slice(&text) {
            Ok(manifest) => manifest,
            Err(error) => return damaged(format!("Its manifest can't be read: {error}")),
        };
        if manifest.version != manifest::VERSION {
            return damaged(format!(
                "Its manifest is of version {}, which this console does not know",
                manifest.version
            ));
        }
        let fits = matches!(
            (method, &manifest.source),
            (Method::Dump, Source::Database { .. })
                | (Method::Base, Source::Cluster { .. })
                | (Method::RedisRdb | Method::RedisAof, Source::Redis { .. })
        );
        if manifest.method != method || !fits {
            return damaged(format!(
                "Its manifest is of another kind: {}",
                manifest.method.label()
            ));
        }
        let foreign = manifest.files.iter().find(|file| {
            let rest = file.path.strip_prefix(name);
            !rest.is_some_and(|rest| rest.starts_with(['.', '/']) && !rest.contains("/."))
        });
        match (foreign, manifest.files.is_empty()) {
            (Some(file), _) => damaged(format!(
                "Its manifest names {}, which belongs to another copy",
                file.path
            )),
            (None, true) => damaged("Its manifest names no file".to_owned()),
            (None, false) => {
                checks.good(CHECK);
                Ok(Some(manifest))
            }
        }
    }

    /// Copies the files here and holds their sizes and checksums against the manifest. None if one can't be had.
    async fn fetch(
        &self,
        job: &Job,
        into: &Path,
        paths: &[String],
        manifest: Option<&Manifest>,
        checks: &mut Checks,
    ) -> Option<Vec<PathBuf>> {
        job.progress.phase("fetching it from the store");
        if let Some(manifest) = manifest {
            job.progress.total(manifest.bytes());
        }
        if let Err(error) = tokio::fs::create_dir(into).await {
            let path = into.display().to_string();
            let reason = error.to_string();
            checks.note("a place to unpack it", Err(BackupError::Disk { path, reason }));
            return None;
        }
        let mut local = Vec::new();
        let mut all = true;
        for path in paths {
            let file = into.join(path.rsplit('/').next().unwrap_or(path));
            let check = format!("size and checksum of {path}");
            let fetched = job.within(async { Ok(self.store.fetch(path, &file, &job.progress.done).await?) });
            let is = match fetched.await {
                Ok(is) => is,
                Err(error) => {
                    checks.note(&check, Err(error));
                    all = false;
                    continue;
                }
            };
            let expected =
                manifest.and_then(|manifest| manifest.files.iter().find(|file| file.path == *path));
            match expected {
                Some(expected) if expected.bytes != is.bytes => checks.damage(
                    &check,
                    format!("{path} has {} bytes instead of {}.", is.bytes, expected.bytes),
                ),
                Some(expected) if expected.sha256 != is.sha256 => checks.damage(
                    &check,
                    format!("{path} is not what was stored: its checksum is another one."),
                ),
                Some(_) => checks.good(&check),
                None => {}
            }
            local.push(file);
        }
        all.then_some(local)
    }

    async fn write_down(
        &self,
        name: &str,
        asked_by: Option<&str>,
        began_at: OffsetDateTime,
        found: &Verification,
    ) -> Result<(), VerificationError> {
        let ended_at = self.clock.now();
        let damage = match found.verdict {
            Verdict::Damaged => found.wrong(),
            Verdict::Good | Verdict::Unknown => None,
        };
        let row = VerificationRow {
            id: self.entropy.uuid(ended_at),
            backup: name.to_owned(),
            asked_by: asked_by.map(str::to_owned),
            began_at,
            ended_at,
            condition: found.verdict.as_str().to_owned(),
            findings: Json(found.findings.clone()),
        };
        let written = async {
            let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
            verifications::insert(&mut *transaction, &row).await?;
            let before = copies::by_name(&mut *transaction, name).await?;
            if found.verdict != Verdict::Unknown {
                copies::verified(&mut *transaction, name, damage.as_deref(), ended_at).await?;
            }
            let known = before.is_some_and(|copy| copy.condition == "damaged");
            if let Some(damage) = damage.as_deref().filter(|_| !known) {
                let event = self.events.event(
                    &Origin::default(),
                    Actor::System,
                    Action::BackupFoundDamaged,
                    Object::new("backup", name),
                    Outcome::Succeeded,
                    Detail::none().with("damage", damage.chars().take(2000).collect::<String>()),
                );
                audit::append(&mut transaction, &event).await?;
            }
            transaction.commit().await.map_err(DbError::from)?;
            Ok(())
        };
        match tokio::time::timeout(DB_LIMIT, written).await {
            Ok(written) => written,
            Err(_) => Err(DbError::Unavailable(sqlx::Error::PoolTimedOut).into()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads the files of a copy, which are in `directory`, to their end, and holds what they say against what the manifest says.
async fn read(
    job: &Job,
    method: Method,
    directory: &Path,
    files: &[PathBuf],
    source: Option<&Source>,
) -> Result<(), BackupError> {
    let one = || match files {
        [file] => Ok(file.as_path()),
        [] | [..] => Err(BackupError::Damaged {
            what: format!("It should be one file and is {}", files.len()),
        }),
    };
    match method {
        Method::Dump => check_dump(job, one()?).await,
        Method::Base => check_base(job, directory).await.map(drop),
        Method::RedisRdb => {
            let read = check_rdb(job, one()?).await?;
            match source {
                Some(Source::Redis { keys, saved_at, .. })
                    if (read.keys, read.saved_at) != (*keys, *saved_at) =>
                {
                    Err(BackupError::Damaged {
                        what: format!(
                            "The snapshot has {} keys of {} and its manifest says {keys} of {saved_at}: it is another one",
                            read.keys, read.saved_at
                        ),
                    })
                }
                Some(_) | None => Ok(()),
            }
        }
        Method::RedisAof => check_aof(job, directory).await,
        Method::Wal => Err(BackupError::Damaged {
            what: "Segments of WAL are no copies".to_owned(),
        }),
    }
}
