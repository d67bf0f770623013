//! Changing the primary of the watched cluster: what is known of it, and the acts that a switchover and a failover are made
//! of. What a step does with them is in [`actions::kinds::primary`](crate::services::actions::kinds::primary).

mod act;
mod clients;
mod guard;
mod known;
mod split;

use std::sync::{Arc, Mutex, PoisonError};

use quarterdeck_app::view::topology::ClientsView;
use quarterdeck_domain::{access::Role, cluster::SplitWatch, failover::Memory};
use sqlx::PgPool;
use time::OffsetDateTime;

pub use act::ActError;
pub use guard::{By, Promoted};
pub use known::Known;
pub use split::Told;

use super::{
    audit::EventMaker,
    cluster::{Looked, WatchedCluster},
    fresh::Fresh,
    notices::Channels,
};
use crate::{
    clients::{
        PrometheusClient,
        node_control::NodeControl,
        patroni::Patroni,
        routing::{self, ClientRouting},
        write_probe::WriteProbe,
    },
    clock::Clock,
    config::{
        failover::FailoverConfig,
        postgres::{PostgresNodeConfig, PostgresNodeConfigError},
    },
    entropy::Entropy,
};

/// What [`Failover`] works with.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its type says")]
pub struct FailoverParts<'a> {
    pub config: FailoverConfig,
    pub nodes: &'a [PostgresNodeConfig],
    pub cluster: Arc<WatchedCluster>,
    pub prometheus: PrometheusClient,
    pub pool: PgPool,
    /// By which ways people are told besides in the console.
    pub channels: Channels,
    /// Who is told that several nodes take writes at once.
    pub concerned: Vec<Role>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
}

/// A node and the means to act on it.
#[derive(Debug)]
pub(crate) struct Node {
    control: NodeControl,
    /// Where clients are sent.
    address: (String, u16),
    /// Where it is itself, for other nodes.
    own: (String, u16),
    exporter_up: Option<String>,
    fence: Vec<String>,
    rejoin: Vec<String>,
}

impl Node {
    fn new(config: &PostgresNodeConfig) -> Result<Self, PostgresNodeConfigError> {
        Ok(Self {
            control: NodeControl::new(config)?,
            address: config.address()?,
            own: config.own_address()?,
            exporter_up: config.exporter_up.clone(),
            fence: config.fence.clone(),
            rejoin: config.rejoin.clone(),
        })
    }
}

/// Changes the primary of the watched cluster.
#[derive(Debug)]
pub struct Failover {
    config: FailoverConfig,
    nodes: Vec<Node>,
    cluster: Arc<WatchedCluster>,
    routing: Box<dyn ClientRouting>,
    patroni: Option<Arc<Patroni>>,
    prometheus: PrometheusClient,
    probe: WriteProbe,
    memory: Mutex<Memory>,
    splits: Mutex<SplitWatch>,
    orders: Mutex<guard::Orders>,
    routes: Fresh<ClientsView>,
    events: EventMaker,
    channels: Channels,
    concerned: Vec<Role>,
    pool: PgPool,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Failover {
    /// Prepares; nothing is asked yet.
    ///
    /// # Errors
    /// For settings that can't be used; the text names them.
    pub fn new(parts: FailoverParts<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            nodes: parts.nodes.iter().map(Node::new).collect::<Result<_, _>>()?,
            routing: routing::routing(&parts.config)?,
            patroni: match &parts.config.patroni {
                Some(section) => Some(Arc::new(Patroni::new(section)?)),
                None => None,
            },
            probe: WriteProbe::new(&parts.config)?,
            cluster: parts.cluster,
            prometheus: parts.prometheus,
            memory: Mutex::default(),
            splits: Mutex::default(),
            orders: Mutex::default(),
            routes: Fresh::default(),
            events: EventMaker::new(Arc::clone(&parts.clock), Arc::clone(&parts.entropy)),
            channels: parts.channels,
            concerned: parts.concerned,
            pool: parts.pool,
            clock: parts.clock,
            entropy: parts.entropy,
            config: parts.config,
        })
    }

    /// Its settings.
    #[must_use]
    pub const fn config(&self) -> &FailoverConfig {
        &self.config
    }

    /// What sends clients to the primary.
    #[must_use]
    pub fn routing(&self) -> &dyn ClientRouting {
        &*self.routing
    }

    /// Patroni, where it runs the cluster: then nothing else promotes.
    #[must_use]
    pub const fn patroni(&self) -> Option<&Arc<Patroni>> {
        self.patroni.as_ref()
    }

    /// Writes and reads as a client does.
    #[must_use]
    pub const fn probe(&self) -> &WriteProbe {
        &self.probe
    }

    fn node(&self, name: &str) -> Result<&Node, ActError> {
        self.nodes
            .iter()
            .find(|node| node.control.name() == name)
            .ok_or_else(|| ActError::Refused(format!("{name} is not configured, see [[postgres]]")))
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Looks at the nodes, remembers how they were, and holds what was ordered against it. Answers the look.
    pub async fn watch(&self) -> Arc<Looked> {
        let looked = self.cluster.looked().await;
        self.note(&looked);
        self.enforce(&looked).await;
        looked
    }

    /// Remembers how the nodes were.
    pub fn note(&self, looked: &Looked) {
        self.memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(looked.at_ms, &looked.sights);
    }

    fn memory(&self) -> Memory {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
