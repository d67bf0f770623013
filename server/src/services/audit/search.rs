//! Looking for rows of the log, and looking at one.

use quarterdeck_app::{
    error::ConsoleError,
    view::audit::{AuditCheckView, AuditEntryView, AuditPageView, AuditRowView, SearchedToView},
};
use quarterdeck_domain::audit::{
    ChainRow, Columns, Event, Position, Search,
    examination::{Finding, examine, own_fault},
    sentence,
};
use sqlx::PgPool;

use super::{EventMaker, Recorder};
use crate::clock::unix_ms;
use crate::db::{
    self, DbError,
    audit::search::{End, Found, Walk, find},
};

/// Reads the log for people.
#[derive(Debug, Clone)]
pub struct AuditLog {
    pub(super) pool: PgPool,
    pub(super) recorder: Recorder,
    pub(super) events: EventMaker,
}

impl AuditLog {
    /// On the console's database; exports are recorded by the recorder.
    #[must_use]
    pub fn new(pool: PgPool, recorder: Recorder, events: EventMaker) -> Self {
        Self {
            pool,
            recorder,
            events,
        }
    }

    /// A page of a search.
    ///
    /// # Errors
    /// [`ConsoleError::Unavailable`] when the database can't be asked.
    pub async fn page(&self, search: &Search) -> Result<AuditPageView, ConsoleError> {
        self.read_page(search).await.map_err(unreadable)
    }

    /// A row with its neighbours and what they prove.
    ///
    /// # Errors
    /// [`ConsoleError::NotFound`] when there is none of that number.
    pub async fn entry(&self, seq: u64) -> Result<AuditEntryView, ConsoleError> {
        // The number after it has to be one too.
        let known = if i64::try_from(seq).is_ok_and(|seq| seq < i64::MAX) {
            let mut connection = self
                .pool
                .acquire()
                .await
                .map_err(|error| unreadable(error.into()))?;
            let around = db::audit::surroundings(&mut connection, seq)
                .await
                .map_err(unreadable)?;
            let newest = around.head.seq;
            match &around.row {
                Some(row) => return Ok(entry(row, &around)),
                None => Some(newest),
            }
        } else {
            None
        };
        Err(ConsoleError::NotFound(match known {
            Some(newest) if (1..=newest).contains(&seq) => format!(
                "Row {seq} of the audit log is missing, though the log goes on to row {newest}: it was removed. \
                 `quarterdeck audit verify` names the first row that can't be trusted."
            ),
            Some(newest) => {
                format!("There is no row {seq} in the audit log. Its rows are numbered from 1 to {newest}.")
            }
            None => format!("There is no row {seq} in the audit log."),
        }))
    }

    async fn read_page(&self, search: &Search) -> Result<AuditPageView, DbError> {
        let mut connection = self.pool.acquire().await?;
        let walk = match search.position {
            Position::Newest => Walk::Down(None),
            Position::Before(seq) => Walk::Down(Some(seq)),
            Position::After(seq) => Walk::Up(seq),
        };
        let Found { mut rows, end } = find(&mut connection, &search.filter, walk, search.limit).await?;
        let stopped = match end {
            End::Budget(seq) => Some(seq),
            End::Full | End::Exhausted => None,
        };
        let searched_to = match stopped {
            Some(seq) => Some(SearchedToView {
                seq,
                at_ms: db::audit::recorded_at(&mut connection, seq).await?.map(unix_ms),
            }),
            None => None,
        };
        // What lies in the direction of the walk, and what was left behind.
        let ahead = match end {
            End::Full => rows.last().map(|row| row.seq),
            End::Budget(seq) => Some(seq),
            End::Exhausted => None,
        };
        let (older, newer) = match walk {
            Walk::Down(from) => {
                let newer = from.map(|before| rows.first().map_or(before.saturating_sub(1), |row| row.seq));
                (ahead, newer)
            }
            Walk::Up(after) => {
                let older = rows.first().map_or(after.saturating_add(1), |row| row.seq);
                // There may be rows of the filter before the first of this page or not: the link says.
                (Some(older), ahead)
            }
        };
        if matches!(walk, Walk::Up(_)) {
            rows.reverse();
        }
        Ok(AuditPageView {
            rows: rows.iter().map(row_view).collect(),
            older,
            newer,
            searched_to,
        })
    }
}

fn unreadable(error: DbError) -> ConsoleError {
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "the audit log could not be read"
    );
    let why = if error.is_unavailable() {
        "the console's own database does not answer, or not in time"
    } else {
        "the console's own database refused it; the server log says why"
    };
    ConsoleError::Unavailable(format!(
        "The audit log can't be read: {why}. What is recorded is not affected. Try again, or search for less."
    ))
}

fn entry(row: &ChainRow, around: &db::audit::Surroundings) -> AuditEntryView {
    let (before, after) = (around.before.as_ref(), around.after.as_ref());
    let examined = examine(row, before, after, around.head);
    AuditEntryView {
        row: row_view(row),
        canonical: row.canonical.clone(),
        recomputed_hash: examined.recomputed.to_string(),
        verifies: examined.is_sound(),
        checks: examined.findings.into_iter().map(check_view).collect(),
        previous: before.map(|row| row.seq),
        next: after.map(|row| row.seq),
        newest: around.head.seq,
    }
}

fn check_view(finding: Finding) -> AuditCheckView {
    let (holds, text) = match finding.verdict {
        Ok(text) => (true, text),
        Err(text) => (false, capitalised(&text)),
    };
    AuditCheckView {
        title: finding.check.title().to_owned(),
        holds,
        text,
    }
}

/// A fault as a sentence of its own.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), chars.as_str())
}

/// A row as it is shown. Of one whose text is no event, the search columns have to do.
fn row_view(row: &ChainRow) -> AuditRowView {
    let fault = own_fault(row).map(|fault| capitalised(&fault.to_string()));
    let (prev_hash, hash) = (row.prev_hash.to_string(), row.hash.to_string());
    match Event::from_canonical(&row.canonical) {
        Ok(event) => AuditRowView {
            seq: row.seq,
            at_ms: unix_ms(event.recorded_at),
            sentence: sentence(&event),
            actor_kind: event.actor.kind().to_owned(),
            actor_id: event.actor.id().map(|id| id.to_string()),
            actor_name: event.actor.name().map(str::to_owned),
            action: event.action.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            source: event.source.map(|address| address.to_string()),
            trace_id: event.trace_id,
            detail: event.detail.as_map().clone(),
            object_kind: event.object.kind,
            object_id: event.object.id,
            prev_hash,
            hash,
            fault,
        },
        Err(_) => {
            let columns = row.columns.as_ref();
            let text = |part: fn(&Columns) -> &String| columns.map(part).cloned().unwrap_or_default();
            AuditRowView {
                seq: row.seq,
                at_ms: columns.map_or(0, |columns| unix_ms(columns.recorded_at)),
                sentence: "This row holds no event that can be read".to_owned(),
                actor_kind: text(|columns| &columns.actor_kind),
                actor_id: columns
                    .and_then(|columns| columns.actor_id)
                    .map(|id| id.to_string()),
                actor_name: columns.and_then(|columns| columns.actor_name.clone()),
                action: text(|columns| &columns.action),
                object_kind: text(|columns| &columns.object_kind),
                object_id: text(|columns| &columns.object_id),
                outcome: text(|columns| &columns.outcome),
                source: None,
                trace_id: None,
                detail: serde_json::Map::new(),
                prev_hash,
                hash,
                fault,
            }
        }
    }
}
