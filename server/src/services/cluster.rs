//! The watched cluster as the topology page shows it, for any number of viewers.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use quarterdeck_app::view::topology::TopologyView;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    clients::cluster_node::ClusterNode,
    clock::{Clock, unix_ms},
};

/// For so long an answer serves whoever else asks.
const FRESH: Duration = Duration::from_secs(1);

/// All configured nodes, looked at together.
#[derive(Debug)]
pub struct WatchedCluster {
    nodes: Vec<ClusterNode>,
    clock: Arc<dyn Clock>,
    /// The last look. Who asks while another look is under way waits for that one: a node is never asked twice at once.
    last: Mutex<Option<(Instant, Arc<TopologyView>)>>,
}

impl WatchedCluster {
    /// Over the nodes' clients, in the order of the configuration.
    #[must_use]
    pub fn new(nodes: Vec<ClusterNode>, clock: Arc<dyn Clock>) -> Self {
        Self {
            nodes,
            clock,
            last: Mutex::new(None),
        }
    }

    /// The nodes and what they make of themselves together, at most a second old. A node that does not answer is part of
    /// the answer; it takes no longer than the longest time limit of a node.
    pub async fn topology(&self) -> Arc<TopologyView> {
        let mut last = self.last.lock().await;
        if let Some((at, view)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return Arc::clone(view);
        }
        let sights = join_all(self.nodes.iter().map(ClusterNode::look)).await;
        let view = Arc::new(TopologyView::new(&sights, unix_ms(self.clock.now())));
        *last = Some((Instant::now(), Arc::clone(&view)));
        view
    }
}
