//! Which backends would be touched, and whether they may be.

use std::time::Duration;

use quarterdeck_domain::{
    action::{Fact, Gate, LeftOut, Params, Plan, Target, Verdict},
    database::{Backend, BackendId, Signaller, Snapshot, protection, redact, select_longer_than},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{QUERY_STARTED, SessionsHandler, named};
use crate::{clients::database_sessions::SessionsReport, services::actions::kinds::PlanError};

/// The most of a query that a plan shows, in characters.
const QUERY: usize = 400;
const UNDO: &str = "Not possible, and not needed: nothing that was committed is lost.";
const PRESENT: &str = "The backend is there, and is the one that was meant";
const SEES_ALL: &str = "The console sees everybody's sessions";

/// What is to be done to one backend.
#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    /// Cancel the query that began at that time; whatever runs, if none is meant.
    Cancel {
        /// By the node's clock.
        meant: Option<OffsetDateTime>,
    },
    /// End it.
    Terminate,
}

impl SessionsHandler {
    pub(super) async fn plan_one(
        &self,
        params: &Params,
        (node, id): (&str, BackendId),
        doing: Doing,
        now: OffsetDateTime,
    ) -> Result<Plan, PlanError> {
        let report = self.read(node).await?;
        let backends = &report.snapshot.backends;
        let found = backends.iter().find(|backend| backend.id == id);
        let mut gates = vec![present_gate(
            id,
            found,
            backends.iter().find(|other| other.id.pid() == id.pid()),
        )];
        if let Some(backend) = found {
            gates.push(self.protected_gate(backend, &report.signaller));
            match doing {
                Doing::Cancel { meant } => gates.push(running_gate(backend, meant, report.snapshot.at)),
                Doing::Terminate => {}
            }
        }
        gates.push(privilege_gate(&report.signaller));
        let (of_query, effect) = match doing {
            Doing::Cancel { .. } => (
                true,
                "The query ends with an error at its client; the connection stays.",
            ),
            Doing::Terminate => (
                false,
                "The connection ends; what was not committed is rolled back. The application sees a lost connection.",
            ),
        };
        let target = found.map(|backend| self.target(backend, &report.snapshot, of_query));
        Ok(Plan {
            params: params.clone(),
            planned_at: now,
            targets: target.into_iter().collect(),
            left_out: Vec::new(),
            gates,
            effect: effect.to_owned(),
            expected_s: 2,
            undo: UNDO.to_owned(),
        })
    }

    pub(super) async fn plan_long(
        &self,
        params: &Params,
        (node, longer_than_s): (&str, u32),
        agreed: Option<&Plan>,
        now: OffsetDateTime,
    ) -> Result<Plan, PlanError> {
        let report = self.read(node).await?;
        let limit = Duration::from_secs(longer_than_s.into());
        let selection = select_longer_than(&report.snapshot, limit, false, &self.rules, &report.signaller);
        let backend = |id| report.snapshot.backends.iter().find(|backend| backend.id == id);
        let mut left_out: Vec<_> = selection
            .left_out
            .iter()
            .filter_map(|left| {
                Some(LeftOut {
                    title: title(backend(left.id)?),
                    reason: left.protection.reason(),
                })
            })
            .collect();
        let mut targets = Vec::new();
        for backend in selection.chosen.iter().filter_map(|chosen| backend(chosen.id)) {
            let target = self.target(backend, &report.snapshot, true);
            if agreed.is_none_or(|agreed| agreed.targets.iter().any(|then| then.id == target.id)) {
                targets.push(target);
            } else {
                left_out.push(LeftOut {
                    title: title(backend),
                    reason: "came over the limit after this was agreed to; ask anew to end it too".to_owned(),
                });
            }
        }
        let (verdict, reason) = if targets.is_empty() {
            (
                Verdict::Refused,
                "Nothing that may be ended is active for longer than that.",
            )
        } else {
            (Verdict::Passed, "Exactly those below are ended, and no others.")
        };
        let any = Gate::new("any", "There is something to end", verdict, reason)
            .with_figure(format!("{} backends", targets.len()));
        Ok(Plan {
            params: params.clone(),
            planned_at: now,
            effect: format!(
                "{} connections end; what they had not committed is rolled back. Their applications see a lost connection.",
                targets.len()
            ),
            targets,
            left_out,
            gates: vec![sees_all_gate(&report), privilege_gate(&report.signaller), any],
            expected_s: 5,
            undo: UNDO.to_owned(),
        })
    }

    async fn read(&self, node: &str) -> Result<SessionsReport, PlanError> {
        self.node(node)?.read().await.map_err(|error| {
            PlanError::Unreachable(format!(
                "The sessions of {node} can't be read, so nothing can be planned: it {error}."
            ))
        })
    }

    fn protected_gate(&self, backend: &Backend, signaller: &Signaller) -> Gate {
        let (verdict, reason) = match protection(backend, &self.rules, signaller) {
            None => (
                Verdict::Passed,
                "It serves a client, and nothing protects it.".to_owned(),
            ),
            Some(protection) => (
                Verdict::Refused,
                format!("It is never touched: {}.", protection.reason()),
            ),
        };
        Gate::new("unprotected", "It may be touched at all", verdict, reason)
    }

    /// A backend as a target; consent to its query if `of_query`.
    fn target(&self, backend: &Backend, snapshot: &Snapshot, of_query: bool) -> Target {
        let mut facts = Vec::new();
        let started = backend.query_started_at.filter(|_| of_query);
        if let Some(text) = started.and_then(|started| started.format(&Rfc3339).ok()) {
            facts.push(Fact::binding(QUERY_STARTED, text));
        }
        facts.push(Fact::shown("state", backend.state.word()));
        let age = if backend.query_age(snapshot.at).is_some() {
            "query runs for"
        } else {
            "last query began before"
        };
        let since =
            |name, at: Option<OffsetDateTime>| at.map(|at| Fact::shown(name, words(snapshot.at - at)));
        facts.extend(since(age, backend.query_started_at));
        facts.extend(since("transaction open for", backend.transaction_started_at));
        facts.push(Fact::shown("application", named(&backend.application)));
        facts.push(Fact::shown("user", backend.user.as_deref().unwrap_or("none")));
        facts.push(Fact::shown(
            "database",
            backend.database.as_deref().unwrap_or("none"),
        ));
        let address = backend
            .address
            .map_or_else(|| "a local socket".to_owned(), |ip| ip.to_string());
        facts.push(Fact::shown("address", address));
        let waiting = |other: &&Backend| other.blocked_by.contains(&backend.id.pid());
        match snapshot.backends.iter().filter(waiting).count() {
            0 => {}
            blocked => facts.push(Fact::shown("blocks", format!("{blocked} other backends"))),
        }
        if let Some(query) = &backend.query {
            let text = if self.redact_literals {
                redact(query).unwrap_or_else(|| {
                    "not shown: it can't be read well enough to hide its literals".to_owned()
                })
            } else {
                query.text.clone()
            };
            let mut shown: String = text.chars().take(QUERY).collect();
            if query.truncated || text.chars().count() > QUERY {
                shown.push('…');
            }
            facts.push(Fact::shown("query", shown));
        }
        Target {
            kind: "backend".to_owned(),
            id: backend.id.to_string(),
            title: title(backend),
            facts,
        }
    }
}

fn present_gate(id: BackendId, found: Option<&Backend>, same_pid: Option<&Backend>) -> Gate {
    let (verdict, reason) = match (found, same_pid) {
        (Some(_), _) => (Verdict::Passed, "Pid and start time both match.".to_owned()),
        (None, Some(other)) => {
            let started = other.id.started_at();
            let reason = format!(
                "The pid {} belongs to another backend by now, which started at {:02}:{:02}:{:02} UTC. The one that was \
                 meant is gone: nothing is left to do.",
                id.pid(),
                started.hour(),
                started.minute(),
                started.second()
            );
            (Verdict::Refused, reason)
        }
        (None, None) => (
            Verdict::Refused,
            "It is gone by now: nothing is left to do.".to_owned(),
        ),
    };
    Gate::new("present", PRESENT, verdict, reason)
}

fn running_gate(backend: &Backend, meant: Option<OffsetDateTime>, at: OffsetDateTime) -> Gate {
    let title = "A query runs, and is the one that was meant";
    match backend.query_age(at) {
        Some(age) if meant.is_some() && backend.query_started_at != meant => Gate::new(
            "running",
            title,
            Verdict::Refused,
            "The query that was meant is over, and the backend runs another one. Look at the sessions again before you cancel that.",
        )
        .with_figure(format!("the new one for {}", words(age.try_into().unwrap_or_default()))),
        Some(age) => Gate::new("running", title, Verdict::Passed, "It is active.")
            .with_figure(format!("for {}", words(age.try_into().unwrap_or_default()))),
        None => Gate::new(
            "running",
            title,
            Verdict::Refused,
            format!(
                "It runs no query now, it is {}. To end an idle transaction, terminate the backend.",
                backend.state.word()
            ),
        ),
    }
}

fn sees_all_gate(report: &SessionsReport) -> Gate {
    match report.signaller.grant_to_see() {
        None => Gate::new("sees_all", SEES_ALL, Verdict::Passed, "It may read all sessions."),
        Some(grant) => Gate::new(
            "sees_all",
            SEES_ALL,
            Verdict::Refused,
            format!("Other roles' queries are hidden from it, so it can't tell which are long. Run on the node: {grant}"),
        )
        .with_figure(format!("{} hidden backends", report.hidden)),
    }
}

fn privilege_gate(signaller: &Signaller) -> Gate {
    let (verdict, reason) = match signaller.grant_to_signal() {
        None => (Verdict::Passed, format!("The role {} may.", signaller.role)),
        Some(grant) => (
            Verdict::Refused,
            format!("The role {} may not. Run on the node: {grant}", signaller.role),
        ),
    };
    Gate::new(
        "privilege",
        "The console may signal other roles' backends",
        verdict,
        reason,
    )
}

fn title(backend: &Backend) -> String {
    format!("backend {} of {}", backend.id.pid(), named(&backend.application))
}

fn words(age: time::Duration) -> String {
    let whole = age.whole_seconds().max(0);
    match whole {
        0..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}
