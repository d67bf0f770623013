//! Backends as the node has them, and as rows.

use std::net::IpAddr;

use quarterdeck_domain::database::{
    Backend, BackendId, BackendKind, BackendState, QueryText, Signaller, WaitEvent,
};
use sqlx::{Row, postgres::PgRow};
use time::OffsetDateTime;

/// One row a backend that may be seen, without the server's own fixed processes.
///
/// `pg_blocking_pids` takes the lock manager's locks, so it is asked only of those who wait for a lock. Of a query, no
/// more is taken than a person reads; the server cuts between characters, so a cut text may be up to three bytes short
/// of the limit.
macro_rules! backends {
    () => {
        "
SELECT moment.at, a.pid, a.backend_start, a.backend_type, a.usename::text AS username, a.usesysid,
       coalesce(r.rolsuper, false) AS user_is_superuser, a.datname::text AS database,
       coalesce(a.application_name, '') AS application, host(a.client_addr) AS address, a.state,
       left(a.query, 8192) AS query,
       coalesce(octet_length(a.query) >= pg_size_bytes(current_setting('track_activity_query_size')) - 4
                OR length(a.query) > 8192, false) AS truncated,
       a.query_start, a.xact_start, a.state_change, a.wait_event_type, a.wait_event,
       CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) ELSE '{}' END AS blocked_by,
       a.leader_pid, b.pid IS NOT NULL AS sends_base_backup, a.pid = pg_backend_pid() AS is_asker
  FROM (SELECT clock_timestamp() AS at OFFSET 0) AS moment
 CROSS JOIN pg_catalog.pg_stat_activity AS a
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
  LEFT JOIN pg_catalog.pg_stat_progress_basebackup AS b ON b.pid = a.pid
 WHERE (a.usesysid IS NOT NULL OR a.datid IS NOT NULL)"
    };
}

/// Every backend.
pub(super) const ALL: &str = concat!(backends!(), " AND a.backend_start IS NOT NULL");

/// The backend `$1`, by its pid.
pub(super) const OF_PID: &str = concat!(backends!(), " AND a.backend_start IS NOT NULL AND a.pid = $1");

/// Clients of the application `$1` as the role `$2` that connected after `$3`.
pub(super) const COME_SINCE: &str = concat!(
    backends!(),
    " AND a.backend_type = 'client backend' AND a.application_name = $1 AND a.usename = $2 AND a.backend_start > $3
    ORDER BY a.backend_start"
);

pub(super) use backends;

/// Reads a row.
pub(super) fn backend(row: &PgRow) -> Result<Backend, sqlx::Error> {
    let query: Option<String> = row.try_get("query")?;
    let truncated = row.try_get("truncated")?;
    let kind: Option<String> = row.try_get("wait_event_type")?;
    let event: Option<String> = row.try_get("wait_event")?;
    let address: Option<String> = row.try_get("address")?;
    Ok(Backend {
        id: BackendId::new(row.try_get("pid")?, row.try_get("backend_start")?),
        kind: BackendKind::read(
            row.try_get::<Option<String>, _>("backend_type")?
                .as_deref()
                .unwrap_or_default(),
        ),
        user: row.try_get("username")?,
        user_is_superuser: row.try_get("user_is_superuser")?,
        database: row.try_get("database")?,
        application: row.try_get("application")?,
        address: address.and_then(|text| text.parse::<IpAddr>().ok()),
        state: BackendState::read(row.try_get::<Option<String>, _>("state")?.as_deref()),
        query: query
            .filter(|text| !text.is_empty())
            .map(|text| QueryText { text, truncated }),
        query_started_at: row.try_get::<Option<OffsetDateTime>, _>("query_start")?,
        transaction_started_at: row.try_get("xact_start")?,
        state_changed_at: row.try_get("state_change")?,
        wait: kind.zip(event).map(|(kind, event)| WaitEvent { kind, event }),
        blocked_by: row.try_get("blocked_by")?,
        leader_pid: row.try_get("leader_pid")?,
        sends_base_backup: row.try_get("sends_base_backup")?,
        is_asker: row.try_get("is_asker")?,
    })
}

/// Reads the console's role from a row that has it.
pub(super) fn signaller(row: &PgRow) -> Result<Signaller, sqlx::Error> {
    Ok(Signaller {
        role: row.try_get("role")?,
        superuser: row.try_get("superuser")?,
        may_signal: row.try_get("may_signal")?,
        sees_all: row.try_get("sees_all")?,
    })
}
