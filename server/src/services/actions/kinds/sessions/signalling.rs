//! Signalling backends, and seeing that they are gone.

use std::{collections::BTreeMap, time::Duration};

use quarterdeck_domain::{
    action::{Params, Target},
    database::{BackendId, BackendState},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{QUERY_STARTED, SessionsHandler, named};
use crate::{
    clients::{
        database_sessions::{DatabaseSessions, Signal, SignalOutcome},
        node_connection::NodeError,
    },
    services::actions::kinds::{Run, StepDone, StepError},
};

/// How long a backend may take to go: what it does has to be rolled back first.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long clients are given to come back before it is looked who has.
const RETURN: Duration = Duration::from_secs(1);

/// A backend that was signalled, for the step that verifies.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Signalled {
    backend: BackendId,
    #[serde(with = "time::serde::rfc3339::option")]
    query_started_at: Option<OffsetDateTime>,
    application: String,
    user: String,
}

/// What the first step leaves for the second.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    /// By the node's clock.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    signalled: Vec<Signalled>,
    spared: Vec<String>,
}

impl SessionsHandler {
    /// The node, and whether only queries are meant.
    fn meant(&self, run: &Run) -> Result<(&DatabaseSessions, bool), StepError> {
        let (node, cancel) = match &run.plan.params {
            Params::CancelQuery { node, .. } => (node, true),
            Params::TerminateBackend { node, .. } | Params::TerminateLongRunning { node, .. } => {
                (node, false)
            }
            Params::MaintenanceOn { .. }
            | Params::MaintenanceOff {}
            | Params::Switchover { .. }
            | Params::Failover { .. }
            | Params::DeleteOldBackups {} => {
                return Err(StepError::Failed("This is no action on sessions.".to_owned()));
            }
        };
        let sessions = self
            .node(node)
            .map_err(|error| StepError::Failed(format!("Nothing was done. {error}")))?;
        Ok((sessions, cancel))
    }

    pub(super) async fn signal(&self, run: &Run) -> Result<StepDone, StepError> {
        let (sessions, cancel) = self.meant(run)?;
        let before = sessions
            .read()
            .await
            .map_err(|error| StepError::Failed(format!("The node {error}; nothing was signalled.")))?;
        let mut sent = Sent {
            at: before.snapshot.at,
            signalled: Vec::new(),
            spared: Vec::new(),
        };
        for target in &run.plan.targets {
            let (id, signal) = signal_for(target, cancel)?;
            let outcome = sessions
                .signal(id, signal, &self.rules)
                .await
                .map_err(|error| half_way(&error, &sent, target))?;
            match outcome {
                SignalOutcome::Signalled => sent.signalled.push(Signalled {
                    backend: id,
                    query_started_at: bound_query(target),
                    application: fact(target, "application"),
                    user: fact(target, "user"),
                }),
                SignalOutcome::Gone => sent.spared.push(format!("{} was gone already", target.title)),
                SignalOutcome::NotTheSame { now } => sent.spared.push(format!(
                    "The pid {} belongs to another backend by now, which was left alone",
                    now.pid()
                )),
                SignalOutcome::QueryOver => sent
                    .spared
                    .push(format!("{} had finished that query by itself", target.title)),
                SignalOutcome::Protected(why) => {
                    sent.spared
                        .push(format!("{} was left alone: {}", target.title, why.reason()))
                }
                SignalOutcome::NotPermitted { grant } if sent.signalled.is_empty() => {
                    return Err(StepError::Failed(format!(
                        "The console may not signal it; nothing was done. Run on the node: {grant}"
                    )));
                }
                SignalOutcome::NotPermitted { grant } => sent
                    .spared
                    .push(format!("{} may not be signalled: {grant}", target.title)),
            }
        }
        let asked = if cancel { "asked to cancel" } else { "asked to end" };
        let mut detail = format!("{} of {} {asked}.", sent.signalled.len(), run.plan.targets.len());
        for spared in &sent.spared {
            detail.push_str(&format!(" {}.", capital(spared)));
        }
        Ok(StepDone {
            detail,
            data: json!(sent),
        })
    }

    pub(super) async fn verify(&self, run: &Run) -> Result<StepDone, StepError> {
        let sent: Sent = serde_json::from_value(run.data("signal").clone())
            .map_err(|error| StepError::Unknown(format!("What was signalled is not known: {error}.")))?;
        let (sessions, cancel) = self.meant(run)?;
        if sent.signalled.is_empty() {
            return Ok(StepDone::new("Nothing was left to end."));
        }
        let verified = if cancel {
            queries_are_over(sessions, &sent).await
        } else {
            backends_are_gone(sessions, &sent).await
        };
        verified.unwrap_or_else(|error| {
            Err(StepError::Unknown(format!(
                "The signals were sent, and what came of them can't be seen: the node {error}."
            )))
        })
    }
}

type Verified = Result<Result<StepDone, StepError>, NodeError>;

async fn queries_are_over(sessions: &DatabaseSessions, sent: &Sent) -> Verified {
    for signalled in &sent.signalled {
        let Some(started) = signalled.query_started_at else {
            continue;
        };
        let id = signalled.backend;
        if !sessions.wait_until_cancelled(id, started, PATIENCE).await? {
            return Ok(Err(StepError::Failed(format!(
                "Backend {} still runs its query {} s after it was asked to stop. It may be in code that can't be \
                 interrupted; terminating it is the next thing to try.",
                id.pid(),
                PATIENCE.as_secs()
            ))));
        }
    }
    Ok(Ok(StepDone::new(
        "The query is over; the connection was left open.",
    )))
}

async fn backends_are_gone(sessions: &DatabaseSessions, sent: &Sent) -> Verified {
    let ids: Vec<_> = sent.signalled.iter().map(|signalled| signalled.backend).collect();
    let left = sessions.wait_until_gone(&ids, PATIENCE).await?;
    if !left.is_empty() {
        let pids: Vec<_> = left.iter().map(|id| id.pid().to_string()).collect();
        return Ok(Err(StepError::Failed(format!(
            "{} of {} are gone; still there after {} s: {}. They may be rolling back: look at the database page.",
            ids.len() - left.len(),
            ids.len(),
            PATIENCE.as_secs(),
            pids.join(", ")
        ))));
    }
    tokio::time::sleep(RETURN).await;
    // Each application once, whoever many of its backends were ended.
    let mut returned = BTreeMap::new();
    for signalled in &sent.signalled {
        let key = (signalled.application.as_str(), signalled.user.as_str());
        if let std::collections::btree_map::Entry::Vacant(slot) = returned.entry(key) {
            let application = if key.0 == named("") { "" } else { key.0 };
            slot.insert(sessions.came_back(application, key.1, sent.at).await?);
        }
    }
    let back: Vec<String> = returned
        .iter()
        .filter(|(_, back)| !back.is_empty())
        .map(|((application, user), back)| {
            let active = back.iter().filter(|b| b.state == BackendState::Active).count();
            format!("{} of {application} as {user} ({active} active)", back.len())
        })
        .collect();
    let back = if back.is_empty() {
        "None has come back under the same application yet.".to_owned()
    } else {
        format!("Came back under the same application: {}.", back.join(", "))
    };
    Ok(Ok(StepDone::new(format!("All {} are gone. {back}", ids.len()))))
}

fn signal_for(target: &Target, cancel: bool) -> Result<(BackendId, Signal), StepError> {
    let id: BackendId = target
        .id
        .parse()
        .map_err(|_| StepError::Failed(format!("{} is no backend; nothing was done.", target.id)))?;
    match (cancel, bound_query(target)) {
        (true, Some(query_started_at)) => Ok((id, Signal::Cancel { query_started_at })),
        (true, None) => Err(StepError::Failed(
            "The plan names no query; nothing was done.".to_owned(),
        )),
        (false, query_started_at) => Ok((id, Signal::Terminate { query_started_at })),
    }
}

/// A signal of which nobody knows whether it was sent, and what was sent before it.
fn half_way(error: &NodeError, sent: &Sent, target: &Target) -> StepError {
    StepError::Unknown(format!(
        "{} were signalled; of {} it is not known, because the node {error}. Those after it were not touched.",
        sent.signalled.len(),
        target.title
    ))
}

fn bound_query(target: &Target) -> Option<OffsetDateTime> {
    let fact = target
        .facts
        .iter()
        .find(|fact| fact.binding && fact.name == QUERY_STARTED)?;
    OffsetDateTime::parse(&fact.value, &Rfc3339).ok()
}

fn fact(target: &Target, name: &str) -> String {
    let found = target.facts.iter().find(|fact| fact.name == name);
    found.map(|fact| fact.value.clone()).unwrap_or_default()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
