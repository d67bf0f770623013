//! What there is to restore from.

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};

use super::{Timeline, WalArchive};
use crate::cluster::Lsn;

/// What is known of a stored backup's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Condition {
    /// It was read from end to end, and is whole.
    Good,
    /// Nobody has looked yet.
    Unverified,
    /// It was looked at, and can't be restored.
    Damaged,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Good, Self::Unverified, Self::Damaged];

    /// Its name in views, metrics and the console's own database.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unverified => "unverified",
            Self::Damaged => "damaged",
        }
    }

    /// The one of a name, as [`Self::key`] gives it.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.key() == key)
    }

    /// Whether it may be restorable.
    #[must_use]
    pub const fn usable(self) -> bool {
        match self {
            Self::Good | Self::Unverified => true,
            Self::Damaged => false,
        }
    }
}

/// A base backup that was finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Base {
    /// Names it.
    pub id: String,
    /// The timeline it was taken on.
    pub timeline: Timeline,
    /// Where replay has to begin.
    pub start: Lsn,
    /// Where it is consistent: replay has to come at least so far.
    pub stop: Lsn,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339")]
    pub begun_at: OffsetDateTime,
    /// When it was finished: the earliest instant to which it can be restored.
    #[serde(with = "time::serde::rfc3339")]
    pub ended_at: OffsetDateTime,
    /// What is known of its content.
    pub condition: Condition,
    /// Whether it carries the WAL from its start to its stop (`pg_basebackup -X stream`), and so can be restored to its end
    /// without the archive.
    pub own_wal: bool,
    /// Whether somebody wants it kept whatever the rules say.
    pub pinned: bool,
}

/// A dump that was finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dump {
    /// Names it.
    pub id: String,
    /// When its snapshot was taken: the only instant to which it can be restored.
    #[serde(with = "time::serde::rfc3339")]
    pub snapshot_at: OffsetDateTime,
    /// What is known of its content.
    pub condition: Condition,
}

/// All that the map is made from.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The base backups, in any order.
    pub bases: &'a [Base],
    /// The dumps, in any order.
    pub dumps: &'a [Dump],
    /// The archive.
    pub wal: &'a WalArchive,
    /// The present.
    pub now: OffsetDateTime,
}

const IN_WORDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// An instant as sentences name it: "2026-11-28 14:03:10 UTC".
pub(super) fn in_words(at: OffsetDateTime) -> String {
    let utc = at.to_offset(UtcOffset::UTC);
    utc.format(IN_WORDS).unwrap_or_else(|_| utc.to_string())
}
