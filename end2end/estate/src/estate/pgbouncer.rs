//! PgBouncer before the primary. Where its databases lead is in a file of its own, which whoever fails over may rewrite.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::EstateConfig;
use super::ports::Ports;
use super::server::{self, Ready};
use crate::error::PartError;
use crate::leftovers::write_atomically;
use crate::parts::psql;
use crate::process::{Process, RunAs, find_program};

/// The databases of PgBouncer.
const DATABASES: [&str; 2] = ["skillquest", "skillquest_probe"];

fn home(config: &EstateConfig) -> PathBuf {
    config.dir.join("pgbouncer")
}

/// The file that says where the databases are.
pub(super) fn databases_file(config: &EstateConfig) -> PathBuf {
    home(config).join("databases.ini")
}

fn databases(primary: u16) -> String {
    let [clients, probe] = DATABASES;
    format!(
        "[databases]
{clients} = host=127.0.0.1 port={primary} dbname=skillquest user=skillquest
{probe} = host=127.0.0.1 port={primary} dbname=skillquest user=quarterdeck_probe
"
    )
}

/// URL of its administration.
pub(super) fn admin_url(ports: &Ports) -> String {
    format!(
        "postgres://quarterdeck_admin@127.0.0.1:{}/pgbouncer",
        ports.pgbouncer
    )
}

/// Starts it before the node at a port, in transaction pooling.
pub(super) fn start(config: &EstateConfig, ports: &Ports, primary: u16) -> Result<Process, PartError> {
    let dir = home(config);
    std::fs::create_dir_all(&dir).map_err(PartError::io("making the directory of PgBouncer"))?;
    open(&dir, 0o755)?;
    let users: String = [
        "skillquest",
        "quarterdeck_monitor",
        "quarterdeck_admin",
        "quarterdeck_probe",
    ]
    .map(|user| format!("\"{user}\" \"\"\n"))
    .concat();
    let users_file = dir.join("userlist.txt");
    write_readable(&users_file, &users)?;
    let databases_file = databases_file(config);
    write_readable(&databases_file, &databases(primary))?;
    let ini = dir.join("pgbouncer.ini");
    let text = format!(
        "%include {databases}

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
        databases = databases_file.display(),
        port = ports.pgbouncer,
        users = users_file.display(),
    );
    write_readable(&ini, &text)?;
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

/// Has the running PgBouncer lead to the node at a port, and let clients through.
pub(super) fn lead_to(config: &EstateConfig, ports: &Ports, primary: u16) -> Result<(), PartError> {
    let file = databases_file(config);
    let admin = admin_url(ports);
    if std::fs::read_to_string(&file).is_ok_and(|text| text == databases(primary)) {
        return resume(&admin);
    }
    write_readable(&file, &databases(primary))?;
    psql(&admin, "RELOAD")?;
    resume(&admin)
}

/// Ends every pause that somebody has left.
fn resume(admin: &str) -> Result<(), PartError> {
    // Of all at once; refused where there is none.
    let _ = psql(admin, "RESUME");
    for row in psql(admin, "SHOW DATABASES")?.lines() {
        // name | host | port | database | force_user | pool_size | min_pool_size | reserve_pool | pool_mode |
        // max_connections | current_connections | paused | disabled
        let columns: Vec<&str> = row.split('|').collect();
        if let (Some(name), Some(&"1")) = (columns.first(), columns.get(11)) {
            psql(admin, &format!("RESUME {name}"))?;
        }
    }
    Ok(())
}

/// Writes a file of ours that PgBouncer, which runs as another user, can read again later.
fn write_readable(path: &Path, text: &str) -> Result<(), PartError> {
    write_atomically(path, text.as_bytes())?;
    open(path, 0o644)
}

fn open(path: &Path, mode: u32) -> Result<(), PartError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .map_err(PartError::io(format!("opening {}", path.display())))
}
