//! From what a node says to what is shown.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use quarterdeck_app::view::database::{
    BackendView, BlockingView, DatabaseSessionsView, LeftOutView, LongRunningView, MissingPrivilegeView,
    SessionFilter,
};
use quarterdeck_domain::database::{
    Backend, BackendKind, BackendState, blocking_forest, count_connections, instant, protection, redact,
    select_longer_than,
};
use time::OffsetDateTime;

use crate::{
    clients::database_sessions::SessionsReport, clock::unix_ms,
    config::database_sessions::DatabaseSessionsConfig,
};

/// The most sessions that are listed at once. What a person needs stands far above that.
const MOST: usize = 300;

/// A node's sessions, ready to be shown to anybody: redacted, judged, in order.
#[derive(Debug)]
pub(super) struct Prepared {
    view: DatabaseSessionsView,
}

impl Prepared {
    /// Prepares what was read; `now` is when, by the console's clock.
    pub(super) fn new(
        node: &str,
        report: &SessionsReport,
        config: &DatabaseSessionsConfig,
        now: OffsetDateTime,
    ) -> Self {
        let (snapshot, rules) = (&report.snapshot, config.rules());
        let forest = blocking_forest(snapshot);
        let holds_up: BTreeMap<i32, u32> = forest.iter().map(|s| (s.pid, s.waiting)).collect();
        let mut ordered: Vec<&Backend> = snapshot.backends.iter().collect();
        ordered.sort_by_key(|b| (rank(b), Reverse(age(b, snapshot.at)), b.id));
        let backends: Vec<BackendView> = ordered
            .into_iter()
            .map(|b| {
                let waiting = holds_up.get(&b.id.pid()).copied().unwrap_or_default();
                let mut view = backend_view(b, snapshot.at, config, waiting);
                view.protection = protection(b, &rules, &report.signaller).map(|why| why.reason());
                view
            })
            .collect();
        let who: BTreeMap<i32, String> = snapshot.backends.iter().map(|b| (b.id.pid(), who(b))).collect();
        let blocking = forest
            .iter()
            .map(|s| BlockingView {
                pid: s.pid,
                depth: s.depth,
                holds_up: s.waiting,
                again: s.again,
                who: who.get(&s.pid).cloned().unwrap_or_default(),
            })
            .collect();
        let selection = select_longer_than(snapshot, config.long_running(), false, &rules, &report.signaller);
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            view: DatabaseSessionsView {
                node: node.to_owned(),
                read_at_ms: unix_ms(now),
                capacity: report.capacity,
                usable: report.capacity.usable(),
                counts: count_connections(snapshot),
                hidden: report.hidden,
                missing: missing(report),
                redacted: config.redact_literals,
                total: count(backends.len()),
                matching: count(backends.len()),
                backends,
                blocking,
                long_running: LongRunningView {
                    limit_s: config.long_running_s,
                    chosen: count(selection.chosen.len()),
                    left_out: selection
                        .left_out
                        .iter()
                        .map(|l| LeftOutView {
                            pid: l.id.pid(),
                            why: l.protection.reason(),
                        })
                        .collect(),
                },
            },
        }
    }

    /// What matches the filter.
    pub(super) fn matching(&self, filter: &SessionFilter) -> DatabaseSessionsView {
        let all = &self.view;
        let limit_ms = filter.longer_than_s.map(|s| i64::from(s) * 1_000);
        let matches = |b: &&BackendView| {
            filter.state.is_none_or(|state| b.state == state)
                && filter
                    .user
                    .as_ref()
                    .is_none_or(|user| b.user.as_ref() == Some(user))
                && filter
                    .application
                    .as_ref()
                    .is_none_or(|name| b.application == *name)
                && limit_ms.is_none_or(|limit| judged_age_ms(b).is_some_and(|age| age > limit))
        };
        let matching = all.backends.iter().filter(matches).count();
        DatabaseSessionsView {
            matching: u32::try_from(matching).unwrap_or(u32::MAX),
            backends: all.backends.iter().filter(matches).take(MOST).cloned().collect(),
            node: all.node.clone(),
            read_at_ms: all.read_at_ms,
            capacity: all.capacity,
            usable: all.usable,
            counts: all.counts.clone(),
            hidden: all.hidden,
            missing: all.missing.clone(),
            redacted: all.redacted,
            total: all.total,
            blocking: all.blocking.clone(),
            long_running: all.long_running.clone(),
        }
    }
}

/// The age by which "longer than" judges: of the query, or of the transaction that is idle.
fn judged_age_ms(backend: &BackendView) -> Option<i64> {
    match backend.state {
        BackendState::Active | BackendState::FastPath => backend.query_age_ms,
        BackendState::IdleInTransaction | BackendState::IdleInTransactionAborted => {
            backend.transaction_age_ms
        }
        BackendState::Idle | BackendState::Disabled | BackendState::Unknown => None,
    }
}

/// Clients that work or hold something first, those that do nothing last.
fn rank(backend: &Backend) -> u8 {
    match (&backend.kind, backend.state) {
        _ if backend.is_asker => 4,
        (BackendKind::Client, BackendState::Active | BackendState::FastPath) => 0,
        (BackendKind::Client, BackendState::IdleInTransaction | BackendState::IdleInTransactionAborted) => 1,
        (
            BackendKind::WalSender
            | BackendKind::AutovacuumWorker
            | BackendKind::ParallelWorker
            | BackendKind::Other(_),
            _,
        ) => 2,
        (BackendKind::Client, BackendState::Idle | BackendState::Disabled | BackendState::Unknown) => 3,
    }
}

fn age(backend: &Backend, at: OffsetDateTime) -> Option<Duration> {
    backend
        .query_age(at)
        .or_else(|| backend.transaction_age(at))
        .or_else(|| backend.state_age(at))
}

fn who(backend: &Backend) -> String {
    let parts = [
        backend.user.clone(),
        Some(backend.application.clone()).filter(|name| !name.is_empty()),
        Some(backend.state.word().to_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn ms(age: Option<Duration>) -> Option<i64> {
    age.map(|a| i64::try_from(a.as_millis()).unwrap_or(i64::MAX))
}

fn backend_view(
    backend: &Backend,
    at: OffsetDateTime,
    config: &DatabaseSessionsConfig,
    holds_up: u32,
) -> BackendView {
    let query = backend.query.as_ref().and_then(|query| {
        if config.redact_literals {
            redact(query)
        } else if query.truncated {
            Some(format!("{} …", query.text))
        } else {
            Some(query.text.clone())
        }
    });
    let runs = backend.query_age(at).is_some();
    let mut view = BackendView {
        id: backend.id.to_string(),
        pid: backend.id.pid(),
        kind: backend.kind.as_str().to_owned(),
        user: backend.user.clone(),
        database: backend.database.clone(),
        application: backend.application.clone(),
        address: backend.address.map(|a| a.to_string()),
        state: backend.state,
        query_hidden: backend.query.is_some() && query.is_none(),
        query,
        query_started_at: backend.query_started_at.filter(|_| runs).and_then(instant::write),
        query_age_ms: ms(backend.query_age(at)),
        transaction_age_ms: ms(backend.transaction_age(at)),
        state_age_ms: ms(backend.state_age(at)),
        wait: backend.wait.as_ref().map(|w| format!("{}: {}", w.kind, w.event)),
        blocked_by: backend.blocked_by.clone(),
        holds_up,
        long: false,
        protection: None,
    };
    let limit_ms = i64::from(config.long_running_s) * 1_000;
    view.long = backend.kind == BackendKind::Client && judged_age_ms(&view).is_some_and(|age| age > limit_ms);
    view
}

/// What the console's role lacks on the node.
fn missing(report: &SessionsReport) -> Vec<MissingPrivilegeView> {
    let role = &report.signaller.role;
    let see = report.signaller.grant_to_see().map(|grant| MissingPrivilegeView {
        lost: format!(
            "{} sessions are not shown, and not counted: the role {role} may not see those of other roles.",
            report.hidden
        ),
        grant,
    });
    let signal = report.signaller.grant_to_signal().map(|grant| MissingPrivilegeView {
        lost: format!("Nothing can be cancelled or terminated from here: the role {role} may not signal other roles' sessions."),
        grant,
    });
    [see, signal].into_iter().flatten().collect()
}
