//! The table `outbox`: what people are to be told.

use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// A row of `quarterdeck.outbox`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct OutboxRow {
    pub id: i64,
    pub action_id: Uuid,
    pub topic: String,
    pub channel: String,
    pub payload: Value,
    pub created_at: OffsetDateTime,
    pub attempts: i32,
    pub next_attempt_at: OffsetDateTime,
    pub delivered_at: Option<OffsetDateTime>,
    pub dead_at: Option<OffsetDateTime>,
    pub last_error: Option<String>,
}

/// Puts one message a channel into the outbox, in the transaction of what it tells.
///
/// # Errors
/// [`DbError`].
pub async fn enqueue(
    connection: &mut PgConnection,
    action: Uuid,
    topic: &str,
    channels: &[&str],
    payload: &Value,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.outbox (action_id, topic, channel, payload, created_at, next_attempt_at)
         select $1, $2, channel, $4, $5, $5 from unnest($3::text[]) as channels (channel)",
    )
    .bind(action)
    .bind(topic)
    .bind(channels)
    .bind(payload)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// The messages about an action, the oldest first.
///
/// # Errors
/// [`DbError`].
pub async fn outbox_of(executor: impl PgExecutor<'_>, action: Uuid) -> Result<Vec<OutboxRow>, DbError> {
    Ok(
        sqlx::query_as("select * from quarterdeck.outbox where action_id = $1 order by id")
            .bind(action)
            .fetch_all(executor)
            .await?,
    )
}

/// Takes messages of a channel that are due, and holds them until `held`: another console leaves them alone meanwhile, and
/// takes them up after it if this one dies.
///
/// # Errors
/// [`DbError`].
pub async fn take_due(
    executor: impl PgExecutor<'_>,
    channel: &str,
    now: OffsetDateTime,
    held: OffsetDateTime,
    limit: i64,
) -> Result<Vec<OutboxRow>, DbError> {
    Ok(sqlx::query_as(
        "update quarterdeck.outbox set attempts = attempts + 1, next_attempt_at = $3
         where id in (
             select id from quarterdeck.outbox
             where channel = $1 and next_attempt_at <= $2 and delivered_at is null and dead_at is null
             order by id limit $4 for update skip locked
         )
         returning *",
    )
    .bind(channel)
    .bind(now)
    .bind(held)
    .bind(limit)
    .fetch_all(executor)
    .await?)
}

/// Writes down that a message was taken.
///
/// # Errors
/// [`DbError`].
pub async fn delivered(executor: impl PgExecutor<'_>, id: i64, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.outbox set delivered_at = $2, last_error = null where id = $1")
        .bind(id)
        .bind(now)
        .execute(executor)
        .await?;
    Ok(())
}

/// Writes down that a message was not taken, and when it is tried again; never, if `next` is none.
///
/// # Errors
/// [`DbError`].
pub async fn undelivered(
    executor: impl PgExecutor<'_>,
    id: i64,
    error: &str,
    next: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.outbox
         set last_error = $2, next_attempt_at = coalesce($3, next_attempt_at),
             dead_at = case when $3::timestamptz is null then $4::timestamptz end
         where id = $1",
    )
    .bind(id)
    .bind(error)
    .bind(next)
    .bind(now)
    .execute(executor)
    .await?;
    Ok(())
}
