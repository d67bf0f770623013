//! Why something of the estate did not work, in words that say what to do.

use std::io;
use std::time::Duration;

/// Why a part could not be started, or did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The program is not installed.
    #[error("{program} is not installed; install the Debian package {package}")]
    NotInstalled {
        /// Name of the program.
        program: String,
        /// Debian package that brings it.
        package: &'static str,
    },
    /// The operating system refused something.
    #[error("{what} failed")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The process ended before it answered.
    #[error("{part} ended before it was ready ({status}); the end of its log:\n{log}")]
    Ended {
        /// Name of the part.
        part: String,
        /// Exit status in words.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The process runs but did not answer in time.
    #[error("{part} runs but did not answer within {waited:?}; the end of its log:\n{log}")]
    Silent {
        /// Name of the part.
        part: String,
        /// How long it was given.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// A tool (initdb, psql, pg_basebackup, npm, ...) ended with an error.
    #[error("{tool} failed ({status}): {output}")]
    Tool {
        /// Name of the tool.
        tool: String,
        /// Exit status in words.
        status: String,
        /// What it wrote to standard error, or failing that to standard output.
        output: String,
    },
    /// Another process listens on the port.
    #[error(
        "port {port}, wanted for {part}, is taken by {holder}; stop that process or choose another base port"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// What wanted it.
        part: String,
        /// The process that has it, as far as `/proc` tells.
        holder: String,
    },
    /// A server answered, but not what was expected.
    #[error("{part}: {message}")]
    Unexpected {
        /// Name of the part.
        part: String,
        /// What it said.
        message: String,
    },
}

impl PartError {
    /// An operating system error, with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
