//! Single real servers for tests.
//!
//! ```no_run
//! use quarterdeck_estate::parts::{Postgres, Prometheus, Redis};
//!
//! # fn main() -> Result<(), quarterdeck_estate::PartError> {
//! // One cluster a test binary, one database a test.
//! let database = Postgres::shared()?.fresh_database()?; // postgres://postgres@127.0.0.1:PORT/test_1
//!
//! // A server of one's own, to be broken.
//! let redis = Redis::start()?;
//! let url = redis.url(); // redis://127.0.0.1:PORT/
//! redis.kill();          // SIGKILL
//! redis.restart()?;      // same port, same directory
//!
//! let prometheus = Prometheus::start("global: {scrape_interval: 1s}\n")?;
//! prometheus.freeze();   // SIGSTOP: accepts connections, never answers
//! prometheus.thaw();
//! # Ok(()) }
//! ```
//!
//! Every part has `port()`, `dir()`, `pid()`, `log()`, `stop()`, `kill()`, `restart()`, `freeze()` and `thaw()`,
//! all on `&self`, so that a shared one can be handled from anywhere.

mod alertmanager;
mod patroni;
mod postgres;
mod prometheus;
mod redis;

pub use alertmanager::{Alertmanager, AlertmanagerOptions};
pub use patroni::{PATRONI_USER, PatroniCluster, PatroniMember};
pub use postgres::program;
pub use postgres::{Postgres, PostgresOptions};
pub(crate) use postgres::{bin_dir, psql};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use redis::{Redis, RedisOptions};

use std::time::Duration;

use crate::error::PartError;

/// How long a server may take to answer; far more than any needs, as machines that run tests are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server on a free port, again on another one if that was snatched away meanwhile.
pub(crate) fn on_free_port<T>(start: impl Fn(u16) -> Result<T, PartError>) -> Result<T, PartError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let port = crate::port::free()?;
        match start(port) {
            Err(PartError::Ended { .. }) if attempts < 5 && crate::port::answers(port) => {}
            outcome => return outcome,
        }
    }
}

/// Whether an HTTP server answers 200 at the path.
pub(crate) fn http_ok(port: u16, path: &str) -> bool {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(2)))
        .build()
        .into();
    agent.get(format!("http://127.0.0.1:{port}{path}")).call().is_ok()
}

/// The methods that every part has.
macro_rules! part_methods {
    ($name:ident) => {
        impl $name {
            /// Port on 127.0.0.1; the same after [`Self::restart`].
            #[must_use]
            pub fn port(&self) -> u16 {
                self.port
            }

            /// The directory with its data, configuration and log.
            #[must_use]
            pub fn dir(&self) -> &std::path::Path {
                self.scratch.path()
            }

            /// The log file.
            #[must_use]
            pub fn log(&self) -> std::path::PathBuf {
                self.process.recipe().log.clone()
            }

            /// Process id, while it runs.
            #[must_use]
            pub fn pid(&self) -> Option<u32> {
                self.process.pid()
            }

            /// What runs.
            pub(crate) fn recipe(&self) -> &crate::process::Recipe {
                self.process.recipe()
            }

            /// Whether the process runs.
            #[must_use]
            pub fn is_running(&self) -> bool {
                self.process.is_running()
            }

            /// Stops it in an orderly way; returns when it is gone.
            pub fn stop(&self) {
                self.process.stop();
            }

            /// Kills it with `SIGKILL`; returns when it is gone.
            pub fn kill(&self) {
                self.process.kill();
            }

            /// `SIGSTOP`: connections are still accepted by the kernel, but nothing answers.
            pub fn freeze(&self) {
                self.process.signal(rustix::process::Signal::STOP);
            }

            /// `SIGCONT`: the end of [`Self::freeze`].
            pub fn thaw(&self) {
                self.process.signal(rustix::process::Signal::CONT);
            }

            /// Stops it if it runs, and starts it again on the same port and directory; returns when it answers.
            ///
            /// # Errors
            /// When it doesn't come back.
            pub fn restart(&self) -> Result<(), crate::error::PartError> {
                self.stop();
                self.start_and_wait()
            }
        }
    };
}
pub(crate) use part_methods;

/// A private server has nothing to save: it is killed when dropped, which is faster than to stop it.
macro_rules! killed_when_dropped {
    ($name:ident) => {
        impl Drop for $name {
            fn drop(&mut self) {
                if self.scratch.is_private() {
                    self.process.kill();
                }
            }
        }
    };
}
pub(crate) use killed_when_dropped;
