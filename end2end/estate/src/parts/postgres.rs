//! A PostgreSQL cluster.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, on_free_port, part_methods};
use crate::error::PartError;
use crate::process::{
    Process, Recipe, RunAs, find_program, give_to_unprivileged, is_root, lock, log_tail, run_tool,
};
use crate::scratch::Scratch;

/// What a [`Postgres`] can be told.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Name for messages and directories; `postgres` if empty.
    pub name: String,
    /// Directory to use and keep (its cluster is in `data` below it); a private one if `None`.
    pub dir: Option<PathBuf>,
    /// Port to use; a free one if `None`.
    pub port: Option<u16>,
    /// Whether commits reach the disk. Off for tests: faster, and nothing survives a crash of the machine, though
    /// it does survive a crash of the server.
    pub durable: bool,
    /// Settings on top, in the words of `postgresql.conf`: `("max_connections", "100")`.
    pub settings: Vec<(String, String)>,
    /// Lines in front of `pg_hba.conf`; what they don't decide is trusted on loopback.
    pub hba: Vec<String>,
}

/// A PostgreSQL cluster on 127.0.0.1 with the superuser `postgres`, who needs no password there.
///
/// Runs as the calling user, or, as PostgreSQL refuses root, as Debian's user `postgres` (else `nobody`) when root
/// calls.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: u16,
    databases: AtomicU32,
    durable: bool,
    hba: Vec<String>,
    scratch: Scratch,
}

part_methods!(Postgres);

/// Where PostgreSQL's own programs are; the newest version that is installed.
///
/// # Errors
/// When none is.
pub(crate) fn bin_dir() -> Result<PathBuf, PartError> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_string_lossy().parse().ok()?;
            let bin = entry.path().join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Ok(bin);
    }
    let initdb = find_program("initdb", "postgresql")?;
    Ok(Path::new(&initdb)
        .parent()
        .unwrap_or(Path::new("/usr/bin"))
        .to_owned())
}

/// One of PostgreSQL's own programs, of the newest version that is installed.
///
/// # Errors
/// When none is.
pub fn program(name: &str) -> Result<String, PartError> {
    Ok(bin_dir()?.join(name).to_string_lossy().into_owned())
}

/// A freshly made cluster, made once a process and copied from then on: copying takes a tenth of `initdb`.
fn template() -> Result<PathBuf, PartError> {
    static TEMPLATE: OnceLock<Mutex<Option<Scratch>>> = OnceLock::new();
    let mut template = lock(TEMPLATE.get_or_init(|| Mutex::new(None)));
    if let Some(scratch) = template.as_ref() {
        return Ok(scratch.path().join("data"));
    }
    let scratch = Scratch::private("template")?;
    give_to_unprivileged(scratch.path())?;
    let data = scratch.path().join("data");
    let initdb = program("initdb")?;
    let arguments = [
        initdb.as_str(),
        "--no-sync",
        "--data-checksums",
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--pgdata",
        &data.to_string_lossy(),
    ];
    run_tool(&arguments, RunAs::Unprivileged, scratch.path())?;
    *template = Some(scratch);
    Ok(data)
}

impl Postgres {
    /// A private cluster on a free port, fast rather than durable. The first in a process takes about a second, any
    /// further one a quarter of that.
    ///
    /// # Errors
    /// When it can't be made or started.
    pub fn start() -> Result<Self, PartError> {
        Self::start_with(&PostgresOptions::default())
    }

    /// The one cluster that all tests of a process may share; make a database each with
    /// [`Postgres::fresh_database`], and don't stop it.
    ///
    /// # Errors
    /// When it can't be made or started.
    pub fn shared() -> Result<&'static Self, PartError> {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = lock(&STARTING);
        if let Some(shared) = SHARED.get() {
            return Ok(shared);
        }
        let settings = vec![("max_connections".to_owned(), "400".to_owned())];
        let started = Self::start_with(&PostgresOptions {
            settings,
            ..PostgresOptions::default()
        })?;
        Ok(SHARED.get_or_init(|| started))
    }

    /// A cluster with options. A directory that holds one already is started as it is, with these settings.
    ///
    /// # Errors
    /// When it can't be made or started.
    pub fn start_with(options: &PostgresOptions) -> Result<Self, PartError> {
        match options.port {
            Some(port) => Self::start_on(options, port),
            None => on_free_port(|port| Self::start_on(options, port)),
        }
    }

    fn start_on(options: &PostgresOptions, port: u16) -> Result<Self, PartError> {
        let postgres = Self::unstarted(options, port)?;
        postgres.ensure_cluster()?;
        postgres.start_and_wait()?;
        Ok(postgres)
    }

    /// A cluster that isn't started, and need not be made yet.
    pub(crate) fn unstarted(options: &PostgresOptions, port: u16) -> Result<Self, PartError> {
        let name = if options.name.is_empty() {
            "postgres"
        } else {
            &options.name
        };
        let scratch = match &options.dir {
            Some(dir) => Scratch::kept(dir)?,
            None => Scratch::private(name)?,
        };
        let dir = scratch.path();
        give_to_unprivileged(dir)?;
        let mut argv = vec![
            program("postgres")?,
            "-D".into(),
            dir.join("data").to_string_lossy().into_owned(),
        ];
        let durable = if options.durable { "on" } else { "off" };
        let base = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port.to_string()),
            ("unix_socket_directories", ""),
            ("fsync", durable),
            // Always: without it a killed server loses what it had acknowledged.
            ("synchronous_commit", "on"),
            ("full_page_writes", durable),
            ("shared_buffers", "32MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
        for (key, value) in base.iter().chain(&options.settings) {
            argv.extend(["-c".to_owned(), format!("{key}={value}")]);
        }
        let process = Process::unstarted(Recipe {
            name: name.into(),
            argv,
            env: Vec::new(),
            cwd: dir.to_owned(),
            log: dir.join("postgres.log"),
            // Fast shutdown: ends sessions, writes a checkpoint.
            stop_signal: Signal::INT,
            death_signal: "QUIT",
            run_as: RunAs::Unprivileged,
        });
        Ok(Self {
            process,
            port,
            databases: AtomicU32::new(0),
            durable: options.durable,
            hba: options.hba.clone(),
            scratch,
        })
    }

    /// Makes the cluster unless it is there, and says who may come in.
    pub(crate) fn ensure_cluster(&self) -> Result<(), PartError> {
        let (dir, data) = (self.dir(), self.data_dir());
        if !data.join("PG_VERSION").exists() {
            let template = template()?;
            // As the server's user, so that the copy is his. A half-made copy of an interrupted start goes first.
            run_tool(&["rm", "-rf", &data.to_string_lossy()], RunAs::Unprivileged, dir)?;
            let half = dir.join("data.new");
            run_tool(&["rm", "-rf", &half.to_string_lossy()], RunAs::Unprivileged, dir)?;
            let copy = ["cp", "-a", &template.to_string_lossy(), &half.to_string_lossy()];
            run_tool(&copy, RunAs::Unprivileged, dir)?;
            std::fs::rename(&half, &data).map_err(PartError::io("placing the new cluster"))?;
        }
        let on_loopback = [
            "host all all 127.0.0.1/32 trust",
            "host replication all 127.0.0.1/32 trust",
        ];
        let hba: String = self
            .hba
            .iter()
            .map(String::as_str)
            .chain(on_loopback)
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(data.join("pg_hba.conf"), hba).map_err(PartError::io("writing pg_hba.conf"))
    }

    /// Kills it and all its backends with `SIGKILL`, as the loss of a machine would; returns when all are gone.
    pub(crate) fn kill_with_backends(&self) {
        self.process.kill_with_children();
    }

    /// Starts it if it doesn't run; returns when it answers.
    pub(crate) fn start_and_wait(&self) -> Result<(), PartError> {
        // Backends of a killed postmaster need a moment to notice; until then the cluster can't start.
        let mut attempts = 0;
        loop {
            self.process.start_again()?;
            match self.wait_until_ready() {
                Err(PartError::Ended { .. })
                    if attempts < 50
                        && log_tail(&self.log()).contains("pre-existing shared memory block") =>
                {
                    attempts += 1;
                    std::thread::sleep(Duration::from_millis(100));
                }
                outcome => return outcome,
            }
        }
    }

    fn wait_until_ready(&self) -> Result<(), PartError> {
        let pid_file = self.data_dir().join("postmaster.pid");
        self.process.wait_until(PATIENCE, || {
            // The eighth line is the server's own word on its state. The first must be of this start.
            let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
            let ours = text.lines().next().and_then(|pid| pid.parse().ok()) == self.pid();
            ours && text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
        })
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`, as the superuser.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", database)
    }

    /// `postgres://ROLE@127.0.0.1:PORT/DATABASE`; no password is asked for on loopback.
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL as the superuser through psql, each statement on its own; returns rows as lines, columns parted
    /// by `|`.
    ///
    /// # Errors
    /// [`PartError::Tool`] with what PostgreSQL said about the first statement that failed.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, PartError> {
        psql(&self.url(database), sql)
    }

    /// Makes a role that may log in, with further attributes such as `CREATEDB`.
    ///
    /// # Errors
    /// When PostgreSQL refuses, as when it is there already.
    pub fn create_role(&self, name: &str, attributes: &str) -> Result<(), PartError> {
        self.sql(
            "postgres",
            &format!("CREATE ROLE {} LOGIN {attributes}", quoted(name)),
        )
        .map(drop)
    }

    /// Makes an empty database and returns its URL for the superuser.
    ///
    /// # Errors
    /// When PostgreSQL refuses, as when it is there already.
    pub fn create_database(&self, name: &str, owner: &str) -> Result<String, PartError> {
        // Copying files takes two checkpoints: fast if nothing has to reach the disk, slow otherwise.
        let strategy = if self.durable { "wal_log" } else { "file_copy" };
        let (name_sql, owner_sql) = (quoted(name), quoted(owner));
        let statement = format!("CREATE DATABASE {name_sql} OWNER {owner_sql} STRATEGY {strategy}");
        self.sql("postgres", &statement)?;
        Ok(self.url(name))
    }

    /// Makes an empty database with a new name (`test_1`, `test_2`, ...) and returns its URL for the superuser.
    ///
    /// # Errors
    /// When PostgreSQL refuses.
    pub fn fresh_database(&self) -> Result<String, PartError> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed) + 1;
        self.create_database(&format!("test_{number}"), "postgres")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Read before the server removes it: a killed one leaves its shared memory segment behind.
        let pid_file = std::fs::read_to_string(self.data_dir().join("postmaster.pid")).unwrap_or_default();
        if self.process.is_running() {
            self.process.end(Signal::QUIT, Duration::from_secs(5));
        } else {
            remove_shared_memory(&pid_file);
        }
    }
}

/// Removes the shared memory segment that a killed server has left, by its `postmaster.pid`.
pub(crate) fn remove_shared_memory(pid_file: &str) {
    let line = pid_file.lines().nth(6);
    if let Some(segment) = line.and_then(|line| line.split_whitespace().nth(1)) {
        let run_as = if is_root() {
            RunAs::Unprivileged
        } else {
            RunAs::Caller
        };
        let _ = run_tool(&["ipcrm", "-m", segment], run_as, Path::new("/"));
    }
}

/// Runs SQL at a URL through psql; returns rows as lines, columns parted by `|`.
pub(crate) fn psql(url: &str, sql: &str) -> Result<String, PartError> {
    let psql = find_program("psql", "postgresql-client")?;
    let arguments = [&psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql];
    run_tool(&arguments, RunAs::Caller, Path::new("/")).map(|rows| rows.trim_end().to_owned())
}

/// A name as an SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
