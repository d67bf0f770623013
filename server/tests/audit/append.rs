//! Appending: numbered without gaps, chained, all or nothing, and not one after the other.

use std::time::Duration;

use quarterdeck::db;
use quarterdeck::services::audit::{append, verify_database};
use quarterdeck_domain::audit::{Columns, Event};
use sqlx::Connection;

use crate::database::TestDatabase;
use crate::events::event;

#[tokio::test]
async fn what_is_written_reads_back_and_verifies() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let written: Vec<Event> = (0..3).map(|n| event(&format!("s{n}"))).collect();
    let mut transaction = pool.begin().await.unwrap();
    for event in &written {
        append(&mut transaction, event).await.unwrap();
    }
    transaction.commit().await.unwrap();

    let mut owner = database.owner().await;
    let rows = db::audit::rows_after(&mut owner, 0).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2, 3]);
    for (row, event) in rows.iter().zip(&written) {
        assert_eq!(row.canonical, event.canonical().unwrap());
        let kept = Event::from_canonical(&row.canonical).unwrap();
        assert_eq!(
            row.columns,
            Some(Columns::of(&kept)),
            "the columns that SQL takes out of the text"
        );
    }
    // The hashes were made by SQL; this makes them again in Rust.
    let head = verify_database(&mut owner, None).await.unwrap();
    assert_eq!(head, db::audit::head(&mut owner).await.unwrap());
    assert_eq!(head.seq, 3);
}

#[tokio::test]
async fn a_rollback_leaves_no_gap_and_nothing_in_the_intake() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    for round in 0..3 {
        let mut lost = pool.begin().await.unwrap();
        append(&mut lost, &event("lost")).await.unwrap();
        lost.rollback().await.unwrap();
        let mut kept = pool.begin().await.unwrap();
        append(&mut kept, &event(&format!("kept{round}"))).await.unwrap();
        // A part of the transaction that is undone takes its events along.
        let mut part = kept.begin().await.unwrap();
        append(&mut part, &event("undone")).await.unwrap();
        part.rollback().await.unwrap();
        append(&mut kept, &event(&format!("also{round}"))).await.unwrap();
        kept.commit().await.unwrap();
    }
    let mut owner = database.owner().await;
    assert_eq!(verify_database(&mut owner, None).await.unwrap().seq, 6);
    let objects: Vec<String> = sqlx::query_scalar("select object_id from audit_events order by seq")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(objects, ["kept0", "also0", "kept1", "also1", "kept2", "also2"]);
    let left: i64 = sqlx::query_scalar("select count(*) from audit_intake")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_open_transaction_holds_nobody_up() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let mut slow = pool.begin().await.unwrap();
    append(&mut slow, &event("slow")).await.unwrap();
    // The slow client now thinks. Others commit meanwhile.
    let others = async {
        for n in 0..20 {
            let mut quick = pool.begin().await.unwrap();
            append(&mut quick, &event(&format!("quick{n}"))).await.unwrap();
            quick.commit().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(10), others)
        .await
        .expect("nobody waits for the slow one");
    slow.commit().await.unwrap();
    let mut owner = database.owner().await;
    assert_eq!(verify_database(&mut owner, None).await.unwrap().seq, 21);
    let last: String = sqlx::query_scalar("select object_id from audit_events order by seq desc limit 1")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(last, "slow", "it is numbered when it commits");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_with_rollbacks_make_one_chain_without_gaps() {
    const TASKS: usize = 16;
    const ROUNDS: usize = 40;
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut committed = Vec::new();
                for round in 0..ROUNDS {
                    let mut transaction = pool.begin().await.unwrap();
                    let events: Vec<Event> =
                        (0..=(task + round) % 3).map(|n| event(&format!("{n}"))).collect();
                    for event in &events {
                        append(&mut transaction, event).await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    if (task + round) % 4 == 0 {
                        transaction.rollback().await.unwrap();
                    } else {
                        transaction.commit().await.unwrap();
                        committed.push(events.iter().map(|event| event.id).collect::<Vec<_>>());
                    }
                }
                committed
            })
        })
        .collect();
    let mut committed = Vec::new();
    for writer in writers {
        committed.extend(writer.await.unwrap());
    }

    let mut owner = database.owner().await;
    let head = verify_database(&mut owner, None).await.unwrap();
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("select event_id from audit_events order by seq")
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(head.seq as usize, ids.len());
    assert_eq!(
        ids.len(),
        committed.iter().map(Vec::len).sum::<usize>(),
        "what committed is there, and nothing else"
    );
    for transaction in &committed {
        let at = ids
            .iter()
            .position(|id| *id == transaction[0])
            .expect("a committed event");
        assert_eq!(
            &ids[at..at + transaction.len()],
            transaction,
            "a transaction's events stand together, in order"
        );
    }
}

#[tokio::test]
async fn an_event_is_recorded_at_most_once() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let once = event("once");
    for attempt in 0..2 {
        let mut transaction = pool.begin().await.unwrap();
        append(&mut transaction, &once).await.unwrap();
        assert_eq!(transaction.commit().await.is_ok(), attempt == 0);
    }
    let mut owner = database.owner().await;
    assert_eq!(verify_database(&mut owner, None).await.unwrap().seq, 1);
    assert_eq!(
        db::audit::recorded(&mut owner, &[once.id]).await.unwrap(),
        [once.id]
    );
}

#[tokio::test]
async fn a_text_that_is_no_event_takes_its_transaction_with_it() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    for text in ["not json", "{}", "{\"id\":\"x\"}"] {
        let mut transaction = pool.begin().await.unwrap();
        db::audit::append(&mut transaction, &[text.to_owned()])
            .await
            .unwrap();
        assert!(transaction.commit().await.is_err(), "{text}");
    }
    assert_eq!(
        verify_database(&mut database.owner().await, None)
            .await
            .unwrap()
            .seq,
        0
    );
}
