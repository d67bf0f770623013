//! The audit log as it is shown: pages of a search, and one row with what proves it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditRowView {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When it happened, Unix ms.
    pub at_ms: i64,
    /// What happened, in a sentence.
    pub sentence: String,
    /// `user`, `command_line`, `system` or `anonymous`.
    pub actor_kind: String,
    /// The account's id, where it was one.
    pub actor_id: Option<String>,
    /// The actor's name, where it had one.
    pub actor_name: Option<String>,
    /// The stable name of what was done.
    pub action: String,
    /// The noun of what it was done to.
    pub object_kind: String,
    /// Which one of its kind.
    pub object_id: String,
    /// `succeeded`, `refused` or `failed`.
    pub outcome: String,
    /// The address that the request came from.
    pub source: Option<String>,
    /// The trace that the request belonged to.
    pub trace_id: Option<String>,
    /// Particulars.
    #[cfg_attr(feature = "ssr", schema(value_type = Object))]
    pub detail: Map<String, Value>,
    /// The hash of the row before, 64 hexadecimal digits.
    pub prev_hash: String,
    /// Its own hash, 64 hexadecimal digits.
    pub hash: String,
    /// What is wrong with the row by itself; `null` if it is as it was written. `GET /api/v1/audit/{seq}` also looks at
    /// its neighbours.
    pub fault: Option<String>,
}

/// Where a search stopped looking before it had found a page full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct SearchedToView {
    /// The number of the last row that was looked at.
    pub seq: u64,
    /// When that was recorded, Unix ms.
    pub at_ms: Option<i64>,
}

/// A page of a search, the newest row first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditPageView {
    /// The rows.
    pub rows: Vec<AuditRowView>,
    /// Give this as `before` for the rows further back; `null` when there are none.
    pub older: Option<u64>,
    /// Give this as `after` for the rows since; `null` on the page of the newest rows.
    pub newer: Option<u64>,
    /// Set when the search was interrupted because few rows fit: go on with `older` (or, going up, with `newer`).
    pub searched_to: Option<SearchedToView>,
}

/// One check of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditCheckView {
    /// What was looked at.
    pub title: String,
    /// Whether it holds.
    pub holds: bool,
    /// What holds, or what does not.
    pub text: String,
}

/// One row with its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct AuditEntryView {
    /// The row.
    pub row: AuditRowView,
    /// The canonical text, byte for byte, over which the hash goes.
    pub canonical: String,
    /// The hash made anew from the previous hash, the number and the text.
    pub recomputed_hash: String,
    /// Whether all checks hold.
    pub verifies: bool,
    /// The checks.
    pub checks: Vec<AuditCheckView>,
    /// The number of the row before, if it is there.
    pub previous: Option<u64>,
    /// The number of the row after, if it is there.
    pub next: Option<u64>,
    /// The number of the newest row.
    pub newest: u64,
}
