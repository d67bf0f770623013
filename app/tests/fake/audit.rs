//! The fake's audit log: nine rows, of which the fourth was tampered with.

use quarterdeck_app::{
    error::ConsoleError,
    view::audit::{AuditCheckView, AuditEntryView, AuditPageView, AuditRowView, SearchedToView},
};
use quarterdeck_domain::{
    access::{Permission, Subject, decide},
    audit::{Position, Search},
};

use super::{FakeConsole, Scenario};

/// Sentence, kind and name of the actor, action, kind and id of the object, outcome.
type Row = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const ROWS: [Row; 9] = [
    (
        "The console started using the signing key 0d5b",
        "system",
        None,
        "signing_key.rotated",
        "signing_key",
        "0d5b",
        "succeeded",
    ),
    (
        "root (command line) made the account ada with the role operator",
        "command_line",
        Some("cli:root"),
        "account.created",
        "account",
        "ada",
        "succeeded",
    ),
    (
        "Somebody who was not signed in was not allowed to sign in as ada: wrong password",
        "anonymous",
        None,
        "session.refused",
        "account",
        "ada",
        "refused",
    ),
    (
        "ada signed in",
        "user",
        Some("ada"),
        "session.opened",
        "session",
        "01993d5e-8a4c-7bb2-9a55-1f0a3c7d9e10",
        "succeeded",
    ),
    (
        "ada was not allowed to use /audit (permission audit.view)",
        "user",
        Some("ada"),
        "access.refused",
        "permission",
        "audit.view",
        "refused",
    ),
    (
        "grace changed the role of ada from operator to viewer",
        "user",
        Some("grace"),
        "account.role_changed",
        "account",
        "ada",
        "succeeded",
    ),
    (
        "ada was not allowed to use a_path/that/goes/on/and/on/without/a/place/to/break/it/<b>bold</b>",
        "user",
        Some("ada"),
        "access.refused",
        "request",
        "/a_path/that/goes/on/and/on/without/a/place/to/break/it/<b>bold</b>",
        "refused",
    ),
    (
        "alan exported a part of the audit log",
        "user",
        Some("alan"),
        "audit.exported",
        "audit_log",
        "selection",
        "failed",
    ),
    (
        "ada signed out",
        "user",
        Some("ada"),
        "session.closed",
        "session",
        "01993d5e-8a4c-7bb2-9a55-1f0a3c7d9e10",
        "succeeded",
    ),
];

/// As the console refuses it.
fn allow(subject: &Subject) -> Result<(), ConsoleError> {
    if decide(subject, Permission::ViewAudit).is_allowed() {
        return Ok(());
    }
    Err(ConsoleError::Refused(format!(
        "This is not allowed (audit.view): the role {} does not include it.",
        subject.role
    )))
}

fn row(console: &FakeConsole, i: usize) -> AuditRowView {
    let (sentence, kind, name, action, object_kind, object_id, outcome) = ROWS[i];
    let seq = i as u64 + 1;
    let mut detail = serde_json::Map::new();
    detail.insert(
        "user_agent".into(),
        "Mozilla/5.0 <script>alert(1)</script>".into(),
    );
    detail.insert("sessions_ended".into(), 2.into());
    AuditRowView {
        seq,
        at_ms: console.now_ms - 1_000 * 731 * (ROWS.len() - i) as i64,
        sentence: sentence.into(),
        actor_kind: kind.into(),
        actor_id: name.map(|_| "01993d5e-0000-7000-8000-000000000001".into()),
        actor_name: name.map(Into::into),
        action: action.into(),
        object_kind: object_kind.into(),
        object_id: object_id.into(),
        outcome: outcome.into(),
        source: Some("2001:db8:85a3::8a2e:370:7334".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        detail,
        prev_hash: format!("{:064x}", seq * 7_919),
        hash: format!("{:064x}", (seq + 1) * 7_919),
        fault: (seq == 4).then(|| "Its hash does not fit its text.".into()),
    }
}

pub fn page(
    console: &FakeConsole,
    subject: &Subject,
    search: &Search,
) -> Result<AuditPageView, ConsoleError> {
    allow(subject)?;
    let filter = &search.filter;
    let all = (0..ROWS.len()).rev().map(|i| row(console, i));
    let fits = |row: &AuditRowView| {
        filter
            .actor
            .as_ref()
            .is_none_or(|name| row.actor_name.as_ref() == Some(name))
            && filter
                .outcome
                .is_none_or(|outcome| outcome.as_str() == row.outcome)
    };
    let rows = match console.scenario {
        Scenario::Fresh => vec![],
        Scenario::Calm | Scenario::Mixed | Scenario::Blind | Scenario::Storm | Scenario::Old => {
            all.filter(fits).collect()
        }
    };
    let searching = console.scenario == Scenario::Storm;
    Ok(AuditPageView {
        rows,
        older: searching.then_some(1_234_567),
        newer: (search.position != Position::Newest).then_some(9),
        searched_to: searching.then_some(SearchedToView {
            seq: 1_234_567,
            at_ms: Some(console.now_ms - 86_400_000),
        }),
    })
}

pub fn entry(console: &FakeConsole, subject: &Subject, seq: u64) -> Result<AuditEntryView, ConsoleError> {
    allow(subject)?;
    let i = usize::try_from(seq)
        .ok()
        .and_then(|seq| seq.checked_sub(1))
        .filter(|i| *i < ROWS.len())
        .ok_or_else(|| ConsoleError::NotFound(format!("There is no row {seq} in the audit log.")))?;
    let row = row(console, i);
    let sound = row.fault.is_none();
    let check = |title: &str, holds: bool, text: &str| AuditCheckView {
        title: title.into(),
        holds,
        text: text.into(),
    };
    Ok(AuditEntryView {
        canonical: format!("{{\"action\":\"{}\",\"v\":1}}", row.action),
        recomputed_hash: if sound { row.hash.clone() } else { "ab".repeat(32) },
        verifies: sound,
        checks: vec![
            check(
                "Its own hash",
                sound,
                if sound {
                    "Made anew, it is the same."
                } else {
                    "Its hash does not fit its text."
                },
            ),
            check("The row before", true, "It builds on the hash of the row before."),
        ],
        previous: seq.checked_sub(1).filter(|seq| *seq > 0),
        next: (seq < 9).then_some(seq + 1),
        newest: 9,
        row,
    })
}
