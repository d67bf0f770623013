//! Prometheus, Alertmanager and the exporters.

use std::path::Path;

use serde_json::{Value, json};

use super::EstateConfig;
use super::ports::Ports;
use super::server::{self, Ready};
use crate::error::PartError;
use crate::node::NodeName;
use crate::parts::{Alertmanager, AlertmanagerOptions, Prometheus, PrometheusOptions};
use crate::process::{Process, RunAs, find_program};

/// Starts the Alertmanager.
pub(crate) fn start_alertmanager(config: &EstateConfig, ports: &Ports) -> Result<Alertmanager, PartError> {
    Alertmanager::start_with(&AlertmanagerOptions {
        dir: Some(config.dir.join("alertmanager")),
        port: Some(ports.alertmanager),
        config: None,
    })
}

/// Starts Prometheus.
pub(crate) fn start_prometheus(config: &EstateConfig, ports: &Ports) -> Result<Prometheus, PartError> {
    Prometheus::start_with(&PrometheusOptions {
        dir: Some(config.dir.join("prometheus")),
        port: Some(ports.prometheus),
        config: scrape_config(ports, config.console_port, &config.rules_dir).to_string(),
        // The console shows up to 30 days.
        arguments: vec![
            "--storage.tsdb.retention.time=31d".into(),
            "--storage.tsdb.retention.size=2GB".into(),
        ],
    })
}

/// The configuration of Prometheus. It is JSON, which is YAML.
fn scrape_config(ports: &Ports, console_port: u16, rules: &Path) -> Value {
    let at = |port: u16| vec![format!("127.0.0.1:{port}")];
    let job = |name: &str, targets: Vec<Value>| json!({ "job_name": name, "static_configs": targets });
    let plain = |name: &str, port: u16| job(name, vec![json!({ "targets": at(port) })]);
    // The services name themselves in `service`, as the target does: without this it would become exported_service.
    let pods = |name: &str, targets: Vec<Value>| json!({ "job_name": name, "honor_labels": true, "static_configs": targets });
    let pod = |port: u16, service: &str, pod: &str| {
        json!({
            "targets": at(port),
            "labels": { "service": service, "pod": pod, "namespace": "skillquest" },
        })
    };
    let server =
        |node: NodeName| json!({ "targets": at(exporter_port(ports, node)), "labels": { "server": node } });
    json!({
        "global": { "scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s" },
        "rule_files": [rules.join("*.yml")],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": at(ports.alertmanager) }] }] },
        "scrape_configs": [
            pods("skillquest-api", vec![
                pod(ports.api_0, "api", "skillquest-api-0"),
                pod(ports.api_1, "api", "skillquest-api-1"),
            ]),
            pods("skillquest-ai", vec![pod(ports.ai, "ai", "skillquest-ai-0")]),
            job("postgres", NodeName::ALL.map(server).to_vec()),
            plain("redis", ports.redis_exporter),
            plain("node", ports.node_exporter),
            plain("kubelet", ports.kubelet),
            plain("prometheus", ports.prometheus),
            plain("alertmanager", ports.alertmanager),
            plain("quarterdeck", console_port),
        ],
    })
}

/// Port of a node's postgres_exporter.
pub(crate) fn exporter_port(ports: &Ports, node: NodeName) -> u16 {
    match node {
        NodeName::Db1 => ports.exporter_db_1,
        NodeName::Db2 => ports.exporter_db_2,
    }
}

/// Starts the postgres_exporter of a node, which listens at a port.
pub(crate) fn start_postgres_exporter(
    config: &EstateConfig,
    ports: &Ports,
    node: NodeName,
    database: u16,
) -> Result<Process, PartError> {
    let url = format!("postgresql://postgres_exporter@127.0.0.1:{database}/postgres?sslmode=disable");
    let port = exporter_port(ports, node);
    server::start(
        &format!("postgres-exporter-{node}"),
        vec![
            find_program("prometheus-postgres-exporter", "prometheus-postgres-exporter")?,
            format!("--web.listen-address=127.0.0.1:{port}"),
            format!("--extend.query-path={}", config.queries_file.display()),
            "--log.level=warn".into(),
        ],
        vec![("DATA_SOURCE_NAME", url)],
        &config.log_dir(),
        RunAs::Caller,
        Ready::Http(port, "/"),
    )
}

/// Starts redis_exporter.
pub(crate) fn start_redis_exporter(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    server::start(
        "redis-exporter",
        vec![
            find_program("prometheus-redis-exporter", "prometheus-redis-exporter")?,
            format!("-redis.addr=redis://127.0.0.1:{}", ports.redis),
            format!("-web.listen-address=127.0.0.1:{}", ports.redis_exporter),
            "-connection-timeout=1s".into(),
        ],
        Vec::new(),
        &config.log_dir(),
        RunAs::Caller,
        Ready::Http(ports.redis_exporter, "/"),
    )
}

/// Starts node_exporter.
pub(crate) fn start_node_exporter(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    server::start(
        "node-exporter",
        vec![
            find_program("prometheus-node-exporter", "prometheus-node-exporter")?,
            format!("--web.listen-address=127.0.0.1:{}", ports.node_exporter),
            "--log.level=error".into(),
            // Where there is no systemd it would complain at every scrape.
            "--no-collector.systemd".into(),
        ],
        Vec::new(),
        &config.log_dir(),
        RunAs::Caller,
        Ready::Http(ports.node_exporter, "/"),
    )
}
