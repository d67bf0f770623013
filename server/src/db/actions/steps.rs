//! The table `action_steps`.

use serde_json::Value;
use sqlx::{FromRow, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// A row of `quarterdeck.action_steps`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct StepRow {
    pub position: i32,
    pub name: String,
    pub state: String,
    pub started_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
    pub detail: String,
    pub data: Value,
}

/// The steps of an action that were begun, in order.
///
/// # Errors
/// [`DbError`].
pub async fn steps_of(executor: impl PgExecutor<'_>, action: Uuid) -> Result<Vec<StepRow>, DbError> {
    Ok(sqlx::query_as(
        "select position, name, state, started_at, ended_at, detail, data
         from quarterdeck.action_steps where action_id = $1 order by position",
    )
    .bind(action)
    .fetch_all(executor)
    .await?)
}

/// Writes down that a step begins, if the worker still has the action; answers whether it has. Only the worker itself
/// can say it twice, because it did not hear the answer: one worker ever gets an action, and does a step once.
///
/// # Errors
/// [`DbError`].
pub async fn begin_step(
    executor: impl PgExecutor<'_>,
    (action, worker): (Uuid, Uuid),
    position: i32,
    name: &str,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into quarterdeck.action_steps (action_id, position, name, state, started_at)
         select id, $3, $4, 'running', $5 from quarterdeck.actions
         where id = $1 and state = 'executing' and (state_data ->> 'worker')::uuid = $2
         for share
         on conflict (action_id, position) do update set started_at = excluded.started_at",
    )
    .bind(action)
    .bind(worker)
    .bind(position)
    .bind(name)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Writes down a step that was done while the database was away, as it was.
///
/// # Errors
/// [`DbError`].
pub async fn insert_step(executor: impl PgExecutor<'_>, action: Uuid, step: &StepRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.action_steps (action_id, position, name, state, started_at, ended_at, detail, data)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(action)
    .bind(step.position)
    .bind(&step.name)
    .bind(&step.state)
    .bind(step.started_at)
    .bind(step.ended_at)
    .bind(&step.detail)
    .bind(&step.data)
    .execute(executor)
    .await?;
    Ok(())
}

/// Writes down how a step ended: `done`, `failed` or `unknown`.
///
/// # Errors
/// [`DbError`].
pub async fn end_step(
    executor: impl PgExecutor<'_>,
    (action, position): (Uuid, i32),
    state: &str,
    detail: &str,
    data: &Value,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.action_steps set state = $3, detail = $4, data = $5, ended_at = $6
         where action_id = $1 and position = $2 and state = 'running'",
    )
    .bind(action)
    .bind(position)
    .bind(state)
    .bind(detail)
    .bind(data)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}

/// Writes down that nobody knows how the step that is running ended.
///
/// # Errors
/// [`DbError`].
pub async fn leave_step_open(
    executor: impl PgExecutor<'_>,
    action: Uuid,
    detail: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.action_steps set state = 'unknown', detail = $2, ended_at = $3
         where action_id = $1 and state = 'running'",
    )
    .bind(action)
    .bind(detail)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}
