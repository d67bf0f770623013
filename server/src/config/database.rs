//! The section `[database]`: the console's own PostgreSQL.

use serde::Deserialize;

/// How the console reaches its own database.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// Where the running console works, as the runtime role. A direct connection: LISTEN doesn't pass a transaction
    /// pooler. It may name several servers, as libpq's do; the one that takes writes is worked with.
    pub url: String,
    /// The same database as the owner of the schema, used for migrations alone. Without it the console owns its own
    /// audit log, and `quarterdeck doctor` warns.
    pub owner_url: Option<String>,
    /// Whether `quarterdeck serve` migrates by itself at start.
    pub migrate_on_start: bool,
    /// The most connections the console keeps.
    pub max_connections: u32,
    /// How long a request waits for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// How long a statement may run, in milliseconds.
    pub statement_timeout_ms: u64,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: "postgres://quarterdeck@127.0.0.1:5432/quarterdeck".to_owned(),
            owner_url: None,
            migrate_on_start: true,
            max_connections: 10,
            acquire_timeout_ms: 2_000,
            statement_timeout_ms: 5_000,
        }
    }
}

/// Without the URLs, which hold passwords.
impl std::fmt::Debug for DatabaseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatabaseConfig")
            .field("url", &"(not shown)")
            .field("owner_url", &self.owner_url.as_ref().map(|_| "(not shown)"))
            .field("migrate_on_start", &self.migrate_on_start)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout_ms", &self.acquire_timeout_ms)
            .field("statement_timeout_ms", &self.statement_timeout_ms)
            .finish()
    }
}
