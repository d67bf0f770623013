//! Whether the console's own database serves it, and whether the audit log is out of the console's reach.

use quarterdeck_domain::access::Role;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::{Finding, skew};
use crate::{
    clock::Clock,
    config::database::DatabaseConfig,
    db::{self, inspection::InspectionRow},
};

const AREA: &str = "Console database";

pub(super) async fn check(config: &DatabaseConfig, clock: &dyn Clock) -> Vec<Finding> {
    let mend = "Start PostgreSQL, or correct [database] url.";
    let pool = match db::runtime_pool(config).await {
        Ok(pool) => pool,
        Err(error) => return vec![Finding::fail(AREA, "answers", error.to_string(), mend)],
    };
    let mut connection = match pool.acquire().await {
        Ok(connection) => connection,
        Err(error) => {
            return vec![Finding::fail(AREA, "answers", reason(&error), mend)];
        }
    };
    let before = clock.now();
    let row = match db::inspection::inspect(&mut connection).await {
        Ok(row) => row,
        Err(error) => return vec![Finding::fail(AREA, "answers", error.to_string(), mend)],
    };
    let theirs = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.clock_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut findings = vec![
        Finding::ok(
            AREA,
            "answers",
            format!("PostgreSQL {} as {}", row.major_version, row.role),
        ),
        skew::judge(AREA, theirs, before, clock.now()),
        schema(&mut connection).await,
        audit_log(&row),
    ];
    drop(connection);
    findings.push(administrator(&pool).await);
    pool.close().await;
    findings
}

/// The driver's words without its settings.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        _ => "it gave no connection in time".to_owned(),
    }
}

async fn schema(connection: &mut PgConnection) -> Finding {
    let check = "schema";
    match db::pending(connection).await {
        Ok(pending) if pending.is_empty() => Finding::ok(AREA, check, "up to date"),
        Ok(pending) => {
            let seen = format!("{} migrations are missing", pending.len());
            Finding::fail(AREA, check, seen, "Run quarterdeck migrate.")
        }
        Err(error) => Finding::fail(AREA, check, error.to_string(), "Run quarterdeck migrate."),
    }
}

fn audit_log(row: &InspectionRow) -> Finding {
    let check = "audit log";
    let InspectionRow { role, .. } = row;
    let mend = "Give [database] owner_url the owner and url a role of its own, then run quarterdeck migrate.";
    if row.is_superuser {
        return Finding::warn(
            AREA,
            check,
            format!("{role} is a superuser, who can change the record"),
            mend,
        );
    }
    if row.owns_audit_log {
        return Finding::warn(
            AREA,
            check,
            format!("{role} owns it and could switch its protection off"),
            mend,
        );
    }
    Finding::ok(AREA, check, format!("{role} can add to it and nothing else"))
}

async fn administrator(pool: &PgPool) -> Finding {
    let check = "administrator";
    let mend = "Run quarterdeck user add NAME --role admin.";
    match db::users::all(pool).await {
        Ok(users) => {
            let active =
                |u: &&db::users::UserRow| u.disabled_at.is_none() && matches!(u.role(), Ok(Role::Admin));
            match users.iter().filter(active).count() {
                0 => Finding::fail(AREA, check, "no account that is in use has the role admin", mend),
                count => Finding::ok(AREA, check, format!("{count} of {} accounts", users.len())),
            }
        }
        Err(error) => Finding::fail(AREA, check, error.to_string(), "Run quarterdeck migrate."),
    }
}
