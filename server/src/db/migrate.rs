//! Bringing the schema forward, and giving the runtime role the rights it needs and no others.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::DbError;
use super::pool::{owner_connection, owner_hosts, runtime_hosts};
use crate::config::database::DatabaseConfig;

static EMBEDDED: Migrator = sqlx::migrate!("../migrations");

/// Serialises the grants of consoles that start together: two GRANTs on one table at once fail.
const GRANT_LOCK: i64 = 0x7175_6172_7465_7264;

/// What a migration run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The versions that were applied now, in order.
    pub applied: Vec<i64>,
    /// The version that the schema has now.
    pub version: i64,
    /// The role that got the runtime rights; none when the console runs as the owner.
    pub runtime_role: Option<String>,
}

/// Why the schema couldn't be brought forward.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database didn't do it.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A migration failed, or the database has migrations that this console doesn't know, or other ones.
    #[error(
        "the schema quarterdeck can't be brought to this console's version; nothing was half done, as each step \
         is one transaction. If a newer console ran on this database, use that one or restore a backup"
    )]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The runtime role isn't there.
    #[error(
        "database.url connects as the role {0:?}, and there is no such role; make it with: CREATE ROLE {0:?} LOGIN \
         PASSWORD '…'"
    )]
    NoRole(String),
}

/// This console's migrations, all in the schema `quarterdeck`, their own bookkeeping included.
pub fn migrations() -> Migrator {
    let mut migrator = Migrator::with_migrations(EMBEDDED.iter().cloned().collect());
    migrator.dangerous_set_table_name("quarterdeck._sqlx_migrations");
    migrator
}

/// Brings the schema to this console's version and grants the runtime role what it needs.
///
/// Any number of consoles may call it at once: an advisory lock lets one work and the others find it done.
///
/// # Errors
/// See [`MigrateError`]. Steps that were applied stay applied.
pub async fn migrate(config: &DatabaseConfig) -> Result<Migrated, MigrateError> {
    let mut connection = owner_connection(config).await?;
    let before = applied(&mut connection).await?;
    let mut migrator = migrations();
    if !schema_exists(&mut connection).await? {
        // Only then: even IF NOT EXISTS wants the right to create schemas, which an owner may have lost since.
        migrator.create_schema(Cow::Borrowed("quarterdeck"));
    }
    migrator.run(&mut connection).await?;
    let after = applied(&mut connection).await?;
    let runtime_role = match runtime_role(config)? {
        Some(role) => {
            grant(&mut connection, &role).await?;
            Some(role)
        }
        None => None,
    };
    connection.close().await.map_err(DbError::from)?;
    Ok(Migrated {
        version: after.last().copied().unwrap_or_default(),
        applied: after
            .into_iter()
            .filter(|version| !before.contains(version))
            .collect(),
        runtime_role,
    })
}

/// The versions that this console has and the schema hasn't; works as the runtime role too.
///
/// # Errors
/// When the database can't be asked.
pub async fn pending(connection: &mut PgConnection) -> Result<Vec<i64>, DbError> {
    let applied = applied(connection).await?;
    Ok(EMBEDDED
        .iter()
        .map(|migration| migration.version)
        .filter(|version| !applied.contains(version))
        .collect())
}

async fn schema_exists(connection: &mut PgConnection) -> Result<bool, DbError> {
    Ok(
        sqlx::query_scalar("select to_regnamespace('quarterdeck') is not null")
            .fetch_one(connection)
            .await?,
    )
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, DbError> {
    let table: bool = sqlx::query_scalar("select to_regclass('quarterdeck._sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if !table {
        return Ok(Vec::new());
    }
    let select = "select version from quarterdeck._sqlx_migrations where success order by version";
    Ok(sqlx::query_scalar(select).fetch_all(connection).await?)
}

/// The role of `database.url`, if the schema's owner is another one.
fn runtime_role(config: &DatabaseConfig) -> Result<Option<String>, DbError> {
    if config.owner_url.is_none() {
        return Ok(None);
    }
    let role = runtime_hosts(config)?.username().to_owned();
    Ok((role != owner_hosts(config)?.username()).then_some(role))
}

/// Takes every right on the schema from the role and gives it the ones below, in one transaction.
async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await.map_err(DbError::from)?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(GRANT_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(DbError::from)?;
    let quoted: Option<String> =
        sqlx::query_scalar("select quote_ident(rolname) from pg_roles where rolname = $1")
            .bind(role)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(DbError::from)?;
    let quoted = quoted.ok_or_else(|| MigrateError::NoRole(role.to_owned()))?;
    // Neither table of the audit chain can be written by the role; it can only hand texts in.
    let grants = format!(
        "revoke all on all tables in schema quarterdeck from {quoted};
         grant usage on schema quarterdeck to {quoted};
         grant select on quarterdeck._sqlx_migrations, quarterdeck.audit_events, quarterdeck.audit_head,
             quarterdeck.audit_spans to {quoted};
         grant insert (canonical) on quarterdeck.audit_intake to {quoted};
         grant select, insert, update on quarterdeck.users to {quoted};
         grant select, insert, update, delete on quarterdeck.sessions, quarterdeck.refresh_tokens to {quoted};
         grant select, insert, update on quarterdeck.api_tokens to {quoted};
         grant select, insert, delete on quarterdeck.signing_keys to {quoted};
         grant select, insert on quarterdeck.health_transitions to {quoted};
         grant select, insert on quarterdeck.policy_versions, quarterdeck.action_votes to {quoted};
         grant select, insert, update on quarterdeck.actions, quarterdeck.action_steps, quarterdeck.outbox,
             quarterdeck.fences, quarterdeck.journals, quarterdeck.split_brains to {quoted};
         grant select, update on quarterdeck.maintenance to {quoted};
         grant select, insert, update on quarterdeck.backup_runs, quarterdeck.backups, quarterdeck.drills to {quoted};
         grant select, insert on quarterdeck.backup_verifications to {quoted};
         grant select, insert, update, delete on quarterdeck.primary_positions, quarterdeck.recovery_points to {quoted};"
    );
    // Safe: the only variable part went through quote_ident.
    sqlx::raw_sql(AssertSqlSafe(grants))
        .execute(&mut *transaction)
        .await
        .map_err(DbError::from)?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(())
}
