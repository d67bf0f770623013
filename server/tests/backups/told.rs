//! A whole console with backups: what it makes by itself, what it is asked for by programs, and what jobs elsewhere tell it.

use std::{
    path::Path,
    process::{Command, Output},
};

use quarterdeck_domain::access::Role;
use quarterdeck_estate::parts::program;
use reqwest::StatusCode;
use sqlx::Row;

use crate::{
    deck::{Deck, Sources, account, eventually},
    house::House,
    makes::{Program, make},
};

/// The sections of a console that backs the house up; `which` are those of its methods.
fn sections(house: &House, which: &str) -> String {
    let programs = program("pg_dump").unwrap();
    format!(
        "[[postgres]]\nname = 'db-1'\nurl = '{}'\nbackup_url = '{}'\n[backups]\nname = 'app'\ndirectory = '{}'\nprograms = '{}'\ndatabase = 'app'\nstore = {{ url = 'file://{}' }}\n{which}",
        house.watched.url("postgres"),
        house.watched.url_as("postgres", "app"),
        house.work_directory().display(),
        Path::new(&programs).parent().unwrap().display(),
        house.store_directory().display(),
    )
}

pub async fn console(house: &House, which: &str) -> Deck {
    for role in [Role::Operator, Role::Viewer] {
        account(&house.console, role.as_str(), role).await;
    }
    Deck::start(Sources {
        database_url: house.console.config().url,
        prometheus: "http://127.0.0.1:9",
        redis: None,
        more: &sections(house, which),
    })
    .await
}

/// `quarterdeck backup run` around a shell script.
fn wrapped(console: &str, token: &str, more: &[&str], script: &str) -> Output {
    tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(["backup", "run", "--method", "dump", "--console", console])
            .args(more)
            .args(["--", "sh", "-c", script])
            .env("QUARTERDECK_TOKEN", token)
            .output()
            .unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_elsewhere_is_told_of_and_ends_as_it_would_have() {
    let house = House::start().await;
    let deck = console(&house, "").await;
    let owner = deck.signed_in("operator").await;
    let token = make(&owner, "nightly", &["backups.report"]).await;
    let other = make(&owner, "other", &["health.view"]).await;
    let made = house.directory.path().join("made.dump");
    std::fs::write(&made, vec![7; 1234]).unwrap();
    let file = made.display().to_string();

    let done = wrapped(
        &deck.base,
        &token,
        &["--file", &file],
        "echo out; echo all is well >&2",
    );
    assert_eq!(
        (done.status.code(), done.stdout.as_slice()),
        (Some(0), &b"out\n"[..])
    );
    assert_eq!(String::from_utf8_lossy(&done.stderr), "all is well\n");
    let done = wrapped(&deck.base, &token, &[], "echo no room >&2; exit 3");
    assert_eq!(done.status.code(), Some(3));
    let done = wrapped(&deck.base, &token, &[], "kill -9 $$");
    assert_eq!(done.status.code(), Some(255));

    let rows = sqlx::query("select * from quarterdeck.backup_runs order by began_at")
        .fetch_all(&house.pool)
        .await
        .unwrap();
    let text =
        |row: &sqlx::postgres::PgRow, column: &str| row.get::<Option<String>, _>(column).unwrap_or_default();
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                text(row, "state"),
                row.get::<Option<i32>, _>("exit_code"),
                text(row, "log"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("succeeded".to_owned(), Some(0), "all is well\n".to_owned()),
            ("failed".to_owned(), Some(3), "no room\n".to_owned()),
            ("failed".to_owned(), None, String::new()),
        ]
    );
    assert_eq!(rows[0].get::<i64, _>("done_bytes"), 1234);
    assert_eq!(text(&rows[0], "asked_by"), "operator");
    assert!(
        text(&rows[1], "error").contains("exit code 3"),
        "{}",
        text(&rows[1], "error")
    );
    assert_eq!(house.audited().await, ["backup.run_reported"; 3]);

    // Whoever may not tell, and a console that is away, keep no job from its work.
    let done = wrapped(&deck.base, &other, &[], "exit 0");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0));
    assert!(said.contains("was not told") && said.contains("403"), "{said}");
    deck.stop().await;
    let done = wrapped("http://127.0.0.1:9", &token, &[], "exit 4");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(4));
    assert!(said.contains("was not told"), "{said}");
    let done = tokio::task::block_in_place(|| {
        Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
            .args(["backup", "run", "--method", "dump", "--", "/no/such/program"])
            .output()
            .unwrap()
    });
    assert_eq!(done.status.code(), Some(127));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_ask_for_backups_and_say_nonsense() {
    let house = House::start().await;
    let redis = format!(
        "[backups.redis_rdb]\nurl = '{}'\nschedule = '0 0 29 2 *'",
        house.redis_url()
    );
    let deck = console(&house, &redis).await;
    let owner = deck.signed_in("operator").await;
    let token = make(&owner, "runs", &["backups.run"]).await;
    let tells = make(&owner, "tells", &["backups.report"]).await;
    let program = Program::new(&deck);
    // The one that is made at once because there is none.
    eventually("the first backup", async || {
        house
            .stored()
            .await
            .iter()
            .any(|path| path.ends_with(".manifest.json"))
    })
    .await;
    eventually("its end", async || {
        let running: i64 =
            sqlx::query_scalar("select count(*) from quarterdeck.backup_runs where state = 'running'")
                .fetch_one(&house.pool)
                .await
                .unwrap();
        running == 0
    })
    .await;
    let answer = program
        .post("/api/v1/backups/now", &token, r#"{"method":"redis_rdb"}"#)
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let id: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let id: uuid::Uuid = id["id"].as_str().unwrap().parse().unwrap();
    let row = house.ended(id).await;
    assert_eq!(
        (row.origin.as_str(), row.asked_by.as_deref()),
        ("request", Some("operator"))
    );

    for (path, token, body, status) in [
        (
            "/api/v1/backups/now",
            &token,
            r#"{"method":"tape"}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "/api/v1/backups/now",
            &token,
            r#"{"method":"wal"}"#,
            StatusCode::NOT_FOUND,
        ),
        (
            "/api/v1/backups/now",
            &tells,
            r#"{"method":"redis_rdb"}"#,
            StatusCode::FORBIDDEN,
        ),
        (
            "/api/v1/backups/runs/latency/cancel",
            &token,
            "{}",
            StatusCode::CONFLICT,
        ),
        (
            "/api/v1/backups/runs",
            &tells,
            r#"{"method":"dump"}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "/api/v1/backups/runs",
            &tells,
            r#"{"method":"dump","host":"db-1","began_at":"2026-11-01T02:00:00Z","ended_at":"2026-11-01T01:00:00Z","exit_code":0}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "/api/v1/backups/runs",
            &tells,
            r#"{"method":"dump","host":"db-1","began_at":"2096-11-01T02:00:00Z","ended_at":"2096-11-01T03:00:00Z","exit_code":0}"#,
            StatusCode::BAD_REQUEST,
        ),
        (
            "/api/v1/backups/runs",
            &tells,
            r#"{"method":"dump","host":" ","began_at":"2026-11-01T02:00:00Z","ended_at":"2026-11-01T03:00:00Z"}"#,
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let answer = program.post(path, token, body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    }
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_is_killed_in_the_middle_leaves_nothing_and_the_next_makes_what_is_missing() {
    let house = House::start().await;
    house.fill_redis(100).await;
    let redis = format!(
        "[backups.dump]\n[backups.base]\n[backups.redis_rdb]\nurl = '{}'",
        house.redis_url()
    );
    let mut blocker = sqlx::PgPool::connect(&house.watched.url("app"))
        .await
        .unwrap()
        .acquire()
        .await
        .unwrap()
        .detach();
    sqlx::raw_sql("BEGIN; LOCK TABLE courses IN ACCESS EXCLUSIVE MODE")
        .execute(&mut blocker)
        .await
        .unwrap();
    // `kill -9` of a process of its own, in the middle of the dump.
    let config = house.directory.path().join("quarterdeck.toml");
    let database = house.console.config();
    let text = format!(
        "[server]\nlisten = '127.0.0.1:0'\n[database]\nurl = '{}'\n[prometheus]\nurl = 'http://127.0.0.1:9'\n{}",
        database.url,
        sections(&house, "[backups.dump]")
    );
    std::fs::write(&config, text).unwrap();
    let mut killed = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    eventually("the dump under way", async || {
        let phases: Vec<String> =
            sqlx::query_scalar("select phase from quarterdeck.backup_runs where state = 'running'")
                .fetch_all(&house.pool)
                .await
                .unwrap();
        phases.iter().any(|phase| phase.starts_with("dumping"))
    })
    .await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(house.left().len(), 1, "there is something to clear away");
    drop(blocker);

    let deck = console(&house, &redis).await;
    eventually(
        "one of each but the dump, which is taken for running until its lease is over, and nothing left",
        async || {
            let stored = house.stored().await;
            let has = |method: &str| {
                stored
                    .iter()
                    .any(|path| path.starts_with(method) && path.ends_with(".manifest.json"))
            };
            has("base/") && has("redis_rdb/") && house.left().is_empty() && !has("dump/")
        },
    )
    .await;
    deck.stop().await;
}
