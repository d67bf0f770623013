//! The catalogue: every kind of action, with all that is known of it before anybody asks for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::policy::{Confirmation, Rule};
use crate::access::Role;

/// Declares [`ActionKind`] with the stable name of each kind in one place.
macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A kind of action. The names are part of the record: they never change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum ActionKind {
            $($(#[$doc])* $variant,)+
        }

        impl ActionKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, as in addresses, in the policy and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

kinds! {
    /// Cancel what one backend runs; its connection stays.
    CancelQuery = "cancel_query",
    /// End one backend with its connection.
    TerminateBackend = "terminate_backend",
    /// End all backends that have been active for longer than a limit.
    TerminateLongRunning = "terminate_long_running",
    /// Have the service answer 503 to everything but health.
    MaintenanceOn = "maintenance_on",
    /// Serve again.
    MaintenanceOff = "maintenance_off",
    /// Have a standby take the part of a healthy primary.
    Switchover = "switchover",
    /// Have a standby take the part of a primary that is gone.
    Failover = "failover",
    /// Delete the backups and the WAL that are past their retention.
    DeleteOldBackups = "delete_old_backups",
}

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of action; there are: {kinds}", kinds = list())]
pub struct UnknownKind(pub String);

fn list() -> String {
    let names: Vec<_> = ActionKind::ALL.iter().map(|kind| kind.as_str()).collect();
    names.join(", ")
}

impl std::str::FromStr for ActionKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl std::fmt::Display for ActionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Risk {
    /// One person's work is interrupted, and can be done again.
    Low,
    /// Work of several is lost, or one connection with what it had open.
    Medium,
    /// The service is affected for everyone.
    High,
}

impl Risk {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// How it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// By another action.
    By(ActionKind),
    /// Not at all, and why that is bearable.
    No(&'static str),
}

/// How long it may take to take back what was begun.
pub const TAKE_BACK: Duration = Duration::from_secs(120);

/// One step of an action's execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepSpec {
    /// Stable name, unique within the kind.
    pub name: &'static str,
    /// What it does, for people.
    pub title: &'static str,
    /// Longest time it may take; then the action ends as far as it came.
    pub timeout: Duration,
    /// Whether the action can be cancelled before this step begins without leaving something half done.
    pub cancellable: bool,
    /// Whether the record of the step before covers it: it is done though the database can't record it yet. Between
    /// those steps the console's own database may be the one that takes no writes.
    pub covered: bool,
}

impl StepSpec {
    /// The same, covered by the record of the step before.
    const fn covered(self) -> Self {
        Self {
            covered: true,
            ..self
        }
    }
}

/// All that is known of a kind before one is asked for. What it needs of the outside (preflight, executor,
/// verification) is in the server, in one handler a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActionSpec {
    /// Which kind.
    pub kind: ActionKind,
    /// Its name for people, as a command: "Cancel a query".
    pub title: &'static str,
    /// What it does and what that means, in a sentence or two.
    pub summary: &'static str,
    /// How much can go wrong.
    pub risk: Risk,
    /// How it is taken back.
    pub undo: Undo,
    /// The steps, in order. The last ones verify.
    pub steps: &'static [StepSpec],
    /// How a person finds out what happened when the console does not know.
    pub how_to_check: &'static str,
    /// Runbook to read.
    pub runbook: Option<&'static str>,
}

const fn step(name: &'static str, title: &'static str, timeout_s: u64, cancellable: bool) -> StepSpec {
    StepSpec {
        name,
        title,
        timeout: Duration::from_secs(timeout_s),
        cancellable,
        covered: false,
    }
}

const CHECK_BACKENDS: &str = "Open the database page, or run SELECT pid, backend_start, state, query FROM pg_stat_activity on the node, \
     and look for the backends that the plan names by pid and backend_start. Those that are not there are gone.";
const CHECK_MAINTENANCE: &str = "Ask the service from outside: every request but health gets 503 while maintenance mode is on. The banner of \
     the console shows what its probes see.";
const CHECK_PRIMARY: &str = "Open the topology page, or ask each node SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only'): exactly \
     one may answer false and off. Then see where clients are sent (SHOW DATABASES in PgBouncer) and whether they are held back \
     (paused = 1; RESUME lets them go on). If the promotion was begun, it may still come about while the candidate is in recovery: stop the \
     candidate, or wait until it is a primary, before you make any other node take writes. If it was not begun, nothing has changed places: let the \
     old primary write again with ALTER SYSTEM RESET default_transaction_read_only and SELECT pg_reload_conf(). Once it is promoted, the old one must stay \
     read-only until it is made a standby. Where Patroni runs the cluster, patronictl list says who leads, and Patroni sees to the rest.";
const CHECK_BACKUPS: &str = "Open the page of backups: it lists what is really in the store. The audit log has a line for each thing that was deleted, \
     written before it was.";
const POOL_RUNBOOK: Option<&str> = Some("pool-exhausted");

impl ActionKind {
    /// The kinds that change the primary: one action of them at a time, see the index `actions_changing_primary`.
    pub const CHANGING_PRIMARY: [Self; 2] = [Self::Switchover, Self::Failover];

    /// The kind's entry in the catalogue.
    pub const fn spec(self) -> ActionSpec {
        match self {
            Self::CancelQuery => ActionSpec {
                kind: self,
                title: "Cancel a query",
                summary: "The query stops with an error, its transaction is rolled back unless the client handles \
                          that; the connection stays open.",
                risk: Risk::Low,
                undo: Undo::No("The client can run the query again."),
                steps: const {
                    &[
                        step("signal", "Ask the backend to cancel its query", 10, true),
                        step("verify", "See that the query is gone", 15, false),
                    ]
                },
                how_to_check: CHECK_BACKENDS,
                runbook: POOL_RUNBOOK,
            },
            Self::TerminateBackend => ActionSpec {
                kind: self,
                title: "Terminate a backend",
                summary: "The connection is closed and what it had not committed is rolled back. Most clients \
                          connect again by themselves.",
                risk: Risk::Medium,
                undo: Undo::No("Nothing committed is lost; the client connects again."),
                steps: const {
                    &[
                        step("signal", "Ask the backend to end", 10, true),
                        step(
                            "verify",
                            "See that the backend is gone, and what came back",
                            20,
                            false,
                        ),
                    ]
                },
                how_to_check: CHECK_BACKENDS,
                runbook: POOL_RUNBOOK,
            },
            Self::TerminateLongRunning => ActionSpec {
                kind: self,
                title: "Terminate all long-running backends",
                summary: "Every backend that has been active for longer than the limit is ended, except those that \
                          are protected. Exactly those that the plan names: later ones are left alone.",
                risk: Risk::Medium,
                undo: Undo::No("Nothing committed is lost; the clients connect again."),
                steps: const {
                    &[
                        step("signal", "Ask each backend to end", 60, true),
                        step("verify", "See that they are gone, and what came back", 30, false),
                    ]
                },
                how_to_check: CHECK_BACKENDS,
                runbook: POOL_RUNBOOK,
            },
            Self::MaintenanceOn => ActionSpec {
                kind: self,
                title: "Switch maintenance mode on",
                summary: "The service answers 503 to every request but health. Alerts that this would fire are \
                          silenced until the expected end.",
                risk: Risk::High,
                undo: Undo::By(Self::MaintenanceOff),
                steps: const {
                    &[
                        step("silence", "Silence the alerts that the 503s would fire", 20, true),
                        step("switch", "Switch maintenance mode on", 300, true),
                        step(
                            "verify",
                            "See from outside that requests get 503 and health 200",
                            120,
                            false,
                        ),
                    ]
                },
                how_to_check: CHECK_MAINTENANCE,
                runbook: Some("maintenance-mode"),
            },
            Self::MaintenanceOff => ActionSpec {
                kind: self,
                title: "Switch maintenance mode off",
                summary: "The service serves again, and the silences of maintenance mode end.",
                risk: Risk::Low,
                undo: Undo::By(Self::MaintenanceOn),
                steps: const {
                    &[
                        step("switch", "Switch maintenance mode off", 300, true),
                        step("verify", "See from outside that requests are served", 120, false),
                        step("unsilence", "End the silences of maintenance mode", 20, false),
                    ]
                },
                how_to_check: CHECK_MAINTENANCE,
                runbook: Some("maintenance-mode"),
            },
            Self::Switchover => ActionSpec {
                kind: self,
                title: "Switch over to a standby",
                summary: "The standby takes the part of the primary, which is healthy, and the primary becomes a standby. Clients wait \
                          meanwhile, for some seconds; nothing that was acknowledged is lost.",
                risk: Risk::High,
                undo: Undo::By(Self::Switchover),
                steps: const {
                    &[
                        step(
                            "checkpoint",
                            "Write a checkpoint on the primary, so that the rest is quick",
                            300,
                            true,
                        ),
                        step(
                            "pause",
                            "Hold clients back, and let open transactions end",
                            150,
                            true,
                        ),
                        step(
                            "stop_writes",
                            "Make the primary read-only and end its other sessions",
                            90,
                            true,
                        ),
                        step("catch_up", "Wait until the standby has everything", 120, true).covered(),
                        step(
                            "promote",
                            "Promote the standby, and wait until it takes writes",
                            180,
                            true,
                        )
                        .covered(),
                        step("repoint", "Send clients to the new primary", 60, false).covered(),
                        step("resume", "Let clients go on", 30, false).covered(),
                        step(
                            "verify",
                            "Write and read through the clients' address, and see that only one node takes writes",
                            150,
                            false,
                        ),
                        step("rejoin", "Make the old primary a standby", 1900, false),
                    ]
                },
                how_to_check: CHECK_PRIMARY,
                runbook: Some("failover"),
            },
            Self::Failover => ActionSpec {
                kind: self,
                title: "Fail over to a standby",
                summary: "The primary is gone, and the standby takes its part. What the primary had acknowledged and the standby had not received \
                          is lost; the plan says how much that is. The old primary is kept from taking writes when it returns.",
                risk: Risk::High,
                undo: Undo::No(
                    "The old primary can't be given back its part: it is made a standby, and a switchover leads back.",
                ),
                steps: const {
                    &[
                        step(
                            "fence",
                            "Keep the old primary from taking writes, and cut clients off from it",
                            150,
                            true,
                        ),
                        step(
                            "promote",
                            "Promote the standby, and wait until it takes writes",
                            180,
                            true,
                        )
                        .covered(),
                        step("repoint", "Send clients to the new primary", 60, false).covered(),
                        step("resume", "Let clients go on", 30, false).covered(),
                        step(
                            "verify",
                            "Write and read through the clients' address, and see that only one node takes writes",
                            150,
                            false,
                        ),
                    ]
                },
                how_to_check: CHECK_PRIMARY,
                runbook: Some("failover"),
            },
            Self::DeleteOldBackups => ActionSpec {
                kind: self,
                title: "Delete old backups",
                summary: "Backups and WAL that are past their retention are deleted. The last good one of its kind stays, and so does what is \
                          pinned, and all WAL that a base backup needs which stays.",
                risk: Risk::High,
                undo: Undo::No("What is deleted is gone. The plan names each thing that would be."),
                steps: const {
                    &[
                        step(
                            "delete",
                            "Delete what the plan names, each recorded before",
                            3600,
                            true,
                        ),
                        step(
                            "verify",
                            "See that it is gone, and that what should stay is there",
                            300,
                            false,
                        ),
                    ]
                },
                how_to_check: CHECK_BACKUPS,
                runbook: Some("recoverability"),
            },
        }
    }

    /// The rule that holds where the policy says nothing else.
    pub fn default_rule(self) -> Rule {
        let rule = Rule {
            action: self,
            min_targets: 0,
            request: vec![Role::Operator],
            approvals: 0,
            approve: vec![Role::Approver],
            reauthenticate: false,
            confirmation: Confirmation::None,
            break_glass: false,
            expires_s: 3600,
        };
        match self {
            Self::CancelQuery | Self::MaintenanceOff => rule,
            Self::TerminateBackend => Rule {
                confirmation: Confirmation::Typed,
                ..rule
            },
            Self::TerminateLongRunning => Rule {
                approvals: 1,
                break_glass: true,
                // Backends come and go: an approval of yesterday's list is worth nothing.
                expires_s: 900,
                ..rule
            },
            Self::MaintenanceOn | Self::Switchover => Rule {
                approvals: 1,
                confirmation: Confirmation::Typed,
                break_glass: true,
                ..rule
            },
            Self::DeleteOldBackups => Rule {
                approvals: 1,
                confirmation: Confirmation::Typed,
                ..rule
            },
            Self::Failover => Rule {
                approvals: 1,
                reauthenticate: true,
                confirmation: Confirmation::Typed,
                break_glass: true,
                expires_s: 1800,
                ..rule
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_complete() {
        for kind in ActionKind::ALL.iter().copied() {
            let spec = kind.spec();
            assert_eq!(spec.kind, kind);
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert!(!spec.title.is_empty() && !spec.summary.is_empty() && !spec.how_to_check.is_empty());
            assert!(
                spec.steps.iter().any(|step| step.name == "verify"),
                "{kind} is not verified"
            );
            let mut names: Vec<_> = spec.steps.iter().map(|step| step.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), spec.steps.len(), "{kind} has two steps of one name");
            assert!(spec.steps.iter().all(|step| !step.timeout.is_zero()));
            assert!(!spec.steps[0].covered, "{kind} begins without a record");
            let rule = kind.default_rule();
            assert_eq!(rule.action, kind);
            assert!(!rule.request.is_empty());
            assert!(rule.approvals == 0 || !rule.approve.is_empty());
            assert!(rule.expires_s > 0);
        }
    }

    #[test]
    fn what_affects_everyone_needs_somebody_elses_consent() {
        for kind in ActionKind::ALL.iter().copied() {
            if kind.spec().risk == Risk::High {
                assert!(kind.default_rule().approvals > 0, "{kind}");
            }
        }
    }
}
