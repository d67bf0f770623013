//! What the executor asks: what is due, taking it up, writing down each step, and how it ended.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::action::{Case, Event, Outcome, Plan, Refused, State, TAKE_BACK};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    ActionError, Actions, Ending, Handler, Run, StepDone,
    kinds::Held,
    transition::{DB_LIMIT, LEASE, Transition},
};
use crate::db::{self, actions::StepRow};

/// How long the question whether somebody wants an action stopped may hold it up.
const STOP_LIMIT: Duration = Duration::from_millis(500);

/// What an action waits for that no person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Its time is over.
    Expire(Uuid),
    /// It was started, and no worker has it.
    TakeUp(Uuid),
    /// Its worker gives no sign of life.
    Abandoned(Uuid),
}

impl Actions {
    fn by_itself(id: Uuid) -> Transition<'static> {
        Transition {
            id,
            by: None,
            started_plan: None,
        }
    }

    /// What is due now.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn due(&self) -> Result<Vec<Due>, ActionError> {
        let rows = db::within(DB_LIMIT, db::actions::due(&self.pool, self.clock.now())).await?;
        Ok(rows
            .into_iter()
            .map(|row| match (row.state.as_str(), row.taken_up) {
                ("executing", true) => Due::Abandoned(row.id),
                ("executing", false) => Due::TakeUp(row.id),
                _ => Due::Expire(row.id),
            })
            .collect())
    }

    /// Ends a request whose time is over.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn expire(&self, id: Uuid) -> Result<Case, ActionError> {
        self.transition(Self::by_itself(id), |_, _, _| Ok(Event::Expire))
            .await
    }

    /// Takes a started action up for `worker`. Exactly one worker ever gets it.
    ///
    /// # Errors
    /// [`ActionError::Refused`] when it is somebody else's, or was started too long ago.
    pub async fn take_up(&self, id: Uuid, worker: Uuid) -> Result<(Arc<dyn Handler>, Run), ActionError> {
        self.transition(Self::by_itself(id), |_, _, _| Ok(Event::Claim { worker }))
            .await?;
        let row = db::actions::by_id(&self.pool, id)
            .await?
            .ok_or(ActionError::Unknown)?;
        let plan = row.started_plan.clone().unwrap_or_else(|| row.plan.clone()).0;
        let (started_by, started_at) = match &row.state_data.0 {
            State::Executing { by, at, .. } => (by.name.clone(), *at),
            _ => return Err(ActionError::Unknown),
        };
        let handler = Arc::clone(self.handler(&plan.params)?);
        let run = Run {
            action: id,
            number: row.number,
            started_by,
            reason: row.reason,
            plan,
            started_at,
            done: Vec::new(),
            held: Held::default(),
        };
        Ok((handler, run))
    }

    /// Says that the worker is alive; answers whether it still has the action.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn stay_alive(&self, id: Uuid, worker: Uuid) -> Result<bool, ActionError> {
        let until = self.clock.now() + LEASE;
        let renewed = db::actions::renew_lease(&self.pool, id, worker, until);
        Ok(db::within(DB_LIMIT, renewed).await?)
    }

    /// Who wants the action stopped, if anybody does.
    ///
    /// # Errors
    /// That the database is away.
    pub async fn stop_asked(&self, id: Uuid) -> Result<Option<String>, ActionError> {
        let row = db::within(STOP_LIMIT, db::actions::by_id(&self.pool, id))
            .await?
            .ok_or(ActionError::Unknown)?;
        Ok(match row.state_data.0 {
            State::Executing { stop: Some(by), .. } => Some(by.name),
            _ => None,
        })
    }

    /// Writes down that a step begins; answers whether the worker still has the action. It may be said again where the
    /// answer was lost.
    ///
    /// # Errors
    /// That it can't be written down: then the step must not be done, unless the one before covers it.
    pub async fn begin_step(
        &self,
        holder: (Uuid, Uuid),
        position: usize,
        name: &str,
        at: OffsetDateTime,
    ) -> Result<bool, ActionError> {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        let begun = db::actions::begin_step(&self.pool, holder, position, name, at);
        Ok(db::within(DB_LIMIT, begun).await?)
    }

    /// Writes down how a step ended.
    ///
    /// # Errors
    /// That it can't be written down.
    pub async fn end_step(
        &self,
        (id, position): (Uuid, usize),
        state: &str,
        detail: &str,
        data: &serde_json::Value,
        at: OffsetDateTime,
    ) -> Result<(), ActionError> {
        let step = (id, i32::try_from(position).unwrap_or(i32::MAX));
        let ended = db::actions::end_step(&self.pool, step, state, detail, data, at);
        Ok(db::within(DB_LIMIT, ended).await?)
    }

    /// Writes down how the action ended.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn finish(&self, id: Uuid, worker: Uuid, outcome: Outcome) -> Result<Case, ActionError> {
        self.transition(Self::by_itself(id), move |_, _, _| {
            Ok(Event::Finish { worker, outcome })
        })
        .await
    }

    /// Ends an action whose worker is gone, or that no worker took up in time. What the worker had begun and can be taken back
    /// is taken back: that does not depend on how far it came.
    ///
    /// # Errors
    /// [`ActionError`].
    pub async fn abandon(&self, id: Uuid) -> Result<Case, ActionError> {
        let lapsed = |until: Option<OffsetDateTime>, now| until.is_none_or(|until| until <= now);
        let row = db::actions::by_id(&self.pool, id)
            .await?
            .ok_or(ActionError::Unknown)?;
        if !lapsed(row.lease_until, self.clock.now()) {
            return Err(Refused::Claimed.into());
        }
        let steps = db::actions::steps_of(&self.pool, id).await?;
        let begun = steps.last().map(|step| step.name.clone());
        let taken_back = match (&row.state_data.0, &begun) {
            (State::Executing { by, at, .. }, Some(begun)) => {
                let plan = row.started_plan.clone().unwrap_or_else(|| row.plan.clone()).0;
                let run = Run {
                    action: id,
                    number: row.number,
                    started_by: by.name.clone(),
                    reason: row.reason.clone(),
                    done: done(&plan, &steps),
                    plan,
                    started_at: *at,
                    held: Held::default(),
                };
                self.take_back_abandoned(&run, begun).await
            }
            _ => None,
        };
        self.transition(Self::by_itself(id), move |row, _, now| {
            if lapsed(row.lease_until, now) {
                Ok(Event::Abandon { begun, taken_back })
            } else {
                // It has given a sign of life since.
                Err(Refused::Claimed.into())
            }
        })
        .await
    }

    async fn take_back_abandoned(&self, run: &Run, begun: &str) -> Option<String> {
        let handler = self.handler(&run.plan.params).ok()?;
        let work = tokio::time::timeout(TAKE_BACK, handler.take_back(run, begun, Ending::Abandoned));
        match work.await {
            Ok(Ok(said)) => said,
            Ok(Err(left)) => Some(left),
            Err(_) => Some("What it had begun could not be taken back in time.".to_owned()),
        }
    }
}

/// The steps that are through, as those that follow need them.
fn done(plan: &Plan, steps: &[StepRow]) -> Vec<(&'static str, StepDone)> {
    let specs = plan.params.kind().spec().steps;
    let done = steps
        .iter()
        .filter(|step| step.state == "done")
        .filter_map(|step| {
            let name = specs
                .iter()
                .map(|spec| spec.name)
                .find(|name| *name == step.name)?;
            Some((
                name,
                StepDone {
                    detail: step.detail.clone(),
                    data: step.data.clone(),
                },
            ))
        });
    done.collect()
}
