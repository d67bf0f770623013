//! The watched PostgreSQL cluster.

use quarterdeck_domain::{
    cluster::{NodeState, Topology, TopologyVerdict},
    health::Band,
};
use serde::{Deserialize, Serialize};

/// The cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TopologyView {
    /// When it was looked at, by the console's clock; Unix ms.
    pub read_at_ms: i64,
    /// `no_nodes`, `healthy`, `degraded`, `no_primary`, `split_brain`.
    pub verdict: String,
    /// The same in a sentence, with names.
    pub headline: String,
    /// What is wrong, a sentence each.
    pub why: Vec<String>,
    /// The nodes, in the order of the configuration.
    pub nodes: Vec<TopologyNodeView>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TopologyNodeView {
    /// Its name in the configuration.
    pub name: String,
    /// How it is.
    pub band: Band,
    /// What is wrong with it, a sentence each.
    pub faults: Vec<String>,
    /// What it said of itself; none if it did not answer.
    pub state: Option<NodeState>,
    /// A standby's distance from the primary, where both are known.
    pub behind: Option<BehindView>,
}

/// How far a standby is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct BehindView {
    /// Not received yet, bytes: it would be lost if the primary were.
    pub to_receive_bytes: u64,
    /// Not replayed yet, bytes: what a reader there does not see.
    pub to_replay_bytes: u64,
}

impl TopologyView {
    /// From a look at the nodes.
    #[must_use]
    pub fn new(nodes: &[quarterdeck_domain::cluster::NodeSight], read_at_ms: i64) -> Self {
        let topology = Topology::new(nodes);
        let verdict = topology.verdict();
        let faults = topology.faults();
        let headline = match &verdict {
            TopologyVerdict::NoNodes => "No database node is configured.".to_owned(),
            TopologyVerdict::Healthy { primary } => {
                format!("{primary} takes writes, and every standby streams from it.")
            }
            TopologyVerdict::Degraded { primary, .. } => {
                format!("{primary} takes writes, and the cluster is not as it should be.")
            }
            TopologyVerdict::NoPrimary { .. } => "No node takes writes.".to_owned(),
            TopologyVerdict::SplitBrain { primaries } => format!(
                "{} take writes at once: the cluster is split. What clients write depends on whom they reach; keep all \
                 but one from being written to.",
                primaries.join(" and ")
            ),
        };
        let split: &[String] = match &verdict {
            TopologyVerdict::SplitBrain { primaries } => primaries,
            TopologyVerdict::NoNodes
            | TopologyVerdict::Healthy { .. }
            | TopologyVerdict::Degraded { .. }
            | TopologyVerdict::NoPrimary { .. } => &[],
        };
        let why = match &verdict {
            TopologyVerdict::Degraded { why, .. } | TopologyVerdict::NoPrimary { why } => why.clone(),
            TopologyVerdict::SplitBrain { .. }
            | TopologyVerdict::NoNodes
            | TopologyVerdict::Healthy { .. } => Vec::new(),
        };
        let view = |node: &quarterdeck_domain::cluster::NodeSight| {
            let faults: Vec<String> = faults
                .iter()
                .filter(|(name, _)| *name == node.name)
                .map(|(_, fault)| fault.clone())
                .collect();
            let band = match (&node.answer, faults.is_empty()) {
                (Err(_), _) => Band::Unknown,
                (Ok(_), _) if split.contains(&node.name) => Band::Alert,
                (Ok(_), true) => Band::Ok,
                (Ok(_), false) => Band::Degraded,
            };
            TopologyNodeView {
                name: node.name.clone(),
                band,
                faults,
                state: node.state().cloned(),
                behind: topology
                    .behind(&node.name)
                    .map(|(to_receive_bytes, to_replay_bytes)| BehindView {
                        to_receive_bytes,
                        to_replay_bytes,
                    }),
            }
        };
        Self {
            read_at_ms,
            verdict: verdict.as_str().to_owned(),
            headline,
            why,
            nodes: nodes.iter().map(view).collect(),
        }
    }
}
