//! The table `journals`: how far each console's local journal is in the audit log.

use quarterdeck_domain::audit::{Head, Sha256Hash};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::DbError;

/// How far a journal was taken over, locked until the caller's transaction ends. `genesis` is what stands for one that is
/// new.
///
/// # Errors
/// [`DbError`].
pub async fn lock(
    connection: &mut PgConnection,
    journal: Uuid,
    genesis: Head,
    now: OffsetDateTime,
) -> Result<Head, DbError> {
    sqlx::query(
        "insert into quarterdeck.journals (id, seq, hash, merged_at) values ($1, $2, $3, $4) on conflict (id) do nothing",
    )
    .bind(journal)
    .bind(signed(genesis.seq)?)
    .bind(genesis.hash.0.as_slice())
    .bind(now)
    .execute(&mut *connection)
    .await?;
    let row = sqlx::query_as("select seq, hash from quarterdeck.journals where id = $1 for update")
        .bind(journal)
        .fetch_one(connection)
        .await?;
    head(journal, row)
}

/// How far a journal was taken over; none if nothing was.
///
/// # Errors
/// [`DbError`].
pub async fn place(executor: impl PgExecutor<'_>, journal: Uuid) -> Result<Option<Head>, DbError> {
    let row = sqlx::query_as("select seq, hash from quarterdeck.journals where id = $1")
        .bind(journal)
        .fetch_optional(executor)
        .await?;
    row.map(|row| head(journal, row)).transpose()
}

fn head(journal: Uuid, (seq, hash): (i64, Vec<u8>)) -> Result<Head, DbError> {
    let unreadable = || DbError::Unreadable(format!("the place of journal {journal}"));
    Ok(Head {
        seq: u64::try_from(seq).map_err(|_| unreadable())?,
        hash: Sha256Hash::try_from(hash.as_slice()).map_err(|_| unreadable())?,
    })
}

/// Writes down how far a journal was taken over.
///
/// # Errors
/// [`DbError`].
pub async fn advance(
    connection: &mut PgConnection,
    journal: Uuid,
    to: Head,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.journals set seq = $2, hash = $3, merged_at = $4 where id = $1")
        .bind(journal)
        .bind(signed(to.seq)?)
        .bind(to.hash.0.as_slice())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

fn signed(seq: u64) -> Result<i64, DbError> {
    i64::try_from(seq).map_err(|_| DbError::Unreadable(format!("line {seq} of a journal")))
}
