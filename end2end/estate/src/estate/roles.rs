//! What is in the two nodes: databases, roles and what each role may do. The primary has it, the standby gets it from there.

use std::path::Path;

use crate::error::PartError;
use crate::parts::Postgres;

/// Runs in both databases: a function is granted in one only.
const CONTROL: &str =
    "GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer), pg_reload_conf(), pg_switch_wal()
    TO quarterdeck_control;";

/// The table that the console writes to and reads from through the clients' address, to see that they are served.
const PROBE: &str = "CREATE TABLE IF NOT EXISTS public.quarterdeck_probe (
        token text PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE public.quarterdeck_probe OWNER TO quarterdeck_probe;";

/// Makes what is missing of it on the primary.
pub(super) fn ensure(primary: &Postgres, skillquest_dir: &Path) -> Result<(), PartError> {
    primary.sql(
        "postgres",
        &[
            &role("skillquest", "LOGIN"),
            &role("replicator", "LOGIN REPLICATION"),
            &role("postgres_exporter", "LOGIN"),
            &role("quarterdeck_monitor", "LOGIN"),
            &role("quarterdeck_control", "LOGIN REPLICATION"),
            &role("quarterdeck_probe", "LOGIN"),
            &role("quarterdeck_backup", "LOGIN REPLICATION"),
            "GRANT pg_monitor TO postgres_exporter, quarterdeck_monitor, quarterdeck_control;",
            "GRANT pg_monitor, pg_read_all_data TO quarterdeck_backup;",
            "GRANT pg_signal_backend TO quarterdeck_monitor, quarterdeck_control;",
            "GRANT pg_checkpoint TO quarterdeck_control;",
            "GRANT ALTER SYSTEM ON PARAMETER default_transaction_read_only TO quarterdeck_control;",
            CONTROL,
            // The only functions of this schema in this database.
            "SET client_min_messages = warning; CREATE EXTENSION IF NOT EXISTS pg_walinspect SCHEMA public;",
            "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO quarterdeck_control;",
        ]
        .concat(),
    )?;
    ensure_database(primary, "skillquest", "skillquest")?;
    if primary
        .sql("skillquest", "SELECT to_regclass('public.enrolments')")?
        .is_empty()
    {
        let schema = skillquest_dir.join("schema.sql");
        let text = std::fs::read_to_string(&schema)
            .map_err(PartError::io(format!("reading {}", schema.display())))?;
        // One string is one transaction: an interrupted start finds all of it or nothing.
        primary.sql(
            "skillquest",
            &format!("SET ROLE skillquest; GRANT USAGE ON SCHEMA public TO skillquest; {text}"),
        )?;
    }
    let quiet = "SET client_min_messages = warning;";
    primary
        .sql("skillquest", &[quiet, CONTROL, PROBE].concat())
        .map(drop)
}

/// A statement that makes a role unless it is there.
pub(super) fn role(name: &str, attributes: &str) -> String {
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} {attributes}; END IF; END $$;"
    )
}

/// Makes a database unless it is there.
pub(super) fn ensure_database(server: &Postgres, name: &str, owner: &str) -> Result<(), PartError> {
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
