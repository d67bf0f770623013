//! The two PostgreSQL nodes of the estate, and what can be asked of each.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A node, by its name. Which of the two is the primary changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum NodeName {
    /// The primary of a fresh estate.
    #[serde(rename = "db-1")]
    #[value(name = "db-1")]
    Db1,
    /// The standby of a fresh estate.
    #[serde(rename = "db-2")]
    #[value(name = "db-2")]
    Db2,
}

impl NodeName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Db1, Self::Db2];

    /// As people and PostgreSQL's `cluster_name` and `application_name` have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Db1 => "db-1",
            Self::Db2 => "db-2",
        }
    }

    /// Name of the replication slot through which this node follows the other; it is on the other.
    #[must_use]
    pub fn slot(self) -> &'static str {
        match self {
            Self::Db1 => "db_1",
            Self::Db2 => "db_2",
        }
    }

    /// The other node.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Db1 => Self::Db2,
            Self::Db2 => Self::Db1,
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can be asked of a node. Each changes nothing if it is so already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NodeCommand {
    /// Stop it in an orderly way: sessions are ended, what is written reaches the standby.
    Stop,
    /// Kill it and all its processes with SIGKILL, as a loss of the machine would.
    Kill,
    /// Start it as it is, whatever the other node has become meanwhile.
    Start,
    /// Kill it and have it stay down until somebody starts or rejoins it.
    Fence,
    /// Make it a standby of the other node, by pg_rewind or a new base backup if need be, and wait until it streams.
    Rejoin,
    /// Say whether it is primary, standby or down.
    Status,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// It runs, and is no standby.
    Primary,
    /// It runs as a standby.
    Standby,
    /// It doesn't run.
    Down,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::Down => "down",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_everywhere() {
        for node in NodeName::ALL {
            assert_eq!(NodeName::from_str(node.name(), false), Ok(node));
            assert_eq!(serde_json::to_string(&node).unwrap(), format!("\"{node}\""));
            assert_eq!(node.slot(), node.name().replace('-', "_"));
            assert_eq!(node.other().other(), node);
        }
    }
}
