//! The programs that make backups and read them again: each file is one of the ways.
//!
//! Everything is made in a directory of its own ([`WorkDirectory`]); nothing of it counts before it was read to its end. Passwords
//! go by the environment, never on a command line.

mod base;
mod dump;
mod failure;
pub mod figures;
mod progress;
mod redis_copy;
mod target;
mod work_directory;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use self::{
    base::{check_base, take_base},
    dump::{check_dump, take_dump},
    failure::BackupError,
    progress::{Progress, Reading},
    redis_copy::{RedisAddress, check_aof, check_rdb, take_aof, take_rdb},
    target::Target,
    work_directory::{WorkDirectory, remove_leftovers},
};
use super::program::{Program, Watch, Watched};

/// Lines of a program that are kept to say why it failed.
const KEPT_LINES: usize = 400;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    directory: Option<PathBuf>,
}

impl Programs {
    /// In this directory; without it, on the PATH.
    #[must_use]
    pub const fn new(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    fn path(&self, name: &str) -> String {
        let directory = self.directory.as_deref().unwrap_or(Path::new(""));
        directory.join(name).display().to_string()
    }
}

/// A piece of work on a backup: where it is done, how it gets on, what ends it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its own directory.
    pub directory: PathBuf,
    /// How it gets on.
    pub progress: Arc<Progress>,
    /// Ends it.
    pub stop: CancellationToken,
    /// When it has to be done.
    pub until: Instant,
    /// How long it was given altogether.
    pub limit: Duration,
    /// PostgreSQL's programs.
    pub programs: Programs,
}

impl Job {
    /// Waits for something else than a program, for as long as the job may go on.
    ///
    /// # Errors
    /// [`BackupError::Cancelled`], [`BackupError::TimedOut`], or what the work says.
    pub async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, BackupError>>,
    ) -> Result<T, BackupError> {
        tokio::select! {
            done = work => done,
            () = self.stop.cancelled() => Err(BackupError::Cancelled),
            () = tokio::time::sleep_until(self.until) => Err(BackupError::TimedOut { limit: self.limit }),
        }
    }

    /// Runs one of PostgreSQL's programs; see [`Self::program`].
    async fn postgres_program(
        &self,
        name: &str,
        arguments: &[&str],
        environment: BTreeMap<String, OsString>,
    ) -> Result<Vec<String>, BackupError> {
        self.program(&self.programs.path(name), arguments, environment)
            .await
    }

    /// Runs a program to its end and gives back what it said, its end if that is long. `arguments` hold no secret: they are shown.
    ///
    /// # Errors
    /// [`BackupError`], also when its exit code isn't 0.
    async fn program(
        &self,
        program: &str,
        arguments: &[&str],
        mut environment: BTreeMap<String, OsString>,
    ) -> Result<Vec<String>, BackupError> {
        let name = program.rsplit('/').next().unwrap_or(program);
        environment.insert("LC_ALL".to_owned(), "C".into());
        let argv: Vec<String> = std::iter::once(program)
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        self.progress.command(&argv.join(" "));
        let heard = Mutex::new(Vec::new());
        let said = |line: &str| {
            if progress::is_counter(line) {
                return;
            }
            self.progress.line(line);
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() == KEPT_LINES {
                heard.remove(0);
            }
            heard.push(line.to_owned());
        };
        let program = Program {
            argv: &argv,
            directory: &self.directory,
            environment,
            limit: self.until.saturating_duration_since(Instant::now()),
        };
        let watch = Watch {
            stop: &self.stop,
            said: &said,
        };
        let ended = program.run_watched(watch).await;
        let heard = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
        match ended {
            Watched::Ended(status) => {
                self.progress.exit_code(status.code());
                if status.success() {
                    Ok(heard)
                } else {
                    Err(BackupError::of_program(name, status, &heard))
                }
            }
            Watched::NotStarted(reason) => Err(BackupError::NotStarted {
                program: name.to_owned(),
                reason,
            }),
            Watched::TimedOut => Err(BackupError::TimedOut { limit: self.limit }),
            Watched::Stopped => Err(BackupError::Cancelled),
        }
    }

    fn disk(&self, path: &Path) -> impl Fn(std::io::Error) -> BackupError + use<> {
        let path = path.display().to_string();
        move |error| BackupError::Disk {
            path: path.clone(),
            reason: error.to_string(),
        }
    }
}

/// Does `work` while `beside` looks on every second.
async fn while_watching<T, B: Future<Output = ()>>(
    work: impl Future<Output = T>,
    beside: impl Fn() -> B,
) -> T {
    let watching = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            beside().await;
        }
    };
    tokio::select! {
        done = work => done,
        never = watching => never,
    }
}
