//! Restore drills: a backup is restored, held against what was noted at its source, and each step is timed.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::TableFigures;

/// A step of a drill, in the order in which they are done. Not every drill has all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DrillStep {
    /// Whether there is room on this machine.
    Room,
    /// The backup is fetched from the store.
    Fetch,
    /// A base backup is unpacked, or an empty cluster is made for a dump.
    Prepare,
    /// WAL is fetched from the archive.
    FetchWal,
    /// A dump is restored.
    Restore,
    /// The server starts and replays WAL.
    Replay,
    /// What was restored is held against its source.
    Check,
}

impl DrillStep {
    /// What people call it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Room => "Look for room",
            Self::Fetch => "Fetch the backup",
            Self::Prepare => "Prepare the cluster",
            Self::FetchWal => "Fetch WAL",
            Self::Restore => "Restore",
            Self::Replay => "Start and replay",
            Self::Check => "Check",
        }
    }

    /// Whether a real recovery would have to do it too: looking for room and checking every row belong to the drill.
    #[must_use]
    pub const fn belongs_to_recovery(self) -> bool {
        match self {
            Self::Fetch | Self::Prepare | Self::FetchWal | Self::Restore | Self::Replay => true,
            Self::Room | Self::Check => false,
        }
    }
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepTaken {
    /// Which.
    pub step: DrillStep,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub began_at: OffsetDateTime,
    /// How long it took, ms.
    pub took_ms: u64,
    /// The bytes it went through, where that is what its time depends on.
    pub bytes: Option<u64>,
    /// What there is to say about it.
    pub note: String,
}

/// Something that a restored cluster was asked, and whether the answer is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Check {
    /// What was asked.
    pub name: String,
    /// What it should be.
    pub expected: String,
    /// What it is.
    pub found: String,
    /// Whether that is right.
    pub passed: bool,
}

/// The check that sums up those of all tables.
pub const SUMMARY: &str = "Tables and rows";

/// Checks that are listed for tables one by one; the others are counted.
const LISTED: usize = 20;

/// Holds the tables of a restored dump against what was noted in the snapshot that was dumped: they have to be the same to the
/// row.
#[must_use]
pub fn same_tables(noted: &[TableFigures], found: &[TableFigures]) -> Vec<Check> {
    let wrong = noted.iter().filter_map(|table| {
        let name = format!("{}.{}", table.schema, table.table);
        let now = of(found, table);
        if now.is_some_and(|now| {
            now.rows == table.rows && (table.checksum.is_none() || now.checksum == table.checksum)
        }) {
            return None;
        }
        Some(Check {
            name: format!("Table {name}"),
            expected: words(table),
            found: now.map_or_else(|| "it is not there".to_owned(), words),
            passed: false,
        })
    });
    summed_up(
        wrong.collect(),
        noted,
        "to the row, as in the snapshot that was dumped",
    )
}

/// How far the rows of a table may be outside of what was seen before and after, in percent of the larger and in rows: they were
/// counted at other moments.
const TOLERANCE_PERCENT: i64 = 1;
const TOLERANCE_ROWS: i64 = 100;
/// The same where nothing was counted before: then only the present tells, which may be some time later.
const LATER_PERCENT: i64 = 10;
const LATER_ROWS: i64 = 1_000;

/// Holds the tables of a cluster that was recovered to an instant against what was counted at the source before and after it:
/// each has to be there, with a number of rows between the two, give or take a little.
#[must_use]
pub fn tables_between(before: &[TableFigures], after: &[TableFigures], found: &[TableFigures]) -> Vec<Check> {
    let wrong = after.iter().filter_map(|table| {
        // A table that was made since need not be there yet.
        let earlier = of(before, table);
        if earlier.is_none() && !before.is_empty() {
            return None;
        }
        let earlier = earlier.map_or(table.rows, |earlier| earlier.rows);
        let (low, high) = (earlier.min(table.rows), earlier.max(table.rows));
        let (percent, rows) = if before.is_empty() {
            (LATER_PERCENT, LATER_ROWS)
        } else {
            (TOLERANCE_PERCENT, TOLERANCE_ROWS)
        };
        let tolerance = (high.saturating_mul(percent) / 100).max(rows);
        let now = of(found, table).map(|now| now.rows);
        // A table with rows may not come back empty, however few they were.
        let fits = now.is_some_and(|rows| {
            (low.saturating_sub(tolerance)..=high.saturating_add(tolerance)).contains(&rows)
                && (low == 0 || rows > 0)
        });
        (!fits).then(|| Check {
            name: format!("Table {}.{}", table.schema, table.table),
            expected: format!("between {low} and {high} rows, give or take {tolerance}"),
            found: now.map_or_else(|| "it is not there".to_owned(), |rows| format!("{rows} rows")),
            passed: false,
        })
    });
    summed_up(
        wrong.collect(),
        after,
        "with as many rows as the source had about then",
    )
}

fn of<'a>(figures: &'a [TableFigures], table: &TableFigures) -> Option<&'a TableFigures> {
    figures
        .iter()
        .find(|other| other.schema == table.schema && other.table == table.table)
}

fn words(table: &TableFigures) -> String {
    match &table.checksum {
        Some(checksum) => format!("{} rows with the checksum {checksum}", table.rows),
        None => format!("{} rows", table.rows),
    }
}

fn summed_up(mut wrong: Vec<Check>, all: &[TableFigures], how: &str) -> Vec<Check> {
    let count = wrong.len();
    let rows: i64 = all.iter().map(|table| table.rows).sum();
    wrong.truncate(LISTED);
    wrong.insert(
        0,
        Check {
            name: SUMMARY.to_owned(),
            expected: format!("{} tables and {rows} rows {how}", all.len()),
            found: match (count, all.len()) {
                // Nothing to hold against proves nothing.
                (_, 0) => "nothing was noted at the source".to_owned(),
                (0, _) => "the same".to_owned(),
                (count, _) => format!("{count} tables are otherwise"),
            },
            passed: count == 0 && !all.is_empty(),
        },
    );
    wrong
}

/// Whether a drill succeeded: everything that was asked was right, and something was asked.
#[must_use]
pub fn succeeded(checks: &[Check]) -> bool {
    !checks.is_empty() && checks.iter().all(|check| check.passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, rows: i64, checksum: Option<&str>) -> TableFigures {
        TableFigures {
            schema: "public".to_owned(),
            table: name.to_owned(),
            rows,
            checksum: checksum.map(str::to_owned),
        }
    }

    #[test]
    fn a_dump_comes_back_to_the_row_or_the_drill_fails() {
        let noted = [table("a", 3, Some("17")), table("b", 0, Some("0"))];
        assert!(succeeded(&same_tables(&noted, &noted)));
        for found in [
            vec![table("a", 2, Some("17")), table("b", 0, Some("0"))],
            vec![table("a", 3, Some("18")), table("b", 0, Some("0"))],
            vec![table("a", 3, Some("17"))],
            vec![],
        ] {
            let checks = same_tables(&noted, &found);
            assert!(!succeeded(&checks), "{checks:?}");
            assert!(checks.len() > 1, "the table is named: {checks:?}");
        }
        assert!(
            !succeeded(&same_tables(&[], &[])),
            "nothing to hold against proves nothing"
        );
        assert!(!succeeded(&[]));
        // Only counted at the source.
        let counted = [table("a", 3, None)];
        assert!(succeeded(&same_tables(&counted, &[table("a", 3, Some("17"))])));
    }

    #[test]
    fn what_was_recovered_lies_between_before_and_after() {
        let (before, after) = (
            [table("a", 1_000, None)],
            [table("a", 2_000, None), table("new", 5, None)],
        );
        let judged = |rows| succeeded(&tables_between(&before, &after, &[table("a", rows, None)]));
        assert!(judged(900) && judged(1_500) && judged(2_100));
        assert!(!judged(899) && !judged(2_101) && !judged(0));
        assert!(!succeeded(&tables_between(&before, &after, &[])));
        // Few rows are rows too.
        let few = [table("a", 3, None)];
        assert!(!succeeded(&tables_between(&few, &few, &[table("a", 0, None)])));
        // Without anything noted before, the present alone tells.
        assert!(succeeded(&tables_between(&[], &few, &[table("a", 3, None)])));
    }
}
