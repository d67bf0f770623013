//! The table `backup_runs`: what made backups, or tried to.

use quarterdeck_domain::backup::Method;
use sqlx::{AssertSqlSafe, FromRow, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// A row of `quarterdeck.backup_runs`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RunRow {
    pub id: Uuid,
    pub method: String,
    pub origin: String,
    pub scheduled_for: Option<OffsetDateTime>,
    pub asked_by: Option<String>,
    pub host: String,
    pub state: String,
    pub began_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
    pub alive_until: OffsetDateTime,
    pub cancel_asked_by: Option<String>,
    pub phase: String,
    pub done_bytes: i64,
    pub total_bytes: Option<i64>,
    pub command: String,
    pub exit_code: Option<i32>,
    pub log: String,
    pub error: Option<String>,
    pub backup: Option<String>,
}

const COLUMNS: &str = "id, method, origin, scheduled_for, asked_by, host, state, began_at, ended_at, alive_until, cancel_asked_by, phase, done_bytes, total_bytes, command, exit_code, log, error, backup";

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct Beat<'a> {
    /// For how long it counts as alive from now on, by the database's clock: consoles' own may differ.
    pub alive_for_s: f64,
    /// What it does, in words.
    pub phase: &'a str,
    /// Bytes of that which are done.
    pub done_bytes: i64,
    /// Bytes there will be, where it is known.
    pub total_bytes: Option<i64>,
    /// Programs and arguments.
    pub command: &'a str,
    /// Exit code of the last program that has ended.
    pub exit_code: Option<i32>,
    /// What programs said.
    pub log: &'a str,
}

/// Writes a run down, which counts as alive for `alive_for_s` by the database's clock; answers whether that was possible: not while another one of its method goes on, and not for a time of the
/// schedule that had its run.
///
/// # Errors
/// [`DbError`].
pub async fn insert(executor: impl PgExecutor<'_>, row: &RunRow, alive_for_s: f64) -> Result<bool, DbError> {
    let done = sqlx::query(AssertSqlSafe(format!(
        "insert into quarterdeck.backup_runs ({COLUMNS})
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10), $11, $12, $13, $14, $15, $16, $17, $18, $19)
         on conflict do nothing"
    )))
    .bind(row.id)
    .bind(&row.method)
    .bind(&row.origin)
    .bind(row.scheduled_for)
    .bind(&row.asked_by)
    .bind(&row.host)
    .bind(&row.state)
    .bind(row.began_at)
    .bind(row.ended_at)
    .bind(alive_for_s)
    .bind(&row.cancel_asked_by)
    .bind(&row.phase)
    .bind(row.done_bytes)
    .bind(row.total_bytes)
    .bind(&row.command)
    .bind(row.exit_code)
    .bind(&row.log)
    .bind(&row.error)
    .bind(&row.backup)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes how far a run is, and answers whether somebody wants it ended: who. None if it does not count as running any more.
///
/// # Errors
/// [`DbError`].
pub async fn beat(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    beat: &Beat<'_>,
) -> Result<Option<Option<String>>, DbError> {
    Ok(sqlx::query_scalar(
        "update quarterdeck.backup_runs
            set alive_until = now() + make_interval(secs => $2), phase = $3, done_bytes = $4, total_bytes = $5, command = $6, exit_code = $7, log = $8
          where id = $1 and state = 'running' returning cancel_asked_by",
    )
    .bind(id)
    .bind(beat.alive_for_s)
    .bind(beat.phase)
    .bind(beat.done_bytes)
    .bind(beat.total_bytes)
    .bind(beat.command)
    .bind(beat.exit_code)
    .bind(beat.log)
    .fetch_optional(executor)
    .await?)
}

/// Ends a run; answers whether it went on, or had been given up for lost.
///
/// # Errors
/// [`DbError`].
pub async fn end(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    (state, at): (&str, OffsetDateTime),
    error: Option<&str>,
    backup: Option<&str>,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.backup_runs set state = $2, ended_at = $3, error = $4, backup = $5
          where id = $1 and state in ('running', 'lost')",
    )
    .bind(id)
    .bind(state)
    .bind(at)
    .bind(error)
    .bind(backup)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives up for lost what its console does not look after any more, and answers with it.
///
/// # Errors
/// [`DbError`].
pub async fn lose(
    executor: impl PgExecutor<'_>,
    at: OffsetDateTime,
    error: &str,
) -> Result<Vec<RunRow>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "update quarterdeck.backup_runs set state = 'lost', ended_at = $1, error = $2
          where state = 'running' and origin <> 'outside' and alive_until < now() returning {COLUMNS}"
    )))
    .bind(at)
    .bind(error)
    .fetch_all(executor)
    .await?)
}

/// Notes that somebody wants a run ended; answers whether it goes on and nobody had wanted that yet.
///
/// # Errors
/// [`DbError`].
pub async fn ask_cancel(executor: impl PgExecutor<'_>, id: Uuid, by: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.backup_runs set cancel_asked_by = $2 where id = $1 and state = 'running' and cancel_asked_by is null",
    )
    .bind(id)
    .bind(by)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// One run.
///
/// # Errors
/// [`DbError`].
pub async fn by_id(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<RunRow>, DbError> {
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from quarterdeck.backup_runs where id = $1"
    )))
    .bind(id)
    .fetch_optional(executor)
    .await?)
}

/// The last runs that began at `since` or later, the newest first, without their logs.
///
/// # Errors
/// [`DbError`].
pub async fn recent(
    executor: impl PgExecutor<'_>,
    since: OffsetDateTime,
    limit: i64,
) -> Result<Vec<RunRow>, DbError> {
    let columns = COLUMNS.replace(" log,", " '' as log,");
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "select {columns} from quarterdeck.backup_runs where began_at >= $1 order by began_at desc, id desc limit $2"
    )))
    .bind(since)
    .bind(limit)
    .fetch_all(executor)
    .await?)
}

/// Whether a method has had its run for this time of its schedule.
///
/// # Errors
/// [`DbError`].
pub async fn had(
    executor: impl PgExecutor<'_>,
    method: Method,
    scheduled_for: OffsetDateTime,
) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from quarterdeck.backup_runs where method = $1 and scheduled_for = $2)",
    )
    .bind(method.key())
    .bind(scheduled_for)
    .fetch_one(executor)
    .await?)
}
