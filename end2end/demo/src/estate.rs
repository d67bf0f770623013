//! The estate as a child process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use quarterdeck_estate::process::{Process, Recipe, RunAs};
use rustix::process::Signal;
use serde::Deserialize;

/// The first start makes two PostgreSQL clusters, which takes a while on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the estate writes into `estate.json` once everything answers; the rest of the file is for others.
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// The console's own database, by owner and by runtime role.
    pub console_db: ConsoleDatabase,
    /// The console's own Redis.
    pub console_redis: Address,
    /// Where the metrics are.
    pub prometheus: Address,
    /// Where the alerts are.
    pub alertmanager: Address,
    /// The watched PostgreSQL servers.
    pub postgres: WatchedPostgres,
    /// PgBouncer before the primary.
    pub pgbouncer: Pgbouncer,
    /// SkillQuest's Redis.
    pub redis: WatchedRedis,
    /// Where backups may be kept.
    pub backup_dir: PathBuf,
    /// Where backups may be made, and tried.
    pub restore_dir: PathBuf,
    /// The API.
    pub api: Api,
    /// The program that operates the estate's nodes; none if it was not built.
    pub estate_command: Option<Vec<String>>,
    /// The estate's directory.
    pub dir: PathBuf,
}

/// SkillQuest's Redis.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchedRedis {
    /// Its address.
    pub url: String,
    /// Where its append-only file is.
    pub appendonly_dir: PathBuf,
}

/// Addresses of PgBouncer.
#[derive(Debug, Clone, Deserialize)]
pub struct Pgbouncer {
    /// As a client that writes and reads a row.
    pub probe_url: String,
    /// As its administrator.
    pub admin_url: String,
    /// The file with its databases.
    pub databases_file: PathBuf,
}

/// Addresses of the API's processes.
#[derive(Debug, Clone, Deserialize)]
pub struct Api {
    /// Where they serve.
    pub urls: Vec<String>,
    /// Where each is switched.
    pub admin_urls: Vec<String>,
}

/// Addresses of the console's database.
#[derive(Debug, Clone, Deserialize)]
pub struct ConsoleDatabase {
    /// As the owner of the schema, for migrations.
    pub owner_url: String,
    /// As the role the console works with.
    pub runtime_url: String,
}

/// A part with one address.
#[derive(Debug, Clone, Deserialize)]
pub struct Address {
    /// The address.
    pub url: String,
}

/// SkillQuest's database servers.
#[derive(Debug, Clone, Deserialize)]
pub struct WatchedPostgres {
    /// Each with its name; which of them is the primary changes.
    pub nodes: Vec<Node>,
    /// Where their archive of WAL segments is.
    pub wal_archive_dir: PathBuf,
    /// Where PostgreSQL's programs are.
    pub programs_dir: Option<PathBuf>,
    /// The user that servers run as where root runs the estate.
    pub server_user: Option<String>,
}

/// One PostgreSQL server.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    /// Such as `db-1`.
    pub name: String,
    /// As the role that watches it.
    pub url: String,
    /// As the role that may make it the primary.
    pub control_url: String,
    /// As the role that backups are made as.
    pub backup_url: String,
}

/// A running estate.
pub struct Estate {
    process: Process,
    /// Its addresses.
    pub ready: Ready,
}

impl Estate {
    /// Starts the estate and waits until it is complete. `None` if it was stopped before that.
    ///
    /// # Errors
    /// When it ends before that; the error has the end of its log.
    pub fn start(
        bin_dir: &Path,
        dir: &Path,
        base_port: Option<u16>,
        console_port: u16,
        stop: &AtomicBool,
    ) -> Result<Option<Self>> {
        // A directory of its own: what the estate does to it is its own business.
        let home = dir.join("estate");
        let file = home.join("estate.json");
        crate::remove_if_there(&file)?;
        let mut argv = vec![
            program(bin_dir, "estate")?,
            "up".to_owned(),
            "--dir".to_owned(),
            home.display().to_string(),
            "--console-port".to_owned(),
            console_port.to_string(),
        ];
        if let Some(base) = base_port {
            argv.extend(["--base-port".to_owned(), base.to_string()]);
        }
        let process = Process::start(Recipe {
            name: "the estate".to_owned(),
            argv,
            env: Vec::new(),
            cwd: std::env::current_dir()?,
            log: fresh_log(dir, "estate.log")?,
            stop_signal: Signal::TERM,
            death_signal: "TERM",
            run_as: RunAs::Caller,
        })?;
        let log = process.recipe().log.clone();
        let mut told = 0;
        let mut ready = None;
        process.wait_until(PATIENCE, || {
            told += tell_news(&log, told);
            // The file may be caught half written: then the next look finds it whole.
            ready = std::fs::read(&file)
                .ok()
                .and_then(|text| serde_json::from_slice(&text).ok());
            ready.is_some() || stop.load(Ordering::Relaxed)
        })?;
        if ready.is_none() {
            process.stop();
        }
        Ok(ready.map(|ready| Self { process, ready }))
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        log_tail(&self.process.recipe().log)
    }

    /// Stops it in an orderly way; returns when it is gone.
    pub fn stop(&self) {
        self.process.stop();
    }
}

/// Passes on what the estate reports while one waits for it; returns how many lines that were.
fn tell_news(log: &Path, told: usize) -> usize {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete
        .lines()
        .skip(told)
        .inspect(|line| crate::say(&format!("  {line}")))
        .count()
}

/// Path of a program that was built with this one.
///
/// # Errors
/// When it is not there.
pub fn program(bin_dir: &Path, name: &str) -> Result<String> {
    let path = bin_dir.join(name);
    path.canonicalize()
        .map(|path| path.display().to_string())
        .with_context(|| format!("{} is not built: start the demo with `make run`", path.display()))
}

/// Path of an empty log. A log of an earlier run would be taken for that of this one.
///
/// # Errors
/// When the old one can't be removed.
pub fn fresh_log(dir: &Path, name: &str) -> Result<PathBuf> {
    let log = dir.join(name);
    crate::remove_if_there(&log)?;
    Ok(log)
}

/// The last lines of a log.
pub fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(15)..)
        .unwrap_or_default()
        .join("\n")
}
