//! The console as a child process, and its command line for what has to be done before it serves.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use quarterdeck_estate::process::{Process, Recipe, RunAs};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::estate::{fresh_log, log_tail, program};

/// From start to the first `ready`; a console without its database would never be.
const PATIENCE: Duration = Duration::from_secs(60);
const PID_FILE: &str = "console.pid";

/// A running console.
pub struct Console {
    process: Process,
    dir: PathBuf,
}

impl Console {
    /// Starts it and waits until it is ready, or until `stop`.
    ///
    /// # Errors
    /// When it ends before that, or isn't ready in time; the error has the end of its log.
    pub fn start(bin_dir: &Path, config: &Path, dir: &Path, port: u16, stop: &AtomicBool) -> Result<Self> {
        let process = Process::start(Recipe {
            name: "the console".to_owned(),
            argv: vec![
                program(bin_dir, "quarterdeck")?,
                "serve".to_owned(),
                "--config".to_owned(),
                config.display().to_string(),
            ],
            env: Vec::new(),
            cwd: dir.to_path_buf(),
            log: fresh_log(dir, "console.log")?,
            stop_signal: Signal::TERM,
            death_signal: "TERM",
            run_as: RunAs::Caller,
        })?;
        if let Some(pid) = process.pid() {
            std::fs::write(dir.join(PID_FILE), pid.to_string())?;
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(2)))
            .build()
            .into();
        let ready = format!("http://127.0.0.1:{port}/-/ready");
        process.wait_until(PATIENCE, || {
            agent.get(&ready).call().is_ok() || stop.load(Ordering::Relaxed)
        })?;
        Ok(Self {
            process,
            dir: dir.to_path_buf(),
        })
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The last lines of its log.
    pub fn log(&self) -> String {
        log_tail(&self.process.recipe().log)
    }

    /// Lets it drain and ends it; returns when it is gone.
    pub fn stop(&self) {
        self.process.stop();
        // If it stays behind, the next start finds that the pid is nobody's.
        let _ = std::fs::remove_file(self.dir.join(PID_FILE));
    }
}

/// Ends a console that a killed demo left in this directory, if the kernel did not.
///
/// # Errors
/// When it doesn't end.
pub fn end_leftover(dir: &Path) -> Result<()> {
    let file = dir.join(PID_FILE);
    let Some(pid) = std::fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .and_then(Pid::from_raw)
    else {
        return Ok(());
    };
    // The pid may be someone else's by now: only a console that serves from this directory is ours.
    let command = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    if command.contains("quarterdeck") && command.contains(&*dir.to_string_lossy()) {
        crate::say(&format!(
            "ending a console that an earlier run left behind (pid {})",
            pid.as_raw_nonzero()
        ));
        kill_process(pid, Signal::TERM).context("the console of an earlier run can't be ended")?;
        let begin = Instant::now();
        while test_kill_process(pid).is_ok() {
            if begin.elapsed() > Duration::from_secs(20) {
                bail!(
                    "the console of an earlier run (pid {}) doesn't end",
                    pid.as_raw_nonzero()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    crate::remove_if_there(&file)
}

/// Runs a subcommand to its end and returns what it printed. Its standard input is `input`: a password doesn't belong on
/// a command line.
///
/// # Errors
/// When it fails; the error has what it said.
pub fn run_once(bin_dir: &Path, config: &Path, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program(bin_dir, "quarterdeck")?)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the console can't be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ended already says why below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "`quarterdeck {}` failed ({}):\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
