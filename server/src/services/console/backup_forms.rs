//! Restore drills and pins, as forms ask for them: decide, then do, then word what went wrong.

use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::access::{Permission, Subject};
use uuid::Uuid;

use super::{AskedConsole, no_backups};
use crate::services::{
    actions::Asking,
    audit::AuditError,
    backups::drills::{AskedBy, DrillError, DrillOf},
    identity::actor,
};

/// The longest reason for a pin.
const REASON: usize = 500;

impl AskedConsole {
    /// Begins a restore drill, which goes on when this answers.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn begin_drill(&self, subject: &Subject, of: &DrillOf) -> Result<Uuid, ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let drills = self.service.drills.as_ref().ok_or_else(no_drills)?;
        let by = AskedBy::Person(actor(subject));
        drills
            .begin(of, &by, &self.origin)
            .await
            .map_err(|error| match error {
                DrillError::Busy => ConsoleError::Conflict(error.to_string()),
                DrillError::Nothing(_) => ConsoleError::NotFound(error.to_string()),
                DrillError::Unrecorded(_) | DrillError::Unaudited(_) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "a drill could not be begun"
                    );
                    ConsoleError::Unavailable(error.to_string())
                }
            })
    }

    /// Wants a restore drill ended that goes on.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn cancel_drill(&self, subject: &Subject, id: &str) -> Result<(), ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let drills = self.service.drills.as_ref().ok_or_else(no_drills)?;
        let over = || {
            ConsoleError::Conflict(
                "Nothing was done: no such drill goes on, or somebody has asked already that it ends."
                    .to_owned(),
            )
        };
        let id = Uuid::parse_str(id).map_err(|_| over())?;
        let asked = drills
            .cancel(id, actor(subject), &self.origin)
            .await
            .map_err(|error| unrecorded(&error))?;
        asked.then_some(()).ok_or_else(over)
    }

    /// Pins a kept copy for a reason, or lets it go without one.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn pin_backup(
        &self,
        subject: &Subject,
        name: &str,
        reason: Option<&str>,
    ) -> Result<(), ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let pins = self.service.pins.as_ref().ok_or_else(no_backups)?;
        if reason.is_some_and(|reason| reason.trim().is_empty() || reason.chars().count() > REASON) {
            return Err(ConsoleError::BadRequest(format!(
                "Nothing was done: say in at most {REASON} letters why it is to be kept. Who wonders later whether it can go reads that."
            )));
        }
        let by = Asking {
            subject,
            origin: &self.origin,
        };
        let changed = pins
            .set(by, name, reason.map(str::trim), self.service.clock.now())
            .await
            .map_err(|error| unrecorded(&error))?;
        changed.then_some(()).ok_or_else(|| {
            ConsoleError::Conflict(
                "Nothing was done: no such copy is kept, or somebody else was faster. Open its page again."
                    .to_owned(),
            )
        })
    }
}

fn no_drills() -> ConsoleError {
    ConsoleError::NotFound(
        "Restore drills are not configured. Add [backups.drill] to the configuration: it says when they are done, and where."
            .to_owned(),
    )
}

fn unrecorded(error: &AuditError) -> ConsoleError {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "what somebody wanted of backups could not be recorded"
    );
    ConsoleError::Unavailable(
        "Nothing was done: the console's own database does not take the record of it. Try again when it is back."
            .to_owned(),
    )
}
