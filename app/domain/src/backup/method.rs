//! The ways in which something is backed up.

use serde::{Deserialize, Serialize};

/// A way in which something is backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Method {
    /// One database, logically: `pg_dump -Fc`. No WAL can be replayed on it.
    Dump,
    /// The whole cluster, physically: `pg_basebackup`. WAL is replayed from it.
    Base,
    /// The write-ahead log, segment by segment: `archive_command`.
    Wal,
    /// Redis, as it was at one moment: `dump.rdb`.
    RedisRdb,
    /// Redis, command by command: the append-only file.
    RedisAof,
}

impl Method {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Base, Self::Wal, Self::Dump, Self::RedisRdb, Self::RedisAof];

    /// Its name in configuration, addresses, metrics and the store.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::Base => "base",
            Self::Wal => "wal",
            Self::RedisRdb => "redis_rdb",
            Self::RedisAof => "redis_aof",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dump => "Dump",
            Self::Base => "Base backup",
            Self::Wal => "WAL archive",
            Self::RedisRdb => "Redis RDB",
            Self::RedisAof => "Redis AOF",
        }
    }

    /// The method of a name, as [`Self::key`] gives it.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_by_its_name_and_written_by_it() {
        for method in Method::ALL {
            assert_eq!(Method::from_key(method.key()), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.key());
        }
        assert_eq!(Method::from_key("tape"), None);
    }
}
