//! A database of its own for each test, in one real cluster a test binary.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use quarterdeck::config::database::DatabaseConfig;
use quarterdeck::db;
use quarterdeck_estate::parts::Postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// Owns the schema.
pub const OWNER: &str = "deck_owner";
/// What the console works as.
pub const CONSOLE: &str = "deck_console";

/// An empty database, and who may do what on it.
pub struct TestDatabase {
    name: String,
    /// Shared by all tests of the binary.
    pub cluster: &'static Postgres,
}

impl TestDatabase {
    /// Makes an empty one, without the schema.
    pub fn empty() -> Self {
        static ROLES: OnceLock<()> = OnceLock::new();
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let cluster = Postgres::shared().expect("a PostgreSQL cluster");
        ROLES.get_or_init(|| make_roles(cluster));
        let name = format!("deck_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.create_database(&name, OWNER).expect("an empty database");
        Self { name, cluster }
    }

    /// Makes one with this console's schema.
    pub async fn migrated() -> Self {
        let database = Self::empty();
        db::migrate(&database.config()).await.expect("the schema");
        database
    }

    /// The console's settings: runtime role and owner apart.
    pub fn config(&self) -> DatabaseConfig {
        DatabaseConfig {
            url: self.cluster.url_as(CONSOLE, &self.name),
            owner_url: Some(self.cluster.url_as(OWNER, &self.name)),
            max_connections: 20,
            ..DatabaseConfig::default()
        }
    }

    /// The console's own pool.
    pub fn pool(&self) -> PgPool {
        let config = self.config();
        db::pool_of(&Arc::new(db::runtime_hosts(&config).expect("a URL")), &config)
    }

    /// A connection as the owner of the schema.
    pub async fn owner(&self) -> PgConnection {
        db::owner_connection(&self.config())
            .await
            .expect("the owner's connection")
    }

    /// A connection as a superuser, who can do anything.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.cluster.url(&self.name))
            .await
            .expect("the superuser's connection")
    }

    /// Runs statements as the superuser.
    pub async fn as_superuser(&self, sql: &str) {
        let mut connection = self.superuser().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .expect(sql);
    }
}

/// The two roles, as an administrator would make them.
pub fn make_roles(cluster: &Postgres) {
    cluster.create_role(OWNER, "").expect("the owner's role");
    cluster.create_role(CONSOLE, "").expect("the console's role");
}
