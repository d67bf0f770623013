//! PostgreSQL of the estate: primary, standby, archive, PgBouncer; and the console's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::EstateConfig;
use super::ports::Ports;
use super::server::{self, Ready};
use crate::error::PartError;
use crate::parts::{Postgres, PostgresOptions, program};
use crate::process::{Process, RunAs, find_program, give_to_unprivileged, run_tool};

/// Name of the replication slot of the standby.
const SLOT: &str = "standby_1";

/// Stores a finished WAL segment. A segment that is there already is only fine if it is the same one: overwriting
/// another would destroy what a recovery needs. `ln` refuses to replace, so also two archivers at once can't.
const ARCHIVE_SCRIPT: &str = r#"#!/bin/sh
# usage: archive-wal.sh PATH NAME ARCHIVE
target="$3/$2"
if [ -e "$target" ]; then
    cmp -s "$1" "$target" && exit 0
    echo "archive-wal: $target exists and differs; not overwritten" >&2
    exit 1
fi
part="$3/.$2.$$"
trap 'rm -f "$part"' EXIT
cp "$1" "$part" && sync "$part" && ln "$part" "$target"
"#;

/// Where the WAL archive of a directory is.
pub(crate) fn archive_dir(dir: &Path) -> PathBuf {
    dir.join("wal-archive")
}

fn setting(key: &str, value: impl Into<String>) -> (String, String) {
    (key.to_owned(), value.into())
}

/// The settings that primary and standby share, so that each can take the other's part.
fn settings(config: &EstateConfig, cluster: &str) -> Vec<(String, String)> {
    let archive = archive_dir(&config.dir);
    let script = config.dir.join("archive-wal.sh");
    vec![
        setting("cluster_name", cluster),
        setting("wal_level", "replica"),
        setting("archive_mode", "on"),
        setting(
            "archive_command",
            format!("sh '{}' '%p' '%f' '{}'", script.display(), archive.display()),
        ),
        setting("restore_command", format!("cp '{}/%f' '%p'", archive.display())),
        setting("archive_timeout", config.archive_timeout_s.to_string()),
        setting("max_connections", "100"),
        setting("max_wal_senders", "10"),
        setting("max_slot_wal_keep_size", "1GB"),
        setting("log_line_prefix", "%m [%p] %q%u@%d/%a "),
    ]
}

/// Starts the primary, with SkillQuest's database and all roles in it.
pub(crate) fn start_primary(config: &EstateConfig, ports: &Ports) -> Result<Postgres, PartError> {
    let archive = archive_dir(&config.dir);
    std::fs::create_dir_all(&archive).map_err(PartError::io("making the WAL archive"))?;
    give_to_unprivileged(&archive)?;
    set_archive_writable(&config.dir, true)?;
    std::fs::write(config.dir.join("archive-wal.sh"), ARCHIVE_SCRIPT)
        .map_err(PartError::io("writing archive-wal.sh"))?;
    let primary = Postgres::start_with(&PostgresOptions {
        name: "postgres-primary".into(),
        dir: Some(config.dir.join("primary")),
        port: Some(ports.primary),
        durable: true,
        settings: settings(config, "primary"),
        hba: Vec::new(),
    })?;
    primary.sql(
        "postgres",
        &[
            role("skillquest", "LOGIN"),
            role("replicator", "LOGIN REPLICATION"),
            role("postgres_exporter", "LOGIN"),
            role("quarterdeck_monitor", "LOGIN"),
            "GRANT pg_monitor TO postgres_exporter, quarterdeck_monitor;".into(),
            "GRANT pg_signal_backend TO quarterdeck_monitor;".into(),
            format!(
                "SELECT pg_create_physical_replication_slot('{SLOT}', true)
                  WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '{SLOT}');"
            ),
        ]
        .concat(),
    )?;
    ensure_database(&primary, "skillquest", "skillquest")?;
    if primary
        .sql("skillquest", "SELECT to_regclass('public.enrolments')")?
        .is_empty()
    {
        let schema = config.skillquest_dir.join("schema.sql");
        let text = std::fs::read_to_string(&schema)
            .map_err(PartError::io(format!("reading {}", schema.display())))?;
        // One string is one transaction: an interrupted start finds all of it or nothing.
        primary.sql(
            "skillquest",
            &format!("SET ROLE skillquest; GRANT USAGE ON SCHEMA public TO skillquest; {text}"),
        )?;
    }
    Ok(primary)
}

/// Starts the standby, from a base backup the first time, and again from one if it can't follow any more.
pub(crate) fn start_standby(
    config: &EstateConfig,
    ports: &Ports,
    primary: &Postgres,
) -> Result<Postgres, PartError> {
    let dir = config.dir.join("standby");
    let data = dir.join("data");
    if !data.join("standby.signal").exists() {
        if data.exists() {
            (config.progress)(
                "the standby had been promoted; the primary is again the one in its own directory, and the standby made anew",
            );
        }
        take_base_backup(&dir, ports)?;
    }
    match run_standby(config, ports) {
        Ok(standby) if follows(primary, Duration::from_secs(15))? => return Ok(standby),
        Ok(_) | Err(PartError::Ended { .. }) => {}
        Err(error) => return Err(error),
    }
    (config.progress)("the standby can't follow the primary any more; it is made anew from a base backup");
    take_base_backup(&dir, ports)?;
    let standby = run_standby(config, ports)?;
    if follows(primary, Duration::from_secs(30))? {
        return Ok(standby);
    }
    Err(PartError::Unexpected {
        part: "postgres-standby".into(),
        message: format!(
            "it runs but doesn't stream from the primary; see {}",
            standby.log().display()
        ),
    })
}

fn take_base_backup(dir: &Path, ports: &Ports) -> Result<(), PartError> {
    std::fs::create_dir_all(dir).map_err(PartError::io(format!("making {}", dir.display())))?;
    give_to_unprivileged(dir)?;
    let (data, half) = (dir.join("data"), dir.join("data.new"));
    let (data_text, half_text) = (data.to_string_lossy(), half.to_string_lossy());
    run_tool(&["rm", "-rf", &data_text, &half_text], RunAs::Unprivileged, dir)?;
    let source = format!("host=127.0.0.1 port={} user=replicator", ports.primary);
    let pg_basebackup = program("pg_basebackup")?;
    let arguments = [
        &*pg_basebackup,
        "-d",
        &source,
        "-D",
        &half_text,
        "-X",
        "stream",
        "-c",
        "fast",
        "-S",
        SLOT,
        "--no-sync",
    ];
    run_tool(&arguments, RunAs::Unprivileged, dir)?;
    run_tool(
        &["touch", &half.join("standby.signal").to_string_lossy()],
        RunAs::Unprivileged,
        dir,
    )?;
    std::fs::rename(&half, &data).map_err(PartError::io("placing the base backup"))
}

fn run_standby(config: &EstateConfig, ports: &Ports) -> Result<Postgres, PartError> {
    let source = format!(
        "host=127.0.0.1 port={} user=replicator application_name=standby",
        ports.primary
    );
    let mut settings = settings(config, "standby");
    settings.extend([
        setting("primary_conninfo", source),
        setting("primary_slot_name", SLOT),
        // Not the latest: the archive may hold the history of an earlier standby that was promoted.
        setting("recovery_target_timeline", "current"),
    ]);
    Postgres::start_with(&PostgresOptions {
        name: "postgres-standby".into(),
        dir: Some(config.dir.join("standby")),
        port: Some(ports.standby),
        durable: true,
        settings,
        hba: Vec::new(),
    })
}

/// Whether a standby streams from the primary within `patience`.
fn follows(primary: &Postgres, patience: Duration) -> Result<bool, PartError> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = 'standby'";
        if primary.sql("postgres", streaming)? != "0" {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(false)
}

/// Starts PgBouncer before the primary, in transaction pooling.
pub(crate) fn start_pgbouncer(config: &EstateConfig, ports: &Ports) -> Result<Process, PartError> {
    let dir = config.dir.join("pgbouncer");
    std::fs::create_dir_all(&dir).map_err(PartError::io("making the directory of PgBouncer"))?;
    let users = dir.join("userlist.txt");
    let text = "\"skillquest\" \"\"\n\"quarterdeck_monitor\" \"\"\n\"quarterdeck_admin\" \"\"\n";
    std::fs::write(&users, text).map_err(PartError::io("writing userlist.txt"))?;
    let ini = dir.join("pgbouncer.ini");
    let text = format!(
        "[databases]
skillquest = host=127.0.0.1 port={primary} dbname=skillquest user=skillquest

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
admin_users = quarterdeck_admin
stats_users = quarterdeck_monitor
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
; back soon after the primary is back
server_login_retry = 1
query_wait_timeout = 10
server_check_delay = 5
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
",
        primary = ports.primary,
        port = ports.pgbouncer,
        users = users.display(),
    );
    std::fs::write(&ini, text).map_err(PartError::io("writing pgbouncer.ini"))?;
    server::start(
        "pgbouncer",
        vec![
            find_program("pgbouncer", "pgbouncer")?,
            ini.to_string_lossy().into_owned(),
        ],
        Vec::new(),
        &config.log_dir(),
        RunAs::Unprivileged,
        Ready::Accepts(ports.pgbouncer),
    )
}

/// Starts the console's own small PostgreSQL, with its database and its two roles.
pub(crate) fn start_console_db(config: &EstateConfig, ports: &Ports) -> Result<Postgres, PartError> {
    let database = Postgres::start_with(&PostgresOptions {
        name: "console-db".into(),
        dir: Some(config.dir.join("console-db")),
        port: Some(ports.console_db),
        durable: true,
        settings: vec![
            setting("cluster_name", "console-db"),
            setting("max_connections", "60"),
        ],
        hba: Vec::new(),
    })?;
    database.sql(
        "postgres",
        &[role("quarterdeck_owner", "LOGIN"), role("quarterdeck", "LOGIN")].concat(),
    )?;
    ensure_database(&database, "quarterdeck", "quarterdeck_owner")?;
    Ok(database)
}

/// A statement that makes a role unless it is there.
fn role(name: &str, attributes: &str) -> String {
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} {attributes}; END IF; END $$;"
    )
}

fn ensure_database(server: &Postgres, name: &str, owner: &str) -> Result<(), PartError> {
    if server
        .sql(
            "postgres",
            &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"),
        )?
        .is_empty()
    {
        server.create_database(name, owner)?;
    }
    Ok(())
}

/// Lets the archive be written, or not: how a full or lost backup disk looks to PostgreSQL.
pub(crate) fn set_archive_writable(dir: &Path, writable: bool) -> Result<(), PartError> {
    let mode = if writable { 0o755 } else { 0o555 };
    std::fs::set_permissions(archive_dir(dir), std::fs::Permissions::from_mode(mode))
        .map_err(PartError::io("setting the permissions of the WAL archive"))
}
