//! The table `signing_keys`.

use sqlx::{FromRow, PgConnection, PgExecutor};
use time::OffsetDateTime;

use super::DbError;

/// Serialises rotation, so that consoles that find the key too old at the same time make one new key, not several.
const ROTATION_LOCK: i64 = 0x7175_6172_6b65_7973;

/// A signing key, as stored.
#[derive(Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct SigningKeyRow {
    pub kid: String,
    pub secret: Vec<u8>,
    pub created_at: OffsetDateTime,
    pub verify_until: OffsetDateTime,
}

/// Without the secret.
impl std::fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRow")
            .field("kid", &self.kid)
            .field("created_at", &self.created_at)
            .field("verify_until", &self.verify_until)
            .finish_non_exhaustive()
    }
}

/// The keys whose tokens may still be accepted, the newest first.
pub async fn live(executor: impl PgExecutor<'_>, now: OffsetDateTime) -> Result<Vec<SigningKeyRow>, DbError> {
    Ok(sqlx::query_as(
        "select * from quarterdeck.signing_keys where verify_until > $1 order by created_at desc, kid desc",
    )
    .bind(now)
    .fetch_all(executor)
    .await?)
}

/// Makes the caller the only one who rotates, until its transaction ends.
pub async fn lock_rotation(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(ROTATION_LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds a key.
pub async fn insert(connection: &mut PgConnection, key: &SigningKeyRow) -> Result<(), DbError> {
    sqlx::query(
        "insert into quarterdeck.signing_keys (kid, secret, created_at, verify_until) values ($1, $2, $3, $4)",
    )
    .bind(&key.kid)
    .bind(&key.secret)
    .bind(key.created_at)
    .bind(key.verify_until)
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes the keys whose tokens have all expired.
pub async fn prune(connection: &mut PgConnection, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query("delete from quarterdeck.signing_keys where verify_until <= $1")
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}
