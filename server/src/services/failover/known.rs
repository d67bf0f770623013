//! All that is known when the primary is to be changed.

use std::time::Duration;

use futures::future::join_all;
use quarterdeck_domain::{
    action::ActionKind,
    failover::{ExporterWord, Memory, NodeMeans, Routing, Situation, gone_primary},
};

use super::{super::cluster::Looked, Failover};
use crate::db;

/// How long the database may take.
const DB_LIMIT: Duration = Duration::from_secs(5);

/// All that is known, as it was asked for just now.
#[derive(Debug, Clone)]
pub struct Known {
    /// The nodes.
    pub looked: Looked,
    memory: Memory,
    means: Vec<NodeMeans>,
    exporter: ExporterWord,
    routing: Routing,
    under_way: Result<Option<i64>, String>,
    limits: quarterdeck_domain::failover::Limits,
}

impl Known {
    /// For the gates.
    #[must_use]
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            sights: &self.looked.sights,
            memory: &self.memory,
            means: &self.means,
            exporter: self.exporter.clone(),
            routing: self.routing.clone(),
            under_way: self.under_way.clone(),
            limits: self.limits,
        }
    }
}

impl Failover {
    /// Asks for everything at once: nodes, rights, clients, exporter, other actions.
    pub async fn known(&self, candidate: &str) -> Known {
        // A look that others have under way ends first: what it still tells of a primary that is gone must not come after the
        // estimate that somebody agrees to.
        self.note(&*self.cluster.looked().await);
        let (looked, means, routes, under_way) = tokio::join!(
            self.cluster.look(),
            join_all(self.nodes.iter().map(|node| async {
                NodeMeans {
                    name: node.control.name().to_owned(),
                    address: node.address.clone(),
                    own: node.own.clone(),
                    control: node.control.control().await,
                    fence: !node.fence.is_empty(),
                    rejoin: !node.rejoin.is_empty(),
                }
            })),
            self.routing.read(),
            self.under_way(),
        );
        self.note(&looked);
        let mut known = Known {
            looked,
            memory: self.memory(),
            means,
            exporter: ExporterWord::Unknown("it was not asked".to_owned()),
            routing: Routing {
                by: self.routing.describe(),
                by_itself: self.routing.by_itself(),
                now: routes,
            },
            under_way,
            limits: self.config.limits(),
        };
        let gone = gone_primary(&known.situation(), candidate).map(str::to_owned);
        known.exporter = self.exporter_word(gone.as_deref()).await;
        known
    }

    async fn under_way(&self) -> Result<Option<i64>, String> {
        let kinds = &ActionKind::CHANGING_PRIMARY;
        db::within(DB_LIMIT, db::actions::executing(&self.pool, kinds))
            .await
            .map_err(|error| error.to_string())
    }

    async fn exporter_word(&self, node: Option<&str>) -> ExporterWord {
        let Some(node) = node else {
            return ExporterWord::Unknown("which node was the primary is not known".to_owned());
        };
        let query = self
            .nodes
            .iter()
            .find(|one| one.control.name() == node)
            .and_then(|node| node.exporter_up.as_deref());
        let Some(query) = query else {
            return ExporterWord::Unknown(format!("{node} has no exporter_up in its [[postgres]] section"));
        };
        match self.prometheus.instant(query, None).await {
            Err(error) => ExporterWord::Unknown(error.to_string()),
            Ok(samples) => match samples.as_slice() {
                [] => ExporterWord::Unknown("the metrics have nothing of it".to_owned()),
                samples if samples.iter().all(|sample| sample.value == 1.0) => ExporterWord::Up,
                samples if samples.iter().all(|sample| sample.value == 0.0) => ExporterWord::Down,
                _ => ExporterWord::Unknown("the metrics contradict each other".to_owned()),
            },
        }
    }
}
