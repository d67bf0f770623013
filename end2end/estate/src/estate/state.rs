//! `estate.json`: where everything is, for those who want to use the estate.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::{Inner, archive, monitoring, pgbouncer, services};
use crate::error::PartError;
use crate::leftovers::write_atomically;
use crate::parts::bin_dir;
use crate::process::{is_root, lock, unprivileged_user_name};

/// Writes `estate.json`; a reader sees the old one or the new one. It is there exactly while the estate is ready.
pub(super) fn write(inner: &Inner) -> Result<(), PartError> {
    let _one_at_a_time = lock(&inner.writing_state);
    let ports = &inner.ports;
    let http = |port: u16| format!("http://127.0.0.1:{port}");
    let pids: BTreeMap<_, _> = inner.register.pids().into_iter().collect();
    let content = json!({
        "dir": inner.config.dir,
        "pid": std::process::id(),
        "console_db": {
            "owner_url": inner.console_db.url_as("quarterdeck_owner", "quarterdeck"),
            "runtime_url": inner.console_db.url_as("quarterdeck", "quarterdeck"),
        },
        "console_redis": { "url": inner.console_redis.url() },
        "prometheus": { "url": inner.prometheus.url() },
        "alertmanager": { "url": inner.alertmanager.url() },
        "postgres": {
            "nodes": inner.pair.nodes().map(|node| json!({
                "name": node.name,
                "url": node.postgres.url_as("quarterdeck_monitor", "skillquest"),
                "control_url": node.postgres.url_as("quarterdeck_control", "postgres"),
                "backup_url": node.postgres.url_as("quarterdeck_backup", "skillquest"),
                "superuser_url": node.postgres.url("postgres"),
                "data_dir": node.postgres.data_dir(),
                "exporter_url": format!("{}/metrics", http(monitoring::exporter_port(ports, node.name))),
            })),
            "wal_archive_dir": archive::archive_dir(&inner.config.dir),
            "programs_dir": bin_dir().ok(),
            "server_user": is_root().then(unprivileged_user_name),
        },
        "pgbouncer": {
            "url": format!("postgres://skillquest@127.0.0.1:{}/skillquest", ports.pgbouncer),
            "stats_url": format!("postgres://quarterdeck_monitor@127.0.0.1:{}/pgbouncer", ports.pgbouncer),
            "admin_url": pgbouncer::admin_url(ports),
            "probe_url": format!("postgres://quarterdeck_probe@127.0.0.1:{}/skillquest_probe", ports.pgbouncer),
            "databases_file": pgbouncer::databases_file(&inner.config),
        },
        "redis": { "url": inner.redis.url(), "appendonly_dir": inner.redis.dir().join("appendonlydir") },
        "backup_dir": inner.config.dir.join("backups"),
        "restore_dir": inner.config.dir.join("backup-work"),
        "api": {
            "urls": services::api_urls(ports),
            "admin_urls": [http(ports.api_0_admin), http(ports.api_1_admin)],
        },
        "ai": { "url": http(ports.ai) },
        "console": { "port": inner.config.console_port },
        "estate_command": command().map(|program| [program]),
        "log_dir": inner.config.log_dir(),
        "ports": ports,
        "pids": pids,
    });
    let text = serde_json::to_vec_pretty(&content).map_err(|error| PartError::Unexpected {
        part: "estate".into(),
        message: error.to_string(),
    })?;
    write_atomically(&inner.config.dir.join("estate.json"), &text)
}

/// The program `estate`: this one, or the one that was built with the test that this is.
fn command() -> Option<PathBuf> {
    let this = std::env::current_exe().ok()?;
    let mut directories = this.ancestors().skip(1).take(2);
    directories.find_map(|dir| Some(dir.join("estate")).filter(|program| program.is_file()))
}
