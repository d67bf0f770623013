//! An Alertmanager.

use std::path::PathBuf;

use rustix::process::Signal;

use super::{PATIENCE, http_ok, killed_when_dropped, on_free_port, part_methods};
use crate::error::PartError;
use crate::process::{Process, Recipe, RunAs, find_program};
use crate::scratch::Scratch;

/// What an [`Alertmanager`] can be told.
#[derive(Clone, Debug, Default)]
pub struct AlertmanagerOptions {
    /// Directory to use and keep; a private one if `None`.
    pub dir: Option<PathBuf>,
    /// Port to use; a free one if `None`.
    pub port: Option<u16>,
    /// The whole configuration, YAML; if `None`, alerts are kept and shown but sent nowhere.
    pub config: Option<String>,
}

/// Groups alerts and tells nobody: nothing of an estate on loopback may reach a real pager.
const SEND_NOWHERE: &str = "route:\n  receiver: nobody\n  group_wait: 1s\n  group_interval: 10s\n  repeat_interval: 4h\nreceivers:\n  - name: nobody\n";

/// An Alertmanager on 127.0.0.1, without clustering.
#[derive(Debug)]
pub struct Alertmanager {
    process: Process,
    port: u16,
    scratch: Scratch,
}

part_methods!(Alertmanager);
killed_when_dropped!(Alertmanager);

impl Alertmanager {
    /// A private Alertmanager on a free port that sends nothing anywhere.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start() -> Result<Self, PartError> {
        Self::start_with(&AlertmanagerOptions::default())
    }

    /// An Alertmanager with options.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_with(options: &AlertmanagerOptions) -> Result<Self, PartError> {
        match options.port {
            Some(port) => Self::start_on(options, port),
            None => on_free_port(|port| Self::start_on(options, port)),
        }
    }

    fn start_on(options: &AlertmanagerOptions, port: u16) -> Result<Self, PartError> {
        let scratch = match &options.dir {
            Some(dir) => Scratch::kept(dir)?,
            None => Scratch::private("alertmanager")?,
        };
        let dir = scratch.path();
        let config = dir.join("alertmanager.yml");
        std::fs::write(&config, options.config.as_deref().unwrap_or(SEND_NOWHERE))
            .map_err(PartError::io("writing alertmanager.yml"))?;
        let process = Process::start(Recipe {
            name: "alertmanager".into(),
            argv: vec![
                find_program("prometheus-alertmanager", "prometheus-alertmanager")?,
                format!("--config.file={}", config.display()),
                format!("--storage.path={}", dir.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
                "--cluster.listen-address=".into(),
                "--log.level=warn".into(),
            ],
            env: Vec::new(),
            cwd: dir.to_owned(),
            log: dir.join("alertmanager.log"),
            stop_signal: Signal::TERM,
            death_signal: "KILL",
            run_as: RunAs::Caller,
        })?;
        let alertmanager = Self {
            process,
            port,
            scratch,
        };
        alertmanager.start_and_wait()?;
        Ok(alertmanager)
    }

    fn start_and_wait(&self) -> Result<(), PartError> {
        self.process.start_again()?;
        self.process
            .wait_until(PATIENCE, || http_ok(self.port, "/-/ready"))
    }

    /// `http://127.0.0.1:PORT` without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
