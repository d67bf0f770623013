//! Clients of a watched PostgreSQL, and the console's eye on them.

use std::{str::FromStr, time::Duration};

use quarterdeck::{
    clients::{DatabaseSessions, PostgresNode},
    config::postgres::PostgresNodeConfig,
};
use quarterdeck_domain::database::{Backend, BackendId, BackendKind, BackendState};
use quarterdeck_estate::parts::Postgres;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, postgres::PgConnectOptions};
use tokio::task::JoinHandle;

/// The role by which the console looks and signals.
pub const WATCHER: &str = "watcher";
/// An ordinary role, as an application has.
pub const APP: &str = "app";

/// Makes both roles.
pub fn make_roles(server: &Postgres) {
    server.create_role(APP, "").unwrap();
    server
        .create_role(WATCHER, "IN ROLE pg_monitor, pg_signal_backend")
        .unwrap();
}

/// The console's eye on a server, as `role`.
pub fn sessions(server: &Postgres, role: &str) -> DatabaseSessions {
    let mut config = PostgresNodeConfig::new("node", server.url_as(role, "postgres"));
    config.timeout_s = 20.0;
    DatabaseSessions::new(PostgresNode::new(&config).unwrap().connection())
}

/// A client that is connected.
pub async fn connect(server: &Postgres, role: &str, application: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnectOptions::from_str(&server.url_as(role, "postgres"))
        .unwrap()
        .application_name(application)
        .connect()
        .await
}

/// A client that runs one statement after the other, without waiting for the end of the last.
pub async fn client(
    server: &Postgres,
    role: &str,
    application: &str,
    statements: &[&str],
) -> JoinHandle<Result<(), sqlx::Error>> {
    let mut connection = connect(server, role, application).await.unwrap();
    let statements: Vec<String> = statements.iter().map(|&s| s.to_owned()).collect();
    tokio::spawn(async move {
        for statement in statements {
            connection.execute(AssertSqlSafe(statement)).await?;
        }
        // Stays connected, and idle.
        std::future::pending::<()>().await;
        Ok(())
    })
}

/// Waits until a backend is as wished, and gives it.
pub async fn backend(eye: &DatabaseSessions, what: &str, wished: impl Fn(&Backend) -> bool) -> Backend {
    for _ in 0..600 {
        let report = eye.read().await.unwrap();
        if let Some(found) = report.snapshot.backends.iter().find(|b| wished(b)) {
            return found.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited thirty seconds for {what}");
}

/// The client's backend of an application, once it is active.
pub async fn active(eye: &DatabaseSessions, application: &str) -> Backend {
    backend(eye, application, |b| {
        b.application == application && b.kind == BackendKind::Client && b.state == BackendState::Active
    })
    .await
}

/// Whether it is there.
pub async fn is_there(eye: &DatabaseSessions, id: BackendId) -> bool {
    eye.still_there(&[id]).await.unwrap() == [id]
}
