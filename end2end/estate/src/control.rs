//! How a running estate is spoken to: one line of JSON each way on a Unix socket in its directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::error::PartError;
use crate::node::{NodeCommand, NodeName, NodeState};

/// How long an answer may take: a node may have to be made anew.
const PATIENCE: Duration = Duration::from_secs(300);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Which faults are on?
    List,
    /// Switch a fault on. Nothing changes if it is.
    On(Fault),
    /// Switch a fault off. Nothing changes if it is.
    Off(Fault),
    /// Switch all faults off, and mend what they broke.
    AllOff,
    /// Do something to a node.
    Node(NodeName, NodeCommand),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The faults that are on now.
    Active(Vec<Fault>),
    /// What the node is now.
    Node(NodeState),
    /// Why it could not be done.
    Failed(String),
}

/// The socket of the estate in a directory.
pub(crate) fn socket_path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

/// The faults that are on in the estate that runs in `dir`.
///
/// # Errors
/// When none runs there.
pub fn faults(dir: &Path) -> Result<Vec<Fault>, PartError> {
    active(ask(dir, Request::List)?)
}

/// Switches a fault on or off; returns the faults that are on afterwards. Nothing changes if it is so.
///
/// # Errors
/// When no estate runs in `dir`, or it could not do it.
pub fn switch(dir: &Path, fault: Fault, on: bool) -> Result<Vec<Fault>, PartError> {
    active(ask(
        dir,
        if on {
            Request::On(fault)
        } else {
            Request::Off(fault)
        },
    )?)
}

/// Switches all faults off and mends what they broke, the nodes too: one is the primary then, and the other its standby.
/// Takes up to some minutes if a node has to be made anew. Returns the faults that are on afterwards.
///
/// # Errors
/// When no estate runs in `dir`, or it could not mend all.
pub fn mend_all(dir: &Path) -> Result<Vec<Fault>, PartError> {
    active(ask(dir, Request::AllOff)?)
}

/// Does something to a node; returns what it is then. Takes up to some minutes if it has to be made anew.
///
/// # Errors
/// When no estate runs in `dir`, or it could not do it.
pub fn node(dir: &Path, name: NodeName, command: NodeCommand) -> Result<NodeState, PartError> {
    match ask(dir, Request::Node(name, command))? {
        Answer::Node(state) => Ok(state),
        other => Err(unexpected(format!("it answered {other:?}"))),
    }
}

fn active(answer: Answer) -> Result<Vec<Fault>, PartError> {
    match answer {
        Answer::Active(faults) => Ok(faults),
        other => Err(unexpected(format!("it answered {other:?}"))),
    }
}

fn unexpected(message: String) -> PartError {
    PartError::Unexpected {
        part: "estate".into(),
        message,
    }
}

fn ask(dir: &Path, request: Request) -> Result<Answer, PartError> {
    let mut stream = UnixStream::connect(socket_path(dir)).map_err(|_| {
        unexpected(format!(
            "none runs in {}; start one with `estate up --dir {0}`",
            dir.display()
        ))
    })?;
    let exchange = || -> std::io::Result<Answer> {
        stream.set_read_timeout(Some(PATIENCE))?;
        send(&mut stream, &request)?;
        receive(&stream)
    };
    match { exchange }().map_err(PartError::io("talking to the estate"))? {
        Answer::Failed(message) => Err(unexpected(message)),
        answer => Ok(answer),
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
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            "it ended before it said anything",
        ));
    }
    Ok(serde_json::from_str(&line)?)
}
