//! The table `policy_versions`.

use quarterdeck_domain::action::{Digest, Policy};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};
use time::OffsetDateTime;

use super::digest;
use crate::db::DbError;

/// Serialises consoles that start together with a new policy.
const POLICY_LOCK: i64 = 0x7175_706f_6c69_6379;

/// A row of `quarterdeck.policy_versions`.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct PolicyRow {
    pub version: i64,
    pub document: Json<Policy>,
    digest: Vec<u8>,
    pub since: OffsetDateTime,
}

impl PolicyRow {
    /// Its digest.
    ///
    /// # Errors
    /// When the column does not hold 32 bytes.
    pub fn digest(&self) -> Result<Digest, DbError> {
        digest(&self.digest)
    }
}

/// Holds other consoles off until the caller's transaction ends.
///
/// # Errors
/// [`DbError`].
pub async fn lock_policy(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(POLICY_LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// The newest version.
///
/// # Errors
/// [`DbError`].
pub async fn current_policy(executor: impl PgExecutor<'_>) -> Result<Option<PolicyRow>, DbError> {
    Ok(sqlx::query_as(
        "select version, document, digest, since from quarterdeck.policy_versions order by version desc limit 1",
    )
    .fetch_optional(executor)
    .await?)
}

/// Adds a version and answers its number.
///
/// # Errors
/// [`DbError`].
pub async fn insert_policy(
    connection: &mut PgConnection,
    policy: &Policy,
    digest: Digest,
    now: OffsetDateTime,
) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "insert into quarterdeck.policy_versions (document, digest, since) values ($1, $2, $3) returning version",
    )
    .bind(Json(policy))
    .bind(digest.as_bytes().as_slice())
    .bind(now)
    .fetch_one(connection)
    .await?)
}
