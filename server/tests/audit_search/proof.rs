//! One row and what proves it, through the console; and who may see it.

use quarterdeck_app::view::audit::{AuditEntryView, AuditPageView};
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Object, Outcome};
use reqwest::StatusCode;
use time::macros::datetime;

use crate::database::TestDatabase;
use crate::deck::{Browser, account};
use crate::written::{deck, event, user, write};

async fn entry(browser: &Browser, seq: u64) -> AuditEntryView {
    let answer = browser.get(&format!("/api/v1/audit/{seq}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

async fn page(browser: &Browser, query: &str) -> AuditPageView {
    let answer = browser.get(&format!("/api/v1/audit?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

/// Titles of the checks that do not hold.
fn broken(entry: &AuditEntryView) -> Vec<&str> {
    entry
        .checks
        .iter()
        .filter(|check| !check.holds)
        .map(|check| check.title.as_str())
        .collect()
}

async fn tamper(database: &TestDatabase, sql: &str) {
    database
        .as_superuser(&format!(
            "set search_path = quarterdeck;
             alter table audit_events disable trigger all; {sql}; alter table audit_events enable trigger all;"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_tampered_with_does_not_verify() {
    let database = TestDatabase::migrated().await;
    account(&database, "auditor", Role::Auditor).await;
    let at = datetime!(2026-11-24 22:00 UTC);
    let rows: Vec<_> = (0..6)
        .map(|i| {
            event(
                at,
                user("ada"),
                Action::SessionOpened,
                Object::new("session", i),
                Outcome::Succeeded,
            )
        })
        .collect();
    write(&database.pool(), &rows).await;
    let deck = deck(&database).await;
    let browser = deck.signed_in("auditor").await;

    // Row 1 is the account's making.
    for seq in 1..=7 {
        let entry = entry(&browser, seq).await;
        assert!(entry.verifies, "{entry:?}");
        assert_eq!(entry.row.hash, entry.recomputed_hash);
        assert_eq!(entry.previous, seq.checked_sub(1).filter(|seq| *seq > 0));
        assert_eq!(entry.next, Some(seq + 1), "the sign-in came after");
    }
    assert_eq!(entry(&browser, 3).await.row.sentence, "ada signed in");

    tamper(
        &database,
        "update audit_events set canonical = replace(canonical, 'succeeded', 'refused') where seq = 3;
         update audit_events set actor_name = 'mallory' where seq = 5;
         delete from audit_events where seq = 6",
    )
    .await;
    assert_eq!(broken(&entry(&browser, 2).await), [] as [&str; 0]);
    let third = entry(&browser, 3).await;
    assert_eq!(broken(&third), ["Its own hash", "Its search columns"]);
    assert!(!third.verifies && third.row.hash != third.recomputed_hash);
    assert_eq!(broken(&entry(&browser, 4).await), [] as [&str; 0]);
    assert_eq!(
        broken(&entry(&browser, 5).await),
        ["The row after", "Its search columns"]
    );
    assert_eq!(broken(&entry(&browser, 7).await), ["The row before"]);
    let missing = browser.get("/api/v1/audit/6").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert!(missing.body.contains("it was removed"), "{}", missing.body);
    for (path, status) in [
        ("/api/v1/audit/0", StatusCode::NOT_FOUND),
        ("/api/v1/audit/99999", StatusCode::NOT_FOUND),
        ("/api/v1/audit/9223372036854775807", StatusCode::NOT_FOUND),
        ("/api/v1/audit/18446744073709551615", StatusCode::NOT_FOUND),
        ("/api/v1/audit/x", StatusCode::BAD_REQUEST),
        ("/api/v1/audit?outcome=great", StatusCode::BAD_REQUEST),
        ("/api/v1/audit?before=1&after=2", StatusCode::BAD_REQUEST),
        ("/api/v1/audit?before=0", StatusCode::OK),
        ("/api/v1/audit?after=9223372036854775807", StatusCode::OK),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, status, "{path} {}", answer.body);
    }

    // The list marks what is wrong with a row by itself.
    let listed = page(&browser, "limit=500").await;
    let faulty: Vec<u64> = listed
        .rows
        .iter()
        .filter(|row| row.fault.is_some())
        .map(|row| row.seq)
        .collect();
    assert_eq!(faulty, [5, 3]);
    let html = browser.get("/audit").await.body;
    assert_eq!(html.matches("This row does not verify").count(), 2);
    assert!(browser.get("/audit/3").await.body.contains("Does not verify"));
    assert!(browser.get("/audit/4").await.body.contains("Verifies"));
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_search_lead_to_one_another() {
    let database = TestDatabase::migrated().await;
    account(&database, "auditor", Role::Auditor).await;
    let at = datetime!(2026-11-24 22:00 UTC);
    let rows: Vec<_> = (0..25)
        .map(|i| {
            let name = if i % 2 == 0 { "ada" } else { "grace" };
            event(
                at,
                user(name),
                Action::SessionOpened,
                Object::new("session", i),
                Outcome::Succeeded,
            )
        })
        .collect();
    write(&database.pool(), &rows).await;
    let deck = deck(&database).await;
    let browser = deck.signed_in("auditor").await;
    let numbers = |page: &AuditPageView| page.rows.iter().map(|row| row.seq).collect::<Vec<_>>();

    let newest = page(&browser, "actor=ada&limit=5").await;
    assert_eq!((numbers(&newest), newest.newer), (vec![26, 24, 22, 20, 18], None));
    let second = page(
        &browser,
        &format!("actor=ada&limit=5&before={}", newest.older.unwrap()),
    )
    .await;
    assert_eq!(numbers(&second), [16, 14, 12, 10, 8]);
    let last = page(
        &browser,
        &format!("actor=ada&limit=5&before={}", second.older.unwrap()),
    )
    .await;
    assert_eq!((numbers(&last), last.older), (vec![6, 4, 2], None));
    let back = page(
        &browser,
        &format!("actor=ada&limit=5&after={}", last.newer.unwrap()),
    )
    .await;
    assert_eq!(numbers(&back), numbers(&second));
    let again = page(
        &browser,
        &format!("actor=ada&limit=5&after={}", back.newer.unwrap()),
    )
    .await;
    assert_eq!((numbers(&again), again.newer), (numbers(&newest), None));
    assert!(newest.searched_to.is_none());
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_refused_and_that_is_recorded() {
    let database = TestDatabase::migrated().await;
    for (name, role) in [("op", Role::Operator), ("admin", Role::Admin)] {
        account(&database, name, role).await;
    }
    let deck = deck(&database).await;
    let operator = deck.signed_in("op").await;
    for path in [
        "/audit",
        "/audit/1",
        "/api/v1/audit",
        "/api/v1/audit/1",
        "/api/v1/audit/export",
    ] {
        let answer = operator.get(path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(
            answer.body.contains("the role operator does not include it"),
            "{}",
            answer.body
        );
    }
    let admin = deck.signed_in("admin").await;
    let mut refused = Vec::new();
    for _ in 0..100 {
        refused = page(&admin, "action=access.refused").await.rows;
        if refused.len() == 5 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut asked: Vec<_> = refused
        .iter()
        .map(|row| {
            (
                row.object_id.as_str(),
                row.detail["asked_for"].as_str().unwrap(),
                row.actor_name.as_deref(),
            )
        })
        .collect();
    asked.sort_unstable();
    let op = Some("op");
    assert_eq!(
        asked,
        [
            ("audit.export", "/api/v1/audit/export", op),
            ("audit.view", "/api/v1/audit", op),
            ("audit.view", "/api/v1/audit/1", op),
            ("audit.view", "/audit", op),
            ("audit.view", "/audit/1", op),
        ]
    );
    deck.stop().await;
}
