//! Why a backup could not be made or read: what happened, what it means, what to do.

use std::{process::ExitStatus, time::Duration};

use crate::clients::{http_source::excerpt, store::StoreError};

/// Why a backup could not be made or read. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// Somebody wanted it ended, or the console stops.
    #[error("It was ended before it was done.")]
    Cancelled,
    /// It took too long.
    #[error(
        "It was not done after {} s and was ended. Nothing of it counts as a backup. Look in the log where it hung, or raise limit_s in [backups].",
        limit.as_secs()
    )]
    TimedOut {
        /// How long it was given.
        limit: Duration,
    },
    /// A program can't be run.
    #[error(
        "{reason}. Nothing was done. Install {program} on the console's machine, or set backups.programs to the directory in which it is."
    )]
    NotStarted {
        /// Its name.
        program: String,
        /// What the operating system says.
        reason: String,
    },
    /// A program ended without success.
    #[error("{program} {how} and said: {said}. {advice}")]
    Program {
        /// Its name.
        program: String,
        /// Its exit status.
        how: String,
        /// The end of what it said.
        said: String,
        /// What it means, and what to do.
        advice: &'static str,
        /// Whether the reason lies in what was read, and not in this machine or the way there.
        blames_content: bool,
    },
    /// A server that is backed up refuses or is gone.
    #[error("{what} says: {reason}. {advice}")]
    Server {
        /// The server.
        what: String,
        /// What it, the network or the driver says.
        reason: String,
        /// What it means, and what to do.
        advice: &'static str,
    },
    /// Nobody can be backed up.
    #[error(
        "There is no primary that could be backed up: {0}. See /database/topology; the next run tries again."
    )]
    NoPrimary(String),
    /// This machine's disk fails.
    #[error(
        "{path} on the console's machine can't be used: {reason}. Nothing of this run counts as a backup. Make room or mend the rights there, and run it again."
    )]
    Disk {
        /// Where.
        path: String,
        /// What the operating system says.
        reason: String,
    },
    /// There is too little room to begin.
    #[error(
        "{path} has {free} bytes free, and {needed} are needed to unpack what is backed up. Nothing was begun. Make room there, or set backups.directory to a larger disk."
    )]
    NoRoom {
        /// Where.
        path: String,
        /// Bytes that are free.
        free: u64,
        /// Bytes that it takes.
        needed: u64,
    },
    /// What was read isn't what it should be.
    #[error("{what}.")]
    Damaged {
        /// What it is and what is wrong with it.
        what: String,
    },
    /// Where backups are kept.
    #[error("{0}. Nothing of this run counts as a backup. The next run tries again.")]
    Store(#[from] StoreError),
}

/// What is found in what a program or server says, and what to make of it.
const ADVICE: [(&[&str], &str); 11] = [
    (
        &["No space left on device", "File too large", "Disk quota exceeded"],
        "The disk is full, and nothing of this run counts as a backup. Make room in backups.directory (or on the server, if it is the server that says so) and run it again.",
    ),
    (
        &[
            "server version mismatch",
            "incompatible server version",
            "unsupported version",
        ],
        "The program is older than the server. Install the programs of the server's version on the console's machine and set backups.programs to their directory.",
    ),
    (
        &[
            "password authentication failed",
            "no password supplied",
            "WRONGPASS",
            "NOAUTH",
        ],
        "The server does not know the console. Correct the user and password of the address.",
    ),
    (
        &["no pg_hba.conf entry"],
        "The server lets nobody in from here. Add a line to its pg_hba.conf for the role of backup_url, for base backups one for the database `replication`.",
    ),
    (
        &[
            "permission denied",
            "must be superuser or replication role",
            "NOPERM",
            "row-level security",
        ],
        "The role of backup_url may not read all of it. As a superuser: ALTER ROLE ... REPLICATION; GRANT pg_read_all_data, pg_monitor TO ...; where row-level security is used, BYPASSRLS.",
    ),
    (
        &["Permission denied", "Read-only file system"],
        "The console may not use a file there. Mend its rights and run it again.",
    ),
    (
        &[
            "max_wal_senders",
            "too many clients",
            "remaining connection slots",
        ],
        "The server has no place left. Raise max_wal_senders or max_connections, or end what takes the places.",
    ),
    (
        &["does not exist"],
        "What is to be backed up isn't there. Correct backups.database or backup_url.",
    ),
    (
        &[
            "cannot be reached",
            "Connection refused",
            "could not connect",
            "connection to server",
            "server closed the connection",
            "terminating connection",
            "Connection reset",
            "Broken pipe",
            "could not receive data",
            "unexpected termination of replication stream",
            "the connection failed",
            "early eof",
            "unexpected end of file",
            "I/O error",
            "Could not connect",
            "SYNC with master failed",
            "end of file",
            "Server closed the connection",
        ],
        "The server is away, or broke off in the middle. Nothing of this run counts as a backup. When the server is back, run it again; the next scheduled run does so too.",
    ),
    (
        &["Cannot allocate memory", "out of memory", "Out of memory"],
        "There is too little memory. Nothing of this run counts as a backup.",
    ),
    (
        &[""],
        "Nothing of this run counts as a backup. Its log says more.",
    ),
];

/// The programs that read what is kept. What they find says nothing about servers and connections.
const READERS: [&str; 6] = [
    "pg_restore",
    "gzip",
    "tar",
    "pg_verifybackup",
    "redis-check-rdb",
    "redis-check-aof",
];
/// What keeps even them from reading.
const IN_THE_WAY: [&str; 8] = [
    "No space left on device",
    "File too large",
    "Disk quota exceeded",
    "Permission denied",
    "Read-only file system",
    "Cannot allocate memory",
    "out of memory",
    "Out of memory",
];

/// What to make of something that a program or a server said, and whether the backup itself is to blame.
fn advice(program: &str, said: &str) -> (&'static str, bool) {
    if READERS.contains(&program) && !IN_THE_WAY.iter().any(|sign| said.contains(sign)) {
        return ("It can't be restored from as it is.", true);
    }
    ADVICE
        .iter()
        .find(|(signs, _)| signs.iter().any(|sign| said.contains(sign)))
        .map_or(("", false), |(_, advice)| (advice, false))
}

impl BackupError {
    /// Of a program that ended without success after it had said this.
    pub(super) fn of_program(program: &str, status: ExitStatus, lines: &[String]) -> Self {
        let complaint =
            |line: &&String| line.contains("error:") || line.contains("fatal:") || line.contains("detail:");
        let mut last: Vec<&str> = lines.iter().filter(complaint).map(|line| line.trim()).collect();
        if last.is_empty() {
            last = lines
                .iter()
                .map(|line| line.trim())
                .filter(|line| !line.is_empty())
                .collect();
        }
        let said = last
            .get(last.len().saturating_sub(3)..)
            .unwrap_or_default()
            .join("; ");
        let (advice, blames_content) = advice(program, &lines.join("\n"));
        Self::Program {
            program: program.to_owned(),
            how: format!("ended with {status}"),
            said: if said.is_empty() {
                "nothing".to_owned()
            } else {
                excerpt(said.as_bytes())
            },
            advice,
            blames_content: blames_content && status.code().is_some(),
        }
    }

    /// Of a server that was asked directly.
    pub(super) fn of_server(what: &str, reason: &str) -> Self {
        Self::Server {
            what: what.to_owned(),
            reason: excerpt(reason.as_bytes()),
            advice: advice("", reason).0,
        }
    }

    /// Whether what was read is at fault, rather than the machine, the network or time.
    #[must_use]
    pub const fn blames_content(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Program { blames_content, .. } => *blames_content,
            Self::Store(error) => match error {
                StoreError::NotFound { .. } => true,
                StoreError::Unusable { .. }
                | StoreError::Exists { .. }
                | StoreError::Denied { .. }
                | StoreError::Truncated { .. }
                | StoreError::Failed { .. }
                | StoreError::Local { .. } => false,
            },
            Self::Cancelled
            | Self::TimedOut { .. }
            | Self::NotStarted { .. }
            | Self::Server { .. }
            | Self::NoPrimary(_)
            | Self::Disk { .. }
            | Self::NoRoom { .. } => false,
        }
    }
}
