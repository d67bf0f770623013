//! What is never touched, against the real thing of each kind.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use quarterdeck::clients::{
    DatabaseSessions,
    database_sessions::{Signal, SignalOutcome},
};
use quarterdeck_domain::database::{Backend, BackendKind, Protection, ProtectionRules, protection};
use quarterdeck_estate::parts::{Postgres, PostgresOptions};

use crate::clients::{APP, WATCHER, active, backend, client, is_there, make_roles, sessions};

/// A tool that runs until the test ends.
struct Tool(Child);

impl Tool {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Neither signal reaches it, and it is left alone for the expected reason.
async fn left_alone(eye: &DatabaseSessions, backend: &Backend, expected: &Protection) {
    let rules = ProtectionRules::default();
    let cancel = Signal::Cancel {
        query_started_at: backend.query_started_at.unwrap_or(backend.id.started_at()),
    };
    for signal in [
        Signal::Terminate {
            query_started_at: None,
        },
        cancel,
    ] {
        let outcome = eye.signal(backend.id, signal, &rules).await.unwrap();
        assert_eq!(
            outcome,
            SignalOutcome::Protected(expected.clone()),
            "{signal:?} {backend:?}"
        );
    }
    assert!(is_there(eye, backend.id).await, "{backend:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_standbys_vacuum_the_console_and_superusers_are_left_alone() {
    let server = tokio::task::block_in_place(|| {
        let setting = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let settings = vec![
            // A vacuum that takes its time, soon.
            setting("autovacuum_naptime", "1s"),
            setting("autovacuum_vacuum_threshold", "1"),
            setting("autovacuum_vacuum_scale_factor", "0"),
            setting("autovacuum_vacuum_cost_delay", "100ms"),
            setting("autovacuum_vacuum_cost_limit", "1"),
            setting("wal_level", "replica"),
            // So that the receiver finds where to begin.
            setting("wal_keep_size", "1GB"),
        ];
        let server = Postgres::start_with(&PostgresOptions {
            settings,
            ..PostgresOptions::default()
        })
        .unwrap();
        make_roles(&server);
        let tables = "CREATE TABLE dead (v int);
                      INSERT INTO dead SELECT generate_series(1, 200000);
                      DELETE FROM dead;
                      CREATE TABLE held (v int)";
        server.sql("postgres", tables).unwrap();
        server
    });
    let eye = sessions(&server, WATCHER);
    let (url, directory) = (server.url("postgres"), tempfile::tempdir().unwrap());
    let into = |name: &str| directory.path().join(name).to_string_lossy().into_owned();

    // pg_basebackup at 32 kB a second, pg_receivewal, and a pg_dump that waits for a table.
    let (copy, wal) = (into("copy"), into("wal"));
    std::fs::create_dir(&wal).unwrap();
    let _base = Tool::start(
        "pg_basebackup",
        &[
            "-D",
            &copy,
            "-d",
            &url,
            "-X",
            "none",
            "-c",
            "fast",
            "--max-rate",
            "32",
        ],
    );
    let _receives = Tool::start("pg_receivewal", &["-D", &wal, "-d", &url]);
    let _lock = client(&server, "postgres", "psql", &["BEGIN", "LOCK TABLE held"]).await;
    backend(&eye, "the lock", |b| {
        b.application == "psql" && b.transaction_started_at.is_some()
    })
    .await;
    let _dump = Tool::start("pg_dump", &["-d", &url, "-f", &into("dump.sql")]);
    let _console = client(&server, WATCHER, "quarterdeck-poller", &["SELECT pg_sleep(600)"]).await;
    let parallel = [
        "SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')",
        "SELECT pg_sleep(600)",
    ];
    let _parallel = client(&server, APP, "parallel", &parallel).await;

    let base = backend(&eye, "the base backup", |b| b.sends_base_backup).await;
    left_alone(&eye, &base, &Protection::BaseBackup).await;
    let receiver = backend(&eye, "the WAL receiver", |b| b.application == "pg_receivewal").await;
    let application = receiver.application.clone();
    left_alone(&eye, &receiver, &Protection::WalSender { application }).await;
    let dump = active(&eye, "pg_dump").await;
    let application = dump.application.clone();
    left_alone(&eye, &dump, &Protection::Application { application }).await;
    let vacuum = backend(&eye, "an autovacuum worker", |b| {
        b.kind == BackendKind::AutovacuumWorker
    })
    .await;
    left_alone(&eye, &vacuum, &Protection::Autovacuum).await;
    let worker = backend(&eye, "a parallel worker", |b| {
        b.leader_pid.is_some() && b.query.as_ref().is_some_and(|q| q.text.contains("pg_sleep"))
    })
    .await;
    let leader_pid = worker.leader_pid;
    assert_eq!(leader_pid, Some(active(&eye, "parallel").await.id.pid()));
    left_alone(&eye, &worker, &Protection::ParallelWorker { leader_pid }).await;
    let own = backend(&eye, "the console's own connection", |b| b.is_asker).await;
    left_alone(&eye, &own, &Protection::Console).await;
    let poller = active(&eye, "quarterdeck-poller").await;
    left_alone(&eye, &poller, &Protection::Console).await;
    let superuser = backend(&eye, "a superuser's session", |b| b.application == "psql").await;
    let user = "postgres".to_owned();
    left_alone(&eye, &superuser, &Protection::Superuser { user }).await;

    // Whatever else the server runs: the rules and the statement agree on every one, and nothing has ended.
    let report = eye.read().await.unwrap();
    let rules = ProtectionRules::default();
    let mut judged = 0;
    for backend in &report.snapshot.backends {
        if let Some(why) = protection(backend, &rules, &report.signaller) {
            // An autovacuum worker may have come to its end by itself.
            if why != Protection::Autovacuum {
                left_alone(&eye, backend, &why).await;
                judged += 1;
            }
        }
    }
    assert!(judged >= 7, "{judged}");

    // A superuser's console may end a superuser's session, and what protects data protects it still.
    let root = sessions(&server, "postgres");
    let outcome = root
        .signal(
            dump.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert!(
        matches!(outcome, SignalOutcome::Protected(Protection::Application { .. })),
        "{outcome:?}"
    );
    let outcome = root
        .signal(
            superuser.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::Signalled);
    let left = root
        .wait_until_gone(&[superuser.id], Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(left, []);

    // Applications that the configuration names, and no longer those that it leaves out.
    let own_rules = ProtectionRules {
        applications: vec!["billing".into()],
    };
    let _billing = client(&server, APP, "billing", &["SELECT pg_sleep(600)"]).await;
    let billing = active(&eye, "billing").await;
    let outcome = eye
        .signal(
            billing.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &own_rules,
        )
        .await
        .unwrap();
    assert!(matches!(outcome, SignalOutcome::Protected(_)), "{outcome:?}");
    let outcome = eye
        .signal(
            billing.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::Signalled);
}
