//! The page of one run, and that of one copy.

use quarterdeck_app::{
    size::bytes,
    view::backup::{CopyFileView, CopyPageView, DrillView, RunPageView, VerificationView},
};
use quarterdeck_domain::backup::{Manifest, Server, Source, drill::Check};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{
    views::{self, run},
    watch::{BackupWatch, Look},
};
use crate::{
    clock::unix_ms,
    db::{
        DbError,
        backups::{
            drills::{self, DrillRow},
            runs::{self, RunRow},
            verifications::{self, Finding, VerificationRow},
        },
    },
};

/// What is usual is seen over this time.
const USUAL: Duration = Duration::weeks(5);
/// So many runs are looked at for it.
const RUNS: i64 = 4_000;

impl BackupWatch {
    /// A run with all that is known of it; none if there is none of that id.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn run_page(&self, id: Uuid, now: OffsetDateTime) -> Result<Option<RunPageView>, DbError> {
        let Some(row) = runs::by_id(self.pool(), id).await? else {
            return Ok(None);
        };
        let copy = match &row.backup {
            Some(name) => self.copy_page(name).await?,
            None => None,
        };
        let before = runs::recent(self.pool(), now - USUAL, RUNS).await?;
        Ok(Some(RunPageView {
            read_at_ms: unix_ms(now),
            run: run(&row, now),
            usual_ms: usual_ms(&row, &before),
            log: row.log,
            copy,
        }))
    }

    /// A copy with all that is known of it; none if none of that name is kept.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn copy_page(&self, name: &str) -> Result<Option<CopyPageView>, DbError> {
        let look = self.looked().await;
        let Some(copy) = views::copies(&look).into_iter().find(|copy| copy.name == name) else {
            return Ok(None);
        };
        let manifest = manifest_of(&look, name);
        let run = match manifest {
            Some(manifest) => runs::by_id(self.pool(), manifest.run_id).await?,
            None => None,
        };
        let (verifications, drills) = tokio::try_join!(
            verifications::of(self.pool(), name),
            drills::of(self.pool(), name)
        )?;
        Ok(Some(CopyPageView {
            copy,
            place: self.store().place().to_owned(),
            run: run.map(|run| run.id.to_string()),
            facts: manifest.map_or_else(Vec::new, |manifest| facts(&manifest.source)),
            files: manifest.map_or_else(Vec::new, |manifest| {
                let files = manifest.files.iter().map(|file| CopyFileView {
                    path: file.path.clone(),
                    bytes: file.bytes,
                    sha256: file.sha256.clone(),
                });
                files.collect()
            }),
            verifications: verifications.iter().map(verification).collect(),
            drills: drills.iter().map(drill).collect(),
        }))
    }
}

fn manifest_of<'a>(look: &'a Look, name: &str) -> Option<&'a Manifest> {
    let inventory = look.inventory.as_ref().ok()?;
    let copy = inventory.copies.iter().find(|copy| copy.name == name)?;
    copy.manifest.as_ref()
}

/// The median of the other runs that succeeded.
fn usual_ms(row: &RunRow, before: &[RunRow]) -> Option<i64> {
    let others = before
        .iter()
        .filter(|other| other.method == row.method && other.state == "succeeded" && other.id != row.id);
    let mut took: Vec<i64> = others
        .filter_map(|other| Some(unix_ms(other.ended_at?) - unix_ms(other.began_at)))
        .collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied()
}

fn fact(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn server_words(server: &Server) -> (String, String) {
    let (major, minor) = (server.version_num / 10_000, server.version_num % 10_000);
    fact("Server", format!("{}, PostgreSQL {major}.{minor}", server.node))
}

/// What a copy is of, name and value.
fn facts(source: &Source) -> Vec<(String, String)> {
    match source {
        Source::Database {
            server,
            database,
            tables,
            ..
        } => {
            let rows: i64 = tables.iter().map(|table| table.rows).sum();
            vec![
                server_words(server),
                fact(
                    "Database",
                    format!("{database}, {} tables, {rows} rows", tables.len()),
                ),
            ]
        }
        Source::Cluster {
            server,
            timeline,
            start,
            stop,
            unpacked_bytes,
            ..
        } => {
            let mut facts = vec![
                server_words(server),
                fact("Timeline", timeline.to_string()),
                fact("WAL that it needs", format!("{start} to {stop}")),
            ];
            facts.extend(unpacked_bytes.map(|unpacked| fact("Unpacked", bytes(unpacked))));
            facts
        }
        Source::Redis { version, keys, .. } => vec![
            fact("Server", format!("Redis {version}")),
            fact("Keys", keys.to_string()),
        ],
    }
}

/// Who wanted something, in words.
fn by(asked_by: Option<&String>) -> String {
    asked_by.map_or_else(|| "schedule".to_owned(), Clone::clone)
}

fn verification(row: &VerificationRow) -> VerificationView {
    let words = |finding: &Finding| match &finding.wrong {
        Some(wrong) => format!("{}: {wrong}", finding.check),
        None => format!("{}: as it should be", finding.check),
    };
    VerificationView {
        began_at_ms: unix_ms(row.began_at),
        ended_at_ms: unix_ms(row.ended_at),
        by: by(row.asked_by.as_ref()),
        condition: row.condition.clone(),
        findings: row.findings.0.iter().map(words).collect(),
    }
}

/// A drill, as pages show it.
pub(super) fn drill(row: &DrillRow) -> DrillView {
    let words = |check: &Check| {
        if check.passed {
            format!("{}: {}, as it should be", check.name, check.found)
        } else {
            format!("{}: {} instead of {}", check.name, check.found, check.expected)
        }
    };
    let steps = row.steps.0.iter().map(|step| {
        let took_ms = i64::try_from(step.took_ms).unwrap_or(i64::MAX);
        (step.step.label().to_owned(), took_ms)
    });
    DrillView {
        id: row.id.to_string(),
        backup: row.backup.clone(),
        began_at_ms: unix_ms(row.began_at),
        ended_at_ms: row.ended_at.map(unix_ms),
        by: by(row.asked_by.as_ref()),
        state: row.state.clone(),
        target_at_ms: row.target_at.map(unix_ms),
        steps: steps.collect(),
        checks: row.checks.0.iter().map(words).collect(),
        error: row.error.clone(),
        cancelling: row.cancel_asked_by.is_some(),
    }
}
