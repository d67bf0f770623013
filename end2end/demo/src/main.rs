//! `demo`: a private SkillQuest estate and the console on it, until Ctrl-C.
//!
//! The same program serves the newcomer (`make run`), the developer (`make dev`) and the browser tests. What it started
//! it stops, in order: the console first, so that it drains while its sources still answer, then the estate. If it is
//! killed, the kernel ends both.

mod accounts;
mod console;
mod estate;
mod port;
mod settings;
mod watch;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde::Serialize;

use accounts::Account;
use console::Console;
use estate::Estate;

/// Starts the demo estate and the console on it; Ctrl-C stops both.
#[derive(Parser)]
#[command(name = "demo")]
struct Cli {
    /// Where the estate's data, the console's configuration and all logs live
    #[arg(long, env = "QUARTERDECK_DIR", default_value = ".quarterdeck/demo")]
    dir: PathBuf,
    /// Port of the console on 127.0.0.1; 0 takes a free one
    #[arg(long, env = "PORT", default_value_t = 3000)]
    port: u16,
    /// First port of the estate; 0 takes free ones. Without it the estate's own default
    #[arg(long, env = "ESTATE_BASE_PORT")]
    estate_base_port: Option<u16>,
    /// Directory with the programs `quarterdeck` and `estate`; by default the one that holds this program
    #[arg(long)]
    bin_dir: Option<PathBuf>,
    /// Build again and restart the console when a source file changes
    #[arg(long)]
    watch: bool,
}

/// What the browser tests read: `DIR/demo.json`, there as long as the demo is ready.
#[derive(Serialize)]
struct Ready<'a> {
    url: &'a str,
    pid: u32,
    accounts: &'a [Account],
}

fn main() -> ExitCode {
    match start(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(cli: &Cli) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        // The second one of a kind ends us at once; the kernel then ends what we started.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("signals can't be caught")?;
    }
    run(cli, &stop)
}

fn run(cli: &Cli, stop: &AtomicBool) -> Result<()> {
    let port = port::choose(cli.port)?;
    let bin_dir = match &cli.bin_dir {
        Some(dir) => dir.clone(),
        None => std::env::current_exe()?
            .parent()
            .map(Path::to_path_buf)
            .unwrap_or_default(),
    };
    let dir = private_dir(&cli.dir)?;
    let ready_file = dir.join("demo.json");
    remove_if_there(&ready_file)?;
    console::end_leftover(&dir)?;

    say("starting the estate (PostgreSQL twice, Redis, Prometheus, SkillQuest, ...)");
    let Some(estate) = Estate::start(&bin_dir, &dir, cli.estate_base_port, port, stop)? else {
        say("stopped");
        return Ok(());
    };

    let config = settings::write(&dir, &estate.ready, port)?;
    console::run_once(&bin_dir, &config, &["migrate"], "")?;
    let accounts = accounts::ensure(&bin_dir, &config, &dir)?;
    let mut console = Console::start(&bin_dir, &config, &dir, port, stop)?;
    if stop.load(Ordering::Relaxed) {
        return stop_all(Some(&console), &estate, &ready_file);
    }

    let url = format!("http://127.0.0.1:{port}");
    write_private(
        &ready_file,
        &serde_json::to_vec_pretty(&Ready {
            url: &url,
            pid: std::process::id(),
            accounts: &accounts,
        })?,
    )?;
    announce(&url, &accounts, &dir)?;

    let sources = if cli.watch {
        Some(watch::Sources::watch()?)
    } else {
        None
    };
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        if !estate.is_running() {
            stop_all(Some(&console), &estate, &ready_file)?;
            bail!(
                "the estate ended by itself, so the console was stopped too; the end of its log:\n{}",
                estate.log()
            );
        }
        if let Some(sources) = &sources {
            if sources.changed() && watch::build()? {
                console.stop();
                console = Console::start(&bin_dir, &config, &dir, port, stop)?;
                say("the console runs again with your change");
            }
        } else if !console.is_running() {
            let log = console.log();
            stop_all(Some(&console), &estate, &ready_file)?;
            bail!("the console ended by itself, so the estate was stopped too; the end of its log:\n{log}");
        }
    }
    stop_all(Some(&console), &estate, &ready_file)
}

fn stop_all(console: Option<&Console>, estate: &Estate, ready_file: &Path) -> Result<()> {
    remove_if_there(ready_file)?;
    if let Some(console) = console {
        say("stopping the console");
        console.stop();
    }
    say("stopping the estate");
    estate.stop();
    say("stopped");
    Ok(())
}

fn announce(url: &str, accounts: &[Account], dir: &Path) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\nQuarterdeck is at {url}\n\n  {:<10} {:<10} password",
        "account", "role"
    )?;
    for account in accounts {
        writeln!(
            out,
            "  {:<10} {:<10} {}",
            account.name, account.role, account.password
        )?;
    }
    writeln!(
        out,
        "\nThese accounts exist in this demo only ({}). Ctrl-C stops everything.",
        dir.display()
    )?;
    Ok(out.flush()?)
}

/// Progress goes to standard error: standard output holds what one may want to copy. A terminal that went away is no
/// reason not to stop in order.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "demo: {what}");
}

/// The directory, made if need be, as an absolute path: what we start works elsewhere.
fn private_dir(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)
        .and_then(|()| dir.canonicalize())
        .with_context(|| {
            format!(
                "{} can't be used: name another directory with QUARTERDECK_DIR",
                dir.display()
            )
        })
}

/// Writes a file that only its owner can read: it holds passwords.
fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    let part = file.with_extension("part");
    remove_if_there(&part)?;
    std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .and_then(|mut open| open.write_all(bytes))
        .and_then(|()| std::fs::rename(&part, file))
        .with_context(|| format!("{} can't be written", file.display()))
}

fn remove_if_there(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} can't be removed", file.display()))
        }
        _ => Ok(()),
    }
}
