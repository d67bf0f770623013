//! The single servers: they start, answer, break when told to, come back where they were, and leave nothing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use quarterdeck_estate::parts::{Alertmanager, Postgres, Prometheus, Redis};
use quarterdeck_estate::port;

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{what}: not within 20 s"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn process_exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

fn get(url: &str) -> Result<String, ureq::Error> {
    ureq::get(url).call()?.body_mut().read_to_string()
}

#[test]
fn postgres_keeps_its_data_and_port_through_kill_and_restart() {
    let postgres = Postgres::start().unwrap();
    let (port, dir, pid) = (
        postgres.port(),
        postgres.dir().to_owned(),
        postgres.pid().unwrap(),
    );
    postgres.create_role("worker", "").unwrap();
    let url = postgres.create_database("ledger", "worker").unwrap();
    assert_eq!(url, format!("postgres://postgres@127.0.0.1:{port}/ledger"));
    postgres
        .sql("ledger", "CREATE TABLE entries AS SELECT 42 AS amount")
        .unwrap();

    postgres.kill();
    assert!(!port::answers(port));
    assert!(!process_exists(pid));
    postgres.restart().unwrap();
    assert_eq!(postgres.port(), port);
    assert_ne!(postgres.pid().unwrap(), pid);
    assert_eq!(
        postgres.sql("ledger", "SELECT amount FROM entries").unwrap(),
        "42"
    );
    assert_eq!(postgres.sql("ledger", "SHOW data_checksums").unwrap(), "on");

    let pid = postgres.pid().unwrap();
    drop(postgres);
    assert!(!process_exists(pid));
    assert!(!dir.exists());
}

#[test]
fn postgres_killed_and_dropped_leaves_no_shared_memory() {
    let postgres = Postgres::start().unwrap();
    let pid_file = std::fs::read_to_string(postgres.data_dir().join("postmaster.pid")).unwrap();
    let key = pid_file
        .lines()
        .nth(6)
        .unwrap()
        .split_whitespace()
        .next()
        .unwrap()
        .to_owned();
    let segments = || std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let holds = |table: &str| {
        table
            .lines()
            .any(|line| line.split_whitespace().next() == Some(&*key))
    };
    assert!(holds(&segments()));
    postgres.kill();
    drop(postgres);
    eventually("the segment goes", || !holds(&segments()));
}

#[test]
fn a_shared_cluster_gives_each_test_a_database() {
    let first = Postgres::shared().unwrap().fresh_database().unwrap();
    let second = std::thread::spawn(|| Postgres::shared().unwrap().fresh_database().unwrap())
        .join()
        .unwrap();
    assert_ne!(first, second);
    // The thread that may have started it is gone; the server must not be.
    std::thread::sleep(Duration::from_millis(200));
    assert!(Postgres::shared().unwrap().is_running());
}

#[test]
fn an_error_of_sql_says_what_postgresql_said() {
    let error = Postgres::shared()
        .unwrap()
        .sql("postgres", "SELECT * FROM nowhere")
        .unwrap_err();
    assert!(
        error.to_string().contains("relation \"nowhere\" does not exist"),
        "{error}"
    );
}

#[test]
fn redis_comes_back_on_its_port() {
    let redis = Redis::start().unwrap();
    let (port, dir) = (redis.port(), redis.dir().to_owned());
    let mut connection = redis.connection().unwrap();
    redis::cmd("SET").arg("a").arg(1).exec(&mut connection).unwrap();
    redis.kill();
    assert!(redis.connection().is_err());
    redis.restart().unwrap();
    assert_eq!(redis.port(), port);
    let mut connection = redis.connection().unwrap();
    let value: Option<i32> = redis::cmd("GET").arg("a").query(&mut connection).unwrap();
    assert_eq!(value, None, "without any save it keeps nothing");
    drop(redis);
    assert!(!port::answers(port));
    assert!(!dir.exists());
}

#[test]
fn prometheus_scrapes_itself_freezes_and_comes_back() {
    let prometheus = Prometheus::start("global: {scrape_interval: 1s}\n").unwrap();
    let port = prometheus.port();
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: self, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
    );
    prometheus.reconfigure(&config).unwrap();
    let query = format!("{}/api/v1/query?query=up", prometheus.url());
    eventually("a first sample", || {
        get(&query).is_ok_and(|body| body.contains("\"job\":\"self\""))
    });

    prometheus.freeze();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_millis(500)))
        .build()
        .into();
    assert!(matches!(agent.get(&query).call(), Err(ureq::Error::Timeout(_))));
    prometheus.thaw();
    assert!(get(&query).is_ok());

    prometheus.stop();
    assert!(get(&query).is_err());
    prometheus.restart().unwrap();
    assert!(get(&query).is_ok());
}

#[test]
fn prometheus_with_a_wrong_configuration_says_why() {
    let error = Prometheus::start("scrape_configs: nonsense\n").unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}

#[test]
fn alertmanager_answers_and_comes_back() {
    let alertmanager = Alertmanager::start().unwrap();
    let alerts = format!("{}/api/v2/alerts", alertmanager.url());
    assert_eq!(get(&alerts).unwrap().trim(), "[]");
    alertmanager.kill();
    assert!(get(&alerts).is_err());
    alertmanager.restart().unwrap();
    assert_eq!(get(&alerts).unwrap().trim(), "[]");
}
