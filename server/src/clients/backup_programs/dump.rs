//! `pg_dump -Fc`, of one snapshot of which the figures are taken too.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use quarterdeck_domain::backup::Source;
use sqlx::Connection;
use time::OffsetDateTime;
use tokio::io::AsyncReadExt;

use super::{BackupError, Job, Target, figures::figures, while_watching};
use crate::config::backups::FiguresTaken;

/// What a dump in custom format begins with.
const MAGIC: &[u8] = b"PGDMP";

/// Dumps the database into the job's directory, reads the dump to its end, and gives back the file and what it is a dump of.
///
/// # Errors
/// [`BackupError`].
pub async fn take_dump(
    job: &Job,
    target: &Target,
    database: &str,
    taken: FiguresTaken,
) -> Result<(PathBuf, Source), BackupError> {
    job.progress.phase("taking a snapshot");
    let failed = |error| target.error(error);
    let mut connection = job.within(target.connect()).await?;
    let server = job.within(target.server(&mut connection)).await?;
    let file = job.directory.join("dump");
    let begun = async {
        sqlx::raw_sql("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut connection)
            .await
            .map_err(failed)?;
        // What was committed before the statement came in is in the snapshot.
        let snapshot: (String, OffsetDateTime) =
            sqlx::query_as("SELECT pg_export_snapshot(), statement_timestamp()")
                .fetch_one(&mut connection)
                .await
                .map_err(failed)?;
        Ok(snapshot)
    };
    let (snapshot, snapshot_at) = job.within(begun).await?;

    job.progress.phase("dumping, and counting the rows");
    let file_text = file.display().to_string();
    let snapshot = format!("--snapshot={snapshot}");
    let arguments = [
        "--format=custom",
        "--no-password",
        "--verbose",
        "--lock-wait-timeout=60s",
        &snapshot,
        "--file",
        &file_text,
        "--dbname",
        target.address(),
    ];
    let dump = job.postgres_program("pg_dump", &arguments, target.ending_environment(&server));
    let counted = job.within(async {
        let on = |table: &str| job.progress.line(&format!("counting the rows of {table}"));
        figures(&mut connection, taken, &on).await.map_err(failed)
    });
    let (_, tables) = while_watching(async { tokio::try_join!(dump, counted) }, || async {
        if let Ok(meta) = tokio::fs::metadata(&file).await {
            job.progress.done.store(meta.len(), Ordering::Relaxed);
        }
    })
    .await?;
    // The snapshot was needed until here; the dump does not depend on how its holder goes.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(2), connection.close()).await;
    check_dump(job, &file).await?;
    let source = Source::Database {
        server,
        database: database.to_owned(),
        snapshot_at,
        tables,
    };
    Ok((file, source))
}

/// Reads a dump to its end, as a restore would.
///
/// # Errors
/// [`BackupError`]; [`BackupError::blames_content`] tells whether the dump is at fault.
pub async fn check_dump(job: &Job, file: &Path) -> Result<(), BackupError> {
    job.progress.phase("reading the dump to its end");
    let mut start = Vec::new();
    let opened = tokio::fs::File::open(file).await.map_err(job.disk(file))?;
    opened
        .take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .await
        .map_err(job.disk(file))?;
    if start.is_empty() {
        let what = "The dump is empty".to_owned();
        return Err(BackupError::Damaged { what });
    }
    if start != MAGIC {
        let what = "The file is no dump in custom format: it does not begin with PGDMP".to_owned();
        return Err(BackupError::Damaged { what });
    }
    let file = file.display().to_string();
    let arguments = ["--file=/dev/null", "--format=custom", &file];
    job.postgres_program("pg_restore", &arguments, BTreeMap::new())
        .await
        .map(drop)
}
