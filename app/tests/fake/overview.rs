//! The whole overview in each scenario: alerts, sources, the nodes of the database.

use quarterdeck_app::view::{
    estate::{AlertView, AlertsView, DatabaseNodeView, DatabaseRole, SourceState, SourceView},
    health::{GroupView, OverviewView},
};
use quarterdeck_domain::{
    alert::{AlertState, Severity},
    health::Band,
};

use super::{
    FakeConsole, Scenario,
    rows::{GROUPS, ROWS, actions},
};

impl FakeConsole {
    fn alert(
        &self,
        name: &str,
        severity: Severity,
        state: AlertState,
        summary: &str,
        labels: &str,
        metric: Option<&str>,
    ) -> AlertView {
        AlertView {
            actions: metric.map(actions).unwrap_or_default(),
            name: name.into(),
            severity,
            state,
            active_since_ms: self.now_ms - 1_000 * 60 * (3 + name.len() as i64 * 7),
            summary: summary.into(),
            labels: labels.into(),
            metric: metric.map(Into::into),
            runbook: Some("docs/runbooks/pods.md".into()),
        }
    }

    fn alerts(&self) -> AlertsView {
        let firing = |name: &str, severity, summary: &str, labels: &str, metric: Option<&str>| {
            self.alert(name, severity, AlertState::Firing, summary, labels, metric)
        };
        let mixed = vec![
            firing(
                "HighAPILatency",
                Severity::Critical,
                "99 of 100 API requests take up to 2.5 s",
                "service=api",
                Some("api_latency_p99"),
            ),
            firing(
                "ReplicationLagHigh",
                Severity::Warning,
                "The standby is 38 MB behind its primary",
                "server=standby",
                None,
            ),
            self.alert(
                "RedisMemoryHigh",
                Severity::Warning,
                AlertState::Silenced,
                "Redis uses 86 % of its memory",
                "",
                Some("redis_memory"),
            ),
            self.alert(
                "DatabaseConnectionPoolExhausted",
                Severity::Critical,
                AlertState::Pending,
                "77 % of connections are in use",
                "server=primary",
                Some("db_pool_utilization"),
            ),
        ];
        match self.scenario {
            Scenario::Calm | Scenario::Old => AlertsView::Known { alerts: vec![] },
            Scenario::Mixed => AlertsView::Known { alerts: mixed },
            Scenario::Blind => AlertsView::Unknown {
                last_known: mixed,
                since_ms: Some(self.now_ms - 240_000),
            },
            Scenario::Fresh => AlertsView::Unknown {
                last_known: vec![],
                since_ms: None,
            },
            Scenario::Storm => AlertsView::Known {
                alerts: ROWS
                    .iter()
                    .enumerate()
                    .map(|(i, row)| {
                        let severity = if i % 3 == 0 {
                            Severity::Critical
                        } else {
                            Severity::Warning
                        };
                        firing(
                            &format!("{}TooHighForComfort", row.1.replace(' ', "")),
                            severity,
                            "A summary that goes on for a while, <b>and</b> says \"what\" & why",
                            "instance=10.0.3.17:9100, pod=skillquest-worker-7d9f8c6b5-x2z",
                            None,
                        )
                    })
                    .collect(),
            },
        }
    }

    pub fn view(&self) -> OverviewView {
        let groups = GROUPS
            .iter()
            .map(|(id, title)| GroupView {
                id: (*id).into(),
                title: (*title).into(),
                tiles: (0..ROWS.len())
                    .filter(|i| ROWS[*i].2 == *id)
                    .map(|i| self.tile(i))
                    .collect(),
            })
            .collect();
        let down = matches!(self.scenario, Scenario::Blind | Scenario::Fresh);
        let source = |name: &str, state, note: Option<&str>| SourceView {
            name: name.into(),
            state,
            since_ms: Some(self.now_ms - 7_400_000),
            note: note.map(Into::into),
        };
        let primary = |n| DatabaseNodeView {
            name: "primary".into(),
            band: Band::Ok,
            faults: vec![],
            role: DatabaseRole::Primary {
                streaming_standbys: n,
            },
        };
        let standby = |role, band, faults: &[&str]| DatabaseNodeView {
            name: "standby".into(),
            band,
            faults: faults.iter().map(|fault| (*fault).to_owned()).collect(),
            role,
        };
        OverviewView {
            title: "SkillQuest".into(),
            event_id: "41-7".into(),
            polled_at_ms: match self.scenario {
                Scenario::Fresh => None,
                Scenario::Old => Some(self.now_ms - 60_000),
                Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Storm => {
                    Some(self.now_ms - 3_000)
                }
            },
            poll_interval_ms: 5_000,
            groups,
            alerts: self.alerts(),
            sources: vec![
                source(
                    "Prometheus",
                    if down { SourceState::Down } else { SourceState::Up },
                    Some("connection refused; metrics and alerts are unknown until it answers"),
                ),
                source("Alertmanager", SourceState::Up, None),
                source("Console database", SourceState::Up, None),
                source(
                    "Redis",
                    if self.scenario == Scenario::Storm {
                        SourceState::NotConfigured
                    } else {
                        SourceState::Up
                    },
                    None,
                ),
            ],
            databases: match self.scenario {
                Scenario::Calm | Scenario::Old | Scenario::Blind => vec![
                    primary(1),
                    standby(
                        DatabaseRole::Standby {
                            lag_bytes: Some(1_312),
                            last_message_age_ms: Some(412),
                        },
                        Band::Ok,
                        &[],
                    ),
                ],
                Scenario::Mixed => vec![
                    primary(1),
                    standby(
                        DatabaseRole::Standby {
                            lag_bytes: Some(39_845_888),
                            last_message_age_ms: Some(64_000),
                        },
                        Band::Degraded,
                        &[
                            "standby has heard nothing from its primary for 64 s, though it is connected: what was committed since may be missing there.",
                        ],
                    ),
                ],
                Scenario::Fresh => vec![],
                Scenario::Storm => vec![
                    DatabaseNodeView {
                        name: "primary".into(),
                        band: Band::Unknown,
                        faults: vec![
                            "primary cannot be reached: connection refused at 10.0.3.4:5432.".into(),
                        ],
                        role: DatabaseRole::Unreachable {
                            error: "connection refused at 10.0.3.4:5432".into(),
                            since_ms: Some(self.now_ms - 95_000),
                        },
                    },
                    standby(
                        DatabaseRole::Standby {
                            lag_bytes: None,
                            last_message_age_ms: None,
                        },
                        Band::Degraded,
                        &["standby receives nothing from a primary, and falls behind."],
                    ),
                ],
            },
        }
    }
}
