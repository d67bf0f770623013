//! Child processes that can't outlive us.
//!
//! The kernel signals a child with `PR_SET_PDEATHSIG` when the *thread* that started it ends, not the process.
//! A test's thread, or a blocking thread of tokio, ends early; so all children are started from one thread that
//! lives as long as the process does.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::descendant::{Descendant, stat};
use crate::error::PartError;

type SpawnRequest = (Command, Sender<io::Result<Child>>);

/// Starts a command from the thread that lives as long as this process.
fn spawn_from_nursery(command: Command) -> io::Result<Child> {
    static NURSERY: OnceLock<Mutex<Sender<SpawnRequest>>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let (requests, inbox) = mpsc::channel::<SpawnRequest>();
        // Should the thread not start, the channel is closed and every spawn below says so.
        let _ = std::thread::Builder::new().name("nursery".into()).spawn(move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (answer, result) = mpsc::channel();
    lock(nursery)
        .send((command, answer))
        .map_err(|_| io::Error::other("no thread to start children from"))?;
    result
        .recv()
        .map_err(|_| io::Error::other("the thread that starts children has ended"))?
}

/// The lock's content, also after a panic in another test that held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who a process runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// The user that runs this program.
    Caller,
    /// An ordinary user if this program is run by root, else the caller: PostgreSQL and PgBouncer refuse root.
    Unprivileged,
}

/// What to run, and how it is ended.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Name for messages, such as `redis`.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Extra environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// File that takes standard output and error (appended).
    pub log: PathBuf,
    /// Signal that asks for an orderly end.
    pub stop_signal: Signal,
    /// Signal the kernel sends when this process dies: `KILL`, or `QUIT` for PostgreSQL, whose postmaster then
    /// takes its children and shared memory along.
    pub death_signal: &'static str,
    /// Who it runs as.
    pub run_as: RunAs,
}

/// A running (or ended) child process.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts the recipe. Doesn't wait until it answers: see [`Process::wait_until`].
    ///
    /// # Errors
    /// When the program is missing or the log can't be opened.
    pub fn start(recipe: Recipe) -> Result<Self, PartError> {
        let process = Self::unstarted(recipe);
        process.start_again()?;
        Ok(process)
    }

    /// What [`Process::start_again`] will start.
    pub(crate) fn unstarted(recipe: Recipe) -> Self {
        Self {
            recipe,
            child: Mutex::new(None),
        }
    }

    /// Starts the same recipe once more. Does nothing while it runs.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_again(&self) -> Result<(), PartError> {
        if self.is_running() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.recipe.log)
            .map_err(PartError::io(format!(
                "opening the log {}",
                self.recipe.log.display()
            )))?;
        let errors = log.try_clone().map_err(PartError::io("sharing the log"))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.recipe.death_signal]);
        if self.recipe.run_as == RunAs::Unprivileged {
            command.args(privilege_drop());
        }
        command
            .arg("--")
            .args(&self.recipe.argv)
            .envs(self.recipe.env.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.recipe.cwd)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // A group of its own: Ctrl-C in a terminal is for us, and we end the parts in order.
            .process_group(0);
        let child = spawn_from_nursery(command).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => PartError::NotInstalled {
                program: "setpriv".into(),
                package: "util-linux",
            },
            _ => PartError::Io {
                what: format!("starting {}", self.recipe.name),
                source,
            },
        })?;
        *lock(&self.child) = Some(child);
        Ok(())
    }

    /// What runs here.
    #[must_use]
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Process id while it has not been reaped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        lock(&self.child).as_ref().map(Child::id)
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.exit_status(), Ok(None))
    }

    /// `Ok(None)` while it runs, `Ok(Some)` once it ended, `Err` if there is no child.
    fn exit_status(&self) -> Result<Option<ExitStatus>, ()> {
        lock(&self.child)
            .as_mut()
            .and_then(|child| child.try_wait().ok())
            .ok_or(())
    }

    /// Polls `ready` until it says yes.
    ///
    /// # Errors
    /// [`PartError::Ended`] when the process ended first, [`PartError::Silent`] when `patience` ran out.
    pub fn wait_until(&self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<(), PartError> {
        let begin = Instant::now();
        let mut pause = Duration::from_millis(4);
        loop {
            if ready() {
                return Ok(());
            }
            if !matches!(self.exit_status(), Ok(None)) {
                let status = self.exit_status().ok().flatten();
                return Err(PartError::Ended {
                    part: self.recipe.name.clone(),
                    status: status.map_or_else(|| "not started".into(), |status| status.to_string()),
                    log: log_tail(&self.recipe.log),
                });
            }
            if begin.elapsed() > patience {
                return Err(PartError::Silent {
                    part: self.recipe.name.clone(),
                    waited: patience,
                    log: log_tail(&self.recipe.log),
                });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Sends a signal, if the process still runs. The child is ours and not reaped, so the pid can't be another's.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = lock(&self.child).as_mut()
            && matches!(child.try_wait(), Ok(None))
            && let Some(pid) = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0))
        {
            // It may end between the check and the signal; that is what we want of it anyway.
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks the process to end with `signal`, waits up to `patience`, then kills it. Returns once it is gone.
    pub fn end(&self, signal: Signal, patience: Duration) {
        self.signal(signal);
        // A frozen process can't act on a signal.
        self.signal(Signal::CONT);
        let begin = Instant::now();
        while self.is_running() {
            if begin.elapsed() > patience {
                self.signal(Signal::KILL);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(mut child) = lock(&self.child).take() {
            let _ = child.wait();
        }
    }

    /// An orderly end, with 20 s to do it in.
    pub fn stop(&self) {
        self.end(self.recipe.stop_signal, Duration::from_secs(20));
    }

    /// `SIGKILL`, and waits for the end.
    pub fn kill(&self) {
        self.end(Signal::KILL, Duration::from_secs(20));
    }

    /// `SIGKILL` for it and all that it has started, and waits for the end of all.
    pub(crate) fn kill_with_children(&self) {
        let Some(pid) = self.pid().filter(|_| self.is_running()) else {
            return;
        };
        // While it is stopped it starts no more.
        self.signal(Signal::STOP);
        let begin = Instant::now();
        while stat(pid).is_some_and(|stat| !matches!(stat.state, 'T' | 'Z'))
            && begin.elapsed() < Duration::from_secs(5)
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        let children = Descendant::all_of(pid);
        self.kill();
        for child in &children {
            child.signal(Signal::KILL);
        }
        for child in &children {
            child.wait(Duration::from_secs(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(self.recipe.stop_signal, Duration::from_secs(5));
    }
}

/// The last lines of a log file, for an error message.
pub(crate) fn log_tail(path: &Path) -> String {
    let text = std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Whether this program runs as root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What the ordinary user is called that servers run as when root runs us.
pub(crate) fn unprivileged_user_name() -> &'static str {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is_there = |name: &str| passwd.lines().any(|line| line.split(':').next() == Some(name));
    if is_there("postgres") {
        "postgres"
    } else {
        "nobody"
    }
}

/// The ordinary user that servers run as when root runs us: Debian's `postgres`, else `nobody`.
pub(crate) fn unprivileged_user() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let id_of = |wanted: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
            (name == wanted).then_some((uid.parse().ok()?, gid.parse().ok()?))
        })
    };
    id_of("postgres")
        .or_else(|| id_of("nobody"))
        .unwrap_or((65534, 65534))
}

/// Arguments for `setpriv` that give up root, empty for other users.
pub(crate) fn privilege_drop() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let (uid, gid) = unprivileged_user();
    vec![
        format!("--reuid={uid}"),
        format!("--regid={gid}"),
        "--clear-groups".into(),
    ]
}

/// Runs a tool to its end as the unprivileged user and returns its standard output.
///
/// # Errors
/// [`PartError::Tool`] with what the tool said when it failed.
pub fn run_tool(argv: &[&str], run_as: RunAs, cwd: &Path) -> Result<String, PartError> {
    let tool = argv.first().copied().unwrap_or_default();
    let mut command = Command::new("setpriv");
    // The thread that starts it waits for it, and so ends before it only together with this process.
    command.args(["--pdeathsig", "KILL"]);
    if run_as == RunAs::Unprivileged {
        command.args(privilege_drop());
    }
    let output = command
        .arg("--")
        .args(argv)
        .current_dir(cwd)
        .stdin(Stdio::null())
        .output()
        .map_err(PartError::io(format!("running {tool}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    Err(PartError::Tool {
        tool: tool.rsplit('/').next().unwrap_or(tool).to_owned(),
        status: output.status.to_string(),
        output: String::from_utf8_lossy(said).trim().to_owned(),
    })
}

/// Gives a path to the user that unprivileged servers run as. Does nothing unless root runs us.
pub(crate) fn give_to_unprivileged(path: &Path) -> Result<(), PartError> {
    if !is_root() {
        return Ok(());
    }
    let (uid, gid) = unprivileged_user();
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(PartError::io(format!(
        "giving {} to an ordinary user",
        path.display()
    )))
}

/// Finds a program on the `PATH` or in the places where Debian puts servers.
///
/// # Errors
/// [`PartError::NotInstalled`].
pub fn find_program(program: &str, package: &'static str) -> Result<String, PartError> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/usr/local/bin", "/usr/bin"])
        .map(|dir| Path::new(dir).join(program))
        .find(|candidate| candidate.is_file())
        .map(|found| found.to_string_lossy().into_owned())
        .ok_or_else(|| PartError::NotInstalled {
            program: program.into(),
            package,
        })
}
