//! Keeps nodes that were the primary from taking writes when they return, and measures what only they have.
//!
//! An order is in memory and in the table: what is known here holds also while the database is away, and what another
//! replica ordered is found there.

use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

use quarterdeck_app::view::topology::FenceView;
use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    cluster::{Lsn, NodeSight, Topology},
};
use uuid::Uuid;

use super::{super::cluster::Looked, ActError, Failover};
use crate::{
    clock::unix_ms,
    db::{self, DbError, fences::FenceRow},
    services::audit::{self, AuditError, Origin},
};

/// How long the database may take.
const DB_LIMIT: Duration = Duration::from_secs(5);

/// An order, and whether the table has it as it is here.
#[derive(Debug, Clone)]
struct Order {
    row: FenceRow,
    saved: bool,
}

/// The orders that hold, by node.
#[derive(Debug, Default)]
pub(super) struct Orders {
    by_node: BTreeMap<String, Order>,
}

/// Where a new primary began.
#[derive(Debug, Clone, Copy)]
pub struct Promoted {
    /// Up to where it had replayed.
    pub at: Option<Lsn>,
    /// Its timeline.
    pub timeline: Option<i32>,
}

/// Which action orders it.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// The action.
    pub action: Uuid,
    /// Its number, for people.
    pub number: i64,
    /// Whether it is a switchover: it has made the node read-only itself, and ended the sessions.
    pub planned: bool,
}

impl Failover {
    fn orders<T>(&self, work: impl FnOnce(&mut Orders) -> T) -> T {
        work(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn rows(&self, which: impl Fn(&Order) -> bool) -> Vec<FenceRow> {
        self.orders(|orders| {
            let those = orders.by_node.values().filter(|order| which(order));
            those.map(|order| order.row.clone()).collect()
        })
    }

    /// Orders that a node takes no writes any more, because another is the primary, or is about to be. Known here at
    /// once, and written down as soon as the database takes it. Ordered again by the same action, it has the place at
    /// which the new primary began.
    pub async fn order_fence(&self, by: By, node: &str, new_primary: &str, promoted: Option<Promoted>) {
        let now = self.clock.now();
        let (promoted_at, timeline) = match promoted {
            None => (None, None),
            Some(promoted) => (promoted.at, promoted.timeline),
        };
        let promoted_at = promoted_at.and_then(|lsn| i64::try_from(lsn.bytes()).ok());
        self.orders(|orders| {
            let known = orders.by_node.get(node).map(|order| &order.row);
            let row = match known.filter(|known| known.action_id == by.action) {
                Some(known) => FenceRow {
                    promoted_at,
                    timeline,
                    ..known.clone()
                },
                None => FenceRow {
                    id: self.entropy.uuid(now),
                    node: node.to_owned(),
                    action_id: by.action,
                    number: by.number,
                    planned: by.planned,
                    new_primary: new_primary.to_owned(),
                    ordered_at: now,
                    promoted_at,
                    timeline,
                    enforced_at: None,
                    lost_bytes: None,
                    lost_transactions: None,
                    measured_at: None,
                },
            };
            orders
                .by_node
                .insert(node.to_owned(), Order { row, saved: false });
        });
        self.save_orders().await;
    }

    /// Lifts what was ordered for a node that is about to be the primary.
    pub async fn lift_fence_on(&self, node: &str) {
        let row = self
            .orders(|orders| orders.by_node.remove(node))
            .map(|order| order.row);
        if let Some(row) = row {
            self.lift(&row, "it is made the primary").await;
        }
    }

    /// Lifts what an action has ordered: it did not come to a promotion.
    pub async fn lift_fence_of(&self, action: Uuid) {
        // Another console may have ordered it, and be gone.
        self.load_orders().await;
        for row in self.rows(|order| order.row.action_id == action) {
            self.lift(&row, "nothing was promoted").await;
        }
    }

    /// The orders that hold, as pages show them.
    #[must_use]
    pub fn fences(&self) -> Vec<FenceView> {
        self.orders(|orders| orders.by_node.values().map(|order| view(&order.row)).collect())
    }

    /// Writes down what is not yet, and takes over what other replicas have ordered.
    async fn save_orders(&self) {
        for row in self.rows(|order| !order.saved) {
            let saved = db::within(DB_LIMIT, async {
                let mut transaction = self.pool.begin().await?;
                db::fences::order(&mut transaction, &row).await?;
                Ok(transaction.commit().await?)
            })
            .await;
            match saved {
                Ok(()) => self.orders(|orders| {
                    if let Some(order) = orders.by_node.get_mut(&row.node)
                        && order.row == row
                    {
                        order.saved = true;
                    }
                }),
                Err(error) => tracing::warn!(
                    node = row.node,
                    error = &error as &dyn std::error::Error,
                    "the order to fence a node is known here and could not be written down yet"
                ),
            }
        }
    }

    async fn load_orders(&self) {
        match db::within(DB_LIMIT, db::fences::open(&self.pool)).await {
            Ok(rows) => self.orders(|orders| {
                orders
                    .by_node
                    .retain(|node, order| !order.saved || rows.iter().any(|row| row.node == *node));
                for row in rows {
                    let unsaved = orders.by_node.get(&row.node).is_some_and(|order| !order.saved);
                    if !unsaved {
                        orders
                            .by_node
                            .insert(row.node.clone(), Order { row, saved: true });
                    }
                }
            }),
            Err(error) if error.is_unavailable() => {
                tracing::debug!(%error, "the orders to fence can't be read; those that are known hold");
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the orders to fence can't be read; those that are known hold"
            ),
        }
    }

    /// Holds every order against how the nodes are now.
    pub async fn enforce(&self, looked: &Looked) {
        // What is known here first: the database may be away.
        self.enforce_known(looked).await;
        self.save_orders().await;
        self.load_orders().await;
    }

    async fn enforce_known(&self, looked: &Looked) {
        let topology = Topology::new(&looked.sights);
        for row in self.rows(|_| true) {
            let Some(sight) = topology.node(&row.node) else {
                continue;
            };
            if sight.standby().is_some() {
                self.lift(&row, "it is a standby").await;
            } else if replaced(&topology, &row) {
                let read_only = sight.state().is_some_and(|state| state.read_only);
                // Half done counts as not done: sessions that were there before may still write.
                let kept = if read_only && (row.enforced_at.is_some() || row.planned) {
                    Ok(())
                } else {
                    self.keep_from_writes(&row).await
                };
                match kept {
                    Ok(()) => self.measure(&row).await,
                    Err(error) => tracing::error!(
                        node = row.node,
                        %error,
                        "a node that was the primary takes writes and could not be kept from it; trying on"
                    ),
                }
            }
        }
    }

    async fn keep_from_writes(&self, row: &FenceRow) -> Result<(), ActError> {
        // The look that led here may be a second old.
        let now = self.cluster.look().await;
        if !replaced(&Topology::new(&now.sights), row) {
            return Err(ActError::Refused("it is another node by now".to_owned()));
        }
        tracing::warn!(
            node = row.node,
            "a node that was the primary is back and takes writes; it is made read-only"
        );
        let (ended, beyond) = self.stop_writes(&row.node).await?;
        let now = self.clock.now();
        let detail = Detail::none()
            .with("node", row.node.as_str())
            .with("primary", row.new_primary.as_str())
            .with("sessions_ended", ended.to_string())
            .with("sessions_left", beyond.to_string());
        self.tell(row, Action::ClusterNodeFenced, detail, async |connection| {
            db::fences::note_enforced(connection, row.id, now).await
        })
        .await;
        Ok(())
    }

    /// Measures once what only this node has.
    async fn measure(&self, row: &FenceRow) {
        let Some(promoted_at) = row.promoted_at.and_then(|bytes| u64::try_from(bytes).ok()) else {
            return;
        };
        if row.measured_at.is_some() {
            return;
        }
        let Ok(node) = self.node(&row.node) else { return };
        let surplus = match node.control.surplus(Lsn::from_bytes(promoted_at)).await {
            Ok(surplus) => surplus,
            Err(error) => {
                tracing::warn!(node = row.node, %error, "what only the old primary has can't be measured; trying on");
                return;
            }
        };
        let now = self.clock.now();
        let transactions = surplus
            .transactions
            .map_or_else(|| "not known".to_owned(), |count| count.to_string());
        let detail = Detail::none()
            .with("node", row.node.as_str())
            .with("primary", row.new_primary.as_str())
            .with("transactions", transactions)
            .with("bytes", surplus.bytes.to_string());
        self.tell(row, Action::ClusterLossMeasured, detail, async |connection| {
            let figures = (surplus.bytes, surplus.transactions);
            db::fences::note_measured(connection, (row.id, now), figures).await
        })
        .await;
    }

    async fn lift(&self, row: &FenceRow, why: &str) {
        let now = self.clock.now();
        let detail = Detail::none().with("node", row.node.as_str()).with("why", why);
        let lifted = self
            .tell(row, Action::ClusterFenceLifted, detail, async |connection| {
                db::fences::lift(connection, (row.id, now), why).await
            })
            .await;
        if lifted {
            self.orders(|orders| {
                if orders
                    .by_node
                    .get(&row.node)
                    .is_some_and(|order| order.row.id == row.id)
                {
                    orders.by_node.remove(&row.node);
                }
            });
        }
    }

    /// Notes something in the table and, if nobody had, in the audit log, both or neither. Answers whether the table has it.
    async fn tell(
        &self,
        row: &FenceRow,
        action: Action,
        detail: Detail,
        note: impl AsyncFnOnce(&mut sqlx::PgConnection) -> Result<bool, DbError>,
    ) -> bool {
        let work = async {
            let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
            if note(&mut transaction).await? {
                let event = self.events.event(
                    &Origin::default(),
                    Actor::System,
                    action,
                    Object::new("action", row.action_id),
                    Outcome::Succeeded,
                    detail.with("number", row.number.to_string()),
                );
                audit::append(&mut transaction, &event).await?;
                transaction.commit().await.map_err(DbError::from)?;
            }
            Ok::<_, AuditError>(())
        };
        match tokio::time::timeout(DB_LIMIT, work).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(
                    node = row.node,
                    error = &error as &dyn std::error::Error,
                    "what was done about a fenced node could not be recorded yet"
                );
                false
            }
            Err(_) => {
                tracing::warn!(
                    node = row.node,
                    "what was done about a fenced node could not be recorded in time"
                );
                false
            }
        }
    }
}

/// Whether a node takes the part of a primary that another has, or had since: on a lower timeline than that one began. One that
/// was promoted since is not meant by the order any more.
fn replaced(topology: &Topology<'_>, row: &FenceRow) -> bool {
    let primary = topology.node(&row.node).and_then(NodeSight::primary);
    match (primary.and_then(|(state, _)| state.timeline), row.timeline) {
        (Some(its), Some(since)) => its < since,
        (None, _) | (_, None) => false,
    }
}

fn view(row: &FenceRow) -> FenceView {
    FenceView {
        node: row.node.clone(),
        primary: row.new_primary.clone(),
        action: row.action_id.to_string(),
        number: row.number,
        since_ms: unix_ms(row.ordered_at),
        promoted: row.timeline.is_some() || row.promoted_at.is_some(),
        enforced_at_ms: row.enforced_at.map(unix_ms),
        lost_bytes: row.lost_bytes,
        lost_transactions: row.lost_transactions,
    }
}
