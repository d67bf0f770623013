//! A superuser can switch every guard off. The walk names the first row that was touched.

use quarterdeck::services::audit::{WalkError, append, verify_database};
use quarterdeck_domain::audit::{BadRow, Fault, Head};

use crate::database::TestDatabase;
use crate::events::event;

async fn log_of(rows: usize) -> (TestDatabase, Head) {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    for n in 0..rows {
        let mut transaction = pool.begin().await.unwrap();
        append(&mut transaction, &event(&format!("s{n}"))).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let head = verify_database(&mut database.owner().await, None).await.unwrap();
    (database, head)
}

async fn tamper(database: &TestDatabase, sql: &str) {
    database
        .as_superuser(&format!(
            "set search_path = quarterdeck;
             alter table audit_events disable trigger all; {sql}; alter table audit_events enable trigger all;"
        ))
        .await;
}

async fn first_bad(database: &TestDatabase, expected: Option<Head>) -> BadRow {
    match verify_database(&mut database.owner().await, expected).await {
        Err(WalkError::Bad(bad)) => bad,
        other => panic!("expected a bad row, got {other:?}"),
    }
}

#[tokio::test]
async fn each_kind_of_change_is_named() {
    let cases = [
        (
            "update audit_events set canonical = replace(canonical, 'succeeded', 'refused') where seq = 4",
            4,
            Fault::Hash,
        ),
        (
            "update audit_events set hash = sha256('x') where seq = 5",
            5,
            Fault::Hash,
        ),
        (
            "update audit_events set prev_hash = sha256('x') where seq = 2",
            2,
            Fault::PreviousHash,
        ),
        (
            "update audit_events set actor_name = 'mallory' where seq = 3",
            3,
            Fault::Column("actor_name"),
        ),
        (
            "update audit_events set object_id = 's0' where seq = 6",
            6,
            Fault::Column("object_id"),
        ),
        (
            "update audit_events set recorded_at = recorded_at - interval '1 day' where seq = 6",
            6,
            Fault::Column("recorded_at"),
        ),
        (
            "delete from audit_events where seq = 3",
            3,
            Fault::Gap {
                expected: 3,
                found: 4,
            },
        ),
        (
            "delete from audit_events where seq = 3; update audit_events set seq = seq - 1 where seq > 3",
            3,
            Fault::PreviousHash,
        ),
        (
            "delete from audit_events where seq >= 5",
            5,
            Fault::CutOff { known: 6 },
        ),
        ("delete from audit_events", 1, Fault::CutOff { known: 6 }),
    ];
    for (sql, seq, fault) in cases {
        let (database, _) = log_of(6).await;
        tamper(&database, sql).await;
        assert_eq!(first_bad(&database, None).await, BadRow { seq, fault }, "{sql}");
    }
}

#[tokio::test]
async fn a_tail_cut_off_with_its_head_shows_against_a_head_kept_elsewhere() {
    let (database, kept) = log_of(6).await;
    tamper(
        &database,
        "delete from audit_events where seq > 4;
         update audit_head set seq = 4, hash = (select hash from audit_events where seq = 4)",
    )
    .await;
    let head = verify_database(&mut database.owner().await, None).await.unwrap();
    assert_eq!(head.seq, 4, "by itself the shortened log looks whole");
    assert_eq!(
        first_bad(&database, Some(kept)).await,
        BadRow {
            seq: 5,
            fault: Fault::CutOff { known: 6 }
        }
    );
}

#[tokio::test]
async fn a_history_rewritten_by_the_book_shows_against_a_head_kept_elsewhere() {
    let (database, kept) = log_of(6).await;
    tamper(
        &database,
        "update audit_events set canonical = replace(canonical, 'succeeded', 'refused'), outcome = 'refused'
             where seq = 3;
         do $$
         declare previous bytea; entry record;
         begin
             select hash into previous from audit_events where seq = 2;
             for entry in select * from audit_events where seq >= 3 order by seq loop
                 update audit_events set prev_hash = previous,
                     hash = sha256(previous || int8send(seq) || convert_to(canonical, 'UTF8'))
                     where seq = entry.seq returning hash into previous;
             end loop;
             update audit_head set hash = previous;
         end $$",
    )
    .await;
    assert!(verify_database(&mut database.owner().await, None).await.is_ok());
    assert_eq!(
        first_bad(&database, Some(kept)).await,
        BadRow {
            seq: 6,
            fault: Fault::OtherHistory
        }
    );
}

#[tokio::test]
async fn a_log_that_went_on_still_fits_an_older_head() {
    let (database, kept) = log_of(3).await;
    let pool = database.pool();
    let mut transaction = pool.begin().await.unwrap();
    append(&mut transaction, &event("later")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        verify_database(&mut database.owner().await, Some(kept))
            .await
            .unwrap()
            .seq,
        4
    );
}
