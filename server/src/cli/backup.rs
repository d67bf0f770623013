//! `quarterdeck backup`: wrapping jobs that make backups elsewhere, and looking at what is kept, without a running console.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::Subcommand;
use quarterdeck_domain::backup::{Manifest, Method, manifest};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    clients::{backup_programs::Progress, store::Store},
    clock::{Clock, SystemClock},
    config::{Config, backups::BackupsConfig},
    db,
    entropy::SystemEntropy,
    services::backups::verification::{Verdict, Verifications},
};

/// How long the console may take to be told.
const TELL_LIMIT: Duration = Duration::from_secs(10);
/// The end of what a job says that is told, bytes.
const LOG: usize = 32 * 1024;

/// What to do with backups.
#[derive(Debug, Clone, Subcommand)]
pub enum BackupCommand {
    /// Run a command that makes a backup, and tell the console how it went. Ends as the command does, whether or not the console
    /// could be told.
    Run {
        /// What it makes: dump, base, wal, redis_rdb or redis_aof.
        #[arg(long, value_parser = method)]
        method: Method,
        /// Where the console is: https://quarterdeck.example.org
        #[arg(long, env = "QUARTERDECK_URL", value_name = "URL")]
        console: Option<Url>,
        /// A file with an API token that may tell of backups; without it the variable `QUARTERDECK_TOKEN`.
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
        /// What the command makes, a file or a directory: its size is told.
        #[arg(long, value_name = "PATH")]
        file: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// List what is kept in the store. Needs no database.
    List,
    /// Read a kept copy to its end, as a restore would. Needs no database; exit code 1 if it is damaged, 2 if that can't be found out.
    Verify {
        /// Its name, as `list` prints it.
        name: String,
    },
}

fn method(text: &str) -> Result<Method, String> {
    let names = Method::ALL.map(Method::key).join(", ");
    Method::from_key(text).ok_or_else(|| format!("give one of {names}"))
}

/// Runs a job and tells of it. Needs no configuration.
pub async fn run_job(
    method: Method,
    console: Option<Url>,
    token_file: Option<PathBuf>,
    file: Option<PathBuf>,
    command: Vec<String>,
) -> ExitCode {
    let began_at = SystemClock.now();
    let (exit_code, log) = match job(&command).await {
        Ok(ended) => ended,
        Err(error) => {
            let log = format!(
                "{} can't be started: {error}",
                command.first().map_or("", String::as_str)
            );
            eprintln!("quarterdeck: {log}");
            (Some(127), log)
        }
    };
    let report = json!({
        "method": method,
        "host": rustix::system::uname().nodename().to_string_lossy(),
        "began_at": began_at.format(&Rfc3339).unwrap_or_default(),
        "ended_at": SystemClock.now().format(&Rfc3339).unwrap_or_default(),
        "exit_code": exit_code,
        "bytes": file.as_deref().and_then(size),
        "command": command.join(" "),
        "log": log,
    });
    if let Err(error) = tell(console, token_file, &report).await {
        eprintln!(
            "quarterdeck: the console was not told of this backup: {error:#}. The job itself went on as it would have."
        );
    }
    // As a shell has it for what was killed.
    let code = exit_code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255);
    ExitCode::from(code)
}

/// Runs the command with the terminal's input and output, and keeps the end of what it says on standard error. A request to end goes on
/// to it.
async fn job(command: &[String]) -> std::io::Result<(Option<i32>, String)> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| std::io::Error::other("no command was given"))?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()?;
    let id = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    let said = child.stderr.take();
    let listening = tokio::spawn(async move {
        let mut log = Vec::new();
        if let Some(said) = said {
            let mut said = BufReader::new(said);
            let mut line = Vec::new();
            while said.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                let _ = std::io::stderr().write_all(&line);
                log.append(&mut line);
                if log.len() > 2 * LOG {
                    log.drain(..log.len() - LOG);
                }
            }
        }
        log
    });
    let status = loop {
        let signal = tokio::select! {
            status = child.wait() => break status?,
            _ = terminate.recv() => Signal::TERM,
            _ = interrupt.recv() => Signal::INT,
        };
        if let Some(id) = id {
            let _ = kill_process(id, signal);
        }
    };
    // Something that it left running may hold its output.
    let log = tokio::time::timeout(Duration::from_secs(1), listening).await;
    let log = log.ok().and_then(Result::ok).unwrap_or_default();
    let start = log.len().saturating_sub(LOG);
    Ok((status.code(), String::from_utf8_lossy(&log[start..]).into_owned()))
}

async fn tell(
    console: Option<Url>,
    token_file: Option<PathBuf>,
    report: &serde_json::Value,
) -> anyhow::Result<()> {
    let console = console.context("give its address with --console or QUARTERDECK_URL")?;
    let token = match token_file {
        Some(file) => {
            std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?
        }
        None => std::env::var("QUARTERDECK_TOKEN")
            .context("give an API token with --token-file or QUARTERDECK_TOKEN")?,
    };
    let url = console
        .join("/api/v1/backups/runs")
        .context("the console's address can't be used")?;
    let client = reqwest::Client::builder().timeout(TELL_LIMIT).build()?;
    let answer = client
        .post(url)
        .bearer_auth(token.trim())
        .json(report)
        .send()
        .await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let problem: serde_json::Value = answer.json().await.unwrap_or_default();
    anyhow::bail!(
        "it answers {status}: {}",
        problem["detail"].as_str().unwrap_or("nothing more")
    )
}

/// Bytes of a file, or of all files in a directory.
fn size(path: &Path) -> Option<u64> {
    let meta = std::fs::metadata(path).ok()?;
    if !meta.is_dir() {
        return Some(meta.len());
    }
    let entries = std::fs::read_dir(path).ok()?;
    Some(entries.flatten().filter_map(|entry| size(&entry.path())).sum())
}

fn section(config: &Config) -> anyhow::Result<&BackupsConfig> {
    config
        .backups
        .as_ref()
        .context("the configuration has no [backups] section")
}

/// Prints what is kept.
///
/// # Errors
/// What the store says.
pub async fn list(config: &Config, mut out: impl std::io::Write) -> anyhow::Result<()> {
    let store = Store::new(&section(config)?.store)?;
    for method in Method::ALL {
        let mut files = store.list(method.key()).await?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            let Some(name) = file.path.strip_suffix(manifest::SUFFIX) else {
                continue;
            };
            match serde_json::from_slice::<Manifest>(&store.get(&file.path).await?) {
                Ok(manifest) => writeln!(
                    out,
                    "{name}  leads back to {}  {} bytes",
                    instant(manifest.source.instant()),
                    manifest.bytes()
                )?,
                Err(error) => writeln!(out, "{name}  its manifest can't be read: {error}")?,
            }
        }
    }
    Ok(())
}

fn instant(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .format(&Rfc3339)
        .unwrap_or_default()
}

/// Reads a copy and prints what was found.
///
/// # Errors
/// When the configuration can't be used.
pub async fn verify(config: &Config, name: &str, mut out: impl std::io::Write) -> anyhow::Result<ExitCode> {
    // Nothing is asked of the database.
    let pool = db::pool_of(&Arc::new(db::runtime_hosts(&config.database)?), &config.database);
    let verifications = Verifications::new(
        section(config)?.clone(),
        pool,
        Arc::new(SystemClock),
        Arc::new(SystemEntropy),
        CancellationToken::new(),
    )?;
    let found = verifications
        .look_into(name, Arc::new(Progress::default()), CancellationToken::new())
        .await;
    for finding in &found.findings {
        match &finding.wrong {
            None => writeln!(out, "{}: good", finding.check)?,
            Some(wrong) => writeln!(out, "{}: {wrong}", finding.check)?,
        }
    }
    writeln!(out, "{name} is {}.", found.verdict.as_str())?;
    Ok(match found.verdict {
        Verdict::Good => ExitCode::SUCCESS,
        Verdict::Damaged => ExitCode::FAILURE,
        Verdict::Unknown => ExitCode::from(2),
    })
}
