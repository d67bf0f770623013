//! Patroni changes the primary; the console asks it to, sends clients where it led, and sees that it came about. Nothing here
//! promotes, stops or rewinds a node.

use std::{sync::Arc, time::Duration};

use quarterdeck_domain::{
    action::{Fact, Params, Plan, Target},
    failover::{PatroniCluster, gone_primary, patroni_failover_gates, patroni_switchover_gates},
};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{
    Ending, Handler, PlanError, Run, StepDone, StepError, Work, bearable, clients, may_be_promoted,
    no_change, no_step, nodes,
    planning::{Acceptance, loss_facts, targets},
};
use crate::{
    clients::patroni::{LeaderChange, LeaderChangeError, Patroni},
    services::failover::Failover,
};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Has Patroni change the primary.
#[derive(Debug)]
pub(super) struct PatroniHandler {
    patroni: Arc<Patroni>,
    failover: Arc<Failover>,
}

impl PatroniHandler {
    pub(super) const fn new(patroni: Arc<Patroni>, failover: Arc<Failover>) -> Self {
        Self { patroni, failover }
    }
}

impl Handler for PatroniHandler {
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
                (true, "checkpoint") => Ok(left_to_patroni(&format!("writes a checkpoint on {old}"))),
                (true, "pause") => clients::pause(&self.failover).await,
                (true, "stop_writes") => Ok(left_to_patroni(&format!("stops {old} in order"))),
                (true, "catch_up") => Ok(left_to_patroni(&format!(
                    "stops {old} only when {candidate} has received everything"
                ))),
                (false, "fence") => {
                    let otherwise = "its Patroni demotes it when it returns, unless it is paused";
                    clients::cut_off(&self.failover, (old, candidate), otherwise).await
                }
                (true, "promote") => {
                    let leader = old;
                    self.promote(LeaderChange::Switchover { leader, candidate }, old, candidate)
                        .await
                }
                (false, "promote") => {
                    let accepted = if let Params::Failover { at_most, .. } = &run.plan.params {
                        *at_most
                    } else {
                        None
                    };
                    let loss = bearable(&self.failover, (old, candidate), accepted).await?;
                    let done = self
                        .promote(LeaderChange::Failover { candidate }, old, candidate)
                        .await?;
                    Ok(StepDone::new(format!(
                        "{}{loss} {}",
                        done.detail,
                        not_measured(old)
                    )))
                }
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
            match nodes(run) {
                Ok(_) if may_be_promoted(run, at, ending) => Ok(None),
                // It may have been asked for without a record, see `StepSpec::covered`.
                Ok((_, candidate)) if ending == Ending::Abandoned && self.leads(candidate).await? => Ok(None),
                Ok(_) => clients::let_go_on(&self.failover, run, at).await,
                Err(_) => Ok(None),
            }
        })
    }
}

/// Why nobody says what was lost in fact.
fn not_measured(old: &str) -> String {
    format!(
        "What was lost in fact is not measured: when {old} returns, its Patroni rewinds it, and what only it had is gone. To see that, keep it from \
         starting (patronictl pause) and read its WAL first, see the runbook."
    )
}

/// A step that is part of what Patroni is asked to do in `promote`.
fn left_to_patroni(does: &str) -> StepDone {
    StepDone::new(format!(
        "Nothing to do here: Patroni {does} itself, when it is asked to change the leader."
    ))
}

impl PatroniHandler {
    async fn plan_switchover(&self, params: &Params, candidate: &str, now: OffsetDateTime) -> Plan {
        let (known, seen) = tokio::join!(self.failover.known(candidate), self.patroni.cluster());
        let situation = known.situation();
        let primary = situation.topology().primary().map(|(sight, _, _)| &*sight.name);
        let mut touched = targets(&situation, primary, candidate, "becomes a standby", Vec::new());
        touched.extend(cluster_target(&seen));
        Plan {
            params: params.clone(),
            planned_at: now,
            targets: touched,
            left_out: Vec::new(),
            gates: patroni_switchover_gates(&situation, &seen, candidate),
            effect: format!(
                "Patroni stops the primary in order, which ends its sessions and rolls back what they have open, and promotes {candidate}. Clients \
                 can't write for some seconds. Nothing that was acknowledged is lost."
            ),
            expected_s: 20,
            undo: "Another switchover leads back.".to_owned(),
        }
    }

    async fn plan_failover(&self, candidate: &str, acceptance: Acceptance, now: OffsetDateTime) -> Plan {
        let (known, seen) = tokio::join!(self.failover.known(candidate), self.patroni.cluster());
        let situation = known.situation();
        let loss = situation.loss(candidate);
        let accepted = acceptance.bound(&situation, candidate);
        let mut touched = targets(
            &situation,
            gone_primary(&situation, candidate),
            candidate,
            "is demoted by Patroni when it returns",
            loss_facts(&situation, loss, accepted),
        );
        touched.extend(cluster_target(&seen));
        Plan {
            params: acceptance.params(candidate, accepted),
            planned_at: now,
            targets: touched,
            left_out: Vec::new(),
            gates: patroni_failover_gates(&situation, &seen, candidate, accepted),
            effect: format!(
                "Patroni promotes {candidate}, as soon as the old leader's key has expired, and what the old one had acknowledged and {candidate} had \
                 not received is lost: {loss}."
            ),
            expected_s: 30,
            undo: "Not possible: what is lost stays lost unless the old primary can be read. Patroni makes it a standby when it returns, and a \
                   switchover leads back."
                .to_owned(),
        }
    }

    /// Asks for the change and waits until the candidate leads and takes writes. An answer that does not come is no reason to
    /// stop looking.
    async fn promote(
        &self,
        change: LeaderChange<'_>,
        old: &str,
        candidate: &str,
    ) -> Result<StepDone, StepError> {
        let begun = Instant::now();
        let led = self.led(old, candidate, begun);
        tokio::pin!(led);
        let (said, led) = tokio::select! {
            led = &mut led => ("Patroni was asked".to_owned(), led),
            answer = self.patroni.change(change) => match answer {
                Ok(said) | Err(LeaderChangeError::Unanswered(said)) => (said, led.await),
                Err(LeaderChangeError::Refused(why)) => {
                    return Err(StepError::Failed(format!("Patroni did not change the leader: {why}.")));
                }
            },
        };
        match led {
            Led::ByCandidate => Ok(StepDone::new(format!(
                "Patroni has made {candidate} the leader, and it takes writes, after {:.1} s.",
                begun.elapsed().as_secs_f64()
            ))),
            Led::ByAnother(other) => Err(StepError::Failed(format!(
                "{said}, but it has made {other} the leader instead of {candidate}. See that clients are sent there."
            ))),
            Led::NotInTime(seen) => Err(StepError::Unknown(format!(
                "{said}, and {candidate} does not lead after {} s; it still may. {seen}",
                self.patroni.patience().as_secs()
            ))),
        }
    }

    /// Waits until there is a new leader who takes writes.
    async fn led(&self, old: &str, candidate: &str, begun: Instant) -> Led {
        loop {
            let (seen, writable) = tokio::join!(self.patroni.cluster(), self.failover.writable());
            let leader = seen
                .as_ref()
                .map(|cluster| cluster.leader().map(|leader| &*leader.name));
            let seen = match leader {
                Ok(Some(leader)) if leader == candidate => {
                    if writable.iter().any(|name| name == candidate) {
                        return Led::ByCandidate;
                    }
                    format!("{candidate} holds the leader key and takes no writes.")
                }
                Ok(Some(leader)) if leader != old => return Led::ByAnother(leader.to_owned()),
                Ok(Some(_)) => format!("{old} still holds the leader key."),
                Ok(None) => "Nobody holds the leader key.".to_owned(),
                Err(silence) => format!("Patroni does not answer: {silence}."),
            };
            if begun.elapsed() >= self.patroni.patience() {
                return Led::NotInTime(seen);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn leads(&self, candidate: &str) -> Result<bool, String> {
        let seen = self.patroni.cluster().await.map_err(|silence| {
            format!("Whether {candidate} was made the leader is not known (Patroni does not answer: {silence}), so nothing was taken back.")
        })?;
        Ok(seen.leader().is_some_and(|leader| leader.name == candidate))
    }

    async fn rejoin(&self, run: &Run, old: &str, candidate: &str) -> Result<StepDone, StepError> {
        let patience = Duration::from_secs(self.failover.config().rejoin_timeout_s);
        if self.failover.streams_within(old, patience).await {
            let others = clients::others(&self.failover, run, old, candidate).await;
            return Ok(StepDone::new(format!(
                "Patroni has made {old} a standby, and it streams from {candidate}.{others}"
            )));
        }
        let seen = match self.patroni.cluster().await {
            Ok(cluster) => match cluster.member(old) {
                Some(member) => format!("For Patroni it is {member}."),
                None => "For Patroni it is no member any more.".to_owned(),
            },
            Err(silence) => format!("Patroni does not answer: {silence}."),
        };
        Err(StepError::Failed(format!(
            "The switchover is done and clients are served by {candidate}, but {old} does not stream after {} s, so that there may be no standby. \
             {seen} See patronictl list and the log of its Patroni; patronictl reinit makes it anew.",
            patience.as_secs()
        )))
    }
}

/// Who leads after a change was asked for.
enum Led {
    /// The one that it was asked for, and it takes writes.
    ByCandidate,
    /// Somebody else.
    ByAnother(String),
    /// Nobody new, for as long as it was waited for; how it was last, in a sentence.
    NotInTime(String),
}

/// The cluster as Patroni sees it. It is shown and not agreed to: the gates judge it.
fn cluster_target(seen: &Result<PatroniCluster, String>) -> Option<Target> {
    let cluster = seen.as_ref().ok()?;
    let mut facts = vec![Fact::shown("paused", if cluster.paused { "yes" } else { "no" })];
    facts.extend(
        cluster
            .members
            .iter()
            .map(|member| Fact::shown(member.name.as_str(), member.to_string())),
    );
    Some(Target {
        kind: "patroni".to_owned(),
        id: "cluster".to_owned(),
        title: "the cluster as Patroni sees it".to_owned(),
        facts,
    })
}
