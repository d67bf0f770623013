//! The table `backup_verifications`: what each look into a copy has found.

use sqlx::{FromRow, PgExecutor, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// What was checked: "size and checksum of dump/skillquest-20261129T020000Z.dump".
    pub check: String,
    /// What is wrong; none if nothing is.
    pub wrong: Option<String>,
}

/// A row of `quarterdeck.backup_verifications`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct VerificationRow {
    pub id: Uuid,
    pub backup: String,
    pub asked_by: Option<String>,
    pub began_at: OffsetDateTime,
    pub ended_at: OffsetDateTime,
    pub condition: String,
    pub findings: Json<Vec<Finding>>,
}

/// Writes one down.
///
/// # Errors
/// [`DbError`].
pub async fn insert(executor: impl PgExecutor<'_>, row: &VerificationRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.backup_verifications (id, backup, asked_by, began_at, ended_at, condition, findings)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.id)
    .bind(&row.backup)
    .bind(&row.asked_by)
    .bind(row.began_at)
    .bind(row.ended_at)
    .bind(&row.condition)
    .bind(&row.findings)
    .execute(executor)
    .await?;
    Ok(())
}

/// Those of a copy, the newest first.
///
/// # Errors
/// [`DbError`].
pub async fn of(executor: impl PgExecutor<'_>, backup: &str) -> Result<Vec<VerificationRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, backup, asked_by, began_at, ended_at, condition, findings
           from quarterdeck.backup_verifications where backup = $1 order by began_at desc limit 50",
    )
    .bind(backup)
    .fetch_all(executor)
    .await?)
}

/// The kept copy that is to be verified next: one that never was, the newest first; then one that was verified before `before` and was
/// not looked into since `again`, the one of longest ago first. A copy that could not be looked into is left alone until `again`.
///
/// # Errors
/// [`DbError`].
pub async fn due(
    executor: impl PgExecutor<'_>,
    before: OffsetDateTime,
    again: OffsetDateTime,
) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select b.name from quarterdeck.backups b
          where b.gone_at is null and (b.verified_at is null or b.verified_at < $1 or b.condition = 'unverified')
            and not exists (select from quarterdeck.backup_verifications v where v.backup = b.name and v.began_at >= $2)
          order by b.verified_at nulls first, b.stored_at desc limit 1",
    )
    .bind(before)
    .bind(again)
    .fetch_optional(executor)
    .await?)
}
