//! Switchover and failover: another node becomes the primary. The console performs it, or Patroni where that runs the cluster.

mod clients;
mod patroni;
mod planning;
mod steps;

use std::sync::Arc;

use quarterdeck_domain::{
    action::{Params, Plan},
    failover::{Loss, LossBound},
};
use time::OffsetDateTime;

use self::{patroni::PatroniHandler, planning::Acceptance};
use super::{Ending, Handler, PlanError, Run, StepDone, StepError, Work};
use crate::services::failover::{ActError, Failover};

/// The kind of the target that was the primary; its id is the node's name.
const PRIMARY: &str = "primary";

/// Whoever changes the primary by the configuration: Patroni alone where it is named there.
pub fn handler(failover: Arc<Failover>) -> Arc<dyn Handler> {
    match failover.patroni() {
        Some(patroni) => Arc::new(PatroniHandler::new(Arc::clone(patroni), failover)),
        None => Arc::new(PrimaryHandler { failover }),
    }
}

/// Changes the primary of the watched cluster itself.
#[derive(Debug)]
struct PrimaryHandler {
    failover: Arc<Failover>,
}

impl Handler for PrimaryHandler {
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        agreed: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>> {
        Box::pin(async move {
            match params {
                Params::Switchover { candidate } => Ok(self.plan_switchover(params, candidate, now).await),
                Params::Failover {
                    candidate,
                    accept_loss,
                    at_most,
                } => {
                    let acceptance = Acceptance {
                        accept_loss: *accept_loss,
                        at_most: *at_most,
                        agreed: agreed.is_some(),
                    };
                    Ok(self.plan_failover(candidate, acceptance, now).await)
                }
                Params::CancelQuery { .. }
                | Params::TerminateBackend { .. }
                | Params::TerminateLongRunning { .. }
                | Params::MaintenanceOn { .. }
                | Params::MaintenanceOff {}
                | Params::DeleteOldBackups {} => Err(no_change()),
            }
        })
    }

    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>> {
        Box::pin(async move {
            let (old, candidate) = nodes(run)?;
            let planned = matches!(run.plan.params, Params::Switchover { .. });
            match (planned, name) {
                (true, "checkpoint") => self.checkpoint(run, old, candidate).await,
                (true, "pause") => clients::pause(&self.failover).await,
                (true, "stop_writes") => self.stop_writes(old).await,
                (true, "catch_up") => self.catch_up(old, candidate).await,
                (false, "fence") => self.fence(run, old, candidate).await,
                (_, "promote") => self.promote(run, old, candidate).await,
                (_, "repoint") => clients::repoint(&self.failover, candidate).await,
                (_, "resume") => clients::resume(&self.failover, candidate).await,
                (_, "verify") => clients::verify(&self.failover, run, old, candidate).await,
                (true, "rejoin") => self.rejoin(run, old, candidate).await,
                (_, other) => Err(no_step(other)),
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
            let Ok((old, candidate)) = nodes(run) else {
                return Ok(None);
            };
            // Once it is promoted there is no way back but another switchover; and one that was asked for may still come about.
            if may_be_promoted(run, at, ending) {
                return Ok(Some(held_text(candidate)));
            }
            if ending == Ending::Abandoned && run.held.lock().await.is_none() {
                // Its worker may live and only be cut off from the record: whoever has this is the only one that can promote.
                let hold = self.failover.hold(candidate).await.map_err(|error| {
                    format!(
                        "Nothing was taken back: {error}, so that it may still go on. {}",
                        held_text(candidate)
                    )
                })?;
                *run.held.lock().await = Some(Box::new(hold));
            }
            match self.failover.is_standby(candidate).await {
                Ok(true) => {}
                // It was promoted without a record, or by somebody else.
                Ok(false) => {
                    return Err(format!(
                        "{candidate} is a primary by now. {}",
                        held_text(candidate)
                    ));
                }
                // One that is down is nobody's primary; but only who kept others from promoting it knows.
                Err(_) if ending == Ending::Known => {}
                Err(error) => {
                    return Err(format!(
                        "Whether {candidate} was promoted is not known ({error}), so nothing was taken back."
                    ));
                }
            }
            self.let_go_on(run, (old, candidate), at).await
        })
    }
}

/// What a person has to know where nothing is taken back.
fn held_text(candidate: &str) -> String {
    format!(
        "Clients may be held back still. If {candidate} is the primary, send them there and let them go on (RESUME); make no other node take \
         writes before {candidate} is known to be a standby, or is stopped."
    )
}

fn no_change() -> PlanError {
    PlanError::Parameters("This does not change the primary.".to_owned())
}

fn no_step(name: &str) -> StepError {
    StepError::Failed(format!("There is no step {name:?}; nothing was done."))
}

/// What a step of an act makes of its error.
fn failed(doing: &str, error: ActError) -> StepError {
    match error {
        ActError::Refused(why) => StepError::Failed(format!("{doing}: {why}.")),
        ActError::Unknown(why) => StepError::Unknown(format!("{doing}: {why}.")),
    }
}

/// Whether the candidate is promoted, or may still be: a promotion that was asked for may come about after all.
fn may_be_promoted(run: &Run, at: &str, ending: Ending) -> bool {
    run.done.iter().any(|(name, _)| *name == "promote") || (ending == Ending::Abandoned && at == "promote")
}

/// The last look before a failover's promotion: that the old primary is not back, and that no more would be lost than was
/// accepted. Answers what would be, in a sentence.
async fn bearable(
    failover: &Failover,
    (old, candidate): (&str, &str),
    accepted: Option<LossBound>,
) -> Result<String, StepError> {
    let (writable, loss) = failover.loss_now(old, candidate).await;
    if writable.iter().any(|name| name == old) {
        return Err(StepError::Failed(format!(
            "{old} is back and takes writes; nothing was promoted. Look at the topology, and ask anew if it has to be."
        )));
    }
    let most = accepted.unwrap_or_else(|| failover.config().limits().loss());
    match loss {
        // This console may not have seen the old primary; whoever started it has judged.
        Loss::Nothing | Loss::Unknown => {}
        loss @ Loss::Some { .. } if loss.within(most) => {}
        loss @ Loss::Some { .. } => {
            return Err(StepError::Failed(format!(
                "By what this console has seen of {old}, {loss} would be lost, and accepted was {most}; nothing was promoted. Ask anew if it \
                 has to be."
            )));
        }
    }
    Ok(format!(" Estimated loss: {loss}; accepted was {most}."))
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
