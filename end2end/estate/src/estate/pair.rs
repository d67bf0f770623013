//! The two PostgreSQL nodes together: who is the primary, and how they come up.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::node::Node;
use super::ports::Ports;
use super::wal_sender::Frozen;
use super::{EstateConfig, archive, roles};
use crate::error::PartError;
use crate::node::{NodeName, NodeState};

/// The two nodes.
pub(super) struct Pair {
    db_1: Node,
    db_2: Node,
    pub(super) config: EstateConfig,
    /// One rejoin at a time: two could take each other's source away.
    pub(super) rejoin: Mutex<()>,
    pub(super) frozen: Mutex<Option<Frozen>>,
    /// Whether the estate ends: then nobody waits for anything any more.
    pub(super) ending: AtomicBool,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("db_1", &self.db_1)
            .field("db_2", &self.db_2)
            .finish_non_exhaustive()
    }
}

impl Pair {
    /// Both nodes, not started.
    pub(super) fn new(config: &EstateConfig, ports: &Ports) -> Result<Self, PartError> {
        archive::prepare(&config.dir)?;
        Ok(Self {
            db_1: Node::new(NodeName::Db1, config, ports)?,
            db_2: Node::new(NodeName::Db2, config, ports)?,
            config: config.clone(),
            rejoin: Mutex::default(),
            frozen: Mutex::default(),
            ending: AtomicBool::new(false),
        })
    }

    /// A node.
    pub(super) fn node(&self, name: NodeName) -> &Node {
        match name {
            NodeName::Db1 => &self.db_1,
            NodeName::Db2 => &self.db_2,
        }
    }

    /// Both nodes.
    pub(super) fn nodes(&self) -> [&Node; 2] {
        [&self.db_1, &self.db_2]
    }

    /// The node that is the primary now; of two, the one on the higher timeline.
    pub(super) fn primary(&self) -> Result<&Node, PartError> {
        match self.nodes().map(Node::state) {
            [NodeState::Primary, NodeState::Primary] if self.db_2.timeline()? > self.db_1.timeline()? => {
                Ok(&self.db_2)
            }
            [NodeState::Primary, _] => Ok(&self.db_1),
            [_, NodeState::Primary] => Ok(&self.db_2),
            [
                NodeState::Standby | NodeState::Down,
                NodeState::Standby | NodeState::Down,
            ] => Err(PartError::Unexpected {
                part: "postgres".into(),
                message: "no node is a primary now".into(),
            }),
        }
    }

    /// The node that is to be the primary, by what the data directories say.
    pub(super) fn coming_primary(&self) -> Result<NodeName, PartError> {
        let mut sights = [Sight::Empty; 2];
        for (sight, node) in sights.iter_mut().zip(self.nodes()) {
            *sight = if node.is_rejoining() {
                Sight::Unfinished
            } else if !node.has_data() {
                Sight::Empty
            } else if node.is_standby() {
                Sight::Standby(node.timeline()?)
            } else {
                Sight::Primary(node.timeline()?)
            };
        }
        coming_primary(sights).ok_or_else(|| PartError::Unexpected {
            part: "postgres".into(),
            message: format!(
                "neither node has all of its data, as a rejoin was interrupted and its source is gone; remove {} and {} to begin anew",
                self.db_1.postgres.dir().display(),
                self.db_2.postgres.dir().display()
            ),
        })
    }

    /// Starts a node as the primary, with SkillQuest's database and all roles in it.
    pub(super) fn start_primary(&self, name: NodeName) -> Result<&Node, PartError> {
        let node = self.node(name);
        let _work = node.work();
        if !node.has_data() {
            // What is in the archive is another cluster's, and has names that this one will need.
            self.set_archive_aside(0)?;
            node.postgres.ensure_cluster()?;
        }
        node.start()?;
        if node.is_standby() {
            node.postgres.sql("postgres", "SELECT pg_promote()")?;
        }
        node.lift_read_only()?;
        self.set_archive_aside(node.timeline()?)?;
        roles::ensure(&node.postgres, &self.config.skillquest_dir)?;
        Ok(node)
    }

    /// Stops both, the standby first: a primary that stops waits until its standby has everything.
    pub(super) fn stop(&self) {
        self.thaw_wal_sender();
        let mut nodes = self.nodes();
        nodes.sort_by_key(|node| !node.is_standby());
        for node in nodes {
            node.stop();
        }
    }

    /// Moves WAL of an abandoned history aside.
    pub(super) fn set_archive_aside(&self, above: u32) -> Result<(), PartError> {
        let files = archive::set_aside(&self.config.dir, above)?;
        if files > 0 {
            (self.config.progress)(&format!(
                "{files} files of an abandoned history were moved from the WAL archive to wal-archive-aside"
            ));
        }
        Ok(())
    }

    /// Makes one a primary and the other its standby, whatever they are now.
    pub(super) fn heal(&self) -> Result<&Node, PartError> {
        self.thaw_wal_sender();
        let primary = self.start_primary(self.coming_primary()?)?;
        self.rejoin(primary.name.other())?;
        Ok(primary)
    }
}

/// What a node's directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Empty,
    /// A rejoin was interrupted.
    Unfinished,
    /// A standby on a timeline.
    Standby(u32),
    /// A primary on a timeline.
    Primary(u32),
}

/// Of those that were primaries the one on the highest timeline, else of the standbys, else the first of two that are
/// empty. `None` if what there was is gone.
fn coming_primary(sights: [Sight; 2]) -> Option<NodeName> {
    let rank = |sight: Sight| match sight {
        Sight::Empty => Some((0, 0)),
        Sight::Unfinished => None,
        Sight::Standby(timeline) => Some((1, timeline)),
        Sight::Primary(timeline) => Some((2, timeline)),
    };
    match sights.map(rank) {
        [None, None] | [None, Some((0, _))] | [Some((0, _)), None] => None,
        // `None` is less than any.
        [one, two] if two > one => Some(NodeName::Db2),
        [_, _] => Some(NodeName::Db1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NodeName::{Db1, Db2};
    use Sight::{Empty, Primary, Standby, Unfinished};

    #[test]
    fn the_directories_say_who_is_the_primary() {
        for (sights, expected) in [
            ([Empty, Empty], Some(Db1)),
            ([Primary(1), Empty], Some(Db1)),
            ([Empty, Primary(2)], Some(Db2)),
            ([Primary(1), Standby(1)], Some(Db1)),
            ([Standby(2), Primary(2)], Some(Db2)),
            ([Primary(1), Primary(2)], Some(Db2)),
            ([Primary(3), Primary(2)], Some(Db1)),
            ([Primary(1), Standby(2)], Some(Db1)),
            ([Standby(1), Standby(2)], Some(Db2)),
            ([Unfinished, Primary(2)], Some(Db2)),
            ([Primary(1), Unfinished], Some(Db1)),
            ([Unfinished, Standby(1)], Some(Db2)),
            ([Unfinished, Empty], None),
            ([Unfinished, Unfinished], None),
        ] {
            assert_eq!(coming_primary(sights), expected, "{sights:?}");
        }
    }
}
