//! The tables `primary_positions` and `recovery_points`: where the primary was, and how far back one could return.

use sqlx::{FromRow, PgExecutor};
use time::OffsetDateTime;

use crate::db::DbError;

/// A row of `quarterdeck.primary_positions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct PositionRow {
    pub at: OffsetDateTime,
    pub timeline: i64,
    pub insert_lsn: i64,
    pub ended: i64,
}

/// A row of `quarterdeck.recovery_points`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct PointRow {
    pub at: OffsetDateTime,
    pub reachable_at: Option<OffsetDateTime>,
    pub exposed_ms: Option<i64>,
    pub standby_ms: Option<i64>,
    pub note: Option<String>,
}

/// Notes where the primary is.
///
/// # Errors
/// [`DbError`].
pub async fn add_position(executor: impl PgExecutor<'_>, row: &PositionRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.primary_positions (at, timeline, insert_lsn, ended) values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(row.at)
    .bind(row.timeline)
    .bind(row.insert_lsn)
    .bind(row.ended)
    .execute(executor)
    .await?;
    Ok(())
}

/// Where the primary was since `since`, in the order of time.
///
/// # Errors
/// [`DbError`].
pub async fn positions(
    executor: impl PgExecutor<'_>,
    since: OffsetDateTime,
) -> Result<Vec<PositionRow>, DbError> {
    Ok(sqlx::query_as(
        "select at, timeline, insert_lsn, ended from quarterdeck.primary_positions where at >= $1 order by at",
    )
    .bind(since)
    .fetch_all(executor)
    .await?)
}

/// Forgets where the primary was before `before`, but the last of it: what was written until then is still to be judged by it.
///
/// # Errors
/// [`DbError`].
pub async fn forget_positions(executor: impl PgExecutor<'_>, before: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query(
        "delete from quarterdeck.primary_positions
          where at < (select max(at) from quarterdeck.primary_positions where at < $1)",
    )
    .bind(before)
    .execute(executor)
    .await?;
    Ok(())
}

/// Notes how far back one could return.
///
/// # Errors
/// [`DbError`].
pub async fn add(executor: impl PgExecutor<'_>, row: &PointRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.recovery_points (at, reachable_at, exposed_ms, standby_ms, note) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
    )
    .bind(row.at)
    .bind(row.reachable_at)
    .bind(row.exposed_ms)
    .bind(row.standby_ms)
    .bind(&row.note)
    .execute(executor)
    .await?;
    Ok(())
}

/// The worst of each `bucket` seconds since `since`, in the order of time: unknown if it was unknown once in it.
///
/// # Errors
/// [`DbError`].
pub async fn worst_by_bucket(
    executor: impl PgExecutor<'_>,
    since: OffsetDateTime,
    bucket_s: i32,
) -> Result<Vec<PointRow>, DbError> {
    Ok(sqlx::query_as(
        "select distinct on (date_bin(make_interval(secs => $2), at, 'epoch')) at, reachable_at, exposed_ms, standby_ms, note
           from quarterdeck.recovery_points where at >= $1
          order by date_bin(make_interval(secs => $2), at, 'epoch'), exposed_ms desc nulls first",
    )
    .bind(since)
    .bind(f64::from(bucket_s))
    .fetch_all(executor)
    .await?)
}

/// Forgets what was before `before`.
///
/// # Errors
/// [`DbError`].
pub async fn forget(executor: impl PgExecutor<'_>, before: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("delete from quarterdeck.recovery_points where at < $1")
        .bind(before)
        .execute(executor)
        .await?;
    Ok(())
}
