//! Guarded actions, as the fake has them.

use quarterdeck_app::{
    error::ConsoleError,
    ports::{BoxFuture, GuardedActions, Which},
    view::{
        action::{
            ActionCountsView, ActionLineView, ActionRecordView, ActionStateView, ActionView, ActionsView,
            FactView, FreezeWindowView, GateView, KindPolicyView, LeftOutView, MayView, PlanView,
            PolicyInForceView, PolicyView, ProposalView, RuleView, StepStateView, StepView, TargetView,
            VoteView,
        },
        emergency::{EmergencyProposalView, EmergencyView, StoryView},
    },
};
use quarterdeck_domain::{
    access::{Role, Subject},
    action::{ActionKind, Confirmation, Params, Risk, Rule, Verdict},
};

use super::{FakeConsole, Scenario};

const ID: &str = "0193e4a0-0000-7000-8000-000000000001";

fn fact(name: &str, value: &str, binding: bool) -> FactView {
    FactView {
        name: name.into(),
        value: value.into(),
        binding,
    }
}

fn gate(name: &str, title: &str, verdict: Verdict, reason: &str, figure: Option<&str>) -> GateView {
    GateView {
        name: name.into(),
        title: title.into(),
        verdict,
        reason: reason.into(),
        figure: figure.map(str::to_owned),
    }
}

fn target(pid: u32, query: &str) -> TargetView {
    TargetView {
        id: format!("{pid}@2026-11-24T21:55:03.123456Z"),
        title: format!("backend {pid} of skillquest-api"),
        facts: vec![
            fact("query started", "2026-11-24T22:03:41.52Z", true),
            fact("state", "active", false),
            fact("query runs for", "7 min 21 s", false),
            fact("user", "skillquest", false),
            fact("address", "10.0.3.17", false),
            fact("query", query, false),
        ],
    }
}

impl FakeConsole {
    fn plan(&self) -> PlanView {
        let refused = self.scenario == Scenario::Storm;
        PlanView {
            kind: ActionKind::TerminateLongRunning,
            title: "Terminate all long-running backends".into(),
            summary: ActionKind::TerminateLongRunning.spec().summary.into(),
            risk: Risk::Medium,
            object: "backends on primary active for over 300 s".into(),
            params: serde_json::json!({"kind": "terminate_long_running", "node": "primary", "longer_than_s": 300}),
            planned_at_ms: self.now_ms,
            targets: vec![
                target(
                    4711,
                    "SELECT * FROM enrolments e JOIN courses c ON c.id = e.course_id WHERE c.title LIKE ? ORDER BY e.created_at",
                ),
                target(
                    4820,
                    "UPDATE leaderboards SET score = score + ? WHERE user_id = ?",
                ),
            ],
            left_out: vec![LeftOutView {
                title: "backend 5033 of pg_dump".into(),
                reason: "pg_dump, which database_sessions.protected_applications protects".into(),
            }],
            gates: vec![
                gate(
                    "sees_all",
                    "The console sees everybody's sessions",
                    Verdict::Passed,
                    "It may read all sessions.",
                    None,
                ),
                if refused {
                    gate(
                        "privilege",
                        "The console may signal other roles' backends",
                        Verdict::Refused,
                        "The role monitor may not. Run on the node: GRANT pg_signal_backend TO monitor;",
                        None,
                    )
                } else {
                    gate(
                        "privilege",
                        "The console may signal other roles' backends",
                        Verdict::Passed,
                        "The role monitor may.",
                        None,
                    )
                },
                gate(
                    "any",
                    "There is something to end",
                    Verdict::Passed,
                    "Exactly those below are ended, and no others.",
                    Some("2 backends"),
                ),
            ],
            effect: "2 connections end; what they had not committed is rolled back.".into(),
            expected_s: 5,
            undo: "Not possible, and not needed: nothing that was committed is lost.".into(),
            digest: "4f1c7a39b0b2f5f3d1d3a8c1f0e9b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1".into(),
            runbook: Some("database-pool".into()),
        }
    }

    fn policy() -> PolicyView {
        PolicyView {
            version: 1,
            request: vec![Role::Operator],
            approvals: 1,
            approve: vec![Role::Approver],
            reauthenticate: false,
            typed: None,
            break_glass: true,
            expires_s: 900,
            frozen: None,
        }
    }

    fn line(&self) -> ActionLineView {
        let state = match self.scenario {
            Scenario::Calm => ActionStateView::Succeeded,
            Scenario::Mixed | Scenario::Fresh | Scenario::Old => ActionStateView::Requested,
            Scenario::Blind => ActionStateView::OutcomeUnknown,
            Scenario::Storm => ActionStateView::Executing,
        };
        ActionLineView {
            id: ID.into(),
            number: 12,
            kind: ActionKind::TerminateLongRunning,
            title: "Terminate all long-running backends".into(),
            object: "backends on primary active for over 300 s".into(),
            state,
            requester: "grace".into(),
            requested_at_ms: self.now_ms - 90_000,
            changed_at_ms: self.now_ms - 60_000,
            expires_at_ms: self.now_ms + 810_000,
            break_glass: self.scenario == Scenario::Storm,
            awaits_review: self.scenario == Scenario::Storm,
            waiting_for_me: (state == ActionStateView::Requested).then(|| "approve or reject".into()),
        }
    }
}

impl GuardedActions for FakeConsole {
    fn proposal<'a>(
        &'a self,
        _: &'a Subject,
        _: Params,
    ) -> BoxFuture<'a, Result<ProposalView, ConsoleError>> {
        Box::pin(async move {
            Ok(ProposalView {
                id: ID.into(),
                plan: self.plan(),
                policy: Self::policy(),
                obstacle: (self.scenario == Scenario::Storm)
                    .then(|| "a gate refuses: The role monitor may not. Run on the node: GRANT pg_signal_backend TO monitor;".into()),
            })
        })
    }

    fn actions<'a>(
        &'a self,
        subject: &'a Subject,
        which: Which,
        _: Option<i64>,
    ) -> BoxFuture<'a, Result<ActionsView, ConsoleError>> {
        Box::pin(async move {
            let line = self.line();
            let empty =
                self.scenario == Scenario::Fresh || which == Which::Mine && line.waiting_for_me.is_none();
            Ok(ActionsView {
                actions: if empty { vec![] } else { vec![line] },
                counts: self.action_counts(subject)?,
                next_before: None,
            })
        })
    }

    fn action<'a>(&'a self, _: &'a Subject, id: &'a str) -> BoxFuture<'a, Result<ActionView, ConsoleError>> {
        Box::pin(async move {
            if id != ID {
                return Err(ConsoleError::NotFound("There is no such action.".into()));
            }
            let line = self.line();
            let state = line.state;
            let step = |name: &str, title: &str, state, detail: &str| StepView {
                name: name.into(),
                title: title.into(),
                state,
                detail: detail.into(),
                started_at_ms: Some(self.now_ms - 20_000),
                ended_at_ms: (state == StepStateView::Done).then_some(self.now_ms - 18_000),
            };
            Ok(ActionView {
                revision: 3,
                plan: self.plan(),
                policy: Self::policy(),
                reason: "The pool is exhausted; these two hold locks that the API waits for.".into(),
                explanation: match state {
                    ActionStateView::Succeeded => "2 of 2 asked to end. All 2 are gone.".into(),
                    ActionStateView::OutcomeUnknown => {
                        "Nobody knows whether the step “signal” took effect.".into()
                    }
                    ActionStateView::Executing => "grace started it.".into(),
                    _ => "1 of 1 approvals are still needed. Nothing happens until then.".into(),
                },
                votes: if state == ActionStateView::Succeeded {
                    vec![VoteView {
                        name: "barbara".into(),
                        approve: true,
                        comment: "Seen on the database page, go.".into(),
                        at_ms: self.now_ms - 70_000,
                        void: None,
                    }]
                } else {
                    vec![]
                },
                missing: u32::from(state == ActionStateView::Requested),
                steps: match state {
                    ActionStateView::Requested => vec![
                        StepView {
                            started_at_ms: None,
                            ..step("signal", "Ask each backend to end", StepStateView::Waiting, "")
                        },
                        StepView {
                            started_at_ms: None,
                            ..step(
                                "verify",
                                "See that they are gone, and what came back",
                                StepStateView::Waiting,
                                "",
                            )
                        },
                    ],
                    ActionStateView::Executing => vec![
                        step(
                            "signal",
                            "Ask each backend to end",
                            StepStateView::Done,
                            "2 of 2 asked to end.",
                        ),
                        step(
                            "verify",
                            "See that they are gone, and what came back",
                            StepStateView::Running,
                            "",
                        ),
                    ],
                    ActionStateView::OutcomeUnknown => vec![
                        step(
                            "signal",
                            "Ask each backend to end",
                            StepStateView::Unknown,
                            "The console ended in the middle of this step.",
                        ),
                        StepView {
                            started_at_ms: None,
                            ..step(
                                "verify",
                                "See that they are gone, and what came back",
                                StepStateView::Skipped,
                                "",
                            )
                        },
                    ],
                    _ => vec![
                        step(
                            "signal",
                            "Ask each backend to end",
                            StepStateView::Done,
                            "2 of 2 asked to end.",
                        ),
                        step(
                            "verify",
                            "See that they are gone, and what came back",
                            StepStateView::Done,
                            "All 2 are gone. Came back under the same application: 2 of skillquest-api as skillquest (1 active).",
                        ),
                    ],
                },
                how_to_check: (state == ActionStateView::OutcomeUnknown)
                    .then(|| ActionKind::TerminateLongRunning.spec().how_to_check.into()),
                review: None,
                may: MayView {
                    vote: state == ActionStateView::Requested,
                    cancel: state == ActionStateView::Requested || state == ActionStateView::Executing,
                    ..MayView::default()
                },
                undo_path: None,
                records: vec![ActionRecordView {
                    seq: 812,
                    at_ms: self.now_ms - 90_000,
                    actor: "grace".into(),
                    action: "action.requested".into(),
                    outcome: "succeeded".into(),
                }],
                messages: vec![],
                now_ms: self.now_ms,
                line,
            })
        })
    }

    fn policy<'a>(&'a self, subject: &'a Subject) -> BoxFuture<'a, Result<PolicyInForceView, ConsoleError>> {
        let rule = |rule: Rule, min_targets: u32| RuleView {
            min_targets,
            request: rule.request,
            approvals: rule.approvals,
            approve: rule.approve,
            reauthenticate: rule.reauthenticate,
            typed: rule.confirmation == Confirmation::Typed,
            break_glass: rule.break_glass,
            expires_s: rule.expires_s,
        };
        let frozen = self.scenario == Scenario::Storm;
        let kind = |kind: ActionKind| {
            let spec = kind.spec();
            let mut rules = vec![rule(kind.default_rule(), 0)];
            if kind == ActionKind::TerminateLongRunning {
                let strict = Rule {
                    approvals: 2,
                    ..kind.default_rule()
                };
                rules.push(rule(strict, 10));
            }
            KindPolicyView {
                kind,
                title: spec.title.into(),
                summary: spec.summary.into(),
                risk: spec.risk,
                rules,
                frozen: (frozen && kind == ActionKind::MaintenanceOn)
                    .then(|| "the freeze window “Monday morning” forbids it until 10:00 UTC".into()),
                not_set_up: (self.scenario == Scenario::Blind && kind == ActionKind::MaintenanceOff)
                    .then(|| "how maintenance mode is switched is not configured".into()),
                may_request: kind.default_rule().request.contains(&subject.role),
            }
        };
        let window = FreezeWindowView {
            name: "Monday morning".into(),
            denies: true,
            kinds: vec![ActionKind::MaintenanceOn],
            cron: "0 6 * * MON".into(),
            duration_s: 14_400,
            open_until_ms: frozen.then_some(self.now_ms + 3_600_000),
            opens_ms: Some(self.now_ms + 86_400_000),
        };
        let view = PolicyInForceView {
            version: 3,
            since_ms: self.now_ms - 86_400_000,
            kinds: ActionKind::ALL.iter().copied().map(kind).collect(),
            windows: if self.scenario == Scenario::Calm {
                vec![]
            } else {
                vec![window]
            },
        };
        Box::pin(async move { Ok(view) })
    }

    fn may_request(&self, subject: &Subject) -> Vec<ActionKind> {
        let kinds = ActionKind::ALL.iter().copied();
        kinds
            .filter(|kind| kind.default_rule().request.contains(&subject.role))
            .collect()
    }

    fn emergency<'a>(
        &'a self,
        _: &'a Subject,
        params: Option<Params>,
    ) -> BoxFuture<'a, Result<EmergencyView, ConsoleError>> {
        Box::pin(async move {
            let answers = self.scenario == Scenario::Calm;
            Ok(EmergencyView {
                database_answers: answers,
                obstacle: answers.then(|| "the console's database answers".into()),
                proposal: params.map(|_| {
                    Ok(EmergencyProposalView {
                        id: ID.into(),
                        plan: self.plan(),
                        refused: (self.scenario == Scenario::Storm).then(|| "A gate refuses.".into()),
                    })
                }),
                stories: vec![StoryView {
                    id: ID.into(),
                    title: "Fail over to a standby".into(),
                    object: "db-2".into(),
                    by: "april".into(),
                    reason: "The primary's machine is gone, and the console's database with it.".into(),
                    at_ms: self.now_ms - 60_000,
                    state: ActionStateView::Failed,
                    explanation: "Nothing was done.".into(),
                    steps: Vec::new(),
                    how_to_check: None,
                    merged: false,
                }],
                now_ms: self.now_ms,
            })
        })
    }

    fn action_counts(&self, _: &Subject) -> Result<ActionCountsView, ConsoleError> {
        let waits = matches!(self.scenario, Scenario::Mixed | Scenario::Old);
        Ok(ActionCountsView {
            requested: u32::from(waits),
            waiting_for_me: u32::from(waits),
            executing: u32::from(self.scenario == Scenario::Storm),
            to_review: u32::from(self.scenario == Scenario::Storm),
            ..ActionCountsView::default()
        })
    }
}
