//! `quarterdeck migrate`: bringing the schema forward by hand.

use std::io::Write;

use crate::config::database::DatabaseConfig;
use crate::db;

/// Migrates, grants, and writes what was done to `out`.
///
/// # Errors
/// Why it couldn't be done.
pub async fn run(config: &DatabaseConfig, mut out: impl Write) -> anyhow::Result<()> {
    let done = db::migrate(config).await?;
    match done.applied.as_slice() {
        [] => writeln!(
            out,
            "The schema quarterdeck was at version {} already.",
            done.version
        )?,
        applied => writeln!(
            out,
            "Brought the schema quarterdeck to version {} ({} applied).",
            done.version,
            applied.len()
        )?,
    }
    match done.runtime_role {
        Some(role) => writeln!(
            out,
            "The role {role} has its rights, and none on the audit chain's tables."
        )?,
        None => writeln!(
            out,
            "The console runs as the owner of its schema: give database.owner_url and a role of its own to \
             database.url, so that it can't take the audit log's guards away."
        )?,
    }
    Ok(())
}
