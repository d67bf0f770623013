//! Build again when a source file changes: the edit-and-look loop of `make dev`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// What a page is made from. `frontend/dist` and the build directory are results, and would start an endless loop.
const SOURCES: [&str; 6] = [
    "app",
    "server",
    "style",
    "migrations",
    "frontend/src",
    "deploy/profiles",
];
/// The packages that `make dev` builds: another set would resolve to other features, and compile everything again.
const BUILD: [&str; 7] = [
    "build",
    "--package",
    "quarterdeck",
    "--package",
    "quarterdeck-estate",
    "--package",
    "quarterdeck-demo",
];
/// Editors write a file in several steps, and save several files at once.
const QUIET: Duration = Duration::from_millis(300);

/// The source directories under watch.
pub struct Sources {
    changes: Receiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

impl Sources {
    /// Watches the sources below the current directory, which has to be the root of the repository.
    ///
    /// # Errors
    /// When the system can't watch them (too many watches, for example).
    pub fn watch() -> Result<Self> {
        Self::watch_below(Path::new("."))
    }

    fn watch_below(root: &Path) -> Result<Self> {
        let (sender, changes) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && !event.kind.is_access()
            {
                for path in event.paths {
                    // The receiver is gone only when we end.
                    let _ = sender.send(path);
                }
            }
        })
        .context("files can't be watched")?;
        for source in SOURCES {
            let path = root.join(source);
            if path.is_dir() {
                watcher
                    .watch(&path, RecursiveMode::Recursive)
                    .with_context(|| format!("{} can't be watched", path.display()))?;
            }
        }
        Ok(Self {
            changes,
            _watcher: watcher,
        })
    }

    /// Whether something changed since the last call, waiting for the end of a burst of changes.
    pub fn changed(&self) -> bool {
        if !self.changes.try_iter().any(|path| is_source(&path)) {
            return false;
        }
        while !matches!(
            self.changes.recv_timeout(QUIET),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)
        ) {}
        true
    }
}

/// Editors' own files are not sources.
fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !(name.starts_with('.') || name.starts_with('#') || name.ends_with('~') || name.ends_with(".swp"))
}

/// Builds the front end and the console; `false` if one doesn't build (cargo has said why), and the old one keeps
/// running.
///
/// # Errors
/// When cargo can't be started.
pub fn build() -> Result<bool> {
    crate::say("a source file changed: building");
    for arguments in [["xtask", "front", "--dev"].as_slice(), &BUILD] {
        if !Command::new("cargo")
            .args(arguments)
            .status()
            .context("cargo can't be started")?
            .success()
        {
            crate::say("that doesn't build; the console from before keeps running");
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn seen(sources: &Sources) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if sources.changed() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn a_saved_source_is_seen_once_and_an_editors_own_file_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("style/pages")).unwrap();
        let sources = Sources::watch_below(root.path()).unwrap();

        std::fs::write(root.path().join("style/pages/.a.css.swp"), "x").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        assert!(!sources.changed());

        std::fs::write(root.path().join("style/pages/a.css"), "a").unwrap();
        std::fs::write(root.path().join("style/pages/b.css"), "b").unwrap();
        assert!(seen(&sources));
        assert!(!sources.changed(), "one burst is one change");
    }
}
