//! `pg_basebackup` in tar format, and its verification: it is unpacked and held against its own manifest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use quarterdeck_domain::{
    backup::{Source, Timeline},
    cluster::Lsn,
};
use serde::Deserialize;
use sqlx::Row;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{BackupError, Job, Target, while_watching};

/// The file in which `pg_basebackup` notes what it has copied.
pub const MANIFEST: &str = "backup_manifest";

/// Of `backup_manifest`, what is needed here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BackupManifest {
    files: Vec<CopiedFile>,
    #[serde(rename = "WAL-Ranges")]
    wal_ranges: Vec<WalRange>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CopiedFile {
    size: u64,
}

#[derive(Debug, Deserialize)]
struct WalRange {
    #[serde(rename = "Timeline")]
    timeline: Timeline,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

const PROGRESS: &str = "
    SELECT phase, backup_streamed, backup_total FROM pg_stat_progress_basebackup
     WHERE pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = $1) LIMIT 1";

/// Takes a base backup into a directory of the job's, unpacks it beside and verifies it, and gives back its files and what it is a
/// backup of. `max_rate_kb` limits what it takes from the server.
///
/// # Errors
/// [`BackupError`].
pub async fn take_base(
    job: &Job,
    target: &Target,
    label: &str,
    max_rate_kb: Option<u32>,
) -> Result<(Vec<PathBuf>, Source), BackupError> {
    job.progress.phase("asking the server");
    let mut connection = job.within(target.connect()).await?;
    let server = job.within(target.server(&mut connection)).await?;
    let size = job
        .within(async {
            sqlx::query_scalar::<_, i64>(
                "SELECT coalesce(sum(pg_database_size(oid)), 0)::bigint FROM pg_database",
            )
            .fetch_one(&mut connection)
            .await
            .map_err(|error| target.error(error))
        })
        .await?;
    room(job, size.unsigned_abs())?;

    job.progress.phase("taking the base backup");
    let packed = job.directory.join("base");
    let packed_text = packed.display().to_string();
    let (label_argument, rate) = (
        format!("--label={label}"),
        max_rate_kb.map(|rate| format!("--max-rate={rate}k")),
    );
    let mut arguments = vec![
        "--format=tar",
        "--wal-method=stream",
        "--gzip",
        "--checkpoint=fast",
        "--no-password",
        "--progress",
        "--verbose",
        &label_argument,
        "--pgdata",
        &packed_text,
        "--dbname",
        target.address(),
    ];
    arguments.extend(rate.as_deref());
    let mut environment = target.environment();
    environment.insert("PGAPPNAME".to_owned(), label.into());
    let taking = job.postgres_program("pg_basebackup", &arguments, environment);
    let watching = Mutex::new(connection);
    while_watching(taking, || async {
        // What can't be seen of it is no reason to end it.
        let seen = sqlx::query(PROGRESS)
            .bind(label)
            .fetch_optional(&mut *watching.lock().await)
            .await;
        if let Ok(Some(row)) = seen {
            let bytes = |column| row.try_get::<Option<i64>, _>(column).ok().flatten().unwrap_or(0);
            if let Ok(phase) = row.try_get::<String, _>("phase") {
                job.progress.phase(&format!("taking the base backup: {phase}"));
            }
            job.progress.total(bytes("backup_total").unsigned_abs());
            job.progress
                .done
                .store(bytes("backup_streamed").unsigned_abs(), Ordering::Relaxed);
        }
    })
    .await?;
    // By the clock that commits are written with, and rather too late than too early.
    let consistent_at: OffsetDateTime = job
        .within(async {
            sqlx::query_scalar("SELECT clock_timestamp()")
                .fetch_one(&mut *watching.lock().await)
                .await
                .map_err(|error| target.error(error))
        })
        .await?;

    let (unpacked_bytes, ranges) = check(job, &packed).await?;
    let position = |text: &str| {
        text.parse::<Lsn>().map_err(|_| BackupError::Damaged {
            what: format!("backup_manifest names {text:?} where a position should be"),
        })
    };
    let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else {
        let what = "backup_manifest names no WAL".to_owned();
        return Err(BackupError::Damaged { what });
    };
    let source = Source::Cluster {
        server,
        timeline: last.timeline,
        start: position(&first.start)?,
        stop: position(&last.end)?,
        consistent_at,
        unpacked_bytes: Some(unpacked_bytes),
    };
    let mut files = Vec::new();
    let mut entries = tokio::fs::read_dir(&packed).await.map_err(job.disk(&packed))?;
    while let Some(entry) = entries.next_entry().await.map_err(job.disk(&packed))? {
        files.push(entry.path());
    }
    files.sort();
    Ok((files, source))
}

/// Unpacks a base backup beside its files and holds it against its manifest, WAL included, with `pg_verifybackup`. What was
/// unpacked is removed. Gives back its unpacked size, and the WAL that belongs to it.
async fn check(job: &Job, packed: &Path) -> Result<(u64, Vec<WalRange>), BackupError> {
    let manifest_file = packed.join(MANIFEST);
    let text = match tokio::fs::read(&manifest_file).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what = "The base backup has no backup_manifest".to_owned();
            return Err(BackupError::Damaged { what });
        }
        Err(error) => return Err(job.disk(&manifest_file)(error)),
    };
    let manifest: BackupManifest = serde_json::from_slice(&text).map_err(|error| BackupError::Damaged {
        what: format!("backup_manifest can't be read: {error}"),
    })?;
    let bytes = manifest.files.iter().map(|file| file.size).sum();
    room(job, bytes)?;

    let unpacked = job.directory.join("unpacked");
    job.progress.phase("unpacking the base backup");
    let mut entries = tokio::fs::read_dir(packed).await.map_err(job.disk(packed))?;
    let mut archives = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(job.disk(packed))? {
        archives.push(entry.path());
    }
    // `base` first: it has the directories into which the others go.
    archives.sort_by_key(|path| name_of(path) != "base.tar.gz");
    if !archives.iter().any(|path| name_of(path) == "base.tar.gz") {
        let what = "The base backup has no base.tar.gz".to_owned();
        return Err(BackupError::Damaged { what });
    }
    for archive in &archives {
        let name = name_of(archive);
        let into = match name.strip_suffix(".tar.gz") {
            Some("base") => unpacked.clone(),
            Some("pg_wal") => unpacked.join("pg_wal"),
            Some(tablespace) if tablespace.bytes().all(|byte| byte.is_ascii_digit()) => {
                unpacked.join("pg_tblspc").join(tablespace)
            }
            Some(_) | None if name == MANIFEST => continue,
            Some(_) | None => {
                let what = format!("{name} is no file of a base backup");
                return Err(BackupError::Damaged { what });
            }
        };
        tokio::fs::create_dir_all(&into).await.map_err(job.disk(&into))?;
        let (archive, into) = (archive.display().to_string(), into.display().to_string());
        // By itself: `tar` is done at the end of the archive, and may not hear what is wrong with the checksum after it.
        job.program("gzip", &["--test", &archive], BTreeMap::new())
            .await?;
        let arguments = [
            "--extract",
            "--gzip",
            "--file",
            &archive,
            "--directory",
            &into,
            "--no-same-owner",
        ];
        job.program("tar", &arguments, BTreeMap::new()).await?;
    }
    let beside = unpacked.join(MANIFEST);
    tokio::fs::copy(&manifest_file, &beside)
        .await
        .map_err(job.disk(&beside))?;
    job.progress.phase("verifying the base backup");
    let unpacked_text = unpacked.display().to_string();
    job.postgres_program("pg_verifybackup", &[&unpacked_text], BTreeMap::new())
        .await?;
    tokio::fs::remove_dir_all(&unpacked)
        .await
        .map_err(job.disk(&unpacked))?;
    Ok((bytes, manifest.wal_ranges))
}

/// Unpacks a base backup, whose files are in `packed`, in the job's directory and verifies it with `pg_verifybackup`.
///
/// # Errors
/// [`BackupError`]; [`BackupError::blames_content`] tells whether the backup is at fault.
pub async fn check_base(job: &Job, packed: &Path) -> Result<u64, BackupError> {
    check(job, packed).await.map(|(bytes, _)| bytes)
}

fn name_of(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Refuses to begin what could not end for want of room.
fn room(job: &Job, needed: u64) -> Result<(), BackupError> {
    let disk = rustix::fs::statvfs(&job.directory).map_err(|error| job.disk(&job.directory)(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(BackupError::NoRoom {
            path: job.directory.display().to_string(),
            free,
            needed,
        });
    }
    Ok(())
}
