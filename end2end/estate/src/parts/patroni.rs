//! Two PostgreSQL servers that Patroni runs, with etcd, and HAProxy before them, which asks Patroni for the leader.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    PATIENCE, http_ok,
    postgres::{psql, remove_shared_memory},
    program,
};
use crate::error::PartError;
use crate::port;
use crate::process::{Process, Recipe, RunAs, find_program, give_to_unprivileged};
use crate::scratch::Scratch;

/// User and password of the members' REST API, for what changes something.
pub const PATRONI_USER: (&str, &str) = ("console", "secret");

/// A PostgreSQL server and the Patroni that runs it.
#[derive(Debug)]
pub struct PatroniMember {
    name: String,
    port: u16,
    api_port: u16,
    data: PathBuf,
    process: Process,
}

/// The whole: `pg-a`, which leads at first, and `pg-b`, which streams from it.
#[derive(Debug)]
pub struct PatroniCluster {
    /// The members.
    pub members: [PatroniMember; 2],
    _haproxy: Process,
    haproxy_port: u16,
    _etcd: Process,
    _scratch: Scratch,
}

impl PatroniMember {
    /// Patroni's name for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// PostgreSQL's port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The REST API's port on 127.0.0.1.
    #[must_use]
    pub const fn api_port(&self) -> u16 {
        self.api_port
    }

    /// `postgres://ROLE@127.0.0.1:PORT/DATABASE`; no password is asked for on loopback.
    #[must_use]
    pub fn url_as(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL as the superuser through psql; returns rows as lines, columns parted by `|`.
    ///
    /// # Errors
    /// [`PartError::Tool`] with what PostgreSQL said.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, PartError> {
        psql(&self.url_as("postgres", database), sql)
    }

    /// Kills Patroni and its PostgreSQL with `SIGKILL`, as if the machine had gone.
    pub fn kill(&self) {
        self.process.kill();
        self.end_postmaster(Signal::KILL);
    }

    fn end_postmaster(&self, signal: Signal) {
        let begun = Instant::now();
        let pid = self
            .pid_file()
            .lines()
            .next()
            .and_then(|pid| pid.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            while kill_process(pid, signal).is_ok() && begun.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn pid_file(&self) -> String {
        std::fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default()
    }
}

impl Drop for PatroniMember {
    fn drop(&mut self) {
        self.process.kill();
        self.end_postmaster(Signal::QUIT);
        // One that was killed has left its file, and its shared memory.
        remove_shared_memory(&self.pid_file());
    }
}

impl PatroniCluster {
    /// Starts everything and waits until `pg-b` streams; takes about ten seconds. `tags_of_second` are the tags of `pg-b`, in
    /// YAML: `nofailover: true`.
    ///
    /// # Errors
    /// When a program is missing, or does not come up.
    pub fn start(tags_of_second: &str) -> Result<Self, PartError> {
        let scratch = Scratch::private("patroni")?;
        let dir = scratch.path();
        give_to_unprivileged(dir)?;
        let (etcd, etcd_port) = etcd(dir)?;
        let first = member(dir, "pg-a", etcd_port, "")?;
        first
            .process
            .wait_until(PATIENCE, || http_ok(first.api_port, "/primary"))?;
        let second = member(dir, "pg-b", etcd_port, tags_of_second)?;
        second.process.wait_until(PATIENCE, || {
            let streams = "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'";
            http_ok(second.api_port, "/replica")
                && second.sql("postgres", streams).is_ok_and(|rows| rows == "1")
        })?;
        let members = [first, second];
        let (haproxy, haproxy_port) = haproxy(dir, &members)?;
        Ok(Self {
            members,
            _haproxy: haproxy,
            haproxy_port,
            _etcd: etcd,
            _scratch: scratch,
        })
    }

    /// `postgres://ROLE@127.0.0.1:PORT/DATABASE` of HAProxy, which leads to the leader.
    #[must_use]
    pub fn through(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.haproxy_port)
    }

    /// Pauses Patroni: it leaves the servers alone unless it is told what to do.
    ///
    /// # Errors
    /// When Patroni refuses.
    pub fn pause(&self) -> Result<(), PartError> {
        let api_port = self.members[0].api_port;
        let wrong = |message: String| PartError::Unexpected {
            part: "patroni".into(),
            message,
        };
        let (user, password) = PATRONI_USER;
        let body = serde_json::json!({ "pause": true });
        ureq::patch(format!("http://{user}:{password}@127.0.0.1:{api_port}/config"))
            .send_json(body)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(())
    }
}

fn process(dir: &Path, name: &str, argv: Vec<String>) -> Result<Process, PartError> {
    Process::start(Recipe {
        name: name.into(),
        argv,
        env: vec![("PATRONI_LOG_LEVEL".into(), "INFO".into())],
        cwd: dir.to_owned(),
        log: dir.join(format!("{name}.log")),
        stop_signal: Signal::TERM,
        // In order, so that Patroni takes its PostgreSQL along.
        death_signal: "TERM",
        run_as: RunAs::Unprivileged,
    })
}

fn write(path: &Path, text: &str) -> Result<(), PartError> {
    std::fs::write(path, text).map_err(PartError::io(format!("writing {}", path.display())))
}

fn etcd(dir: &Path) -> Result<(Process, u16), PartError> {
    let (clients, peers) = (port::free()?, port::free()?);
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut argv = vec![find_program("etcd", "etcd-server")?];
    argv.extend(
        [
            ("--data-dir", dir.join("etcd").to_string_lossy().into_owned()),
            ("--listen-client-urls", url(clients)),
            ("--advertise-client-urls", url(clients)),
            ("--listen-peer-urls", url(peers)),
            ("--initial-advertise-peer-urls", url(peers)),
            ("--initial-cluster", format!("default={}", url(peers))),
        ]
        .into_iter()
        .flat_map(|(key, value)| [key.to_owned(), value]),
    );
    let etcd = process(dir, "etcd", argv)?;
    etcd.wait_until(PATIENCE, || http_ok(clients, "/health"))?;
    Ok((etcd, clients))
}

/// Its loops are short, so that what Patroni does takes seconds; `ttl` can't be less.
fn member(dir: &Path, name: &str, etcd: u16, tags: &str) -> Result<PatroniMember, PartError> {
    let (port, api_port) = (port::free()?, port::free()?);
    let data = dir.join(name);
    let bin = program("postgres")?;
    let bin = Path::new(&bin).parent().unwrap_or(Path::new("/"));
    let (user, password) = PATRONI_USER;
    let text = format!(
        "
scope: pair
name: {name}
restapi:
  listen: 127.0.0.1:{api_port}
  connect_address: 127.0.0.1:{api_port}
  authentication: {{username: {user}, password: {password}}}
etcd3: {{host: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: 20
    loop_wait: 1
    retry_timeout: 3
    postgresql:
      use_pg_rewind: true
      parameters: {{wal_receiver_status_interval: 1s, wal_retrieve_retry_interval: 500ms}}
  initdb: [encoding: UTF8, locale: C.UTF-8, data-checksums]
  pg_hba: [host all all 127.0.0.1/32 trust, host replication all 127.0.0.1/32 trust]
postgresql:
  listen: 127.0.0.1:{port}
  connect_address: 127.0.0.1:{port}
  data_dir: {data}
  bin_dir: {bin}
  pgpass: {data}.pgpass
  authentication:
    superuser: {{username: postgres, password: unused}}
    replication: {{username: replicator, password: unused}}
  parameters: {{unix_socket_directories: '{dir}'}}
tags: {{{tags}}}
",
        data = data.display(),
        bin = bin.display(),
        dir = dir.display(),
    );
    let config = dir.join(format!("{name}.yml"));
    write(&config, &text)?;
    let argv = vec![
        find_program("patroni", "patroni")?,
        config.to_string_lossy().into_owned(),
    ];
    Ok(PatroniMember {
        name: name.into(),
        port,
        api_port,
        data,
        process: process(dir, name, argv)?,
    })
}

fn haproxy(dir: &Path, members: &[PatroniMember]) -> Result<(Process, u16), PartError> {
    let port = port::free()?;
    let mut text = format!(
        "defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n  timeout check 2s\n\
         listen leader\n  bind 127.0.0.1:{port}\n  option httpchk OPTIONS /primary\n  http-check expect status 200\n  \
         default-server inter 300ms fall 1 rise 1 on-marked-down shutdown-sessions\n"
    );
    for member in members {
        let _ = writeln!(
            text,
            "  server {} 127.0.0.1:{} check port {}",
            member.name, member.port, member.api_port
        );
    }
    let config = dir.join("haproxy.cfg");
    write(&config, &text)?;
    let argv = vec![
        find_program("haproxy", "haproxy")?,
        "-f".into(),
        config.to_string_lossy().into_owned(),
    ];
    let haproxy = process(dir, "haproxy", argv)?;
    haproxy.wait_until(PATIENCE, || port::answers(port))?;
    Ok((haproxy, port))
}
