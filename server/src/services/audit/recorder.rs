//! Group commit for events that stand alone.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_domain::audit::Event;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::AuditError;
use crate::db::{self, DbError};

/// The most events in one commit.
const BATCH: usize = 256;

/// The most events that wait; whoever comes then waits for room.
const WAITING: usize = 1024;

/// How long one commit may take before its callers are told that it failed.
const COMMIT_LIMIT: Duration = Duration::from_secs(5);

struct Pending {
    id: Uuid,
    canonical: String,
    done: oneshot::Sender<Result<(), AuditError>>,
}

type Answer = oneshot::Receiver<Result<(), AuditError>>;

impl Pending {
    fn new(event: &Event) -> Result<(Self, Answer), AuditError> {
        let (done, answer) = oneshot::channel();
        let pending = Self {
            id: event.id,
            canonical: event.canonical()?,
            done,
        };
        Ok((pending, answer))
    }
}

/// Records events that share no transaction with anything else, many in one commit when many come at once.
///
/// Each caller hears about its own event, and only when that is durable.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: mpsc::Sender<Pending>,
}

impl Recorder {
    /// Starts the worker. It ends, with everything written, when the last clone of the recorder is dropped.
    pub fn start(pool: PgPool) -> (Self, JoinHandle<()>) {
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let worker = tokio::spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                write(&pool, std::mem::take(&mut batch)).await;
            }
        });
        (Self { sender }, worker)
    }

    /// Records an event, and returns when it is durable.
    ///
    /// # Errors
    /// [`AuditError`]: the event is not in the log, except when the database went away during the commit and did not
    /// come back within seconds; then it may be.
    pub async fn record(&self, event: &Event) -> Result<(), AuditError> {
        let (pending, answer) = Pending::new(event)?;
        self.sender
            .send(pending)
            .await
            .map_err(|_| AuditError::Stopping)?;
        answer.await.map_err(|_| AuditError::Stopping)?
    }

    /// Has an event recorded with the next commit, without waiting for that: for what happened anyway, such as a refusal.
    /// A commit that fails is logged.
    ///
    /// # Errors
    /// [`AuditError`]: the event will not be in the log.
    pub fn record_soon(&self, event: &Event) -> Result<(), AuditError> {
        let (pending, _) = Pending::new(event)?;
        self.sender.try_send(pending).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AuditError::TooManyWaiting,
            mpsc::error::TrySendError::Closed(_) => AuditError::Stopping,
        })
    }
}

async fn write(pool: &PgPool, batch: Vec<Pending>) {
    match commit(pool, &batch).await {
        Ok(()) => answer(batch, |_| Ok(())),
        Err(error) if error.is_unavailable() => {
            // The answer to the commit may be what was lost: ask once before saying that it failed.
            let ids: Vec<Uuid> = batch.iter().map(|pending| pending.id).collect();
            let recorded = recorded(pool, &ids).await.unwrap_or_default();
            let error = AuditError::from(error);
            answer(batch, |id| {
                if recorded.contains(&id) {
                    Ok(())
                } else {
                    Err(error.clone())
                }
            });
        }
        Err(error) if batch.len() == 1 => {
            let error = AuditError::from(error);
            answer(batch, |_| Err(error.clone()));
        }
        // One event that the database refuses must not take the others with it.
        Err(_) => {
            for pending in batch {
                let alone = [pending];
                let result = commit(pool, &alone)
                    .await
                    .map_err(|error| AuditError::Db(Arc::new(error)));
                answer(alone, |_| result.clone());
            }
        }
    }
}

async fn commit(pool: &PgPool, batch: &[Pending]) -> Result<(), DbError> {
    let texts: Vec<String> = batch.iter().map(|pending| pending.canonical.clone()).collect();
    db::within(COMMIT_LIMIT, async {
        let mut transaction = pool.begin().await?;
        db::audit::append(&mut transaction, &texts).await?;
        transaction.commit().await?;
        Ok(())
    })
    .await
}

async fn recorded(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    db::within(COMMIT_LIMIT, async {
        db::audit::recorded(&mut *pool.acquire().await?, ids).await
    })
    .await
}

fn answer(batch: impl IntoIterator<Item = Pending>, result: impl Fn(Uuid) -> Result<(), AuditError>) {
    for pending in batch {
        // Nobody waits for it, or no longer: the log has to say what was lost.
        if let Err(Err(error)) = pending.done.send(result(pending.id)) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                event = %pending.id,
                "an event could not be recorded"
            );
        }
    }
}
