//! A PostgreSQL cluster of the console's own, in a directory of its own, that nobody else can reach: what is restored to see
//! that it can be, or beside the one that it is to replace.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use quarterdeck_domain::database::instant;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use time::OffsetDateTime;
use tokio::process::{Child, Command};

use crate::telemetry::trace::hex;

/// The longest path of a Unix socket, with the name that PostgreSQL gives it.
const LONGEST_SOCKET: usize = 107;
/// Names the socket only: nothing listens on a network.
const PORT: u16 = 5432;
/// How long an orderly end may take before it is made to.
const ENDING: Duration = Duration::from_secs(30);
/// Between two looks whether it answers.
const LOOK: Duration = Duration::from_millis(100);

/// Why a scratch cluster does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// This machine's disk.
    #[error("{} can't be used: {source}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The path of its socket is too long for the operating system.
    #[error("{} is too long a path for a Unix socket; set TMPDIR to a shorter directory", .0.display())]
    SocketPath(PathBuf),
    /// A program can't be run, or fails.
    #[error("{program} {reason}")]
    Program {
        /// Which.
        program: String,
        /// What it or the operating system says.
        reason: String,
    },
    /// The server ended by itself.
    #[error("the restored server ended by itself: {reason}")]
    Ended {
        /// The last that it said.
        reason: String,
    },
    /// It takes too long.
    #[error("the restored server was not ready after {} s; the last that it said: {said}", limit.as_secs())]
    TimedOut {
        /// How long it was given.
        limit: Duration,
        /// The last that it said.
        said: String,
    },
}

/// To where a cluster is recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryTarget {
    /// Where the WAL segments lie, under their own names.
    pub wal_directory: PathBuf,
    /// `recovery_target_timeline`: a number or `latest`.
    pub timeline: String,
    /// `recovery_target_time`; none for the end of the WAL.
    pub time: Option<OffsetDateTime>,
}

/// The directory of a cluster, and what it is run with.
#[derive(Debug)]
pub struct ScratchCluster {
    directory: PathBuf,
    /// Where its socket is: a short path, which the directory's need not be.
    socket: PathBuf,
    programs: PathBuf,
    run_as: Option<String>,
    server: Option<Child>,
}

impl ScratchCluster {
    /// Makes its directory below `parent`, which belongs to the console. `programs` is where PostgreSQL's are; empty for those
    /// on the PATH. With `run_as` everything is run as, and belongs to, that user of the operating system.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub async fn new(parent: &Path, programs: &Path, run_as: Option<&str>) -> Result<Self, ScratchError> {
        let directory = parent.join("cluster");
        let name = Sha256::digest(directory.as_os_str().as_encoded_bytes());
        let socket = std::env::temp_dir().join(format!("qd-{}", hex(&name[..8])));
        if socket.join(format!(".s.PGSQL.{PORT}")).as_os_str().len() > LONGEST_SOCKET {
            return Err(ScratchError::SocketPath(socket));
        }
        for own in [&directory, &socket] {
            fs::create_dir(own).map_err(disk(own))?;
            fs::set_permissions(own, fs::Permissions::from_mode(0o700)).map_err(disk(own))?;
        }
        let cluster = Self {
            directory,
            socket,
            programs: programs.to_owned(),
            run_as: run_as.map(str::to_owned),
            server: None,
        };
        if let Some(user) = run_as {
            let mut chown = Command::new("chown");
            chown
                .arg(format!("{user}:"))
                .args([&cluster.directory, &cluster.socket]);
            run("chown", &mut chown).await?;
        }
        Ok(cluster)
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// A program of the operating system that runs as the cluster's user, in its directory.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        // It ends with the console, also when that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some(user) = &self.run_as {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command
            .args(["--", program])
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// One of PostgreSQL's programs, as [`Self::command`].
    #[must_use]
    pub fn postgres_command(&self, program: &str) -> Command {
        self.command(&self.programs.join(program).display().to_string())
    }

    /// Makes an empty cluster.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub async fn init(&self) -> Result<(), ScratchError> {
        let mut initdb = self.postgres_command("initdb");
        initdb.arg("--pgdata").arg(self.data()).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
        ]);
        run("initdb", &mut initdb).await
    }

    /// Unpacks a base backup, `base.tar.gz` and `pg_wal.tar.gz`, into an empty data directory.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub async fn unpack(&self, base: &Path, wal: &Path) -> Result<(), ScratchError> {
        let data = self.data();
        for (archive, into) in [(base, data.clone()), (wal, data.join("pg_wal"))] {
            let mut directory = self.command("mkdir");
            directory.args(["-p", "-m", "700"]).arg(&into);
            run("mkdir", &mut directory).await?;
            let mut tar = self.command("tar");
            tar.arg("--extract")
                .arg("--gzip")
                .arg("--file")
                .arg(archive)
                .arg("--directory")
                .arg(&into);
            run("tar", &mut tar).await?;
        }
        Ok(())
    }

    /// Writes what the server runs with: nothing of the source's own configuration but the sizes that recovery asks for, no
    /// archiving, no network. With a target it recovers to there first.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub async fn configure(&self, recovery: Option<&RecoveryTarget>) -> Result<(), ScratchError> {
        let mut settings = vec![
            ("listen_addresses", String::new()),
            ("unix_socket_directories", self.socket.display().to_string()),
            ("unix_socket_permissions", "0700".to_owned()),
            ("port", PORT.to_string()),
            ("hba_file", self.directory.join("hba.conf").display().to_string()),
            ("logging_collector", "off".to_owned()),
            ("log_destination", "stderr".to_owned()),
            ("archive_mode", "off".to_owned()),
            ("max_wal_size", "4GB".to_owned()),
            ("maintenance_work_mem", "256MB".to_owned()),
            ("timezone", "UTC".to_owned()),
        ];
        if let Some(target) = recovery {
            settings.extend(self.sizes().await?);
            settings.push((
                "restore_command",
                format!("cp \"{}/%f\" \"%p\"", target.wal_directory.display()),
            ));
            settings.push(("recovery_target_timeline", target.timeline.clone()));
            settings.push(("recovery_target_action", "promote".to_owned()));
            if let Some(time) = target.time {
                settings.push(("recovery_target_time", written(time)));
            }
            self.write(&self.data().join("recovery.signal"), "").await?;
            // What was set by ALTER SYSTEM at the source would win over what stands here: where it archives to, for one.
            self.write(&self.data().join("postgresql.auto.conf"), "").await?;
        }
        let text: String = settings
            .into_iter()
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect();
        self.write(&self.directory.join("scratch.conf"), &text).await?;
        self.write(&self.directory.join("hba.conf"), "local all all trust\n")
            .await
    }

    /// The settings that must not be lower than at the source, from the control file.
    async fn sizes(&self) -> Result<Vec<(&'static str, String)>, ScratchError> {
        let mut controldata = self.postgres_command("pg_controldata");
        controldata.arg(self.data());
        let said = output("pg_controldata", &mut controldata).await?;
        let value = |label: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(label)?.strip_prefix(" setting:"))
                .map(|value| value.trim().to_owned())
        };
        let names = [
            ("max_connections", "max_connections"),
            ("max_worker_processes", "max_worker_processes"),
            ("max_wal_senders", "max_wal_senders"),
            ("max_prepared_xacts", "max_prepared_transactions"),
            ("max_locks_per_xact", "max_locks_per_transaction"),
        ];
        Ok(names
            .into_iter()
            .filter_map(|(label, name)| Some((name, value(label)?)))
            .collect())
    }

    /// Writes a file that belongs to the cluster's user.
    async fn write(&self, path: &Path, content: &str) -> Result<(), ScratchError> {
        tokio::fs::write(path, content).await.map_err(disk(path))?;
        match &self.run_as {
            None => Ok(()),
            Some(user) => {
                let mut chown = Command::new("chown");
                chown.arg(format!("{user}:")).arg(path);
                run("chown", &mut chown).await
            }
        }
    }

    /// Starts the server and waits until it is out of recovery and takes writes. That it answers is not enough: a server that
    /// does not get to its target answers first and ends then.
    ///
    /// # Errors
    /// [`ScratchError`].
    pub async fn start(&mut self, limit: Duration) -> Result<(), ScratchError> {
        let log = self.log();
        let out = fs::File::create(&log).map_err(disk(&log))?;
        let err = out.try_clone().map_err(disk(&log))?;
        let program = self.programs.join("postgres").display().to_string();
        let mut command = self.command(&program);
        command
            .arg("-D")
            .arg(self.data())
            .arg("-c")
            .arg(format!(
                "config_file={}",
                self.directory.join("scratch.conf").display()
            ))
            .stdout(out)
            .stderr(err);
        // A signal for the console's terminal is none for the cluster.
        command.as_std_mut().process_group(0);
        let child = command.spawn().map_err(|error| ScratchError::Program {
            program,
            reason: format!("can't be run: {error}"),
        })?;
        self.server = Some(child);
        let ready = async {
            loop {
                if let Some(child) = &mut self.server
                    && let Ok(Some(_)) = child.try_wait()
                {
                    self.server = None;
                    return Err(ScratchError::Ended {
                        reason: last_words(&log),
                    });
                }
                if let Ok(mut connection) = self.options("postgres").connect().await {
                    let recovering = sqlx::query_scalar("select pg_is_in_recovery()")
                        .fetch_one(&mut connection)
                        .await;
                    // Not while it closes the door, or is between recovery and the end of it.
                    if let Ok(false) = recovering {
                        let _ = connection.close().await;
                        return Ok(());
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        match tokio::time::timeout(limit, ready).await {
            Ok(ready) => ready,
            Err(_) => Err(ScratchError::TimedOut {
                limit,
                said: last_words(&log),
            }),
        }
    }

    /// How its superuser gets in.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket)
            .port(PORT)
            .username("postgres")
            .database(database)
            .application_name("quarterdeck-drill")
            .disable_statement_logging()
    }

    /// A connection as its superuser.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn connect(&self, database: &str) -> Result<PgConnection, sqlx::Error> {
        self.options(database).connect().await
    }

    /// What a libpq program connects with.
    #[must_use]
    pub fn environment(&self, database: &str) -> Vec<(&'static str, String)> {
        vec![
            ("PGHOST", self.socket.display().to_string()),
            ("PGPORT", PORT.to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGDATABASE", database.to_owned()),
        ]
    }

    /// Stops the server, in order if it can; the directory stays.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.server.take() else {
            return;
        };
        signal(&child, Signal::INT);
        if tokio::time::timeout(ENDING, child.wait()).await.is_err() {
            signal(&child, Signal::QUIT);
            let _ = tokio::time::timeout(ENDING, child.wait()).await;
        }
    }
}

impl Drop for ScratchCluster {
    /// Left in the middle: the postmaster takes its children along when it is told to quit, but not when it is killed.
    fn drop(&mut self) {
        if let Some(child) = &self.server {
            signal(child, Signal::QUIT);
            // The kill that follows when the child is dropped must not come before the postmaster has passed it on.
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(25));
                if !self.data().join("postmaster.pid").exists() {
                    break;
                }
            }
        }
        // Nothing but the socket was in it.
        let _ = fs::remove_dir_all(&self.socket);
    }
}

fn signal(child: &Child, signal: Signal) {
    if let Some(pid) = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw)
    {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> ScratchError + use<> {
    let path = path.to_owned();
    move |source| ScratchError::Disk { path, source }
}

/// Runs a program to its end.
///
/// # Errors
/// [`ScratchError::Program`] when it can't be run, or ends without success.
pub async fn run(name: &str, command: &mut Command) -> Result<(), ScratchError> {
    output(name, command).await.map(drop)
}

async fn output(name: &str, command: &mut Command) -> Result<String, ScratchError> {
    let failed = |reason: String| ScratchError::Program {
        program: name.to_owned(),
        reason,
    };
    let done = command
        .output()
        .await
        .map_err(|error| failed(format!("can't be run: {error}")))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = if done.stderr.is_empty() {
        &done.stdout
    } else {
        &done.stderr
    };
    Err(failed(format!(
        "ended with {} and said: {}",
        done.status,
        super::program::last_line(&String::from_utf8_lossy(said))
    )))
}

/// An instant as the settings of PostgreSQL take it: not with the `Z` that its types take.
fn written(at: OffsetDateTime) -> String {
    instant::write(at)
        .unwrap_or_default()
        .replace('T', " ")
        .replace('Z', "+00")
}

/// The last complaint in a log: what a server that gave up gives as its reason.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let complaint = text.lines().rev().find(|line| {
        ["FATAL:", "PANIC:", "ERROR:"]
            .iter()
            .any(|level| line.contains(level))
    });
    let line = complaint.or_else(|| text.lines().last()).unwrap_or("nothing");
    let reason = |line: &str| {
        let after = ["FATAL:  ", "PANIC:  ", "ERROR:  ", "LOG:  "]
            .iter()
            .find_map(|level| line.split_once(level));
        after.map_or(line, |(_, reason)| reason).trim().to_owned()
    };
    // Which error that is stands in the line before.
    let before = text.lines().take_while(|other| *other != line).last();
    match before.filter(|_| line.contains("contains errors")) {
        Some(before) => format!("{}: {}", reason(line), reason(before)),
        None => reason(line),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_instant_is_written_as_settings_take_it() {
        let at = datetime!(2026-11-29 3:15:30.295923 +1);
        assert_eq!(written(at), "2026-11-29 02:15:30.295923+00");
    }

    #[test]
    fn the_last_words_are_the_reason() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let said = |text: &str| {
            fs::write(log.path(), text).unwrap();
            last_words(log.path())
        };
        let ended = "2026-11-29 02:17:29.484 GMT [1] LOG:  redo done\n2026-11-29 02:17:29.484 GMT [1] FATAL:  recovery ended before configured recovery target was reached\n2026-11-29 02:17:29.484 GMT [1] LOG:  database system is shut down\n";
        assert_eq!(
            said(ended),
            "recovery ended before configured recovery target was reached"
        );
        let wrong = "2026-11-29 02:17:29.484 GMT [1] LOG:  invalid value for parameter \"x\": \"y\"\n2026-11-29 02:17:29.484 GMT [1] FATAL:  configuration file \"/s.conf\" contains errors\n";
        assert_eq!(
            said(wrong),
            "configuration file \"/s.conf\" contains errors: invalid value for parameter \"x\": \"y\""
        );
    }
}
