//! The log as a file, by way of the command line.

use quarterdeck::cli::audit::{AuditCommand, run};
use quarterdeck::services::audit::append;
use quarterdeck_domain::audit::Head;

use crate::database::TestDatabase;
use crate::events::event;

struct Exported {
    database: TestDatabase,
    text: String,
}

async fn exported(rows: usize) -> Exported {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let mut transaction = pool.begin().await.unwrap();
    for n in 0..rows {
        append(&mut transaction, &event(&format!("s{n}"))).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let mut out = Vec::new();
    run(AuditCommand::Export { file: None }, &database.config(), &mut out)
        .await
        .unwrap();
    Exported {
        database,
        text: String::from_utf8(out).unwrap(),
    }
}

async fn verify(exported: &Exported, text: &str, expect_head: Option<Head>) -> Result<String, String> {
    let path = std::env::temp_dir().join(format!(
        "quarterdeck-export-{}-{:?}.jsonl",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&path, text).unwrap();
    let mut out = Vec::new();
    let command = AuditCommand::Verify {
        export: Some(path.clone()),
        expect_head,
    };
    assert!(command.is_offline());
    let result = run(command, &exported.database.config(), &mut out).await;
    std::fs::remove_file(path).unwrap();
    result
        .map(|()| String::from_utf8(out).unwrap())
        .map_err(|error| format!("{error:#}"))
}

fn head_in(text: &str) -> Head {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Head: "))
        .expect("a head");
    line.parse().unwrap()
}

#[tokio::test]
async fn an_export_verifies_offline_and_names_the_same_head_as_the_database() {
    let exported = exported(2_500).await;
    assert_eq!(
        exported.text.lines().count(),
        2_502,
        "the rows, the export's own, and the end"
    );
    let offline = verify(&exported, &exported.text, None).await.unwrap();
    let mut online = Vec::new();
    let command = AuditCommand::Verify {
        export: None,
        expect_head: Some(head_in(&offline)),
    };
    run(command, &exported.database.config(), &mut online)
        .await
        .unwrap();
    assert_eq!(head_in(&offline), head_in(&String::from_utf8(online).unwrap()));
    assert!(
        exported.text.contains("audit.exported"),
        "the export itself is on record"
    );
}

#[tokio::test]
async fn what_was_done_to_an_export_is_named() {
    let exported = exported(5).await;
    let lines: Vec<&str> = exported.text.lines().collect();

    let changed = exported.text.replacen("\"id\":\"s2\"", "\"id\":\"s9\"", 1);
    let error = verify(&exported, &changed, None).await.unwrap_err();
    assert!(
        error.contains("row 3") && error.contains("does not fit its text"),
        "{error}"
    );

    let without = [&lines[..1], &lines[2..]].concat().join("\n");
    let error = verify(&exported, &without, None).await.unwrap_err();
    assert!(error.contains("row 2 should stand here"), "{error}");

    let broken_off = lines[..4].join("\n");
    let error = verify(&exported, &broken_off, None).await.unwrap_err();
    assert!(error.contains("breaks off after row 4"), "{error}");

    let joined = format!("{}{}", exported.text, lines[0]);
    let error = verify(&exported, &joined, None).await.unwrap_err();
    assert!(error.contains("comes after its end"), "{error}");
}

#[tokio::test]
async fn a_head_kept_elsewhere_tells_an_export_of_another_log() {
    let one = exported(3).await;
    let other = exported(3).await;
    let kept = head_in(&verify(&one, &one.text, None).await.unwrap());
    let error = verify(&other, &other.text, Some(kept)).await.unwrap_err();
    assert!(
        error.contains("row 4") && error.contains("kept elsewhere"),
        "{error}"
    );
}

#[tokio::test]
async fn a_tampered_log_is_exported_to_its_end_and_said_to_be_bad() {
    let exported = exported(4).await;
    exported
        .database
        .as_superuser(
            "alter table quarterdeck.audit_events disable trigger all;
             update quarterdeck.audit_events set canonical = replace(canonical, 's1', 'sX') where seq = 2",
        )
        .await;
    let mut out = Vec::new();
    let error = run(
        AuditCommand::Export { file: None },
        &exported.database.config(),
        &mut out,
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("row 2"), "{error}");
    assert_eq!(
        String::from_utf8(out).unwrap().lines().count(),
        4 + 2 + 1,
        "it is evidence: all of it"
    );
    let mut online = Vec::new();
    let command = AuditCommand::Verify {
        export: None,
        expect_head: None,
    };
    let error = run(command, &exported.database.config(), &mut online)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("row 2"), "{error}");
}
