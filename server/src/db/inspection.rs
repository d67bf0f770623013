//! What `quarterdeck doctor` asks the console's own database about itself.

use sqlx::{FromRow, PgConnection};

use super::DbError;

/// The server, and what the connected role is to the audit log.
#[derive(Debug, Clone, FromRow)]
pub struct InspectionRow {
    /// Major version of the server.
    pub major_version: i32,
    /// The server's clock, Unix ms.
    pub clock_ms: i64,
    /// The connected role.
    pub role: String,
    /// Whether it may do anything, triggers or not.
    pub is_superuser: bool,
    /// Whether it owns the audit log, itself or through a role that it belongs to, and so could drop its triggers.
    pub owns_audit_log: bool,
}

/// Asks.
///
/// # Errors
/// When the database does not answer.
pub async fn inspect(connection: &mut PgConnection) -> Result<InspectionRow, DbError> {
    Ok(sqlx::query_as(
        "select current_setting('server_version_num')::int / 10000 as major_version,
                (extract(epoch from clock_timestamp()) * 1000)::bigint as clock_ms,
                current_user::text as role,
                (select rolsuper from pg_roles where rolname = current_user) as is_superuser,
                coalesce((select pg_has_role(current_user, relowner, 'member') from pg_class
                           where oid = to_regclass('quarterdeck.audit_events')), false) as owns_audit_log",
    )
    .fetch_one(connection)
    .await?)
}
