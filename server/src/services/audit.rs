//! Writing the audit log, walking it, and taking it away as a file.
//!
//! There are two ways to write. What changes the console's own tables calls [`append`] in its own transaction, so
//! that the record and what it records stand or fall together. What stands alone (a refused sign-in) goes through
//! the [`Recorder`], which puts what is waiting into one commit.

mod recorder;
mod search;
mod selection;
mod walk;

use std::net::IpAddr;
use std::sync::Arc;

use quarterdeck_domain::audit::{Action, Actor, CanonicalError, Detail, Event, Object, Outcome};
use sqlx::PgConnection;

pub use recorder::Recorder;
pub use search::AuditLog;
pub use selection::{ExportRefused, Selection};
pub use walk::{WalkError, export, verify_database, verify_export};

use crate::clock::Clock;
use crate::db::{self, DbError};
use crate::entropy::Entropy;

/// Why an event was not recorded. Then what it records must not happen either.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The event has no canonical text.
    #[error("the event can't be written to the audit log")]
    Event(#[source] Arc<CanonicalError>),
    /// The database didn't take it.
    #[error("the audit log could not be written")]
    Db(#[source] Arc<DbError>),
    /// More is waiting to be recorded than is kept waiting.
    #[error(
        "the audit log could not be written, because too much is waiting for it; the database is slow or away"
    )]
    TooManyWaiting,
    /// The console is stopping.
    #[error("the audit log could not be written, because the console is stopping")]
    Stopping,
}

impl AuditError {
    /// Whether the database was away rather than unwilling.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Event(_) => false,
            Self::Db(error) => error.is_unavailable(),
            Self::TooManyWaiting | Self::Stopping => true,
        }
    }
}

impl From<CanonicalError> for AuditError {
    fn from(error: CanonicalError) -> Self {
        Self::Event(Arc::new(error))
    }
}

impl From<DbError> for AuditError {
    fn from(error: DbError) -> Self {
        Self::Db(Arc::new(error))
    }
}

/// Where a request came from, as far as the log keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the client calls itself (the `User-Agent` header), at most 300 characters.
    pub user_agent: String,
    /// The trace that the request belongs to, 32 hexadecimal digits.
    pub trace_id: Option<String>,
    /// What the API token is known by that the request came with, if it did.
    pub api_token: Option<String>,
}

/// Makes events: gives them their id and time.
#[derive(Debug, Clone)]
pub struct EventMaker {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl EventMaker {
    /// With a clock and a source of ids.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy }
    }

    /// An event that happened now.
    pub fn event(
        &self,
        origin: &Origin,
        actor: Actor,
        action: Action,
        object: Object,
        outcome: Outcome,
        detail: Detail,
    ) -> Event {
        let recorded_at = self.clock.now();
        // Whatever a program does in a person's name says so.
        let detail = match &origin.api_token {
            Some(label) => detail.with("api_token", label.as_str()),
            None => detail,
        };
        Event {
            id: self.entropy.uuid(recorded_at),
            recorded_at,
            actor,
            action,
            object,
            outcome,
            detail,
            source: origin.address,
            trace_id: origin.trace_id.clone(),
        }
    }
}

/// Writes an event in the caller's transaction; it is in the log when that commits.
///
/// # Errors
/// [`AuditError`]: the caller then has to roll back.
pub async fn append(transaction: &mut PgConnection, event: &Event) -> Result<(), AuditError> {
    let canonical = event.canonical()?;
    db::audit::append(transaction, &[canonical]).await?;
    Ok(())
}
