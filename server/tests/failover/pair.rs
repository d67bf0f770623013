//! A primary and its standby, with the roles that the console uses, and PgBouncer before them.

use std::{os::unix::fs::PermissionsExt, path::Path};

use quarterdeck_estate::{
    parts::{Postgres, PostgresOptions, program},
    port,
    process::{Process, Recipe, RunAs, find_program, run_tool},
};
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

/// What only superusers may give.
const GRANTS: &str = "
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO control;
GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf() TO control;
GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO control;
CREATE EXTENSION pg_walinspect;
GRANT EXECUTE ON FUNCTION pg_get_wal_records_info(pg_lsn, pg_lsn) TO control;";

/// What clients and the probe write to, in the database `app`.
pub const TABLES: &str = "
CREATE TABLE rows (id bigint PRIMARY KEY);
ALTER TABLE rows OWNER TO app;
CREATE TABLE quarterdeck_probe (token text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
ALTER TABLE quarterdeck_probe OWNER TO probe;";

/// A directory that everybody may use.
pub fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    directory
}

/// Two nodes and the way to them.
pub struct Pair {
    pub first: Postgres,
    pub second: Postgres,
    pub pgbouncer: Process,
    pub pgbouncer_port: u16,
    pub directory: tempfile::TempDir,
}

fn node(directory: &Path, name: &str) -> Postgres {
    Postgres::start_with(&PostgresOptions {
        name: name.into(),
        dir: Some(directory.join(name)),
        port: None,
        // pg_rewind wants full pages.
        durable: true,
        settings: [
            ("cluster_name", name),
            ("hot_standby_feedback", "on"),
            // What pg_rewind has to read.
            ("wal_keep_size", "512MB"),
            ("wal_receiver_status_interval", "1s"),
            ("wal_retrieve_retry_interval", "500ms"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec(),
        hba: Vec::new(),
    })
    .unwrap()
}

/// A node that streams from `primary`, by that one's own address.
fn standby_of(primary: &Postgres, directory: &Path, name: &str) -> Postgres {
    let home = directory.join(name);
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
    let (data, url) = (home.join("data"), primary.url("postgres"));
    let copy = [
        &*program("pg_basebackup").unwrap(),
        "-D",
        &*data.to_string_lossy(),
        "-d",
        &url,
        "-R",
        "-X",
        "stream",
        "-c",
        "fast",
        "--no-sync",
    ];
    run_tool(&copy, RunAs::Unprivileged, &home).unwrap();
    node(directory, name)
}

impl Pair {
    /// `db-1` is the primary, and clients of `app` and `probe` are sent there.
    pub fn start() -> Self {
        tokio::task::block_in_place(Self::start_blocking)
    }

    fn start_blocking() -> Self {
        let directory = directory();
        let first = node(directory.path(), "db-1");
        first
            .sql(
                "postgres",
                &format!("CREATE ROLE monitor LOGIN IN ROLE pg_monitor; CREATE ROLE control LOGIN; CREATE ROLE app LOGIN; CREATE ROLE probe LOGIN; {GRANTS}"),
            )
            .unwrap();
        first.create_database("app", "app").unwrap();
        first.sql("app", TABLES).unwrap();
        let second = standby_of(&first, directory.path(), "db-2");
        let (pgbouncer, pgbouncer_port) = pgbouncer(directory.path(), first.port());
        Self {
            first,
            second,
            pgbouncer,
            pgbouncer_port,
            directory,
        }
    }

    /// The address of a database of PgBouncer.
    pub fn through(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.pgbouncer_port)
    }

    /// The console's configuration for it; `of_first` and `of_failover` are added to those sections.
    pub fn configuration(&self, of_first: &str, of_failover: &str) -> String {
        format!(
            "{}{}[failover]\nprobe_url = '{}'\n{of_failover}\n{}",
            section("db-1", &self.first, of_first),
            section("db-2", &self.second, ""),
            self.through("probe", "probe"),
            pgbouncer_section(self.directory.path(), &self.through("admin", "pgbouncer")),
        )
    }

    /// Another standby of the first node, `db-3`.
    pub fn third(&self) -> Postgres {
        tokio::task::block_in_place(|| standby_of(&self.first, self.directory.path(), "db-3"))
    }

    /// Makes the old primary a standby of the new one, with `pg_rewind`.
    pub fn rejoin_first(&self) {
        self.rejoin(&self.first);
    }

    /// Makes a node a standby of the second, with `pg_rewind`.
    pub fn rejoin(&self, node: &Postgres) {
        self.second.sql("postgres", "CHECKPOINT").unwrap();
        node.stop();
        let data = node.data_dir();
        let data_text = data.to_string_lossy();
        let source = self.second.url("postgres");
        // It has to be shut down in order; a killed one is started once for that by pg_rewind itself.
        let rewind = [
            &*program("pg_rewind").unwrap(),
            "--target-pgdata",
            &*data_text,
            "--source-server",
            &source,
            "--write-recovery-conf",
            "--no-sync",
        ];
        run_tool(&rewind, RunAs::Unprivileged, &data).unwrap();
        let auto = data.join("postgresql.auto.conf");
        let kept: String = std::fs::read_to_string(&auto)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("default_transaction_read_only"))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&auto, kept).unwrap();
        node.restart().unwrap();
    }
}

/// The console's configuration of a node.
pub fn section(name: &str, node: &Postgres, more: &str) -> String {
    format!(
        "[[postgres]]\nname = '{name}'\nurl = '{}'\ncontrol_url = '{}'\ntimeout_s = 5.0\n{more}\n",
        node.url_as("monitor", "postgres"),
        node.url_as("control", "postgres")
    )
}

/// Rows of a node, as a superuser sees them.
pub async fn rows(node: &Postgres) -> Vec<i64> {
    let mut connection = PgConnection::connect(&node.url("app")).await.unwrap();
    sqlx::query_scalar("SELECT id FROM rows ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// The console's configuration of a PgBouncer that was started there.
pub fn pgbouncer_section(directory: &Path, admin_url: &str) -> String {
    format!(
        "[failover.pgbouncer]\nadmin_url = '{admin_url}'\ndatabases_file = '{}'\ndatabases = ['app', 'probe']\n",
        directory.join("databases.ini").display()
    )
}

/// A PgBouncer that sends clients of `app` and `probe` to the server on that port.
pub fn pgbouncer(directory: &Path, primary: u16) -> (Process, u16) {
    let port = port::free().unwrap();
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write(
        "databases.ini",
        format!(
            "[databases]\napp = host=127.0.0.1 port={primary} dbname=app user=app\nprobe = host=127.0.0.1 port={primary} dbname=app user=probe\n"
        ),
    );
    write(
        "users.txt",
        "\"app\" \"\"\n\"probe\" \"\"\n\"admin\" \"\"\n".to_owned(),
    );
    write(
        "pgbouncer.ini",
        format!(
            "%include {0}/databases.ini\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {0}/users.txt\nadmin_users = admin\npool_mode = transaction\nserver_login_retry = 1\nquery_wait_timeout = 60\n",
            directory.display()
        ),
    );
    let process = Process::start(Recipe {
        name: "pgbouncer".into(),
        argv: vec![
            find_program("pgbouncer", "pgbouncer").unwrap(),
            directory.join("pgbouncer.ini").to_string_lossy().into_owned(),
        ],
        env: Vec::new(),
        cwd: "/".into(),
        log: directory.join("pgbouncer.log"),
        stop_signal: Signal::TERM,
        death_signal: "KILL",
        run_as: RunAs::Unprivileged,
    })
    .unwrap();
    process
        .wait_until(std::time::Duration::from_secs(30), || port::answers(port))
        .unwrap();
    (process, port)
}
