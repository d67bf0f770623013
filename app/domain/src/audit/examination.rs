//! One row of the log, held against its own text and against the rows on either side.
//!
//! What a look at one row can show: that it was changed, or that its neighbours were. That the log as a whole is the
//! one that was written shows only a walk over all of it, against a head that was kept elsewhere.

use super::chain::{ChainRow, Columns, Fault, Head, Sha256Hash};
use super::event::Event;

/// What is looked at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The stored hash against one made anew.
    Hash,
    /// The previous hash against the row before.
    Previous,
    /// The hash against the row after, or against the head if there is none.
    Next,
    /// The text against what the console writes.
    Text,
    /// The search columns against the text.
    Columns,
}

impl Check {
    /// What it is about, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Hash => "Its own hash",
            Self::Previous => "The row before",
            Self::Next => "The row after",
            Self::Text => "Its text",
            Self::Columns => "Its search columns",
        }
    }
}

/// What a check showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// What holds, or what does not.
    pub verdict: Result<String, String>,
}

/// What a look at one row showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The hash that the row should have, made from its previous hash, its number and its text.
    pub recomputed: Sha256Hash,
    /// One a check, in order.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict.is_ok())
    }
}

/// What is wrong with a row by itself: with its hash, its text or its columns.
#[must_use]
pub fn own_fault(row: &ChainRow) -> Option<Fault> {
    if row.hash != Sha256Hash::of_row(row.prev_hash, row.seq, &row.canonical) {
        return Some(Fault::Hash);
    }
    match Event::from_canonical(&row.canonical) {
        Err(error) => Some(Fault::Text(error.to_string())),
        Ok(event) => column_fault(row, &event),
    }
}

fn column_fault(row: &ChainRow, event: &Event) -> Option<Fault> {
    let shown = row.columns.as_ref()?;
    Columns::of(event).first_difference(shown).map(Fault::Column)
}

/// Holds a row against itself and its neighbours. `before` and `after` are the rows of the numbers on either side, and
/// `head` is the end of the log, all read at the same instant.
#[must_use]
pub fn examine(
    row: &ChainRow,
    before: Option<&ChainRow>,
    after: Option<&ChainRow>,
    head: Head,
) -> Examination {
    let recomputed = Sha256Hash::of_row(row.prev_hash, row.seq, &row.canonical);
    let event = Event::from_canonical(&row.canonical);
    let text = match &event {
        Ok(_) => Ok("It is in the one form that the console writes.".to_owned()),
        Err(error) => Err(Fault::Text(error.to_string()).to_string()),
    };
    let columns = match event.as_ref().map(|event| column_fault(row, event)) {
        Ok(None) => Ok("They say what the text says, so that a search finds it.".to_owned()),
        Ok(Some(fault)) => Err(fault.to_string()),
        Err(_) => Err("they can't be compared with a text that is no event".to_owned()),
    };
    let hash = if row.hash == recomputed {
        Ok("Made anew from the previous hash, the number and the text, it is the same.".to_owned())
    } else {
        Err(Fault::Hash.to_string())
    };
    let finding = |check, verdict| Finding { check, verdict };
    Examination {
        recomputed,
        findings: vec![
            finding(Check::Hash, hash),
            finding(Check::Previous, previous(row, before)),
            finding(Check::Next, next(row, after, head)),
            finding(Check::Text, text),
            finding(Check::Columns, columns),
        ],
    }
}

fn previous(row: &ChainRow, before: Option<&ChainRow>) -> Result<String, String> {
    let builds_on = |hash: Sha256Hash, what: String| {
        if row.prev_hash == hash {
            Ok(what)
        } else {
            Err(Fault::PreviousHash.to_string())
        }
    };
    match (row.seq.checked_sub(1), before) {
        (Some(0), None) => builds_on(
            Sha256Hash::genesis(),
            "It is the first row, and builds on the beginning of the chain.".to_owned(),
        ),
        (Some(number), Some(before)) => {
            builds_on(before.hash, format!("It builds on the hash of row {number}."))
        }
        (Some(number), None) => Err(format!("row {number} is missing: it was removed")),
        (None, _) => Err("its number is 0, and rows begin with 1".to_owned()),
    }
}

fn next(row: &ChainRow, after: Option<&ChainRow>, head: Head) -> Result<String, String> {
    match after {
        Some(after) if after.prev_hash == row.hash => Ok(format!("Row {} builds on its hash.", after.seq)),
        Some(after) => Err(format!(
            "row {} does not build on its hash: one of the two was changed or replaced",
            after.seq
        )),
        None if head.seq > row.seq => Err(format!(
            "row {} is missing, and the log is known to go on to row {}: it was removed",
            row.seq + 1,
            head.seq
        )),
        None if head.seq == row.seq && head.hash == row.hash => {
            Ok("It is the newest row, and the head of the log holds its hash.".to_owned())
        }
        None => Err(format!(
            "it is the newest row, but the head of the log says {head}: the row or the head was changed"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Action, Actor, Detail, Object, Outcome};
    use time::macros::datetime;
    use uuid::Uuid;

    fn chain(length: u64) -> Vec<ChainRow> {
        let mut head = Head::genesis();
        (1..=length)
            .map(|seq| {
                let event = Event {
                    id: Uuid::from_u128(u128::from(seq)),
                    recorded_at: datetime!(2026-11-24 22:00 UTC),
                    actor: Actor::System,
                    action: Action::SigningKeyRotated,
                    object: Object::new("signing_key", seq),
                    outcome: Outcome::Succeeded,
                    detail: Detail::none(),
                    source: None,
                    trace_id: None,
                };
                let canonical = event.canonical().unwrap();
                let row = ChainRow {
                    seq,
                    prev_hash: head.hash,
                    hash: Sha256Hash::of_row(head.hash, seq, &canonical),
                    canonical,
                    columns: Some(Columns::of(&event)),
                };
                head = Head { seq, hash: row.hash };
                row
            })
            .collect()
    }

    fn head(rows: &[ChainRow]) -> Head {
        rows.last().map_or_else(Head::genesis, |row| Head {
            seq: row.seq,
            hash: row.hash,
        })
    }

    /// The checks that find something at row 2 of 3.
    fn found(rows: &[ChainRow], head: Head) -> Vec<Check> {
        let at = |seq| rows.iter().find(|row| row.seq == seq);
        examine(at(2).unwrap(), at(1), at(3), head)
            .findings
            .into_iter()
            .filter(|finding| finding.verdict.is_err())
            .map(|finding| finding.check)
            .collect()
    }

    #[test]
    fn every_row_of_a_whole_log_is_sound() {
        let rows = chain(3);
        for (i, row) in rows.iter().enumerate() {
            let before = i.checked_sub(1).map(|i| &rows[i]);
            let examined = examine(row, before, rows.get(i + 1), head(&rows));
            assert!(examined.is_sound(), "{examined:?}");
            assert_eq!(examined.recomputed, row.hash);
            assert_eq!(own_fault(row), None);
        }
    }

    #[test]
    fn each_kind_of_change_shows_in_its_check() {
        type Change = fn(&mut Vec<ChainRow>);
        let cases: [(Change, &[Check]); 7] = [
            (
                |rows| rows[1].canonical = rows[1].canonical.replace("succeeded", "refused"),
                &[Check::Hash, Check::Columns],
            ),
            (
                |rows| rows[1].hash = Sha256Hash([7; 32]),
                &[Check::Hash, Check::Next],
            ),
            (
                |rows| rows[1].prev_hash = Sha256Hash([7; 32]),
                &[Check::Hash, Check::Previous],
            ),
            (
                |rows| rows[1].columns.as_mut().unwrap().outcome = "failed".into(),
                &[Check::Columns],
            ),
            (|rows| drop(rows.remove(0)), &[Check::Previous]),
            (|rows| drop(rows.remove(2)), &[Check::Next]),
            (
                |rows| {
                    rows[1].canonical = "{}".into();
                    rows[1].hash = Sha256Hash::of_row(rows[0].hash, 2, "{}");
                },
                &[Check::Next, Check::Text, Check::Columns],
            ),
        ];
        for (number, (change, expected)) in cases.into_iter().enumerate() {
            let mut rows = chain(3);
            let end = head(&rows);
            change(&mut rows);
            assert_eq!(found(&rows, end), expected, "case {number}");
        }
    }

    #[test]
    fn the_newest_row_is_held_against_the_head() {
        let rows = chain(2);
        let examined = |end| examine(&rows[1], Some(&rows[0]), None, end);
        assert!(examined(head(&rows)).is_sound());
        let cut = Head {
            seq: 5,
            hash: Sha256Hash([1; 32]),
        };
        let other = Head {
            seq: 2,
            hash: Sha256Hash([1; 32]),
        };
        for end in [cut, other, head(&rows[..1])] {
            assert!(!examined(end).is_sound(), "{end}");
        }
    }

    #[test]
    fn a_row_by_itself_shows_what_was_done_to_it() {
        let mut row = chain(1).remove(0);
        row.columns.as_mut().unwrap().action = "session.opened".into();
        assert_eq!(own_fault(&row), Some(Fault::Column("action")));
        row.canonical.push(' ');
        assert_eq!(own_fault(&row), Some(Fault::Hash));
    }
}
