//! The lines of the audit log about an action.

use sqlx::{FromRow, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::db::DbError;

/// A line about an action, without its text.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RecordRow {
    pub seq: i64,
    pub recorded_at: OffsetDateTime,
    pub actor_kind: String,
    pub actor_name: Option<String>,
    pub action: String,
    pub outcome: String,
}

/// The lines about an action, in order.
///
/// # Errors
/// [`DbError`].
pub async fn records_of(executor: impl PgExecutor<'_>, action: Uuid) -> Result<Vec<RecordRow>, DbError> {
    Ok(sqlx::query_as(
        "select seq, recorded_at, actor_kind, actor_name, action, outcome from quarterdeck.audit_events
         where object_kind = 'action' and object_id = $1 order by seq",
    )
    .bind(action.to_string())
    .fetch_all(executor)
    .await?)
}
