//! Sessions of the watched database, for any number of viewers.

mod views;

use std::sync::Arc;

use quarterdeck_app::{
    error::ConsoleError,
    view::{
        database::{DatabaseSessionsView, SessionFilter},
        estate::{DatabaseNodeView, DatabaseRole},
    },
};

use self::views::Prepared;
use super::fresh::Fresh;
use crate::{
    clients::{DatabaseSessions, node_connection::NodeError},
    clock::Clock,
    config::database_sessions::DatabaseSessionsConfig,
};

/// The sessions of every configured node.
#[derive(Debug)]
pub struct WatchedSessions {
    nodes: Vec<WatchedNode>,
    config: DatabaseSessionsConfig,
    clock: Arc<dyn Clock>,
}

/// What a node said, ready for everybody.
type Answer = Result<Arc<Prepared>, NodeError>;

#[derive(Debug)]
struct WatchedNode {
    sessions: DatabaseSessions,
    last: Fresh<Answer>,
}

impl WatchedSessions {
    /// Over the nodes' clients, in the order of the configuration.
    #[must_use]
    pub fn new(nodes: Vec<DatabaseSessions>, config: DatabaseSessionsConfig, clock: Arc<dyn Clock>) -> Self {
        let nodes = nodes
            .into_iter()
            .map(|sessions| WatchedNode {
                sessions,
                last: Fresh::default(),
            })
            .collect();
        Self { nodes, config, clock }
    }

    /// What the page shows: the sessions of the node that is asked for, else of the one that `roles` says is the primary
    /// now, else of the first.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] without such a node, [`ConsoleError::Unavailable`] when it does not answer.
    pub async fn view(
        &self,
        filter: &SessionFilter,
        roles: &[DatabaseNodeView],
    ) -> Result<DatabaseSessionsView, ConsoleError> {
        let node = self.choose(filter.node.as_deref(), roles)?;
        let prepared = node.prepared(&self.config, &*self.clock).await.map_err(|error| {
            let name = node.sessions.node();
            tracing::warn!(
                node = name,
                error = &error as &dyn std::error::Error,
                "sessions can't be read"
            );
            ConsoleError::Unavailable(format!(
                "The sessions of {name} can't be read: it {error}. Nothing is known of them until it answers."
            ))
        })?;
        Ok(prepared.matching(filter))
    }

    fn choose(&self, asked: Option<&str>, roles: &[DatabaseNodeView]) -> Result<&WatchedNode, ConsoleError> {
        let find = |name: &str| self.nodes.iter().find(|n| n.sessions.node() == name);
        match asked {
            Some(name) => find(name).ok_or_else(|| {
                let known: Vec<&str> = self.nodes.iter().map(|n| n.sessions.node()).collect();
                ConsoleError::NotFound(format!(
                    "No database node is called {name:?}. Configured are: {}.",
                    known.join(", ")
                ))
            }),
            None => roles
                .iter()
                .filter(|node| matches!(node.role, DatabaseRole::Primary { .. }))
                .find_map(|node| find(&node.name))
                .or(self.nodes.first())
                .ok_or_else(|| {
                    ConsoleError::NotFound(
                        "No database node is configured, so no sessions are shown. Add a [[postgres]] entry for each \
                         node to the configuration."
                            .into(),
                    )
                }),
        }
    }
}

impl WatchedNode {
    async fn prepared(&self, config: &DatabaseSessionsConfig, clock: &dyn Clock) -> Answer {
        let ask = async {
            let report = self.sessions.read().await?;
            let prepared = Prepared::new(self.sessions.node(), &report, config, clock.now());
            Ok(Arc::new(prepared))
        };
        self.last.get(ask).await
    }
}
