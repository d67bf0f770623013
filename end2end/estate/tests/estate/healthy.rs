//! The estate as it is while nothing is wrong.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use quarterdeck_estate::Estate;
use serde_json::{Value, json};

use crate::support::answers::{Queries, get, post};
use crate::support::eventually::{ensure, eventually};

pub fn estate_json(estate: &Estate) -> Value {
    serde_json::from_slice(&std::fs::read(estate.dir().join("estate.json")).unwrap()).unwrap()
}

pub fn pids(estate: &Estate) -> Vec<(String, u64)> {
    let pids = estate_json(estate)["pids"].as_object().unwrap().clone();
    pids.into_iter()
        .map(|(name, pid)| (name, pid.as_u64().unwrap()))
        .collect()
}

pub fn api(estate: &Estate, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", estate.ports().api_0)
}

pub fn streaming(estate: &Estate) -> String {
    let standby = estate.primary_name().unwrap().other();
    let sql = format!(
        "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '{standby}'"
    );
    estate.primary().unwrap().sql("postgres", &sql).unwrap()
}

pub fn databases_are_as_described(estate: &Estate) {
    let ask = |sql: &str| estate.primary().unwrap().sql("postgres", sql).unwrap();
    assert_eq!(ask("SHOW data_checksums"), "on");
    assert_eq!(ask("SHOW wal_level"), "replica");
    assert_eq!(ask("SHOW archive_timeout"), "5min");
    assert_eq!(
        ask("SELECT slot_name, active FROM pg_replication_slots"),
        "db_2|t"
    );
    assert_eq!(streaming(estate), "1");
    let recovering = "SELECT pg_is_in_recovery(), current_setting('cluster_name')";
    let standby = estate.standby().unwrap();
    assert_eq!(standby.sql("postgres", recovering).unwrap(), "t|db-2");

    let json = estate_json(estate);
    let psql = |url: &Value, sql: &str| {
        let output = Command::new("psql")
            .args(["-XAtd", url.as_str().unwrap(), "-c", sql])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{url}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    // The console may see other roles' queries, which takes pg_monitor, and is no superuser.
    for node in json["postgres"]["nodes"].as_array().unwrap() {
        let sql = "SELECT pg_has_role('pg_monitor', 'USAGE'), current_setting('is_superuser')";
        assert_eq!(psql(&node["url"], sql), "t|off");
        assert_eq!(psql(&node["control_url"], sql), "t|off");
        assert_eq!(
            psql(&node["superuser_url"], "SELECT current_setting('cluster_name')"),
            node["name"].as_str().unwrap()
        );
        assert!(
            get(node["exporter_url"].as_str().unwrap())
                .1
                .contains("\npg_up 1\n")
        );
    }
    assert_eq!(
        psql(&json["pgbouncer"]["url"], "SELECT count(*) FROM courses"),
        "24"
    );
    assert!(psql(&json["pgbouncer"]["stats_url"], "SHOW POOLS").contains("skillquest"));
    let probe = "INSERT INTO quarterdeck_probe VALUES ('healthy') ON CONFLICT (token) DO UPDATE SET at = now() RETURNING token";
    assert!(psql(&json["pgbouncer"]["probe_url"], probe).starts_with("healthy\n"));
    assert_eq!(
        psql(
            &json["console_db"]["owner_url"],
            "CREATE SCHEMA probe; DROP SCHEMA probe"
        ),
        "CREATE SCHEMA\nDROP SCHEMA"
    );
    let runtime = psql(
        &json["console_db"]["runtime_url"],
        "SELECT has_database_privilege('quarterdeck', 'CREATE')",
    );
    assert_eq!(runtime, "f", "the console's runtime role owns nothing");
}

/// Without being a superuser, the console can do what a switchover takes, in either database; other roles can't.
pub fn the_control_role_may_what_a_switchover_takes(estate: &Estate) {
    let primary = estate.primary().unwrap();
    let may = |database: &str, role: &str| {
        let sql = format!(
            "SELECT has_function_privilege('{role}', 'pg_promote(boolean, integer)', 'EXECUTE'),
                    has_function_privilege('{role}', 'pg_reload_conf()', 'EXECUTE'),
                    has_function_privilege('{role}', 'pg_switch_wal()', 'EXECUTE'),
                    has_parameter_privilege('{role}', 'default_transaction_read_only', 'ALTER SYSTEM'),
                    pg_has_role('{role}', 'pg_checkpoint', 'USAGE'),
                    pg_has_role('{role}', 'pg_signal_backend', 'USAGE')"
        );
        primary.sql(database, &sql).unwrap()
    };
    for database in ["postgres", "skillquest"] {
        assert_eq!(may(database, "quarterdeck_control"), "t|t|t|t|t|t");
        assert_eq!(may(database, "quarterdeck_probe"), "f|f|f|f|f|f");
    }
    let control = primary.url_as("quarterdeck_control", "postgres");
    let run = |sql: &str| {
        let output = Command::new("psql")
            .args(["-XAtqd", &control, "-c", sql])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    run("ALTER SYSTEM SET default_transaction_read_only = on");
    run("ALTER SYSTEM RESET default_transaction_read_only");
    run("CHECKPOINT");
    assert_eq!(
        run("SELECT count(*) > 0 FROM pg_get_wal_records_info_till_end_of_wal(pg_current_wal_lsn() - 10000)"),
        "t"
    );
}

pub fn redis_persists_as_the_handbook_says(estate: &Estate) {
    let mut redis = estate.redis().connection().unwrap();
    let mut setting = |name: &str| {
        let (_, value): (String, String) = redis::cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query(&mut redis)
            .unwrap();
        value
    };
    assert_eq!(setting("save"), "900 1 300 10 60 10000");
    assert_eq!(setting("appendonly"), "yes");
    assert_eq!(setting("appendfsync"), "everysec");
    assert_eq!(setting("maxmemory"), (64 * 1024 * 1024).to_string());
}

pub fn wal_is_archived_and_never_overwritten(estate: &Estate) {
    let archive = estate.dir().join("wal-archive");
    let segment = estate
        .primary()
        .unwrap()
        .sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())")
        .unwrap();
    eventually(Duration::from_secs(30), || {
        ensure(archive.join(&segment).exists(), || {
            format!("{segment} is not in the archive")
        })
    });

    let probe = estate.dir().join("probe");
    let archived = archive.join("probe");
    let store = |content: &str| {
        std::fs::write(&probe, content).unwrap();
        let script = estate.dir().join("archive-wal.sh");
        Command::new("sh")
            .arg(script)
            .arg(&probe)
            .arg("probe")
            .arg(&archive)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(store("one"));
    assert!(store("one"), "the same segment again is fine");
    assert!(!store("two"), "another of the same name is not");
    assert_eq!(std::fs::read_to_string(&archived).unwrap(), "one");
    std::fs::remove_file(archived).unwrap();
}

/// Selector and number of series. Zero stands for one or more.
const CONTRACT: &[(&str, usize)] = &[
    (
        r#"up{job="skillquest-api",service="api",namespace="skillquest",pod="skillquest-api-0"} == 1"#,
        1,
    ),
    (
        r#"up{job="skillquest-api",service="api",namespace="skillquest",pod="skillquest-api-1"} == 1"#,
        1,
    ),
    (
        r#"up{job="skillquest-ai",service="ai",pod="skillquest-ai-0"} == 1"#,
        1,
    ),
    (r#"up{job="postgres",server=~"db-1|db-2"} == 1"#, 2),
    (r#"up{job=~"redis|node|kubelet|prometheus|alertmanager"} == 1"#, 5),
    (r#"up{job="quarterdeck",instance="127.0.0.1:3000"}"#, 1),
    (
        r#"http_request_duration_seconds_count{service="api",method="GET",route="/api/v1/courses",status="200"}"#,
        2,
    ),
    (
        r#"http_requests_total{service="api",route="/api/v1/courses",status="500"}"#,
        2,
    ),
    (
        r#"db_query_duration_seconds_count{service="api",operation="leaderboard"}"#,
        2,
    ),
    (r#"websocket_connections_active{service="api"}"#, 2),
    (
        r#"db_pool_connections{service="api",state=~"active|idle|waiting"}"#,
        6,
    ),
    (r#"db_pool_max_connections{service="api"}"#, 2),
    (r#"nodejs_heap_size_used_bytes{service=~"api|ai",pod!=""}"#, 3),
    (
        r#"nodejs_heap_size_limit_bytes{service=~"api|ai",pod!=""} > 2e8"#,
        3,
    ),
    (r#"process_cpu_seconds_total{service=~"api|ai"}"#, 3),
    (
        r#"ai_request_duration_seconds_count{service="ai",model=~"gpt-4o|gpt-4o-mini"}"#,
        2,
    ),
    (
        r#"ai_requests_total{service="ai",outcome=~"success|error|rate_limited"}"#,
        6,
    ),
    (r#"ai_api_cost_usd_total{service="ai"}"#, 2),
    (r#"ai_api_rate_limited_total{service="ai"}"#, 2),
    (r#"ai_queue_length{service="ai"}"#, 1),
    (
        r#"container_cpu_usage_seconds_total{namespace="skillquest",pod=~"skillquest-.*",container=~"api|ai"} > 0"#,
        3,
    ),
    (
        r#"container_memory_working_set_bytes{namespace="skillquest",container=~"api|ai"} > 1e7"#,
        3,
    ),
    (
        r#"kube_pod_container_resource_limits{namespace="skillquest",resource="cpu",unit="core"} == 0.5"#,
        3,
    ),
    (
        r#"kube_pod_container_resource_limits{namespace="skillquest",resource="memory",unit="byte"}"#,
        3,
    ),
    (r#"pg_up{server=~"db-1|db-2"} == 1"#, 2),
    (
        r#"pg_stat_activity_count{server="db-1",datname="skillquest",state="idle"}"#,
        1,
    ),
    ("pg_settings_max_connections == 100", 2),
    ("pg_settings_superuser_reserved_connections", 2),
    (r#"pg_stat_activity_max_tx_duration{server="db-1"}"#, 0),
    ("pg_stat_archiver_failed_count", 2),
    (r#"pg_replication_is_replica{server="db-2"} == 1"#, 1),
    (r#"pg_replication_streaming_standbys{server="db-1"} == 1"#, 1),
    (
        r#"pg_client_activity_max_query_age_seconds{server="db-1",state="active"}"#,
        1,
    ),
    ("redis_up == 1", 1),
    ("redis_memory_max_bytes > 0", 1),
    ("redis_keyspace_hits_total", 1),
    ("redis_commands_processed_total", 1),
    (r#"node_filesystem_avail_bytes{job="node"}"#, 0),
];

pub fn every_series_of_the_contract_is_there(queries: &Queries) {
    eventually(Duration::from_secs(30), || {
        for (query, wanted) in CONTRACT {
            let found = queries.vector(query).len();
            ensure(found == *wanted || (*wanted == 0 && found > 0), || {
                format!("{query}: {found} series, and not {wanted}")
            })?;
        }
        Ok(())
    });
    let buckets = |metric: &str| -> BTreeSet<String> {
        let series = queries.vector(&format!("group by (le) ({metric}_bucket)"));
        series
            .iter()
            .map(|(labels, _)| labels["le"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected = |text: &str| text.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(
        buckets("http_request_duration_seconds"),
        expected("0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2 2.5 5 10 +Inf")
    );
    assert_eq!(
        buckets("ai_request_duration_seconds"),
        expected("0.1 0.25 0.5 1 2.5 5 7.5 10 15 20 30 60 +Inf")
    );
    assert_eq!(
        buckets("db_query_duration_seconds"),
        expected("0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.2 0.25 0.5 1 2.5 5 +Inf")
    );
}

pub fn counters_begin_at_zero(estate: &Estate) {
    let (_, metrics) = get(&api(estate, "/metrics"));
    let line = metrics
        .lines()
        .find(|line| line.contains(r#"route="/api/v1/enrolments""#) && line.contains(r#"status="503""#));
    assert!(line.is_some_and(|line| line.ends_with(" 0")), "{line:?}");
}

pub fn maintenance_answers_503_to_all_but_health(estate: &Estate) {
    let switch = format!("http://127.0.0.1:{}/maintenance", estate.ports().api_0_admin);
    assert_eq!(get(&api(estate, "/api/v1/courses")).0, 200);
    assert_eq!(post(&switch, "", &json!({ "enabled": "yes" })), 400);
    assert_eq!(post(&switch, "", &json!({ "enabled": true })), 200);
    assert_eq!(get(&switch).1, r#"{"enabled":true}"#);
    assert_eq!(get(&api(estate, "/api/v1/courses")).0, 503);
    assert_eq!(get(&api(estate, "/nowhere")).0, 503);
    assert_eq!(get(&api(estate, "/health")).0, 200);
    assert_eq!(get(&api(estate, "/metrics")).0, 200);
    assert_eq!(post(&switch, "", &json!({ "enabled": false })), 200);
    assert_eq!(get(&api(estate, "/api/v1/courses")).0, 200);
}

pub fn logs_have_the_handbooks_fields_and_traces_go_on(estate: &Estate) {
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = post(
        &api(estate, "/api/v1/generations"),
        &format!("00-{trace}-00f067aa0ba902b7-01"),
        &json!({ "prompt": "Write a quiz." }),
    );
    assert_eq!(sent, 202);
    let lines = |service: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(estate.dir().join(format!("log/{service}.log"))).unwrap();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    eventually(Duration::from_secs(30), || {
        let found = lines("skillquest-ai-0")
            .into_iter()
            .find(|line| line["traceId"] == trace);
        let line = found.ok_or("the trace has not reached the AI service")?;
        ensure(
            line["path"] == "/v1/chat/completions" && line["spanId"] != "00f067aa0ba902b7",
            || line.to_string(),
        )
    });
    let fields: BTreeSet<&str> =
        "timestamp level service traceId spanId method path statusCode duration_ms userId tenantId message"
            .split(' ')
            .collect();
    for service in ["skillquest-api-0", "skillquest-api-1", "skillquest-ai-0"] {
        let lines = lines(service);
        assert!(lines.len() >= 2, "{service} has logged nothing but its start");
        for line in lines {
            assert_eq!(
                line.as_object()
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .collect::<BTreeSet<_>>(),
                fields
            );
        }
    }
    let request = lines("skillquest-api-0")
        .into_iter()
        .find(|line| line["traceId"] == trace)
        .unwrap();
    assert_eq!(
        (&request["method"], &request["statusCode"]),
        (&json!("POST"), &json!(202))
    );
    assert_eq!(
        (&request["userId"], &request["level"]),
        (&json!("usr_1"), &json!("info"))
    );
}

/// The shipped profile's own queries, targets and directions decide.
pub fn all_sixteen_metrics_are_well(queries: &Queries) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/profiles/skillquest.toml");
    let profile: toml::Value = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let metrics = profile["metric"].as_array().unwrap();
    assert_eq!(metrics.len(), 16);
    // A busy machine may make one of them slow for a while.
    eventually(Duration::from_secs(120), || {
        for metric in metrics {
            let number = |key: &str| {
                metric
                    .get(key)
                    .and_then(|value| value.as_float().or(value.as_integer().map(|whole| whole as f64)))
            };
            let lower_is_better = metric["direction"].as_str() == Some("lower_is_better");
            let limit = number("target").or(number("alert")).unwrap();
            let series = queries.vector(metric["query"].as_str().unwrap());
            ensure(!series.is_empty(), || format!("{} has no data", metric["id"]))?;
            for (_, value) in series {
                let well = if lower_is_better {
                    value < limit
                } else {
                    value > limit
                };
                ensure(well, || format!("{} is {value}, the limit {limit}", metric["id"]))?;
            }
        }
        Ok(())
    });
}
