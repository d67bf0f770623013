//! Each request, against a real Prometheus.

use std::time::Duration;

use quarterdeck::{
    clients::SourceError,
    clock::{Clock, SystemClock},
};
use quarterdeck_domain::alert::AlertState;

use super::{Exporter, client, prometheus_on, until};

const METRICS: &str = "queue_length{pod=\"a\"} 3\nqueue_length{pod=\"b\"} 4\n";
const RULES: &str = r#"groups:
- name: test
  rules:
  - record: queue:sum
    expr: sum(queue_length)
  - alert: QueueLong
    expr: queue_length > 3
    labels: {severity: critical}
    annotations: {summary: "{{ $labels.pod }} has {{ $value }}"}
  - alert: QueueLongForAnHour
    expr: queue_length > 2
    for: 1h
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_is_understood() {
    let exporter = Exporter::start(METRICS).await;
    let prometheus = prometheus_on(&exporter, RULES).await;
    let client = client(&prometheus.url(), 20.0);
    let samples = until(&client, "queue_length", |samples| samples.len() == 2).await;
    let mut pods: Vec<_> = samples
        .iter()
        .map(|s| (s.labels["pod"].as_str(), s.value))
        .collect();
    pods.sort_by(|a, b| a.0.cmp(b.0));
    assert_eq!(pods, [("a", 3.0), ("b", 4.0)]);

    // Scalars, oddities, and time.
    assert_eq!(client.instant("1 + 1", None).await.unwrap()[0].value, 2.0);
    assert!(
        client.instant("queue_length * 0 / 0", None).await.unwrap()[0]
            .value
            .is_nan()
    );
    assert_eq!(
        client.instant("1 / 0", None).await.unwrap()[0].value,
        f64::INFINITY
    );
    assert_eq!(client.instant("no_such_metric", None).await.unwrap(), []);
    let long_ago = SystemClock.now() - Duration::from_secs(86_400);
    assert_eq!(client.instant("queue_length", Some(long_ago)).await.unwrap(), []);
    let skew = client.clock().await.unwrap() - SystemClock.now();
    assert!(skew.abs() < Duration::from_secs(10), "{skew}");
    assert!(
        client
            .build_info()
            .await
            .unwrap()
            .version
            .starts_with(|c: char| c.is_ascii_digit())
    );

    // What it refuses: a mistake in the text, and a vector with two equal label sets.
    for query in ["sum(", "label_replace(queue_length, \"pod\", \"x\", \"\", \"\")"] {
        let refusal = client.instant(query, None).await.unwrap_err();
        assert!(
            matches!(&refusal, SourceError::BadQuery { message } if !message.is_empty()),
            "{refusal:?}"
        );
    }
    // A query too long for an address.
    let long = format!("queue_length{{pod!=\"{}\"}}", "x".repeat(100_000));
    assert_eq!(client.instant(&long, None).await.unwrap().len(), 2);

    let now = SystemClock.now();
    let series = client
        .range(
            "queue_length",
            now - Duration::from_secs(60),
            now,
            Duration::from_secs(1),
        )
        .await
        .unwrap();
    assert_eq!(series.len(), 2);
    let a = series.iter().find(|s| s.labels["pod"] == "a").unwrap();
    assert!(!a.points.is_empty() && a.points.iter().all(|(_, value)| *value == 3.0));
    assert!(a.points.windows(2).all(|pair| pair[1].0 - pair[0].0 == 1000));

    until(&client, "ALERTS{alertstate=\"firing\"}", |samples| {
        samples.len() == 1
    })
    .await;
    let mut alerts = client.alerts().await.unwrap();
    alerts.sort_by_key(|alert| (alert.state.rank(), alert.labels["pod"].clone()));
    let told: Vec<_> = alerts
        .iter()
        .map(|a| (a.labels["alertname"].as_str(), a.labels["pod"].as_str(), a.state))
        .collect();
    assert_eq!(
        told,
        [
            ("QueueLong", "b", AlertState::Firing),
            ("QueueLongForAnHour", "a", AlertState::Pending),
            ("QueueLongForAnHour", "b", AlertState::Pending),
        ]
    );
    assert_eq!(alerts[0].annotations["summary"], "b has 4");
    assert!((SystemClock.now() - alerts[0].active_at).abs() < Duration::from_secs(120));

    let rules = client.rules().await.unwrap();
    let loaded: Vec<_> = rules
        .iter()
        .map(|r| (r.name.as_str(), r.for_s, r.state.as_str()))
        .collect();
    assert_eq!(
        loaded,
        [
            ("QueueLong", 0, "firing"),
            ("QueueLongForAnHour", 3600, "pending")
        ]
    );
    assert_eq!(
        (rules[0].expression.as_str(), rules[0].labels["severity"].as_str()),
        ("queue_length > 3", "critical")
    );

    // Frozen, it still accepts connections; dead, it does not.
    let impatient = super::client(&prometheus.url(), 0.3);
    prometheus.freeze();
    let frozen = impatient.instant("up", None).await.unwrap_err();
    assert_eq!(
        frozen,
        SourceError::Timeout {
            limit: Duration::from_millis(300)
        }
    );
    prometheus.thaw();
    until(&client, "up", |samples| samples.len() == 1).await;
    prometheus.kill();
    let dead = client.instant("up", None).await.unwrap_err();
    assert!(
        matches!(&dead, SourceError::Unreachable { reason } if reason.contains("refused")),
        "{dead:?}"
    );
    tokio::task::block_in_place(|| prometheus.restart()).unwrap();
    until(&client, "up", |samples| samples.len() == 1).await;
}
