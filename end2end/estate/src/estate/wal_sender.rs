//! The WAL sender of the standby, frozen: the standby falls behind without a sign of it on the standby.

use rustix::process::Signal;

use super::pair::Pair;
use crate::descendant::Descendant;
use crate::error::PartError;
use crate::node::NodeName;
use crate::process::lock;

/// A WAL sender that was stopped.
#[derive(Debug)]
pub(super) struct Frozen {
    node: NodeName,
    sender: Descendant,
}

impl Pair {
    /// Stops the WAL sender that serves the standby of the present primary. Nothing changes if it is stopped.
    pub(super) fn freeze_wal_sender(&self) -> Result<(), PartError> {
        let primary = self.primary()?;
        let mut frozen = lock(&self.frozen);
        if let Some(earlier) = frozen.take() {
            if earlier.node == primary.name && earlier.sender.is_there() {
                earlier.sender.signal(Signal::STOP);
                *frozen = Some(earlier);
                return Ok(());
            }
            earlier.sender.signal(Signal::CONT);
        }
        let standby = primary.name.other();
        // The newest: one that its standby has left may not have noticed yet.
        let sql = format!(
            "SELECT pid FROM pg_stat_replication WHERE application_name = '{standby}' ORDER BY backend_start DESC LIMIT 1"
        );
        let pid = primary.postgres.sql("postgres", &sql)?;
        let sender = pid
            .parse()
            .ok()
            .zip(primary.postgres.pid())
            .and_then(|(pid, postmaster)| Descendant::of(postmaster, pid))
            .ok_or_else(|| primary.unexpected(format!("no WAL sender of it serves {standby}")))?;
        sender.signal(Signal::STOP);
        *frozen = Some(Frozen {
            node: primary.name,
            sender,
        });
        Ok(())
    }

    /// Lets a frozen WAL sender go on.
    pub(super) fn thaw_wal_sender(&self) {
        if let Some(frozen) = lock(&self.frozen).take() {
            frozen.sender.signal(Signal::CONT);
        }
    }

    /// Lets a frozen WAL sender of a node go on.
    pub(super) fn thaw_wal_sender_of(&self, node: NodeName) {
        let frozen = lock(&self.frozen).take_if(|frozen| frozen.node == node);
        if let Some(frozen) = frozen {
            frozen.sender.signal(Signal::CONT);
        }
    }
}
