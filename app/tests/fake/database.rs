//! Sessions of the watched database, made up.

use quarterdeck_app::{
    error::ConsoleError,
    view::database::{
        BackendView, BlockingView, DatabaseSessionsView, LeftOutView, LongRunningView, MissingPrivilegeView,
        SessionFilter,
    },
};
use quarterdeck_domain::database::{BackendState, Capacity, ConnectionCounts, Count};

use super::{FakeConsole, Scenario};

fn count(name: &str, count: u32) -> Count {
    Count {
        name: name.into(),
        count,
    }
}

/// An ordinary session of the API that waits for its client.
fn session(pid: i32) -> BackendView {
    BackendView {
        id: format!("{pid}@2026-11-24T20:00:{:02}.123456Z", pid % 60),
        pid,
        kind: "client backend".into(),
        user: Some("skillquest".into()),
        database: Some("skillquest".into()),
        application: "skillquest-api".into(),
        address: Some("10.20.0.14".into()),
        state: BackendState::Idle,
        query: Some("SELECT id, title FROM quests WHERE course_id = $1 ORDER BY position".into()),
        query_hidden: false,
        query_started_at: None,
        query_age_ms: None,
        transaction_age_ms: None,
        state_age_ms: Some(4_000),
        wait: Some("Client: ClientRead".into()),
        blocked_by: vec![],
        holds_up: 0,
        long: false,
        protection: None,
    }
}

fn active(pid: i32, age_ms: i64, query: &str) -> BackendView {
    BackendView {
        state: BackendState::Active,
        query: Some(query.into()),
        query_started_at: Some("2026-11-24T22:01:03.654321Z".into()),
        query_age_ms: Some(age_ms),
        transaction_age_ms: Some(age_ms),
        state_age_ms: Some(age_ms),
        long: age_ms > 300_000,
        wait: None,
        ..session(pid)
    }
}

fn busy() -> Vec<BackendView> {
    let report = "SELECT count(*), pg_sleep(?) FROM enrolments JOIN users ON users.id = enrolments.user_id WHERE users.email = ? AND enrolments.created_at > ? GROUP BY date_trunc(?, enrolments.created_at) ORDER BY ? DESC LIMIT ?";
    let holder = BackendView {
        state: BackendState::IdleInTransaction,
        query: Some("UPDATE enrolments SET progress = ? WHERE id = ?".into()),
        transaction_age_ms: Some(754_000),
        state_age_ms: Some(750_000),
        application: "psql".into(),
        holds_up: 2,
        long: true,
        ..session(4_101)
    };
    let waits = |pid, by, holds_up| BackendView {
        wait: Some("Lock: transactionid".into()),
        blocked_by: vec![by],
        holds_up,
        ..active(pid, 61_000, "UPDATE enrolments SET progress = $1 WHERE id = $2")
    };
    let protected = |pid, kind: &str, application: &str, why: &str| BackendView {
        kind: kind.into(),
        application: application.into(),
        user: Some("replicator".into()),
        database: None,
        query: None,
        protection: Some(why.into()),
        long: false,
        ..active(pid, 7_200_000, "")
    };
    vec![
        BackendView {
            application: "skillquest-report".into(),
            ..active(4_711, 3_723_000, report)
        },
        waits(4_102, 4_101, 1),
        waits(4_103, 4_102, 0),
        BackendView {
            query: None,
            query_hidden: true,
            ..active(4_104, 900, "")
        },
        holder,
        protected(3_001, "walsender", "standby", "streams WAL to standby"),
        protected(3_002, "walsender", "pg_basebackup", "sends a base backup"),
        protected(
            3_003,
            "client backend",
            "pg_dump",
            "pg_dump, which database_sessions.protected_applications protects",
        ),
        session(4_200),
        session(4_201),
    ]
}

impl FakeConsole {
    /// The sessions that match, of the node `primary`.
    pub fn database(&self, filter: &SessionFilter) -> Result<DatabaseSessionsView, ConsoleError> {
        if let Some(name) = filter
            .node
            .as_deref()
            .filter(|name| !["primary", "standby"].contains(name))
        {
            return Err(ConsoleError::NotFound(format!(
                "No database node is called {name:?}. Configured are: primary, standby."
            )));
        }
        let all = match self.scenario {
            Scenario::Blind => {
                return Err(ConsoleError::Unavailable(
                    "The sessions of primary can't be read: it does not answer within 3000 ms. Nothing is known of \
                     them until it answers."
                        .into(),
                ));
            }
            Scenario::Calm | Scenario::Fresh | Scenario::Old => vec![session(4_200), session(4_201)],
            Scenario::Mixed => busy(),
            Scenario::Storm => (0..60)
                .map(|i| active(5_000 + i, 400_000 - i64::from(i) * 1_000, "SELECT pg_sleep(?)"))
                .chain(busy())
                .collect(),
        };
        let quiet = !all.iter().any(|b| b.holds_up > 0);
        let blocked = |pid, depth, holds_up, who: &str| BlockingView {
            pid,
            depth,
            holds_up,
            again: false,
            who: who.into(),
        };
        let total = u32::try_from(all.len()).expect("few");
        let backends: Vec<BackendView> = all
            .into_iter()
            .filter(|b| filter.state.is_none_or(|s| b.state == s))
            .filter(|b| filter.application.as_ref().is_none_or(|a| b.application == *a))
            .collect();
        Ok(DatabaseSessionsView {
            node: filter.node.clone().unwrap_or_else(|| "primary".into()),
            read_at_ms: self.now_ms,
            capacity: Capacity {
                max_connections: 100,
                superuser_reserved: 3,
                reserved: 0,
            },
            usable: 97,
            counts: ConnectionCounts {
                used: total,
                by_state: vec![
                    count("active", 4),
                    count("idle", 2),
                    count("idle_in_transaction", 1),
                ],
                by_user: vec![count("skillquest", total - 1), count("quarterdeck_monitor", 1)],
                by_application: vec![count("skillquest-api", 6), count("psql", 1), count("", 1)],
                by_address: vec![
                    count("10.20.0.14", total),
                    count("2001:db8:85a3::8a2e:370:7334", 1),
                ],
            },
            hidden: 0,
            missing: if self.scenario == Scenario::Storm {
                vec![MissingPrivilegeView {
                    lost: "Nothing can be cancelled or terminated from here: the role quarterdeck_monitor may not signal other roles' sessions.".into(),
                    grant: "GRANT pg_signal_backend TO quarterdeck_monitor;".into(),
                }]
            } else {
                vec![]
            },
            redacted: true,
            total,
            matching: u32::try_from(backends.len()).expect("few"),
            backends,
            blocking: if quiet {
                vec![]
            } else {
                vec![
                    blocked(4_101, 0, 2, "skillquest, psql, idle in transaction"),
                    blocked(4_102, 1, 1, "skillquest, skillquest-api, active"),
                    blocked(4_103, 2, 0, "skillquest, skillquest-api, active"),
                ]
            },
            long_running: LongRunningView {
                limit_s: 300,
                chosen: 1,
                left_out: vec![LeftOutView {
                    pid: 3_002,
                    why: "sends a base backup".into(),
                }],
            },
        })
    }
}
