//! A connection that breaks, and a server that dies, in the middle.

use std::time::Duration;

use quarterdeck::config::database::DatabaseConfig;
use quarterdeck::db;
use quarterdeck::services::audit::{Recorder, append, verify_database};
use quarterdeck_estate::parts::Postgres;

use crate::database::{CONSOLE, OWNER, TestDatabase, make_roles};
use crate::events::event;

#[tokio::test]
async fn a_connection_that_breaks_before_the_commit_leaves_nothing() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let mut transaction = pool.begin().await.unwrap();
    append(&mut transaction, &event("broken off")).await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    database
        .as_superuser(&format!("select pg_terminate_backend({pid}, 5000)"))
        .await;
    assert!(transaction.commit().await.is_err());

    let mut next = pool.begin().await.unwrap();
    append(&mut next, &event("after it")).await.unwrap();
    next.commit().await.unwrap();
    let mut owner = database.owner().await;
    assert_eq!(verify_database(&mut owner, None).await.unwrap().seq, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_dies_under_load_keeps_what_it_acknowledged() {
    let cluster = Postgres::start().expect("a cluster of its own, to be killed");
    make_roles(&cluster);
    cluster.create_database("deck", OWNER).unwrap();
    let config = DatabaseConfig {
        url: cluster.url_as(CONSOLE, "deck"),
        owner_url: Some(cluster.url_as(OWNER, "deck")),
        ..DatabaseConfig::default()
    };
    db::migrate(&config).await.unwrap();
    let (recorder, _worker) = Recorder::start(db::runtime_pool(&config).await.unwrap());
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let recorder = recorder.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                loop {
                    let event = event("under load");
                    match recorder.record(&event).await {
                        Ok(()) => acknowledged.push(event.id),
                        Err(error) => {
                            assert!(error.is_unavailable(), "{error}");
                            return acknowledged;
                        }
                    }
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    cluster.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    assert!(
        acknowledged.len() > 8,
        "it was under load: {}",
        acknowledged.len()
    );

    cluster.restart().unwrap();
    let mut owner = db::owner_connection(&config).await.unwrap();
    verify_database(&mut owner, None).await.unwrap();
    let kept = db::audit::recorded(&mut owner, &acknowledged).await.unwrap();
    assert_eq!(kept.len(), acknowledged.len(), "what was acknowledged is there");
    let left: i64 = sqlx::query_scalar("select count(*) from quarterdeck.audit_intake")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(left, 0);

    // The same recorder goes on by itself.
    recorder.record(&event("afterwards")).await.unwrap();
    verify_database(&mut owner, None).await.unwrap();
}
