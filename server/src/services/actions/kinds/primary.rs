//! Switchover and failover: another node becomes the primary.

mod planning;
mod steps;

use std::sync::Arc;

use quarterdeck_domain::action::{Params, Plan};
use time::OffsetDateTime;

use super::{Ending, Handler, PlanError, Run, StepDone, StepError, Work};
use crate::services::failover::Failover;

/// The kind of the target that was the primary; its id is the node's name.
const PRIMARY: &str = "primary";

/// Changes the primary of the watched cluster.
#[derive(Debug)]
pub struct PrimaryHandler {
    failover: Arc<Failover>,
}

impl PrimaryHandler {
    /// By what the configuration names.
    pub const fn new(failover: Arc<Failover>) -> Self {
        Self { failover }
    }
}

impl Handler for PrimaryHandler {
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        _: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>> {
        Box::pin(async move {
            match params {
                Params::Switchover { candidate } => Ok(self.plan_switchover(params, candidate, now).await),
                Params::Failover {
                    candidate,
                    accept_loss,
                } => Ok(self.plan_failover(params, candidate, *accept_loss, now).await),
                Params::CancelQuery { .. }
                | Params::TerminateBackend { .. }
                | Params::TerminateLongRunning { .. }
                | Params::MaintenanceOn { .. }
                | Params::MaintenanceOff {} => Err(PlanError::Parameters(
                    "This does not change the primary.".to_owned(),
                )),
            }
        })
    }

    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>> {
        Box::pin(async move {
            let (old, candidate) = nodes(run)?;
            let planned = matches!(run.plan.params, Params::Switchover { .. });
            match (planned, name) {
                (true, "checkpoint") => self.checkpoint(old).await,
                (true, "pause") => self.pause().await,
                (true, "stop_writes") => self.stop_writes(old).await,
                (true, "catch_up") => self.catch_up(old, candidate).await,
                (false, "fence") => self.fence(run, old, candidate).await,
                (_, "promote") => self.promote(run, old, candidate).await,
                (_, "repoint") => self.repoint(candidate).await,
                (_, "resume") => self.resume(candidate).await,
                (_, "verify") => self.verify(run, old, candidate).await,
                (true, "rejoin") => self.rejoin(old, candidate).await,
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
        Box::pin(async move {
            // A promotion that was asked for may still come about.
            let promoted = run.done.iter().any(|(name, _)| *name == "promote")
                || (ending == Ending::Abandoned && at == "promote");
            match nodes(run) {
                // Once it is promoted there is no way back but another switchover.
                Ok(_) if promoted => Ok(None),
                // The promotion may have been begun without a record, see `StepSpec::covered`.
                Ok((_, candidate))
                    if ending == Ending::Abandoned && !self.stays_standby(candidate).await? =>
                {
                    Ok(None)
                }
                Ok((old, candidate)) => self.let_go_on(run, (old, candidate), at).await,
                Err(_) => Ok(None),
            }
        })
    }
}

impl PrimaryHandler {
    async fn stays_standby(&self, candidate: &str) -> Result<bool, String> {
        self.failover.is_standby(candidate).await.map_err(|error| {
            format!("Whether {candidate} was promoted is not known ({error}), so nothing was taken back.")
        })
    }
}

/// The old primary and the candidate.
fn nodes(run: &Run) -> Result<(&str, &str), StepError> {
    let candidate = match &run.plan.params {
        Params::Switchover { candidate } | Params::Failover { candidate, .. } => candidate,
        _ => return Err(StepError::Failed("This does not change the primary.".to_owned())),
    };
    let old = run.plan.targets.iter().find(|target| target.kind == PRIMARY);
    match old {
        Some(old) => Ok((&old.id, candidate)),
        None => Err(StepError::Failed(
            "The plan names no old primary; nothing was done.".to_owned(),
        )),
    }
}
