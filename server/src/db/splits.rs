//! The table `split_brains`: times at which several nodes took writes at once.

use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// Begins an occurrence; answers whether none was open.
///
/// # Errors
/// [`DbError`].
pub async fn begin(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    primaries: &[String],
    at: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "insert into quarterdeck.split_brains (id, primaries, began_at) values ($1, $2, $3) on conflict do nothing",
    )
    .bind(id)
    .bind(primaries)
    .bind(at)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the occurrence that is open; answers its nodes, if there was one.
///
/// # Errors
/// [`DbError`].
pub async fn end(executor: impl PgExecutor<'_>, at: OffsetDateTime) -> Result<Option<Vec<String>>, DbError> {
    Ok(sqlx::query_scalar(
        "update quarterdeck.split_brains set ended_at = $1 where ended_at is null returning primaries",
    )
    .bind(at)
    .fetch_optional(executor)
    .await?)
}
