//! The Alertmanager client, on a real one.

use std::time::Duration;

use quarterdeck::{
    clients::{AlertmanagerClient, SourceError},
    clock::{Clock, SystemClock},
    config::http_source::HttpSourceConfig,
};
use quarterdeck_domain::alert::AlertState;
use quarterdeck_estate::parts::{Alertmanager, AlertmanagerOptions};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

const CONFIG: &str = "route: {receiver: nobody, group_wait: 1s}
receivers: [{name: nobody}]
inhibit_rules:
- source_matchers: [alertname = Source]
  target_matchers: [alertname = Target]
";

#[tokio::test(flavor = "multi_thread")]
async fn silences_and_inhibitions_are_told_apart() {
    let alertmanager = tokio::task::block_in_place(|| {
        Alertmanager::start_with(&AlertmanagerOptions { config: Some(CONFIG.into()), ..AlertmanagerOptions::default() })
            .unwrap()
    });
    let mut config = HttpSourceConfig::at(alertmanager.url().parse().unwrap());
    config.timeout_s = 20.0;
    let client = AlertmanagerClient::new(&config).unwrap();
    client.ready().await.unwrap();
    assert_eq!(client.alerts().await.unwrap(), []);

    let post = async |path: &str, body: serde_json::Value| {
        let response = reqwest::Client::new()
            .post(format!("{}/api/v2/{path}", alertmanager.url()))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success(), "{:?}", response.text().await);
    };
    let alert = |name: &str| json!({"labels": {"alertname": name, "cluster": "eu"}});
    post("alerts", json!([alert("Plain"), alert("Quiet"), alert("Source"), alert("Target")])).await;
    let now = SystemClock.now();
    let end = now + Duration::from_secs(3600);
    let silence = json!({
        "matchers": [{"name": "alertname", "value": "Quiet", "isRegex": false, "isEqual": true}],
        "startsAt": now.format(&Rfc3339).unwrap(), "endsAt": end.format(&Rfc3339).unwrap(),
        "createdBy": "test", "comment": "test",
    });
    post("silences", silence).await;

    let expected = [
        ("Plain", AlertState::Firing),
        ("Quiet", AlertState::Silenced),
        ("Source", AlertState::Firing),
        ("Target", AlertState::Inhibited),
    ];
    let begin = Instant::now();
    loop {
        let mut alerts = client.alerts().await.unwrap();
        alerts.sort_by_key(|a| a.labels["alertname"].clone());
        let told: Vec<_> = alerts.iter().map(|a| (a.labels["alertname"].as_str(), a.state)).collect();
        if told == expected {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{told:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    alertmanager.kill();
    assert!(matches!(client.alerts().await, Err(SourceError::Unreachable { .. })));
    assert!(matches!(client.ready().await, Err(SourceError::Unreachable { .. })));
}
