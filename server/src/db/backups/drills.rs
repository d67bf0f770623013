//! The table `drills`: restores that were done to see that they can be, and how long they took.

use quarterdeck_domain::backup::drill::{Check, StepTaken};
use sqlx::{AssertSqlSafe, FromRow, PgExecutor, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// A row of `quarterdeck.drills`.
#[derive(Debug, Clone, PartialEq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct DrillRow {
    pub id: Uuid,
    pub backup: String,
    pub method: String,
    pub target_at: Option<OffsetDateTime>,
    pub origin: String,
    pub scheduled_for: Option<OffsetDateTime>,
    pub asked_by: Option<String>,
    pub host: String,
    pub state: String,
    pub began_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
    pub alive_until: OffsetDateTime,
    pub cancel_asked_by: Option<String>,
    pub steps: Json<Vec<StepTaken>>,
    pub checks: Json<Vec<Check>>,
    pub backup_bytes: Option<i64>,
    pub wal_bytes: Option<i64>,
    pub cluster_bytes: Option<i64>,
    pub log: String,
    pub error: Option<String>,
}

const COLUMNS: &str = "id, backup, method, target_at, origin, scheduled_for, asked_by, host, state, began_at, ended_at, alive_until, \
    cancel_asked_by, steps, checks, backup_bytes, wal_bytes, cluster_bytes, log, error";

/// Begins one. Answers false if another one runs, or this time of the schedule was done already.
///
/// # Errors
/// [`DbError`].
pub async fn begin(executor: impl PgExecutor<'_>, row: &DrillRow) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into quarterdeck.drills (id, backup, method, target_at, origin, scheduled_for, asked_by, host, state, began_at, alive_until)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9, $10) on conflict do nothing",
    )
    .bind(row.id)
    .bind(&row.backup)
    .bind(&row.method)
    .bind(row.target_at)
    .bind(&row.origin)
    .bind(row.scheduled_for)
    .bind(&row.asked_by)
    .bind(&row.host)
    .bind(row.began_at)
    .bind(row.alive_until)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says that it still goes on, and how far it is. Answers who asked that it ends, if somebody did; `None` in the outer place if it is
/// not running any more.
///
/// # Errors
/// [`DbError`].
pub async fn alive(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    until: OffsetDateTime,
    steps: &[StepTaken],
) -> Result<Option<Option<String>>, DbError> {
    Ok(sqlx::query_scalar(
        "update quarterdeck.drills set alive_until = $2, steps = $3 where id = $1 and state = 'running' returning cancel_asked_by",
    )
    .bind(id)
    .bind(until)
    .bind(Json(steps))
    .fetch_optional(executor)
    .await?)
}

/// Ends one with everything that came of it. Answers false if it was ended otherwise meanwhile.
///
/// # Errors
/// [`DbError`].
pub async fn end(executor: impl PgExecutor<'_>, row: &DrillRow) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.drills
            set state = $2, ended_at = $3, steps = $4, checks = $5, backup_bytes = $6, wal_bytes = $7, cluster_bytes = $8, log = $9, error = $10
          where id = $1 and state = 'running'",
    )
    .bind(row.id)
    .bind(&row.state)
    .bind(row.ended_at)
    .bind(&row.steps)
    .bind(&row.checks)
    .bind(row.backup_bytes)
    .bind(row.wal_bytes)
    .bind(row.cluster_bytes)
    .bind(&row.log)
    .bind(&row.error)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Asks that a running one ends. Answers false if it does not run, or somebody asked already.
///
/// # Errors
/// [`DbError`].
pub async fn ask_to_cancel(executor: impl PgExecutor<'_>, id: Uuid, by: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.drills set cancel_asked_by = $2 where id = $1 and state = 'running' and cancel_asked_by is null",
    )
    .bind(id)
    .bind(by)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends those whose console is gone, and answers with their ids.
///
/// # Errors
/// [`DbError`].
pub async fn lose(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update quarterdeck.drills
            set state = 'lost', ended_at = $1,
                error = 'The console that did it is gone. It proves nothing, and nothing is left to do: begin another one.'
          where state = 'running' and alive_until < $1 returning id",
    )
    .bind(now)
    .fetch_all(executor)
    .await?)
}

/// The last ones, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn recent(executor: impl PgExecutor<'_>, limit: i64) -> Result<Vec<DrillRow>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.drills order by began_at desc limit $1"
    )))
    .bind(limit)
    .fetch_all(executor)
    .await?)
}

/// Those of a copy, the newest first; at most 50.
///
/// # Errors
/// [`DbError`].
pub async fn of(executor: impl PgExecutor<'_>, backup: &str) -> Result<Vec<DrillRow>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.drills where backup = $1 order by began_at desc limit 50"
    )))
    .bind(backup)
    .fetch_all(executor)
    .await?)
}

/// When the last one of each method ended that succeeded.
///
/// # Errors
/// [`DbError`].
pub async fn last_succeeded(executor: impl PgExecutor<'_>) -> Result<Vec<(String, OffsetDateTime)>, DbError> {
    Ok(sqlx::query_as(
        "select method, max(ended_at) from quarterdeck.drills where state = 'succeeded' and ended_at is not null group by method",
    )
    .fetch_all(executor)
    .await?)
}

/// One of them.
///
/// # Errors
/// [`DbError`].
pub async fn by_id(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<DrillRow>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.drills where id = $1"
    )))
    .bind(id)
    .fetch_optional(executor)
    .await?)
}

/// Whether there was one of a method for this time of the schedule.
///
/// # Errors
/// [`DbError`].
pub async fn had(
    executor: impl PgExecutor<'_>,
    method: &str,
    scheduled_for: OffsetDateTime,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from quarterdeck.drills where method = $1 and scheduled_for = $2)",
    )
    .bind(method)
    .bind(scheduled_for)
    .fetch_one(executor)
    .await?)
}
