//! The audit log as a file: JSON Lines that can be verified with nothing but the file.
//!
//! Each row is one line, `{"seq":1,"prev_hash":"…","hash":"…","event":{…}}`, where `event` is the canonical text
//! itself, byte for byte. The last line, `{"end":{"seq":1,"hash":"…"}}`, tells a whole file from one that broke off.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chain::{BadRow, ChainRow, Fault, Head, Sha256Hash, Verifier};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RowLine {
    seq: u64,
    prev_hash: String,
    hash: String,
    event: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    end: EndOfLog,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndOfLog {
    seq: u64,
    hash: String,
}

/// Why an export can't be trusted, or not be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A line is neither a row nor the end.
    #[error("line {line} of the export is no row of an audit log: {reason}")]
    Line {
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is text after the end line.
    #[error("line {line} of the export comes after its end: two exports were joined, or rows were added")]
    AfterEnd {
        /// The line's number, from 1.
        line: u64,
    },
    /// The file has no end line.
    #[error("the export breaks off after row {after}: its last line, which names the end, is missing")]
    NoEnd {
        /// The last row that is there.
        after: u64,
    },
    /// A row is bad.
    #[error(transparent)]
    Bad(#[from] BadRow),
}

/// The line of a row, without a line break.
///
/// # Errors
/// When the row's text is not JSON: it was tampered with, and can't be written into a JSON file as it is.
pub fn row_line(row: &ChainRow) -> Result<String, serde_json::Error> {
    serde_json::to_string(&RowLine {
        seq: row.seq,
        prev_hash: row.prev_hash.to_string(),
        hash: row.hash.to_string(),
        event: RawValue::from_string(row.canonical.clone())?,
    })
}

/// The last line, without a line break.
pub fn end_line(head: Head) -> Result<String, serde_json::Error> {
    serde_json::to_string(&EndLine {
        end: EndOfLog {
            seq: head.seq,
            hash: head.hash.to_string(),
        },
    })
}

/// Verifies an export line by line, with constant memory.
#[derive(Debug)]
pub struct ExportVerifier {
    verifier: Verifier,
    lines: u64,
    rows: u64,
    end: Option<Head>,
}

impl ExportVerifier {
    /// Begins before the first line; `expected` as in [`Verifier::new`].
    pub fn new(expected: impl IntoIterator<Item = Head>) -> Self {
        Self {
            verifier: Verifier::new(expected),
            lines: 0,
            rows: 0,
            end: None,
        }
    }

    /// Checks the next line (without its line break).
    pub fn push(&mut self, text: &str) -> Result<(), ExportError> {
        self.lines += 1;
        let line = self.lines;
        if self.end.is_some() {
            return Err(ExportError::AfterEnd { line });
        }
        let wrong = |reason: String| ExportError::Line { line, reason };
        let hash = |text: &str| {
            text.parse::<Sha256Hash>()
                .map_err(|error| wrong(error.to_string()))
        };
        if let Ok(EndLine { end }) = serde_json::from_str(text) {
            self.end = Some(Head {
                seq: end.seq,
                hash: hash(&end.hash)?,
            });
            return Ok(());
        }
        let row: RowLine = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        self.verifier.push(&ChainRow {
            seq: row.seq,
            canonical: row.event.get().to_owned(),
            prev_hash: hash(&row.prev_hash)?,
            hash: hash(&row.hash)?,
            columns: None,
        })?;
        self.rows = row.seq;
        Ok(())
    }

    /// Ends the walk: the head of the exported log.
    pub fn finish(self) -> Result<Head, ExportError> {
        let Some(end) = self.end else {
            return Err(ExportError::NoEnd { after: self.rows });
        };
        let head = self.verifier.finish()?;
        if end.seq > head.seq {
            return Err(BadRow {
                seq: head.seq + 1,
                fault: Fault::CutOff { known: end.seq },
            }
            .into());
        }
        if end != head {
            return Err(BadRow {
                seq: end.seq,
                fault: Fault::OtherHistory,
            }
            .into());
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Action, Actor, Detail, Event, Object, Outcome};
    use time::macros::datetime;
    use uuid::Uuid;

    fn export(length: u64) -> (Vec<String>, Head) {
        let mut head = Head::genesis();
        let mut lines = Vec::new();
        for seq in 1..=length {
            let canonical = Event {
                id: Uuid::from_u128(u128::from(seq)),
                recorded_at: datetime!(2026-11-24 22:00 UTC),
                actor: Actor::Anonymous,
                action: Action::SessionRefused,
                object: Object::new("account", "unknown"),
                outcome: Outcome::Refused,
                detail: Detail::none().with("reason", "wrong_password"),
                source: None,
                trace_id: None,
            }
            .canonical()
            .unwrap();
            let hash = Sha256Hash::of_row(head.hash, seq, &canonical);
            let row = ChainRow {
                seq,
                canonical,
                prev_hash: head.hash,
                hash,
                columns: None,
            };
            lines.push(row_line(&row).unwrap());
            head = Head { seq, hash };
        }
        lines.push(end_line(head).unwrap());
        (lines, head)
    }

    fn check(lines: &[String]) -> Result<Head, ExportError> {
        let mut verifier = ExportVerifier::new([]);
        lines.iter().try_for_each(|line| verifier.push(line))?;
        verifier.finish()
    }

    #[test]
    fn a_whole_export_verifies() {
        for length in [0, 1, 20] {
            let (lines, head) = export(length);
            assert_eq!(check(&lines).unwrap(), head);
        }
    }

    #[test]
    fn a_changed_event_is_named() {
        let (mut lines, _) = export(5);
        lines[2] = lines[2].replace("wrong_password", "wrong_passw0rd");
        assert!(matches!(
            check(&lines),
            Err(ExportError::Bad(BadRow {
                seq: 3,
                fault: Fault::Hash
            }))
        ));
    }

    #[test]
    fn spaces_put_into_an_event_are_a_change() {
        let (mut lines, _) = export(2);
        lines[1] = lines[1].replace("\"v\":1", "\"v\": 1");
        assert!(matches!(
            check(&lines),
            Err(ExportError::Bad(BadRow {
                seq: 2,
                fault: Fault::Hash
            }))
        ));
    }

    #[test]
    fn a_cut_off_file_is_told_from_a_whole_one() {
        let (mut lines, _) = export(5);
        let end = lines.pop().unwrap();
        assert!(matches!(check(&lines), Err(ExportError::NoEnd { after: 5 })));
        lines.pop();
        lines.push(end);
        let error = check(&lines).unwrap_err();
        assert!(
            matches!(
                error,
                ExportError::Bad(BadRow {
                    seq: 5,
                    fault: Fault::CutOff { known: 5 }
                })
            ),
            "{error}"
        );
    }

    #[test]
    fn rows_after_the_end_and_broken_lines_are_refused() {
        let (mut lines, _) = export(2);
        lines.push(lines[0].clone());
        assert!(matches!(check(&lines), Err(ExportError::AfterEnd { line: 4 })));
        let (mut lines, _) = export(2);
        lines[0].truncate(40);
        assert!(matches!(check(&lines), Err(ExportError::Line { line: 1, .. })));
    }
}
