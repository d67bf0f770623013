//! Directories that disappear with this process, however it ends.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::error::PartError;
use crate::process::lock;

/// The root of all scratch directories of this process, watched over by a janitor.
struct Root {
    path: PathBuf,
    /// The janitor waits for this pipe to close, which the kernel does when this process is gone.
    _lifeline: Option<ChildStdin>,
}

/// Waits for the end of its input, then removes the directory; servers that end at the same moment may still
/// write into it, so it tries for a while.
const JANITOR: &str = r#"cat >/dev/null; i=0; while [ $i -lt 100 ]; do rm -rf -- "$1" 2>/dev/null && exit 0; i=$((i+1)); sleep 0.1; done"#;

fn root() -> Result<PathBuf, PartError> {
    static ROOT: OnceLock<Mutex<Option<Root>>> = OnceLock::new();
    let mut root = lock(ROOT.get_or_init(|| Mutex::new(None)));
    if let Some(root) = root.as_ref() {
        return Ok(root.path.clone());
    }
    let path = unique_directory()?;
    let mut janitor = Command::new("sh")
        .args(["-c", JANITOR, "estate-janitor"])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Not in our group: what is sent to us from a terminal must not end the janitor.
        .process_group(0)
        .spawn()
        .map_err(PartError::io("starting the janitor"))?;
    let mut lifeline = janitor.stdin.take();
    if let Some(pipe) = lifeline.as_mut() {
        pipe.flush().map_err(PartError::io("holding the janitor"))?;
    }
    *root = Some(Root {
        path: path.clone(),
        _lifeline: lifeline,
    });
    Ok(path)
}

/// A new directory under the system's temporary directory. The pid alone is not unique: a killed process may
/// have left its directory to a janitor that still works on it.
fn unique_directory() -> Result<PathBuf, PartError> {
    let pid = std::process::id();
    for attempt in 0..1000 {
        let path = std::env::temp_dir().join(format!("quarterdeck-estate-{pid}-{attempt}"));
        match std::fs::create_dir(&path) {
            Ok(()) => {
                open_to_all(&path)?;
                return Ok(path);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(PartError::Io {
                    what: format!("making {}", path.display()),
                    source,
                });
            }
        }
    }
    Err(PartError::Unexpected {
        part: "scratch".into(),
        message: "no free directory name".into(),
    })
}

/// Servers of other users must be able to pass through.
fn open_to_all(path: &Path) -> Result<(), PartError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .map_err(PartError::io(format!("opening {}", path.display())))
}

/// A directory of one server. A private one is removed on drop; a given one is kept.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// A new private directory.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn private(name: &str) -> Result<Self, PartError> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = root()?.join(format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        Self::make(path, false)
    }

    /// A given directory, made if missing, and kept on drop.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn kept(path: &Path) -> Result<Self, PartError> {
        Self::make(path.to_owned(), true)
    }

    fn make(path: PathBuf, keep: bool) -> Result<Self, PartError> {
        std::fs::create_dir_all(&path).map_err(PartError::io(format!("making {}", path.display())))?;
        open_to_all(&path)?;
        Ok(Self { path, keep })
    }

    /// Whether it goes when dropped.
    #[must_use]
    pub fn is_private(&self) -> bool {
        !self.keep
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What can't be removed now is the janitor's.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
