//! Making backups, as pages, forms and the API ask for it: decide, then do, then word what went wrong.

use quarterdeck_app::error::ConsoleError;
use quarterdeck_domain::{
    access::{Permission, Subject},
    backup::Method,
};
use uuid::Uuid;

use super::{AskedConsole, no_backups};
use crate::services::{
    actions::Asking,
    backups::runs::{Report, RunError},
};

/// The longest name of a machine.
const HOST: usize = 200;
/// The longest command line that is kept.
const COMMAND: usize = 4000;
/// The end of a log that is kept, bytes.
const LOG: usize = 60_000;
/// So far ahead may the clock of another machine be.
const SKEW: time::Duration = time::Duration::minutes(5);

impl AskedConsole {
    fn backups_asking<'a>(&'a self, subject: &'a Subject) -> Asking<'a> {
        Asking {
            subject,
            origin: &self.origin,
        }
    }

    /// Has a backup made now.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn begin_backup(&self, subject: &Subject, method: Method) -> Result<Uuid, ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let (runs, _) = self.service.backup_runs.as_ref().ok_or_else(no_backups)?;
        let wanted = crate::services::backups::runs::Wanted::Request(self.backups_asking(subject));
        runs.begin(method, wanted).await.map_err(word)
    }

    /// Wants a run ended that goes on.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn cancel_backup(&self, subject: &Subject, id: &str) -> Result<(), ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let (runs, _) = self.service.backup_runs.as_ref().ok_or_else(no_backups)?;
        let id = Uuid::parse_str(id).map_err(|_| word(RunError::NotRunning))?;
        runs.cancel(self.backups_asking(subject), id).await.map_err(word)
    }

    /// Has a kept copy read again, from the store; it goes on when this answers.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub fn verify_backup(&self, subject: &Subject, name: &str) -> Result<(), ConsoleError> {
        self.allow(subject, Permission::RunBackups)?;
        let (_, verifications) = self.service.backup_runs.as_ref().ok_or_else(no_backups)?;
        if verifications.begin(name, &subject.username) {
            Ok(())
        } else {
            Err(ConsoleError::Conflict(format!("{name} is being read already.")))
        }
    }

    /// Writes down what a job elsewhere tells of its run.
    ///
    /// # Errors
    /// [`ConsoleError`], in words.
    pub async fn report_backup(&self, subject: &Subject, mut report: Report) -> Result<Uuid, ConsoleError> {
        self.allow(subject, Permission::ReportBackups)?;
        let (runs, _) = self.service.backup_runs.as_ref().ok_or_else(no_backups)?;
        let wrong = |what: &str| {
            Err(ConsoleError::BadRequest(format!(
                "{what} Nothing was written down."
            )))
        };
        if report.host.trim().is_empty() || report.host.len() > HOST {
            return wrong("`host` has to name the machine, in at most 200 bytes.");
        }
        if report.ended_at < report.began_at {
            return wrong("`ended_at` is before `began_at`.");
        }
        if report.ended_at > self.service.clock.now() + SKEW {
            return wrong(
                "`ended_at` is in the future; compare the clock of that machine with the console's.",
            );
        }
        report.command = report.command.replace('\0', "").chars().take(COMMAND).collect();
        report.log = report.log.replace('\0', "");
        let cut = report
            .log
            .ceil_char_boundary(report.log.len().saturating_sub(LOG));
        report.log.drain(..cut);
        runs.report(self.backups_asking(subject), report)
            .await
            .map_err(word)
    }
}

fn word(error: RunError) -> ConsoleError {
    match error {
        RunError::NotConfigured(_) => ConsoleError::NotFound(format!("Nothing was done: {error}.")),
        RunError::UnderWay(_) | RunError::NotRunning => {
            ConsoleError::Conflict(format!("Nothing was done: {error}."))
        }
        RunError::Db(_) | RunError::Audit(_) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a backup could not be asked for or told of"
            );
            ConsoleError::Unavailable(
                "Nothing was done: the console's own database does not answer, and without a record nothing is begun. Try again when it is back."
                    .to_owned(),
            )
        }
    }
}
