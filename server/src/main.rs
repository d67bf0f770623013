//! The one binary: `quarterdeck serve`, and what an administrator does on the command line.

use std::{io::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Parser, Subcommand};
use quarterdeck::{
    cli::{self, backup::BackupCommand},
    clients,
    clock::SystemClock,
    config::Config,
    db, doctor,
    entropy::SystemEntropy,
    startup::Console,
    telemetry,
};
use tokio::net::TcpListener;

/// glibc's allocator keeps Argon2's buffers once a thread: 123 MB after five sign-ins, where this one has 25
/// (docs/BENCHMARKS.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The Quarterdeck operations console.
#[derive(Debug, Parser)]
#[command(name = "quarterdeck", version, about)]
struct Cli {
    /// The configuration file; deploy/quarterdeck.example.toml documents every setting. The environment overrides it:
    /// `QUARTERDECK__SECTION__KEY`
    #[arg(
        long,
        global = true,
        env = "QUARTERDECK_CONFIG",
        default_value = "quarterdeck.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the console
    Serve,
    /// Bring the database's schema up to date
    Migrate,
    /// Check a deployment and say what to mend; exit code 1 if something must be
    Doctor,
    /// Manage accounts; the first administrator is made here
    #[command(subcommand)]
    User(cli::user::UserCommand),
    /// Verify or export the audit log
    #[command(subcommand)]
    Audit(cli::audit::AuditCommand),
    /// Tell the console of backups that are made elsewhere; look at what is kept
    #[command(subcommand)]
    Backup(cli::backup::BackupCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    clients::install_tls_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let out = std::io::stdout();
    match cli.command {
        // An export is verified on any machine: it needs no console.
        Command::Audit(command) if command.is_offline() => {
            cli::audit::run(command, &Default::default(), out).await?;
        }
        Command::Audit(command) => cli::audit::run(command, &load(&cli.config)?.database, out).await?,
        Command::User(command) => cli::user::run(command, &load(&cli.config)?.database, out).await?,
        // A job is run wherever it is: it needs no configuration.
        Command::Backup(BackupCommand::Run {
            method,
            console,
            token_file,
            file,
            command,
        }) => return Ok(cli::backup::run_job(method, console, token_file, file, command).await),
        Command::Backup(BackupCommand::List) => cli::backup::list(&load(&cli.config)?, out).await?,
        Command::Backup(BackupCommand::Verify { name }) => {
            return cli::backup::verify(&load(&cli.config)?, &name, out).await;
        }
        Command::Migrate => cli::migrate::run(&load(&cli.config)?.database, out).await?,
        Command::Doctor => {
            let report = doctor::run(&load(&cli.config)?).await;
            write!(out.lock(), "{report}")?;
            return Ok(if report.is_sound() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Serve => serve(load(&cli.config)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn load(path: &std::path::Path) -> anyhow::Result<Config> {
    Ok(Config::load(path)?)
}

async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config.log)?;
    let listen = config.server.listen;
    // First, so that a taken port is said before anything else is touched.
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("{listen} can't be listened on; is another console running there? Choose another with server.listen")
    })?;
    if config.database.migrate_on_start {
        match db::migrate(&config.database).await {
            Ok(done) => tracing::info!(
                version = done.version,
                applied = done.applied.len(),
                "the schema is up to date"
            ),
            // Live health needs no database: the console starts, and says what is missing.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "the schema could not be brought up to date; nobody can sign in until it is"
            ),
        }
    }
    let public_url = config.server.public_url.clone();
    let console = Console::start(config, Arc::new(SystemClock), Arc::new(SystemEntropy)).await?;
    tracing::info!(%listen, %public_url, "serving");
    console.serve(listener, stop_signal()).await
}

/// Ctrl-C, or what a service manager sends.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
