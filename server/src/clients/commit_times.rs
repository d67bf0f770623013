//! When the last transaction in a WAL segment was committed: `pg_waldump` reads it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use quarterdeck_domain::backup::{SegmentName, SegmentSize};
use time::{
    OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};

use uuid::Uuid;

use super::{
    backup_programs::WorkDirectory,
    http_source::excerpt,
    store::{Store, Stored},
    wal_segment::{self, SegmentError},
};

/// Longest time that reading one segment may take.
const LIMIT: Duration = Duration::from_secs(60);
const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond]");

/// Why a commit can't be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitTimeError {
    /// The segment can't be had.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// There is no place for it on this machine.
    #[error("{} can't be used: {reason}", path.display())]
    Local {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// Its content is no WAL, or breaks off in the middle: a recovery would end there.
    #[error("it is damaged: {reason}")]
    Damaged {
        /// What `pg_waldump` says.
        reason: String,
    },
    /// A program can't be run.
    #[error("{program} can't be run ({reason}); set backups.programs to where PostgreSQL's programs are")]
    Program {
        /// Which.
        program: String,
        /// What the operating system says.
        reason: String,
    },
    /// It takes too long.
    #[error("reading it took longer than {} s", LIMIT.as_secs())]
    TimedOut,
}

/// Looks up when the last transaction in a segment was committed.
#[derive(Debug, Clone)]
pub struct CommitTimes {
    waldump: PathBuf,
    directory: PathBuf,
}

impl CommitTimes {
    /// With `pg_waldump` from `programs`, or from the PATH; segments are put into a directory of their own below `directory`.
    #[must_use]
    pub fn new(programs: Option<PathBuf>, directory: PathBuf) -> Self {
        Self {
            waldump: programs.unwrap_or_default().join("pg_waldump"),
            directory,
        }
    }

    /// The time of the last commit in a stored segment; none if there is none in it.
    ///
    /// # Errors
    /// [`CommitTimeError`].
    pub async fn last_in(
        &self,
        store: &Store,
        file: &Stored,
        name: SegmentName,
        size: SegmentSize,
    ) -> Result<Option<OffsetDateTime>, CommitTimeError> {
        let aside =
            WorkDirectory::new(&self.directory, Uuid::from_u128(rand::random())).map_err(|error| {
                CommitTimeError::Local {
                    path: self.directory.clone(),
                    reason: error.to_string(),
                }
            })?;
        let read = async {
            wal_segment::fetch(store, &file.path, aside.path()).await?;
            self.dump(aside.path(), &name.file_name(size)).await
        };
        tokio::time::timeout(LIMIT, read)
            .await
            .map_err(|_| CommitTimeError::TimedOut)?
    }

    async fn dump(&self, directory: &Path, segment: &str) -> Result<Option<OffsetDateTime>, CommitTimeError> {
        let failed = |error: std::io::Error| CommitTimeError::Program {
            program: self.waldump.display().to_string(),
            reason: error.to_string(),
        };
        let mut child = Command::new(&self.waldump)
            .arg("--path")
            .arg(directory)
            .arg("--rmgr=Transaction")
            .args([segment, segment])
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let commits = async {
            let mut last = None;
            if let Some(out) = out {
                let mut lines = BufReader::new(out).lines();
                while let Some(line) = lines.next_line().await? {
                    last = committed_at(&line).or(last);
                }
            }
            Ok::<_, std::io::Error>(last)
        };
        let complaints = async {
            let mut text = Vec::new();
            if let Some(mut err) = err {
                err.read_to_end(&mut text).await?;
            }
            Ok::<_, std::io::Error>(text)
        };
        let (last, complaints) = tokio::try_join!(commits, complaints).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        // A record that goes on in the next segment is no complaint.
        if status.success() {
            return Ok(last);
        }
        Err(CommitTimeError::Damaged {
            reason: excerpt(&complaints),
        })
    }
}

/// The commit that a line tells of.
fn committed_at(line: &str) -> Option<OffsetDateTime> {
    let (_, desc) = line.split_once("desc: COMMIT")?;
    let desc = match desc.strip_prefix("_PREPARED") {
        Some(prepared) => prepared.split_once(": ")?.1,
        None => desc.trim_start(),
    };
    let written = desc.get(..26)?;
    let at = PrimitiveDateTime::parse(written, WRITTEN).ok()?;
    Some(at.assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_commit_is_read_from_its_line() {
        let line = |desc: &str| {
            format!(
                "rmgr: Transaction len (rec/tot): 34/ 34, tx: 727, lsn: 0/04603F88, prev 0/04603D50, desc: {desc}"
            )
        };
        let at = Some(datetime!(2026-11-29 0:23:44.641994 UTC));
        for desc in [
            "COMMIT 2026-11-29 00:23:44.641994 UTC",
            "COMMIT 2026-11-29 00:23:44.641994 UTC; inval msgs: snapshot 2396",
            "COMMIT_PREPARED gid x: 2026-11-29 00:23:44.641994 UTC",
        ] {
            assert_eq!(committed_at(&line(desc)), at, "{desc}");
        }
        assert_eq!(committed_at(&line("ABORT 2026-11-29 00:23:44.641994 UTC")), None);
    }
}
