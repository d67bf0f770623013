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
    pub action_id: Option<Uuid>,
    pub topic: String,
    pub channel: String,
    pub payload: Value,
    pub created_at: OffsetDateTime,
    pub attempts: i32,
    pub next_attempt_at: OffsetDateTime,
    pub delivered_at: Option<OffsetDateTime>,
    pub dead_at: Option<OffsetDateTime>,
    pub last_error: Option<String>,
    pub recipient: Option<Uuid>,
    /// User name of the recipient.
    pub recipient_name: Option<String>,
    /// Where the recipient reads e-mail now; none if the account has no address, or is disabled.
    pub recipient_email: Option<String>,
}

/// By what way a message goes, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressed {
    /// To the one receiver.
    Webhook,
    /// To the person with this account.
    Email(Uuid),
}

impl Addressed {
    /// The name of the way, as in the column `channel`.
    const fn channel(self) -> &'static str {
        match self {
            Self::Webhook => WEBHOOK,
            Self::Email(_) => EMAIL,
        }
    }

    const fn recipient(self) -> Option<Uuid> {
        match self {
            Self::Webhook => None,
            Self::Email(account) => Some(account),
        }
    }
}

/// The channel of messages to the one receiver.
pub const WEBHOOK: &str = "webhook";
/// The channel of messages to a person.
pub const EMAIL: &str = "email";

/// Puts messages into the outbox, in the transaction of what they tell.
///
/// # Errors
/// [`DbError`].
pub async fn enqueue(
    connection: &mut PgConnection,
    action: Option<Uuid>,
    topic: &str,
    addressed: &[Addressed],
    payload: &Value,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let (channels, recipients): (Vec<_>, Vec<_>) = addressed
        .iter()
        .map(|addressed| (addressed.channel(), addressed.recipient()))
        .unzip();
    sqlx::query(
        "insert into quarterdeck.outbox (action_id, topic, channel, recipient, payload, created_at, next_attempt_at)
         select $1, $2, channel, recipient, $5, $6, $6
         from unnest($3::text[], $4::uuid[]) as addressed (channel, recipient)",
    )
    .bind(action)
    .bind(topic)
    .bind(channels)
    .bind(recipients)
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
        sqlx::query_as(
            "select message.*, account.username as recipient_name, account.email as recipient_email
             from quarterdeck.outbox as message left join quarterdeck.users as account on account.id = message.recipient
             where message.action_id = $1 order by message.id",
        )
        .bind(action)
        .fetch_all(executor)
        .await?,
    )
}

/// Takes the oldest message of a channel that is due, and holds it until `held`: another console leaves it alone meanwhile,
/// and takes it up after that if this one dies.
///
/// # Errors
/// [`DbError`].
pub async fn take_due(
    executor: impl PgExecutor<'_>,
    channel: &str,
    now: OffsetDateTime,
    held: OffsetDateTime,
) -> Result<Option<OutboxRow>, DbError> {
    Ok(sqlx::query_as(
        "with taken as (
             update quarterdeck.outbox set attempts = attempts + 1, next_attempt_at = $3
             where id = (
                 select id from quarterdeck.outbox
                 where channel = $1 and next_attempt_at <= $2 and delivered_at is null and dead_at is null
                 order by id limit 1 for update skip locked
             )
             returning *
         )
         select taken.*, account.username as recipient_name, account.email as recipient_email
         from taken left join quarterdeck.users as account
             on account.id = taken.recipient and account.disabled_at is null",
    )
    .bind(channel)
    .bind(now)
    .bind(held)
    .fetch_optional(executor)
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
