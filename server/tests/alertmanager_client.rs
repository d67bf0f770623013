//! The Alertmanager client, on a real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what can't go on fails the test"
)]

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use quarterdeck::{
    clients::{AlertmanagerClient, SourceError},
    clock::{Clock, SystemClock},
    config::http_source::HttpSourceConfig,
};
use quarterdeck_domain::alert::AlertState;
use quarterdeck_estate::{
    parts::{Alertmanager, AlertmanagerOptions},
    port,
};
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
        Alertmanager::start_with(&AlertmanagerOptions {
            config: Some(CONFIG.into()),
            ..AlertmanagerOptions::default()
        })
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
    post(
        "alerts",
        json!([alert("Plain"), alert("Quiet"), alert("Source"), alert("Target")]),
    )
    .await;
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
        let told: Vec<_> = alerts
            .iter()
            .map(|a| (a.labels["alertname"].as_str(), a.state))
            .collect();
        if told == expected {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{told:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    alertmanager.kill();
    assert!(matches!(
        client.alerts().await,
        Err(SourceError::Unreachable { .. })
    ));
    assert!(matches!(
        client.ready().await,
        Err(SourceError::Unreachable { .. })
    ));
}

/// OpenSSL's test server, which answers every GET with 200; ended when dropped.
struct TlsServer {
    process: Child,
    port: u16,
}

impl TlsServer {
    /// Makes an authority, `ca.pem`, in the directory, and serves with a certificate of its for 127.0.0.1.
    fn start(directory: &Path) -> Self {
        let openssl = |arguments: &str| {
            let done = Command::new("openssl")
                .args(arguments.split(' '))
                .current_dir(directory)
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2"
        ));
        openssl(&format!(
            "req {key} -keyout server.key -out server.csr -subj /CN=server"
        ));
        std::fs::write(
            directory.join("extensions"),
            "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
        )
        .unwrap();
        openssl(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile extensions",
        );
        let port = port::free().unwrap();
        let process = Command::new("openssl")
            .args([
                "s_server",
                "-quiet",
                "-www",
                "-cert",
                "server.pem",
                "-key",
                "server.key",
                "-accept",
            ])
            .arg(format!("127.0.0.1:{port}"))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begin = std::time::Instant::now();
        while !port::answers(port) {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "openssl s_server does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_where_it_is_named_and_only_there() {
    let directory = tempfile::tempdir().unwrap();
    let server = TlsServer::start(directory.path());
    let mut config = HttpSourceConfig::at(format!("https://127.0.0.1:{}", server.port).parse().unwrap());
    config.timeout_s = 20.0;
    config.tls_ca_file = Some(directory.path().join("ca.pem"));
    AlertmanagerClient::new(&config).unwrap().ready().await.unwrap();

    // Another authority, and the right one for another name.
    let other = tempfile::tempdir().unwrap();
    let impostor = TlsServer::start(other.path());
    let mut to_impostor = config.clone();
    to_impostor.url.set_port(Some(impostor.port)).unwrap();
    let mut by_name = config.clone();
    by_name.url.set_host(Some("localhost")).unwrap();
    for config in [to_impostor, by_name] {
        let refused = AlertmanagerClient::new(&config)
            .unwrap()
            .ready()
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, SourceError::Unreachable { reason } if reason.contains("certificate")),
            "{refused:?}"
        );
    }

    std::fs::write(directory.path().join("empty.pem"), "nothing").unwrap();
    config.tls_ca_file = Some(directory.path().join("empty.pem"));
    let error = AlertmanagerClient::new(&config).unwrap_err().to_string();
    assert!(error.contains("empty.pem"), "{error}");
}
