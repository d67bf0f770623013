//! What is written beside a backup in the store: enough to know it, check it and restore it without the console's database,
//! which may have been lost together with what is restored.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Method, Timeline};
use crate::cluster::Lsn;

/// The version of the format.
pub const VERSION: u32 = 1;
/// The end of a manifest's name; what comes before is the backup's.
pub const SUFFIX: &str = ".manifest.json";

/// What is written beside a backup, after everything else of it is stored: a backup without one is not complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// Version of this format.
    pub version: u32,
    /// The run that made it.
    pub run_id: Uuid,
    /// How it was made.
    pub method: Method,
    /// When its run began.
    #[serde(with = "time::serde::rfc3339")]
    pub began_at: OffsetDateTime,
    /// When everything was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    /// Its files, by their names below the backup's own.
    pub files: Vec<ManifestFile>,
    /// What it is a backup of.
    pub source: Source,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ManifestFile {
    /// Its path in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, hexadecimal.
    pub sha256: String,
}

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Source {
    /// One database.
    Database {
        /// The server.
        server: Server,
        /// Its name.
        database: String,
        /// When the snapshot was taken that was dumped: the instant to which it leads back.
        #[serde(with = "time::serde::rfc3339")]
        snapshot_at: OffsetDateTime,
        /// What was in each table in that snapshot.
        tables: Vec<TableFigures>,
    },
    /// The whole cluster.
    Cluster {
        /// The server.
        server: Server,
        /// The timeline it was taken on.
        timeline: Timeline,
        /// Where replay has to begin.
        start: Lsn,
        /// Where replay has to be before the cluster is consistent.
        stop: Lsn,
        /// When it was there: the earliest instant to which it leads back.
        #[serde(with = "time::serde::rfc3339")]
        consistent_at: OffsetDateTime,
        /// Bytes of the data directory as it is restored.
        unpacked_bytes: Option<u64>,
    },
    /// Redis.
    Redis {
        /// Version of the server.
        version: String,
        /// Keys in it, all databases together.
        keys: u64,
        /// When it was saved.
        #[serde(with = "time::serde::rfc3339")]
        saved_at: OffsetDateTime,
    },
}

impl Source {
    /// The instant to which the backup alone leads back.
    #[must_use]
    pub const fn instant(&self) -> OffsetDateTime {
        match self {
            Self::Database { snapshot_at, .. } => *snapshot_at,
            Self::Cluster { consistent_at, .. } => *consistent_at,
            Self::Redis { saved_at, .. } => *saved_at,
        }
    }
}

/// A server of PostgreSQL that was backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Server {
    /// The node's name in the configuration.
    pub node: String,
    /// Identifies the cluster.
    pub system_identifier: i64,
    /// `server_version_num`: 150018.
    pub version_num: i32,
}

/// What was in a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TableFigures {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub table: String,
    /// How many rows.
    pub rows: i64,
    /// The sum of the rows' hashes, decimal: the same whatever their order. None if only rows were counted.
    pub checksum: Option<String>,
}

impl Manifest {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Rows of all tables, where they were counted.
    #[must_use]
    pub fn rows(&self) -> Option<i64> {
        match &self.source {
            Source::Database { tables, .. } => Some(tables.iter().map(|table| table.rows).sum()),
            Source::Cluster { .. } | Source::Redis { .. } => None,
        }
    }
}

/// What a backup of a run that began at `began_at` is called: `dump/skillquest-20261129T020000Z`. Names sort by time.
#[must_use]
pub fn backup_name(method: Method, what: &str, began_at: OffsetDateTime) -> String {
    let at = began_at.to_offset(time::UtcOffset::UTC);
    format!(
        "{}/{what}-{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        method.key(),
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_backup_is_called_by_its_method_and_time() {
        let at = datetime!(2026-11-29 3:04:05.678 +1);
        assert_eq!(
            backup_name(Method::Dump, "skillquest", at),
            "dump/skillquest-20261129T020405Z"
        );
    }

    #[test]
    fn the_text_form_stays_readable() {
        let text = r#"{"version":1,"run_id":"00000000-0000-0000-0000-000000000001","method":"base",
            "began_at":"2026-11-29T02:00:00Z","ended_at":"2026-11-29T02:01:00Z",
            "files":[{"path":"base/skillquest-20261129T020000Z/base.tar.gz","bytes":40,"sha256":"00"},
                     {"path":"base/skillquest-20261129T020000Z/backup_manifest","bytes":2,"sha256":"01"}],
            "source":{"of":"cluster","server":{"node":"db-1","system_identifier":7,"version_num":150018},"timeline":1,
                      "start":"0/2000028","stop":"0/2000138","consistent_at":"2026-11-29T02:00:58Z","unpacked_bytes":null}}"#;
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.bytes(), 42);
        assert_eq!(manifest.source.instant(), datetime!(2026-11-29 2:00:58 UTC));
        assert_eq!(manifest.rows(), None);
        let again: Manifest = serde_json::from_str(&serde_json::to_string(&manifest).unwrap()).unwrap();
        assert_eq!(again, manifest);
    }
}
