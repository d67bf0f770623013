//! Reading all metrics of a profile from a real Prometheus.

use std::time::Duration;

use quarterdeck::{
    clients::{MetricsReader, SourceError},
    clock::{Clock, SystemClock},
};
use quarterdeck_domain::health::{Assessment, MetricId, Reading, UnknownReason, assess};

use super::{Exporter, client, missing, profile, prometheus_on, reading, until, value};

#[tokio::test(flavor = "multi_thread")]
async fn one_request_reads_all_and_a_broken_query_harms_only_itself() {
    // `old` brings its own timestamp, as cAdvisor's samples do: two minutes ago.
    let old_ms = (SystemClock.now() - Duration::from_secs(120)).unix_timestamp() * 1000;
    let text = format!(
        "load{{pod=\"a\"}} 10\nload{{pod=\"b\"}} 95\nrequests_total 0\nold 7 {old_ms}\n\
         used{{pod=\"alive\"}} 20\nused{{pod=\"gone\"}} 99 {old_ms}\n"
    );
    let exporter = Exporter::start(&text).await;
    let prometheus = prometheus_on(&exporter, "").await;
    let client = client(&prometheus.url(), 20.0);
    until(&client, "load", |samples| samples.len() == 2).await;

    let metrics = [
        ("total", "sum(load) # of all pods", "load", ""),
        ("per_pod", "load", "load", "pod"),
        ("broken", "sum(", "load", ""),
        ("absent", "no_such_metric", "no_such_metric", ""),
        ("made_up", "vector(0)", "no_such_metric", ""),
        ("ratio", "requests_total / requests_total", "requests_total", ""),
        ("old", "old", "old", ""),
        ("used", "used", "used", "pod"),
        ("undated", "max(load)", "", ""),
    ];
    let profile = profile(&metrics);
    let mut reader = MetricsReader::new(profile.clone());
    let now = SystemClock.now();

    // The first poll finds the culprit: the common query, and one a metric.
    let first = reader.read_all(&client, now).await;
    assert_eq!(first.requests, 10);
    let broken = MetricId::new("broken").unwrap();
    for poll in [&first, &reader.read_all(&client, now).await] {
        assert_eq!(poll.failure, None);
        assert_eq!(poll.readings.len(), metrics.len());
        assert_eq!(value(poll, "total"), 105.0);
        assert_eq!(value(poll, "per_pod"), 95.0);
        assert_eq!(value(poll, "undated"), 95.0);
        assert!(matches!(reading(poll, "per_pod"), Reading::Measured(m) if m.member.as_deref() == Some("b")));
        let members = &poll.readings[&MetricId::new("per_pod").unwrap()].members;
        assert_eq!(*members, [("a".to_owned(), 10.0), ("b".to_owned(), 95.0)]);
        assert_eq!(missing(poll, "broken"), UnknownReason::QueryRefused);
        assert!(
            poll.refused[&broken].contains("parse error"),
            "{:?}",
            poll.refused
        );
        assert_eq!(missing(poll, "absent"), UnknownReason::NoData);
        assert_eq!(missing(poll, "made_up"), UnknownReason::NoData);
        assert_eq!(missing(poll, "ratio"), UnknownReason::NotANumber);
        // A value that is there, but old, is stale; a pod that is old beside a fresh one is gone.
        let spec = profile.metric("old").unwrap();
        let judged = assess(&reading(poll, "old"), spec, SystemClock.now());
        assert!(
            matches!(judged, Assessment::Unknown { reason: UnknownReason::Stale { age_s } } if age_s >= 119),
            "{judged:?}"
        );
        assert_eq!(value(poll, "used"), 20.0);
    }
    // The culprit stays out, and is tried again after a minute.
    assert_eq!(reader.read_all(&client, now).await.requests, 1);
    let later = reader.read_all(&client, now + Duration::from_secs(61)).await;
    assert_eq!(
        (later.requests, missing(&later, "broken")),
        (2, UnknownReason::QueryRefused)
    );

    // What is no longer exported is gone at the next scrape.
    exporter.set("load{pod=\"a\"} 10\n");
    until(&client, "load", |samples| samples.len() == 1).await;
    let smaller = reader.read_all(&client, now).await;
    assert_eq!(
        (value(&smaller, "total"), value(&smaller, "per_pod")),
        (10.0, 10.0)
    );
    assert_eq!(missing(&smaller, "ratio"), UnknownReason::NoData);

    prometheus.kill();
    let down = reader.read_all(&client, now).await;
    assert!(
        matches!(down.failure, Some(SourceError::Unreachable { .. })),
        "{:?}",
        down.failure
    );
    assert_eq!(missing(&down, "total"), UnknownReason::SourceDown);
    assert_eq!(missing(&down, "undated"), UnknownReason::SourceDown);
}
