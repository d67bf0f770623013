//! `quarterdeck doctor` on deployments that are sound, broken, and careless.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what can't go on fails the test"
)]

#[path = "support/database.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod database;
#[path = "support/deck.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod deck;
#[path = "support/exporter.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod exporter;
#[path = "support/smtp.rs"]
#[allow(dead_code, reason = "shared with tests that need more of it")]
mod smtp;

use std::time::Duration;

use database::TestDatabase;
use exporter::Exporter;
use quarterdeck::{
    clients::PrometheusClient,
    clock::{Clock, SystemClock},
    config::{Config, http_source::HttpSourceConfig},
    db,
    doctor::{self, DoctorReport, Outcome},
    entropy::SystemEntropy,
    services::journal::Journal,
};
use quarterdeck_domain::{access::Role, journal::genesis};
use quarterdeck_estate::parts::{Postgres, Prometheus, Redis};
use smtp::{SmtpOptions, SmtpServer};
use tokio::time::Instant;

const METRICS: &str = "queue_length 3\nlatency_ms 20\ncpu_percent{pod=\"a\"} 10\n";

/// A profile with three metrics: one that has data, one whose labels match nothing, one that cannot be
/// parsed.
const FLAWED: &str = "[profile]\nid='t'\ntitle='Flawed'\n[defaults]\nstale_after_s=30\nraise_after_s=0\nclear_after_s=0\n[[group]]\nid='g'\ntitle='G'\n\
[[metric]]\nid='good'\ntitle='M'\ngroup='g'\nkind='gauge'\nunit='count'\nalert=9\ndirection='lower_is_better'\nquery='queue_length'\nfreshness='queue_length'\nrule='NoSuchRule'\n\
[[metric]]\nid='mislabelled'\ntitle='M'\ngroup='g'\nkind='gauge'\nunit='count'\nalert=9\ndirection='lower_is_better'\nquery='queue_length{a=\"b\"}'\nfreshness='queue_length'\n\
[[metric]]\nid='unscraped'\ntitle='M'\ngroup='g'\nkind='gauge'\nunit='count'\nalert=9\ndirection='lower_is_better'\nquery='nobody_has_it'\nfreshness='nobody_has_it'\n\
[[metric]]\nid='broken'\ntitle='M'\ngroup='g'\nkind='gauge'\nunit='count'\nalert=9\ndirection='lower_is_better'\nquery='sum('\n";

async fn scraped_prometheus() -> (Exporter, Prometheus) {
    let exporter = Exporter::start(METRICS).await;
    let config = exporter.scraped();
    let prometheus = tokio::task::spawn_blocking(move || Prometheus::start(&config).unwrap())
        .await
        .unwrap();
    let client = PrometheusClient::new(&HttpSourceConfig::at(prometheus.url().parse().unwrap())).unwrap();
    let begin = Instant::now();
    while !client
        .instant("queue_length", None)
        .await
        .is_ok_and(|samples| !samples.is_empty())
    {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing was scraped");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (exporter, prometheus)
}

async fn examine(toml: &str, profile: &str) -> DoctorReport {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), profile).unwrap();
    let toml = format!("{toml}\n[profile]\npath = '{}'\n", file.path().display());
    doctor::run(&Config::from_toml(&toml).unwrap()).await
}

/// The outcome of one check; there must be exactly one.
fn outcome<'a>(report: &'a DoctorReport, area: &str, check: &str) -> &'a Outcome {
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.area == area && f.check == check)
        .collect();
    assert_eq!(found.len(), 1, "{area}, {check}:\n{report}");
    &found[0].outcome
}

fn is_ok(report: &DoctorReport, area: &str, check: &str) -> bool {
    matches!(outcome(report, area, check), Outcome::Ok { .. })
}

fn failure<'a>(report: &'a DoctorReport, area: &str, check: &str) -> (&'a str, &'a str) {
    match outcome(report, area, check) {
        Outcome::Fail { seen, mend } => (seen, mend),
        Outcome::Ok { .. } | Outcome::Warn { .. } => panic!("{area}, {check} did not fail:\n{report}"),
    }
}

fn is_warning(report: &DoctorReport, area: &str, check: &str) -> bool {
    matches!(outcome(report, area, check), Outcome::Warn { .. })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_deployment_passes_and_a_careless_one_is_warned() {
    let (_exporter, prometheus) = scraped_prometheus().await;
    let redis = Redis::start().unwrap();
    let database = TestDatabase::migrated().await;
    let node = Postgres::shared().unwrap();
    let toml = format!(
        "[database]\nurl = '{}'\n[redis]\nurl = '{}'\ntimeout_s = 20\n[prometheus]\nurl = '{}'\ntimeout_s = 20\n\
         [[postgres]]\nname = 'main'\nurl = '{}'\ntimeout_s = 20\n",
        database.config().url,
        redis.url(),
        prometheus.url(),
        node.url("postgres"),
    );

    let report = examine(&toml, deck::PROFILE).await;
    let (seen, mend) = failure(&report, "Console database", "administrator");
    assert!(
        seen.contains("no account") && mend.contains("quarterdeck user add"),
        "{report}"
    );

    deck::account(&database, "ada", Role::Admin).await;
    let report = examine(&toml, deck::PROFILE).await;
    assert!(report.is_sound(), "{report}");
    for (area, check) in [
        ("Profile", "can be used"),
        ("Console database", "answers"),
        ("Console database", "clock"),
        ("Console database", "schema"),
        ("Console database", "audit log"),
        ("Console database", "administrator"),
        ("Redis", "answers"),
        ("Redis", "clock"),
        ("Prometheus", "answers"),
        ("Prometheus", "clock"),
        ("Metrics", "latency"),
        ("Metrics", "cpu"),
        ("PostgreSQL nodes", "main: clock"),
    ] {
        assert!(is_ok(&report, area, check), "{area}, {check}:\n{report}");
    }
    // Nobody could take its part: the topology and the overview say so too.
    assert!(is_warning(&report, "PostgreSQL nodes", "main"), "{report}");
    assert!(is_warning(&report, "Alertmanager", "configured"), "{report}");
    assert!(report.to_string().contains("ok    Metrics"), "{report}");

    // The console as the owner of its own audit log.
    let careless = toml.replace(&database.config().url, &database.config().owner_url.unwrap());
    let report = examine(&careless, deck::PROFILE).await;
    assert!(
        is_warning(&report, "Console database", "audit log") && report.is_sound(),
        "{report}"
    );

    // A profile that does not fit what is scraped.
    let report = examine(&toml, FLAWED).await;
    assert!(!report.is_sound());
    assert!(is_ok(&report, "Metrics", "good"), "{report}");
    assert!(is_warning(&report, "Metrics", "mislabelled"), "{report}");
    assert!(
        failure(&report, "Metrics", "unscraped")
            .1
            .contains("nobody_has_it"),
        "{report}"
    );
    assert!(
        failure(&report, "Metrics", "broken").0.contains("parse error"),
        "{report}"
    );
    assert!(is_warning(&report, "Alert rules", "of the metrics"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_is_of_use_when_somebody_can_be_written_to() {
    let database = TestDatabase::migrated().await;
    deck::account(&database, "ada", Role::Admin).await;
    let server = SmtpServer::start(SmtpOptions::default());
    let toml = |more: &str| {
        format!(
            "[database]\nurl = '{}'\n[prometheus]\nurl = 'http://127.0.0.1:1'\n{}",
            database.config().url,
            server.section(more)
        )
    };
    let report = examine(&toml("tls = 'none'"), deck::PROFILE).await;
    assert!(is_ok(&report, "E-mail", "server"), "{report}");
    assert!(is_warning(&report, "E-mail", "addresses"), "{report}");
    sqlx::query("update quarterdeck.users set email = 'ada@example.org'")
        .execute(&database.pool())
        .await
        .unwrap();
    let report = examine(&toml("tls = 'none'"), deck::PROFILE).await;
    assert!(is_ok(&report, "E-mail", "addresses"), "{report}");
    // It has no STARTTLS.
    let report = examine(&toml("username = 'a'\npassword = 'hunter2'"), deck::PROFILE).await;
    failure(&report, "E-mail", "server");
    assert!(!format!("{report} {report:?}").contains("hunter2"));
    assert_eq!(server.taken(), Vec::<serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_could_not_be_thrown_is_found_before_it_is_needed() {
    let service = axum::Router::new().route("/courses", axum::routing::get(|| async { "served" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/courses", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, service).await });
    let redis = Redis::start().unwrap();
    let section = |url: &str, means: &str| {
        format!(
            "[prometheus]\nurl = 'http://127.0.0.1:1'\n[maintenance]\nprobes = [{{ name = 'courses', url = '{url}' }}]\n{means}"
        )
    };
    let by_redis = format!("[maintenance.redis]\nurl = '{}'\nkey = 'm'", redis.url());

    let report = examine(&section(&url, &by_redis), deck::PROFILE).await;
    assert!(is_ok(&report, "Maintenance mode", "Redis key m"), "{report}");
    assert!(is_ok(&report, "Maintenance mode", "probe courses"), "{report}");
    assert!(is_warning(&report, "Maintenance mode", "silences"), "{report}");

    // The switch says that it is on, and users are served.
    redis::Commands::set::<_, _, ()>(&mut redis.connection().unwrap(), "m", "true").unwrap();
    let report = examine(&section(&url, &by_redis), deck::PROFILE).await;
    assert!(
        is_warning(&report, "Maintenance mode", "seen from outside"),
        "{report}"
    );

    redis.kill();
    let report = examine(&section("http://127.0.0.1:1/", &by_redis), deck::PROFILE).await;
    failure(&report, "Maintenance mode", "Redis key m");
    failure(&report, "Maintenance mode", "probe courses");

    let silent = "[maintenance.command]\non = ['/bin/true']\noff = ['/bin/true']";
    let report = examine(&section(&url, silent), deck::PROFILE).await;
    assert!(
        is_warning(&report, "Maintenance mode", "the command /bin/true"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_tried_before_it_is_needed() {
    const AREA: &str = "Journal";
    let database = TestDatabase::migrated().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal.jsonl");
    let examine_at = async |path: &std::path::Path| {
        let toml = format!(
            "[database]\nurl = '{}'\n[prometheus]\nurl = 'http://127.0.0.1:9'\n[journal]\npath = '{}'\n",
            database.config().url,
            path.display()
        );
        examine(&toml, deck::PROFILE).await
    };
    // Neither is a place for it.
    for (path, check) in [
        ("/nonexistent/journal.jsonl", "directory"),
        ("/proc/journal.jsonl", "durable write"),
    ] {
        let report = examine_at(path.as_ref()).await;
        assert!(
            failure(&report, AREA, check).1.contains("[journal] path"),
            "{report}"
        );
    }
    let report = examine_at(&path).await;
    assert!(
        is_ok(&report, AREA, "durable write") && is_ok(&report, AREA, "chain"),
        "{report}"
    );
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "nothing is left: {left:?}");

    // With a console that has it open.
    let journal = Journal::open(&path, std::sync::Arc::new(SystemClock), &SystemEntropy).unwrap();
    let report = examine_at(&path).await;
    assert!(is_ok(&report, AREA, "chain"), "{report}");
    assert!(is_warning(&report, AREA, "in the audit log"), "{report}");
    assert!(
        report.to_string().contains("lines 1 to 1 are not yet"),
        "{report}"
    );
    let head = journal.rows()[0].head;
    let mut connection = database.pool().acquire().await.unwrap();
    let now = SystemClock.now();
    db::journals::lock(&mut connection, journal.id(), genesis(), now)
        .await
        .unwrap();
    db::journals::advance(&mut connection, journal.id(), head, now)
        .await
        .unwrap();
    let report = examine_at(&path).await;
    assert!(is_ok(&report, AREA, "in the audit log"), "{report}");

    // A file from before something was taken over.
    sqlx::query("update quarterdeck.journals set seq = 2, merged_at = now()")
        .execute(&mut *connection)
        .await
        .unwrap();
    let report = examine_at(&path).await;
    assert!(
        failure(&report, AREA, "in the audit log")
            .1
            .contains("Put the right file back"),
        "{report}"
    );

    let changed = std::fs::read_to_string(&path)
        .unwrap()
        .replace("opened", "closed");
    std::fs::write(&path, &changed).unwrap();
    let report = examine_at(&path).await;
    assert!(failure(&report, AREA, "chain").1.contains("kept"), "{report}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), changed, "it only looks");
    // What the console does at its next start.
    drop(journal);
    Journal::open(&path, std::sync::Arc::new(SystemClock), &SystemEntropy).unwrap();
    let report = examine_at(&path).await;
    assert!(
        is_ok(&report, AREA, "chain") && is_warning(&report, AREA, "kept aside"),
        "{report}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_broken_is_named_and_nothing_secret_is_printed() {
    let database = TestDatabase::empty();
    let toml = format!(
        "[database]\nurl = '{}'\n[redis]\nurl = 'redis://:hunter2@127.0.0.1:1/'\n[prometheus]\nurl = 'http://127.0.0.1:1'\nbearer_token = 'hunter2'\n\
         [alertmanager]\nurl = 'http://127.0.0.1:1'\n[[postgres]]\nname = 'lost'\nurl = 'postgres://u:hunter2@127.0.0.1:1/d'\n",
        database.config().url,
    );
    let report = examine(&toml, "[profile]\n").await;
    assert!(!report.is_sound());
    failure(&report, "Profile", "can be used");
    assert!(is_ok(&report, "Console database", "answers"), "{report}");
    assert!(
        failure(&report, "Console database", "schema")
            .1
            .contains("quarterdeck migrate"),
        "{report}"
    );
    for area in ["Redis", "Prometheus", "Alertmanager"] {
        assert!(
            failure(&report, area, "answers").0.contains("refused"),
            "{report}"
        );
    }
    assert!(
        failure(&report, "PostgreSQL nodes", "lost").0.contains("refused"),
        "{report}"
    );
    assert!(!format!("{report} {report:?}").contains("hunter2"));
}
