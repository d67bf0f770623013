//! Group commit: each caller hears about its own event, when it is durable.

use quarterdeck::db;
use quarterdeck::services::audit::{Recorder, verify_database};
use quarterdeck_domain::audit::{Detail, Event};

use crate::database::TestDatabase;
use crate::events::event;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_events_share_few_commits() {
    const EVENTS: usize = 600;
    let database = TestDatabase::migrated().await;
    let (recorder, worker) = Recorder::start(database.pool());
    let callers: Vec<_> = (0..EVENTS)
        .map(|n| {
            let recorder = recorder.clone();
            tokio::spawn(async move { recorder.record(&event(&format!("{n}"))).await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    let mut owner = database.owner().await;
    assert_eq!(
        verify_database(&mut owner, None).await.unwrap().seq as usize,
        EVENTS
    );
    let commits: i64 = sqlx::query_scalar("select count(distinct xmin::text) from audit_events")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert!(
        commits < EVENTS as i64 / 4,
        "{commits} commits for {EVENTS} events"
    );
    drop(recorder);
    worker.await.unwrap();
}

#[tokio::test]
async fn an_event_that_is_refused_takes_no_other_with_it() {
    let database = TestDatabase::migrated().await;
    let (recorder, _worker) = Recorder::start(database.pool());
    let known = event("known");
    recorder.record(&known).await.unwrap();
    let fresh: Vec<Event> = (0..10).map(|n| event(&format!("{n}"))).collect();
    let results = futures::future::join_all(
        fresh
            .iter()
            .take(5)
            .chain([&known])
            .chain(fresh.iter().skip(5))
            .map(|event| recorder.record(event)),
    )
    .await;
    let refused: Vec<usize> = results
        .iter()
        .enumerate()
        .filter(|(_, result)| result.is_err())
        .map(|(at, _)| at)
        .collect();
    assert_eq!(refused, [5], "only the one that is in the log already");
    assert_eq!(
        verify_database(&mut database.owner().await, None)
            .await
            .unwrap()
            .seq,
        11
    );
}

#[tokio::test]
async fn what_has_no_canonical_text_is_refused_before_it_waits() {
    let database = TestDatabase::migrated().await;
    let (recorder, _worker) = Recorder::start(database.pool());
    let mut long = event("long");
    long.detail = Detail::none().with("text", "x".repeat(70_000));
    let error = recorder.record(&long).await.unwrap_err();
    assert!(!error.is_unavailable(), "{error}");
    assert_eq!(db::audit::head(&database.pool()).await.unwrap().seq, 0);
}

#[tokio::test]
async fn stopping_writes_what_waits() {
    let database = TestDatabase::migrated().await;
    let (recorder, worker) = Recorder::start(database.pool());
    let waiting: Vec<_> = (0..50)
        .map(|n| {
            let recorder = recorder.clone();
            tokio::spawn(async move { recorder.record(&event(&format!("{n}"))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(recorder);
    for caller in waiting {
        caller.await.unwrap().unwrap();
    }
    worker.await.unwrap();
    assert_eq!(db::audit::head(&database.pool()).await.unwrap().seq, 50);
}
