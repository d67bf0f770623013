//! Taking rows away: what is in the file, and that it is recorded first or not given at all.

use std::io::Cursor;

use quarterdeck::services::audit::verify_export;
use quarterdeck_domain::access::Role;
use quarterdeck_domain::audit::{Action, Actor, Event, Object, Outcome};
use reqwest::StatusCode;
use serde_json::Value;
use time::{Duration, macros::datetime};

use crate::database::TestDatabase;
use crate::deck::account;
use crate::written::{deck, event, user, write_many};

const T: time::OffsetDateTime = datetime!(2026-11-24 22:00 UTC);

/// More than one piece of a file; the names are what a spreadsheet would take for formulas.
fn rows() -> Vec<Event> {
    (0..4_321_i64)
        .map(|i| {
            let actor = if i % 3 == 0 {
                Actor::CommandLine {
                    name: "=cmd|'/c calc'!A1".into(),
                }
            } else {
                user("ada")
            };
            event(
                T + Duration::seconds(i),
                actor,
                Action::SessionOpened,
                Object::new("session", i),
                Outcome::Succeeded,
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_holds_what_fits_and_is_recorded() {
    let database = TestDatabase::migrated().await;
    account(&database, "auditor", Role::Auditor).await;
    write_many(&database.pool(), &rows()).await;
    let deck = deck(&database).await;
    let browser = deck.signed_in("auditor").await;

    // The whole log is the file that the command line verifies, and holds the line about itself.
    let whole = browser.get("/api/v1/audit/export").await;
    assert_eq!(
        (whole.status, whole.content_type.as_str()),
        (StatusCode::OK, "application/jsonl; charset=utf-8")
    );
    let head = verify_export(Cursor::new(&whole.body), None).unwrap();
    let mut lines: Vec<Value> = whole
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.pop().unwrap()["end"]["seq"], head.seq);
    assert_eq!(lines.len() as u64, head.seq);
    let own = &lines.last().unwrap()["event"];
    assert_eq!(
        (&own["action"], &own["actor"]["name"]),
        (&"audit.exported".into(), &"auditor".into())
    );
    assert_eq!(own["object"]["id"], "all");
    assert_eq!(own["detail"]["format"], "jsonl");

    // A selection: exactly the rows, and what was selected.
    let query = "actor=ada&action=session.*&from=2026-11-24T22:10&to=2026-11-24T23:00";
    let part = browser
        .get(&format!("/api/v1/audit/export?format=jsonl&{query}"))
        .await;
    let mut lines: Vec<Value> = part
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().unwrap();
    let expected: Vec<String> = (600..3_600)
        .filter(|i| i % 3 != 0)
        .map(|i| i.to_string())
        .collect();
    let taken: Vec<String> = lines
        .iter()
        .map(|line| line["event"]["object"]["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(taken, expected);
    assert_eq!(last["selection"]["rows"], expected.len());
    assert_eq!(last["selection"]["filter"]["actor"], "ada");
    assert!(
        verify_export(Cursor::new(&part.body), None).is_err(),
        "a selection is no chain"
    );

    // The same as a table.
    let table = browser
        .get(&format!("/api/v1/audit/export?format=csv&{query}"))
        .await;
    assert!(
        table.content_type.starts_with("text/csv"),
        "{}",
        table.content_type
    );
    let mut reader = csv::Reader::from_reader(table.body.as_bytes());
    let names = reader.headers().unwrap().clone();
    let column = |name: &str| names.iter().position(|known| known == name).unwrap();
    let (object, sentence) = (column("object_id"), column("sentence"));
    let read: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(
        read.iter().map(|row| row[object].to_owned()).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(&read[0][sentence], "ada signed in");
    assert_eq!(read[0][column("recorded_at")], *"2026-11-24T22:10:01Z");
    let all = browser
        .get("/api/v1/audit/export?format=csv&actor_kind=command_line")
        .await
        .body;
    let mut reader = csv::Reader::from_reader(all.as_bytes());
    for row in reader.records() {
        for cell in row.unwrap().iter() {
            assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
        }
    }

    let page = browser.get("/api/v1/audit?action=audit.exported").await.body;
    let page: Value = serde_json::from_str(&page).unwrap();
    let details: Vec<&Value> = page["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["detail"])
        .collect();
    assert_eq!(details.len(), 4);
    assert_eq!(
        (&details[1]["format"], &details[1]["filter_actor"]),
        (&"csv".into(), &"ada".into())
    );
    assert_eq!(details[1]["filter_from"], "2026-11-24T22:10:00");
    let nonsense = browser.get("/api/v1/audit/export?format=xlsx").await;
    assert_eq!(nonsense.status, StatusCode::BAD_REQUEST);
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_exported() {
    let database = TestDatabase::migrated().await;
    account(&database, "auditor", Role::Auditor).await;
    let deck = deck(&database).await;
    let browser = deck.signed_in("auditor").await;
    assert_eq!(browser.get("/api/v1/audit/export").await.status, StatusCode::OK);
    // The log can be read and takes nothing more.
    database
        .as_superuser(
            "alter table quarterdeck.audit_intake add constraint full_disk check (canonical = '')  not valid",
        )
        .await;
    assert_eq!(browser.get("/api/v1/audit").await.status, StatusCode::OK);
    let refused = browser.get("/api/v1/audit/export?format=csv").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.content_type, "application/problem+json");
    assert!(refused.body.contains("Nothing was exported"), "{}", refused.body);
    assert!(!refused.body.contains("session.opened"));
    deck.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_no_json_is_exported_too() {
    let database = TestDatabase::migrated().await;
    account(&database, "auditor", Role::Auditor).await;
    database
        .as_superuser(
            "alter table quarterdeck.audit_events disable trigger all;
             update quarterdeck.audit_events set canonical = 'gone' where seq = 1",
        )
        .await;
    let deck = deck(&database).await;
    let browser = deck.signed_in("auditor").await;
    let file = browser.get("/api/v1/audit/export").await.body;
    assert!(
        file.lines().next().unwrap().contains(r#""not_json":"gone""#),
        "{file}"
    );
    assert!(verify_export(Cursor::new(&file), None).is_err());
    deck.stop().await;
}
