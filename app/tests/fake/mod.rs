//! A console without a server behind it: a fake, for rendering pages with data that a test or a look at the design
//! needs. What it says is made up; nothing of it is a result.

#![allow(
    dead_code,
    clippy::expect_used,
    missing_docs,
    reason = "shared by several tests, each of which needs a part"
)]

use std::sync::Arc;

use quarterdeck_app::{
    error::ConsoleError,
    ports::{BoxFuture, Console, ConsoleHandle, RequestContext, Theme},
    view::{
        account::SessionView,
        estate::{AlertView, AlertsView, DatabaseNodeView, DatabaseRole, SourceState, SourceView},
        health::{
            GroupView, LineView, LoadedRuleView, MetricView, OverviewView, RangeView, RuleView, TileView,
            TransitionView,
        },
        runbook::RunbookView,
    },
};
use quarterdeck_domain::{
    access::{Assurance, Role, Subject},
    alert::{AlertState, Severity},
    chart::TimeRange,
    health::{Band, Direction, MetricKind, Thresholds, Unit, UnknownReason, assess_value},
};
use uuid::Uuid;

/// 2026-11-24 22:11:03 UTC.
pub const NOW_MS: i64 = 1_795_558_263_000;

/// Which picture the fake paints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Everything is well.
    Calm,
    /// Some of everything.
    Mixed,
    /// Prometheus is gone.
    Blind,
    /// Nearly everything is bad, names are long, and there are many of them.
    Storm,
    /// The console has just started.
    Fresh,
    /// Everything was well, a minute ago.
    Old,
}

impl Scenario {
    pub fn parse(name: &str) -> Self {
        match name {
            "calm" => Self::Calm,
            "blind" => Self::Blind,
            "storm" => Self::Storm,
            "fresh" => Self::Fresh,
            "old" => Self::Old,
            _ => Self::Mixed,
        }
    }
}

pub struct FakeConsole {
    pub scenario: Scenario,
    pub now_ms: i64,
}

pub fn console(scenario: Scenario) -> ConsoleHandle {
    Arc::new(FakeConsole {
        scenario,
        now_ms: NOW_MS,
    })
}

pub fn subject() -> Subject {
    Subject {
        user_id: Uuid::from_u128(1),
        username: "ada".into(),
        display_name: "Ada Lovelace".into(),
        role: Role::Operator,
        session_id: Uuid::from_u128(2),
        assurance: Assurance::Current,
    }
}

pub fn request(path_and_query: &str) -> RequestContext {
    RequestContext {
        subject: Some(subject()),
        display_name: "Ada Lovelace".into(),
        csrf_token: "csrf-token".into(),
        theme: Theme::System,
        path_and_query: path_and_query.into(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        demo: true,
        stylesheet: "/pkg/quarterdeck.css".into(),
    }
}

/// id, title, group, unit, target, alert, higher is better, usual value, a member's kind.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Unit,
    Option<f64>,
    f64,
    bool,
    f64,
    Option<&'static str>,
);

const ROWS: [Row; 16] = [
    (
        "api_latency_p50",
        "API latency (p50)",
        "api",
        Unit::Milliseconds,
        Some(50.0),
        100.0,
        false,
        23.4,
        None,
    ),
    (
        "api_latency_p99",
        "API latency (p99)",
        "api",
        Unit::Milliseconds,
        Some(500.0),
        2_000.0,
        false,
        184.0,
        None,
    ),
    (
        "api_error_rate",
        "API error rate (5xx)",
        "api",
        Unit::Percent,
        Some(0.1),
        1.0,
        false,
        0.02,
        None,
    ),
    (
        "websocket_connections",
        "WebSocket active connections",
        "api",
        Unit::Count,
        None,
        5_000.0,
        false,
        214.0,
        None,
    ),
    (
        "db_query_p95",
        "DB query time (p95)",
        "database",
        Unit::Milliseconds,
        Some(50.0),
        200.0,
        false,
        12.8,
        None,
    ),
    (
        "db_pool_utilization",
        "DB connection pool utilization",
        "database",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        38.1,
        Some("primary"),
    ),
    (
        "postgres_disk_io",
        "Disk I/O (PostgreSQL)",
        "database",
        Unit::Percent,
        None,
        80.0,
        false,
        7.3,
        Some("nvme0n1"),
    ),
    (
        "redis_memory",
        "Redis memory usage",
        "redis",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        41.0,
        None,
    ),
    (
        "redis_hit_rate",
        "Redis hit rate",
        "redis",
        Unit::Percent,
        Some(90.0),
        80.0,
        true,
        97.2,
        None,
    ),
    (
        "redis_ops",
        "Redis operations per second",
        "redis",
        Unit::PerSecond,
        None,
        40_000.0,
        false,
        1_284.0,
        None,
    ),
    (
        "ai_latency_p95",
        "AI API response time (p95)",
        "ai",
        Unit::Milliseconds,
        Some(5_000.0),
        15_000.0,
        false,
        2_310.0,
        None,
    ),
    (
        "ai_daily_cost",
        "AI API daily cost (USD)",
        "ai",
        Unit::Usd,
        Some(50.0),
        100.0,
        false,
        18.42,
        None,
    ),
    (
        "ai_error_rate",
        "AI API error rate",
        "ai",
        Unit::Percent,
        Some(1.0),
        5.0,
        false,
        0.3,
        None,
    ),
    (
        "node_heap",
        "Node.js heap usage",
        "resources",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        31.0,
        Some("skillquest-api-0"),
    ),
    (
        "cpu_per_pod",
        "CPU utilization (per pod)",
        "resources",
        Unit::Percent,
        Some(60.0),
        80.0,
        false,
        22.7,
        Some("skillquest-api-1"),
    ),
    (
        "memory_per_pod",
        "Memory utilization (per pod)",
        "resources",
        Unit::Percent,
        Some(70.0),
        85.0,
        false,
        48.9,
        Some("skillquest-ai-0"),
    ),
];

const GROUPS: [(&str, &str); 5] = [
    ("api", "API"),
    ("database", "Database"),
    ("redis", "Redis"),
    ("ai", "AI service"),
    ("resources", "Processes and pods"),
];

fn thresholds(row: &Row) -> Thresholds {
    let direction = if row.6 {
        Direction::HigherIsBetter
    } else {
        Direction::LowerIsBetter
    };
    Thresholds::new(row.4, row.5, direction).expect("the table is sound")
}

/// A line that looks alive and is always the same.
fn wave(seed: usize, i: usize, usual: f64) -> f64 {
    let (i, seed) = (i as f64, seed as f64);
    let swing = (i / 9.0 + seed).sin() * 0.12 + (i / 2.3 + seed * 2.0).sin() * 0.05 + (i / 37.0).cos() * 0.08;
    usual * (1.0 + swing)
}

impl FakeConsole {
    fn factor(&self, i: usize) -> f64 {
        let row = &ROWS[i];
        match (self.scenario, row.0) {
            (Scenario::Mixed, "api_latency_p99") => 13.5,
            (Scenario::Mixed, "db_pool_utilization") => 2.03,
            (Scenario::Mixed, "cpu_per_pod") => 3.1,
            (Scenario::Storm, "redis_hit_rate") => 0.6,
            (Scenario::Storm, _) => row.5 / row.7 * 1.4,
            (Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Fresh | Scenario::Old, _) => 1.0,
        }
    }

    fn unknown(&self, i: usize) -> Option<UnknownReason> {
        match (self.scenario, ROWS[i].0) {
            (Scenario::Fresh, _) => Some(UnknownReason::NotYetRead),
            (Scenario::Blind, _) => Some(UnknownReason::SourceDown),
            (Scenario::Mixed, "redis_memory") => Some(UnknownReason::Stale { age_s: 94 }),
            (Scenario::Mixed, "ai_error_rate") | (Scenario::Storm, "redis_ops") => {
                Some(UnknownReason::NotANumber)
            }
            (Scenario::Calm | Scenario::Old | Scenario::Mixed | Scenario::Storm, _) => None,
        }
    }

    pub fn tile(&self, i: usize) -> TileView {
        let row = &ROWS[i];
        let factor = self.factor(i);
        let reason = self.unknown(i);
        let spark: Vec<Option<f64>> = (0..60)
            .map(|k| {
                let rise = if k > 44 || factor <= 1.0 && !row.6 {
                    factor
                } else {
                    1.0 + (factor - 1.0) * k as f64 / 90.0
                };
                let gap = self.scenario == Scenario::Fresh
                    || reason.is_some() && k > 52
                    || row.0 == "ai_latency_p95" && (20..24).contains(&k);
                (!gap).then(|| wave(i, k, row.7) * rise)
            })
            .collect();
        let value = spark.iter().rev().copied().flatten().next();
        let thresholds = thresholds(row);
        let band = match (&reason, value) {
            (None, Some(v)) => assess_value(v, &thresholds),
            (_, _) => Band::Unknown,
        };
        let member = row.8.map(|name| match self.scenario {
            Scenario::Storm => format!("skillquest-worker-with-a-rather-long-name-7d9f8c6b5-{i}x2z"),
            Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Fresh | Scenario::Old => {
                name.to_owned()
            }
        });
        TileView {
            id: row.0.into(),
            title: row.1.into(),
            unit: row.3,
            thresholds,
            band,
            since_ms: (self.scenario != Scenario::Fresh)
                .then(|| self.now_ms - 1_000 * (90 + 4_711 * i as i64 * i as i64)),
            reason,
            value: if self.scenario == Scenario::Fresh {
                None
            } else {
                value
            },
            sampled_at_ms: Some(self.now_ms - 3_000),
            member,
            pending: (self.scenario == Scenario::Mixed && row.0 == "node_heap").then_some(Band::Degraded),
            spark,
            spark_step_s: 15,
            spark_end_ms: Some(self.now_ms - 3_000),
        }
    }

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
            role: DatabaseRole::Primary {
                streaming_standbys: n,
            },
        };
        let standby = |role| DatabaseNodeView {
            name: "standby".into(),
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
                    standby(DatabaseRole::Standby {
                        lag_bytes: Some(1_312),
                        last_message_age_ms: Some(412),
                    }),
                ],
                Scenario::Mixed => vec![
                    primary(1),
                    standby(DatabaseRole::Standby {
                        lag_bytes: Some(39_845_888),
                        last_message_age_ms: Some(14_120),
                    }),
                ],
                Scenario::Fresh => vec![],
                Scenario::Storm => vec![
                    DatabaseNodeView {
                        name: "primary".into(),
                        role: DatabaseRole::Unreachable {
                            error: "connection refused at 10.0.3.4:5432".into(),
                            since_ms: Some(self.now_ms - 95_000),
                        },
                    },
                    standby(DatabaseRole::Standby {
                        lag_bytes: None,
                        last_message_age_ms: None,
                    }),
                ],
            },
        }
    }

    fn index(id: &str) -> Result<usize, ConsoleError> {
        ROWS.iter()
            .position(|r| r.0 == id)
            .ok_or_else(|| ConsoleError::NotFound(format!("There is no metric {id:?}.")))
    }

    pub fn lines(&self, id: &str, range: TimeRange, max_points: u32) -> Result<RangeView, ConsoleError> {
        let i = Self::index(id)?;
        if self.scenario == Scenario::Blind {
            return Err(ConsoleError::Unavailable("Prometheus does not answer, so there is no history to show. It is asked again at the next reload.".into()));
        }
        let step_s = range.step_s(max_points);
        let range = range.aligned(step_s);
        let points = range.seconds() / step_s + 1;
        let members: Vec<Option<String>> = match (ROWS[i].8, self.scenario) {
            (None, _) => vec![None],
            (Some(_), Scenario::Storm) => (0..12)
                .map(|k| {
                    Some(format!(
                        "skillquest-worker-with-a-rather-long-name-7d9f8c6b5-{k}x2z"
                    ))
                })
                .collect(),
            (Some(name), _) => (0..3)
                .map(|k| {
                    Some(format!(
                        "{}-{k}",
                        name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                    ))
                })
                .collect(),
        };
        let lines = members
            .into_iter()
            .enumerate()
            .map(|(k, name)| LineView {
                name,
                values: (0..points)
                    .map(|p| {
                        let at = usize::try_from((range.from_s() + p * step_s) / step_s % 10_000)
                            .unwrap_or_default();
                        let gap = (points / 3..points / 3 + points / 20).contains(&p);
                        let rise = 1.0 + (self.factor(i) - 1.0) * (p as f64 / points as f64).powi(4);
                        (!gap).then(|| wave(i + k * 3, at, ROWS[i].7 * (1.0 - 0.07 * k as f64)) * rise)
                    })
                    .collect(),
            })
            .collect();
        Ok(RangeView {
            from_s: range.from_s(),
            to_s: range.to_s(),
            step_s,
            lines,
            left_out: if self.scenario == Scenario::Storm { 18 } else { 0 },
        })
    }
}

impl Console for FakeConsole {
    fn overview(&self, _: &Subject) -> Result<OverviewView, ConsoleError> {
        Ok(self.view())
    }

    fn metric<'a>(&'a self, _: &'a Subject, id: &'a str) -> BoxFuture<'a, Result<MetricView, ConsoleError>> {
        Box::pin(async move {
            let i = Self::index(id)?;
            let row = &ROWS[i];
            Ok(MetricView {
                tile: self.tile(i),
                group: GROUPS.iter().find(|g| g.0 == row.2).map(|g| g.1.to_owned()).unwrap_or_default(),
                description: Some("99 of 100 API requests of the last minute were answered faster than this.".into()),
                kind: MetricKind::Histogram,
                query: "1000 * histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{service=\"api\"}[1m])))".into(),
                freshness: Some("http_request_duration_seconds_count{service=\"api\"}".into()),
                series_label: row.8.map(|_| "pod".into()),
                stale_after_s: 30,
                raise_after_s: 10,
                clear_after_s: 20,
                rule: Some(RuleView {
                    name: "HighAPILatency".into(),
                    loaded: (self.scenario != Scenario::Blind).then(|| LoadedRuleView {
                        expression: "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket{service=\"api\"}[5m]))) > 2".into(),
                        for_s: 300,
                        state: "firing".into(),
                    }),
                }),
                runbook: Some("docs/runbooks/api-latency.md".into()),
                grafana_url: Some("https://grafana.example/d/11159".into()),
                event_id: "41-7".into(),
                poll_interval_ms: 5_000,
            })
        })
    }

    fn range<'a>(
        &'a self,
        _: &'a Subject,
        id: &'a str,
        range: TimeRange,
        max_points: u32,
    ) -> BoxFuture<'a, Result<RangeView, ConsoleError>> {
        Box::pin(async move { self.lines(id, range, max_points) })
    }

    fn transitions<'a>(
        &'a self,
        _: &'a Subject,
        _: &'a str,
        _: u32,
    ) -> BoxFuture<'a, Result<Vec<TransitionView>, ConsoleError>> {
        Box::pin(async move {
            if self.scenario == Scenario::Calm {
                return Ok(vec![]);
            }
            let bands = [
                Band::Alert,
                Band::Degraded,
                Band::Ok,
                Band::Unknown,
                Band::Ok,
                Band::Degraded,
                Band::Ok,
            ];
            Ok(bands
                .windows(2)
                .enumerate()
                .map(|(i, pair)| TransitionView {
                    from: pair[1],
                    to: pair[0],
                    since_ms: self.now_ms - 754_000 * (1 + i as i64 * i as i64),
                    at_ms: self.now_ms - 754_000 * (1 + i as i64 * i as i64) + 10_000,
                    value: (pair[0] != Band::Unknown).then_some(2_485.0 / (1.0 + i as f64)),
                    member: None,
                    reason: (pair[0] == Band::Unknown)
                        .then(|| "source down: Prometheus does not answer".into()),
                })
                .collect())
        })
    }

    fn sessions<'a>(&'a self, _: &'a Subject) -> BoxFuture<'a, Result<Vec<SessionView>, ConsoleError>> {
        Box::pin(async move {
            let session = |id: &str, current, user_agent: &str, address: &str, age: i64| SessionView {
                id: id.into(),
                current,
                user_agent: user_agent.into(),
                address: address.into(),
                created_at_ms: self.now_ms - age * 60_000,
                last_seen_at_ms: self.now_ms - age * 1_000,
            };
            Ok(vec![
                session(
                    "a1",
                    true,
                    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                    "10.20.0.14",
                    42,
                ),
                session(
                    "b2",
                    false,
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                    "2001:db8:85a3::8a2e:370:7334",
                    2_900,
                ),
                session("c3", false, "<script>alert(1)</script>", "192.0.2.7", 9_000),
            ])
        })
    }

    fn runbook(&self, _: &Subject, name: &str) -> Result<RunbookView, ConsoleError> {
        if name != "pods" {
            return Err(ConsoleError::NotFound("There is no such runbook.".into()));
        }
        let html = "<h2>Check</h2><p>Look.</p>".to_owned();
        Ok(RunbookView {
            title: "Pods".into(),
            html,
        })
    }

    fn metric_index(&self) -> Vec<(String, String)> {
        ROWS.iter().map(|r| (r.0.to_owned(), r.1.to_owned())).collect()
    }

    fn title(&self) -> String {
        "SkillQuest".into()
    }

    fn now_ms(&self) -> i64 {
        self.now_ms
    }
}
