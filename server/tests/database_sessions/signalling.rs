//! A signal reaches the backend that is meant, or none.

use std::time::Duration;

use quarterdeck::clients::database_sessions::{Signal, SignalOutcome};
use quarterdeck_domain::database::{Backend, BackendId, BackendState, ProtectionRules};
use quarterdeck_estate::parts::{Postgres, PostgresOptions};

use crate::clients::{APP, WATCHER, active, backend, client, connect, is_there, make_roles, sessions};

const PATIENCE: Duration = Duration::from_secs(20);

fn started() -> Postgres {
    tokio::task::block_in_place(|| {
        let server = Postgres::start().unwrap();
        make_roles(&server);
        server
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_pid_is_never_hit() {
    let (server, rules) = (started(), ProtectionRules::default());
    let eye = sessions(&server, WATCHER);
    let task = client(&server, APP, "report", &["SELECT pg_sleep(600)"]).await;
    let victim = active(&eye, "report").await;

    // The pid with the start of somebody who had it before, by as little as a microsecond.
    for off in [time::Duration::microseconds(1), time::Duration::days(-1)] {
        let earlier = BackendId::new(victim.id.pid(), victim.id.started_at() - off);
        for signal in [
            Signal::Terminate {
                query_started_at: None,
            },
            Signal::Cancel {
                query_started_at: victim.query_started_at.unwrap(),
            },
        ] {
            let outcome = eye.signal(earlier, signal, &rules).await.unwrap();
            assert_eq!(outcome, SignalOutcome::NotTheSame { now: victim.id });
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let still = active(&eye, "report").await;
    assert_eq!(
        (still.id, still.query_started_at),
        (victim.id, victim.query_started_at)
    );

    // Its text reads back as it is, so the address of a link hits it, too.
    let read_back: BackendId = victim.id.to_string().parse().unwrap();
    let outcome = eye
        .signal(
            read_back,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::Signalled);
    assert_eq!(eye.wait_until_gone(&[victim.id], PATIENCE).await.unwrap(), []);
    assert_eq!(eye.find(victim.id).await.unwrap(), None);
    let error = task.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("administrator command"), "{error}");
    let again = eye
        .signal(
            victim.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert_eq!(again, SignalOutcome::Gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_query_that_is_meant_is_cancelled() {
    let (server, rules) = (started(), ProtectionRules::default());
    let eye = sessions(&server, WATCHER);
    let _task = client(
        &server,
        APP,
        "report",
        &["SELECT pg_sleep(0.2)", "SELECT pg_sleep(600)"],
    )
    .await;
    let runs = |b: &Backend, text: &str| {
        b.state == BackendState::Active && b.query.as_ref().is_some_and(|q| q.text.contains(text))
    };
    let first = backend(&eye, "the first query", |b| runs(b, "pg_sleep(0.2)")).await;
    let second = backend(&eye, "the second query", |b| runs(b, "pg_sleep(600)")).await;
    assert_eq!(first.id, second.id);

    // Whoever looked at the first query does not end the second.
    let signal = |at: Option<time::OffsetDateTime>| Signal::Cancel {
        query_started_at: at.unwrap(),
    };
    let outcome = eye
        .signal(second.id, signal(first.query_started_at), &rules)
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::QueryOver);
    assert_eq!(
        active(&eye, "report").await.query_started_at,
        second.query_started_at
    );

    let started_at = second.query_started_at.unwrap();
    assert!(
        !eye.wait_until_cancelled(second.id, started_at, Duration::from_millis(50))
            .await
            .unwrap()
    );
    let outcome = eye
        .signal(second.id, signal(second.query_started_at), &rules)
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::Signalled);
    assert!(
        eye.wait_until_cancelled(second.id, started_at, PATIENCE)
            .await
            .unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_backend_has_nothing_to_cancel_and_can_be_ended() {
    let (server, rules) = (started(), ProtectionRules::default());
    let eye = sessions(&server, WATCHER);
    let _task = client(&server, APP, "forgotten", &["BEGIN", "SELECT 1"]).await;
    let idle = backend(&eye, "an idle transaction", |b| {
        b.state == BackendState::IdleInTransaction
    })
    .await;
    let cancel = Signal::Cancel {
        query_started_at: idle.query_started_at.unwrap(),
    };
    assert_eq!(
        eye.signal(idle.id, cancel, &rules).await.unwrap(),
        SignalOutcome::QueryOver
    );
    assert!(is_there(&eye, idle.id).await);
    assert_eq!(
        eye.signal(
            idle.id,
            Signal::Terminate {
                query_started_at: None
            },
            &rules
        )
        .await
        .unwrap(),
        SignalOutcome::Signalled
    );
    assert_eq!(eye.wait_until_gone(&[idle.id], PATIENCE).await.unwrap(), []);

    // What connects again under the same name is seen to have come back; what was there before is not.
    let since = idle.id.started_at();
    assert_eq!(eye.came_back("forgotten", APP, since).await.unwrap(), []);
    let _other = client(&server, APP, "another", &["SELECT 1"]).await;
    let _again = client(&server, APP, "forgotten", &["SELECT 1"]).await;
    let back = eye.came_back("forgotten", APP, since).await.unwrap();
    assert_eq!(back.len(), 1);
    assert!(back[0].id != idle.id && back[0].id.started_at() > since);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_comes_with_its_grant() {
    let (server, rules) = (started(), ProtectionRules::default());
    for (role, attributes) in [
        ("Looks only", "IN ROLE pg_monitor"),
        ("blind", ""),
        ("mate", "IN ROLE pg_monitor, app"),
    ] {
        tokio::task::block_in_place(|| server.create_role(role, attributes)).unwrap();
    }
    let eye = sessions(&server, WATCHER);
    let _task = client(&server, APP, "report", &["SELECT pg_sleep(600)"]).await;
    let victim = active(&eye, "report").await;

    for (role, grant) in [
        ("Looks%20only", "GRANT pg_signal_backend TO \"Looks only\";"),
        ("blind", "GRANT pg_monitor TO blind;"),
    ] {
        let outcome = sessions(&server, role)
            .signal(
                victim.id,
                Signal::Terminate {
                    query_started_at: None,
                },
                &rules,
            )
            .await
            .unwrap();
        assert_eq!(
            outcome,
            SignalOutcome::NotPermitted {
                grant: grant.to_owned()
            }
        );
        assert!(is_there(&eye, victim.id).await);
        // The statement does what it says.
        if role == "blind" {
            tokio::task::block_in_place(|| server.sql("postgres", grant)).unwrap();
            let outcome = sessions(&server, role)
                .signal(
                    victim.id,
                    Signal::Terminate {
                        query_started_at: None,
                    },
                    &rules,
                )
                .await
                .unwrap();
            assert_eq!(
                outcome,
                SignalOutcome::NotPermitted {
                    grant: "GRANT pg_signal_backend TO blind;".to_owned()
                }
            );
        }
    }
    // Who is a member of the other's role needs no further one.
    let outcome = sessions(&server, "mate")
        .signal(
            victim.id,
            Signal::Terminate {
                query_started_at: None,
            },
            &rules,
        )
        .await
        .unwrap();
    assert_eq!(outcome, SignalOutcome::Signalled);
    assert_eq!(eye.wait_until_gone(&[victim.id], PATIENCE).await.unwrap(), []);
}

/// The hour in which it is needed: no place is left, not for the console either.
#[tokio::test(flavor = "multi_thread")]
async fn it_works_when_every_connection_is_taken() {
    let server = tokio::task::block_in_place(|| {
        let settings = vec![("max_connections".to_owned(), "10".to_owned())];
        let server = Postgres::start_with(&PostgresOptions {
            settings,
            ..PostgresOptions::default()
        })
        .unwrap();
        make_roles(&server);
        server
    });
    let (eye, rules) = (sessions(&server, WATCHER), ProtectionRules::default());
    let report = eye.read().await.unwrap();
    assert_eq!(report.capacity.usable(), 7);
    let mut held = Vec::new();
    while let Ok(connection) = connect(&server, APP, "leak").await {
        held.push(connection);
    }
    assert_eq!(held.len(), 6, "all but the console's own");
    sessions(&server, WATCHER).read().await.unwrap_err();

    let report = eye.read().await.unwrap();
    let leaks: Vec<BackendId> = report
        .snapshot
        .backends
        .iter()
        .filter(|b| b.application == "leak")
        .map(|b| b.id)
        .collect();
    assert_eq!(leaks.len(), 6);
    for id in &leaks {
        assert_eq!(
            eye.signal(
                *id,
                Signal::Terminate {
                    query_started_at: None
                },
                &rules
            )
            .await
            .unwrap(),
            SignalOutcome::Signalled
        );
    }
    assert_eq!(eye.wait_until_gone(&leaks, PATIENCE).await.unwrap(), []);
    connect(&server, APP, "api").await.unwrap();
}
