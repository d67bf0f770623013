//! The steps. Until the promotion everything can be taken back; from then on the way leads forward only, and clients are held
//! back rather than sent to a node that might not keep what they write.

use quarterdeck_domain::action::Params;
use serde_json::json;
use tokio::time::Instant;

use super::{PrimaryHandler, Run, StepDone, StepError, bearable, clients, failed};
use crate::services::failover::{By, Promoted};

/// Who orders a fence.
const fn by(run: &Run) -> By {
    By {
        action: run.action,
        number: run.number,
        planned: matches!(run.plan.params, Params::Switchover { .. }),
    }
}

impl PrimaryHandler {
    /// Keeps everybody else from promoting the candidate until this execution ends.
    async fn hold(&self, run: &Run, candidate: &str) -> Result<(), StepError> {
        let hold = self.failover.hold(candidate).await;
        let hold = hold.map_err(|error| failed("Nothing was begun", error))?;
        *run.held.lock().await = Some(Box::new(hold));
        Ok(())
    }

    pub(super) async fn checkpoint(
        &self,
        run: &Run,
        old: &str,
        candidate: &str,
    ) -> Result<StepDone, StepError> {
        self.hold(run, candidate).await?;
        let begun = Instant::now();
        let written = self.failover.checkpoint(old).await;
        written.map_err(|error| failed("The checkpoint was not written", error))?;
        Ok(StepDone::new(format!(
            "{old} has written a checkpoint in {:.1} s.",
            begun.elapsed().as_secs_f64()
        )))
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
        self.hold(run, candidate).await?;
        // Before anything else: it may return while this is under way.
        self.failover.order_fence(by(run), old, candidate, None).await;
        clients::cut_off(
            &self.failover,
            (old, candidate),
            "it is made read-only when it returns",
        )
        .await
    }

    pub(super) async fn promote(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        let loss = if let Params::Failover { at_most, .. } = &run.plan.params {
            bearable(&self.failover, (old, candidate), *at_most).await?
        } else {
            String::new()
        };
        let mut held = run.held.lock().await;
        let Some(hold) = held.as_mut().and_then(|held| held.downcast_mut()) else {
            return Err(StepError::Failed(format!(
                "Others are not kept from promoting {candidate} any more; nothing was promoted."
            )));
        };
        self.failover.lift_fence_on(candidate).await;
        let promoted_at = self
            .failover
            .promote(candidate, hold)
            .await
            .map_err(|error| failed("The promotion failed", error))?;
        let promoted = Promoted {
            at: promoted_at,
            timeline: self.failover.timeline(candidate).await,
        };
        self.failover
            .order_fence(by(run), old, candidate, Some(promoted))
            .await;
        let from = promoted_at.map(|lsn| format!(" from {lsn}")).unwrap_or_default();
        Ok(StepDone {
            detail: format!(
                "{candidate} takes writes{from}, after {:.1} s.{loss}",
                begun.elapsed().as_secs_f64()
            ),
            data: json!({ "promoted_at": promoted_at }),
        })
    }

    pub(super) async fn rejoin(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let by_hand = self.failover.rejoin_by_hand(old, candidate);
        let rejoined = self.failover.rejoin(old, candidate).await;
        let others = clients::others(&self.failover, run, old, candidate).await;
        match rejoined {
            Ok(Some(said)) => Ok(StepDone::new(format!(
                "{old} streams from {candidate}; the program said: {said}.{others}"
            ))),
            Ok(None) => Ok(StepDone::new(format!(
                "{old} is still up and refuses writes. No program makes it a standby; somebody has to. {by_hand}{others}"
            ))),
            Err(error) => Err(failed(
                &format!(
                    "The switchover is done and clients are served by {candidate}, but {old} is no standby yet. {by_hand}{others} The program"
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
        let planned = matches!(run.plan.params, Params::Switchover { .. });
        let mut done = Vec::new();
        self.failover.lift_fence_of(run.action).await;
        if planned && run.has_begun("stop_writes", failed) {
            self.failover.allow_writes(old).await.map_err(|error| {
                format!(
                    "{old} could not be made to take writes again ({error}): run ALTER SYSTEM RESET default_transaction_read_only and SELECT \
                     pg_reload_conf() there, then let clients go on (RESUME). {candidate} is still a standby."
                )
            })?;
            done.push(format!("{old} takes writes as before."));
        }
        done.extend(clients::let_go_on(&self.failover, run, failed).await?);
        Ok((!done.is_empty()).then(|| done.join(" ")))
    }
}
