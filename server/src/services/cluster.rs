//! The watched cluster as the topology page shows it, for any number of viewers.

use std::sync::Arc;

use futures::future::join_all;
use quarterdeck_app::view::topology::TopologyView;

use super::fresh::Fresh;
use crate::{
    clients::cluster_node::ClusterNode,
    clock::{Clock, unix_ms},
};

/// All configured nodes, looked at together.
#[derive(Debug)]
pub struct WatchedCluster {
    nodes: Vec<ClusterNode>,
    clock: Arc<dyn Clock>,
    last: Fresh<Arc<TopologyView>>,
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

    /// The nodes and what they make of themselves together, at most a second old. A node that does not answer is part of
    /// the answer; it takes no longer than the longest time limit of a node.
    pub async fn topology(&self) -> Arc<TopologyView> {
        let look = async {
            let sights = join_all(self.nodes.iter().map(ClusterNode::look)).await;
            Arc::new(TopologyView::new(&sights, unix_ms(self.clock.now())))
        };
        self.last.get(look).await
    }
}
