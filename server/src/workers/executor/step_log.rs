//! The record of one execution, written in order beside the work: the work does not wait for a database that is away
//! while the record of an earlier step covers it, and nothing that was noted is left out.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::action::StepSpec;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::services::actions::{ActionError, Actions};

/// How often a worker says that it is alive: a few times within its lease.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// Time between two attempts while the database is away.
const PAUSE: Duration = Duration::from_millis(250);

/// What is to be written down.
#[derive(Debug)]
enum Note {
    Begun {
        position: usize,
        name: &'static str,
        at: OffsetDateTime,
    },
    Ended {
        position: usize,
        state: &'static str,
        detail: String,
        data: Value,
        at: OffsetDateTime,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    written: usize,
    lost: bool,
    /// The last attempt found the database away.
    away: bool,
}

/// What became of what was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// All of it is written.
    Written,
    /// The database is still away.
    Waiting,
    /// It can't be written: the action is another's by now, or the database refuses.
    Lost,
}

/// The record, and the worker's lease: both are kept up as long as this lives.
#[derive(Debug)]
pub(super) struct StepLog {
    actions: Arc<Actions>,
    notes: mpsc::UnboundedSender<Note>,
    noted: usize,
    progress: watch::Receiver<Progress>,
    _writing: AbortOnDropHandle<()>,
}

impl StepLog {
    pub(super) fn of(actions: &Arc<Actions>, action: Uuid, worker: Uuid) -> Self {
        let (notes, noted) = mpsc::unbounded_channel();
        let (told, progress) = watch::channel(Progress::default());
        let writer = Writer {
            actions: Arc::clone(actions),
            action,
            worker,
            told,
        };
        Self {
            actions: Arc::clone(actions),
            notes,
            noted: 0,
            progress,
            _writing: AbortOnDropHandle::new(tokio::spawn(writer.run(noted))),
        }
    }

    fn note(&mut self, note: Note) {
        // Nobody takes it any more once the action is lost, and that is told by `settled`.
        let _ = self.notes.send(note);
        self.noted += 1;
    }

    /// A step begins that an earlier record covers.
    pub(super) fn begun(&mut self, position: usize, step: &StepSpec) {
        let at = self.actions.now();
        let name = step.name;
        self.note(Note::Begun { position, name, at });
    }

    /// A step has ended.
    pub(super) fn ended(&mut self, position: usize, state: &'static str, detail: String, data: Value) {
        let at = self.actions.now();
        self.note(Note::Ended {
            position,
            state,
            detail,
            data,
            at,
        });
    }

    /// Waits until all that was noted is written; for as long as it takes where there is no `limit`.
    pub(super) async fn settled(&mut self, limit: Option<Duration>) -> Settled {
        let noted = self.noted;
        let done = self
            .progress
            .wait_for(|progress| progress.lost || progress.written == noted);
        let progress = match limit {
            Some(limit) => match tokio::time::timeout(limit, done).await {
                Ok(progress) => progress,
                Err(_) => return Settled::Waiting,
            },
            None => done.await,
        };
        match progress {
            Ok(progress) if !progress.lost => Settled::Written,
            Ok(_) | Err(_) => Settled::Lost,
        }
    }

    /// Waits until all that was noted is written, unless the database is known to be away, or is slower than `limit`.
    /// Answers whether the action is still this worker's.
    pub(super) async fn written_or_away(&mut self, limit: Duration) -> bool {
        let noted = self.noted;
        let done = self
            .progress
            .wait_for(|progress| progress.lost || progress.away || progress.written == noted);
        match tokio::time::timeout(limit, done).await {
            Ok(Ok(progress)) => !progress.lost,
            Ok(Err(_)) => false,
            Err(_) => true,
        }
    }

    /// Waits until the action is lost.
    pub(super) async fn lost(&mut self) {
        // An error is that nothing is written any more, which is the same.
        let _ = self.progress.wait_for(|progress| progress.lost).await;
    }
}

struct Writer {
    actions: Arc<Actions>,
    action: Uuid,
    worker: Uuid,
    told: watch::Sender<Progress>,
}

impl Writer {
    async fn run(self, mut notes: mpsc::UnboundedReceiver<Note>) {
        let mut alive = tokio::time::interval(SIGN_OF_LIFE);
        loop {
            let has_it = tokio::select! {
                biased;
                note = notes.recv() => match note {
                    Some(note) => self.insist(&note).await,
                    None => return,
                },
                _ = alive.tick() => self.stay_alive().await,
            };
            if !has_it {
                self.told.send_modify(|progress| progress.lost = true);
                return;
            }
        }
    }

    async fn stay_alive(&self) -> bool {
        match self.actions.stay_alive(self.action, self.worker).await {
            Ok(has_it) => has_it,
            Err(error) => {
                tracing::warn!(action = %self.action, %error, "the lease could not be renewed");
                true
            }
        }
    }

    /// Writes a note, as soon as it can be. Answers whether the action is still the worker's.
    async fn insist(&self, note: &Note) -> bool {
        loop {
            match self.write(note).await {
                Ok(has_it) => {
                    self.told.send_modify(|progress| {
                        progress.written += 1;
                        progress.away = false;
                    });
                    return has_it;
                }
                Err(ActionError::Db(error)) if error.is_unavailable() => {
                    tracing::warn!(action = %self.action, %error, "the record waits for the database");
                    self.told.send_modify(|progress| progress.away = true);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(action = %self.action, error = &error as &dyn std::error::Error, "a step could not be recorded");
                    return false;
                }
            }
        }
    }

    async fn write(&self, note: &Note) -> Result<bool, ActionError> {
        match note {
            Note::Begun { position, name, at } => {
                let holder = (self.action, self.worker);
                self.actions.begin_step(holder, *position, name, *at).await
            }
            Note::Ended {
                position,
                state,
                detail,
                data,
                at,
            } => {
                let step = (self.action, *position);
                self.actions.end_step(step, state, detail, data, *at).await?;
                Ok(true)
            }
        }
    }
}
