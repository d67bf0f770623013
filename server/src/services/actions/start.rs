//! Starting: the plan is made again, and held against the one that was agreed to.

use quarterdeck_domain::action::{Case, Event, Freeze};
use uuid::Uuid;

use super::{ActionError, Actions, Asking, transition::Transition};
use crate::db;

impl Actions {
    /// Starts an approved action. When this returns, the intent is recorded and a worker takes it up.
    ///
    /// # Errors
    /// [`ActionError`]; then nothing was started. [`Refused::Moved`](quarterdeck_domain::action::Refused::Moved) says
    /// what has changed since it was agreed to.
    pub async fn start(&self, by: Asking<'_>, id: Uuid) -> Result<Case, ActionError> {
        let row = db::actions::by_id(&self.pool, id)
            .await?
            .ok_or(ActionError::Unknown)?;
        self.may(by, &row.rule.0)?;
        let params = &row.plan.params;
        let in_force = self.policy().await?;
        let now = self.clock.now();
        let targets = row.plan.targets.len();
        match in_force
            .policy
            .effective(in_force.version, params.kind(), targets, now)
            .freeze
        {
            Freeze::Free => {}
            freeze @ (Freeze::Denied { .. } | Freeze::OutsideOfWindows { .. }) => {
                return Err(ActionError::Frozen(freeze));
            }
        }
        let plan = self.handler(params)?.plan(params, Some(&row.plan.0), now).await?;
        let started = self
            .transition(
                Transition {
                    id,
                    by: Some(by),
                    started_plan: Some(&plan),
                },
                |_, person, _| {
                    Ok(Event::Start {
                        by: person.ok_or(ActionError::Unknown)?,
                        now: Box::new(plan.clone()),
                    })
                },
            )
            .await?;
        self.rung.notify_one();
        Ok(started)
    }
}
