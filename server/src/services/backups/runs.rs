//! Runs that make backups: begun by the schedule or a person, one of a method at a time among all replicas, written down from their
//! beginning to their end.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    backup::Method,
};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::making::{Made, Maker};
use crate::{
    clients::{
        backup_programs::{BackupError, Job, Programs, Progress, RedisAddress, Target, remove_leftovers},
        store::{Store, StoreError},
    },
    clock::Clock,
    config::{
        backups::BackupsConfig,
        postgres::{PostgresNodeConfig, PostgresNodeConfigError},
    },
    db::{
        self, DbError,
        backups::{
            copies,
            runs::{self as rows, Beat, RunRow},
        },
    },
    entropy::Entropy,
    services::{
        actions::Asking,
        audit::{self, AuditError, EventMaker, Origin},
        cluster::WatchedCluster,
        identity::actor,
    },
};

/// A run that says nothing for so long counts as lost.
pub const LEASE: time::Duration = time::Duration::seconds(60);
/// How often a run says how far it is.
const BEAT: Duration = Duration::from_secs(1);
/// How long the console's own database may take for an answer.
const DB_LIMIT: Duration = Duration::from_secs(5);
/// For so long it is tried to write down how a run ended; after that it counts as lost, though the store may have what it made.
const RECORDING: Duration = Duration::from_secs(600);
/// The same while the console stops.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time for a run of what has no schedule.
const UNSCHEDULED_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// The longest text of an audit event's detail.
const SAID: usize = 2000;

/// Why a run did not begin, or was not ended. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not this console's business.
    #[error("{} is not configured; see [backups] in the example configuration", .0.label())]
    NotConfigured(Method),
    /// One at a time.
    #[error("one is being made already ({}); wait until it is done, or cancel it", .0.label())]
    UnderWay(Method),
    /// There is no such run, or it is over.
    #[error("there is no such run that goes on")]
    NotRunning,
    /// The record could not be written.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The audit log could not be written.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl From<sqlx::Error> for RunError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

impl RunError {
    /// Whether it is worth asking again later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Db(error) => error.is_unavailable(),
            Self::Audit(error) => error.is_unavailable(),
            Self::NotConfigured(_) | Self::UnderWay(_) | Self::NotRunning => false,
        }
    }
}

/// Why runs can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum RunsConfigError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A node.
    #[error(transparent)]
    Node(#[from] PostgresNodeConfigError),
    /// A Redis.
    #[error("backups.{0}.url is no address of a Redis; write redis://user:password@host:port or rediss://")]
    Redis(&'static str),
}

/// Who wants a run.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// This time of the schedule.
    Schedule(OffsetDateTime),
    /// A person.
    Request(Asking<'a>),
    /// The console itself: the time of the schedule had its run, and yet nothing is kept.
    NothingKept,
}

/// What runs are made with.
#[derive(Debug)]
pub struct RunsParts<'a> {
    /// What is backed up, where and when.
    pub config: BackupsConfig,
    /// The nodes.
    pub nodes: &'a [PostgresNodeConfig],
    /// The nodes together: who takes writes.
    pub cluster: Arc<WatchedCluster>,
    /// The console's own database.
    pub pool: PgPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
    /// Ends what goes on when the console stops.
    pub stop: CancellationToken,
}

/// A job that was done elsewhere, as it told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it made.
    pub method: Method,
    /// Where.
    pub host: String,
    /// When it began.
    pub began_at: OffsetDateTime,
    /// When it ended.
    pub ended_at: OffsetDateTime,
    /// How it ended; none if it was killed.
    pub exit_code: Option<i32>,
    /// Bytes of what it made, if it knows.
    pub bytes: Option<u64>,
    /// What was run.
    pub command: String,
    /// The end of what it said.
    pub log: String,
}

/// Begins runs, does those that began here, and ends them.
#[derive(Debug)]
pub struct Runs {
    maker: Maker,
    programs: Programs,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    events: EventMaker,
    host: String,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Those that are done here.
    mine: Mutex<HashMap<Uuid, CancellationToken>>,
}

/// How a run came out.
enum Ending {
    Made(Made),
    Failed(String),
    Cancelled { by: String },
}

impl Runs {
    /// Sets runs up; nothing is asked yet.
    ///
    /// # Errors
    /// [`RunsConfigError`].
    pub fn new(parts: RunsParts<'_>) -> Result<Self, RunsConfigError> {
        let config = parts.config;
        let targets = parts
            .nodes
            .iter()
            .filter_map(|node| Target::new(node, &config.database).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let redis =
            |section: &'static str, url| RedisAddress::new(url).ok_or(RunsConfigError::Redis(section));
        let rdb = match &config.redis_rdb {
            Some(section) => Some(redis("redis_rdb", &section.url)?),
            None => None,
        };
        let aof = match &config.redis_aof {
            Some(section) => {
                let address = redis("redis_aof", &section.url)?;
                section.directory.clone().map(|directory| (address, directory))
            }
            None => None,
        };
        let uname = rustix::system::uname();
        Ok(Self {
            programs: Programs::new(config.programs.clone()),
            maker: Maker {
                store: Store::new(&config.store)?,
                targets,
                rdb,
                aof,
                cluster: parts.cluster,
                clock: Arc::clone(&parts.clock),
                config,
            },
            pool: parts.pool,
            events: EventMaker::new(Arc::clone(&parts.clock), Arc::clone(&parts.entropy)),
            clock: parts.clock,
            entropy: parts.entropy,
            host: format!("{}:{}", uname.nodename().to_string_lossy(), std::process::id()),
            stop: parts.stop,
            tasks: TaskTracker::new(),
            mine: Mutex::default(),
        })
    }

    /// What is backed up, where and when.
    #[must_use]
    pub fn config(&self) -> &BackupsConfig {
        &self.maker.config
    }

    /// Where backups are kept.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.maker.store
    }

    /// Whether this console can make backups of a method.
    #[must_use]
    pub fn can_make(&self, method: Method) -> bool {
        self.maker.can_make(method)
    }

    /// Begins a run and does it beside. It is written down before anything is done.
    ///
    /// # Errors
    /// [`RunError`]; [`RunError::UnderWay`] also for a time of the schedule that had its run.
    pub async fn begin(self: &Arc<Self>, method: Method, wanted: Wanted<'_>) -> Result<Uuid, RunError> {
        if !self.can_make(method) {
            return Err(RunError::NotConfigured(method));
        }
        let now = self.clock.now();
        let id = self.entropy.uuid(now);
        let (origin, scheduled_for, asked_by) = match wanted {
            Wanted::Schedule(at) => ("schedule", Some(at), None),
            Wanted::Request(by) => ("request", None, Some(by.subject.username.clone())),
            Wanted::NothingKept => ("request", None, Some("the console".to_owned())),
        };
        let row = RunRow {
            id,
            method: method.key().to_owned(),
            origin: origin.to_owned(),
            scheduled_for,
            asked_by,
            host: self.host.clone(),
            state: "running".to_owned(),
            began_at: now,
            ended_at: None,
            alive_until: now + LEASE,
            cancel_asked_by: None,
            phase: "beginning".to_owned(),
            done_bytes: 0,
            total_bytes: None,
            command: String::new(),
            exit_code: None,
            log: String::new(),
            error: None,
            backup: None,
        };
        within(async {
            let mut transaction = self.pool.begin().await?;
            if !rows::insert(&mut *transaction, &row, LEASE.as_seconds_f64()).await? {
                return Err(RunError::UnderWay(method));
            }
            if let Wanted::Request(by) = wanted {
                let event = self.events.event(
                    by.origin,
                    actor(by.subject),
                    Action::BackupRunStarted,
                    object(id),
                    Outcome::Succeeded,
                    Detail::none().with("method", method.label()),
                );
                audit::append(&mut transaction, &event).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await?;
        let stop = self.stop.child_token();
        lock(&self.mine).insert(id, stop.clone());
        let runs = Arc::clone(self);
        self.tasks.spawn(async move {
            runs.perform(id, method, now, stop).await;
            lock(&runs.mine).remove(&id);
        });
        Ok(id)
    }

    /// Wants a run ended; the console that does it sees that within seconds.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn cancel(&self, by: Asking<'_>, id: Uuid) -> Result<(), RunError> {
        let asked =
            within(async { Ok(rows::ask_cancel(&self.pool, id, &by.subject.username).await?) }).await?;
        if asked { Ok(()) } else { Err(RunError::NotRunning) }
    }

    /// Writes down what a job elsewhere tells of itself, and answers with the run's id.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn report(&self, by: Asking<'_>, report: Report) -> Result<Uuid, RunError> {
        let id = self.entropy.uuid(self.clock.now());
        let error = match report.exit_code {
            Some(0) => None,
            Some(code) => Some(format!(
                "The job on {} ended with exit code {code}. What it made may be missing or incomplete. Its log says more; run it again there.",
                report.host
            )),
            None => Some(format!(
                "The job on {} was killed. What it made may be missing or incomplete. Find out by whom, and run it again there.",
                report.host
            )),
        };
        let state = if error.is_none() { "succeeded" } else { "failed" };
        let bytes = report.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let row = RunRow {
            id,
            method: report.method.key().to_owned(),
            origin: "outside".to_owned(),
            scheduled_for: None,
            asked_by: Some(by.subject.username.clone()),
            host: report.host.clone(),
            state: state.to_owned(),
            began_at: report.began_at,
            ended_at: Some(report.ended_at),
            alive_until: report.ended_at,
            cancel_asked_by: None,
            phase: String::new(),
            done_bytes: bytes.unwrap_or(0),
            total_bytes: bytes,
            command: report.command,
            exit_code: report.exit_code,
            log: report.log,
            error,
            backup: None,
        };
        let event = self.events.event(
            by.origin,
            actor(by.subject),
            Action::BackupRunReported,
            object(id),
            Outcome::Succeeded,
            Detail::none()
                .with("method", report.method.label())
                .with("host", report.host.as_str())
                .with("state", state),
        );
        within(async {
            let mut transaction = self.pool.begin().await?;
            rows::insert(&mut *transaction, &row, 0.0).await?;
            audit::append(&mut transaction, &event).await?;
            Ok(transaction.commit().await?)
        })
        .await?;
        Ok(id)
    }

    /// Gives up for lost what dead consoles have left in the record.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn give_up_lost(&self) -> Result<usize, RunError> {
        let error = format!(
            "The console that made it was not heard of for {} s: it was killed, or its machine is gone. Nothing of this run counts as a backup unless the list of copies shows one. The next scheduled run makes another; if it must not wait, make one now.",
            LEASE.whole_seconds()
        );
        within(async {
            let mut transaction = self.pool.begin().await?;
            let lost = rows::lose(&mut *transaction, self.clock.now(), &error).await?;
            for row in &lost {
                let method = Method::from_key(&row.method)
                    .map_or(row.method.clone(), |method| method.label().to_owned());
                let event = self.events.event(
                    &Origin::default(),
                    Actor::System,
                    Action::BackupRunLost,
                    object(row.id),
                    Outcome::Succeeded,
                    Detail::none()
                        .with("method", method)
                        .with("host", row.host.as_str()),
                );
                audit::append(&mut transaction, &event).await?;
            }
            transaction.commit().await?;
            Ok(lost.len())
        })
        .await
    }

    /// Removes what dead consoles have left in the directory for backups that are being made.
    pub async fn remove_leftovers(&self) {
        let directory = self.maker.config.directory.clone();
        let removed = tokio::task::spawn_blocking(move || remove_leftovers(&directory)).await;
        match removed {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(number)) => tracing::info!(number, "what dead consoles had left of backups was removed"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the directory for backups that are being made can't be looked through")
            }
        }
    }

    /// Whether a time of the schedule had its run.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn had(&self, method: Method, scheduled_for: OffsetDateTime) -> Result<bool, RunError> {
        within(async { Ok(rows::had(&self.pool, method, scheduled_for).await?) }).await
    }

    /// Whether anything of a method is kept that is not known to be damaged.
    ///
    /// # Errors
    /// [`StoreError`] when nobody knows.
    pub async fn has_copy(&self, method: Method) -> Result<bool, StoreError> {
        let suffix = quarterdeck_domain::backup::manifest::SUFFIX;
        let files = self.maker.store.list(method.key()).await?;
        let names: Vec<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_suffix(suffix))
            .collect();
        if names.is_empty() {
            return Ok(false);
        }
        // While the database is away, what is there counts.
        let known = db::within(DB_LIMIT, copies::kept(&self.pool))
            .await
            .unwrap_or_default();
        let damaged = |name: &&str| {
            known
                .iter()
                .any(|copy| copy.name == *name && copy.condition == "damaged")
        };
        Ok(!names.iter().all(damaged))
    }

    /// Returns when nothing goes on here any more; for the end of the console.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn perform(&self, id: Uuid, method: Method, began_at: OffsetDateTime, stop: CancellationToken) {
        let progress = Arc::new(Progress::default());
        let cancelled_by = Mutex::new(None);
        let limit = self
            .config()
            .patience(method)
            .map_or(UNSCHEDULED_LIMIT, |(_, limit)| limit);
        let job = |directory: &std::path::Path| Job {
            directory: directory.to_owned(),
            progress: Arc::clone(&progress),
            stop: stop.clone(),
            until: Instant::now() + limit,
            limit,
            programs: self.programs.clone(),
        };
        let beating = async {
            loop {
                tokio::time::sleep(BEAT).await;
                if let Some(Some(by)) = self.beat(id, &progress).await {
                    *lock(&cancelled_by) = Some(by);
                    stop.cancel();
                }
            }
        };
        let made = tokio::select! {
            made = self.maker.make(id, method, began_at, job) => made,
            never = beating => never,
        };
        let cancelled_by = cancelled_by.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ending = match (made, cancelled_by) {
            (Ok(made), _) => Ending::Made(made),
            (Err(BackupError::Cancelled), Some(by)) => Ending::Cancelled { by },
            (Err(BackupError::Cancelled), None) => Ending::Failed(
                "The console was stopped while it made it. Nothing of this run counts as a backup. Make one now if the next scheduled run is too far off."
                    .to_owned(),
            ),
            (Err(error), _) => Ending::Failed(error.to_string()),
        };
        // The last that it said.
        let _ = self.beat(id, &progress).await;
        self.write_end(id, method, &ending).await;
    }

    /// Says how far a run is. What can't be written down now is written down the next time: a backup goes on without the record.
    async fn beat(&self, id: Uuid, progress: &Progress) -> Option<Option<String>> {
        let reading = progress.read();
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let beat = Beat {
            alive_for_s: LEASE.as_seconds_f64(),
            phase: &reading.phase,
            done_bytes: bytes(reading.done_bytes),
            total_bytes: reading.total_bytes.map(bytes),
            command: &reading.command,
            exit_code: reading.exit_code,
            log: &reading.log,
        };
        match db::within(DB_LIMIT, rows::beat(&self.pool, id, &beat)).await {
            Ok(known) => known,
            Err(error) => {
                tracing::debug!(%error, "how far a backup is can't be written down");
                None
            }
        }
    }

    async fn write_end(&self, id: Uuid, method: Method, ending: &Ending) {
        let since = Instant::now();
        loop {
            match self.try_to_write_end(id, method, ending).await {
                Ok(()) => return,
                Err(error) => {
                    let limit = if self.stop.is_cancelled() {
                        LAST_WORDS
                    } else {
                        RECORDING
                    };
                    if !error.is_unavailable() || since.elapsed() >= limit {
                        tracing::error!(%id, error = &error as &dyn std::error::Error, "how a backup ended can't be written down");
                        return;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_to_write_end(&self, id: Uuid, method: Method, ending: &Ending) -> Result<(), RunError> {
        let detail = Detail::none().with("method", method.label());
        let (state, error, backup, action, outcome, detail) = match ending {
            Ending::Made(made) => (
                "succeeded",
                None,
                Some(made.name.as_str()),
                Action::BackupRunSucceeded,
                Outcome::Succeeded,
                detail
                    .with("backup", made.name.as_str())
                    .with("bytes", made.bytes.to_string()),
            ),
            Ending::Failed(error) => (
                "failed",
                Some(error.as_str()),
                None,
                Action::BackupRunFailed,
                Outcome::Failed,
                detail.with("error", short(error)),
            ),
            Ending::Cancelled { by } => (
                "cancelled",
                None,
                None,
                Action::BackupRunCancelled,
                Outcome::Succeeded,
                detail.with("by", by.as_str()),
            ),
        };
        let event = self.events.event(
            &Origin::default(),
            Actor::System,
            action,
            object(id),
            outcome,
            detail,
        );
        within(async {
            let mut transaction = self.pool.begin().await?;
            if rows::end(&mut *transaction, id, (state, self.clock.now()), error, backup).await? {
                audit::append(&mut transaction, &event).await?;
            }
            Ok(transaction.commit().await?)
        })
        .await
    }
}

fn object(id: Uuid) -> Object {
    Object::new("backup_run", id)
}

/// A text that fits into the audit log.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(SAID).collect();
    if short.len() < text.len() {
        let _ = write!(short, "\u{2026}");
    }
    short
}

async fn within<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    match tokio::time::timeout(DB_LIMIT, work).await {
        Ok(done) => done,
        Err(_) => Err(DbError::Unavailable(sqlx::Error::PoolTimedOut).into()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
