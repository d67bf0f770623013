//! Does what was started: takes actions up, does their steps one after the other, and ends what others left.
//!
//! Every step is written down before it is done and after. When the record can't be written, no step begins; when the
//! outcome of a step can't be written, it is tried until the lease is over, and then the action's outcome is unknown:
//! nothing is ever done twice.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::action::{Failure, Outcome, Refused};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::services::actions::{ActionError, Actions, Due, Ending, Handler, Run, StepError, TAKE_BACK};

/// How often it looks for what is due.
const ROUND: Duration = Duration::from_secs(1);
/// How often a worker says that it is alive: a few times within its lease.
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);
/// How long the outcome of a step is tried to be written: a little longer than the lease.
const RECORD_LIMIT: Duration = Duration::from_secs(20);

/// Works until `stop`; then it takes nothing up any more, and ends when what it does is done.
pub async fn run(actions: Arc<Actions>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    loop {
        match actions.due().await {
            Ok(due) => {
                for due in due {
                    look_after(&actions, due, &mut running).await;
                }
            }
            Err(error) => tracing::debug!(%error, "what is due can't be seen"),
        }
        while running.try_join_next().is_some() {}
        tokio::select! {
            () = stop.cancelled() => break,
            () = actions.started() => {}
            () = tokio::time::sleep(ROUND) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

async fn look_after(actions: &Arc<Actions>, due: Due, running: &mut JoinSet<()>) {
    let ended = match due {
        Due::Expire(id) => actions.expire(id).await.map(|_| ()),
        Due::Abandoned(id) => actions.abandon(id).await.map(|_| ()),
        Due::TakeUp(id) => {
            let worker = actions.new_id();
            match actions.take_up(id, worker).await {
                Ok((handler, run)) => {
                    let actions = Arc::clone(actions);
                    running.spawn(async move { Execution { actions, worker }.run(handler, run).await });
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

/// One worker with one action.
struct Execution {
    actions: Arc<Actions>,
    worker: Uuid,
}

impl Execution {
    async fn run(&self, handler: Arc<dyn Handler>, mut run: Run) {
        let id = run.action;
        tracing::info!(action = %id, number = run.number, kind = %run.plan.params.kind(), "an action begins");
        let outcome = self.steps(&*handler, &mut run).await;
        let Some(outcome) = outcome else {
            tracing::error!(action = %id, "an action was lost to another worker; nothing more is done");
            return;
        };
        let outcome = match outcome {
            Outcome::Failed(failure) => self.taken_back(&*handler, &run, failure).await,
            outcome => outcome,
        };
        tracing::info!(action = %id, outcome = ?outcome, "an action ends");
        let finished = self
            .insist(|| self.actions.finish(id, self.worker, outcome.clone()))
            .await;
        if let Err(error) = finished {
            tracing::error!(action = %id, error = &error as &dyn std::error::Error, "how an action ended could not be recorded");
        }
    }

    /// Does the steps. `None` when the action is not this worker's any more.
    async fn steps(&self, handler: &dyn Handler, run: &mut Run) -> Option<Outcome> {
        let id = run.action;
        let spec = run.plan.params.kind().spec();
        for (position, step) in spec.steps.iter().enumerate() {
            let name = step.name;
            if step.cancellable
                && let Ok(Some(by)) = self.actions.stop_asked(id).await
            {
                return Some(Outcome::Failed(Failure::Stopped {
                    by,
                    before: name.to_owned(),
                }));
            }
            match self.actions.begin_step((id, self.worker), position, name).await {
                Ok(true) => {}
                Ok(false) => return None,
                // No record, no action.
                Err(error) => {
                    tracing::error!(action = %id, step = name, error = &error as &dyn std::error::Error, "a step can't be recorded, so it is not done");
                    let reason = "The step could not be recorded, so it was not done.".to_owned();
                    return Some(Outcome::Failed(if position == 0 {
                        Failure::NotBegun { reason }
                    } else {
                        Failure::Step {
                            step: name.to_owned(),
                            reason,
                        }
                    }));
                }
            }
            let result = self.one_step(handler, run, name, step.timeout).await?;
            let (state, detail, data) = match &result {
                Ok(done) => ("done", done.detail.clone(), done.data.clone()),
                Err(StepError::Failed(reason)) => ("failed", reason.clone(), Value::Null),
                Err(StepError::Unknown(known)) => ("unknown", known.clone(), Value::Null),
            };
            let ended = self
                .insist(|| self.actions.end_step((id, position), state, &detail, &data))
                .await;
            if let Err(error) = ended {
                tracing::error!(action = %id, step = name, error = &error as &dyn std::error::Error, "how a step ended could not be recorded");
                return None;
            }
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
        let summary = run
            .done
            .iter()
            .map(|(_, done)| done.detail.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        Some(Outcome::Succeeded { summary })
    }

    /// Takes back what was begun, and says so with the failure.
    async fn taken_back(&self, handler: &dyn Handler, run: &Run, failure: Failure) -> Outcome {
        let at = match &failure {
            Failure::NotBegun { .. } => return Outcome::Failed(failure),
            Failure::Step { step, .. } => step.clone(),
            Failure::Stopped { before, .. } => before.clone(),
        };
        let work = tokio::time::timeout(TAKE_BACK, handler.take_back(run, &at, Ending::Known));
        let Some(Ok(taken)) = self.while_alive(run, work).await else {
            return Outcome::Unknown {
                step: at,
                known: "What was begun could not be taken back in time, or another worker has the action."
                    .to_owned(),
            };
        };
        match (taken, failure) {
            (Ok(None), failure) => Outcome::Failed(failure),
            (Ok(Some(said)), Failure::Step { step, reason }) => Outcome::Failed(Failure::Step {
                step,
                reason: format!("{reason} {said}"),
            }),
            (Ok(Some(_)), failure) => Outcome::Failed(failure),
            (Err(left), failure) => Outcome::Unknown {
                step: at,
                known: match failure {
                    Failure::Step { reason, .. } => format!("{reason} {left}"),
                    Failure::NotBegun { .. } | Failure::Stopped { .. } => left,
                },
            },
        }
    }

    /// Does one step within its time, and says meanwhile that the worker is alive. `None` when it has lost the action.
    async fn one_step(
        &self,
        handler: &dyn Handler,
        run: &Run,
        name: &'static str,
        limit: Duration,
    ) -> Option<Result<crate::services::actions::StepDone, StepError>> {
        let work = async {
            match tokio::time::timeout(limit, handler.step(name, run)).await {
                Ok(result) => result,
                Err(_) => Err(StepError::Unknown(format!(
                    "The step was not through after {} s and was left; whether it takes effect is not known.",
                    limit.as_secs()
                ))),
            }
        };
        self.while_alive(run, work).await
    }

    /// Does `work`, and says meanwhile that the worker is alive. `None` when it has lost the action.
    async fn while_alive<T>(&self, run: &Run, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let mut alive = tokio::time::interval(SIGN_OF_LIFE);
        loop {
            tokio::select! {
                result = &mut work => return Some(result),
                _ = alive.tick() => match self.actions.stay_alive(run.action, self.worker).await {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => tracing::warn!(action = %run.action, %error, "the lease could not be renewed"),
                },
            }
        }
    }

    /// Tries until it works, or the lease is over: the world has changed already, and that has to be written down.
    async fn insist<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ActionError>
    where
        F: Future<Output = Result<T, ActionError>>,
    {
        let begun = tokio::time::Instant::now();
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(ActionError::Db(error)) if error.is_unavailable() && begun.elapsed() < RECORD_LIMIT => {
                    tracing::warn!(%error, "the record waits for the database");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}
