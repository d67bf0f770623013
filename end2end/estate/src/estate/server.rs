//! A part of the estate that is started, answers on a port, and is stopped: exporters, PgBouncer, the Node.js services.

use std::path::Path;

use rustix::process::Signal;

use crate::error::PartError;
use crate::parts::{PATIENCE, http_ok};
use crate::port;
use crate::process::{Process, Recipe, RunAs};

/// How one sees that a server is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ready {
    /// It answers 200 there.
    Http(u16, &'static str),
    /// It accepts connections.
    Accepts(u16),
    /// It doesn't listen; it is ready when started.
    AtOnce,
}

/// Starts a server with its log at `LOG_DIR/NAME.log` and waits until it is ready.
pub(crate) fn start(
    name: &str,
    argv: Vec<String>,
    env: Vec<(&str, String)>,
    log_dir: &Path,
    run_as: RunAs,
    ready: Ready,
) -> Result<Process, PartError> {
    let process = Process::start(Recipe {
        name: name.into(),
        argv,
        env: env
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
        cwd: "/".into(),
        log: log_dir.join(format!("{name}.log")),
        stop_signal: Signal::TERM,
        death_signal: "KILL",
        run_as,
    })?;
    match ready {
        Ready::Http(port, path) => process.wait_until(PATIENCE, || http_ok(port, path))?,
        Ready::Accepts(port) => process.wait_until(PATIENCE, || port::answers(port))?,
        Ready::AtOnce => {}
    }
    Ok(process)
}
