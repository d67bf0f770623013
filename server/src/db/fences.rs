//! The table `fences`: nodes that were the primary and must not take writes any more.

use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// A row of `quarterdeck.fences`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct FenceRow {
    pub id: Uuid,
    pub node: String,
    pub action_id: Uuid,
    /// The action's number, for people.
    pub number: i64,
    /// Whether the action is a switchover, which makes the node read-only itself.
    pub planned: bool,
    pub new_primary: String,
    pub ordered_at: OffsetDateTime,
    pub promoted_at: Option<i64>,
    pub timeline: Option<i32>,
    pub enforced_at: Option<OffsetDateTime>,
    pub lost_bytes: Option<i64>,
    pub lost_transactions: Option<i64>,
    pub measured_at: Option<OffsetDateTime>,
}

/// The orders that hold.
///
/// # Errors
/// [`DbError`].
pub async fn open(executor: impl PgExecutor<'_>) -> Result<Vec<FenceRow>, DbError> {
    Ok(sqlx::query_as(
        "select f.id, f.node, f.action_id, a.number, a.kind = 'switchover' as planned, f.new_primary, f.ordered_at, f.promoted_at, f.timeline, f.enforced_at, f.lost_bytes,
                f.lost_transactions, f.measured_at
           from quarterdeck.fences f join quarterdeck.actions a on a.id = f.action_id
          where f.lifted_at is null order by f.ordered_at",
    )
    .fetch_all(executor)
    .await?)
}

/// Orders that a node takes no writes any more. An earlier order for it gives way.
///
/// # Errors
/// [`DbError`].
pub async fn order(connection: &mut PgConnection, row: &FenceRow) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.fences set lifted_at = $2, lifted = 'a later order' where node = $1 and lifted_at is null and id <> $3 and ordered_at <= $2",
    )
    .bind(&row.node)
    .bind(row.ordered_at)
    .bind(row.id)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into quarterdeck.fences (id, node, action_id, new_primary, ordered_at, promoted_at, timeline) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (id) do update set promoted_at = excluded.promoted_at, timeline = excluded.timeline",
    )
    .bind(row.id)
    .bind(&row.node)
    .bind(row.action_id)
    .bind(&row.new_primary)
    .bind(row.ordered_at)
    .bind(row.promoted_at)
    .bind(row.timeline)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that the node was found taking writes and was kept from it; answers whether nobody had noted it yet.
///
/// # Errors
/// [`DbError`].
pub async fn note_enforced(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let done =
        sqlx::query("update quarterdeck.fences set enforced_at = $2 where id = $1 and enforced_at is null")
            .bind(id)
            .bind(at)
            .execute(executor)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes what only the node has; answers whether nobody had noted it yet.
///
/// # Errors
/// [`DbError`].
pub async fn note_measured(
    executor: impl PgExecutor<'_>,
    (id, at): (Uuid, OffsetDateTime),
    (bytes, transactions): (i64, Option<i64>),
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.fences set measured_at = $2, lost_bytes = $3, lost_transactions = $4 where id = $1 and measured_at is null",
    )
    .bind(id)
    .bind(at)
    .bind(bytes)
    .bind(transactions)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lifts an order; answers whether it held.
///
/// # Errors
/// [`DbError`].
pub async fn lift(
    executor: impl PgExecutor<'_>,
    (id, at): (Uuid, OffsetDateTime),
    why: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update quarterdeck.fences set lifted_at = $2, lifted = $3 where id = $1 and lifted_at is null",
    )
    .bind(id)
    .bind(at)
    .bind(why)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
