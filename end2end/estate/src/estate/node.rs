//! One of the two PostgreSQL nodes. Both have the same settings, so that each can take the other's part; which it
//! has, its data directory says.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::EstateConfig;
use super::archive;
use super::ports::Ports;
use crate::error::PartError;
use crate::node::{NodeName, NodeState};
use crate::parts::{PATIENCE, Postgres, PostgresOptions, program};
use crate::process::{RunAs, lock, run_tool};

/// How a node is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meant {
    Up,
    Down,
    Fenced,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: NodeName,
    pub(super) postgres: Postgres,
    meant: Mutex<Meant>,
    work: Mutex<()>,
}

impl Node {
    /// A node that isn't started.
    pub(super) fn new(name: NodeName, config: &EstateConfig, ports: &Ports) -> Result<Self, PartError> {
        let port_of = |name: NodeName| match name {
            NodeName::Db1 => ports.db_1,
            NodeName::Db2 => ports.db_2,
        };
        let source = format!(
            "host=127.0.0.1 port={} user=replicator application_name={name}",
            port_of(name.other())
        );
        let mut settings = vec![
            ("cluster_name", name.name().to_owned()),
            ("wal_level", "replica".to_owned()),
            ("hot_standby", "on".to_owned()),
            ("archive_mode", "on".to_owned()),
            ("archive_timeout", config.archive_timeout_s.to_string()),
            ("max_connections", "100".to_owned()),
            ("max_wal_senders", "10".to_owned()),
            ("max_slot_wal_keep_size", "1GB".to_owned()),
            ("log_line_prefix", "%m [%p] %q%u@%d/%a ".to_owned()),
            // Of no effect while it is the primary.
            ("primary_conninfo", source),
            ("primary_slot_name", name.slot().to_owned()),
            ("recovery_target_timeline", "latest".to_owned()),
        ];
        settings.extend(archive::commands(&config.dir));
        let postgres = Postgres::unstarted(
            &PostgresOptions {
                name: format!("postgres-{name}"),
                dir: Some(config.dir.join(name.name())),
                port: Some(port_of(name)),
                durable: true,
                settings: settings
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
                hba: Vec::new(),
            },
            port_of(name),
        )?;
        Ok(Self {
            name,
            postgres,
            meant: Mutex::new(Meant::Up),
            work: Mutex::default(),
        })
    }

    /// To be held while something is done to the node.
    pub(super) fn work(&self) -> MutexGuard<'_, ()> {
        lock(&self.work)
    }

    /// What it is now.
    pub(super) fn state(&self) -> NodeState {
        if !self.postgres.is_running() {
            NodeState::Down
        } else if self.is_standby() {
            NodeState::Standby
        } else {
            NodeState::Primary
        }
    }

    /// Whether it is a standby, or would be when started.
    pub(super) fn is_standby(&self) -> bool {
        self.signal_file().exists()
    }

    /// The file that makes it a standby; PostgreSQL removes it at a promotion.
    pub(super) fn signal_file(&self) -> PathBuf {
        self.postgres.data_dir().join("standby.signal")
    }

    /// Whether there is a cluster in its directory.
    pub(super) fn has_data(&self) -> bool {
        self.postgres.data_dir().join("PG_VERSION").exists()
    }

    /// The mark of a rejoin under way. It lies outside of the data directory, which a rejoin changes as a whole.
    pub(super) fn rejoining_file(&self) -> PathBuf {
        self.postgres.dir().join("rejoining")
    }

    /// Whether a rejoin has begun and not ended: what is in the data directory then is half of this and half of that.
    pub(super) fn is_rejoining(&self) -> bool {
        self.rejoining_file().exists()
    }

    /// Whether it is down because somebody wanted it so.
    pub(super) fn is_meant_to_be_down(&self) -> bool {
        *lock(&self.meant) != Meant::Up
    }

    /// Whether it was fenced, and neither started nor rejoined since.
    pub(super) fn is_fenced(&self) -> bool {
        *lock(&self.meant) == Meant::Fenced
    }

    /// Starts it as it is; nothing happens if it runs.
    pub(super) fn start(&self) -> Result<(), PartError> {
        if self.is_rejoining() {
            return Err(self.unexpected("a rejoin of it was interrupted; rejoin it"));
        }
        self.postgres.start_and_wait()?;
        *lock(&self.meant) = Meant::Up;
        Ok(())
    }

    /// Stops it in an orderly way.
    pub(super) fn stop(&self) {
        *lock(&self.meant) = Meant::Down;
        self.postgres.stop();
    }

    /// Kills it with everything it has started.
    pub(super) fn kill(&self) {
        *lock(&self.meant) = Meant::Down;
        self.postgres.kill_with_backends();
    }

    /// Kills it for good.
    pub(super) fn fence(&self) {
        self.kill();
        *lock(&self.meant) = Meant::Fenced;
    }

    /// The timeline that it is on, whether it runs or not.
    pub(super) fn timeline(&self) -> Result<u32, PartError> {
        let pg_controldata = program("pg_controldata")?;
        let data = self.postgres.data_dir();
        let text = run_tool(
            &["env", "LC_ALL=C", &pg_controldata, "-D", &data.to_string_lossy()],
            RunAs::Unprivileged,
            self.postgres.dir(),
        )?;
        timeline(&text).ok_or_else(|| self.unexpected("pg_controldata tells no timeline"))
    }

    /// Lets it take writes again after somebody has kept it from that. Returns when new sessions see it.
    pub(super) fn lift_read_only(&self) -> Result<(), PartError> {
        let ask = |sql: &str| self.postgres.sql("postgres", sql);
        ask("ALTER SYSTEM RESET default_transaction_read_only")?;
        ask("SELECT pg_reload_conf()")?;
        let begin = Instant::now();
        while ask("SHOW default_transaction_read_only")? != "off" {
            if begin.elapsed() > PATIENCE {
                return Err(self.unexpected("it stays read-only"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Makes the slot through which `standby` follows this node, anew if it no longer has the WAL that it promised.
    pub(super) fn ensure_slot_of(&self, standby: NodeName) -> Result<(), PartError> {
        let slot = standby.slot();
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
              WHERE slot_name = '{slot}' AND wal_status = 'lost' AND NOT active;
             SELECT pg_create_physical_replication_slot('{slot}', true)
              WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{slot}')"
        );
        self.postgres.sql("postgres", &sql).map(drop)
    }

    /// Drops the slot through which the other node followed this one: nobody uses it now, and it would keep WAL for ever.
    pub(super) fn drop_slot_of_other(&self) -> Result<(), PartError> {
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{}' AND NOT active",
            self.name.other().slot()
        );
        self.postgres.sql("postgres", &sql).map(drop)
    }

    /// Whether `standby` streams from this node now.
    pub(super) fn is_followed_by(&self, standby: NodeName) -> Result<bool, PartError> {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '{standby}'"
        );
        Ok(self.postgres.sql("postgres", &sql)? != "0")
    }

    /// An error about this node.
    pub(super) fn unexpected(&self, message: impl Into<String>) -> PartError {
        PartError::Unexpected {
            part: self.name.to_string(),
            message: message.into(),
        }
    }
}

/// The timeline in what pg_controldata says. A promotion is in the second line before it is in the first, which has that
/// of the last checkpoint.
fn timeline(control_data: &str) -> Option<u32> {
    let of = |field: &str| {
        let line = control_data.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().parse::<u32>().ok()
    };
    of("Latest checkpoint's TimeLineID:").max(of("Min recovery ending loc's timeline:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_counts_before_its_first_checkpoint() {
        let text = |checkpoint: u32, recovery: u32| {
            format!(
                "pg_control version number:            1300\nLatest checkpoint's TimeLineID:       {checkpoint}\n\
                 Latest checkpoint's PrevTimeLineID:   1\nMin recovery ending loc's timeline:   {recovery}\n"
            )
        };
        assert_eq!(timeline(&text(1, 0)), Some(1));
        assert_eq!(timeline(&text(1, 2)), Some(2));
        assert_eq!(timeline(&text(3, 0)), Some(3));
        assert_eq!(timeline("nonsense"), None);
    }
}
