//! A Redis server.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;

use super::{PATIENCE, killed_when_dropped, on_free_port, part_methods};
use crate::error::PartError;
use crate::process::{Process, Recipe, RunAs, find_program};
use crate::scratch::Scratch;

/// What a [`Redis`] can be told.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Name for messages and directories; `redis` if empty.
    pub name: String,
    /// Directory to use and keep; a private one if `None`.
    pub dir: Option<PathBuf>,
    /// Port to use; a free one if `None`.
    pub port: Option<u16>,
    /// Further settings, in the words of `redis.conf`: `("maxmemory", "64mb")`. Without any `save` the server
    /// keeps nothing on disk.
    pub settings: Vec<(String, String)>,
}

/// A Redis server without password on 127.0.0.1.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    scratch: Scratch,
}

part_methods!(Redis);
killed_when_dropped!(Redis);

impl Redis {
    /// A private server on a free port that keeps nothing on disk. Takes about 20 ms.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start() -> Result<Self, PartError> {
        Self::start_with(&RedisOptions::default())
    }

    /// A server with options.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start_with(options: &RedisOptions) -> Result<Self, PartError> {
        match options.port {
            Some(port) => Self::start_on(options, port),
            None => on_free_port(|port| Self::start_on(options, port)),
        }
    }

    fn start_on(options: &RedisOptions, port: u16) -> Result<Self, PartError> {
        let name = if options.name.is_empty() {
            "redis"
        } else {
            &options.name
        };
        let scratch = match &options.dir {
            Some(dir) => Scratch::kept(dir)?,
            None => Scratch::private(name)?,
        };
        let config = scratch.path().join("redis.conf");
        // A file, not arguments: CONFIG REWRITE works, and a restart keeps what it wrote.
        if !config.exists() || options.port.is_some() {
            let mut text = format!(
                "bind 127.0.0.1\nport {port}\ndir {}\ndaemonize no\ntcp-backlog 511\n",
                scratch.path().display()
            );
            if !options.settings.iter().any(|(key, _)| key == "save") {
                text.push_str("save \"\"\n");
            }
            for (key, value) in &options.settings {
                text.push_str(&format!("{key} {value}\n"));
            }
            std::fs::write(&config, text).map_err(PartError::io("writing redis.conf"))?;
        }
        let process = Process::start(Recipe {
            name: name.into(),
            argv: vec![
                find_program("redis-server", "redis-server")?,
                config.to_string_lossy().into_owned(),
            ],
            env: Vec::new(),
            cwd: scratch.path().to_owned(),
            log: scratch.path().join("redis.log"),
            stop_signal: Signal::TERM,
            death_signal: "KILL",
            run_as: RunAs::Caller,
        })?;
        let redis = Self {
            process,
            port,
            scratch,
        };
        redis.start_and_wait()?;
        Ok(redis)
    }

    fn start_and_wait(&self) -> Result<(), PartError> {
        self.process.start_again()?;
        self.process.wait_until(PATIENCE, || self.answers())
    }

    /// Whether it answers PING; not while it loads its data.
    fn answers(&self) -> bool {
        let Ok(mut connection) = self.connection() else {
            return false;
        };
        redis::cmd("PING").query::<String>(&mut connection).is_ok()
    }

    /// A connection for a few commands.
    ///
    /// # Errors
    /// When it doesn't answer within 2 s.
    pub fn connection(&self) -> Result<redis::Connection, redis::RedisError> {
        let connection =
            redis::Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(2))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connection.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    /// `redis://127.0.0.1:PORT/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }
}
