//! Each part of a search, pages that stay what they are, and what one answer looks at.

use quarterdeck::db::audit::{
    SPAN,
    search::{BUDGET, End, Walk},
};
use quarterdeck::services::audit::{WalkError, verify_database};
use quarterdeck_domain::audit::{Action, Actor, Event, Object, Outcome};
use time::{Duration, macros::datetime};

use crate::database::TestDatabase;
use crate::written::{ask, event, numbers, user, write, write_many};

const T: time::OffsetDateTime = datetime!(2026-11-24 22:00 UTC);

/// Rows 1 to 8.
fn some() -> Vec<Event> {
    use Outcome::{Failed, Refused, Succeeded};
    let cli = || Actor::CommandLine {
        name: "cli:root".into(),
    };
    let long = "x".repeat(3_000);
    [
        (
            cli(),
            Action::AccountCreated,
            Object::new("account", "ada"),
            Succeeded,
        ),
        (
            Actor::Anonymous,
            Action::SessionRefused,
            Object::new("account", "ada"),
            Refused,
        ),
        (
            user("ada"),
            Action::SessionOpened,
            Object::new("session", "s1"),
            Succeeded,
        ),
        (
            user("ada"),
            Action::AccessRefused,
            Object::new("request", &long),
            Refused,
        ),
        (
            user("grace"),
            Action::SessionOpened,
            Object::new("session", "s2"),
            Succeeded,
        ),
        (
            user("grace"),
            Action::AuditExported,
            Object::new("audit_log", "all"),
            Failed,
        ),
        (
            Actor::System,
            Action::SigningKeyRotated,
            Object::new("signing_key", "ada"),
            Succeeded,
        ),
        (
            user("ada"),
            Action::SessionClosed,
            Object::new("session", "s1"),
            Succeeded,
        ),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (actor, action, object, outcome))| {
        event(T + Duration::minutes(i as i64), actor, action, object, outcome)
    })
    .collect()
}

#[tokio::test]
async fn each_part_finds_its_rows_alone_and_with_others() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    write(&pool, &some()).await;
    let long = format!("object_id={}", "x".repeat(500));
    let cases: [(&str, &[u64]); 20] = [
        ("", &[8, 7, 6, 5, 4, 3, 2, 1]),
        ("actor=ada", &[8, 4, 3]),
        ("actor=cli:root", &[1]),
        ("actor=nobody", &[]),
        ("actor_kind=user", &[8, 6, 5, 4, 3]),
        ("actor_kind=system", &[7]),
        ("actor_kind=anonymous", &[2]),
        ("action=session.opened", &[5, 3]),
        ("action=session.*", &[8, 5, 3, 2]),
        ("object_kind=account", &[2, 1]),
        ("object_id=ada", &[7, 2, 1]),
        ("object_kind=signing_key&object_id=ada", &[7]),
        ("outcome=refused", &[4, 2]),
        ("outcome=failed", &[6]),
        ("outcome=succeeded", &[8, 7, 5, 3, 1]),
        ("from=2026-11-24T22:03", &[8, 7, 6, 5, 4]),
        ("to=2026-11-24T22:03", &[3, 2, 1]),
        ("from=2026-11-24T22:02&to=2026-11-24T22:04", &[4, 3]),
        (
            "actor=ada&action=session.*&outcome=succeeded&from=2026-11-24T22:05",
            &[8],
        ),
        // Only the beginning of an id is in the index: the rest is compared all the same.
        (&long, &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(numbers(&pool, query).await, expected, "{query}");
    }
    let mut connection = pool.acquire().await.unwrap();
    let whole = quarterdeck_domain::audit::Filter {
        object_id: Some("x".repeat(3_000)),
        ..Default::default()
    };
    let found = quarterdeck::db::audit::search::find(&mut connection, &whole, Walk::Down(None), 5)
        .await
        .unwrap();
    assert_eq!(found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [4]);
}

#[tokio::test]
async fn pages_stay_what_they_are_while_rows_are_written() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    write(&pool, &some()).await;
    let first = ask(&pool, "", Walk::Down(None), 3).await;
    let seqs =
        |rows: &[quarterdeck_domain::audit::ChainRow]| rows.iter().map(|row| row.seq).collect::<Vec<_>>();
    assert_eq!((seqs(&first.rows), first.end), (vec![8, 7, 6], End::Full));
    write(&pool, &some()).await;
    let second = ask(&pool, "", Walk::Down(Some(6)), 3).await;
    assert_eq!((seqs(&second.rows), second.end), (vec![5, 4, 3], End::Full));
    let last = ask(&pool, "", Walk::Down(Some(3)), 3).await;
    assert_eq!((seqs(&last.rows), last.end), (vec![2, 1], End::Exhausted));
    // And up again, to what has been written since.
    let back = ask(&pool, "", Walk::Up(2), 3).await;
    assert_eq!((seqs(&back.rows), back.end), (vec![3, 4, 5], End::Full));
    let since = ask(&pool, "", Walk::Up(8), 50).await;
    assert_eq!(seqs(&since.rows), (9..=16).collect::<Vec<_>>());
    assert_eq!(since.end, End::Exhausted);
    assert_eq!(seqs(&ask(&pool, "actor=ada", Walk::Up(4), 2).await.rows), [8, 11]);
}

/// 45,000 rows: `busy` does everything, a few fail, and two of those that fail are of `grace`.
fn many() -> Vec<Event> {
    (0..45_000_i64)
        .map(|i| {
            let rare = i == 100 || i == 30_000;
            let actor = if rare { user("grace") } else { user("busy") };
            let outcome = if rare || i % 5 == 0 {
                Outcome::Failed
            } else {
                Outcome::Succeeded
            };
            // Every thousandth was written late.
            let late = if i % 1_000 == 500 { 3_600 } else { 0 };
            let at = T + Duration::seconds(i * 10 - late);
            event(
                at,
                actor,
                Action::SessionOpened,
                Object::new("session", i),
                outcome,
            )
        })
        .collect()
}

#[tokio::test]
async fn one_answer_looks_at_so_many_rows_and_says_how_far_it_came() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    write_many(&pool, &many()).await;

    // The rarest part leads, wherever it stands: all of it is looked at at once.
    let found = ask(
        &pool,
        "actor=grace&outcome=failed&action=session.opened",
        Walk::Down(None),
        50,
    )
    .await;
    assert_eq!(
        found.rows.iter().map(|row| row.seq).collect::<Vec<_>>(),
        [30_001, 101]
    );
    assert_eq!(found.end, End::Exhausted);

    // Nothing leads and nothing fits: the answer comes back early, with the place to go on from.
    let nothing = "actor_kind=system&outcome=succeeded&actor=busy&object_kind=session";
    assert_eq!(
        ask(&pool, nothing, Walk::Down(None), 50).await.end,
        End::Exhausted
    );
    let none_fits = "actor=busy&to=2026-11-24T22:00";
    assert_eq!(ask(&pool, none_fits, Walk::Down(None), 50).await.rows, []);
    let common = "actor=busy&action=session.*&object_kind=session&actor_kind=user&from=2026-11-24T22:00&object_id=nothing";
    assert_eq!(ask(&pool, common, Walk::Down(None), 50).await.end, End::Exhausted);
    let budget = u64::from(BUDGET);
    let far = ask(
        &pool,
        "actor_kind=user&outcome=succeeded&actor=busy&object_kind=session",
        Walk::Down(None),
        500,
    )
    .await;
    assert_eq!(far.end, End::Full);
    // Every row is `busy`'s but two, and none is an export.
    write(
        &pool,
        &[event(
            T,
            user("busy"),
            Action::AuditExported,
            Object::new("audit_log", "all"),
            Outcome::Succeeded,
        )],
    )
    .await;
    let walked = ask(
        &pool,
        "actor=busy&outcome=succeeded&object_kind=session&from=2026-12-30T00:00",
        Walk::Down(None),
        50,
    )
    .await;
    assert_eq!(walked.rows, []);

    let mut steps = 0;
    let mut walk = Walk::Down(None);
    let mut seen = Vec::new();
    loop {
        steps += 1;
        // By themselves these two fit nearly every row, and neither has an index.
        let found = ask(
            &pool,
            "actor_kind=user&outcome=succeeded&to=2026-11-24T22:10",
            walk,
            10,
        )
        .await;
        seen.extend(found.rows.iter().map(|row| row.seq));
        match found.end {
            End::Exhausted => break,
            End::Budget(seq) => {
                assert!(seq > 1 && found.rows.len() < 10, "{seq}");
                walk = Walk::Down(Some(seq));
            }
            End::Full => walk = Walk::Down(Some(found.rows.last().unwrap().seq)),
        }
    }
    assert!(steps > 5, "{steps}");
    let mut expected: Vec<u64> = many()
        .iter()
        .zip(1..)
        .filter(|(event, _)| {
            event.outcome == Outcome::Succeeded && event.recorded_at < T + Duration::minutes(10)
        })
        .map(|(_, seq)| seq)
        .collect();
    // The export was written last and belongs to the time as well.
    expected.push(45_001);
    expected.reverse();
    assert_eq!(seen, expected);
    assert!(budget < 45_000);

    // Up, with the budget.
    let up = ask(
        &pool,
        "actor_kind=user&outcome=failed&actor=grace",
        Walk::Up(101),
        50,
    )
    .await;
    assert_eq!((up.rows.len(), up.rows[0].seq), (1, 30_001));
    let up = ask(
        &pool,
        "actor_kind=user&outcome=succeeded&object_kind=audit_log",
        Walk::Up(0),
        50,
    )
    .await;
    assert_eq!(up.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [45_001]);
}

#[tokio::test]
async fn a_range_of_time_finds_what_was_written_late_too() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let all = many();
    write_many(&pool, &all[..5_300]).await;
    for (from, to) in [
        (0, 600),
        (9_000, 12_000),
        (20_000, 53_000),
        (52_000, 60_000),
        (-9_000, 0),
        (60_000, 70_000),
    ] {
        let (from, to) = (T + Duration::seconds(from), T + Duration::seconds(to));
        let query = format!(
            "from={}&to={}",
            quarterdeck_domain::audit::search::field(from),
            quarterdeck_domain::audit::search::field(to)
        );
        let mut expected: Vec<u64> = all[..5_300]
            .iter()
            .zip(1..)
            .filter(|(event, _)| (from..to).contains(&event.recorded_at))
            .map(|(_, seq)| seq)
            .collect();
        expected.reverse();
        assert_eq!(numbers(&pool, &query).await, expected, "{query}");
    }
    let mut owner = database.owner().await;
    let spans: i64 = sqlx::query_scalar("select count(*) from audit_spans")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(spans, 5);
    assert!(verify_database(&mut owner, None).await.is_ok());
    // Times that were tampered with are found by the walk.
    database
        .as_superuser(
            "alter table quarterdeck.audit_spans disable trigger all;
             update quarterdeck.audit_spans set latest = earliest where last_seq = 3000",
        )
        .await;
    assert!(matches!(
        verify_database(&mut owner, None).await,
        Err(WalkError::Span { last_seq }) if last_seq == 3 * SPAN
    ));
}
