//! What each fault changes, and that it is undone.

use std::net::TcpStream;
use std::time::Duration;

use quarterdeck_estate::{Estate, Fault};

use crate::healthy::{api, streaming};
use crate::support::answers::{Queries, get};
use crate::support::eventually::{ensure, eventually};

const POOL: &str = r#"sum(pg_stat_activity_count{server="db-1"}) / on () (pg_settings_max_connections{server="db-1"} - pg_settings_superuser_reserved_connections{server="db-1"})"#;
const ERRORS: &str = r#"sum(rate(http_requests_total{service="api",status=~"5.."}[10s])) / sum(rate(http_requests_total{service="api"}[10s]))"#;
const REFUSED: &str = "sum(rate(ai_api_rate_limited_total[10s]))";
const SOCKETS: &str = r#"sum(websocket_connections_active{service="api"})"#;
const MEMORY: &str = "redis_memory_used_bytes / redis_memory_max_bytes";
const QUERY_P95: &str =
    r#"histogram_quantile(0.95, sum by (le) (rate(db_query_duration_seconds_bucket{service="api"}[10s])))"#;
const QUERY_AGE: &str = r#"pg_client_activity_max_query_age_seconds{server="db-1",state="active"}"#;
const ARCHIVING_FAILED: &str = r#"pg_stat_archiver_failed_count{server="db-1"}"#;

pub fn faults_beside_each_other(estate: &Estate, queries: &Queries) {
    let faults = [
        Fault::Errors,
        Fault::Pool,
        Fault::Ai429,
        Fault::Websockets,
        Fault::StuckArchiver,
        Fault::DeadConsoleDb,
    ];
    assert!(queries.value(ERRORS).unwrap() < 0.01);
    assert!(queries.value(POOL).unwrap() < 0.7);
    assert_eq!(queries.value(REFUSED).unwrap(), 0.0);
    assert!(queries.value(SOCKETS).unwrap() < 100.0);
    let failed = queries.value(ARCHIVING_FAILED).unwrap();
    assert_eq!(estate.active_faults(), []);

    for fault in faults {
        estate.fault(fault).unwrap();
        estate.fault(fault).unwrap();
    }
    assert_eq!(estate.active_faults(), faults);
    let console_db = || TcpStream::connect(("127.0.0.1", estate.ports().console_db));
    console_db().unwrap_err();
    queries.wait(ERRORS, |share| share > 0.05);
    queries.wait(POOL, |share| share > 0.85);
    queries.wait(REFUSED, |rate| rate > 0.1);
    queries.wait(SOCKETS, |count| count > 5000.0);
    queries.wait(ARCHIVING_FAILED, |count| count > failed);

    estate.mend(Fault::Errors).unwrap();
    queries.wait(ERRORS, |share| share < 0.01);
    assert!(queries.value(SOCKETS).unwrap() > 5000.0, "the others stay on");
    assert_eq!(estate.active_faults(), faults[1..]);

    let archived = "SELECT archived_count FROM pg_stat_archiver";
    let before = estate.primary().unwrap().sql("postgres", archived).unwrap();
    estate.mend_all().unwrap();
    estate.mend_all().unwrap();
    assert_eq!(estate.active_faults(), []);
    console_db().unwrap();
    queries.wait(POOL, |share| share < 0.7);
    queries.wait(REFUSED, |rate| rate == 0.0);
    queries.wait(SOCKETS, |count| count < 100.0);
    eventually(Duration::from_secs(90), || {
        let now = estate
            .primary()
            .unwrap()
            .sql("postgres", archived)
            .map_err(|error| error.to_string())?;
        ensure(now != before, || "nothing is archived again".into())
    });
}

pub fn slow_queries(estate: &Estate, queries: &Queries) {
    estate.fault(Fault::SlowQueries).unwrap();
    queries.wait(QUERY_P95, |seconds| seconds > 0.3);
    queries.wait(QUERY_AGE, |seconds| seconds > 5.0);
    estate.mend(Fault::SlowQueries).unwrap();
    queries.wait(QUERY_P95, |seconds| seconds < 0.2);
    queries.wait(QUERY_AGE, |seconds| seconds < 5.0);
}

pub fn redis_out_of_memory(estate: &Estate, queries: &Queries) {
    let write = || -> Result<(), redis::RedisError> {
        let mut redis = estate.redis().connection()?;
        redis::cmd("SET")
            .arg(&["probe", &"x".repeat(100_000), "EX", "1"])
            .exec(&mut redis)
    };
    write().unwrap();
    estate.fault(Fault::RedisOom).unwrap();
    assert_eq!(write().unwrap_err().code(), Some("OOM"));
    queries.wait(MEMORY, |share| share > 0.95);
    estate.mend_all().unwrap();
    write().unwrap();
    queries.wait(MEMORY, |share| share < 0.7);
}

pub fn dead_primary(estate: &Estate, queries: &Queries) {
    let course = api(estate, "/api/v1/courses/1");
    estate.fault(Fault::DeadPrimary).unwrap();
    estate.fault(Fault::DeadPrimary).unwrap();
    queries.wait(r#"pg_up{server="db-1"}"#, |up| up == 0.0);
    queries.wait(r#"pg_up{server="db-2"}"#, |up| up == 1.0);
    eventually(Duration::from_secs(30), || {
        let (status, _) = get(&course);
        ensure(status >= 500, || {
            format!("the API answers {status} without its database")
        })
    });
    estate.mend_all().unwrap();
    eventually(Duration::from_secs(60), || {
        let (status, body) = get(&course);
        ensure(status == 200, || format!("the API answers {status}: {body}"))?;
        ensure(streaming(estate) == "1", || {
            "the standby does not stream again".into()
        })
    });
    queries.wait(r#"pg_up{server="db-1"}"#, |up| up == 1.0);
}
