//! `estate`: brings a private SkillQuest up on loopback, breaks it on request, and takes it down without a trace.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use quarterdeck_estate::{Estate, EstateConfig, Fault, NodeCommand, NodeName, Ports, control};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

#[derive(Parser)]
#[command(
    about = "A private SkillQuest estate on loopback, made of real parts",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start everything and stay in the foreground; Ctrl-C or SIGTERM stops it all.
    Up(Up),
    /// Switch a fault on, or `none` to mend everything; without a name, list what is on.
    Fault {
        /// slow-queries, errors, pool, redis-oom, ai-429, websockets, dead-primary, frozen-wal-sender, stuck-archiver, dead-console-db or none.
        name: Option<String>,
        /// Switch this one off, and leave the others.
        #[arg(long, requires = "name")]
        off: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Do something to a PostgreSQL node, and say what it is then: primary, standby or down.
    Node {
        /// Which one.
        name: NodeName,
        /// What to do; nothing changes if it is so already.
        command: NodeCommand,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Place {
    /// Directory of the estate: data, configuration, logs, estate.json.
    #[arg(long, default_value = ".quarterdeck/estate", env = "ESTATE_DIR")]
    dir: PathBuf,
}

#[derive(Args)]
struct Up {
    #[command(flatten)]
    place: Place,
    /// First of the ports, which follow one another; 0 for any that are free.
    #[arg(long, default_value_t = 12_400)]
    base_port: u16,
    /// Port on which Prometheus looks for the console's /metrics.
    #[arg(long, default_value_t = 3000)]
    console_port: u16,
    /// Directory whose *.yml are Prometheus' rules.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// Seconds after which PostgreSQL finishes a WAL segment that isn't full.
    #[arg(long, default_value_t = 300)]
    archive_timeout: u32,
    /// Synthetic requests a second to the API.
    #[arg(long, default_value_t = 30)]
    requests_per_second: u32,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up(up) => run(up),
        Command::Fault { name, off, place } => fault(name.as_deref(), off, &place),
        Command::Node { name, command, place } => control::node(&place.dir, name, command)
            .map(|state| say(&state.to_string()))
            .map_err(anyhow::Error::from),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do about a closed standard error.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output; a reader that went away is not a reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn run(up: Up) -> anyhow::Result<()> {
    // From the start, so that Ctrl-C during the start also stops what was started.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("catching signals")?;
    let mut config = EstateConfig::new(&up.place.dir);
    if up.base_port != 0 {
        config.ports = Some(Ports::from_base(up.base_port)?);
    }
    config.console_port = up.console_port;
    config.archive_timeout_s = up.archive_timeout;
    config.requests_per_second = up.requests_per_second;
    if let Some(rules) = up.rules {
        config.rules_dir = rules
            .canonicalize()
            .with_context(|| format!("finding {}", rules.display()))?;
    }
    config.progress = Arc::new(say);
    let estate = Estate::start(config)?;
    say(&format!(
        "where everything is: {}",
        estate.dir().join("estate.json").display()
    ));
    say("Ctrl-C stops it");
    signals.forever().next();
    say("stopping");
    estate.stop();
    say("stopped");
    Ok(())
}

fn fault(name: Option<&str>, off: bool, place: &Place) -> anyhow::Result<()> {
    let parse = |name: &str| name.parse::<Fault>().map_err(anyhow::Error::msg);
    let active = match name {
        None => control::faults(&place.dir),
        Some("none") => control::mend_all(&place.dir),
        Some(name) => control::switch(&place.dir, parse(name)?, !off),
    }?;
    if active.is_empty() {
        say("no fault is on");
    }
    for fault in active {
        say(fault.name());
    }
    Ok(())
}
