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
