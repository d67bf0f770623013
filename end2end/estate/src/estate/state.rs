//! `estate.json`: where everything is, for those who want to use the estate.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Inner, services};
use crate::error::PartError;
use crate::leftovers::write_atomically;

/// Writes `estate.json`; a reader sees the old one or the new one. It is there exactly while the estate is ready.
pub(super) fn write(inner: &Inner) -> Result<(), PartError> {
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
            "primary_url": inner.primary.url_as("quarterdeck_monitor", "skillquest"),
            "standby_url": inner.standby.url_as("quarterdeck_monitor", "skillquest"),
            "primary_superuser_url": inner.primary.url("postgres"),
            "standby_superuser_url": inner.standby.url("postgres"),
            "primary_data_dir": inner.primary.data_dir(),
            "standby_data_dir": inner.standby.data_dir(),
            "wal_archive_dir": super::databases::archive_dir(&inner.config.dir),
        },
        "pgbouncer": {
            "url": format!("postgres://skillquest@127.0.0.1:{}/skillquest", ports.pgbouncer),
            "stats_url": format!("postgres://quarterdeck_monitor@127.0.0.1:{}/pgbouncer", ports.pgbouncer),
            "admin_url": format!("postgres://quarterdeck_admin@127.0.0.1:{}/pgbouncer", ports.pgbouncer),
        },
        "redis": { "url": inner.redis.url() },
        "api": {
            "urls": services::api_urls(ports),
            "admin_urls": [http(ports.api_0_admin), http(ports.api_1_admin)],
        },
        "ai": { "url": http(ports.ai) },
        "console": { "port": inner.config.console_port },
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
