//! Pins: what no retention deletes.

use std::sync::Arc;

use quarterdeck_domain::audit::{Action, Detail, Object, Outcome};
use time::OffsetDateTime;

use super::watch::BackupWatch;
use crate::{
    db::{DbError, backups::copies},
    services::{
        actions::Asking,
        audit::{self, AuditError, EventMaker},
        identity::actor,
    },
};

/// Pins copies, and lets them go.
#[derive(Debug)]
pub struct Pins {
    watch: Arc<BackupWatch>,
    events: EventMaker,
}

impl Pins {
    /// Over what is kept.
    #[must_use]
    pub fn new(watch: Arc<BackupWatch>, events: EventMaker) -> Self {
        Self { watch, events }
    }

    /// Pins a copy for a reason, or lets it go without one. Answers false if none of that name is kept, or it is so already.
    ///
    /// # Errors
    /// [`AuditError`] when it can't be recorded: then nothing has changed.
    pub async fn set(
        &self,
        by: Asking<'_>,
        name: &str,
        reason: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<bool, AuditError> {
        let mut transaction = self.watch.pool().begin().await.map_err(DbError::from)?;
        let pinned = reason.map(|reason| (by.subject.username.as_str(), reason));
        if !copies::pin(&mut *transaction, name, pinned, now).await? {
            return Ok(false);
        }
        let (action, detail) = match reason {
            Some(reason) => (Action::BackupPinned, Detail::none().with("reason", reason)),
            None => (Action::BackupUnpinned, Detail::none()),
        };
        let event = self.events.event(
            by.origin,
            actor(by.subject),
            action,
            Object::new("backup", name),
            Outcome::Succeeded,
            detail,
        );
        audit::append(&mut transaction, &event).await?;
        transaction.commit().await.map_err(DbError::from)?;
        self.watch.look_anew().await;
        Ok(true)
    }
}
