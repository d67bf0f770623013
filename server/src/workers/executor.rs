//! Does what was started: takes actions up, does their steps one after the other, and ends what others left.
//!
//! Every step is written down before it is done and after. When the record can't be written, no step begins, except for
//! those that the record of the step before covers: while the primary is being changed the console's own database may
//! be the one that takes no writes. What was done is written down whenever the database is back, however long that
//! takes, unless the action was given up for lost meanwhile: nothing is ever done twice.

mod step_log;

use std::{collections::HashMap, sync::Arc, time::Duration};

use quarterdeck_domain::action::{Failure, Outcome, Refused, StepSpec};
use serde_json::Value;
use tokio::{
    task::{self, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::step_log::{Settled, StepLog};
use crate::services::actions::{
    ActionError, Actions, Due, Handler, LEASE, Run, StepError,
    kinds::{one_step, taken_back},
};

/// How often it looks for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// How long a step waits for its record: less than the lease, so that what was begun can be taken back as long as the
/// action is still this worker's.
const RECORD_LIMIT: Duration = Duration::from_secs(10);
/// How long a step that an earlier record covers waits for its own, while the database is slow rather than away.
const COVERED_LIMIT: Duration = Duration::from_secs(5);
/// Time between two attempts to record how an action ended.
const PAUSE: Duration = Duration::from_millis(500);

/// Works until `stop`; then it takes nothing up any more, and ends when what it does is done.
pub async fn run(actions: Arc<Actions>, stop: CancellationToken) {
    let mut executor = Executor {
        actions,
        running: JoinSet::new(),
        mine: HashMap::new(),
        answers_since: None,
    };
    loop {
        executor.round().await;
        tokio::select! {
            () = stop.cancelled() => break,
            () = executor.actions.started() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
    while executor.running.join_next().await.is_some() {}
}

struct Executor {
    actions: Arc<Actions>,
    running: JoinSet<()>,
    /// The actions that are done here.
    mine: HashMap<task::Id, Uuid>,
    /// Since when the database has answered each time.
    answers_since: Option<Instant>,
}

impl Executor {
    async fn round(&mut self) {
        while let Some(ended) = self.running.try_join_next_with_id() {
            let id = match ended {
                Ok((id, ())) => id,
                Err(error) => error.id(),
            };
            self.mine.remove(&id);
        }
        match self.actions.due().await {
            Ok(due) => {
                self.answers_since.get_or_insert_with(Instant::now);
                for due in due {
                    self.look_after(due).await;
                }
            }
            Err(error) => {
                self.answers_since = None;
                tracing::debug!(%error, "what is due can't be seen");
            }
        }
    }

    /// Whether a lease that has run out means that its worker is gone. Not if it may only have been cut off from the
    /// database, as this console was: it then has as long as the lease to say that it is alive.
    fn gives_up(&self, id: Uuid) -> bool {
        let answers = self
            .answers_since
            .is_some_and(|since| since.elapsed() >= LEASE.unsigned_abs());
        answers && !self.mine.values().any(|mine| *mine == id)
    }

    async fn look_after(&mut self, due: Due) {
        let actions = &self.actions;
        let ended = match due {
            Due::Expire(id) => actions.expire(id).await.map(|_| ()),
            Due::Abandoned(id) if !self.gives_up(id) => Ok(()),
            Due::Abandoned(id) => actions.abandon(id).await.map(|_| ()),
            Due::TakeUp(id) => {
                let worker = actions.new_id();
                match actions.take_up(id, worker).await {
                    Ok((handler, run)) => {
                        let actions = Arc::clone(actions);
                        let execution = Execution { actions, worker };
                        let task = self
                            .running
                            .spawn(async move { execution.run(handler, run).await });
                        self.mine.insert(task.id(), id);
                        Ok(())
                    }
                    Err(ActionError::Refused(Refused::TooLate)) => actions.abandon(id).await.map(|_| ()),
                    // Another console was faster.
                    Err(ActionError::Refused(_)) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        };
        match ended {
            Ok(()) | Err(ActionError::Refused(_)) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an action could not be looked after"
            ),
        }
    }
}

/// One worker with one action.
struct Execution {
    actions: Arc<Actions>,
    worker: Uuid,
}

impl Execution {
    async fn run(&self, handler: Arc<dyn Handler>, mut run: Run) {
        let id = run.action;
        tracing::info!(action = %id, number = run.number, kind = %run.plan.params.kind(), "an action begins");
        let mut log = StepLog::of(&self.actions, id, self.worker);
        let outcome = match self.steps(&*handler, &mut run, &mut log).await {
            Some(outcome) => self.taken_back(&*handler, &run, outcome, &mut log).await,
            None => {
                tracing::error!(action = %id, "an action was lost to another worker, or can't be recorded; nothing more is done");
                return;
            }
        };
        tracing::info!(action = %id, outcome = ?outcome, "an action ends");
        let finished = match log.settled(None).await {
            Settled::Written => {
                self.insist(None, || self.actions.finish(id, self.worker, outcome.clone()))
                    .await
            }
            Settled::Waiting | Settled::Lost => Err(ActionError::Refused(Refused::Claimed)),
        };
        if let Err(error) = finished {
            tracing::error!(action = %id, error = &error as &dyn std::error::Error, "how an action ended could not be recorded");
        }
    }

    /// Does the steps. `None` when the action is not this worker's any more.
    async fn steps(&self, handler: &dyn Handler, run: &mut Run, log: &mut StepLog) -> Option<Outcome> {
        let spec = run.plan.params.kind().spec();
        for (position, step) in spec.steps.iter().enumerate() {
            let name = step.name;
            if step.cancellable
                && let Ok(Some(by)) = self.actions.stop_asked(run.action).await
            {
                return Some(Outcome::Failed(Failure::Stopped {
                    by,
                    before: name.to_owned(),
                }));
            }
            if step.covered {
                log.begun(position, step);
                if !log.written_or_away(COVERED_LIMIT).await {
                    return None;
                }
            } else if let Err(unrecorded) = self.recorded(run, (position, step), log).await? {
                return Some(Outcome::Failed(unrecorded));
            }
            let result = tokio::select! {
                result = one_step(handler, run, step) => result,
                () = log.lost() => return None,
            };
            let (state, detail, data) = match &result {
                Ok(done) => ("done", done.detail.clone(), done.data.clone()),
                Err(StepError::Failed(reason)) => ("failed", reason.clone(), Value::Null),
                Err(StepError::Unknown(known)) => ("unknown", known.clone(), Value::Null),
            };
            log.ended(position, state, detail, data);
            match result {
                Ok(done) => run.done.push((name, done)),
                Err(StepError::Failed(reason)) => {
                    return Some(Outcome::Failed(Failure::Step {
                        step: name.to_owned(),
                        reason,
                    }));
                }
                Err(StepError::Unknown(known)) => {
                    return Some(Outcome::Unknown {
                        step: name.to_owned(),
                        known,
                    });
                }
            }
        }
        Some(Outcome::Succeeded {
            summary: run.summary(),
        })
    }

    /// Writes down that a step begins, after all that was before. No record, no action: it then answers the failure.
    /// `None` when the action is not this worker's any more.
    async fn recorded(
        &self,
        run: &Run,
        (position, step): (usize, &StepSpec),
        log: &mut StepLog,
    ) -> Option<Result<(), Failure>> {
        let begun = match log.settled(Some(RECORD_LIMIT)).await {
            Settled::Lost => return None,
            Settled::Waiting => false,
            Settled::Written => {
                let (at, holder) = (self.actions.now(), (run.action, self.worker));
                let begin = || self.actions.begin_step(holder, position, step.name, at);
                match self.insist(Some(RECORD_LIMIT), begin).await {
                    Ok(true) => true,
                    Ok(false) => return None,
                    Err(error) => {
                        tracing::error!(action = %run.action, step = step.name, error = &error as &dyn std::error::Error, "a step can't be recorded, so it is not done");
                        false
                    }
                }
            }
        };
        if begun {
            return Some(Ok(()));
        }
        let reason = "The step could not be recorded, so it was not done.".to_owned();
        Some(Err(if position == 0 {
            Failure::NotBegun { reason }
        } else {
            Failure::Step {
                step: step.name.to_owned(),
                reason,
            }
        }))
    }

    /// Takes back what was begun, where it ended before its aim, and says so with the outcome.
    async fn taken_back(
        &self,
        handler: &dyn Handler,
        run: &Run,
        outcome: Outcome,
        log: &mut StepLog,
    ) -> Outcome {
        let at = outcome.step().unwrap_or_default().to_owned();
        tokio::select! {
            outcome = taken_back(handler, run, outcome) => outcome,
            () = log.lost() => Outcome::Unknown {
                step: at,
                known: "Another worker has the action, or it can't be recorded; what was begun may not be taken back.".to_owned(),
            },
        }
    }

    /// Tries until it works, the database refuses, or `limit` is over.
    async fn insist<T, F>(&self, limit: Option<Duration>, attempt: impl Fn() -> F) -> Result<T, ActionError>
    where
        F: Future<Output = Result<T, ActionError>>,
    {
        let begun = Instant::now();
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(ActionError::Db(error))
                    if error.is_unavailable() && limit.is_none_or(|limit| begun.elapsed() < limit) =>
                {
                    tracing::warn!(%error, "the record waits for the database");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
