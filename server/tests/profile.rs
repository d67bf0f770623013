//! The profile that ships is the handbook's table, figure by figure.

use quarterdeck::config::profile::ProfileConfig;
use quarterdeck_domain::health::{Direction, MetricKind, Unit};

/// The table of the operations handbook: id, type, target, alert.
const HANDBOOK: [(&str, MetricKind, &str, &str); 16] = [
    ("api_latency_p50", MetricKind::Histogram, "< 50 ms", "> 100 ms"),
    ("api_latency_p99", MetricKind::Histogram, "< 500 ms", "> 2,000 ms"),
    ("api_error_rate", MetricKind::Counter, "< 0.1 %", "> 1 %"),
    ("db_query_p95", MetricKind::Histogram, "< 50 ms", "> 200 ms"),
    ("db_pool_utilization", MetricKind::Gauge, "< 70 %", "> 85 %"),
    ("websocket_connections", MetricKind::Gauge, "none", "> 5,000"),
    ("redis_memory", MetricKind::Gauge, "< 70 %", "> 85 %"),
    ("redis_hit_rate", MetricKind::Gauge, "> 90 %", "< 80 %"),
    ("redis_ops", MetricKind::Counter, "none", "> 40,000 /s"),
    (
        "ai_latency_p95",
        MetricKind::Histogram,
        "< 5,000 ms",
        "> 15,000 ms",
    ),
    ("ai_daily_cost", MetricKind::Gauge, "< $50", "> $100"),
    ("ai_error_rate", MetricKind::Counter, "< 1 %", "> 5 %"),
    ("node_heap", MetricKind::Gauge, "< 70 %", "> 85 %"),
    ("cpu_per_pod", MetricKind::Gauge, "< 60 %", "> 80 %"),
    ("memory_per_pod", MetricKind::Gauge, "< 70 %", "> 85 %"),
    ("postgres_disk_io", MetricKind::Counter, "none", "> 80 %"),
];

#[test]
fn the_shipped_profile_is_the_handbooks_table() {
    let profile = ProfileConfig::default().load().unwrap();
    let mut shipped: Vec<&str> = profile.metrics().iter().map(|m| m.id.as_str()).collect();
    let mut expected: Vec<&str> = HANDBOOK.iter().map(|row| row.0).collect();
    shipped.sort_unstable();
    expected.sort_unstable();
    assert_eq!(shipped, expected);
    for (id, kind, target, alert) in HANDBOOK {
        let metric = profile.metric(id).unwrap();
        let texts = (
            metric.thresholds.target_text(metric.unit),
            metric.thresholds.alert_text(metric.unit),
        );
        assert_eq!(texts, (target.to_owned(), alert.to_owned()), "{id}");
        assert_eq!(metric.kind, kind, "{id}");
        let direction = if id == "redis_hit_rate" {
            Direction::HigherIsBetter
        } else {
            Direction::LowerIsBetter
        };
        assert_eq!(metric.thresholds.direction(), direction, "{id}");
    }
}

#[test]
fn every_shipped_metric_says_how_fresh_it_is_and_where_to_read_on() {
    let profile = ProfileConfig::default().load().unwrap();
    let dashboards = [11159, 9628, 11835, 12708, 6417];
    for metric in profile.metrics() {
        assert!(metric.freshness.is_some(), "{}: no freshness selector", metric.id);
        assert!(
            metric.rule.is_some() && metric.runbook.is_some(),
            "{}: no rule or no runbook",
            metric.id
        );
        assert!(
            metric.grafana.is_some_and(|id| dashboards.contains(&id)),
            "{}: no such dashboard",
            metric.id
        );
        assert!(
            !metric.query.contains("label_replace"),
            "{}: the mark is added when it is asked for",
            metric.id
        );
        if metric.id.as_str().ends_with("_per_pod") {
            assert_eq!(
                (metric.series_label.as_deref(), metric.unit),
                (Some("pod"), Unit::Percent)
            );
        }
    }
}

#[test]
fn a_profile_of_ones_own_replaces_it() {
    let path = std::env::temp_dir().join(format!("quarterdeck-profile-{}.toml", std::process::id()));
    let own = "[profile]\nid='own'\ntitle='Own'\n[defaults]\nstale_after_s=30\nraise_after_s=0\nclear_after_s=0\n\
        [[group]]\nid='g'\ntitle='G'\n[[metric]]\nid='m'\ntitle='M'\ngroup='g'\nkind='gauge'\nunit='count'\nquery='up'\nalert=1\ndirection='lower_is_better'\n";
    std::fs::write(&path, own).unwrap();
    let loaded = ProfileConfig {
        path: Some(path.clone()),
    }
    .load();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.unwrap().title(), "Own");
    let missing = ProfileConfig {
        path: Some(path.clone()),
    }
    .load()
    .unwrap_err()
    .to_string();
    assert!(
        missing.contains(&path.display().to_string()) && missing.contains("profile.path"),
        "{missing}"
    );
}
