//! What is read of backends.

use std::time::Duration;

use quarterdeck_domain::database::{
    BackendKind, BackendState, ProtectionRules, Standing, blocking_forest, count_connections, redact,
    select_longer_than,
};
use quarterdeck_estate::parts::Postgres;

use crate::clients::{APP, WATCHER, active, backend, client, make_roles, sessions};

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_whom_is_seen_as_a_tree() {
    let server = tokio::task::block_in_place(|| {
        let server = Postgres::start().unwrap();
        make_roles(&server);
        let table =
            "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0); GRANT ALL ON t TO app";
        server.sql("postgres", table).unwrap();
        server
    });
    let eye = sessions(&server, WATCHER);
    let _holder = client(
        &server,
        APP,
        "holder",
        &["BEGIN", "UPDATE t SET v = 1 WHERE id = 1"],
    )
    .await;
    let holder = backend(&eye, "the holder", |b| b.state == BackendState::IdleInTransaction).await;
    assert!(holder.blocked_by.is_empty() && holder.transaction_started_at.is_some());
    let _middle = client(&server, APP, "middle", &["UPDATE t SET v = 2 WHERE id = 1"]).await;
    let middle = backend(&eye, "the one who waits", |b| {
        b.application == "middle" && !b.blocked_by.is_empty()
    })
    .await;
    let wait = middle.wait.clone().unwrap();
    assert_eq!(
        (wait.kind.as_str(), wait.event.as_str()),
        ("Lock", "transactionid")
    );
    let _last = client(&server, APP, "last", &["UPDATE t SET v = 3 WHERE id = 1"]).await;
    let last = backend(&eye, "the last", |b| {
        b.application == "last" && !b.blocked_by.is_empty()
    })
    .await;

    let forest = blocking_forest(&eye.read().await.unwrap().snapshot);
    let standing = |pid, depth, waiting| Standing {
        pid,
        depth,
        waiting,
        again: false,
    };
    assert_eq!(
        forest,
        [
            standing(holder.id.pid(), 0, 2),
            standing(middle.id.pid(), 1, 1),
            standing(last.id.pid(), 2, 0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_counts_and_texts_are_the_servers() {
    let server = tokio::task::block_in_place(|| {
        let server = Postgres::start().unwrap();
        make_roles(&server);
        server
    });
    let eye = sessions(&server, WATCHER);
    let long = "x".repeat(3_000);
    let long_query = format!("SELECT pg_sleep(600), '{long}', 'never seen'");
    let _busy = client(
        &server,
        APP,
        "busy",
        &["BEGIN", "SELECT pg_sleep(600), 'ada@example.com' AS \"who\""],
    )
    .await;
    let _wordy = client(&server, APP, "wordy", &[&long_query]).await;
    let _idle = client(&server, APP, "pg_restore", &["BEGIN", "SELECT 'hunter2'"]).await;
    active(&eye, "busy").await;
    active(&eye, "wordy").await;
    backend(&eye, "the idle one", |b| {
        b.state == BackendState::IdleInTransaction
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;

    let report = eye.read().await.unwrap();
    let snapshot = &report.snapshot;
    assert_eq!((report.hidden, report.signaller.role.as_str()), (0, WATCHER));
    assert!(report.signaller.may_signal && report.signaller.sees_all && !report.signaller.superuser);
    assert_eq!(
        (report.capacity.max_connections, report.capacity.usable()),
        (100, 97)
    );
    let find = |application: &str| {
        snapshot
            .backends
            .iter()
            .find(|b| b.application == application)
            .unwrap()
    };

    let busy = find("busy");
    assert_eq!(busy.kind, BackendKind::Client);
    assert_eq!(
        (busy.user.as_deref(), busy.database.as_deref()),
        (Some(APP), Some("postgres"))
    );
    assert_eq!(busy.address, Some("127.0.0.1".parse().unwrap()));
    let (query, transaction) = (
        busy.query_age(snapshot.at).unwrap(),
        busy.transaction_age(snapshot.at).unwrap(),
    );
    assert!(
        query >= Duration::from_secs(1) && transaction >= query && transaction < Duration::from_secs(60),
        "{query:?} {transaction:?}"
    );
    assert_eq!(
        redact(busy.query.as_ref().unwrap()).unwrap(),
        "SELECT pg_sleep(?), ? AS \"who\""
    );

    // The server keeps a kilobyte of a text.
    let cut = find("wordy").query.clone().unwrap();
    assert!(cut.truncated && cut.text.len() == 1_023, "{}", cut.text.len());
    assert_eq!(redact(&cut).unwrap(), "SELECT pg_sleep(?), …");

    let counts = count_connections(snapshot);
    assert_eq!(counts.used, 4, "three clients and the console: {snapshot:?}");
    let of_app = counts.by_user.iter().find(|c| c.name == APP).unwrap();
    assert_eq!(of_app.count, 3);

    let select = |idle| {
        let rules = ProtectionRules::default();
        let selection = select_longer_than(snapshot, Duration::from_secs(1), idle, &rules, &report.signaller);
        let chosen: Vec<_> = selection.chosen.iter().map(|s| s.id).collect();
        (
            chosen,
            selection.left_out.iter().map(|l| l.id).collect::<Vec<_>>(),
        )
    };
    let both = [busy.id, find("wordy").id];
    let (chosen, left_out) = select(false);
    assert!(
        chosen.len() == 2 && both.iter().all(|id| chosen.contains(id)),
        "{chosen:?}"
    );
    assert_eq!(left_out, []);
    assert_eq!(select(true).1, [find("pg_restore").id]);

    // Who may not see says how much it does not see, and what to do.
    tokio::task::block_in_place(|| server.create_role("blind", "")).unwrap();
    let blind = sessions(&server, "blind").read().await.unwrap();
    assert!(blind.hidden >= 4, "{}", blind.hidden);
    assert_eq!(
        blind.signaller.grant_to_see().unwrap(),
        "GRANT pg_monitor TO blind;"
    );
    assert!(
        blind
            .snapshot
            .backends
            .iter()
            .all(|b| b.user.as_deref() == Some("blind"))
    );
}
