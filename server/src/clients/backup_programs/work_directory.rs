//! Directories in which backups are made and unpacked, and what dead consoles have left there.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

/// What the names begin with.
const PREFIX: &str = "quarterdeck-work-";
/// Held by whoever makes such a directory, so that none is removed before it is marked as used.
const GATE: &str = "quarterdeck-work.lock";
const MARK: &str = "in-use";

/// A directory that is gone with this value, and that the next console removes if this one is killed.
#[derive(Debug)]
pub struct WorkDirectory {
    path: PathBuf,
    /// Locked as long as this process lives.
    _mark: File,
}

impl WorkDirectory {
    /// Makes one below `parent`, which is made too if it isn't there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn new(parent: &Path, id: Uuid) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let gate = gate(parent)?;
        gate.lock_shared()?;
        let path = parent.join(format!("{PREFIX}{id}"));
        fs::create_dir(&path)?;
        let mark = File::create(path.join(MARK))?;
        mark.lock()?;
        Ok(Self { path, _mark: mark })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a work directory can't be removed; the next start tries again");
        }
    }
}

fn gate(parent: &Path) -> io::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(parent.join(GATE))
}

/// Removes what consoles have left below `parent` that are gone, and nothing else; answers with how many that were.
///
/// # Errors
/// What the operating system says.
pub fn remove_leftovers(parent: &Path) -> io::Result<usize> {
    if !parent.is_dir() {
        return Ok(0);
    }
    let gate = gate(parent)?;
    gate.lock()?;
    let mut removed = 0;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if ours.is_none_or(|id| Uuid::parse_str(id).is_err()) || !entry.file_type()?.is_dir() {
            continue;
        }
        let mark = File::open(entry.path().join(MARK));
        if mark.is_ok_and(|mark| mark.try_lock().is_err()) {
            continue;
        }
        match fs::remove_dir_all(entry.path()) {
            Ok(()) => removed += 1,
            Err(error) => {
                // A program of the dead console may still write there; it ends soon.
                tracing::warn!(path = %entry.path().display(), %error, "what a dead console has left can't be removed yet");
            }
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_uses_any_more_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let used = WorkDirectory::new(parent.path(), Uuid::from_u128(1)).unwrap();
        let left = parent.path().join(format!("{PREFIX}{}", Uuid::from_u128(2)));
        fs::create_dir(&left).unwrap();
        File::create(left.join(MARK)).unwrap();
        fs::write(left.join("dump"), "half").unwrap();
        let unmarked = parent.path().join(format!("{PREFIX}{}", Uuid::from_u128(3)));
        fs::create_dir(&unmarked).unwrap();
        let others = [
            parent.path().join("quarterdeck-work-mine"),
            parent.path().join("pgdata"),
        ];
        for other in &others {
            fs::create_dir(other).unwrap();
        }
        assert_eq!(remove_leftovers(parent.path()).unwrap(), 2);
        assert!(used.path().exists() && !left.exists() && !unmarked.exists());
        assert!(others.iter().all(|other| other.exists()));
        let path = used.path().to_owned();
        drop(used);
        assert!(!path.exists());
        assert_eq!(remove_leftovers(&parent.path().join("nowhere")).unwrap(), 0);
    }
}
