//! The steps. Until the promotion everything can be taken back; from then on the way leads forward only, and clients are held
//! back rather than sent to a node that might not keep what they write.

use std::time::Duration;

use quarterdeck_domain::action::Params;
use serde_json::json;
use tokio::time::Instant;

use super::{PrimaryHandler, Run, StepDone, StepError};
use crate::services::failover::{ActError, By};

/// Longest time for a checkpoint.
const CHECKPOINT: Duration = Duration::from_secs(280);
/// How long the clients' address may take to lead to the new primary.
const VERIFY: Duration = Duration::from_secs(60);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// What a step of an act makes of its error.
fn failed(doing: &str, error: ActError) -> StepError {
    match error {
        ActError::Refused(why) => StepError::Failed(format!("{doing}: {why}.")),
        ActError::Unknown(why) => StepError::Unknown(format!("{doing}: {why}.")),
    }
}

/// Who orders a fence.
const fn by(run: &Run) -> By {
    By {
        action: run.action,
        number: run.number,
    }
}

impl PrimaryHandler {
    pub(super) async fn checkpoint(&self, old: &str) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        let written = self.failover.checkpoint(old, CHECKPOINT).await;
        written.map_err(|error| failed("The checkpoint was not written", error))?;
        Ok(StepDone::new(format!(
            "{old} has written a checkpoint in {:.1} s.",
            begun.elapsed().as_secs_f64()
        )))
    }

    pub(super) async fn pause(&self) -> Result<StepDone, StepError> {
        let held = self
            .failover
            .routing()
            .hold(self.failover.config().patience())
            .await;
        let said =
            held.map_err(|why| StepError::Failed(format!("Clients could not be held back: {why}.")))?;
        Ok(StepDone::new(said))
    }

    pub(super) async fn stop_writes(&self, old: &str) -> Result<StepDone, StepError> {
        let (ended, beyond) = self
            .failover
            .stop_writes(old)
            .await
            .map_err(|error| failed(&format!("{old} could not be made read-only"), error))?;
        let superusers = if beyond == 0 {
            String::new()
        } else {
            format!(" {beyond} of superusers go on: they could write if they chose to.")
        };
        Ok(StepDone::new(format!(
            "{old} refuses writes, and {ended} sessions were ended.{superusers}"
        )))
    }

    pub(super) async fn catch_up(&self, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        let patience = self.failover.config().patience();
        let reached = self
            .failover
            .catch_up(old, candidate, patience)
            .await
            .map_err(|error| failed("The standby did not catch up", error))?;
        Ok(StepDone {
            detail: format!(
                "{candidate} has replayed everything up to {reached}, after {:.1} s.",
                begun.elapsed().as_secs_f64()
            ),
            data: json!({ "reached": reached }),
        })
    }

    pub(super) async fn fence(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        // Before anything else: it may return while this is under way.
        self.failover.order_fence(by(run), old, candidate, None).await;
        let cut = self.failover.routing().cut().await;
        let cut = cut.map_err(|why| {
            StepError::Failed(format!(
                "Clients could not be cut off from {old}: {why}. Nothing was promoted."
            ))
        })?;
        let fenced = self.failover.fence(old).await.map_err(|error| {
            failed(
                &format!("{old} could not be fenced, so nothing was promoted"),
                error,
            )
        })?;
        let fenced = match fenced {
            Some(said) => format!("The program that fences {old} ended well and said: {said}."),
            None => format!("No program fences {old}; it is made read-only when it returns."),
        };
        Ok(StepDone::new(format!("{cut} {fenced}")))
    }

    pub(super) async fn promote(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        self.failover.lift_fence_on(candidate).await;
        let promoted_at = self
            .failover
            .promote(candidate)
            .await
            .map_err(|error| failed("The promotion failed", error))?;
        self.failover
            .order_fence(by(run), old, candidate, promoted_at)
            .await;
        let from = promoted_at.map(|lsn| format!(" from {lsn}")).unwrap_or_default();
        Ok(StepDone {
            detail: format!(
                "{candidate} takes writes{from}, after {:.1} s.",
                begun.elapsed().as_secs_f64()
            ),
            data: json!({ "promoted_at": promoted_at }),
        })
    }

    pub(super) async fn repoint(&self, candidate: &str) -> Result<StepDone, StepError> {
        let pointed = self.failover.point_to(candidate).await;
        let said = pointed.map_err(|error| {
            failed(
                &format!(
                    "{candidate} is the primary, but clients could not be sent there and are still held back"
                ),
                error,
            )
        })?;
        Ok(StepDone::new(said))
    }

    pub(super) async fn resume(&self, candidate: &str) -> Result<StepDone, StepError> {
        let released = self.failover.routing().release().await;
        let said = released.map_err(|why| {
            StepError::Failed(format!(
                "{candidate} is the primary and clients are to be sent there, but they are still held back: {why}. Let them go on by \
                 hand (RESUME)."
            ))
        })?;
        Ok(StepDone::new(said))
    }

    pub(super) async fn verify(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        let (server, written_at) = loop {
            match self.failover.probe().write_and_read(run.action).await {
                Ok(server) => break (server, self.failover.now()),
                Err(why) if begun.elapsed() >= VERIFY => {
                    return Err(StepError::Failed(format!(
                        "{candidate} is the primary, but clients can't write after {} s: {why}.",
                        VERIFY.as_secs()
                    )));
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        let writable = self.failover.writable().await;
        if writable.iter().any(|name| name != candidate) {
            return Err(StepError::Failed(format!(
                "Clients write to {server}, but {} take writes: a split brain. Stop the wrong one at once.",
                writable.join(" and ")
            )));
        }
        let refused = match self.failover.refuses_writes(old).await {
            Ok(true) => format!("{old} refuses writes"),
            Ok(false) => {
                return Err(StepError::Failed(format!(
                    "Clients write to {server}, but {old} takes writes too: a split brain. Stop it at once."
                )));
            }
            Err(error) => format!("{old} {error}"),
        };
        let since = (written_at - run.started_at).as_seconds_f64();
        Ok(StepDone {
            detail: format!(
                "A row was written and read through the clients' address, by {server}, {since:.1} s after the start. {candidate} alone takes writes: {refused}."
            ),
            data: json!({ "first_write_s": since, "server": server }),
        })
    }

    pub(super) async fn rejoin(&self, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let by_hand = self.failover.rejoin_by_hand(old, candidate);
        match self.failover.rejoin(old, candidate).await {
            Ok(Some(said)) => Ok(StepDone::new(format!(
                "{old} streams from {candidate}; the program said: {said}."
            ))),
            Ok(None) => Ok(StepDone::new(format!(
                "{old} is still up and refuses writes. No program makes it a standby; until somebody does there is none. {by_hand}"
            ))),
            Err(error) => Err(failed(
                &format!(
                    "The switchover is done and clients are served by {candidate}, but {old} is no standby yet, so that there is none. {by_hand} The program"
                ),
                error,
            )),
        }
    }

    /// Before the promotion: the old primary writes again where it was stopped, and clients go on.
    pub(super) async fn let_go_on(
        &self,
        run: &Run,
        (old, candidate): (&str, &str),
        failed: &str,
    ) -> Result<Option<String>, String> {
        let begun = |step: &str| failed == step || run.done.iter().any(|(name, _)| *name == step);
        let planned = matches!(run.plan.params, Params::Switchover { .. });
        let mut done = Vec::new();
        self.failover.lift_fence_of(run.action).await;
        if planned && begun("stop_writes") {
            self.failover.allow_writes(old).await.map_err(|error| {
                format!(
                    "{old} could not be made to take writes again ({error}): run ALTER SYSTEM RESET default_transaction_read_only and SELECT \
                     pg_reload_conf() there, then let clients go on (RESUME). {candidate} is still a standby."
                )
            })?;
            done.push(format!("{old} takes writes as before."));
        }
        if begun("pause") || begun("fence") {
            let said = self.failover.routing().release().await.map_err(|why| {
                format!("Clients are still held back ({why}): let them go on by hand (RESUME). Nothing was promoted.")
            })?;
            done.push(said);
        }
        Ok((!done.is_empty()).then(|| done.join(" ")))
    }
}
