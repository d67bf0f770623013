//! Migrations from every state, several consoles at once, and the rights that come out of it.

use quarterdeck::db::{self, MigrateError, migrations};
use quarterdeck::services::audit::append;
use sqlx::{AssertSqlSafe, Connection, Executor};

use crate::database::{CONSOLE, TestDatabase};
use crate::events::event;

fn versions() -> Vec<i64> {
    migrations().iter().map(|migration| migration.version).collect()
}

#[tokio::test]
async fn a_fresh_database_gets_everything_and_a_second_run_changes_nothing() {
    let database = TestDatabase::empty();
    let first = db::migrate(&database.config()).await.unwrap();
    assert_eq!(first.applied, versions());
    assert_eq!(first.runtime_role.as_deref(), Some(CONSOLE));
    let second = db::migrate(&database.config()).await.unwrap();
    assert_eq!((second.applied, second.version), (vec![], first.version));
}

#[tokio::test]
async fn everything_is_in_the_schema() {
    let database = TestDatabase::migrated().await;
    let elsewhere: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
         where nspname not in ('quarterdeck', 'pg_catalog', 'information_schema', 'pg_toast')
         union all
         select proname::text from pg_proc p join pg_namespace n on n.oid = pronamespace
         where nspname not in ('quarterdeck', 'pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut database.superuser().await)
    .await
    .unwrap();
    assert_eq!(elsewhere, Vec::<String>::new());
}

#[tokio::test]
async fn every_earlier_state_comes_forward() {
    for earlier in versions() {
        let database = TestDatabase::empty();
        let mut owner = database.owner().await;
        let mut migrator = migrations();
        migrator.create_schema("quarterdeck");
        migrator.run_to(earlier, &mut owner).await.unwrap();
        // Something that has to survive.
        let mut transaction = owner.begin().await.unwrap();
        append(&mut transaction, &event("early")).await.unwrap();
        transaction.commit().await.unwrap();

        let mut runtime = db::owner_connection(&database.config()).await.unwrap();
        let pending: Vec<i64> = versions()
            .into_iter()
            .filter(|version| *version > earlier)
            .collect();
        assert_eq!(db::pending(&mut runtime).await.unwrap(), pending);
        assert_eq!(db::migrate(&database.config()).await.unwrap().applied, pending);
        assert_eq!(db::pending(&mut runtime).await.unwrap(), Vec::<i64>::new());
        let head = quarterdeck::services::audit::verify_database(&mut owner, None)
            .await
            .unwrap();
        assert_eq!(head.seq, 1);
    }
}

#[tokio::test]
async fn consoles_that_start_together_migrate_once() {
    let database = TestDatabase::empty();
    let config = database.config();
    // In one task, but each on a connection of its own: the server sees them all at once.
    for done in futures::future::join_all((0..6).map(|_| db::migrate(&config))).await {
        assert_eq!(Some(&done.unwrap().version), versions().last());
    }
    let recorded: i64 = sqlx::query_scalar("select count(*) from quarterdeck._sqlx_migrations")
        .fetch_one(&mut database.owner().await)
        .await
        .unwrap();
    assert_eq!(recorded as usize, versions().len());
}

#[tokio::test]
async fn a_missing_runtime_role_is_named() {
    let database = TestDatabase::empty();
    let mut config = database.config();
    config.url = config.url.replace(CONSOLE, "nobody_made_me");
    let error = db::migrate(&config).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::NoRole(role) if role == "nobody_made_me"),
        "{error}"
    );
}

#[tokio::test]
async fn one_url_is_enough() {
    let database = TestDatabase::empty();
    let mut config = database.config();
    config.url = config.owner_url.take().unwrap();
    let done = db::migrate(&config).await.unwrap();
    assert_eq!(done.runtime_role, None);
    let pool = db::runtime_pool(&config).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    append(&mut transaction, &event("as owner")).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn the_console_role_can_hand_events_in_and_nothing_else() {
    let database = TestDatabase::migrated().await;
    let pool = database.pool();
    let mut transaction = pool.begin().await.unwrap();
    append(&mut transaction, &event("fine")).await.unwrap();
    transaction.commit().await.unwrap();

    for refused in [
        "insert into quarterdeck.audit_events select * from quarterdeck.audit_events",
        "update quarterdeck.audit_events set outcome = 'failed'",
        "delete from quarterdeck.audit_events",
        "truncate quarterdeck.audit_events",
        "update quarterdeck.audit_head set seq = 0",
        "delete from quarterdeck.audit_head",
        "insert into quarterdeck.audit_intake (transaction_id, canonical) values ('1', '{}')",
        "delete from quarterdeck.audit_intake",
        "select canonical from quarterdeck.audit_intake",
        "select quarterdeck.audit_append()",
        "alter table quarterdeck.audit_events disable trigger all",
        "drop table quarterdeck.audit_events",
        "create table quarterdeck.mine ()",
        "set session_replication_role = replica",
        "delete from quarterdeck.users",
        "update quarterdeck.health_transitions set reason = 'other'",
        "update quarterdeck.signing_keys set secret = secret",
    ] {
        let error = pool.execute(AssertSqlSafe(refused)).await.expect_err(refused);
        let code = error
            .as_database_error()
            .and_then(|error| error.code().map(|code| code.into_owned()));
        assert_eq!(code.as_deref(), Some("42501"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn the_owner_cannot_change_the_record_either() {
    let database = TestDatabase::migrated().await;
    let mut owner = database.owner().await;
    let mut transaction = owner.begin().await.unwrap();
    append(&mut transaction, &event("stays")).await.unwrap();
    transaction.commit().await.unwrap();
    for refused in [
        "update quarterdeck.audit_events set outcome = 'failed'",
        "update quarterdeck.audit_events set outcome = 'failed' where false",
        "delete from quarterdeck.audit_events",
        "truncate quarterdeck.audit_events",
        "truncate quarterdeck.audit_events cascade",
    ] {
        let error = owner.execute(AssertSqlSafe(refused)).await.expect_err(refused);
        assert!(error.to_string().contains("append-only"), "{refused}: {error}");
    }
}
