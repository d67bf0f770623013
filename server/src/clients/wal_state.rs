//! What a primary says of its write-ahead log: how far it is, what waits to be archived, and how its archiver does.

use quarterdeck_domain::{
    backup::{SegmentName, SegmentSize},
    cluster::Lsn,
};
use sqlx::{PgConnection, Row};
use time::OffsetDateTime;

use super::node_connection::{NodeConnection, NodeError};

/// What a primary says of its write-ahead log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalState {
    /// The node's name in the configuration.
    pub node: String,
    /// Identifies the cluster.
    pub system_identifier: i64,
    /// The server's own clock.
    pub clock: OffsetDateTime,
    /// The timeline it writes.
    pub timeline: i32,
    /// How far it has written.
    pub insert_lsn: Lsn,
    /// Goes up with each transaction that wrote and ended: of the statement's own snapshot, the first number that isn't given yet, less
    /// those that are still under way.
    pub ended: i64,
    /// The size of its segments.
    pub segment_size: SegmentSize,
    /// After how many seconds a segment that isn't full is finished; 0 for never.
    pub archive_timeout_s: i32,
    /// Whether it archives at all.
    pub archives: bool,
    /// The segments that wait to be archived; none if its role may not see them.
    pub ready: Option<Vec<SegmentName>>,
    /// The last segment that was archived, and when.
    pub last_archived: Option<(String, OffsetDateTime)>,
    /// The last failure, if nothing was archived since: which segment, and when.
    pub failing: Option<(String, OffsetDateTime)>,
}

/// A role without `pg_monitor` may not look into `archive_status`: told apart before the question is asked.
const STATE: &str = "select
        (select system_identifier from pg_control_system()) as system_identifier,
        clock_timestamp() as clock,
        ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int as timeline,
        pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as insert_bytes,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            - (select count(*) from pg_snapshot_xip(pg_current_snapshot())) as ended,
        (select setting::bigint from pg_settings where name = 'wal_segment_size') as segment_bytes,
        (select setting::int from pg_settings where name = 'archive_timeout') as archive_timeout_s,
        current_setting('archive_mode') <> 'off' as archives,
        has_function_privilege('pg_catalog.pg_ls_archive_statusdir()', 'execute') as may_list,
        last_archived_wal, last_archived_time, last_failed_wal, last_failed_time,
        last_failed_time is not null and (last_archived_time is null or last_failed_time > last_archived_time) as failing
    from pg_stat_archiver";

const READY: &str =
    "select substr(name, 1, 24) from pg_ls_archive_statusdir() where name ~ '^[0-9A-F]{24}\\.ready$'";

/// Asks a node that takes writes.
///
/// # Errors
/// [`NodeError`]; a standby refuses.
pub async fn ask(node: &NodeConnection) -> Result<WalState, NodeError> {
    let name = node.name().to_owned();
    node.run(move |connection| Box::pin(state(connection, name.clone())))
        .await
}

async fn state(connection: &mut PgConnection, node: String) -> Result<WalState, sqlx::Error> {
    let row = sqlx::query(STATE).fetch_one(&mut *connection).await?;
    let segment_bytes: i64 = row.try_get("segment_bytes")?;
    let segment_size =
        SegmentSize::new(segment_bytes.unsigned_abs()).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let ready = if row.try_get("may_list")? {
        let names: Vec<String> = sqlx::query_scalar(READY).fetch_all(connection).await?;
        let read = |name: &String| SegmentName::parse(name, segment_size).ok();
        Some(names.iter().filter_map(read).collect())
    } else {
        None
    };
    let insert_bytes: i64 = row.try_get("insert_bytes")?;
    Ok(WalState {
        node,
        system_identifier: row.try_get("system_identifier")?,
        clock: row.try_get("clock")?,
        timeline: row.try_get("timeline")?,
        insert_lsn: Lsn::from_bytes(insert_bytes.unsigned_abs()),
        ended: row.try_get("ended")?,
        segment_size,
        archive_timeout_s: row.try_get("archive_timeout_s")?,
        archives: row.try_get("archives")?,
        ready,
        last_archived: named(
            row.try_get("last_archived_wal")?,
            row.try_get("last_archived_time")?,
        ),
        failing: if row.try_get("failing")? {
            named(row.try_get("last_failed_wal")?, row.try_get("last_failed_time")?)
        } else {
            None
        },
    })
}

fn named(segment: Option<String>, at: Option<OffsetDateTime>) -> Option<(String, OffsetDateTime)> {
    segment.zip(at)
}
