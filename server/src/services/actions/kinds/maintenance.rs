//! Switching maintenance mode on and off.

mod planning;
mod switching;
mod taking_back;

use std::sync::Arc;

use quarterdeck_domain::action::{Params, Plan};
use time::OffsetDateTime;

use super::{Ending, Handler, PlanError, Run, StepDone, StepError, Work};
use crate::services::maintenance::Maintenance;

/// Switches the mode of the one service.
#[derive(Debug)]
pub struct MaintenanceHandler {
    maintenance: Arc<Maintenance>,
}

impl MaintenanceHandler {
    /// By what the configuration names.
    pub const fn new(maintenance: Arc<Maintenance>) -> Self {
        Self { maintenance }
    }
}

impl Handler for MaintenanceHandler {
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        _: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>> {
        Box::pin(async move {
            match params {
                Params::MaintenanceOn { expected_end, .. } => {
                    Ok(self.plan_on(params, *expected_end, now).await)
                }
                Params::MaintenanceOff {} => Ok(self.plan_off(params, now).await),
                Params::CancelQuery { .. }
                | Params::TerminateBackend { .. }
                | Params::TerminateLongRunning { .. }
                | Params::Switchover { .. }
                | Params::Failover { .. }
                | Params::DeleteOldBackups {} => Err(PlanError::Parameters(
                    "This is no action on maintenance mode.".to_owned(),
                )),
            }
        })
    }

    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>> {
        Box::pin(async move {
            let on = matches!(run.plan.params, Params::MaintenanceOn { .. });
            match (on, name) {
                (true, "silence") => self.silence(run).await,
                (true, "switch") => self.switch_on(run).await,
                (false, "switch") => self.switch_off(run).await,
                (on, "verify") => self.verify(on).await,
                (false, "unsilence") => self.unsilence(run).await,
                (_, other) => Err(StepError::Failed(format!(
                    "There is no step {other:?}; nothing was done."
                ))),
            }
        })
    }

    fn take_back<'a>(
        &'a self,
        run: &'a Run,
        at: &'a str,
        ending: Ending,
    ) -> Work<'a, Result<Option<String>, String>> {
        Box::pin(async move { Ok(self.end_what_is_not_needed(run, at, ending).await) })
    }
}
