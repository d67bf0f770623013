//! The port, as the fake answers it.

use quarterdeck_app::{
    error::ConsoleError,
    ports::{BoxFuture, Console},
    view::{
        account::SessionView,
        api_token::ApiTokensView,
        audit::{AuditEntryView, AuditPageView},
        backup::{BackupsView, CopyPageView, RunPageView},
        database::{DatabaseSessionsView, SessionFilter},
        health::{LoadedRuleView, MetricView, OverviewView, RangeView, RuleView, TransitionView},
        maintenance::MaintenanceView,
        runbook::RunbookView,
        topology::{SplitView, TopologyView},
    },
};
use quarterdeck_domain::{
    access::Subject,
    audit::Search,
    chart::TimeRange,
    health::{Band, MetricKind},
};

use super::{
    FakeConsole, Scenario, audit,
    rows::{GROUPS, ROWS, index},
    tokens,
};

impl Console for FakeConsole {
    fn overview(&self, _: &Subject) -> Result<OverviewView, ConsoleError> {
        Ok(self.view())
    }

    fn last_event_id(&self) -> String {
        self.view().event_id
    }

    fn metric<'a>(&'a self, _: &'a Subject, id: &'a str) -> BoxFuture<'a, Result<MetricView, ConsoleError>> {
        Box::pin(async move {
            let i = index(id)?;
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

    fn topology<'a>(&'a self, _: &'a Subject) -> BoxFuture<'a, Result<TopologyView, ConsoleError>> {
        Box::pin(async move { Ok(self.cluster()) })
    }

    fn database_sessions<'a>(
        &'a self,
        _: &'a Subject,
        filter: &'a SessionFilter,
    ) -> BoxFuture<'a, Result<DatabaseSessionsView, ConsoleError>> {
        Box::pin(async move { self.database(filter) })
    }

    fn backups<'a>(&'a self, _: &'a Subject) -> BoxFuture<'a, Result<BackupsView, ConsoleError>> {
        Box::pin(async move { self.backups_view() })
    }

    fn backup_run<'a>(
        &'a self,
        _: &'a Subject,
        id: &'a str,
    ) -> BoxFuture<'a, Result<RunPageView, ConsoleError>> {
        Box::pin(async move { self.backup_run_page(id) })
    }

    fn backup_copy<'a>(
        &'a self,
        _: &'a Subject,
        name: &'a str,
    ) -> BoxFuture<'a, Result<CopyPageView, ConsoleError>> {
        Box::pin(async move { self.backup_copy_page(name) })
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

    fn audit_page<'a>(
        &'a self,
        subject: &'a Subject,
        search: &'a Search,
    ) -> BoxFuture<'a, Result<AuditPageView, ConsoleError>> {
        Box::pin(async move { audit::page(self, subject, search) })
    }

    fn audit_entry<'a>(
        &'a self,
        subject: &'a Subject,
        seq: u64,
    ) -> BoxFuture<'a, Result<AuditEntryView, ConsoleError>> {
        Box::pin(async move { audit::entry(self, subject, seq) })
    }

    fn api_tokens<'a>(&'a self, _: &'a Subject) -> BoxFuture<'a, Result<ApiTokensView, ConsoleError>> {
        Box::pin(async move { Ok(tokens::tokens(self)) })
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

    fn maintenance(&self, _: &Subject) -> Result<Option<MaintenanceView>, ConsoleError> {
        Ok(self.maintenance())
    }

    fn split(&self, _: &Subject) -> Result<Option<SplitView>, ConsoleError> {
        Ok(self.split())
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
