//! Restore drills: whether what is kept can be restored, and how long that takes.

mod restore;

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    backup::{Answer, Manifest, Method, SegmentSize, Timeline, drill},
};
use sqlx::{PgPool, types::Json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::restore::{Course, Restore, Restored};
use super::watch::{BackupWatch, Look};
use crate::{
    clients::backup_programs::{Target, WorkDirectory},
    clock::Clock,
    config::backups::DrillConfig,
    db::{
        DbError,
        backups::drills::{self, DrillRow},
    },
    entropy::Entropy,
    services::audit::{self, AuditError, EventMaker, Origin},
};

/// A drill says this often that it still goes on.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// One that did not for so long is lost.
const LOST_AFTER: time::Duration = time::Duration::seconds(30);

/// Which backup is restored, and to where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DrillOf {
    /// The newest dump.
    NewestDump,
    /// A dump, by its name.
    Dump(String),
    /// A base backup and WAL, to the newest commit or to an instant.
    Base(Option<OffsetDateTime>),
}

/// Who wants a drill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedBy {
    /// The schedule, for one of its times.
    Schedule(OffsetDateTime),
    /// A person.
    Person(Actor),
}

/// Why there is no drill.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Another one runs.
    #[error(
        "Another drill runs, or this one was done already. One at a time: they share a machine. Wait until it is over."
    )]
    Busy,
    /// There is nothing to restore.
    #[error("{0}")]
    Nothing(String),
    /// It can't be recorded.
    #[error("Nothing was begun: the console's own database does not take the record of it.")]
    Unrecorded(#[from] DbError),
    /// It can't be recorded in the audit log.
    #[error("Nothing was begun: the console's own database does not take the record of it.")]
    Unaudited(#[from] AuditError),
}

/// What [`Drills`] are made of.
#[derive(Debug)]
pub struct DrillsParts {
    /// What is kept.
    pub watch: Arc<BackupWatch>,
    /// When, and how much of the machine they may take.
    pub config: DrillConfig,
    /// The nodes, for what is there now.
    pub targets: Vec<Target>,
    /// The console's own database.
    pub pool: PgPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
    /// Events for the audit log.
    pub events: EventMaker,
    /// This machine's name.
    pub host: String,
}

/// Restore drills.
#[derive(Debug)]
pub struct Drills {
    parts: DrillsParts,
    stop: CancellationToken,
}

impl Drills {
    /// With these parts; `stop` ends the one that runs.
    #[must_use]
    pub fn new(parts: DrillsParts, stop: CancellationToken) -> Self {
        Self { parts, stop }
    }

    /// When they are done.
    #[must_use]
    pub fn config(&self) -> &DrillConfig {
        &self.parts.config
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.parts.clock.now()
    }

    /// Whether there was one of a method for this time of the schedule.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn had(&self, method: Method, scheduled_for: OffsetDateTime) -> Result<bool, DbError> {
        drills::had(&self.parts.pool, method.key(), scheduled_for).await
    }

    /// Begins one, which goes on by itself. What it will restore is written down before it begins.
    ///
    /// # Errors
    /// [`DrillError`]: nothing was begun.
    pub async fn begin(
        self: &Arc<Self>,
        of: &DrillOf,
        by: &AskedBy,
        origin: &Origin,
    ) -> Result<Uuid, DrillError> {
        let look = self.parts.watch.looked().await;
        let choice = choose(of, &look).map_err(DrillError::Nothing)?;
        let now = self.parts.clock.now();
        let (scheduled_for, asked_by, actor) = match by {
            AskedBy::Schedule(at) => (Some(*at), None, Actor::System),
            AskedBy::Person(person) => (
                None,
                Some(person.name().unwrap_or_default().to_owned()),
                person.clone(),
            ),
        };
        let row = DrillRow {
            id: self.parts.entropy.uuid(now),
            backup: choice.backup().to_owned(),
            method: choice.method().key().to_owned(),
            target_at: match of {
                DrillOf::NewestDump | DrillOf::Dump(_) => None,
                DrillOf::Base(target) => *target,
            },
            origin: if scheduled_for.is_some() {
                "schedule"
            } else {
                "request"
            }
            .to_owned(),
            scheduled_for,
            asked_by,
            host: self.parts.host.clone(),
            state: "running".to_owned(),
            began_at: now,
            ended_at: None,
            alive_until: now + LOST_AFTER,
            cancel_asked_by: None,
            steps: Json(Vec::new()),
            checks: Json(Vec::new()),
            backup_bytes: None,
            wal_bytes: None,
            cluster_bytes: None,
            log: String::new(),
            error: None,
        };
        let detail = Detail::none().with("backup", row.backup.as_str());
        let event = self.parts.events.event(
            origin,
            actor,
            Action::DrillBegun,
            Object::new("drill", row.id),
            Outcome::Succeeded,
            detail,
        );
        let mut transaction = self.parts.pool.begin().await.map_err(DbError::from)?;
        if !drills::begin(&mut *transaction, &row).await? {
            return Err(DrillError::Busy);
        }
        audit::append(&mut transaction, &event).await?;
        transaction.commit().await.map_err(DbError::from)?;
        let id = row.id;
        tokio::spawn(Arc::clone(self).run(row, choice, look));
        Ok(id)
    }

    /// Ends drills whose console is gone.
    ///
    /// # Errors
    /// [`AuditError`] when that can't be recorded.
    pub async fn lose(&self) -> Result<(), AuditError> {
        let mut transaction = self.parts.pool.begin().await.map_err(DbError::from)?;
        for id in drills::lose(&mut *transaction, self.parts.clock.now()).await? {
            let event = self.parts.events.event(
                &Origin::default(),
                Actor::System,
                Action::DrillEnded,
                Object::new("drill", id),
                Outcome::Failed,
                Detail::none().with("state", "lost"),
            );
            audit::append(&mut transaction, &event).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        Ok(())
    }

    /// Asks that a running one ends, whichever console does it. Answers false if it does not run, or somebody asked already.
    ///
    /// # Errors
    /// [`AuditError`] when that can't be recorded.
    pub async fn cancel(&self, id: Uuid, person: Actor, origin: &Origin) -> Result<bool, AuditError> {
        let mut transaction = self.parts.pool.begin().await.map_err(DbError::from)?;
        if !drills::ask_to_cancel(&mut *transaction, id, person.name().unwrap_or_default()).await? {
            return Ok(false);
        }
        let event = self.parts.events.event(
            origin,
            person,
            Action::DrillCancelled,
            Object::new("drill", id),
            Outcome::Succeeded,
            Detail::none(),
        );
        audit::append(&mut transaction, &event).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(true)
    }

    async fn run(self: Arc<Self>, mut row: DrillRow, choice: Choice, look: Arc<Look>) {
        let course = Course::new(Arc::clone(&self.parts.clock));
        let ended = {
            let work = self.restore(&row, &choice, &look, &course);
            tokio::pin!(work);
            let mut heartbeat = tokio::time::interval(HEARTBEAT);
            let time_is_over = tokio::time::sleep(Duration::from_secs(self.parts.config.limit_s));
            tokio::pin!(time_is_over);
            loop {
                tokio::select! {
                    ended = &mut work => break Ended::ByItself(ended),
                    () = self.stop.cancelled() => break Ended::Cancelled("the console stops".to_owned()),
                    () = &mut time_is_over => break Ended::ByItself(Err(format!(
                        "It was not done after {} s and was ended. Raise backups.drill.limit_s if that is not enough.",
                        self.parts.config.limit_s
                    ))),
                    _ = heartbeat.tick() => {
                        let until = self.parts.clock.now() + LOST_AFTER;
                        match drills::alive(&self.parts.pool, row.id, until, &course.steps()).await {
                            Ok(Some(Some(person))) => break Ended::Cancelled(format!("{person} wanted it ended")),
                            // Somebody took it for lost: what it still finds would count for nothing.
                            Ok(None) => break Ended::Cancelled("it was taken for lost".to_owned()),
                            // Away for a moment; if for longer, it is lost, and the end can't be written either.
                            Ok(Some(None)) | Err(_) => {}
                        }
                    }
                }
            }
        };
        row.ended_at = Some(self.parts.clock.now());
        row.steps = Json(course.steps());
        match ended {
            Ended::Cancelled(why) => {
                row.state = "cancelled".to_owned();
                row.log = why;
            }
            Ended::ByItself(Err(error)) => {
                row.state = "failed".to_owned();
                row.error = Some(error);
            }
            Ended::ByItself(Ok(restored)) => {
                let failed = restored.checks.iter().filter(|check| !check.passed).count();
                if drill::succeeded(&restored.checks) {
                    row.state = "succeeded".to_owned();
                } else {
                    row.state = "failed".to_owned();
                    // What is wrong in one place says more than that something is.
                    let wrong = || restored.checks.iter().filter(|check| !check.passed);
                    let first = wrong()
                        .find(|check| check.name != drill::SUMMARY)
                        .or_else(|| wrong().next());
                    let first = first.map_or_else(String::new, |check| {
                        format!(" {}: {} instead of {}.", check.name, check.found, check.expected)
                    });
                    row.error = Some(format!(
                        "It was restored, and {failed} checks say that it is not what it should be.{first} This backup can't be relied on."
                    ));
                }
                row.checks = Json(restored.checks);
                row.backup_bytes = signed(restored.backup_bytes);
                row.wal_bytes = signed(restored.wal_bytes);
                row.cluster_bytes = signed(restored.cluster_bytes);
                row.log = restored.log;
            }
        }
        if let Err(error) = self.end(&row).await {
            tracing::warn!(
                drill = %row.id,
                error = &error as &dyn std::error::Error,
                "what came of a restore drill can't be recorded; it counts as lost"
            );
        }
    }

    async fn restore(
        &self,
        row: &DrillRow,
        choice: &Choice,
        look: &Look,
        course: &Course,
    ) -> Result<Restored, String> {
        let watch = &self.parts.watch;
        let directory = &watch.config().directory;
        let work = WorkDirectory::new(directory, row.id).map_err(|error| {
            format!(
                "{} can't be used: {error}. Check backups.directory.",
                directory.display()
            )
        })?;
        let restore = Restore {
            watch,
            config: &self.parts.config,
            targets: &self.parts.targets,
            look,
            work: work.path(),
            course,
        };
        match choice {
            Choice::Dump { manifest, .. } => restore.dump(manifest).await,
            Choice::Base {
                manifest,
                timeline,
                target,
                certain_to,
                ..
            } => restore.base(manifest, *timeline, *target, *certain_to).await,
        }
    }

    async fn end(&self, row: &DrillRow) -> Result<(), AuditError> {
        let mut transaction = self.parts.pool.begin().await.map_err(DbError::from)?;
        if drills::end(&mut *transaction, row).await? {
            let outcome = if row.state == "succeeded" {
                Outcome::Succeeded
            } else {
                Outcome::Failed
            };
            let detail = Detail::none()
                .with("backup", row.backup.as_str())
                .with("state", row.state.as_str());
            let detail = match &row.error {
                Some(error) => detail.with("error", error.chars().take(500).collect::<String>()),
                None => detail,
            };
            let event = self.parts.events.event(
                &Origin::default(),
                Actor::System,
                Action::DrillEnded,
                Object::new("drill", row.id),
                outcome,
                detail,
            );
            audit::append(&mut transaction, &event).await?;
        }
        transaction.commit().await.map_err(DbError::from)?;
        Ok(())
    }
}

/// How a drill ended.
enum Ended {
    /// It was done, or failed.
    ByItself(Result<Restored, String>),
    /// Somebody or something ended it.
    Cancelled(String),
}

/// What is restored.
#[derive(Debug)]
enum Choice {
    Dump {
        name: String,
        manifest: Box<Manifest>,
    },
    Base {
        name: String,
        manifest: Box<Manifest>,
        timeline: Timeline,
        target: Option<OffsetDateTime>,
        /// Without a target: the newest commit that has to come back.
        certain_to: OffsetDateTime,
    },
}

impl Choice {
    fn backup(&self) -> &str {
        match self {
            Self::Dump { name, .. } | Self::Base { name, .. } => name,
        }
    }

    const fn method(&self) -> Method {
        match self {
            Self::Dump { .. } => Method::Dump,
            Self::Base { .. } => Method::Base,
        }
    }
}

/// Chooses what is restored out of what is kept.
fn choose(of: &DrillOf, look: &Look) -> Result<Choice, String> {
    let manifest = |name: &str| {
        let inventory = look
            .inventory
            .as_ref()
            .map_err(|error| format!("The store can't be looked into: {error}."))?;
        let copy = inventory
            .copies
            .iter()
            .find(|copy| copy.name == name)
            .ok_or_else(|| format!("There is no backup {name}."))?;
        let manifest = copy.manifest.clone().ok_or_else(|| {
            format!("{name} has no manifest, so it is not known what it should hold: it can't be drilled, only verified.")
        })?;
        Ok::<_, String>(Box::new(manifest))
    };
    let dump = |name: &str| {
        Ok(Choice::Dump {
            name: name.to_owned(),
            manifest: manifest(name)?,
        })
    };
    match of {
        DrillOf::Dump(name) => dump(name),
        DrillOf::NewestDump => {
            let inventory = look.inventory.iter().flat_map(|inventory| &inventory.copies);
            let dumps = inventory.filter(|copy| {
                copy.method == Method::Dump && copy.manifest.is_some() && copy.damage.is_none()
            });
            let newest = dumps
                .max_by_key(|copy| copy.stored_at)
                .ok_or("There is no dump yet. Make one first.")?;
            dump(&newest.name)
        }
        DrillOf::Base(None) => {
            let span = look
                .map
                .newest_span()
                .ok_or("There is no base backup with WAL after it yet. Take a base backup first.")?;
            let base = span.bases.last().ok_or("There is no base backup yet.")?;
            Ok(Choice::Base {
                name: base.id.clone(),
                manifest: manifest(&base.id)?,
                timeline: span.timeline,
                target: None,
                certain_to: span.certain_to,
            })
        }
        DrillOf::Base(Some(at)) => match look.map.answer(*at) {
            Answer::Replay { base, timeline, .. } | Answer::Branch { base, timeline, .. } => {
                Ok(Choice::Base {
                    name: base.id.clone(),
                    manifest: manifest(&base.id)?,
                    timeline,
                    target: Some(*at),
                    certain_to: *at,
                })
            }
            answer @ (Answer::Exactly { .. } | Answer::Unreachable { .. }) => {
                let size = look
                    .primary
                    .as_ref()
                    .map_or(SegmentSize::DEFAULT, |state| state.segment_size);
                Err(answer.words(*at, size))
            }
        },
    }
}

fn signed(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}
