//! How a running estate is spoken to: one line of JSON each way on a Unix socket in its directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::error::PartError;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Which faults are on?
    List,
    /// Switch a fault on. Nothing changes if it is.
    On(Fault),
    /// Switch a fault off. Nothing changes if it is.
    Off(Fault),
    /// Switch all faults off, and mend what they broke.
    AllOff,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The faults that are on now.
    Active(Vec<Fault>),
    /// Why it could not be done.
    Failed(String),
}

/// The socket of the estate in a directory.
pub(crate) fn socket_path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// Asks the estate that runs in `dir`; returns the faults that are on afterwards. Takes as long as the fault takes to be
/// in effect: up to half a minute for a dead primary to be back.
///
/// # Errors
/// When none runs there, or it could not do it.
pub fn ask(dir: &Path, request: Request) -> Result<Vec<Fault>, PartError> {
    let failed = |message: String| PartError::Unexpected {
        part: "estate".into(),
        message,
    };
    let mut stream = UnixStream::connect(socket_path(dir)).map_err(|_| {
        failed(format!(
            "none runs in {}; start one with `estate up --dir {0}`",
            dir.display()
        ))
    })?;
    let exchange = || -> std::io::Result<Answer> {
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        send(&mut stream, &request)?;
        receive(&stream)
    };
    match { exchange }().map_err(PartError::io("talking to the estate"))? {
        Answer::Active(faults) => Ok(faults),
        Answer::Failed(message) => Err(failed(message)),
    }
}

/// Writes one line.
pub(crate) fn send(stream: &mut UnixStream, message: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads one line.
pub(crate) fn receive<T: for<'a> Deserialize<'a>>(stream: &UnixStream) -> std::io::Result<T> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}
