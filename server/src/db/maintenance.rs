//! The table `maintenance`: what is known of maintenance mode, in one row.

use quarterdeck_domain::maintenance::{Held, Known, Mode, Sight, Switching};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, PgExecutor, types::Json};
use time::OffsetDateTime;

use super::DbError;

/// What was seen at a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The mode, by all that was seen.
    pub mode: Mode,
    /// Each place: its name, the mode there, what stands there.
    pub places: Vec<(String, Mode, String)>,
    /// What the probes saw.
    pub sights: Vec<Sight>,
}

/// The row.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct MaintenanceRow {
    pub mode: String,
    pub since: Option<OffsetDateTime>,
    pub elsewhere: bool,
    pub held: Option<Json<Held>>,
    pub switching: Option<Json<Switching>>,
    pub changed_at: Option<OffsetDateTime>,
    pub end_told_at: Option<OffsetDateTime>,
    pub overrun_told_at: Option<OffsetDateTime>,
    pub look: Option<Json<Look>>,
}

impl MaintenanceRow {
    /// What is known.
    ///
    /// # Errors
    /// [`DbError::Unreadable`] for a mode that this version does not know.
    pub fn known(&self) -> Result<Known, DbError> {
        let mode = Mode::parse(&self.mode)
            .ok_or_else(|| DbError::Unreadable(format!("maintenance is {:?}", self.mode)))?;
        Ok(Known {
            mode,
            since: self.since,
            elsewhere: self.elsewhere,
            held: self.held.as_ref().map(|held| held.0.clone()),
            switching: self.switching.as_ref().map(|switching| switching.0.clone()),
            changed_at: self.changed_at,
        })
    }
}

/// Reads the row.
///
/// # Errors
/// [`DbError`].
pub async fn read(executor: impl PgExecutor<'_>) -> Result<MaintenanceRow, DbError> {
    Ok(sqlx::query_as("select * from quarterdeck.maintenance")
        .fetch_one(executor)
        .await?)
}

/// Reads the row and keeps it from others until the transaction ends.
///
/// # Errors
/// [`DbError`].
pub async fn lock(transaction: &mut PgConnection) -> Result<MaintenanceRow, DbError> {
    Ok(sqlx::query_as("select * from quarterdeck.maintenance for update")
        .fetch_one(transaction)
        .await?)
}

/// Writes what is known. A maintenance other than the one before has not been told about yet.
///
/// # Errors
/// [`DbError`].
pub async fn write(transaction: &mut PgConnection, known: &Known) -> Result<(), DbError> {
    sqlx::query(
        "update quarterdeck.maintenance set
            end_told_at = case when held ->> 'action' is not distinct from $4 ->> 'action' then end_told_at end,
            overrun_told_at = case when held ->> 'action' is not distinct from $4 ->> 'action' then overrun_told_at end,
            mode = $1, since = $2, elsewhere = $3, held = $4, switching = $5, changed_at = $6",
    )
    .bind(known.mode.as_str())
    .bind(known.since)
    .bind(known.elsewhere)
    .bind(known.held.as_ref().map(Json))
    .bind(known.switching.as_ref().map(Json))
    .bind(known.changed_at)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Keeps what was seen.
///
/// # Errors
/// [`DbError`].
pub async fn keep_look(executor: impl PgExecutor<'_>, look: &Look) -> Result<(), DbError> {
    sqlx::query("update quarterdeck.maintenance set look = $1")
        .bind(Json(look))
        .execute(executor)
        .await?;
    Ok(())
}

/// Notes that people were told of the end, near or over.
///
/// # Errors
/// [`DbError`].
pub async fn note_told(
    transaction: &mut PgConnection,
    overrun: bool,
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let statement = if overrun {
        "update quarterdeck.maintenance set end_told_at = coalesce(end_told_at, $1), overrun_told_at = $1"
    } else {
        "update quarterdeck.maintenance set end_told_at = $1"
    };
    sqlx::query(statement).bind(at).execute(transaction).await?;
    Ok(())
}

/// Whether an action is being executed.
///
/// # Errors
/// [`DbError`].
pub async fn is_executing(executor: impl PgExecutor<'_>, action: uuid::Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from quarterdeck.actions where id = $1 and state = 'executing')",
    )
    .bind(action)
    .fetch_one(executor)
    .await?)
}
