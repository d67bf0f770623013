//! The Prometheus client and the reader of metrics: on a real Prometheus for what it does, on a lying one for
//! what none does on command.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what can't go on fails the test"
)]

#[path = "support/exporter.rs"]
mod exporter;
#[path = "support/lying_prometheus.rs"]
mod lying_prometheus;

#[path = "prometheus_client/lying.rs"]
mod lying;
#[path = "prometheus_client/reader.rs"]
mod reader;
#[path = "prometheus_client/requests.rs"]
mod requests;

use std::{sync::Arc, time::Duration};

use exporter::Exporter;
use quarterdeck::{
    clients::{PollResult, PrometheusClient, prometheus::Sample},
    config::{http_source::HttpSourceConfig, profile},
};
use quarterdeck_domain::health::{MetricId, Profile, Reading, UnknownReason};
use quarterdeck_estate::parts::Prometheus;
use tokio::time::Instant;

/// A real Prometheus that scrapes the exporter, with these rules (a rule file, YAML).
async fn prometheus_on(exporter: &Exporter, rules: &str) -> Prometheus {
    let mut config = exporter.scraped();
    let directory = std::env::temp_dir().join(format!("quarterdeck-rules-{}", std::process::id()));
    if !rules.is_empty() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("rules.yml"), rules).unwrap();
        config.push_str(&format!(
            "rule_files: ['{}']\n",
            directory.join("rules.yml").display()
        ));
    }
    // Blocks until it answers, and the exporter must be able to answer meanwhile.
    let prometheus = tokio::task::spawn_blocking(move || Prometheus::start(&config).unwrap())
        .await
        .unwrap();
    if !rules.is_empty() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    prometheus
}

/// A client with this time limit, seconds.
fn client(url: &str, timeout_s: f64) -> PrometheusClient {
    let mut config = HttpSourceConfig::at(url.parse().unwrap());
    config.timeout_s = timeout_s;
    PrometheusClient::new(&config).unwrap()
}

/// Asks until the answer is as wished.
async fn until(client: &PrometheusClient, query: &str, wished: impl Fn(&[Sample]) -> bool) -> Vec<Sample> {
    let begin = Instant::now();
    loop {
        let answer = client.instant(query, None).await;
        match answer {
            Ok(samples) if wished(&samples) => return samples,
            other => assert!(
                begin.elapsed() < Duration::from_secs(60),
                "{query}: not in 60 s: {other:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A profile of (id, query, freshness or nothing, series label or nothing); lower is better, alert above 80.
fn profile(metrics: &[(&str, &str, &str, &str)]) -> Arc<Profile> {
    let mut text = "[profile]\nid='t'\ntitle='T'\n[defaults]\nstale_after_s=30\nraise_after_s=0\nclear_after_s=0\n[[group]]\nid='g'\ntitle='G'\n".to_owned();
    for (id, query, freshness, label) in metrics {
        text.push_str(&format!("[[metric]]\nid='{id}'\ntitle='{id}'\ngroup='g'\nkind='gauge'\nunit='count'\nalert=80\ndirection='lower_is_better'\nquery='''{query}'''\n"));
        if !freshness.is_empty() {
            text.push_str(&format!("freshness='''{freshness}'''\n"));
        }
        if !label.is_empty() {
            text.push_str(&format!("series_label='{label}'\n"));
        }
    }
    Arc::new(profile::parse("test", &text).unwrap())
}

fn reading(poll: &PollResult, id: &str) -> Reading {
    poll.readings[&MetricId::new(id).unwrap()].reading.clone()
}

fn value(poll: &PollResult, id: &str) -> f64 {
    match reading(poll, id) {
        Reading::Measured(measured) => measured.value,
        Reading::Missing(reason) => panic!("{id}: {reason}"),
    }
}

fn missing(poll: &PollResult, id: &str) -> UnknownReason {
    match reading(poll, id) {
        Reading::Measured(measured) => panic!("{id}: {measured:?}"),
        Reading::Missing(reason) => reason,
    }
}
