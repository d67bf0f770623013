//! Asks a node of the watched PostgreSQL cluster all that the topology shows: its part and positions, who streams from
//! it, what it receives, its slots and its archiver.

use std::sync::Arc;

use quarterdeck_domain::cluster::{
    Archiver, Follower, Lsn, NodeSight, NodeState, Part, PrimaryState, Receiver, Slot, StandbyState,
};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    node_connection::{NodeConnection, NodeError},
    postgres_node::{permitted, system_identifier},
};

/// One row, whatever the node is. Functions that only one kind of node may call stand in branches that are not evaluated
/// on the other. Positions come as bytes from the beginning of the WAL, ages in ms on the node's own clock.
const STATE: &str = "
SELECT pg_is_in_recovery() AS in_recovery,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see,
       current_user::text AS role,
       current_setting('server_version_num')::int / 10000 AS version,
       (SELECT reset_val::bool FROM pg_settings WHERE name = 'default_transaction_read_only') AS read_only,
       current_setting('synchronous_standby_names') AS synchronous_standby_names,
       CASE WHEN NOT pg_is_in_recovery()
            THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
            ELSE (SELECT received_tli FROM pg_stat_wal_receiver) END AS timeline,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0')::bigint END AS flushed,
       CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint END AS received,
       CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END AS replayed,
       CASE WHEN pg_is_in_recovery()
            THEN (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint
            END AS last_transaction_age_ms,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS replay_paused,
       r.status AS receiver_status, r.sender_host, r.sender_port, nullif(r.slot_name, '') AS receiver_slot,
       (extract(epoch FROM clock_timestamp() - r.last_msg_receipt_time) * 1000)::bigint AS last_message_age_ms,
       pg_wal_lsn_diff(r.latest_end_lsn, '0/0')::bigint AS reported,
       current_setting('archive_mode') AS archive_mode,
       a.last_archived_wal,
       (extract(epoch FROM clock_timestamp() - a.last_archived_time) * 1000)::bigint AS last_archived_age_ms,
       (extract(epoch FROM clock_timestamp() - a.last_failed_time) * 1000)::bigint AS last_failed_age_ms,
       (SELECT max((extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS oldest_transaction_ms,
       EXISTS (SELECT FROM pg_stat_progress_basebackup) AS base_backup
  FROM (SELECT 1) AS one
  LEFT JOIN pg_stat_wal_receiver AS r ON true
  LEFT JOIN pg_stat_archiver AS a ON true";

const FOLLOWERS: &str = "
SELECT application_name, host(client_addr) AS address, state, sync_state,
       pg_wal_lsn_diff(sent_lsn, '0/0')::bigint AS sent,
       pg_wal_lsn_diff(flush_lsn, '0/0')::bigint AS flushed,
       pg_wal_lsn_diff(replay_lsn, '0/0')::bigint AS replayed,
       (extract(epoch FROM replay_lag) * 1000)::bigint AS replay_lag_ms,
       (extract(epoch FROM clock_timestamp() - reply_time) * 1000)::bigint AS reply_age_ms
  FROM pg_stat_replication ORDER BY application_name, pid";

/// What a slot keeps is counted to where the node writes, or has received.
const SLOTS: &str = "
SELECT slot_name, active, wal_status,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
                       restart_lsn)::bigint AS retained_bytes
  FROM pg_replication_slots ORDER BY slot_name";

/// A standby that receives nothing knows its timeline from its last restart point alone.
const CHECKPOINT_TIMELINE: &str = "SELECT timeline_id FROM pg_control_checkpoint()";

/// One watched node, for the topology.
#[derive(Debug, Clone)]
pub struct ClusterNode {
    connection: Arc<NodeConnection>,
}

impl ClusterNode {
    /// Over a node's connection.
    #[must_use]
    pub const fn new(connection: Arc<NodeConnection>) -> Self {
        Self { connection }
    }

    /// Looks at it. What can't be asked is part of the answer.
    pub async fn look(&self) -> NodeSight {
        let said = self.connection.run(|connection| Box::pin(read(connection))).await;
        let said = said.and_then(|said| said);
        NodeSight {
            name: self.connection.name().to_owned(),
            refuses: matches!(
                said,
                Err(NodeError::Refused { .. } | NodeError::NotPermitted { .. })
            ),
            answer: said.map_err(|error| error.to_string()),
        }
    }
}

async fn read(connection: &mut PgConnection) -> Result<Result<NodeState, NodeError>, sqlx::Error> {
    let row = sqlx::query(STATE).fetch_one(&mut *connection).await?;
    if !row.try_get::<bool, _>("may_see")? {
        return Ok(Err(NodeError::NotPermitted {
            role: row.try_get("role")?,
        }));
    }
    let slots = sqlx::query(SLOTS).fetch_all(&mut *connection).await?;
    let system_identifier = system_identifier(connection).await?;
    let timeline = match row.try_get("timeline")? {
        Some(timeline) => Some(timeline),
        None => permitted(
            sqlx::query_scalar(CHECKPOINT_TIMELINE)
                .fetch_one(&mut *connection)
                .await,
        )?,
    };
    let part = if row.try_get("in_recovery")? {
        Part::Standby(standby(&row)?)
    } else {
        let followers = sqlx::query(FOLLOWERS).fetch_all(&mut *connection).await?;
        Part::Primary(PrimaryState {
            flushed: lsn(&row, "flushed")?.unwrap_or_default(),
            followers: followers.iter().map(follower).collect::<Result<_, _>>()?,
            synchronous_standby_names: row.try_get("synchronous_standby_names")?,
            oldest_transaction_ms: row.try_get("oldest_transaction_ms")?,
            base_backup: row.try_get("base_backup")?,
        })
    };
    Ok(Ok(NodeState {
        system_identifier,
        version: row.try_get("version")?,
        timeline,
        read_only: row.try_get("read_only")?,
        part,
        slots: slots.iter().map(slot).collect::<Result<_, _>>()?,
        archiver: archiver(&row)?,
    }))
}

fn lsn(row: &PgRow, column: &str) -> Result<Option<Lsn>, sqlx::Error> {
    let bytes: Option<i64> = row.try_get(column)?;
    Ok(bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .map(Lsn::from_bytes))
}

fn standby(row: &PgRow) -> Result<StandbyState, sqlx::Error> {
    let status: Option<String> = row.try_get("receiver_status")?;
    let receiver = match status {
        None => None,
        Some(status) => Some(Receiver {
            status,
            sender_host: row.try_get("sender_host")?,
            sender_port: row.try_get("sender_port")?,
            slot: row.try_get("receiver_slot")?,
            last_message_age_ms: row.try_get("last_message_age_ms")?,
            reported: lsn(row, "reported")?,
        }),
    };
    Ok(StandbyState {
        received: lsn(row, "received")?,
        replayed: lsn(row, "replayed")?,
        receiver,
        last_transaction_age_ms: row.try_get("last_transaction_age_ms")?,
        replay_paused: row.try_get("replay_paused")?,
        synchronous_standby_names: row.try_get("synchronous_standby_names")?,
    })
}

fn follower(row: &PgRow) -> Result<Follower, sqlx::Error> {
    Ok(Follower {
        application: row.try_get("application_name")?,
        address: row.try_get("address")?,
        state: row.try_get("state")?,
        sync_state: row.try_get("sync_state")?,
        sent: lsn(row, "sent")?,
        flushed: lsn(row, "flushed")?,
        replayed: lsn(row, "replayed")?,
        replay_lag_ms: row.try_get("replay_lag_ms")?,
        reply_age_ms: row.try_get("reply_age_ms")?,
    })
}

fn slot(row: &PgRow) -> Result<Slot, sqlx::Error> {
    Ok(Slot {
        name: row.try_get("slot_name")?,
        active: row.try_get("active")?,
        wal_status: row.try_get("wal_status")?,
        retained_bytes: row.try_get("retained_bytes")?,
    })
}

fn archiver(row: &PgRow) -> Result<Option<Archiver>, sqlx::Error> {
    let archives = match row.try_get::<&str, _>("archive_mode")? {
        "off" => false,
        "always" => true,
        // `on`: a standby leaves it to the primary.
        _ => !row.try_get::<bool, _>("in_recovery")?,
    };
    if !archives {
        return Ok(None);
    }
    Ok(Some(Archiver {
        last_archived: row.try_get("last_archived_wal")?,
        last_archived_age_ms: row.try_get("last_archived_age_ms")?,
        last_failed_age_ms: row.try_get("last_failed_age_ms")?,
    }))
}
