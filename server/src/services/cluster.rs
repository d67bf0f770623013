//! The watched cluster as the topology page shows it, for any number of viewers, and as whoever acts on it sees it.

use std::sync::Arc;

use futures::future::join_all;
use quarterdeck_app::view::topology::TopologyView;
use quarterdeck_domain::cluster::NodeSight;

use super::fresh::Fresh;
use crate::{
    clients::cluster_node::ClusterNode,
    clock::{Clock, unix_ms},
};

/// All nodes as they were looked at together.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// When the look began, ms since 1970.
    pub at_ms: i64,
    /// Each node, in the order of the configuration.
    pub sights: Vec<NodeSight>,
}

/// All configured nodes, looked at together.
#[derive(Debug)]
pub struct WatchedCluster {
    nodes: Vec<ClusterNode>,
    clock: Arc<dyn Clock>,
    last: Fresh<Arc<Looked>>,
}

impl WatchedCluster {
    /// Over the nodes' clients, in the order of the configuration.
    #[must_use]
    pub fn new(nodes: Vec<ClusterNode>, clock: Arc<dyn Clock>) -> Self {
        Self {
            nodes,
            clock,
            last: Fresh::default(),
        }
    }

    /// Looks at all nodes now. A node that does not answer is part of the answer; it takes no longer than the longest time
    /// limit of a node.
    pub async fn look(&self) -> Looked {
        let at_ms = unix_ms(self.clock.now());
        let sights = join_all(self.nodes.iter().map(ClusterNode::look)).await;
        Looked { at_ms, sights }
    }

    /// As [`Self::look`], at most a second old.
    pub async fn looked(&self) -> Arc<Looked> {
        self.last.get(async { Arc::new(self.look().await) }).await
    }

    /// The nodes and what they make of themselves together, at most a second old.
    pub async fn topology(&self) -> TopologyView {
        let looked = self.looked().await;
        TopologyView::new(&looked.sights, looked.at_ms)
    }
}
