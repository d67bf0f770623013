//! Cancelling queries and terminating backends.

mod planning;
mod signalling;

use quarterdeck_domain::{
    action::{Params, Plan},
    database::ProtectionRules,
};
use time::OffsetDateTime;

use self::planning::Doing;
use super::{Handler, PlanError, Run, StepDone, StepError, Work};
use crate::clients::database_sessions::DatabaseSessions;

/// The fact that consent to touching a query rests on.
const QUERY_STARTED: &str = "query started";

/// Signals backends of the watched nodes.
#[derive(Debug)]
pub struct SessionsHandler {
    nodes: Vec<DatabaseSessions>,
    rules: ProtectionRules,
    redact_literals: bool,
}

impl SessionsHandler {
    /// For these nodes.
    pub fn new(nodes: Vec<DatabaseSessions>, rules: ProtectionRules, redact_literals: bool) -> Self {
        Self {
            nodes,
            rules,
            redact_literals,
        }
    }

    fn node(&self, name: &str) -> Result<&DatabaseSessions, PlanError> {
        self.nodes.iter().find(|node| node.node() == name).ok_or_else(|| {
            let names: Vec<_> = self.nodes.iter().map(DatabaseSessions::node).collect();
            PlanError::Parameters(format!(
                "There is no database node {name:?}; there are: {}.",
                names.join(", ")
            ))
        })
    }
}

/// An application as it is named to people.
fn named(application: &str) -> &str {
    if application.is_empty() {
        "an unnamed application"
    } else {
        application
    }
}

impl Handler for SessionsHandler {
    fn plan<'a>(
        &'a self,
        params: &'a Params,
        agreed: Option<&'a Plan>,
        now: OffsetDateTime,
    ) -> Work<'a, Result<Plan, PlanError>> {
        Box::pin(async move {
            match params {
                Params::CancelQuery {
                    node,
                    backend,
                    query_start,
                } => {
                    let doing = Doing::Cancel { meant: *query_start };
                    self.plan_one(params, (node, *backend), doing, now).await
                }
                Params::TerminateBackend { node, backend } => {
                    self.plan_one(params, (node, *backend), Doing::Terminate, now)
                        .await
                }
                Params::TerminateLongRunning { node, longer_than_s } => {
                    self.plan_long(params, (node, *longer_than_s), agreed, now).await
                }
                Params::MaintenanceOn { .. }
                | Params::MaintenanceOff {}
                | Params::Switchover { .. }
                | Params::Failover { .. }
                | Params::DeleteOldBackups {} => {
                    Err(PlanError::Parameters("This is no action on sessions.".to_owned()))
                }
            }
        })
    }

    fn step<'a>(&'a self, name: &'static str, run: &'a Run) -> Work<'a, Result<StepDone, StepError>> {
        Box::pin(async move {
            match name {
                "signal" => self.signal(run).await,
                "verify" => self.verify(run).await,
                other => Err(StepError::Failed(format!(
                    "There is no step {other:?}; nothing was done."
                ))),
            }
        })
    }
}
