//! Verifying the log in the database and in an export, and writing an export, all with constant memory.

use std::io::{BufRead, Write};

use quarterdeck_domain::audit::{
    BadRow, ChainRow, Head, Verifier,
    export::{ExportError, ExportVerifier, end_line, row_line},
};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::db::{self, DbError, audit::Span};

/// Why a walk over the log ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The log can't be trusted from this row on.
    #[error("the audit log is broken at {0}")]
    Bad(#[from] BadRow),
    /// The times kept for a thousand rows are not theirs.
    #[error(
        "the rows of the audit log are whole, but the times kept for rows {} to {last_seq} are not theirs: a search by time \
         would mislead",
        last_seq - db::audit::SPAN + 1
    )]
    Span {
        /// The number of the last of the rows.
        last_seq: u64,
    },
    /// The export can't be trusted.
    #[error("the exported audit log is broken: {0}")]
    Export(#[from] ExportError),
    /// The database didn't answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file couldn't be read or written.
    #[error("the file of the audit log can't be read or written")]
    File(#[from] std::io::Error),
    /// A row can't be written into an export, because its text is no JSON.
    #[error("row {seq} of the audit log holds no JSON and can't be exported: it was tampered with")]
    NotJson {
        /// The row's number.
        seq: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// Verifies the log in the database against itself, its head row, and a head that was kept elsewhere; then what is kept
/// for searching it.
///
/// Rows that come in while it walks are walked too.
///
/// # Errors
/// [`WalkError::Bad`] with the first bad row, [`WalkError::Span`] when the rows are whole and their times are not.
pub async fn verify_database(
    connection: &mut PgConnection,
    expected: Option<Head>,
) -> Result<Head, WalkError> {
    let head = db::audit::head(&mut *connection).await?;
    let mut verifier = Verifier::new(expected.into_iter().chain([head]));
    let mut after = 0;
    let mut times = Times::default();
    loop {
        let rows = db::audit::rows_after(connection, after).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            verifier.push(row)?;
            if let Some(span) = times.push(row)
                && times.wrong.is_none()
                && db::audit::span(connection, row.seq).await? != Some(span)
            {
                times.wrong = Some(row.seq);
            }
        }
    }
    let head = verifier.finish()?;
    match times.wrong {
        Some(last_seq) => Err(WalkError::Span { last_seq }),
        None => Ok(head),
    }
}

/// The earliest and the latest time of the rows since the last whole thousand, and the first thousand that is wrong.
#[derive(Debug, Default)]
struct Times {
    range: Option<(OffsetDateTime, OffsetDateTime)>,
    wrong: Option<u64>,
}

impl Times {
    /// Takes the next row; the span that it completes, if it does.
    fn push(&mut self, row: &ChainRow) -> Option<Span> {
        if let Some(columns) = &row.columns {
            let at = columns.recorded_at;
            let (earliest, latest) = self.range.unwrap_or((at, at));
            self.range = Some((earliest.min(at), latest.max(at)));
        }
        if !row.seq.is_multiple_of(db::audit::SPAN) {
            return None;
        }
        let (earliest, latest) = self.range.take()?;
        Some(Span {
            last_seq: row.seq,
            earliest,
            latest,
        })
    }
}

/// Verifies an export, with nothing but the file.
///
/// # Errors
/// [`WalkError::Export`] with the first bad row or line.
pub fn verify_export(file: impl BufRead, expected: Option<Head>) -> Result<Head, WalkError> {
    let mut verifier = ExportVerifier::new(expected);
    for line in file.lines() {
        verifier.push(&line?)?;
    }
    Ok(verifier.finish()?)
}

/// Writes the whole log as JSON Lines, and verifies it on the way.
///
/// # Errors
/// [`WalkError::Bad`] when a row is bad: the file is written to its end all the same, as it is evidence.
pub async fn export(connection: &mut PgConnection, mut file: impl Write) -> Result<Head, WalkError> {
    let mut verifier = Verifier::new([]);
    let mut bad = None;
    let mut head = Head::genesis();
    loop {
        let rows = db::audit::rows_after(connection, head.seq).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            if bad.is_none() {
                bad = verifier.push(row).err();
            }
            let line = row_line(row).map_err(|source| WalkError::NotJson { seq: row.seq, source })?;
            writeln!(file, "{line}")?;
            head = Head {
                seq: row.seq,
                hash: row.hash,
            };
        }
    }
    let end = end_line(head).map_err(|source| WalkError::NotJson {
        seq: head.seq,
        source,
    })?;
    writeln!(file, "{end}")?;
    file.flush()?;
    match bad {
        Some(bad) => Err(bad.into()),
        None => Ok(head),
    }
}
