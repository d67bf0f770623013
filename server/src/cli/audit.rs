//! `quarterdeck audit`: verifying and exporting the audit log.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use quarterdeck_domain::audit::{Action, Detail, Head, Object, Outcome};
use sqlx::Connection;

use super::user::operator;
use crate::clock::SystemClock;
use crate::config::database::DatabaseConfig;
use crate::db::{self, DbError};
use crate::entropy::SystemEntropy;
use crate::services::audit::{self, EventMaker, Origin};

/// What to do with the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Walk the chain and name the first bad row. Prints the head: keep it elsewhere, for --expect-head.
    Verify {
        /// Verify this export, without any database, instead of the log itself.
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
        /// A head (NUMBER:HASH) that was printed before: shows whether the log was rewritten or cut off since.
        #[arg(long, value_name = "NUMBER:HASH")]
        expect_head: Option<Head>,
    },
    /// Write the whole log as JSON Lines, which `verify --export` can check anywhere.
    Export {
        /// The file to write; standard output if not given.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

impl AuditCommand {
    /// Whether it needs no database, and so no configuration.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Verify { export, .. } => export.is_some(),
            Self::Export { .. } => false,
        }
    }
}

/// Carries a command out and writes what it found to `out`.
///
/// # Errors
/// The first bad row and what is wrong with it, or what else went wrong. The process then ends with exit code 1.
pub async fn run(command: AuditCommand, config: &DatabaseConfig, mut out: impl Write) -> anyhow::Result<()> {
    match command {
        AuditCommand::Verify {
            export: Some(path),
            expect_head,
        } => {
            let file = File::open(&path).with_context(|| format!("{} can't be opened", path.display()))?;
            let head = audit::verify_export(BufReader::new(file), expect_head)?;
            writeln!(out, "The export is whole and unchanged: {} rows.", head.seq)?;
            writeln!(out, "Head: {head}")?;
        }
        AuditCommand::Verify {
            export: None,
            expect_head,
        } => {
            let mut connection = db::owner_connection(config).await?;
            let head = audit::verify_database(&mut connection, expect_head).await?;
            writeln!(out, "The audit log is whole and unchanged: {} rows.", head.seq)?;
            writeln!(out, "Head: {head}")?;
        }
        AuditCommand::Export { file } => {
            let mut connection = db::owner_connection(config).await?;
            let target = file
                .as_ref()
                .map_or("standard output".into(), |path| path.display().to_string());
            // Recorded first, so that the export holds the line about itself.
            let maker = EventMaker::new(Arc::new(SystemClock), Arc::new(SystemEntropy));
            let event = maker.event(
                &Origin::default(),
                operator(),
                Action::AuditExported,
                Object::new("audit_log", "all"),
                Outcome::Succeeded,
                Detail::none().with("file", target),
            );
            let mut transaction = connection.begin().await.map_err(DbError::from)?;
            audit::append(&mut transaction, &event).await?;
            transaction.commit().await.map_err(DbError::from)?;
            match file {
                Some(path) => {
                    let file =
                        File::create(&path).with_context(|| format!("{} can't be made", path.display()))?;
                    let head = audit::export(&mut connection, BufWriter::new(file)).await?;
                    writeln!(out, "Wrote {} rows to {}.", head.seq, path.display())?;
                    writeln!(out, "Head: {head}")?;
                }
                None => {
                    audit::export(&mut connection, BufWriter::new(out)).await?;
                }
            }
        }
    }
    Ok(())
}
