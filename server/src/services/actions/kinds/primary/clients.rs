//! The steps that concern clients, whoever changes the primary: holding them back, sending them on, and seeing that they can
//! write.

use std::time::Duration;

use quarterdeck_domain::action::ActionKind;
use serde_json::json;
use tokio::time::Instant;

use super::{Run, StepDone, StepError, failed};
use crate::{
    config::failover::steps::{FOLLOW, VERIFY},
    services::failover::Failover,
};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn pause(failover: &Failover) -> Result<StepDone, StepError> {
    let held = failover.routing().hold(failover.config().patience()).await;
    let said = held.map_err(|why| StepError::Failed(format!("Clients could not be held back: {why}.")))?;
    Ok(StepDone::new(said))
}

/// Cuts clients off from a primary that is gone, and has its program keep it down; `otherwise` is what does where it has none.
pub(super) async fn cut_off(
    failover: &Failover,
    (old, candidate): (&str, &str),
    otherwise: &str,
) -> Result<StepDone, StepError> {
    let cut = failover.routing().cut().await.map_err(|why| {
        StepError::Failed(format!(
            "Clients could not be cut off from {old}: {why}. Nothing was promoted."
        ))
    })?;
    let fenced = failover.fence(old, candidate).await.map_err(|error| {
        failed(
            &format!("{old} could not be fenced, so nothing was promoted"),
            error,
        )
    })?;
    let fenced = match fenced {
        Some(said) => format!("The program that fences {old} ended well and said: {said}."),
        None => format!("No program fences {old}; {otherwise}."),
    };
    Ok(StepDone::new(format!("{cut} {fenced}")))
}

pub(super) async fn repoint(failover: &Failover, candidate: &str) -> Result<StepDone, StepError> {
    let pointed = failover.point_to(candidate).await;
    let said = pointed.map_err(|error| {
        let meanwhile = if failover.routing().holds() {
            "are still held back"
        } else {
            "still try the old one"
        };
        failed(
            &format!("{candidate} is the primary, but clients could not be sent there and {meanwhile}"),
            error,
        )
    })?;
    Ok(StepDone::new(said))
}

pub(super) async fn resume(failover: &Failover, candidate: &str) -> Result<StepDone, StepError> {
    let released = failover.routing().release().await;
    let said = released.map_err(|why| {
        StepError::Failed(format!(
            "{candidate} is the primary and clients are to be sent there, but they are still held back: {why}. Let them go on by \
             hand (RESUME)."
        ))
    })?;
    Ok(StepDone::new(said))
}

pub(super) async fn verify(
    failover: &Failover,
    run: &Run,
    old: &str,
    candidate: &str,
) -> Result<StepDone, StepError> {
    let begun = Instant::now();
    let ((server, started_at), written_at) = loop {
        match failover.probe().write_and_read(run.action).await {
            Ok(seen) => break (seen, failover.now()),
            Err(why) if begun.elapsed() >= VERIFY => {
                return Err(StepError::Failed(format!(
                    "{candidate} is the primary, but clients can't write after {} s: {why}.",
                    VERIFY.as_secs()
                )));
            }
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    let is_candidate = failover.is_server(candidate, &started_at).await;
    let is_candidate =
        is_candidate.map_err(|error| failed("Whether clients write to the candidate is not known", error))?;
    if is_candidate == Some(false) {
        return Err(StepError::Failed(format!(
            "{candidate} is the primary, but what clients write goes to another server ({server}): a split brain for them. Send them to \
             {candidate} at once."
        )));
    }
    let writable = failover.writable().await;
    if writable.iter().any(|name| name != candidate) {
        return Err(StepError::Failed(format!(
            "Clients write to {server}, but {} take writes: a split brain. Stop the wrong one at once.",
            writable.join(" and ")
        )));
    }
    let only = match failover.refuses_writes(old).await {
        Ok(Some(true)) => format!("{candidate} alone takes writes: {old} refuses writes."),
        Ok(None) => format!("Whether {old} refuses them was not tried, as it has no control_url."),
        Ok(Some(false)) => {
            return Err(StepError::Failed(format!(
                "Clients write to {server}, but {old} takes writes too: a split brain. Stop it at once."
            )));
        }
        Err(error) => format!("Nobody else is seen to take writes; {old} {error}."),
    };
    let since = (written_at - run.started_at).as_seconds_f64();
    // A switchover looks after them when the old primary is a standby: they may go on behind it.
    let others = if run.plan.params.kind() == ActionKind::Failover {
        others(failover, run, old, candidate).await
    } else {
        String::new()
    };
    Ok(StepDone {
        detail: format!(
            "A row was written and read through the clients' address, by {server}, {since:.1} s after the start. {only}{others}"
        ),
        data: json!({ "first_write_s": since, "server": server }),
    })
}

/// What became of the other standbys, in sentences that follow on others.
pub(super) async fn others(failover: &Failover, run: &Run, old: &str, candidate: &str) -> String {
    let began = run.data("promote").get("promoted_at").cloned();
    let began = began.and_then(|began| serde_json::from_value(began).ok());
    let others = failover.others((old, candidate), began, FOLLOW).await;
    others.map_or_else(String::new, |others| format!(" {others}"))
}

/// Lets clients go on where a step that failed before the promotion had held them back; answers what was done.
pub(super) async fn let_go_on(
    failover: &Failover,
    run: &Run,
    failed: &str,
) -> Result<Option<String>, String> {
    if !run.has_begun("pause", failed) && !run.has_begun("fence", failed) {
        return Ok(None);
    }
    let said = failover.routing().release().await.map_err(|why| {
        format!("Clients are still held back ({why}): let them go on by hand (RESUME). Nothing was promoted.")
    })?;
    Ok(Some(said))
}
