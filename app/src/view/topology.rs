//! The watched PostgreSQL cluster.

use quarterdeck_domain::{
    cluster::{NodeSight, NodeState, Topology, TopologyVerdict},
    health::Band,
};
use serde::{Deserialize, Serialize};

/// What the event stream calls it when several nodes begin or cease to take writes at once.
pub const EVENT: &str = "cluster";

/// Several nodes that take writes at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitView {
    /// Their names.
    pub primaries: Vec<String>,
    /// Since when, Unix ms.
    pub since_ms: i64,
}

/// The cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct TopologyView {
    /// When it was looked at, by the console's clock; Unix ms.
    pub read_at_ms: i64,
    /// What is to be thought of it.
    pub verdict: VerdictView,
    /// The same in a sentence, with names.
    pub headline: String,
    /// What is wrong, a sentence each.
    pub why: Vec<String>,
    /// The nodes, in the order of the configuration.
    pub nodes: Vec<TopologyNodeView>,
    /// Where clients are sent; none where this console does not know.
    pub clients: Option<ClientsView>,
    /// Nodes that were the primary and must not take writes any more.
    pub fences: Vec<FenceView>,
}

/// Where clients are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct ClientsView {
    /// By what: "PgBouncer at 127.0.0.1:6432".
    pub by: String,
    /// Each name that clients use.
    pub to: Vec<RoutedView>,
    /// Whether clients are held back just now.
    pub held: bool,
    /// Why it can't be said, in a sentence.
    pub trouble: Option<String>,
}

/// Where the clients of one name are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct RoutedView {
    /// The name.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// The node that is there; none if it is none of the configured ones.
    pub node: Option<String>,
}

/// A node that was the primary and must not take writes any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct FenceView {
    /// The node.
    pub node: String,
    /// The primary in its place.
    pub primary: String,
    /// The action that made it so; a UUID.
    pub action: String,
    /// Its number, for people.
    pub number: i64,
    /// Since when, Unix ms.
    pub since_ms: i64,
    /// Whether that primary was promoted; until then the order waits.
    pub promoted: bool,
    /// When it came back and was kept from taking writes, Unix ms.
    pub enforced_at_ms: Option<i64>,
    /// Bytes of WAL that only it has; none until that is measured.
    pub lost_bytes: Option<i64>,
    /// Transactions that only it has; none until that is measured, or where it can't be counted.
    pub lost_transactions: Option<i64>,
}

/// What is to be thought of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum VerdictView {
    /// No node is configured.
    NoNodes,
    /// One primary, and every standby streams from it.
    Healthy,
    /// One primary, and something that would be missed in a failover.
    Degraded,
    /// Nobody takes writes.
    NoPrimary,
    /// Several take writes.
    SplitBrain,
}

impl VerdictView {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoNodes => "no_nodes",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::NoPrimary => "no_primary",
            Self::SplitBrain => "split_brain",
        }
    }

    /// How the cluster is.
    #[must_use]
    pub const fn band(self) -> Band {
        match self {
            Self::NoNodes => Band::Unknown,
            Self::Healthy => Band::Ok,
            Self::Degraded => Band::Degraded,
            Self::NoPrimary | Self::SplitBrain => Band::Alert,
        }
    }
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
    pub fn new(nodes: &[NodeSight], read_at_ms: i64) -> Self {
        let topology = Topology::new(nodes);
        let faults = topology.faults();
        let mut split = Vec::new();
        let (verdict, headline, why) = match topology.verdict() {
            TopologyVerdict::NoNodes => (
                VerdictView::NoNodes,
                "No database node is configured.".to_owned(),
                Vec::new(),
            ),
            TopologyVerdict::Healthy { primary } => (
                VerdictView::Healthy,
                format!("{primary} takes writes, and every standby streams from it."),
                Vec::new(),
            ),
            TopologyVerdict::Degraded { primary, why } => (
                VerdictView::Degraded,
                format!("{primary} takes writes, and the cluster is not as it should be."),
                why,
            ),
            TopologyVerdict::NoPrimary { why } => {
                (VerdictView::NoPrimary, "No node takes writes.".to_owned(), why)
            }
            TopologyVerdict::SplitBrain { primaries } => {
                let headline = format!(
                    "{} take writes at once: the cluster is split. What clients write depends on whom they reach; keep all \
                     but one from being written to.",
                    primaries.join(" and ")
                );
                split = primaries;
                (VerdictView::SplitBrain, headline, Vec::new())
            }
        };
        let view = |node: &NodeSight| {
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
            verdict,
            headline,
            why,
            nodes: nodes.iter().map(view).collect(),
            clients: None,
            fences: Vec::new(),
        }
    }
}
