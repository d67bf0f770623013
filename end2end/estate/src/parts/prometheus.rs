//! A Prometheus server.

use std::path::PathBuf;

use rustix::process::Signal;

use super::{PATIENCE, http_ok, killed_when_dropped, on_free_port, part_methods};
use crate::error::PartError;
use crate::process::{Process, Recipe, RunAs, find_program};
use crate::scratch::Scratch;

/// What a [`Prometheus`] can be told.
#[derive(Clone, Debug, Default)]
pub struct PrometheusOptions {
    /// Directory to use and keep; a private one if `None`.
    pub dir: Option<PathBuf>,
    /// Port to use; a free one if `None`.
    pub port: Option<u16>,
    /// The whole configuration, YAML. Relative paths in it start at [`Prometheus::dir`].
    pub config: String,
    /// Further arguments of the command line.
    pub arguments: Vec<String>,
}

/// A Prometheus server on 127.0.0.1.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: u16,
    scratch: Scratch,
}

part_methods!(Prometheus);
killed_when_dropped!(Prometheus);

impl Prometheus {
    /// A private server on a free port with this configuration (YAML). Takes about half a second.
    ///
    /// # Errors
    /// When it can't be started; a mistake in the configuration is in the message.
    pub fn start(config: &str) -> Result<Self, PartError> {
        Self::start_with(&PrometheusOptions {
            config: config.into(),
            ..PrometheusOptions::default()
        })
    }

    /// A server with options.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_with(options: &PrometheusOptions) -> Result<Self, PartError> {
        match options.port {
            Some(port) => Self::start_on(options, port),
            None => on_free_port(|port| Self::start_on(options, port)),
        }
    }

    fn start_on(options: &PrometheusOptions, port: u16) -> Result<Self, PartError> {
        let scratch = match &options.dir {
            Some(dir) => Scratch::kept(dir)?,
            None => Scratch::private("prometheus")?,
        };
        let dir = scratch.path();
        let config = dir.join("prometheus.yml");
        std::fs::write(&config, &options.config).map_err(PartError::io("writing prometheus.yml"))?;
        let mut argv = vec![
            find_program("prometheus", "prometheus")?,
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.enable-lifecycle".into(),
            "--log.level=warn".into(),
        ];
        argv.extend(options.arguments.iter().cloned());
        let process = Process::start(Recipe {
            name: "prometheus".into(),
            argv,
            env: Vec::new(),
            cwd: dir.to_owned(),
            log: dir.join("prometheus.log"),
            stop_signal: Signal::TERM,
            death_signal: "KILL",
            run_as: RunAs::Caller,
        })?;
        let prometheus = Self {
            process,
            port,
            scratch,
        };
        prometheus.start_and_wait()?;
        Ok(prometheus)
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

    /// Replaces the configuration and has it loaded.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub fn reconfigure(&self, config: &str) -> Result<(), PartError> {
        std::fs::write(self.dir().join("prometheus.yml"), config)
            .map_err(PartError::io("writing prometheus.yml"))?;
        ureq::post(format!("{}/-/reload", self.url()))
            .send_empty()
            .map(drop)
            .map_err(|error| PartError::Unexpected {
                part: "prometheus".into(),
                message: format!("reload refused: {error}"),
            })
    }
}
