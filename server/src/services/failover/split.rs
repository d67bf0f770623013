//! Two nodes that take writes at once: shown on every page, and told to people once each time.

use std::sync::PoisonError;

use quarterdeck_app::view::topology::SplitView;
use quarterdeck_domain::{
    audit::{Action, Actor, Detail, Object, Outcome},
    cluster::{Split, Topology},
};

use super::{super::cluster::Looked, Failover};
use crate::{
    clock::from_unix_ms,
    db::{self, DbError},
    services::{
        audit::{self, AuditError, Origin},
        notices::{self, Audience, Notice, SplitBrainNotice, SplitBrainTopic},
    },
};

/// How long the database may take.
const DB_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// What the table says, as far as the replica that leads knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It has not been asked.
    Unknown,
    /// One is open.
    Open,
    /// None is.
    Over,
}

impl Failover {
    /// Takes in whether several nodes take writes; answers whether what pages show of that has changed.
    pub fn note_split(&self, looked: &Looked) -> bool {
        let verdict = Topology::new(&looked.sights).verdict();
        let mut splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        let before = splits.present().cloned();
        splits.note(looked.at_ms, &verdict);
        before.as_ref() != splits.present()
    }

    /// The nodes that take writes at once, as pages show them; none if there are none.
    #[must_use]
    pub fn split(&self) -> Option<SplitView> {
        let splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        splits.present().map(|split| SplitView {
            primaries: split.primaries.clone(),
            since_ms: split.since_ms,
        })
    }

    /// Brings the table, the audit log and people up to date, where this replica leads. `told` is what the table says; the
    /// answer is what it says then.
    pub async fn tell_split(&self, told: Told, at_ms: i64) -> Told {
        let (occurrence, over) = {
            let splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner);
            (splits.occurrence().cloned(), splits.is_over(at_ms))
        };
        let (outcome, then) = match occurrence {
            Some(split) if told != Told::Open => (self.begin_split(&split).await, Told::Open),
            None if over && told != Told::Over => (self.end_split().await, Told::Over),
            Some(_) | None => return told,
        };
        match outcome {
            Ok(()) => then,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "whether the cluster is split could not be recorded yet; trying on"
                );
                told
            }
        }
    }

    async fn begin_split(&self, split: &Split) -> Result<(), AuditError> {
        let now = self.clock.now();
        let since = from_unix_ms(split.since_ms);
        self.recorded(async {
            let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
            let id = self.entropy.uuid(now);
            if !db::splits::begin(&mut *transaction, id, &split.primaries, since).await? {
                return Ok(());
            }
            tracing::error!(
                nodes = split.primaries.join(" and "),
                "several nodes take writes at once"
            );
            let event = self.split_event(Action::ClusterSplit, &split.primaries);
            audit::append(&mut transaction, &event).await?;
            let notice = Notice::SplitBrain(SplitBrainNotice {
                topic: SplitBrainTopic::SplitBrain,
                primaries: split.primaries.clone(),
                since,
            });
            let audience = Audience {
                roles: self.concerned.clone(),
                ..Audience::default()
            };
            notices::enqueue(&mut transaction, self.channels, &notice, &audience, now).await?;
            Ok(transaction.commit().await.map_err(DbError::from)?)
        })
        .await
    }

    async fn end_split(&self) -> Result<(), AuditError> {
        let now = self.clock.now();
        self.recorded(async {
            let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
            if let Some(primaries) = db::splits::end(&mut *transaction, now).await? {
                let event = self.split_event(Action::ClusterWhole, &primaries);
                audit::append(&mut transaction, &event).await?;
            }
            Ok(transaction.commit().await.map_err(DbError::from)?)
        })
        .await
    }

    async fn recorded(&self, work: impl Future<Output = Result<(), AuditError>>) -> Result<(), AuditError> {
        tokio::time::timeout(DB_LIMIT, work)
            .await
            .map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?
    }

    fn split_event(&self, action: Action, primaries: &[String]) -> quarterdeck_domain::audit::Event {
        self.events.event(
            &Origin::default(),
            Actor::System,
            action,
            Object::new("cluster", "database"),
            Outcome::Succeeded,
            Detail::none().with("nodes", primaries.join(" and ")),
        )
    }
}
