//! A stored WAL segment, brought to this machine as PostgreSQL wants it: under its own name, and not compressed.

use std::{path::Path, process::Stdio, sync::atomic::AtomicU64};

use tokio::process::Command;

use super::{
    http_source::excerpt,
    store::{Store, StoreError},
};

/// Why a segment can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it gives can't be unpacked.
    #[error("{path} can't be unpacked: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What the program says.
        reason: String,
    },
    /// The program that unpacks it can't be run.
    #[error(
        "{program} can't be run ({reason}): it is needed for {path}; install it on the console's machine"
    )]
    Program {
        /// Which.
        program: &'static str,
        /// What the operating system says.
        reason: String,
        /// The file.
        path: String,
    },
}

/// The name of a file without the ending of a compression, and the program that takes that away.
#[must_use]
pub fn uncompressed(name: &str) -> (&str, Option<&'static str>) {
    [(".gz", "gzip"), (".zst", "zstd"), (".lz4", "lz4")]
        .into_iter()
        .find_map(|(ending, program)| Some((name.strip_suffix(ending)?, Some(program))))
        .unwrap_or((name, None))
}

/// Brings the stored file at `path` into `directory`. Answers with the bytes that came.
///
/// # Errors
/// [`SegmentError`].
pub async fn fetch(store: &Store, path: &str, directory: &Path) -> Result<u64, SegmentError> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let local = directory.join(name);
    let fetched = store.fetch(path, &local, &AtomicU64::new(0)).await?;
    let (_, Some(program)) = uncompressed(name) else {
        return Ok(fetched.bytes);
    };
    let done = Command::new(program)
        .args(["-d", "-q", "-f"])
        .arg(&local)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| SegmentError::Program {
            program,
            reason: error.to_string(),
            path: path.to_owned(),
        })?;
    if done.status.success() {
        // gzip takes the compressed file away itself, the others don't.
        let _ = tokio::fs::remove_file(&local).await;
        Ok(fetched.bytes)
    } else {
        Err(SegmentError::Damaged {
            path: path.to_owned(),
            reason: excerpt(&done.stderr),
        })
    }
}
