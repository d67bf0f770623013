//! A node becomes a standby of the other one: as it is if it can follow, else by pg_rewind, else by a new base backup.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::node::Node;
use super::pair::Pair;
use crate::error::PartError;
use crate::node::{NodeName, NodeState};
use crate::parts::program;
use crate::process::{RunAs, lock, run_tool};

/// How long a standby that is as it was may take to find its primary; it asks every 5 s.
const AS_IT_IS: Duration = Duration::from_secs(15);
/// How long one that was made anew may take.
const MADE_ANEW: Duration = Duration::from_secs(60);

impl Pair {
    /// Makes a node a standby of the other one, which is the primary, and waits until it streams. What only the node had
    /// is gone then. Nothing changes if it streams.
    pub(super) fn rejoin(&self, name: NodeName) -> Result<(), PartError> {
        let _one_at_a_time = lock(&self.rejoin);
        let (node, primary) = (self.node(name), self.node(name.other()));
        let _work = node.work();
        if primary.state() != NodeState::Primary {
            let message = format!("{} is no primary, so there is nothing to follow", primary.name);
            return Err(node.unexpected(message));
        }
        let timeline = primary.timeline()?;
        if node.state() == NodeState::Primary && node.timeline()? > timeline {
            let message = format!("it is the newer primary; rejoin {} instead", primary.name);
            return Err(node.unexpected(message));
        }
        primary.ensure_slot_of(name)?;
        // It would follow the history in the archive that goes on longest, and not its primary's.
        self.set_archive_aside(timeline)?;
        let can_follow = node.has_data() && node.is_standby() && !node.is_rejoining();
        if !(can_follow && self.start_and_follow(node, primary, AS_IT_IS)?) {
            self.make_anew(node, primary)?;
        }
        node.lift_read_only()?;
        node.drop_slot_of_other()
    }

    fn make_anew(&self, node: &Node, primary: &Node) -> Result<(), PartError> {
        self.stop_node(node);
        std::fs::write(node.rejoining_file(), "").map_err(PartError::io("marking the rejoin"))?;
        if node.has_data() {
            match rewind(node, primary) {
                Ok(()) => {
                    unmark(node)?;
                    if self.start_and_follow(node, primary, MADE_ANEW)? {
                        self.tell(node, "was rewound and follows again");
                        return Ok(());
                    }
                    self.tell(node, "doesn't follow after pg_rewind, so it is made anew");
                }
                Err(error) => self.tell(node, &format!("can't be rewound, so it is made anew: {error}")),
            }
            self.stop_node(node);
        }
        copy(node, primary)?;
        unmark(node)?;
        if self.start_and_follow(node, primary, MADE_ANEW)? {
            self.tell(node, "was made from a base backup and follows");
            return Ok(());
        }
        Err(node.unexpected(format!(
            "it doesn't stream from {}; see {}",
            primary.name,
            node.postgres.log().display()
        )))
    }

    fn tell(&self, node: &Node, what: &str) {
        (self.config.progress)(&format!("{} {what}", node.name));
    }

    /// Stops a node in an orderly way, which a frozen WAL sender of it would not let it.
    pub(super) fn stop_node(&self, node: &Node) {
        self.thaw_wal_sender_of(node.name);
        node.stop();
    }

    /// Starts a node as it is; whether it streams from the primary within `patience`.
    fn start_and_follow(&self, node: &Node, primary: &Node, patience: Duration) -> Result<bool, PartError> {
        match node.start() {
            Ok(()) => {}
            Err(PartError::Ended { .. } | PartError::Silent { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let begin = Instant::now();
        while begin.elapsed() < patience && node.postgres.is_running() {
            if primary.is_followed_by(node.name)? {
                return Ok(true);
            }
            if self.ending.load(Ordering::Acquire) {
                return Err(node.unexpected("the estate ends before it follows"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(false)
    }
}

/// Takes back what the node has and the primary hasn't, and makes it a standby.
fn rewind(node: &Node, primary: &Node) -> Result<(), PartError> {
    // pg_rewind compares timelines by the last checkpoint; before the first after a promotion it would find nothing to do.
    primary.postgres.sql("postgres", "CHECKPOINT")?;
    let source = format!(
        "host=127.0.0.1 port={} user=postgres dbname=postgres",
        primary.postgres.port()
    );
    let data = node.postgres.data_dir();
    let pg_rewind = program("pg_rewind")?;
    let arguments = [
        &*pg_rewind,
        "--target-pgdata",
        &data.to_string_lossy(),
        "--source-server",
        &source,
        "--no-sync",
    ];
    run_tool(&arguments, RunAs::Unprivileged, node.postgres.dir())?;
    make_standby(node, &node.signal_file().to_string_lossy())
}

/// Replaces the node's data by a base backup of the primary.
fn copy(node: &Node, primary: &Node) -> Result<(), PartError> {
    let (data, half) = (node.postgres.data_dir(), node.postgres.dir().join("data.new"));
    let half_text = half.to_string_lossy();
    let remove = |path: &str| run_tool(&["rm", "-rf", path], RunAs::Unprivileged, node.postgres.dir());
    remove(&half_text)?;
    let source = format!("host=127.0.0.1 port={} user=replicator", primary.postgres.port());
    let pg_basebackup = program("pg_basebackup")?;
    let arguments = [
        &*pg_basebackup,
        "-d",
        &source,
        "-D",
        &half_text,
        "-X",
        "stream",
        "-c",
        "fast",
        "-S",
        node.name.slot(),
        "--no-sync",
    ];
    run_tool(&arguments, RunAs::Unprivileged, node.postgres.dir())?;
    make_standby(node, &half.join("standby.signal").to_string_lossy())?;
    remove(&data.to_string_lossy())?;
    std::fs::rename(&half, &data).map_err(PartError::io("placing the base backup"))
}

/// Makes the file that makes a standby, as the server's user.
fn make_standby(node: &Node, signal_file: &str) -> Result<(), PartError> {
    run_tool(&["touch", signal_file], RunAs::Unprivileged, node.postgres.dir()).map(drop)
}

/// Takes the mark of a rejoin away: the data is of one piece again.
fn unmark(node: &Node) -> Result<(), PartError> {
    std::fs::remove_file(node.rejoining_file()).map_err(PartError::io("ending the rejoin"))
}
