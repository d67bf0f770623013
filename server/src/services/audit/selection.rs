//! Rows of the log taken away as a file: recorded first, then read page by page, so that a log of any length needs no
//! more memory than one page.

use quarterdeck_domain::access::Subject;
use quarterdeck_domain::audit::{Action, ChainRow, Detail, Filter, Head, Object, Outcome};
use sqlx::PgPool;

use super::search::AuditLog;
use super::{AuditError, Origin};
use crate::db::{
    self, DbError,
    audit::search::{End, Walk, find},
};
use crate::services::identity::actor;

/// How many rows are read at once.
const PAGE: u16 = 2_000;

/// The rows that fit a filter, the oldest first, up to the end that the log had when the export was recorded.
#[derive(Debug)]
pub struct Selection {
    pool: PgPool,
    filter: Filter,
    after: u64,
    end: Head,
    done: bool,
}

/// Why an export did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ExportRefused {
    /// It couldn't be recorded.
    #[error("nothing was exported, because the export could not be recorded")]
    Audit(#[from] AuditError),
    /// The log couldn't be read.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl AuditLog {
    /// Records that `subject` exports the rows that fit `filter` as `format`, and only then gives them.
    ///
    /// # Errors
    /// [`ExportRefused`]: then nothing was given.
    pub async fn export(
        &self,
        subject: &Subject,
        origin: &Origin,
        filter: Filter,
        format: &'static str,
    ) -> Result<Selection, ExportRefused> {
        let which = if filter.is_empty() { "all" } else { "selection" };
        let mut detail = Detail::none().with("format", format);
        for (name, value) in filter.pairs() {
            detail = detail.with(&format!("filter_{name}"), value);
        }
        let event = self.events.event(
            origin,
            actor(subject),
            Action::AuditExported,
            Object::new("audit_log", which),
            Outcome::Succeeded,
            detail,
        );
        self.recorder.record(&event).await?;
        // Read afterwards: the file holds the line about itself, if that fits.
        let end = db::audit::head(&self.pool).await?;
        Ok(Selection {
            pool: self.pool.clone(),
            filter,
            after: 0,
            end,
            done: false,
        })
    }
}

impl Selection {
    /// The end that the log had when the export was recorded.
    #[must_use]
    pub fn end(&self) -> Head {
        self.end
    }

    /// Which rows are taken.
    #[must_use]
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// The next rows, at least one; none at the end.
    ///
    /// # Errors
    /// When the database can't be asked: the file then has to break off, and must not look whole.
    pub async fn next(&mut self) -> Result<Option<Vec<ChainRow>>, DbError> {
        while !self.done {
            let mut connection = self.pool.acquire().await?;
            let found = find(&mut connection, &self.filter, Walk::Up(self.after), PAGE).await?;
            drop(connection);
            let mut rows = found.rows;
            match found.end {
                End::Full => self.after = rows.last().map_or(self.end.seq, |row| row.seq),
                End::Budget(seq) => self.after = seq,
                End::Exhausted => self.done = true,
            }
            self.done |= self.after >= self.end.seq;
            rows.retain(|row| row.seq <= self.end.seq);
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
